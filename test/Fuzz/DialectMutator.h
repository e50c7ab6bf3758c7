//===- DialectMutator.h - Programs, mostly valid ----------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// LLVM and MLIR are not instrumented, so libFuzzer learns little from a text that does not
// parse. The mutator makes programs from a grammar and changes what a compiler looks at:
// extents, types, axes, attributes.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_FUZZ_DIALECTMUTATOR_H
#define NORMA_FUZZ_DIALECTMUTATOR_H

#include "FuzzTarget.h"

namespace norma::fuzz {

/// A function with a few norma ops.
std::string makeFunction(Choices &choose);

/// A custom mutator for programs.
size_t mutateProgram(uint8_t *data, size_t size, size_t maxSize, unsigned int seed);

} // namespace norma::fuzz

#endif // NORMA_FUZZ_DIALECTMUTATOR_H
