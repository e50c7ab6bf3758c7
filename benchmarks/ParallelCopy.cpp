//===- ParallelCopy.cpp - The speed limit that kernels are compared with --===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ParallelCopy.h"

#include <algorithm>
#include <cstring>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

using namespace norma;

void benchmarks::parallelCopy(void *to, const void *from, size_t size, int threads) {
  oneapi::tbb::task_arena arena(threads);
  auto parts = size_t(threads);
  arena.execute([&] {
    oneapi::tbb::parallel_for(size_t(0), parts, [&](size_t part) {
      // Whole cache lines, so that no two threads write to one.
      auto bound = [&](size_t i) { return i == parts ? size : size / parts * i / 64 * 64; };
      size_t begin = bound(part), end = bound(part + 1);
      std::memcpy(static_cast<char *>(to) + begin, static_cast<const char *>(from) + begin,
                  end - begin);
    });
  });
}
