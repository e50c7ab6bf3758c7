//===- Compilation.h - What a kernel costs to compile -----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_BENCHMARKS_COMPILATION_H
#define NORMA_BENCHMARKS_COMPILATION_H

#include "Rounds.h"

namespace norma::benchmarks {

/// One benchmark for every kernel of the table, "compile/affine/RK/f32/13": from nothing to
/// code that can be called, by an engine that has compiled before and keeps nothing on the disk.
/// Counters: `seconds` in all, `lower_seconds` (MLIR), `codegen_seconds` (LLVM),
/// `load_seconds` (linking); medians.
void registerCompilations(bool quick, const Settings &settings);

} // namespace norma::benchmarks

#endif // NORMA_BENCHMARKS_COMPILATION_H
