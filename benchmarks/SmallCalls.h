//===- SmallCalls.h - What a call costs beside its kernel -------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_BENCHMARKS_SMALLCALLS_H
#define NORMA_BENCHMARKS_SMALLCALLS_H

#include "Rounds.h"

namespace norma::benchmarks {

/// "call/32x30/t1": Normalization::apply, beside the machine code that it ends in, called by
/// itself. Counters: `seconds`, `kernel_seconds`, and `overhead_seconds`, the difference
/// within a round; medians.
void registerSmallCalls(const Settings &settings);

} // namespace norma::benchmarks

#endif // NORMA_BENCHMARKS_SMALLCALLS_H
