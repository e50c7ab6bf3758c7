//===- MemoryCache.h - Every key is made once -------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Threads that ask for the same key at the same moment wait for one of them to
// make the value. A failure is handed to those that waited, and not remembered.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CACHE_MEMORYCACHE_H
#define NORMA_RUNTIME_CACHE_MEMORYCACHE_H

#include "norma/Support/Error.h"

#include <future>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

namespace norma {

template <typename Key, typename Value>
class MemoryCache {
public:
  using Pointer = std::shared_ptr<Value>;

  /// The value of `key`, made by `make` (returning Expected<Pointer>) when nobody
  /// has made it.
  template <typename Make>
  Expected<Pointer> get(const Key &key, Make make) {
    {
      std::shared_lock<std::shared_mutex> lock(mutex);
      if (auto it = entries.find(key); it != entries.end())
        return wait(lock, it->second);
    }
    std::promise<Expected<Pointer>> promise;
    {
      std::unique_lock<std::shared_mutex> lock(mutex);
      auto [it, inserted] = entries.try_emplace(key);
      if (!inserted)
        return wait(lock, it->second);
      it->second = promise.get_future().share();
      order.push_back(key);
    }
    Expected<Pointer> made = make();
    if (!made) {
      std::unique_lock<std::shared_mutex> lock(mutex);
      entries.erase(key);
      std::erase(order, key);
    }
    promise.set_value(made);
    return made;
  }

  /// All values that are ready, in order of their first request.
  std::vector<Pointer> values() const {
    std::shared_lock<std::shared_mutex> lock(mutex);
    std::vector<Pointer> result;
    for (const Key &key : order) {
      const Future &future = entries.at(key);
      if (future.wait_for(std::chrono::seconds(0)) == std::future_status::ready && future.get())
        result.push_back(*future.get());
    }
    return result;
  }

private:
  using Future = std::shared_future<Expected<Pointer>>;

  template <typename Lock>
  static Expected<Pointer> wait(Lock &lock, const Future &entry) {
    // A copy, since a failure may erase the entry once the lock is gone.
    Future future = entry; // NOLINT(performance-unnecessary-copy-initialization)
    lock.unlock();
    return future.get();
  }

  mutable std::shared_mutex mutex;
  std::unordered_map<Key, Future> entries;
  std::vector<Key> order;
};

} // namespace norma

#endif // NORMA_RUNTIME_CACHE_MEMORYCACHE_H
