//===- ThreadPool.cpp - Threads, by oneTBB --------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineImpl.h"
#include "SharedWork.h"

#include <algorithm>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#ifdef NORMA_ANNOTATE_TASKS
#include <sanitizer/tsan_interface.h>
#endif

namespace norma {

// What a thread sanitizer cannot see for itself, since oneTBB is not built with one: what
// was done before handing over has happened for those who take over at the same place.
#ifdef NORMA_ANNOTATE_TASKS
static void handOver(void *place) { __tsan_release(place); }
static void takeOver(void *place) { __tsan_acquire(place); }
#else
static void handOver(void * /*place*/) {}
static void takeOver(void * /*place*/) {}
#endif

struct ThreadPool::Arena {
  explicit Arena(int threads)
      : work(new SharedWork(threads),
             [](SharedWork *shared) {
               takeOver(shared);
               delete shared;
             }),
        tasks(threads) {}
  // Helpers need not be waited for.
  ~Arena() {
    work->stop();
    // To the helper that is the last to let go of it.
    handOver(work.get());
  }

  /// Makes a thread of oneTBB a helper for a while.
  void wake(int id) {
    handOver(work.get());
    tasks.enqueue([shared = work, id] {
      takeOver(shared.get());
      shared->help(id);
      handOver(shared.get());
    });
  }

  std::shared_ptr<SharedWork> work;
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

// To share a call with another thread takes about a microsecond, and that thread may have to
// fetch what it works on from the cache of this one; so a part is several microseconds of work.
static constexpr int64_t kLeastPartBytes = 192 * 1024;
/// Parts that are larger would leave threads without work while the last one ends.
static constexpr int64_t kMostPartBytes = 1024 * 1024;

int64_t ThreadPool::partsOf(int64_t bytes) const {
  const int64_t least = bytes / kMostPartBytes;
  // As many for every thread.
  if (least > threads)
    return (least + threads - 1) / threads * threads;
  return std::max<int64_t>(1, std::min<int64_t>(threads, bytes / kLeastPartBytes));
}

void ThreadPool::forEach(int64_t count, int64_t bytes,
                         const std::function<void(int64_t)> &body) const {
  if (count <= 1 || !arena) {
    for (int64_t i = 0; i < count; ++i)
      body(i);
    return;
  }
  const auto effort = bytes >= kManyBytes ? SharedWork::Effort::Large : SharedWork::Effort::Unknown;
  if (arena->work->tryRun(count, effort, body, [this](int id) { arena->wake(id); }))
    return;
  // Another call has the helpers.
  char begun = 0, done = 0;
  handOver(&begun);
  arena->tasks.execute([&] {
    oneapi::tbb::parallel_for(
        oneapi::tbb::blocked_range<int64_t>(0, count),
        [&](const oneapi::tbb::blocked_range<int64_t> &range) {
          takeOver(&begun);
          for (int64_t i = range.begin(); i != range.end(); ++i)
            body(i);
          handOver(&done);
        },
        oneapi::tbb::auto_partitioner());
  });
  takeOver(&done);
}

} // namespace norma
