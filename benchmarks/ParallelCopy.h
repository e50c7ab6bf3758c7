//===- ParallelCopy.h - The speed limit that kernels are compared with *- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_BENCHMARKS_PARALLELCOPY_H
#define NORMA_BENCHMARKS_PARALLELCOPY_H

#include <cstddef>

namespace norma::benchmarks {

/// memcpy() of `size` bytes by `threads` threads, a contiguous part each. Bytes
/// moved: twice the size, one read and one written.
void parallelCopy(void *to, const void *from, size_t size, int threads);

} // namespace norma::benchmarks

#endif // NORMA_BENCHMARKS_PARALLELCOPY_H
