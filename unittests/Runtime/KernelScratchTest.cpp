//===- KernelScratchTest.cpp - Memory that kernels work in ----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/Cpu/KernelScratch.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <thread>
#include <vector>

using namespace norma;

namespace {

constexpr uint64_t kKiB = 1024;

TEST(KernelScratch, IsThatOfTheLastKernel) {
  // On a thread that has had none.
  std::thread([] {
    void *const first = takeScratch(200 * kKiB);
    ASSERT_TRUE(first);
    std::memset(first, 1, 200 * kKiB);
    giveScratch(first);
    EXPECT_EQ(takeScratch(190 * kKiB), first);
    giveScratch(first);
    // Much less is no use of it, and more does not fit.
    for (const uint64_t bytes : {80 * kKiB, 201 * kKiB}) {
      void *const other = takeScratch(bytes);
      ASSERT_TRUE(other);
      EXPECT_NE(other, first);
      std::memset(other, 2, bytes);
      giveScratch(other);
    }
  }).join();
}

TEST(KernelScratch, OfOneKernelIsApart) {
  std::vector<std::pair<char *, uint64_t>> taken;
  for (int round = 0; round < 3; ++round) {
    for (uint64_t i = 0; i < 20; ++i) {
      const uint64_t bytes = (1 + i * 37 % 20) * 30 * kKiB + i;
      auto *memory = static_cast<char *>(takeScratch(bytes));
      ASSERT_TRUE(memory);
      std::memset(memory, int(i), bytes);
      taken.emplace_back(memory, bytes);
    }
    for (size_t i = 0; i < taken.size(); ++i) {
      EXPECT_EQ(taken[i].first[0], char(i));
      EXPECT_EQ(taken[i].first[taken[i].second - 1], char(i));
      giveScratch(taken[i].first);
    }
    taken.clear();
  }
}

TEST(KernelScratch, OfAnySize) {
  for (const uint64_t bytes : {uint64_t(0), uint64_t(1), 64 * kKiB, 2048 * kKiB, 40'000 * kKiB}) {
    void *const memory = takeScratch(bytes);
    ASSERT_TRUE(memory);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % alignof(std::max_align_t), 0u);
    giveScratch(memory);
  }
  // There is none.
  EXPECT_FALSE(takeScratch(UINT64_MAX));
  EXPECT_FALSE(takeScratch(UINT64_MAX / 2));
  giveScratch(nullptr);
}

TEST(KernelScratch, OfSeveralThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      for (int i = 0; i < 200; ++i) {
        const uint64_t bytes = (100 + uint64_t(i % 7) * 50) * kKiB;
        auto *memory = static_cast<char *>(takeScratch(bytes));
        ASSERT_TRUE(memory);
        memory[0] = memory[bytes - 1] = char(t);
        EXPECT_EQ(memory[0], char(t));
        giveScratch(memory);
      }
    });
  for (std::thread &thread : threads)
    thread.join();
}

} // namespace
