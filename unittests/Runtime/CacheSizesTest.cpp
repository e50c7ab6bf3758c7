//===- CacheSizesTest.cpp - What the caches of a processor hold -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/Cpu/CacheSizes.h"
#include "../IO/IOTestSupport.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

using namespace norma;
namespace fs = std::filesystem;

namespace {

struct Cache {
  std::string level, type, size, processors;
};

/// A folder such as that of a processor, with the files that are read.
class CacheSizesTest : public io::test::FolderTest {
protected:
  CacheSizes read(const std::string &threadsOfCore, const std::vector<Cache> &caches) const {
    fs::create_directories(in("topology"));
    spill(in("topology/thread_siblings"), threadsOfCore + "\n");
    for (size_t i = 0; i < caches.size(); ++i) {
      const std::string place = in("cache/index" + std::to_string(i));
      fs::create_directories(place);
      spill(place + "/level", caches[i].level + "\n");
      spill(place + "/type", caches[i].type + "\n");
      spill(place + "/size", caches[i].size + "\n");
      spill(place + "/shared_cpu_map", caches[i].processors + "\n");
    }
    return readCacheSizes(folder);
  }

  static void expectSizes(const CacheSizes &sizes, int64_t l1, int64_t l2, int64_t lastLevel) {
    EXPECT_EQ(sizes.l1, l1 << 10);
    EXPECT_EQ(sizes.l2, l2 << 10);
    EXPECT_EQ(sizes.lastLevel, lastLevel << 10);
  }
};

TEST_F(CacheSizesTest, ThreadsOfACoreHaveItsCachesTogether) {
  // A die of eight cores with two threads each: others have last levels of their own.
  expectSizes(read("00000001,00000001", {{"1", "Data", "48K", "00000001,00000001"},
                                         {"1", "Instruction", "32K", "00000001,00000001"},
                                         {"2", "Unified", "1024K", "00000001,00000001"},
                                         {"3", "Unified", "32768K", "000000ff,000000ff"}}),
              48, 1024, 32768);
}

TEST_F(CacheSizesTest, CoresShareASecondLevel) {
  expectSizes(read("10", {{"1", "Data", "32K", "10"},
                          {"1", "Instruction", "64K", "10"},
                          {"2", "Unified", "4096K", "f0"}}),
              32, 1024, 0);
}

TEST_F(CacheSizesTest, TheLastOfSeveralLevels) {
  expectSizes(read("1", {{"1", "Data", "32K", "1"},
                         {"2", "Unified", "256K", "1"},
                         {"3", "Unified", "6144K", "f"},
                         {"4", "Unified", "131072K", "f"}}),
              32, 256, 131072);
}

TEST_F(CacheSizesTest, WhatIsNotKnownIsZero) {
  expectSizes(readCacheSizes(folder), 0, 0, 0);
  expectSizes(readCacheSizes("/no/such/folder"), 0, 0, 0);
  // Of sizes that are none, and masks that are missing.
  expectSizes(read("", {{"1", "Data", "", ""},
                        {"2", "Unified", "-1K", "1"},
                        {"3", "Unified", "99999999999999999999K", "1"}}),
              0, 0, 0);
  expectSizes(
      read("",
           {{"1", "Data", "48", "1"}, {"2", "Unified", "2048K", ""}, {"3", "Unified", "32M", "3"}}),
      0, 2048, 0);
}

TEST(CacheSizes, OfThisMachineAreTheSameEachTime) {
  const CacheSizes &sizes = cacheSizes();
  EXPECT_EQ(&sizes, &cacheSizes());
  EXPECT_GE(sizes.l1, 0);
  // Where all are known, each is larger than the one before.
  if (sizes.l1 && sizes.l2) {
    EXPECT_GT(sizes.l2, sizes.l1);
  }
  if (sizes.l2 && sizes.lastLevel) {
    EXPECT_GT(sizes.lastLevel, sizes.l2);
  }
}

} // namespace
