//===- BackgroundQueue.cpp - Work that nobody waits for -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BackgroundQueue.h"

#include <system_error>

namespace norma {

BackgroundQueue::~BackgroundQueue() {
  // What the tasks hold goes after the lock, with the queue.
  thread.request_stop();
  if (thread.joinable())
    thread.join();
}

bool BackgroundQueue::push(Task task) {
  std::lock_guard<std::mutex> lock(mutex);
  if (!thread.joinable()) {
    try {
      thread = std::jthread([this](const std::stop_token &stop) { run(stop); });
    } catch (const std::system_error &) {
      return false;
    }
  }
  tasks.push_back(std::move(task));
  ++pushed;
  changed.notify_all();
  return true;
}

void BackgroundQueue::finish() {
  std::unique_lock<std::mutex> lock(mutex);
  const uint64_t last = pushed;
  changed.wait(lock, [&] { return done >= last; });
}

void BackgroundQueue::run(const std::stop_token &stop) {
  std::unique_lock<std::mutex> lock(mutex);
  while (changed.wait(lock, stop, [this] { return !tasks.empty(); }) && !stop.stop_requested()) {
    {
      const Task task = std::move(tasks.front());
      tasks.pop_front();
      lock.unlock();
      task(stop);
    }
    lock.lock();
    ++done;
    changed.notify_all();
  }
}

} // namespace norma
