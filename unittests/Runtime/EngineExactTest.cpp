//===- EngineExactTest.cpp - Moments that are done again ------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineTest.h"

#include <gmock/gmock.h>

#include <cmath>

using namespace norma;
using namespace norma::test;
using ::testing::HasSubstr;

namespace {

/// Rows of 40 features, one of which has an outlier at the beginning, or none.
Array rowsOf(DType dtype, bool outlier) {
  Random random(31);
  return arrayOf(dtype, {5'000, 40},
                 [&](int64_t i) { return outlier && i == 7 ? 1e6 : 10 + random.normal(); });
}

/// The kernel of an engine that does blocks again, if there is one.
std::optional<KernelInfo> exactKernel(const Engine &engine) {
  for (const KernelInfo &kernel : engine.kernels())
    if (kernel.key.find(";exact") != std::string::npos)
      return kernel;
  return std::nullopt;
}

TEST(EngineExact, IsCompiledWhenItIsNeeded) {
  for (const DType dtype : {DType::F32, DType::F64, DType::BF16})
    for (const CompilePolicy policy : {CompilePolicy::Optimized, CompilePolicy::Tiered}) {
      SCOPED_TRACE(toString(dtype));
      const auto engine = engineWith({.compilePolicy = policy});
      const Array easy = rowsOf(dtype, false), hard = rowsOf(dtype, true);
      const Expected<Statistics> first = engine->moments(easy, Dims{1});
      ASSERT_TRUE(first) << first.error().message();
      EXPECT_EQ(differenceOfMoments(easy, Dims{1}, {}, *first), "");
      EXPECT_EQ(engine->kernels().size(), 1u);
      const Expected<Statistics> second = engine->moments(hard, Dims{1});
      ASSERT_TRUE(second) << second.error().message();
      EXPECT_EQ(differenceOfMoments(hard, Dims{1}, {}, *second), "");
      EXPECT_EQ(engine->kernels().size(), 2u);
      const std::optional<KernelInfo> exact = exactKernel(*engine);
      ASSERT_TRUE(exact);
      EXPECT_EQ(exact->family, "moments");
      EXPECT_EQ(exact->calls, 1u);
    }
}

TEST(EngineExact, DoesNotDependOnTheNumberOfThreads) {
  const Array hard = rowsOf(DType::F32, true);
  const auto one = engineWith({.threads = 1}), seven = engineWith({.threads = 7});
  const Expected<Statistics> a = one->moments(hard, Dims{1}), b = seven->moments(hard, Dims{1});
  ASSERT_TRUE(a && b);
  EXPECT_TRUE(haveSameBits(*a, *b));
}

TEST(EngineExact, BytesAreNeverDoneAgain) {
  const auto engine = engineWith({});
  const Array x = arrayOf(DType::U8, {5'000, 40}, [](int64_t i) { return i == 7 ? 255 : 0; });
  const Expected<Statistics> statistics = engine->moments(x, Dims{1});
  ASSERT_TRUE(statistics);
  EXPECT_EQ(differenceOfMoments(x, Dims{1}, {}, *statistics), "");
  EXPECT_FALSE(exactKernel(*engine));
}

TEST(EngineExact, SeveralBatchesShareIt) {
  const auto engine = engineWith({});
  const Array easy = rowsOf(DType::F32, false), hard = rowsOf(DType::F32, true);
  const Tensor batches[] = {hard, easy, hard};
  const Expected<Statistics> all = engine->moments(batches, Dims{1});
  ASSERT_TRUE(all) << all.error().message();
  EXPECT_EQ(all->count[0], 15'000);
  ASSERT_TRUE(exactKernel(*engine));
  EXPECT_EQ(exactKernel(*engine)->calls, 2u);
}

/// Sums of such values overflow, and nothing is wider: deviations must be of a good pivot.
TEST(EngineExact, ConstantsNearTheLargestNumber) {
  const auto engine = engineWith({});
  for (const auto &[shape, kept] : {std::pair{Dims{64, 49}, Dims{0}},
                                    {Dims{5, 64, 49}, Dims{1}},
                                    {Dims{3, 4, 3136}, Dims{1}},
                                    {Dims{100, 13}, Dims{1}}})
    for (DType dtype : {DType::F32, DType::F64}) {
      const double value = dtype == DType::F64 ? -1.5e308 : 3e38F;
      const Array x = arrayOf(dtype, shape, [&](int64_t) { return value; });
      const Expected<Statistics> all = engine->moments(x, kept);
      ASSERT_TRUE(all) << all.error().message();
      EXPECT_THAT(all->mean, testing::Each(value)) << toString(shape) << toString(dtype);
      EXPECT_THAT(all->m2, testing::Each(0.0)) << toString(shape) << toString(dtype);
    }
}

/// Blocks of kept indices: only those are done again that need it.
TEST(EngineExact, OfAReductionAndAMap) {
  const auto engine = engineWith({});
  Random random(32);
  const Array x = arrayOf(DType::F32, {31, 67, 1056},
                          // A vector of them is what a pivot is made of.
                          [&](int64_t i) { return i / 16 == 66 * 5 ? 1e6 : 10 + random.normal(); });
  const Array y = arrayOf(DType::F32, x.view().shape, [](int64_t) { return 0; });
  const auto coefficients = [](int64_t begin, int64_t end, const Statistics &statistics) {
    Coefficients made{{end - begin}, {}, {}, {}};
    for (int64_t i = begin; i < end; ++i) {
      made.center.push_back(statistics.mean[size_t(i)]);
      made.scale.push_back(1 / std::sqrt(statistics.variance(i)));
      made.shift.push_back(0);
    }
    return made;
  };
  const Expected<Statistics> all =
      engine->momentsThenAffine(x, Dims{1}, {}, coefficients, DType::F32, y);
  ASSERT_TRUE(all) << all.error().message();
  EXPECT_EQ(differenceOfMoments(x, Dims{1}, {}, *all), "");
  const std::optional<KernelInfo> exact = exactKernel(*engine);
  ASSERT_TRUE(exact);
  EXPECT_EQ(exact->calls, 1u);
  Coefficients used = coefficients(0, 67, *all);
  EXPECT_EQ(differenceOfAffine(x, Dims{1}, used, DType::F32, y), "");
}

} // namespace
