//===- ThreadPool.cpp - Threads, by oneTBB --------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineImpl.h"

#include <algorithm>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

namespace norma {

struct ThreadPool::Arena {
  explicit Arena(int threads) : tasks(threads) {}
  oneapi::tbb::task_arena tasks;
};

ThreadPool::ThreadPool(int threads) : threads(threads) {
  // More threads than the process may have would gain nothing, and make oneTBB
  // print a warning.
  const int useful = std::min(threads, oneapi::tbb::info::default_concurrency());
  if (useful > 1)
    arena = std::make_unique<Arena>(useful);
}

ThreadPool::~ThreadPool() = default;

void ThreadPool::forEach(int64_t count, const std::function<void(int64_t)> &body) const {
  if (count <= 1 || !arena) {
    for (int64_t i = 0; i < count; ++i)
      body(i);
    return;
  }
  arena->tasks.execute([&] {
    oneapi::tbb::parallel_for(
        oneapi::tbb::blocked_range<int64_t>(0, count),
        [&](const oneapi::tbb::blocked_range<int64_t> &range) {
          for (int64_t i = range.begin(); i != range.end(); ++i)
            body(i);
        },
        oneapi::tbb::auto_partitioner());
  });
}

} // namespace norma
