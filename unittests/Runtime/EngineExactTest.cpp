//===- EngineExactTest.cpp - Moments that are done again ------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineTest.h"

#include <gmock/gmock.h>

#include <cfenv>
#include <cmath>

using namespace norma;
using namespace norma::test;

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

/// Of many kept indices only those around what is marked.
TEST(EngineExact, OnlyWhatLooksInaccurate) {
  struct Case {
    Dims shape, kept;
    const char *form;
  };
  // Rows, slices of rows, runs, runs alone, few kept indices, and two groups of them.
  for (const auto &[shape, kept, form] :
       {Case{{700, 300}, {1}, "moments;RK[?x64]"}, Case{{500, 4'099}, {1}, "moments;RK[?x64]"},
        Case{{600, 300, 9}, {1}, "moments;RKR[?x64x9]"},
        Case{{80, 6'000}, {0}, "moments;KR[?x6000]"}, Case{{700, 100}, {1}, "moments;RK[?x100]"},
        Case{{6, 700, 20}, {0, 2}, "moments;KRK[?x700x20]"}}) {
    SCOPED_TRACE(toString(shape));
    const int last = int(kept[kept.size() - 1]);
    const int64_t features = shape[last];
    const int64_t inner = last + 1 < shape.size() ? shape[last + 1] : 1;
    // What pivots are made of first, of the first kept index and the last, of neighbours, and of
    // some apart.
    const auto isOutlier = [&](int64_t i) {
      const int64_t feature = i / inner % features;
      const bool isChosen = feature == 0 || feature == features - 1 || feature == 20 ||
                            feature == 21 || feature == 70;
      return isChosen && i % inner < 16 && i / inner < features;
    };
    Random random(35);
    const Array x = arrayOf(DType::F32, shape,
                            [&](int64_t i) { return isOutlier(i) ? 1e6 : 10 + random.normal(); });
    const Array mask = arrayOf(DType::Bool, shape, [](int64_t i) { return i % 7 != 3; });
    for (const bool isMasked : {false, true}) {
      MomentsOptions options;
      if (isMasked)
        options.mask = mask.view();
      const auto one = engineWith({.threads = 1}), two = engineWith({.threads = 2});
      const Expected<Statistics> a = one->moments(x, kept, options),
                                 b = two->moments(x, kept, options);
      ASSERT_TRUE(a && b);
      EXPECT_EQ(differenceOfMoments(x, kept, options, *a), "");
      EXPECT_TRUE(haveSameBits(*a, *b));
      const std::optional<KernelInfo> exact = exactKernel(*one);
      ASSERT_TRUE(exact);
      EXPECT_EQ(exact->key.substr(0, exact->key.find(']') + 1), form);
    }
  }
}

/// Data of a shape whose axis `axis` is kept: of every third kept index zeros, but for values of
/// `tiny` where `isTiny` says so of positions.
Array withZeros(DType dtype, const Dims &shape, int axis, double tiny = 0,
                const std::function<bool(int64_t)> &isTiny = {}) {
  int64_t inner = 1;
  for (int after = axis + 1; after < shape.size(); ++after)
    inner *= shape[after];
  Random random(33);
  return arrayOf(dtype, shape, [&](int64_t i) {
    const double value = 10 + random.normal();
    if (i / inner % shape[axis] % 3 != 1)
      return value;
    return isTiny && isTiny(i) ? (i % 2 ? tiny : -tiny) : 0.0;
  });
}

/// That the processor has seen a result underflow, which it says until it is told to forget it.
void underflow() {
  volatile float tiny = 1e-30f;
  tiny = tiny * tiny;
}

struct Zeros {
  Dims shape;
  int axis;
};
const Zeros kZeros[] = {{{5'000, 40}, 1},  {{40, 3'000}, 0},      {{300, 2'100}, 1},
                        {{50, 64, 49}, 1}, {{20, 12, 28, 28}, 1}, {{700, 6, 5}, 1},
                        {{2, 3, 784}, 1},  {{600, 7, 13}, 2}};

TEST(EngineExact, ZerosAreNotDoneAgain) {
  for (const bool before : {false, true})
    for (const auto &[shape, axis] : kZeros)
      for (const DType dtype : {DType::F32, DType::BF16, DType::F16, DType::F64}) {
        SCOPED_TRACE(toString(shape) + toString(dtype) + (before ? " after an underflow" : ""));
        std::feclearexcept(FE_UNDERFLOW);
        if (before)
          underflow();
        const auto engine = engineWith({.threads = 1});
        const Array x = withZeros(dtype, shape, axis);
        const Expected<Statistics> all = engine->moments(x, Dims{axis});
        ASSERT_TRUE(all) << all.error().message();
        EXPECT_TRUE(!before || std::fetestexcept(FE_UNDERFLOW));
        EXPECT_EQ(differenceOfMoments(x, Dims{axis}, {}, *all), "");
        EXPECT_FALSE(exactKernel(*engine));
        for (const double m2 : all->m2)
          EXPECT_FALSE(std::signbit(m2));
      }
}

TEST(EngineExact, WhatIsNearlyZeroIsDoneAgain) {
  for (const auto &[shape, axis] : kZeros)
    // One element, every other one, and all.
    for (const int64_t every : {1'000'003, 4, 1}) {
      SCOPED_TRACE(toString(shape) + " every " + std::to_string(every));
      const auto isTiny = [&](int64_t i) {
        return every > 1'000 ? i == 1'001 : i / 2 % every == 0;
      };
      const Array x = withZeros(DType::F32, shape, axis, 1e-24, isTiny);
      std::vector<Statistics> results;
      for (const int threads : {1, 2}) {
        const auto engine = engineWith({.threads = threads});
        Expected<Statistics> all = engine->moments(x, Dims{axis});
        ASSERT_TRUE(all) << all.error().message();
        EXPECT_EQ(differenceOfMoments(x, Dims{axis}, {}, *all), "");
        results.push_back(std::move(*all));
      }
      EXPECT_TRUE(haveSameBits(results[0], results[1]));
    }
}

TEST(EngineExact, ZerosOfWhichElementsDoNotCount) {
  const Array x = withZeros(DType::F32, {50, 64, 49}, 1);
  const Array mask =
      arrayOf(DType::Bool, {50, 64, 49}, [](int64_t i) { return i / 49 % 64 > 3 && i % 5 != 2; });
  const Array weights = arrayOf(DType::F32, {50, 1, 1}, [](int64_t i) { return 0.5 * double(i); });
  for (const int which : {1, 2, 3}) {
    MomentsOptions options;
    if (which & 1)
      options.mask = mask.view();
    if (which & 2)
      options.weights = weights.view();
    std::feclearexcept(FE_UNDERFLOW);
    const auto engine = engineWith({.threads = 1});
    const Expected<Statistics> all = engine->moments(x, Dims{1}, options);
    ASSERT_TRUE(all) << all.error().message();
    EXPECT_EQ(differenceOfMoments(x, Dims{1}, options, *all), "");
    EXPECT_FALSE(exactKernel(*engine));
  }
}

/// The coefficients that make mean 0 and variance 1.
auto normalizing(double epsilon) {
  return [epsilon](int64_t begin, int64_t end, const Statistics &statistics) {
    Coefficients made{{end - begin}, {}, {}, {}};
    for (int64_t i = begin; i < end; ++i) {
      made.center.push_back(statistics.mean[size_t(i)]);
      made.scale.push_back(1 / std::sqrt(statistics.variance(i) + epsilon));
      made.shift.push_back(0);
    }
    return made;
  };
}

/// Blocks of kept indices: only those are done again that need it.
TEST(EngineExact, OfAReductionAndAMap) {
  const auto engine = engineWith({});
  Random random(32);
  const Array x = arrayOf(DType::F32, {31, 67, 1056},
                          // A vector of them is what a pivot is made of.
                          [&](int64_t i) { return i / 16 == 66 * 5 ? 1e6 : 10 + random.normal(); });
  const Array y = arrayOf(DType::F32, x.view().shape, [](int64_t) { return 0; });
  const auto coefficients = normalizing(0);
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

TEST(EngineExact, ZerosOfAReductionAndAMap) {
  const Dims shape{16, 96, 28, 28};
  for (const double tiny : {0.0, 1e-24})
    for (const int threads : {1, 2}) {
      SCOPED_TRACE(tiny);
      std::feclearexcept(FE_UNDERFLOW);
      const auto engine = engineWith({.threads = threads});
      const Array x =
          withZeros(DType::F32, shape, 1, tiny, [](int64_t i) { return i % 2'000 < 7; });
      const Array y = arrayOf(DType::F32, shape, [](int64_t) { return 0; });
      const auto coefficients = normalizing(1e-3);
      const Expected<Statistics> all =
          engine->momentsThenAffine(x, Dims{1}, {}, coefficients, DType::F32, y);
      ASSERT_TRUE(all) << all.error().message();
      EXPECT_EQ(differenceOfMoments(x, Dims{1}, {}, *all), "");
      EXPECT_EQ(differenceOfAffine(x, Dims{1}, coefficients(0, 96, *all), DType::F32, y), "");
      // Other threads may have seen an underflow before, but not in these blocks.
      EXPECT_EQ(bool(exactKernel(*engine)), tiny > 0);
    }
}

} // namespace
