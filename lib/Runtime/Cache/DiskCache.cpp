//===- DiskCache.cpp - Compiled kernels in a directory --------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DiskCache.h"

#include <fmt/format.h>

namespace norma {

/// Longer than any kernel takes to compile, and short enough to bear when the
/// process that holds the lock is stopped.
static constexpr int kLongestTurnMilliseconds = 1000;

DiskCache::DiskCache(std::string path, uint64_t bytes, CacheLog sayTo)
    : directory(std::move(path)), capacity(bytes), log(std::move(sayTo)) {}

void DiskCache::say(const std::string &message) {
  if (log)
    log("kernel cache: " + message);
}

void DiskCache::complain(const std::string &key, const std::string &problem) {
  say(fmt::format("'{}/{}' is not used: {}", directory, CacheDirectory::nameOf(key), problem));
}

Expected<CacheDirectory> DiskCache::open(bool create) {
  Expected<CacheDirectory> opened = CacheDirectory::open(directory, create);
  const bool isNew = !opened && opened.error().code() == ErrorCode::NotFound && !create;
  if (!opened && !isNew && !mentioned.exchange(true))
    say(opened.error().message());
  return opened;
}

std::optional<CacheEntry> DiskCache::load(const std::string &key, const CodeOrigin &origin) {
  Expected<CacheDirectory> opened = open(/*create=*/false);
  if (!opened)
    return std::nullopt;
  const std::string name = CacheDirectory::nameOf(key);
  Expected<std::string> bytes = opened->read(name, kLargestCacheEntry);
  if (!bytes) {
    if (bytes.error().code() != ErrorCode::NotFound)
      complain(key, bytes.error().message());
    return std::nullopt;
  }
  Expected<CacheEntry> entry = decodeCacheEntry(*bytes);
  if (!entry) {
    complain(key, entry.error().message());
    return std::nullopt;
  }
  if (entry->key != key || !(entry->origin == origin)) {
    complain(key, fmt::format("it holds the kernel {}", entry->key));
    return std::nullopt;
  }
  opened->touch(name);
  return std::move(*entry);
}

void DiskCache::store(const CacheEntry &entry) {
  Expected<std::string> bytes = encodeCacheEntry(entry);
  if (!bytes)
    return complain(entry.key, bytes.error().message());
  Expected<CacheDirectory> opened = open(/*create=*/true);
  if (!opened)
    return;
  if (Expected<void> written = opened->write(CacheDirectory::nameOf(entry.key), *bytes); !written)
    return say(written.error().message());
  // Looking at all files for every kernel would take longer than to compile it.
  if (estimate.fetch_add(bytes->size()) + bytes->size() <= capacity)
    return;
  opened->removeStale();
  // Below the capacity, so that the next store does not have to look again.
  Expected<CacheTrimming> trimmed = trimCache(*opened, capacity, capacity - capacity / 8);
  if (!trimmed)
    return say(trimmed.error().message());
  estimate = trimmed->bytesLeft;
}

bool DiskCache::remove(const std::string &key) {
  Expected<CacheDirectory> opened = open(/*create=*/false);
  if (!opened)
    return false;
  const std::string name = CacheDirectory::nameOf(key);
  Expected<std::string> there = opened->read(name, kLargestCacheEntry);
  return (there || there.error().code() != ErrorCode::NotFound) && opened->remove(name);
}

io::Descriptor DiskCache::awaitTurn(const std::string &key, const std::stop_token &stop) {
  Expected<CacheDirectory> opened = open(/*create=*/true);
  return opened ? opened->lock(key, kLongestTurnMilliseconds, stop) : io::Descriptor(-1);
}

Expected<CacheTrimming> trimCache(const CacheDirectory &directory, uint64_t capacity,
                                  uint64_t target) {
  Expected<std::vector<CacheFile>> files = directory.list();
  if (!files)
    return files.takeError();
  CacheTrimming result;
  for (const CacheFile &file : *files)
    result.bytesLeft += file.bytes;
  if (result.bytesLeft <= capacity)
    return result;
  // Another process may hold or load the file at this moment: it keeps what it has
  // opened.
  for (const CacheFile &file : *files) {
    if (result.bytesLeft <= target)
      break;
    if (!directory.remove(file.name))
      continue;
    result.bytesLeft -= file.bytes;
    result.bytesRemoved += file.bytes;
    ++result.filesRemoved;
  }
  return result;
}

} // namespace norma
