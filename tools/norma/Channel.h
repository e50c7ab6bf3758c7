//===- Channel.h - A queue between two threads ------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_TOOLS_NORMA_CHANNEL_H
#define NORMA_TOOLS_NORMA_CHANNEL_H

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

namespace norma::tool {

/// First in, first out. The number of buffers in circulation bounds its length.
template <typename T>
class Channel {
public:
  void push(T value) {
    {
      std::lock_guard lock(mutex);
      queue.push_back(std::move(value));
    }
    changed.notify_one();
  }

  /// Waits for a value; nothing when the channel is closed and empty.
  std::optional<T> pop() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return closed || !queue.empty(); });
    if (queue.empty())
      return std::nullopt;
    T value = std::move(queue.front());
    queue.pop_front();
    return value;
  }

  /// No further value will come. Waiting threads wake up.
  void close() {
    {
      std::lock_guard lock(mutex);
      closed = true;
    }
    changed.notify_all();
  }

  /// Closes, and drops what was not taken.
  void cancel() {
    {
      std::lock_guard lock(mutex);
      queue.clear();
    }
    close();
  }

private:
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<T> queue;
  bool closed = false;
};

} // namespace norma::tool

#endif // NORMA_TOOLS_NORMA_CHANNEL_H
