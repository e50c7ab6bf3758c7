//===- SharedWork.h - Tasks that threads share out --------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Calls on little data follow each other within microseconds, and a thread that sleeps takes
// tens of them to come. So helpers watch for a while after the last call, and find the next one
// where they look: to hand over work is a store, and to have it back a load.
//
// The tasks of a call are cut into a part for every thread. A thread goes through its own part,
// whose data may still be in its cache, and then takes from the others'. What a helper must know
// to begin lies in the cache line of its part, where it looks, since every line that goes from one
// processor to another is a tenth of a microsecond.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_RUNTIME_SHAREDWORK_H
#define NORMA_LIB_RUNTIME_SHAREDWORK_H

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <vector>

namespace norma {

class SharedWork {
public:
  using Clock = std::chrono::steady_clock;
  using Body = std::function<void(int64_t)>;
  /// Makes helper `id`, in [1, threads), call help(id) on a thread of its own. May throw, and
  /// is not in a hurry.
  using Wake = std::function<void(int id)>;

  /// What the caller knows of all tasks together.
  enum class Effort : uint8_t {
    /// Whether it is worth waking others is seen by what the first tasks take.
    Unknown,
    Large,
  };

  explicit SharedWork(int threads);

  /// Calls body(i) for every i in [0, count) on this thread and those that help; false where
  /// the helpers have other work, and nothing was done. What a body throws goes to the
  /// caller, one exception of all; tasks that have not begun by then are left out.
  bool tryRun(int64_t count, Effort effort, const Body &body, const Wake &wake);

  /// What a helper does: takes part in calls until there has been none for a while.
  void help(int id);
  /// Sends helpers away.
  void stop() { stopped = true; }

private:
  /// What a thread looks at, on a cache line of its own.
  struct alignas(64) Part {
    /// The number of the call and, in the lower half, how many tasks nobody has taken. Who takes
    /// one holds the call open; of a call that is over there are none.
    std::atomic<uint64_t> left{0};
    /// The task behind the last, and what is done with each.
    int64_t end = 0;
    std::atomic<const Body *> body{nullptr};
    /// Tasks that the thread has ended, of any part.
    std::atomic<int64_t> done{0};
  };
  struct alignas(64) Helper {
    std::atomic<bool> isThere{false};
  };

  static uint32_t callOf(uint64_t left) { return uint32_t(left >> 32); }
  static uint32_t tasksOf(uint64_t left) { return uint32_t(left); }
  /// How many threads have a part of so many tasks; the caller always has one.
  int activeFor(int64_t count) const;
  void open(int64_t count, const Body &body);
  /// Waits for the tasks that were taken.
  void close(int64_t count);
  bool areHelpersThere(int most) const;
  void wakeHelpers(int most, const Wake &wake);
  static std::optional<int64_t> take(Part &from, uint32_t call);
  /// Tasks of a call until none is left. After each, `afterTask` may do something else.
  template <typename AfterTask>
  void work(int part, uint32_t call, AfterTask afterTask);

  std::vector<Part> parts;
  std::vector<Helper> helpers;
  /// Whether a caller has the helpers.
  std::atomic<bool> taken{false};
  /// That of the last call.
  uint32_t number = 0;
  /// When the last call ended that some helpers were not there for.
  Clock::time_point last{};
  /// What a task threw, and that one has.
  std::exception_ptr error;
  alignas(64) std::atomic<bool> failed{false};
  std::atomic<bool> stopped{false};
};

} // namespace norma

#endif // NORMA_LIB_RUNTIME_SHAREDWORK_H
