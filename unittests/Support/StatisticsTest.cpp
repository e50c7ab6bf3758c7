//===- StatisticsTest.cpp - count, mean, m2 -------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Support/Statistics.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

using namespace norma;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNaN = std::numeric_limits<double>::quiet_NaN();

Statistics one(double count, double mean, double m2) { return {{}, {count}, {mean}, {m2}}; }

Statistics merged(Statistics into, const Statistics &from) {
  EXPECT_TRUE(mergeStatistics(into, from));
  return into;
}

TEST(Policies, NamesRoundTrip) {
  for (NanPolicy policy : {NanPolicy::Propagate, NanPolicy::Omit})
    EXPECT_EQ(*parseNanPolicy(toString(policy)), policy);
  for (ZeroVariance policy : {ZeroVariance::Clamp, ZeroVariance::Unit})
    EXPECT_EQ(*parseZeroVariance(toString(policy)), policy);
  EXPECT_EQ(parseNanPolicy("skip").error().message(),
            "NaN policy: 'skip' is not known; expected propagate or omit");
  EXPECT_EQ(parseZeroVariance("one").error().message(),
            "zero-variance policy: 'one' is not known; expected clamp or unit");
}

TEST(Statistics, ZerosHaveTheSizeOfTheShape) {
  EXPECT_EQ(Statistics::zeros({}).size(), 1);
  EXPECT_EQ(Statistics::zeros({2, 3}).size(), 6);
  EXPECT_EQ(Statistics::zeros({2, 0}).size(), 0);
  EXPECT_EQ(Statistics::zeros({2}).mean, (std::vector<double>{0, 0}));
}

TEST(Statistics, Variance) {
  EXPECT_EQ(one(4, 1, 8).variance(0), 2);
  EXPECT_EQ(one(0, 0, 0).variance(0), 0);
  EXPECT_EQ(one(4, 1, -1e-30).variance(0), 0);
  EXPECT_TRUE(std::isnan(one(4, 1, kNaN).variance(0)));
}

TEST(Statistics, ConstantFeatures) {
  const Statistics s{{5},
                     {4, 4, 0, 100, 4},
                     {3, 3, 0, 0.1, kNaN},
                     // The fourth: the rounding of a mean of 100 times 0.1.
                     {0, 1e-3, 0, 100 * 1e-32, kNaN}};
  EXPECT_EQ(s.constantFeatures(), (std::vector<int64_t>{0, 3}));
  EXPECT_TRUE(s.isConstant(0));
  EXPECT_FALSE(s.isConstant(1));
  EXPECT_FALSE(s.isConstant(4));
}

TEST(MergeStatistics, TwoSets) {
  // {1, 2, 3} and {4, 5, 6, 7}: mean 4, squared deviations 28.
  const Statistics all = merged(one(3, 2, 2), one(4, 5.5, 5));
  EXPECT_EQ(all.count[0], 7);
  EXPECT_DOUBLE_EQ(all.mean[0], 4);
  EXPECT_DOUBLE_EQ(all.m2[0], 28);
}

TEST(MergeStatistics, NothingLeavesTheOtherSide) {
  for (double mean : {0.1, kInf, kNaN}) {
    const Statistics some = one(3, mean, 0.7);
    for (const Statistics &result : {merged(some, one(0, 0, 0)), merged(one(0, 0, 0), some),
                                     merged(some, one(0, kNaN, kInf))}) {
      EXPECT_EQ(result.count[0], 3);
      EXPECT_TRUE(result.mean[0] == mean || (std::isnan(mean) && std::isnan(result.mean[0])));
      EXPECT_EQ(result.m2[0], 0.7);
    }
  }
}

TEST(MergeStatistics, ConstantStaysConstant) {
  Statistics s = one(0, 0, 0);
  for (int i = 1; i < 1000; ++i)
    ASSERT_TRUE(mergeStatistics(s, one(i, 0.1, 0)));
  EXPECT_EQ(s.count[0], 499500);
  EXPECT_EQ(s.mean[0], 0.1);
  EXPECT_EQ(s.m2[0], 0);
}

TEST(MergeStatistics, InfinityAndNaN) {
  EXPECT_EQ(merged(one(1, kInf, kNaN), one(1, 1, 0)).mean[0], kInf);
  EXPECT_EQ(merged(one(1, 1, 0), one(1, -kInf, kNaN)).mean[0], -kInf);
  EXPECT_EQ(merged(one(1, kInf, kNaN), one(1, kInf, kNaN)).mean[0], kInf);
  EXPECT_TRUE(std::isnan(merged(one(1, kInf, kNaN), one(1, -kInf, kNaN)).mean[0]));
  EXPECT_TRUE(std::isnan(merged(one(1, 1, 0), one(1, kNaN, kNaN)).mean[0]));
  EXPECT_TRUE(std::isnan(merged(one(1, 1, 0), one(1, kInf, kNaN)).m2[0]));
  EXPECT_EQ(merged(one(1, 1, 0), one(1, kInf, kNaN)).count[0], 2);
}

TEST(MergeStatistics, HugeMeans) {
  const Statistics s = merged(one(1, 1e308, 0), one(1, -1e308, 0));
  EXPECT_EQ(s.mean[0], 0);
  EXPECT_EQ(s.m2[0], kInf);
}

/// Many kept indices merge in vectors; where something is not finite, one by one. Neither
/// may show.
TEST(MergeStatistics, ManyAreAsOne) {
  const auto bits = [](double value) { return std::bit_cast<uint64_t>(value); };
  for (const double rare : {2.5, kInf, 1.7e308}) {
    Statistics into = Statistics::zeros({37}), from = into;
    for (int64_t i = 0; i < into.size(); ++i) {
      into.count[i] = double(i % 3);
      into.mean[i] = i % 3 ? 0.1 * double(i) : 0;
      into.m2[i] = i % 3 ? 1.0 / double(i + 1) : 0;
      from.count[i] = double(i % 5);
      from.mean[i] = i % 5 ? 7.0 / double(i + 1) : 0;
      from.m2[i] = i % 5 ? 0.3 * double(i) : 0;
    }
    into.mean[11] = -rare;
    from.mean[11] = rare;
    const Statistics all = merged(into, from);
    for (int64_t i = 0; i < into.size(); ++i) {
      const Statistics each = merged(one(into.count[i], into.mean[i], into.m2[i]),
                                     one(from.count[i], from.mean[i], from.m2[i]));
      EXPECT_EQ(bits(all.count[i]), bits(each.count[0])) << i;
      EXPECT_EQ(bits(all.mean[i]), bits(each.mean[0])) << i << " beside " << rare;
      EXPECT_EQ(bits(all.m2[i]), bits(each.m2[0])) << i << " beside " << rare;
      EXPECT_EQ(bits(all.variances()[i]), bits(all.variance(i))) << i;
    }
  }
}

TEST(MergeStatistics, TakesAnyOrderToRounding) {
  const Statistics a = one(10, 1e4, 12), b = one(1000, 1e4 + 3, 900), c = one(7, -2, 5);
  const Statistics left = merged(merged(a, b), c), right = merged(c, merged(b, a));
  EXPECT_EQ(left.count, right.count);
  EXPECT_NEAR(left.mean[0] / right.mean[0], 1, 1e-15);
  EXPECT_NEAR(left.m2[0] / right.m2[0], 1, 1e-14);
}

TEST(MergeStatistics, ShapesMustAgree) {
  Statistics into = Statistics::zeros({3});
  Expected<void> result = mergeStatistics(into, Statistics::zeros({5}));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(), "statistics: shape (5,) cannot be merged into shape (3,)");
  Statistics damaged = Statistics::zeros({3});
  damaged.mean.pop_back();
  result = mergeStatistics(into, damaged);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(), "statistics: 2 values for shape (3,); expected 3");
}

TEST(BroadcastFromLeft, OneNumberPerSample) {
  float memory[4];
  for (const Dims &shape : {Dims{4}, Dims{4, 1}, Dims{4, 1, 1}}) {
    Expected<Tensor> view =
        broadcastFromLeft(Tensor(memory, DType::F32, shape), Dims{4, 5, 6}, "w");
    ASSERT_TRUE(view);
    EXPECT_EQ(view->shape, (Dims{4, 5, 6}));
    EXPECT_EQ(view->strides, (Dims{1, 0, 0}));
    EXPECT_EQ(view->data, memory);
  }
  Expected<Tensor> scalar = broadcastFromLeft(Tensor(memory, DType::F32, {}), Dims{4, 5}, "w");
  ASSERT_TRUE(scalar);
  EXPECT_EQ(scalar->strides, (Dims{0, 0}));
  Expected<Tensor> inner = broadcastFromLeft(Tensor(memory, DType::F32, {1, 4}), Dims{0, 4}, "w");
  ASSERT_TRUE(inner);
  EXPECT_EQ(inner->strides, (Dims{0, 1}));
}

TEST(BroadcastFromLeft, NamesBothShapes) {
  float memory[4];
  Expected<Tensor> view = broadcastFromLeft(Tensor(memory, DType::F32, {4}), Dims{3, 4}, "mask");
  ASSERT_FALSE(view);
  EXPECT_EQ(view.error().message(),
            "mask: shape (4,) does not broadcast from the left to the data's shape (3, 4); every "
            "extent must be the data's or 1");
  EXPECT_FALSE(broadcastFromLeft(Tensor(memory, DType::F32, {4, 1}), Dims{4}, "mask"));
}

} // namespace
