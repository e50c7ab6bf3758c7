//===- CHeader.h - Declarations of C functions ------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_AOT_CHEADER_H
#define NORMA_RUNTIME_AOT_CHEADER_H

#include "CFunction.h"

#include <span>
#include <string_view>

namespace norma {

/// A letter or '_', then letters, digits and '_', and no word that C or C++ reserve.
bool isCIdentifier(std::string_view name);

/// Whether the C library has a function of that name that compiled code may call.
bool isLibraryFunction(std::string_view name);

/// A header for C99 and C++ that needs nothing but <stdint.h>. `origin` says in a few
/// words what the functions were compiled for, and by what.
std::string writeCHeader(std::span<const CFunction> functions, std::string_view origin);

} // namespace norma

#endif // NORMA_RUNTIME_AOT_CHEADER_H
