//===- CacheEntry.h - A compiled kernel as a file ---------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The format is a table in docs/cache.md. Bytes in, bytes out: no file is touched
// here.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CACHE_CACHEENTRY_H
#define NORMA_RUNTIME_CACHE_CACHEENTRY_H

#include "../Cpu/Origin.h"

#include <cstdint>
#include <string_view>

namespace norma {

/// A compiled kernel, and everything a caller of it needs to know.
struct CacheEntry {
  /// The text that two kernels share only when they are the same.
  std::string key;
  CodeOrigin origin;
  /// The function the object exports.
  std::string symbol;
  /// See LoweredKernel. That of an entry of a tuned key is not that of its (absent) code.
  std::string schedule;
  int64_t block = 0;
  /// How long the compilation took.
  double lowerMilliseconds = 0, codegenMilliseconds = 0;
  std::string object;

  friend bool operator==(const CacheEntry &, const CacheEntry &) = default;
};

/// The key of an entry that holds no code, but the schedule which the kernel of `key` is to have
/// instead of that of the rules.
std::string tunedKeyOf(std::string_view key);
bool isTunedKey(std::string_view key);

/// Changes whenever a reader of the version before would misread an entry.
inline constexpr uint32_t kCacheFormatVersion = 1;

/// No entry has more bytes; a file that has is damaged.
inline constexpr uint64_t kLargestCacheEntry = uint64_t(64) << 20;

/// ResourceExhausted when the entry is larger than any may be.
Expected<std::string> encodeCacheEntry(const CacheEntry &entry);

/// DataLoss, with what is wrong, unless `bytes` are exactly what encodeCacheEntry()
/// returned for some entry. Any bytes may be given.
Expected<CacheEntry> decodeCacheEntry(std::string_view bytes);

} // namespace norma

#endif // NORMA_RUNTIME_CACHE_CACHEENTRY_H
