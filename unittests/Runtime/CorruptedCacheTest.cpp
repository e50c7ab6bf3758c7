//===- CorruptedCacheTest.cpp - What is doubtful is never executed --------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// DiskCacheTest asks the cache what it believes; here an engine runs what it gets. Where
// a file is not to be trusted, it holds code that would return wrong numbers.
//
//===----------------------------------------------------------------------===//

#include "EngineCacheTest.h"

#include <unistd.h>

namespace norma::test {
namespace {

class CorruptedCacheTest : public EngineCacheTest {
protected:
  void SetUp() override {
    EngineCacheTest::SetUp();
    expected = moments(*engineOf());
    file = onlyFileIn(directory());
    whole = slurp(file);
    ASSERT_FALSE(whole.empty());
  }

  /// An engine meets what lies in the cache now: it compiles, says why, returns the
  /// right bits, and its kernel is in the place of what it found.
  void expectCompiledAndReplaced(const std::string &reason) {
    SCOPED_TRACE(reason);
    const std::shared_ptr<Engine> engine = engineOf();
    EXPECT_EQ(moments(*engine), expected);
    EXPECT_EQ(engine->stats().compiles, 1u);
    EXPECT_EQ(engine->stats().diskHits, 0u);
    ASSERT_FALSE(messages.empty());
    for (const std::string &message : messages) {
      EXPECT_NE(message.find(file.substr(file.rfind('/') + 1)), std::string::npos) << message;
      EXPECT_NE(message.find(reason), std::string::npos) << message;
    }
    messages.clear();
    expectFound();
  }

  /// The kernel on the disk is whole, and used.
  void expectFound() {
    const std::shared_ptr<Engine> engine = engineOf();
    EXPECT_EQ(moments(*engine), expected);
    EXPECT_EQ(engine->stats().diskHits, 1u);
    EXPECT_TRUE(messages.empty()) << messages[0];
    messages.clear();
  }

  /// An entry that is right in every field, but its code takes the data for bf16.
  std::string poison() {
    const std::shared_ptr<Engine> other = engineOf({.cacheDirectory = in("other")});
    // Half as wide, so that it stays within the data.
    std::vector<uint16_t> data(26, 0x3f80);
    EXPECT_TRUE(
        io::test::succeeded(other->moments(Tensor(data.data(), DType::BF16, {2, 13}), Dims{1})));
    Expected<CacheEntry> entry = decodeCacheEntry(whole),
                         wrong = decodeCacheEntry(slurp(onlyFileIn(in("other"))));
    EXPECT_TRUE(entry && wrong);
    entry->object = wrong->object;
    entry->symbol = wrong->symbol;
    return *encodeCacheEntry(*entry);
  }

  std::vector<double> expected;
  std::string file, whole;
};

TEST_F(CorruptedCacheTest, EveryByteOfARealEntryFlipped) {
  Expected<CacheEntry> entry = decodeCacheEntry(whole);
  ASSERT_TRUE(io::test::succeeded(entry));
  DiskCache cache = cacheOf();
  ASSERT_EQ(load(cache, *entry), *entry);
  size_t believed = 0, silent = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string flipped = whole;
    // Another bit at every byte; elsewhere all of them.
    flipped[i] = char(flipped[i] ^ (i % 9 == 8 ? 0xff : 1 << i % 9));
    spill(file, flipped);
    believed += load(cache, *entry).has_value();
    silent += messages.size() != 1;
    messages.clear();
  }
  EXPECT_EQ(believed, 0u);
  EXPECT_EQ(silent, 0u);
}

TEST_F(CorruptedCacheTest, EveryLengthOfARealEntry) {
  Expected<CacheEntry> entry = decodeCacheEntry(whole);
  ASSERT_TRUE(io::test::succeeded(entry));
  DiskCache cache = cacheOf();
  size_t believed = 0, silent = 0;
  // Downwards, so that nothing needs to be written again.
  for (size_t size = whole.size(); size-- > 0;) {
    ASSERT_EQ(::truncate(file.c_str(), off_t(size)), 0);
    believed += load(cache, *entry).has_value();
    silent += messages.size() != 1;
    messages.clear();
  }
  EXPECT_EQ(believed, 0u);
  EXPECT_EQ(silent, 0u);
}

TEST_F(CorruptedCacheTest, EnginesCompileWhatIsDamaged) {
  // Every field of the header, then places all over the texts and the code.
  std::vector<size_t> places{0, 8, 12, 16, 47, 48, 56, 64, 72, 80, 136, whole.size() - 1};
  for (size_t place = 144; place < whole.size(); place += whole.size() / 16)
    places.push_back(place);
  for (size_t place : places) {
    std::string damaged = whole;
    damaged[place] = char(damaged[place] ^ 0x40);
    spill(file, damaged);
    expectCompiledAndReplaced("is not used");
  }
  for (size_t size : {size_t(0), size_t(1), size_t(143), size_t(144), whole.size() - 1}) {
    spill(file, whole.substr(0, size));
    expectCompiledAndReplaced(std::to_string(size) + " bytes, expected");
  }
  spill(file, whole + whole);
  expectCompiledAndReplaced("bytes, expected");
}

TEST_F(CorruptedCacheTest, TheCodeOfAnotherKeyIsNotRun) {
  moments(*engineOf({.cacheDirectory = in("other")}), 5);
  std::filesystem::rename(onlyFileIn(in("other")), file);
  expectCompiledAndReplaced("it holds the kernel moments;RK[?x5]");
}

TEST_F(CorruptedCacheTest, WhatOthersCouldHaveWrittenIsNotRun) {
  const std::string bytes = poison();
  // As it is, it would be: nobody but the user could have written it.
  spill(file, bytes);
  ASSERT_NE(moments(*engineOf()), expected);

  for (mode_t mode : {0620, 0602}) {
    spill(file, bytes);
    ASSERT_EQ(::chmod(file.c_str(), mode), 0);
    expectCompiledAndReplaced("others may write it");
  }
  spill(in("elsewhere"), bytes);
  ASSERT_EQ(::chmod(in("elsewhere").c_str(), 0600), 0);
  std::filesystem::remove(file);
  std::filesystem::create_symlink(in("elsewhere"), file);
  expectCompiledAndReplaced("it is a symbolic link");
  std::filesystem::remove(file);
  std::filesystem::create_hard_link(in("elsewhere"), file);
  expectCompiledAndReplaced("it has 2 names");
  EXPECT_EQ(slurp(in("elsewhere")), bytes);
  std::filesystem::remove(file);
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  expectCompiledAndReplaced("it is a FIFO");
  if (::geteuid() == 0) {
    spill(file, bytes);
    ASSERT_EQ(::chown(file.c_str(), 65534, 65534), 0);
    expectCompiledAndReplaced("it belongs to user 65534");
  }
}

TEST_F(CorruptedCacheTest, InADirectoryOfOthersNothingIsRunOrKept) {
  spill(file, poison());
  const std::string before = slurp(file);
  auto expectUnused = [&](const std::string &reason) {
    const std::shared_ptr<Engine> engine = engineOf();
    EXPECT_EQ(moments(*engine), expected);
    EXPECT_EQ(engine->stats().compiles, 1u);
    expectMessage(reason);
    EXPECT_EQ(slurp(file), before);
    EXPECT_EQ(namesWith("").size(), 2u); // and the file of the locks
  };
  for (mode_t mode : {0720, 0702, 0777}) {
    ASSERT_EQ(::chmod(directory().c_str(), mode), 0);
    expectUnused("others may write it");
  }
  ASSERT_EQ(::chmod(directory().c_str(), 0700), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(directory().c_str(), 65534, 65534), 0);
    expectUnused("it belongs to user 65534");
  }
}

} // namespace
} // namespace norma::test
