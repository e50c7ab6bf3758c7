//===- CacheEntry.cpp - A compiled kernel as a file -----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CacheEntry.h"

#include "../Cpu/Digest.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <fmt/format.h>

namespace norma {

static_assert(std::endian::native == std::endian::little, "entries are little-endian");

// Not text, so that no editor opens it; the line ends show a transfer as text.
static constexpr std::string_view kMagic("\x93NORMA\r\n", 8);

/// What every entry begins with. The checksum is that of all bytes behind it, the
/// two fields before it are compared.
struct FixedPart {
  char magic[8];
  uint32_t version;
  uint32_t reserved;
  uint8_t checksum[32];
  uint64_t fileBytes;
  int64_t block;
  double lowerMilliseconds, codegenMilliseconds;
  /// Of the texts, in the order of forEachText().
  uint64_t lengths[8];
};
static_assert(sizeof(FixedPart) == 144);
static constexpr size_t kChecked = offsetof(FixedPart, fileBytes);

/// The one order of the texts, in the file and in memory.
template <typename Entry, typename Visit>
static void forEachText(Entry &entry, Visit visit) {
  int i = 0;
  for (auto *text : {&entry.key, &entry.origin.norma, &entry.origin.llvm, &entry.origin.cpu,
                     &entry.origin.target, &entry.symbol, &entry.schedule, &entry.object})
    visit(i++, *text);
}

static constexpr std::string_view kTuned = ";tuned";

std::string tunedKeyOf(std::string_view key) { return std::string(key).append(kTuned); }
bool isTunedKey(std::string_view key) { return key.ends_with(kTuned); }

Expected<std::string> encodeCacheEntry(const CacheEntry &entry) {
  FixedPart fixed = {};
  std::memcpy(fixed.magic, kMagic.data(), kMagic.size());
  fixed.version = kCacheFormatVersion;
  fixed.block = entry.block;
  fixed.lowerMilliseconds = entry.lowerMilliseconds;
  fixed.codegenMilliseconds = entry.codegenMilliseconds;
  std::string bytes(sizeof(fixed), '\0');
  forEachText(entry, [&](int i, const std::string &text) {
    fixed.lengths[i] = text.size();
    bytes += text;
  });
  if (bytes.size() > kLargestCacheEntry)
    return Error(ErrorCode::ResourceExhausted, fmt::format("an entry of {} bytes, expected at most "
                                                           "{}",
                                                           bytes.size(), kLargestCacheEntry));
  fixed.fileBytes = bytes.size();
  std::memcpy(bytes.data(), &fixed, sizeof(fixed));
  const Digest checksum = digestOf(std::string_view(bytes).substr(kChecked));
  std::memcpy(bytes.data() + offsetof(FixedPart, checksum), checksum.data(), checksum.size());
  return bytes;
}

Expected<CacheEntry> decodeCacheEntry(std::string_view bytes) {
  auto damaged = [](std::string message) { return Error(ErrorCode::DataLoss, std::move(message)); };
  FixedPart fixed;
  if (bytes.size() < sizeof(fixed))
    return damaged(fmt::format("{} bytes, expected at least {}", bytes.size(), sizeof(fixed)));
  std::memcpy(&fixed, bytes.data(), sizeof(fixed));
  if (std::string_view(fixed.magic, sizeof(fixed.magic)) != kMagic)
    return damaged("it does not begin as a stored kernel does");
  if (fixed.version != kCacheFormatVersion || fixed.reserved != 0)
    return damaged(
        fmt::format("format version {}, expected {}", fixed.version, kCacheFormatVersion));
  if (fixed.fileBytes != bytes.size())
    return damaged(fmt::format("{} bytes, expected {}", bytes.size(), fixed.fileBytes));
  const Digest checksum = digestOf(bytes.substr(kChecked));
  if (std::memcmp(fixed.checksum, checksum.data(), checksum.size()) != 0)
    return damaged("its checksum is not that of its contents");

  // From here on the bytes are those that were written; lengths are checked all the
  // same, so that nothing depends on who wrote them.
  CacheEntry entry;
  entry.block = fixed.block;
  entry.lowerMilliseconds = fixed.lowerMilliseconds;
  entry.codegenMilliseconds = fixed.codegenMilliseconds;
  std::string_view rest = bytes.substr(sizeof(fixed));
  bool fits = fixed.block >= 0 && std::isfinite(fixed.lowerMilliseconds) &&
              std::isfinite(fixed.codegenMilliseconds);
  forEachText(entry, [&](int i, std::string &text) {
    fits = fits && fixed.lengths[i] <= rest.size();
    if (!fits)
      return;
    text = rest.substr(0, fixed.lengths[i]);
    rest.remove_prefix(fixed.lengths[i]);
  });
  if (!fits || !rest.empty())
    return damaged("its fields contradict each other");
  return entry;
}

} // namespace norma
