//===- SafetensorsMutator.h - Changes a safetensors file --------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_FUZZ_SAFETENSORSMUTATOR_H
#define NORMA_FUZZ_SAFETENSORSMUTATOR_H

#include "FuzzTarget.h"

namespace norma::fuzz {

/// A custom mutator for safetensors files: changes the text of the header or the data,
/// and mostly makes the length of the header, and that of the data, fit again. Without
/// that nearly every mutant ends at the first check.
size_t mutateSafetensors(uint8_t *data, size_t size, size_t maxSize, unsigned int seed);

} // namespace norma::fuzz

#endif // NORMA_FUZZ_SAFETENSORSMUTATOR_H
