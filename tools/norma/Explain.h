//===- Explain.h - What was compiled, and how fast it ran -------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_TOOLS_NORMA_EXPLAIN_H
#define NORMA_TOOLS_NORMA_EXPLAIN_H

#include "norma/Runtime/Layers/NormalizationState.h"

namespace norma::tool {

/// Prints the axis form of data of `shape`, and every kernel of the engine:
/// schedule, key, where it came from, compile time, bytes moved and throughput. To standard error,
/// because the results of a command may go to standard output.
void explain(const Engine &engine, std::span<const int64_t> shape, std::span<const int64_t> kept);

/// The kernels alone.
void explainKernels(const Engine &engine);

/// For commands that compute on stored statistics only.
void explainWithoutKernels(const NormalizationState &state, uint64_t bytes, double seconds);

} // namespace norma::tool

#endif // NORMA_TOOLS_NORMA_EXPLAIN_H
