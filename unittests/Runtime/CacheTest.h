//===- CacheTest.h - Fixture of the tests of the kernel cache ---*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_CACHETEST_H
#define NORMA_UNITTESTS_RUNTIME_CACHETEST_H

#include "../IO/IOTestSupport.h"

#include "Runtime/Cache/DiskCache.h"

#include <fcntl.h>
#include <mutex>

namespace norma::test {

/// A cache in a fresh folder, and what it says.
class CacheTest : public io::test::FolderTest {
protected:
  static CacheEntry entryOf(const std::string &key, size_t objectBytes = 100) {
    return {key,
            {"0.1.0+build", "22.1.0+build", "some-cpu", "triple;+feature;l1=1"},
            "norma_affine_RK_f32",
            "#norma.schedule<rows, vector = 8>",
            4096,
            1.5,
            20.25,
            std::string(objectBytes, 'o') + key};
  }

  std::string directory() const { return in("cache"); }

  DiskCache cacheOf(uint64_t capacity = uint64_t(1) << 20) {
    return DiskCache(directory(), capacity, log());
  }

  CacheLog log() {
    return [this](std::string_view message) {
      std::lock_guard<std::mutex> lock(mutex);
      messages.emplace_back(message);
    };
  }

  static std::optional<CacheEntry> load(DiskCache &cache, const CacheEntry &entry) {
    return cache.load(entry.key, entry.origin);
  }

  std::string fileOf(const CacheEntry &entry) const { return fileOf(entry.key); }
  std::string fileOf(const std::string &key) const {
    return directory() + "/" + CacheDirectory::nameOf(key);
  }

  /// Expects exactly one message, with this text in it, and forgets it.
  void expectMessage(const std::string &part) {
    ASSERT_EQ(messages.size(), 1u) << testing::PrintToString(messages);
    EXPECT_NE(messages[0].find(part), std::string::npos) << messages[0];
    messages.clear();
  }

  std::vector<std::string> namesWith(const std::string &prefix) const {
    std::vector<std::string> names;
    for (const auto &file : std::filesystem::directory_iterator(directory()))
      if (std::string name = file.path().filename().string(); name.starts_with(prefix))
        names.push_back(name);
    return names;
  }

  /// Makes a file look as if it was last used so long ago.
  static void setAge(const std::string &path, time_t seconds) {
    const timespec time = {::time(nullptr) - seconds, 0};
    const timespec times[] = {time, time};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  }

  std::mutex mutex;
  std::vector<std::string> messages;
};

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_CACHETEST_H
