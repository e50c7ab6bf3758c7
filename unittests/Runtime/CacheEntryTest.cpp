//===- CacheEntryTest.cpp - The file format of stored kernels -------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CacheTest.h"

#include "Runtime/Cpu/Digest.h"

#include <limits>

namespace norma::test {
namespace {

using CacheEntryTest = CacheTest;

std::string encoded(const CacheEntry &entry) {
  Expected<std::string> bytes = encodeCacheEntry(entry);
  EXPECT_TRUE(io::test::succeeded(bytes));
  return bytes ? *bytes : "";
}

void expectDamaged(std::string_view bytes, const std::string &reason = "") {
  EXPECT_TRUE(io::test::failsWith(decodeCacheEntry(bytes), ErrorCode::DataLoss, {reason}));
}

/// Replaces some bytes, and makes the checksum fit again.
std::string forged(std::string bytes, size_t offset, uint64_t value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(value));
  const Digest checksum = digestOf(std::string_view(bytes).substr(48));
  std::memcpy(bytes.data() + 16, checksum.data(), checksum.size());
  return bytes;
}

TEST_F(CacheEntryTest, DigestIsBlake3) {
  EXPECT_EQ(hexDigestOf(""), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
  EXPECT_EQ(hexDigestOf("abc"), "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85");
}

TEST_F(CacheEntryTest, RoundTrip) {
  CacheEntry everyByte = entryOf("key");
  for (int i = 0; i < 256; ++i)
    everyByte.object += char(i);
  for (const CacheEntry &entry : {entryOf("key"), entryOf("", 0), CacheEntry{}, everyByte}) {
    Expected<CacheEntry> decoded = decodeCacheEntry(encoded(entry));
    ASSERT_TRUE(io::test::succeeded(decoded));
    EXPECT_EQ(*decoded, entry);
  }
}

TEST_F(CacheEntryTest, EveryByteCounts) {
  const std::string bytes = encoded(entryOf("key"));
  for (size_t i = 0; i < bytes.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[i] = char(damaged[i] ^ 1 << bit);
      expectDamaged(damaged);
    }
}

TEST_F(CacheEntryTest, EveryLengthCounts) {
  const std::string bytes = encoded(entryOf("key"));
  for (size_t size = 0; size < bytes.size(); ++size)
    expectDamaged(std::string_view(bytes).substr(0, size));
  expectDamaged(bytes + '\0');
  expectDamaged(bytes + bytes);
}

TEST_F(CacheEntryTest, SaysWhatIsWrong) {
  const std::string bytes = encoded(entryOf("key"));
  expectDamaged("", "0 bytes, expected at least 144");
  expectDamaged(std::string(1000, 'x'), "does not begin");
  std::string other = bytes;
  other[8] = 2;
  expectDamaged(other, "format version 2, expected 1");
  expectDamaged(bytes.substr(0, 200), "200 bytes, expected " + std::to_string(bytes.size()));
  other = bytes;
  other.back() ^= 1;
  expectDamaged(other, "checksum");
}

TEST_F(CacheEntryTest, LengthsAreCheckedBehindAGoodChecksum) {
  const std::string bytes = encoded(entryOf("key"));
  EXPECT_TRUE(decodeCacheEntry(forged(bytes, 56, 77)));
  constexpr size_t kLengths = 80;
  for (size_t i = 0; i < 8; ++i)
    for (uint64_t length :
         {uint64_t(0), uint64_t(bytes.size()), std::numeric_limits<uint64_t>::max(),
          std::numeric_limits<uint64_t>::max() - 143})
      expectDamaged(forged(bytes, kLengths + 8 * i, length), "contradict");
  // A negative block, and a time that is no number.
  expectDamaged(forged(bytes, 56, std::numeric_limits<uint64_t>::max()), "contradict");
  expectDamaged(forged(bytes, 64, 0x7ff8000000000000), "contradict");
}

TEST_F(CacheEntryTest, SizeHasABound) {
  EXPECT_TRUE(io::test::failsWith(encodeCacheEntry(entryOf("key", kLargestCacheEntry)),
                                  ErrorCode::ResourceExhausted, {"67108864"}));
}

} // namespace
} // namespace norma::test
