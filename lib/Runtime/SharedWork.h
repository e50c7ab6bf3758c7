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
// whose data may still be in its cache, and then takes from the others'.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_RUNTIME_SHAREDWORK_H
#define NORMA_LIB_RUNTIME_SHAREDWORK_H

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
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
  /// On cache lines of their own.
  struct alignas(64) Part {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  struct alignas(64) Helper {
    std::atomic<bool> isThere{false};
  };

  void open(int64_t count, const Body &body);
  void close();
  static bool isOpen(uint64_t call) { return call % 2 != 0; }
  bool areHelpersThere(int most) const;
  void wakeHelpers(int most, const Wake &wake);
  /// Tasks until none is left. After each, `afterTask` may do something else.
  template <typename AfterTask>
  void work(int part, AfterTask afterTask);

  std::vector<Part> parts;
  std::vector<Helper> helpers;
  const Body *body = nullptr;
  /// What a task threw, and that one has.
  std::exception_ptr error;
  std::atomic<bool> failed{false};
  /// Whether a caller has the helpers.
  std::atomic<bool> taken{false};
  /// Grows when a call begins, which makes it odd, and when it ends.
  alignas(64) std::atomic<uint64_t> number{0};
  alignas(64) std::atomic<int> inside{0};
  std::atomic<bool> stopped{false};
  /// When the last call ended.
  Clock::time_point last{};
};

} // namespace norma

#endif // NORMA_LIB_RUNTIME_SHAREDWORK_H
