//===- DiskCache.h - Compiled kernels in a directory ------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One file for every key, named by the digest of the key. What comes out may be
// executed, so it is believed only when nobody but this user could have written it
// and every byte is as it was. Nothing here fails: a kernel that cannot be had is
// compiled, and one that cannot be kept is compiled again next time; the log says
// why. Safe from several threads, and beside other processes.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CACHE_DISKCACHE_H
#define NORMA_RUNTIME_CACHE_DISKCACHE_H

#include "CacheDirectory.h"
#include "CacheEntry.h"

#include <atomic>
#include <functional>
#include <optional>
#include <stop_token>

namespace norma {

struct CacheTrimming {
  uint64_t filesRemoved = 0, bytesRemoved = 0, bytesLeft = 0;
};

/// Where the entries have more than `capacity` bytes, removes the least recently
/// used ones until they have `target` at most.
Expected<CacheTrimming> trimCache(const CacheDirectory &directory, uint64_t capacity,
                                  uint64_t target);

/// A message for people; may be called from any thread, and may be empty.
using CacheLog = std::function<void(std::string_view)>;

class DiskCache {
public:
  /// `directory` is created when the first entry is stored. Entries have `capacity`
  /// bytes together at most, but for what other processes add at the same moment.
  DiskCache(std::string directory, uint64_t capacity, CacheLog log);

  /// The entry of a key, when there is one that can be trusted and was made by
  /// `origin`.
  std::optional<CacheEntry> load(const std::string &key, const CodeOrigin &origin);

  /// Keeps an entry, in place of whatever had its name, and makes room for it.
  void store(const CacheEntry &entry);

  /// Removes the entry of a key, whoever made it and whatever state it is in; whether there was
  /// one.
  bool remove(const std::string &key);

  /// Waits until no other process makes the entry of `key`, for a second at most,
  /// and keeps others waiting while the result lives. Best effort: where locks do
  /// not work, nobody waits, and not longer than until `stop`.
  io::Descriptor awaitTurn(const std::string &key, const std::stop_token &stop = {});

  /// For problems with entries that the cache itself cannot see.
  void complain(const std::string &key, const std::string &problem);

private:
  void say(const std::string &message);
  Expected<CacheDirectory> open(bool create);

  std::string directory;
  uint64_t capacity;
  CacheLog log;
  /// Bytes of all entries as of the last look, and those stored since; before the
  /// first look it is more than any capacity.
  std::atomic<uint64_t> estimate{UINT64_MAX / 2};
  /// A directory that cannot be used is mentioned once, not for every kernel.
  std::atomic<bool> mentioned{false};
};

} // namespace norma

#endif // NORMA_RUNTIME_CACHE_DISKCACHE_H
