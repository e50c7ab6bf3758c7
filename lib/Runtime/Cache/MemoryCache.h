//===- MemoryCache.h - Every key is made once -------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Threads that ask for the same key at the same moment wait for one of them to
// make the value. A failure is handed to those that waited, and not remembered.
// When there are too many values, the least recently used one goes; whoever holds
// it keeps it.
//
// A hit takes no lock. Values are kept twice: in a map behind a mutex, which knows
// everything, and in a small table of atomic pointers, which answers nearly every
// request. A reader protects what the table points to by a hazard pointer: it
// writes the pointer where those who remove entries look, and then makes sure that
// the table still has it. Either the remover sees the pointer and keeps the entry
// for later, or the reader sees that the entry is gone and asks the map.
//
// What a reader takes away is a reference that is counted in one of several places,
// so that threads with the same value are not in each other's way.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CACHE_MEMORYCACHE_H
#define NORMA_RUNTIME_CACHE_MEMORYCACHE_H

#include "norma/Support/Error.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <future>
#include <iterator>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace norma {

template <typename Key, typename Value>
class MemoryCache {
public:
  using Pointer = std::shared_ptr<Value>;

  /// Keeps `capacity` values, at least 1.
  explicit MemoryCache(size_t capacity)
      : limit(std::max<size_t>(capacity, 1)), table(std::bit_ceil(2 * limit)) {}
  MemoryCache(const MemoryCache &) = delete;
  MemoryCache &operator=(const MemoryCache &) = delete;
  ~MemoryCache() = default;

  /// The value of `key`, made by `make` (returning Expected<Pointer>) when it is not
  /// there.
  template <typename Make>
  Expected<Pointer> get(const Key &key, Make make) {
    const size_t hash = std::hash<Key>()(key);
    if (Pointer value = find(key, hash))
      return value;
    return findOrMake(key, hash, make);
  }

  /// The values that are kept, in order of their first request.
  std::vector<Pointer> values() const {
    std::lock_guard<std::mutex> lock(mutex);
    std::vector<const Entry *> kept;
    for (const auto &[key, slot] : slots)
      if (slot.entry)
        kept.push_back(slot.entry.get());
    std::sort(kept.begin(), kept.end(),
              [](const Entry *a, const Entry *b) { return a->number < b->number; });
    std::vector<Pointer> result;
    result.reserve(kept.size());
    for (const Entry *entry : kept)
      result.push_back(entry->values.front());
    return result;
  }

  /// Requests that found their value, or another thread making it.
  uint64_t hits() const {
    uint64_t sum = 0;
    for (const Hazard &hazard : hazards)
      sum += hazard.hits.load(std::memory_order_relaxed);
    return sum;
  }

private:
  using Future = std::shared_future<Expected<Pointer>>;

  /// Owns a value, on a cache line that has nothing else: the counter of references to
  /// it, which is allocated with it.
  struct alignas(64) Owner {
    Pointer value;
  };
  /// Places where the references to a value are counted, each by its own threads.
  static constexpr size_t kOwners = 8;

  /// A value that is ready. All but `used` stays as it was made.
  struct Entry {
    Key key;
    size_t hash;
    /// The same value everywhere.
    std::array<Pointer, kOwners> values;
    /// Its place in the order of requests.
    uint64_t number;
    /// The clock at its last use.
    std::atomic<uint64_t> used;
  };

  /// What the map knows of a key: a value, or somebody who makes it.
  struct Slot {
    std::unique_ptr<Entry> entry;
    Future pending;
  };

  /// On a cache line of its own, since another thread may use the next one.
  struct alignas(64) Hazard {
    std::atomic<const Entry *> entry{nullptr};
    /// Counted here, where threads are not in each other's way.
    std::atomic<uint64_t> hits{0};
  };
  /// More threads than these may ask at the same moment; the others take the lock.
  static constexpr size_t kHazards = 64;
  /// Places of the table where a key may be.
  static constexpr size_t kProbes = 4;

  std::atomic<Entry *> &place(size_t hash, size_t probe) {
    return table[(hash + probe) & (table.size() - 1)];
  }

  /// A hit without a lock; null when it is none, or when it is in doubt.
  Pointer find(const Key &key, size_t hash) {
    for (size_t probe = 0; probe < kProbes; ++probe) {
      std::atomic<Entry *> &slot = place(hash, probe);
      Entry *entry = slot.load(std::memory_order_acquire);
      if (!entry)
        continue;
      Hazard &hazard = hazardOfThread();
      const Entry *nobody = nullptr;
      if (!hazard.entry.compare_exchange_strong(nobody, entry))
        return nullptr;
      Pointer value;
      // Sequentially consistent, as is the store of a remover and its look at the
      // hazards: one of the two sees the other.
      if (slot.load() == entry && entry->hash == hash && entry->key == key) {
        value = entry->values[turnOfThread() % kOwners];
        const uint64_t now = clock.load(std::memory_order_relaxed);
        if (entry->used.load(std::memory_order_relaxed) != now)
          entry->used.store(now, std::memory_order_relaxed);
      }
      hazard.entry.store(nullptr, std::memory_order_release);
      if (value) {
        hazard.hits.fetch_add(1, std::memory_order_relaxed);
        return value;
      }
    }
    return nullptr;
  }

  /// Threads get places in turn; more threads than places share them.
  static size_t turnOfThread() {
    static std::atomic<size_t> threads{0};
    static thread_local size_t turn = 0;
    if (turn == 0)
      turn = threads.fetch_add(1, std::memory_order_relaxed) + 1;
    return turn;
  }
  Hazard &hazardOfThread() { return hazards[turnOfThread() % kHazards]; }

  /// References to one value that are counted apart from each other.
  static std::array<Pointer, kOwners> ownersOf(const Pointer &value) {
    std::array<Pointer, kOwners> owners;
    for (Pointer &owner : owners)
      owner = Pointer(std::make_shared<Owner>(Owner{value}), value.get());
    return owners;
  }

  template <typename Make>
  Expected<Pointer> findOrMake(const Key &key, size_t hash, Make &make) {
    std::promise<Expected<Pointer>> promise;
    uint64_t number;
    {
      std::unique_lock<std::mutex> lock(mutex);
      auto [it, inserted] = slots.try_emplace(key);
      Slot &slot = it->second;
      if (!inserted) {
        hazardOfThread().hits.fetch_add(1, std::memory_order_relaxed);
        if (slot.entry) {
          slot.entry->used = clock.load();
          publish(*slot.entry);
          return slot.entry->values[turnOfThread() % kOwners];
        }
        // A copy, since a failure erases the slot once the lock is gone.
        Future pending = slot.pending; // NOLINT(performance-unnecessary-copy-initialization)
        lock.unlock();
        return pending.get();
      }
      slot.pending = promise.get_future().share();
      number = ++requests;
    }
    try {
      Expected<Pointer> made = make();
      // Goes after the lock: to unload a kernel takes a while.
      std::vector<std::unique_ptr<Entry>> garbage;
      {
        std::lock_guard<std::mutex> lock(mutex);
        if (made)
          garbage = insert(key, hash, *made, number);
        else
          slots.erase(key);
      }
      promise.set_value(made);
      return made;
    } catch (...) {
      // Memory ran out: those that wait hear of it, and the next one may try again.
      {
        std::lock_guard<std::mutex> lock(mutex);
        if (const auto slot = slots.find(key); slot != slots.end() && !slot->second.entry)
          slots.erase(slot);
      }
      promise.set_exception(std::current_exception());
      throw;
    }
  }

  /// The rest is called with the mutex held. Returns entries to destroy.
  std::vector<std::unique_ptr<Entry>> insert(const Key &key, size_t hash, const Pointer &value,
                                             uint64_t number) {
    // What may fail comes first; from then on everything happens, or nothing.
    std::vector<std::unique_ptr<Entry>> garbage;
    garbage.reserve(retired.size() + 1);
    retired.reserve(retired.size() + 1);
    Slot &slot = slots.find(key)->second;
    slot.entry.reset(new Entry{key, hash, ownersOf(value), number, clock.load()});
    slot.pending = {};
    ++ready;
    // The time is counted in insertions: values used since the last one are equally
    // recent, and those that were not are the ones to choose from.
    ++clock;
    if (ready > limit)
      retireOldest(slot.entry.get());
    publish(*slot.entry);
    // No more stay retired than there are hazards.
    auto isSeen = [this](const std::unique_ptr<Entry> &entry) {
      return std::any_of(hazards.begin(), hazards.end(),
                         [&](const Hazard &hazard) { return hazard.entry.load() == entry.get(); });
    };
    auto unseen = std::partition(retired.begin(), retired.end(), isSeen);
    garbage.assign(std::make_move_iterator(unseen), std::make_move_iterator(retired.end()));
    retired.erase(unseen, retired.end());
    return garbage;
  }

  /// Puts an entry where find() looks, if need be in place of another one, which
  /// stays in the map.
  void publish(Entry &entry) {
    for (size_t probe = 0; probe < kProbes; ++probe) {
      std::atomic<Entry *> &slot = place(entry.hash, probe);
      Entry *there = slot.load(std::memory_order_relaxed);
      if (there == &entry)
        return;
      if (!there)
        return slot.store(&entry);
    }
    place(entry.hash, requests % kProbes).store(&entry);
  }

  void retireOldest(const Entry *newest) {
    auto oldest = slots.end();
    for (auto it = slots.begin(); it != slots.end(); ++it) {
      const Entry *entry = it->second.entry.get();
      if (!entry || entry == newest)
        continue;
      if (oldest == slots.end() || isOlder(*entry, *oldest->second.entry))
        oldest = it;
    }
    std::unique_ptr<Entry> removed = std::move(oldest->second.entry);
    slots.erase(oldest);
    --ready;
    for (size_t probe = 0; probe < kProbes; ++probe)
      if (std::atomic<Entry *> &slot = place(removed->hash, probe); slot.load() == removed.get())
        slot.store(nullptr);
    retired.push_back(std::move(removed));
  }

  static bool isOlder(const Entry &a, const Entry &b) {
    const uint64_t usedA = a.used.load(), usedB = b.used.load();
    return usedA != usedB ? usedA < usedB : a.number < b.number;
  }

  const size_t limit;
  std::vector<std::atomic<Entry *>> table;
  std::array<Hazard, kHazards> hazards;
  alignas(64) std::atomic<uint64_t> clock{1};

  mutable std::mutex mutex;
  std::unordered_map<Key, Slot> slots;
  uint64_t requests = 0, ready = 0;
  /// Removed, but seen by a reader when they were.
  std::vector<std::unique_ptr<Entry>> retired;
};

} // namespace norma

#endif // NORMA_RUNTIME_CACHE_MEMORYCACHE_H
