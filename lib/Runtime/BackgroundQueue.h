//===- BackgroundQueue.h - Work that nobody waits for -----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_BACKGROUNDQUEUE_H
#define NORMA_RUNTIME_BACKGROUNDQUEUE_H

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

namespace norma {

/// Runs tasks in order on one thread, which the first task starts. A thread of its own,
/// not one of the pool's, on which calls would wait for a task.
class BackgroundQueue {
public:
  /// The token tells that the queue is being destroyed; what takes long looks at it.
  using Task = std::function<void(std::stop_token)>;

  BackgroundQueue() = default;
  BackgroundQueue(const BackgroundQueue &) = delete;
  BackgroundQueue &operator=(const BackgroundQueue &) = delete;
  /// Drops the tasks that were not begun, and waits for the one that was.
  ~BackgroundQueue();

  /// False when there is no thread for it; the task is dropped.
  bool push(Task task);
  /// Waits until all tasks are done that were pushed before.
  void finish();

private:
  void run(const std::stop_token &stop);

  std::mutex mutex;
  std::condition_variable_any changed;
  std::deque<Task> tasks;
  uint64_t pushed = 0, done = 0;
  std::jthread thread;
};

} // namespace norma

#endif // NORMA_RUNTIME_BACKGROUNDQUEUE_H
