//===- DiskCacheProcessTest.cpp - Several processes and one cache ---------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CacheTest.h"

#include "norma/Runtime/KernelCache.h"

#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace norma::test {
namespace {

class DiskCacheProcessTest : public CacheTest {
protected:
  /// Runs `body` in a child; it succeeds when it returns true.
  template <typename Body>
  static pid_t start(Body body) {
    const pid_t child = ::fork();
    if (child == 0)
      ::_exit(body() ? 0 : 1);
    EXPECT_GT(child, 0);
    return child;
  }

  static bool succeeds(pid_t child) {
    int status = 0;
    return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

  /// Runs `body` in a child whose current directory is the folder. Permissions do not
  /// bind root, so that the child becomes somebody else first, who may not come here
  /// by an absolute path.
  template <typename Body>
  bool succeedsAsUser(Body body) {
    constexpr uid_t kNobody = 65534;
    const bool isRoot = ::geteuid() == 0;
    if (isRoot)
      for (const auto &file : std::filesystem::recursive_directory_iterator(folder))
        if (::chown(file.path().c_str(), kNobody, kNobody) != 0)
          return false;
    if (isRoot && ::chmod(folder.c_str(), 0755) != 0)
      return false;
    return succeeds(start([&] {
      return ::chdir(folder.c_str()) == 0 && (!isRoot || ::setuid(kNobody) == 0) && body();
    }));
  }

  void expectAllWhole() {
    Expected<std::vector<StoredKernel>> kernels = listKernelCache(directory());
    ASSERT_TRUE(io::test::succeeded(kernels));
    for (const StoredKernel &kernel : *kernels)
      EXPECT_EQ(kernel.problem, "") << kernel.file;
  }
};

TEST_F(DiskCacheProcessTest, ProcessesStoreLoadAndEvictAtOnce) {
  constexpr int kProcesses = 4, kSteps = 400, kKeys = 20;
  constexpr uint64_t kCapacity = 30'000;
  auto work = [&](uint32_t random) {
    DiskCache cache = cacheOf(kCapacity);
    for (int step = 0; step < kSteps; ++step) {
      random = random * 1664525 + 1013904223;
      // Of one size for every key, so that processes store the same bytes.
      const int key = int(random >> 16) % kKeys;
      const CacheEntry entry = entryOf(std::to_string(key), 100 + 200 * size_t(key));
      const std::optional<CacheEntry> found = load(cache, entry);
      if (found && !(*found == entry))
        return false;
      if (!found || random >> 31)
        cache.store(entry);
    }
    return messages.empty();
  };
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i)
    children.push_back(start([&] { return work(uint32_t(i) + 1); }));
  for (pid_t child : children)
    EXPECT_TRUE(succeeds(child));
  expectAllWhole();
  EXPECT_TRUE(namesWith(".new-").empty());
  uint64_t bytes = 0;
  Expected<std::vector<StoredKernel>> kernels = listKernelCache(directory());
  ASSERT_TRUE(io::test::succeeded(kernels));
  for (const StoredKernel &kernel : *kernels)
    bytes += kernel.bytes;
  EXPECT_GT(bytes, 0u);
  // Each may have added what the others did not see.
  EXPECT_LE(bytes, kProcesses * kCapacity);
}

TEST_F(DiskCacheProcessTest, AKilledProcessLeavesNoHalfEntry) {
  const CacheEntry large = entryOf("large", size_t(8) << 20);
  int halfWritten = 0;
  for (int round = 0; round < 20; ++round) {
    const size_t before = round == 0 ? 0 : namesWith(".new-").size();
    const pid_t child = start([&] {
      DiskCache cache = cacheOf(kLargestCacheEntry);
      while (true)
        cache.store(large);
      return true;
    });
    // Until it is in the middle of a store.
    while (!std::filesystem::exists(directory()) || namesWith(".new-").size() <= before)
      std::this_thread::yield();
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    halfWritten += namesWith(".new-").size() > before;
    expectAllWhole();
    DiskCache cache = cacheOf();
    const std::optional<CacheEntry> found = load(cache, large);
    EXPECT_TRUE(!found || *found == large);
  }
  EXPECT_TRUE(messages.empty()) << messages[0];
  // What was left goes when it is old enough.
  EXPECT_GT(halfWritten, 0);
  for (const std::string &name : namesWith(".new-"))
    setAge(directory() + "/" + name, 3'700);
  DiskCache cache = cacheOf();
  cache.store(entryOf("small"));
  EXPECT_TRUE(namesWith(".new-").empty());
}

TEST_F(DiskCacheProcessTest, OneProcessMakesTheOthersWait) {
  Expected<CacheDirectory> mine = CacheDirectory::open(directory(), /*create=*/true);
  ASSERT_TRUE(io::test::succeeded(mine));
  auto isFree = [&](const char *key) {
    return succeeds(start([&] {
      Expected<CacheDirectory> theirs = CacheDirectory::open(directory(), false);
      return theirs && theirs->lock(key, 0).get() >= 0;
    }));
  };
  {
    const io::Descriptor turn = mine->lock("key", 0);
    ASSERT_GE(turn.get(), 0);
    EXPECT_FALSE(isFree("key"));
    EXPECT_TRUE(isFree("other"));
    // Nor another thread or engine of this process.
    EXPECT_LT(mine->lock("key", 5).get(), 0);
  }
  EXPECT_TRUE(isFree("key"));

  // A lock goes with its process, however that ends.
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = start([&] {
    const io::Descriptor turn = mine->lock("key", 0);
    const bool said = ::write(ready[1], "x", 1) == 1;
    ::pause();
    return said;
  });
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_FALSE(isFree("key"));
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  EXPECT_FALSE(succeeds(child));
  EXPECT_TRUE(isFree("key"));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(DiskCacheProcessTest, AFullDiskKeepsNothing) {
  DiskCache cache = cacheOf();
  cache.store(entryOf("old", 10'000));
  {
    io::test::FileSizeLimit limit(4096);
    cache.store(entryOf("new", 10'000));
    expectMessage("File too large");
    cache.store(entryOf("old", 20'000));
    expectMessage("File too large");
  }
  EXPECT_TRUE(namesWith(".new-").empty());
  EXPECT_FALSE(std::filesystem::exists(fileOf("new")));
  EXPECT_EQ(load(cache, entryOf("old", 10'000)), entryOf("old", 10'000));
}

TEST_F(DiskCacheProcessTest, AReadOnlyDirectoryIsRead) {
  {
    DiskCache cache = cacheOf();
    cache.store(entryOf("old"));
  }
  ASSERT_EQ(::chmod(directory().c_str(), 0500), 0);
  setAge(fileOf("old"), 1'000);
  EXPECT_TRUE(succeedsAsUser([&] {
    DiskCache cache("cache", 1'000'000, log());
    cache.store(entryOf("new"));
    return load(cache, entryOf("old")) == entryOf("old") && !load(cache, entryOf("new")) &&
           cache.awaitTurn("new").get() < 0 && messages.size() == 1 &&
           messages[0].find("Permission denied") != std::string::npos;
  }));
  ASSERT_EQ(::chmod(directory().c_str(), 0700), 0);
}

TEST_F(DiskCacheProcessTest, ADirectoryThatCannotBeReadIsNotUsed) {
  std::filesystem::create_directory(directory());
  ASSERT_EQ(::chmod(directory().c_str(), 0300), 0);
  EXPECT_TRUE(succeedsAsUser([&] {
    DiskCache cache("cache", 1'000'000, log());
    cache.store(entryOf("new"));
    return !load(cache, entryOf("new")) && messages.size() == 1 &&
           messages[0].find("cannot open the directory 'cache'") != std::string::npos;
  }));
  ASSERT_EQ(::chmod(directory().c_str(), 0700), 0);
}

TEST_F(DiskCacheProcessTest, ADirectoryThatCannotBeCreatedIsNotUsed) {
  // Nobody may create anything here, not even root.
  DiskCache cache("/proc/norma/cache", 1'000'000, log());
  EXPECT_EQ(load(cache, entryOf("key")), std::nullopt);
  EXPECT_LT(cache.awaitTurn("key").get(), 0);
  cache.store(entryOf("key"));
  expectMessage("cannot create the directory '/proc/norma/cache'");
}

} // namespace
} // namespace norma::test
