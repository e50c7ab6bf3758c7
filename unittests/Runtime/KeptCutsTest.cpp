//===- KeptCutsTest.cpp - Slices of few rows ------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Runtime/KeptCuts.h"

#include <gtest/gtest.h>

#include <vector>

using namespace norma;

namespace {

constexpr int64_t kLeastBytes = int64_t(192) << 10;

Problem problemOf(const Dims &shape, const Dims &kept, DType dtype = DType::F32) {
  static char memory[64];
  const Tensor x(memory, dtype, shape);
  return makeProblem(std::vector<Tensor>{x}, 1, kept);
}

std::optional<KeptCuts> cutsOf(const Dims &shape, const Dims &kept = {1},
                               DType dtype = DType::F32) {
  return KeptCuts::ofFewRows(problemOf(shape, kept, dtype), kLeastBytes);
}

TEST(KeptCuts, AreEvenSharesOfWideRows) {
  struct Case {
    int64_t rows, features, count, width;
  };
  for (const Case &c :
       {Case{300, 2048, 2, 1024}, Case{300, 4096, 4, 1024}, Case{511, 3000, 2, 1536},
        Case{64, 16'384, 16, 1024}, Case{300, 6000, 4, 1536}}) {
    SCOPED_TRACE(std::to_string(c.rows) + " x " + std::to_string(c.features));
    const std::optional<KeptCuts> cuts = cutsOf({c.rows, c.features});
    ASSERT_TRUE(cuts);
    EXPECT_EQ(cuts->count(), c.count);
    EXPECT_EQ(cuts->width, c.width);
  }
}

TEST(KeptCuts, CoverAllWithALastOneOfSomeWidth) {
  for (int64_t features = 2048; features < 200'000; features += 997) {
    SCOPED_TRACE(features);
    const std::optional<KeptCuts> cuts = cutsOf({300, features});
    ASSERT_TRUE(cuts);
    EXPECT_GE(cuts->count(), 2);
    EXPECT_EQ(cuts->count() & (cuts->count() - 1), 0);
    EXPECT_EQ(cuts->begin(0), 0);
    EXPECT_EQ(cuts->end(cuts->count() - 1), features);
    EXPECT_LE(cuts->lastWidth(), cuts->width);
    EXPECT_GE(cuts->lastWidth(), 512);
    for (int64_t slice = 1; slice < cuts->count(); ++slice) {
      EXPECT_EQ(cuts->begin(slice), cuts->end(slice - 1));
      EXPECT_EQ(cuts->begin(slice) % 64, 0);
    }
  }
}

TEST(KeptCuts, HaveSoMuchOfEveryTensor) {
  // 48 rows of 1024 features are 192 KiB.
  EXPECT_TRUE(cutsOf({48, 2048}));
  EXPECT_FALSE(cutsOf({47, 2048}));
  EXPECT_EQ(cutsOf({31, 4096})->count(), 2);
  // Narrow elements are as much work, others more bytes.
  EXPECT_TRUE(cutsOf({48, 2048}, {1}, DType::U8));
  EXPECT_FALSE(cutsOf({47, 2048}, {1}, DType::BF16));
  EXPECT_TRUE(cutsOf({24, 2048}, {1}, DType::F64));
}

TEST(KeptCuts, AreForFewRowsOfManyKeptIndicesOnly) {
  EXPECT_FALSE(cutsOf({512, 4096}));
  EXPECT_FALSE(cutsOf({300, 2047}));
  EXPECT_FALSE(cutsOf({300, 4096}, {0}));
  EXPECT_FALSE(cutsOf({300, 4096}, {}));
  EXPECT_FALSE(cutsOf({300, 4096}, {0, 1}));
  EXPECT_FALSE(cutsOf({8, 4096, 49}, {1}));
  // Rows of all axes together.
  EXPECT_TRUE(cutsOf({6, 7, 7, 2048}, {3}));
}

TEST(KeptCuts, FirstHasTheStridesOfAll) {
  const Problem problem = problemOf({300, 4096}, {1});
  const KeptCuts cuts = *cutsOf({300, 4096});
  const Problem first = cuts.first(problem, 1024);
  EXPECT_EQ(first.extents, (Dims{300, 1024}));
  EXPECT_EQ(first.tensors[0].strides, problem.tensors[0].strides);
  EXPECT_EQ(first.layout(), Layout::DenseRows);
  const Tensor slice = cuts.slice(problem, 0, 1024, 3072);
  EXPECT_EQ(slice.shape, (Dims{300, 2048}));
  EXPECT_EQ(static_cast<char *>(slice.data) - problem.tensors[0].data, 4096);
}

} // namespace
