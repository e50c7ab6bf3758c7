//===- DiskCacheTest.cpp - Which stored kernels are believed --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CacheTest.h"

#include "norma/Runtime/KernelCache.h"

#include <unistd.h>

namespace norma::test {
namespace {

using DiskCacheTest = CacheTest;

//===----------------------------------------------------------------------===//
// Storing and loading
//===----------------------------------------------------------------------===//

TEST_F(DiskCacheTest, RoundTrip) {
  DiskCache cache = cacheOf();
  const CacheEntry a = entryOf("a"), b = entryOf("b", 100'000);
  EXPECT_EQ(load(cache, a), std::nullopt);
  // Looking creates nothing.
  EXPECT_FALSE(std::filesystem::exists(directory()));
  cache.store(a);
  cache.store(b);
  EXPECT_EQ(load(cache, a), a);
  EXPECT_EQ(load(cache, b), b);
  EXPECT_EQ(load(cache, entryOf("c")), std::nullopt);
  DiskCache later = cacheOf();
  EXPECT_EQ(load(later, a), a);
  EXPECT_TRUE(messages.empty()) << messages[0];
  EXPECT_EQ(modeOf(directory()), mode_t(0700));
  EXPECT_EQ(modeOf(fileOf(a)), mode_t(0600));
}

TEST_F(DiskCacheTest, ParentsAreCreated) {
  DiskCache cache(in("a/b/c"), 1'000'000, log());
  cache.store(entryOf("key"));
  EXPECT_EQ(load(cache, entryOf("key")), entryOf("key"));
  EXPECT_EQ(modeOf(in("a")), mode_t(0700));
}

TEST_F(DiskCacheTest, ADirectoryThatVanishedIsCreatedAgain) {
  DiskCache cache = cacheOf();
  cache.store(entryOf("key"));
  std::filesystem::remove_all(directory());
  EXPECT_EQ(load(cache, entryOf("key")), std::nullopt);
  cache.store(entryOf("key"));
  EXPECT_EQ(load(cache, entryOf("key")), entryOf("key"));
  EXPECT_TRUE(messages.empty()) << messages[0];
}

TEST_F(DiskCacheTest, WithoutALogNothingIsSaid) {
  DiskCache cache(directory(), 1'000'000, {});
  cache.store(entryOf("key"));
  spill(fileOf(entryOf("key")), "damaged");
  EXPECT_EQ(load(cache, entryOf("key")), std::nullopt);
}

//===----------------------------------------------------------------------===//
// Damaged entries, and those of somebody else
//===----------------------------------------------------------------------===//

TEST_F(DiskCacheTest, DamagedEntriesAreMissesAndReplaced) {
  const CacheEntry entry = entryOf("key");
  DiskCache cache = cacheOf();
  cache.store(entry);
  const std::string whole = slurp(fileOf(entry));
  auto expectMiss = [&](const std::string &bytes, const std::string &reason) {
    spill(fileOf(entry), bytes);
    EXPECT_EQ(load(cache, entry), std::nullopt) << reason;
    expectMessage(reason);
  };
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string flipped = whole;
    flipped[i] = char(flipped[i] ^ 0x55);
    expectMiss(flipped, CacheDirectory::nameOf("key"));
  }
  for (size_t size = 0; size < whole.size(); ++size)
    expectMiss(whole.substr(0, size), CacheDirectory::nameOf("key"));
  for (const auto &[bytes, reason] :
       {std::pair(std::string(), "0 bytes"), std::pair(whole + "x", "bytes, expected"),
        std::pair(std::string(whole.size(), 'x'), "does not begin")}) {
    expectMiss(bytes, reason);
    cache.store(entry);
    EXPECT_EQ(load(cache, entry), entry) << reason;
  }
}

TEST_F(DiskCacheTest, EntriesOfOthersAreMisses) {
  DiskCache cache = cacheOf();
  const CacheEntry entry = entryOf("key");
  for (std::string CodeOrigin::*field :
       {&CodeOrigin::norma, &CodeOrigin::llvm, &CodeOrigin::cpu, &CodeOrigin::target}) {
    CacheEntry other = entry;
    other.origin.*field += "x";
    cache.store(other);
    EXPECT_EQ(load(cache, entry), std::nullopt);
    expectMessage("it holds the kernel key");
  }
  // Another key whose digest is the same, were there one.
  cache.store(entryOf("another"));
  std::filesystem::rename(fileOf("another"), fileOf("key"));
  EXPECT_EQ(load(cache, entry), std::nullopt);
  expectMessage("it holds the kernel another");
  cache.store(entry);
  EXPECT_EQ(load(cache, entry), entry);
}

//===----------------------------------------------------------------------===//
// Files and directories that others could have written
//===----------------------------------------------------------------------===//

TEST_F(DiskCacheTest, FilesOthersMayWriteAreMisses) {
  const CacheEntry entry = entryOf("key");
  DiskCache cache = cacheOf();
  for (mode_t mode : {0620, 0602, 0666}) {
    cache.store(entry);
    ASSERT_EQ(::chmod(fileOf(entry).c_str(), mode), 0);
    EXPECT_EQ(load(cache, entry), std::nullopt);
    expectMessage("others may write it");
  }
  cache.store(entry);
  EXPECT_EQ(modeOf(fileOf(entry)), mode_t(0600));
  // To be read by others does no harm.
  ASSERT_EQ(::chmod(fileOf(entry).c_str(), 0644), 0);
  EXPECT_EQ(load(cache, entry), entry);
}

TEST_F(DiskCacheTest, FilesOfOtherUsersAreMisses) {
  if (::geteuid() != 0)
    GTEST_SKIP() << "only root can give files away";
  const CacheEntry entry = entryOf("key");
  DiskCache cache = cacheOf();
  cache.store(entry);
  ASSERT_EQ(::chown(fileOf(entry).c_str(), 65534, 65534), 0);
  EXPECT_EQ(load(cache, entry), std::nullopt);
  expectMessage("it belongs to user 65534");
  cache.store(entry);
  EXPECT_EQ(load(cache, entry), entry);
  ASSERT_EQ(::chown(directory().c_str(), 65534, 65534), 0);
  EXPECT_EQ(load(cache, entry), std::nullopt);
  expectMessage("it belongs to user 65534");
}

TEST_F(DiskCacheTest, WhatIsNoPlainFileIsAMiss) {
  const CacheEntry entry = entryOf("key");
  const std::string file = fileOf(entry), elsewhere = in("elsewhere");
  DiskCache cache = cacheOf();
  cache.store(entry);
  std::filesystem::rename(file, elsewhere);
  std::filesystem::create_symlink(elsewhere, file);
  EXPECT_EQ(load(cache, entry), std::nullopt);
  expectMessage("it is a symbolic link");
  // The link is replaced, not what it leads to.
  const std::string before = slurp(elsewhere);
  cache.store(entry);
  EXPECT_FALSE(std::filesystem::is_symlink(file));
  EXPECT_EQ(load(cache, entry), entry);
  EXPECT_EQ(slurp(elsewhere), before);

  std::filesystem::create_hard_link(file, in("second-name"));
  EXPECT_EQ(load(cache, entry), std::nullopt);
  expectMessage("it has 2 names");

  std::filesystem::remove(file);
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_EQ(load(cache, entry), std::nullopt);
  expectMessage("it is a FIFO");

  std::filesystem::remove(file);
  std::filesystem::create_directory(file);
  EXPECT_EQ(load(cache, entry), std::nullopt);
  expectMessage("it is a directory");
  // Nothing can be put in its place, which is said, and no more.
  cache.store(entry);
  expectMessage("cannot rename");
  EXPECT_TRUE(namesWith(".new-").empty());
}

TEST_F(DiskCacheTest, HugeFilesAreNotRead) {
  const CacheEntry entry = entryOf("key");
  DiskCache cache = cacheOf();
  cache.store(entry);
  std::filesystem::resize_file(fileOf(entry), kLargestCacheEntry + 1);
  EXPECT_EQ(load(cache, entry), std::nullopt);
  expectMessage("67108865 bytes, expected at most 67108864");
}

TEST_F(DiskCacheTest, DirectoriesOthersMayWriteAreNotUsed) {
  const CacheEntry entry = entryOf("key");
  {
    DiskCache cache = cacheOf();
    cache.store(entry);
  }
  for (mode_t mode : {0770, 0702, 0777, 01777}) {
    ASSERT_EQ(::chmod(directory().c_str(), mode), 0);
    DiskCache cache = cacheOf();
    EXPECT_EQ(load(cache, entry), std::nullopt);
    cache.store(entryOf("new"));
    EXPECT_LT(cache.awaitTurn("key").get(), 0);
    // Once, not for every kernel.
    expectMessage("others may write it");
    EXPECT_FALSE(std::filesystem::exists(fileOf("new")));
  }
  ASSERT_EQ(::chmod(directory().c_str(), 0755), 0);
  DiskCache cache = cacheOf();
  EXPECT_EQ(load(cache, entry), entry);
}

TEST_F(DiskCacheTest, LinksToDirectoriesAreNotUsed) {
  DiskCache cache = cacheOf();
  cache.store(entryOf("key"));
  std::filesystem::create_directory_symlink(directory(), in("link"));
  DiskCache linked(in("link"), 1'000'000, log());
  EXPECT_EQ(load(linked, entryOf("key")), std::nullopt);
  linked.store(entryOf("new"));
  expectMessage("it is a symbolic link");
  EXPECT_FALSE(std::filesystem::exists(fileOf("new")));
  // Links on the way to it are the user's business.
  std::filesystem::create_directory_symlink(folder, in("parent"));
  DiskCache behind(in("parent/cache"), 1'000'000, log());
  EXPECT_EQ(load(behind, entryOf("key")), entryOf("key"));
}

TEST_F(DiskCacheTest, AFileIsNoDirectory) {
  spill(directory(), "a file");
  DiskCache cache = cacheOf();
  EXPECT_EQ(load(cache, entryOf("key")), std::nullopt);
  cache.store(entryOf("key"));
  expectMessage("it is a regular file");
  DiskCache below(directory() + "/below", 1'000'000, log());
  below.store(entryOf("key"));
  expectMessage("Not a directory");
}

//===----------------------------------------------------------------------===//
// Room
//===----------------------------------------------------------------------===//

TEST_F(DiskCacheTest, TheLeastRecentlyUsedGoes) {
  // Five of these fit, four remain when there is a sixth.
  DiskCache cache = cacheOf(5'600);
  const std::vector<std::string> keys{"1", "2", "3", "4", "5"};
  for (const std::string &key : keys) {
    cache.store(entryOf(key, 800));
    setAge(fileOf(key), 1'000 - std::stoi(key));
  }
  for (const std::string &key : keys)
    EXPECT_TRUE(std::filesystem::exists(fileOf(key))) << key;
  // A use makes it the newest.
  EXPECT_TRUE(load(cache, entryOf("1", 800)));
  cache.store(entryOf("6", 800));
  for (const char *key : {"2", "3"})
    EXPECT_FALSE(std::filesystem::exists(fileOf(key))) << key;
  for (const char *key : {"1", "4", "5", "6"})
    EXPECT_TRUE(std::filesystem::exists(fileOf(key))) << key;
  EXPECT_TRUE(messages.empty()) << messages[0];
}

TEST_F(DiskCacheTest, UsesAreNotedOnceAMinute) {
  DiskCache cache = cacheOf();
  cache.store(entryOf("key"));
  auto age = [&] {
    struct stat status = {};
    EXPECT_EQ(::stat(fileOf("key").c_str(), &status), 0);
    return ::time(nullptr) - status.st_mtime;
  };
  setAge(fileOf("key"), 30);
  EXPECT_TRUE(load(cache, entryOf("key")));
  EXPECT_GE(age(), 30);
  setAge(fileOf("key"), 3'000);
  EXPECT_TRUE(load(cache, entryOf("key")));
  EXPECT_LT(age(), 3'000);
}

TEST_F(DiskCacheTest, OnlyItsOwnFilesGo) {
  DiskCache cache = cacheOf(0);
  std::filesystem::create_directory(directory());
  ASSERT_EQ(::chmod(directory().c_str(), 0700), 0);
  const std::string digits(63, 'a');
  for (const std::string &name :
       {std::string("README"), digits, digits + "g", digits + "A", digits + "aa"})
    spill(directory() + "/" + name, "mine");
  spill(directory() + "/.new-0123", "young");
  spill(directory() + "/.new-4567", "old");
  setAge(directory() + "/.new-4567", 3'700);
  cache.store(entryOf("key"));
  EXPECT_FALSE(std::filesystem::exists(fileOf("key")));
  EXPECT_EQ(namesWith(".new-"), std::vector<std::string>{".new-0123"});
  EXPECT_EQ(namesWith("").size(), 6u);
}

//===----------------------------------------------------------------------===//
// Looking after it
//===----------------------------------------------------------------------===//

TEST_F(DiskCacheTest, ListsAndChecks) {
  Expected<std::vector<StoredKernel>> none = listKernelCache(directory());
  ASSERT_TRUE(none && none->empty());
  DiskCache cache = cacheOf();
  for (const char *key : {"good", "damaged", "moved"}) {
    cache.store(entryOf(key));
    setAge(fileOf(key), key == std::string_view("good") ? 900 : 500);
  }
  spill(fileOf("damaged"), "damaged");
  setAge(fileOf("damaged"), 50);
  std::filesystem::rename(fileOf("moved"), fileOf("elsewhere"));
  Expected<std::vector<StoredKernel>> kernels = listKernelCache(directory());
  ASSERT_TRUE(io::test::succeeded(kernels));
  ASSERT_EQ(kernels->size(), 3u);
  const StoredKernel &good = (*kernels)[0];
  EXPECT_EQ(good.file, CacheDirectory::nameOf("good"));
  EXPECT_EQ(good.key, "good");
  EXPECT_EQ(good.problem, "");
  EXPECT_EQ(good.normaVersion, "0.1.0+build");
  EXPECT_EQ(good.llvmVersion, "22.1.0+build");
  EXPECT_EQ(good.targetCpu, "some-cpu");
  EXPECT_EQ(good.compileMilliseconds, 21.75);
  EXPECT_EQ(good.bytes, std::filesystem::file_size(fileOf("good")));
  EXPECT_GE(good.ageSeconds, 899);
  EXPECT_EQ((*kernels)[1].problem, "its name is not that of its key");
  EXPECT_EQ((*kernels)[2].problem, "7 bytes, expected at least 144");
  // Looking is no use.
  EXPECT_GE((*listKernelCache(directory()))[0].ageSeconds, 899);
}

TEST_F(DiskCacheTest, Prunes) {
  DiskCache cache = cacheOf();
  auto fill = [&] {
    for (const char *key : {"1", "2", "3", "4"}) {
      cache.store(entryOf(key));
      setAge(fileOf(key), 1'000 * std::atoi(key));
    }
    return std::filesystem::file_size(fileOf("1"));
  };
  auto prune = [&](const PruneOptions &options) {
    Expected<PruneResult> result = pruneKernelCache(directory(), options);
    EXPECT_TRUE(io::test::succeeded(result));
    return result ? result->kernels : 0;
  };
  EXPECT_EQ(prune({}), 0u);
  const uint64_t bytes = fill();
  EXPECT_EQ(prune({.olderThanSeconds = 2'500}), 2u);
  EXPECT_TRUE(load(cache, entryOf("2")));
  EXPECT_FALSE(load(cache, entryOf("3")));
  fill();
  EXPECT_EQ(prune({.maxBytes = 3 * bytes}), 1u);
  EXPECT_FALSE(load(cache, entryOf("4")));
  EXPECT_EQ(prune({.olderThanSeconds = 2'500, .maxBytes = bytes}), 2u);
  EXPECT_TRUE(load(cache, entryOf("1")));
  fill();
  Expected<PruneResult> all = pruneKernelCache(directory());
  ASSERT_TRUE(all);
  EXPECT_EQ(all->kernels, 4u);
  EXPECT_EQ(all->bytes, 4 * bytes);
  EXPECT_TRUE(listKernelCache(directory())->empty());
}

TEST_F(DiskCacheTest, DoubtfulDirectoriesAreErrorsForPeople) {
  DiskCache cache = cacheOf();
  cache.store(entryOf("key"));
  ASSERT_EQ(::chmod(directory().c_str(), 0777), 0);
  EXPECT_TRUE(io::test::failsWith(listKernelCache(directory()), ErrorCode::InvalidArgument,
                                  {directory(), "others may write it (mode 777)"}));
  EXPECT_TRUE(io::test::failsWith(pruneKernelCache(directory()), ErrorCode::InvalidArgument,
                                  {directory(), "others may write it"}));
}

} // namespace
} // namespace norma::test
