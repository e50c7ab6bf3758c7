//===- String.cpp - Text that the caller owns -----------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Handles.h"

const char *norma_string_data(const norma_string *string) {
  return string ? string->value.c_str() : "";
}

size_t norma_string_size(const norma_string *string) { return string ? string->value.size() : 0; }

void norma_string_destroy(norma_string *string) { delete string; }
