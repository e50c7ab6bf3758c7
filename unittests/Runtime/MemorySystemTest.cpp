//===- MemorySystemTest.cpp - How a machine reads and keeps data --------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/Cpu/MemorySystem.h"

#include <gtest/gtest.h>

using namespace norma;

namespace {

constexpr CacheSizes kCaches{48 << 10, 1 << 20, 32 << 20};

TEST(MemorySystem, OfZenIsReadInOrderAndKeepsResults) {
  for (const char *cpu : {"znver1", "znver5"}) {
    const MemorySystem memory = memorySystemOf(cpu, kCaches);
    EXPECT_EQ(memory.readStreams, 1) << cpu;
    EXPECT_EQ(memory.keptInLastLevel, 16 << 20) << cpu;
    EXPECT_EQ(memory.leastPartBytes, 192 << 10) << cpu;
    EXPECT_EQ(memory.caches.l2, kCaches.l2) << cpu;
  }
  EXPECT_EQ(memorySystemOf("znver4", {}).keptInLastLevel, 0);
}

TEST(MemorySystem, OfOthersIsReadInSeveralStreams) {
  for (const char *cpu : {"sapphirerapids", "x86-64-v3", "neoverse-v2", ""}) {
    const MemorySystem memory = memorySystemOf(cpu, kCaches);
    EXPECT_EQ(memory.readStreams, 8) << cpu;
    EXPECT_EQ(memory.keptInLastLevel, 0) << cpu;
    EXPECT_EQ(memory.leastPartBytes, 384 << 10) << cpu;
  }
}

} // namespace
