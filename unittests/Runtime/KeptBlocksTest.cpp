//===- KeptBlocksTest.cpp - Where kept indices are cut --------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/KeptBlocks.h"

#include <gtest/gtest.h>

#include <vector>

using namespace norma;

namespace {

constexpr int64_t kL2Bytes = int64_t(2) << 20, kNearBytes = 4 * kL2Bytes,
                  kMixedBytes = int64_t(32) << 20;

/// The cuts for channels first: `inputs` of them and a result. Only the last
/// address counts, which is that of a cache line.
std::optional<KeptBlocks> cuts(const Dims &shape, int inputs, int threads = 2,
                               bool canInterleave = true, DType dtype = DType::F32) {
  alignas(64) static char memory[256];
  std::vector<Tensor> tensors;
  for (int t = 0; t <= inputs; ++t)
    tensors.emplace_back(memory + 64 * t, dtype, shape);
  const Problem problem = makeProblem(tensors, tensors.size(), Dims{1});
  return KeptBlocks::choose(problem, {kL2Bytes, threads * kL2Bytes, kNearBytes, kMixedBytes},
                            canInterleave);
}

constexpr int kTraining = 1, kGradient = 2;

TEST(KeptBlocks, AreCrowdedWhereTwoFindNoPlace) {
  // Samples that begin a multiple of 64, 32 and 16 KiB apart, which repeats after 128 KiB; and some
  // that do not.
  EXPECT_TRUE(cuts({32, 256, 56, 56}, kGradient)->isCrowded);
  EXPECT_TRUE(cuts({32, 128, 56, 56}, kGradient)->isCrowded);
  EXPECT_FALSE(cuts({32, 64, 56, 56}, kGradient)->isCrowded);
  EXPECT_FALSE(cuts({32, 257, 56, 56}, kGradient)->isCrowded);
  EXPECT_TRUE(cuts({32, 512, 28, 28}, kGradient)->isCrowded);
  EXPECT_FALSE(cuts({32, 514, 28, 28}, kGradient)->isCrowded);
  // One input takes half as much.
  EXPECT_TRUE(cuts({32, 256, 56, 56}, kTraining)->isCrowded);
  EXPECT_FALSE(cuts({32, 128, 56, 56}, kTraining)->isCrowded);
  // More than half of the whole, wherever samples begin.
  EXPECT_TRUE(cuts({84, 65, 56, 56}, kTraining)->isCrowded);
  EXPECT_FALSE(cuts({70, 65, 56, 56}, kTraining)->isCrowded);
  // One sample is in one place.
  EXPECT_FALSE(cuts({1, 64, 512, 512}, kTraining)->isCrowded);
}

TEST(KeptBlocks, AreLargerThanACacheWhereMapsGoBesideSums) {
  const Dims shape{166, 64, 56, 56};
  const std::optional<KeptBlocks> blocks = cuts(shape, kTraining);
  ASSERT_TRUE(blocks);
  EXPECT_EQ(blocks->count(), 64);
  EXPECT_TRUE(blocks->streams && blocks->isFar && blocks->isCrowded);
  EXPECT_FALSE(cuts(shape, kTraining, 2, /*canInterleave=*/false));
  // For each of many threads there is at least one, so it takes so many.
  EXPECT_FALSE(cuts({166, 63, 56, 56}, kTraining));
  // Kept indices with short runs go together.
  EXPECT_EQ(cuts({1'200, 512, 14, 14}, kTraining)->width, 4);
  EXPECT_EQ(cuts({1'200, 2'048, 7, 7}, kGradient)->width, 16);
  // Where a block fits, nothing depends on what is beside what.
  EXPECT_EQ(cuts({32, 64, 56, 56}, kTraining, 2, true)->width,
            cuts({32, 64, 56, 56}, kTraining, 2, false)->width);
}

TEST(KeptBlocks, AreFarWhereInputsAreMoreThanIsNear) {
  // Inputs of 8 MiB and a little more, of 32 and a little more.
  EXPECT_FALSE(cuts({8, 64, 64, 64}, kTraining)->isFar);
  EXPECT_TRUE(cuts({8, 65, 64, 64}, kTraining)->isFar);
  EXPECT_FALSE(cuts({4, 64, 64, 64}, kGradient)->isFar);
  EXPECT_TRUE(cuts({4, 65, 64, 64}, kGradient)->isFar);
  EXPECT_FALSE(cuts({16, 64, 64, 64}, kGradient)->takesTurns);
  EXPECT_TRUE(cuts({16, 65, 64, 64}, kGradient)->takesTurns);
  // Narrow elements take as long to compute.
  EXPECT_TRUE(cuts({32, 66, 64, 64}, kGradient)->takesTurns);
  EXPECT_FALSE(cuts({32, 66, 64, 64}, kGradient, 2, true, DType::BF16)->takesTurns);
  // What exceeds a second level gains the more by maps beside sums.
  EXPECT_FALSE(cuts({166, 64, 56, 56}, kGradient)->takesTurns);
}

TEST(KeptBlocks, AreNoLinesOfTinyRuns) {
  EXPECT_FALSE(cuts({64, 512, 4, 4}, kTraining));
  EXPECT_FALSE(cuts({512, 2'048, 2, 2}, kGradient));
  EXPECT_TRUE(cuts({31, 512, 4, 4}, kTraining));
  // Samples that are no whole lines, and more than stays near.
  EXPECT_TRUE(cuts({64, 777, 3, 3}, kTraining));
  EXPECT_TRUE(cuts({64, 8'192, 2, 2}, kTraining));
  EXPECT_TRUE(cuts({64, 512, 1, 17}, kTraining));
}

TEST(KeptBlocks, OfNearTablesMayBeShorterPiecesOfRows) {
  // 512 features of so many rows and their results leave room in the second level; of more, half.
  EXPECT_EQ(cuts({384, 2'048}, kTraining)->width, 512);
  EXPECT_EQ(cuts({400, 2'048}, kTraining)->width, 256);
  // Where inputs are not near, and where these would not fit either, the whole is as good.
  EXPECT_FALSE(cuts({400, 4'096}, kTraining));
  EXPECT_FALSE(cuts({800, 1'024}, kTraining));
}

TEST(KeptBlocks, AreTheSameForAnyNumberOfThreads) {
  for (const Dims &shape :
       {Dims{166, 64, 56, 56}, {32, 256, 56, 56}, {8, 512, 14, 14}, {1, 1'024, 14, 14}})
    for (const int inputs : {kTraining, kGradient}) {
      const std::optional<KeptBlocks> one = cuts(shape, inputs, 1);
      ASSERT_TRUE(one) << toString(shape);
      for (const int threads : {2, 7, 64}) {
        const std::optional<KeptBlocks> many = cuts(shape, inputs, threads);
        ASSERT_TRUE(many) << toString(shape);
        EXPECT_EQ(many->group, one->group) << toString(shape);
        EXPECT_EQ(many->width, one->width) << toString(shape);
      }
    }
}

} // namespace
