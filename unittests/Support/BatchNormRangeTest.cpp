//===- BatchNormRangeTest.cpp - Batch normalization, a range at a time ----===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Support/BatchNormRange.h"

#include <gtest/gtest.h>

#include <array>

using namespace norma;

namespace {

using Values = std::vector<double>;

/// More than a loop takes at once.
constexpr int64_t kSize = 1'000;
constexpr std::array<std::pair<int64_t, int64_t>, 3> kRanges{{{300, kSize}, {0, 1}, {1, 300}}};

Values numbers(double from, double step) {
  Values result(kSize);
  for (size_t i = 0; i < kSize; ++i)
    result[i] = from + step * double(i % 71);
  return result;
}

/// Room for arrays of the compute type, and what was written there.
class Arrays {
public:
  Arrays(size_t count, int64_t size, DType compute) : compute(compute), all(count, Values(size)) {}

  void *at(size_t array) { return all[array].data(); }
  Values values(size_t array) const {
    Values result(all[array].size());
    for (size_t i = 0; i < result.size(); ++i)
      result[i] = loadAsDouble(
          reinterpret_cast<const char *>(all[array].data()) + i * sizeOf(compute), compute);
    return result;
  }

private:
  DType compute;
  std::vector<Values> all;
};

Values rounded(const Values &values, int64_t size, double absent, DType compute) {
  Values result = values.empty() ? Values(size_t(size), absent) : values;
  for (double &value : result)
    value = compute == DType::F32 ? double(float(value)) : value;
  return result;
}

TEST(BatchNormRange, ForwardIsThatOfTheWhole) {
  Statistics all = Statistics::zeros({kSize});
  all.count = numbers(0, 0.5);
  all.mean = numbers(-3, 0.1);
  all.m2 = numbers(0, 1.75);
  const MovingStatistics moving{.mean = numbers(1, 0.25),
                                .variance = numbers(0.5, 0.5),
                                .stddev = numbers(0.75, 0.25),
                                .renormMean = numbers(2, -0.5),
                                .renormStddev = numbers(0.25, 1),
                                .batches = 3};
  for (int choice = 0; choice < 64; ++choice) {
    const auto has = [&](int bit) { return (choice >> bit & 1) != 0; };
    const DType compute = has(0) ? DType::F32 : DType::F64;
    const BatchNormRules rules{.momentum = {},
                               .movingVariance =
                                   has(1) ? MovingVariance::Sample : MovingVariance::Population,
                               .renorm = has(2),
                               .clipping = {.rmax = 2},
                               .updateMoving = has(3)};
    const BatchNormParameters parameters{.gamma = has(4) ? numbers(1, 0.5) : Values(),
                                         .beta = has(5) ? numbers(-2, 0.25) : Values()};
    const BatchNormForward whole = batchNormForward(rules, all, moving);
    RangedBatchNormForward ranges(rules, all.shape, moving);
    for (const auto &[begin, end] : kRanges) {
      const int64_t size = end - begin;
      Arrays into(3, size, compute);
      ranges.addAndMap(all, begin, end, parameters, {compute, into.at(0), into.at(1), into.at(2)});
      const Coefficients expected =
          batchNormCoefficients(whole, begin, {size}, parameters, compute, begin);
      EXPECT_EQ(into.values(0), rounded(expected.center, size, 0, compute));
      EXPECT_EQ(into.values(1), rounded(expected.scale, size, 1, compute));
      EXPECT_EQ(into.values(2), rounded(expected.shift, size, 0, compute));
    }
    const BatchNormForward made = ranges.finish(all);
    EXPECT_EQ(made.groupShape, whole.groupShape);
    EXPECT_EQ(made.updated.batches, rules.updateMoving ? 4 : 3);
    for (const auto values :
         {&BatchNormForward::count, &BatchNormForward::mean, &BatchNormForward::invStd,
          &BatchNormForward::r, &BatchNormForward::d})
      EXPECT_EQ(made.*values, whole.*values);
    for (const auto values :
         {&MovingStatistics::mean, &MovingStatistics::variance, &MovingStatistics::stddev,
          &MovingStatistics::renormMean, &MovingStatistics::renormStddev}) {
      EXPECT_EQ(made.updated.*values, whole.updated.*values);
      EXPECT_EQ((made.updated.*values)[0], (moving.*values)[0]) << "nothing was counted there";
    }
  }
}

TEST(BatchNormRange, GradientIsThatOfTheWhole) {
  BatchNormForward forward;
  forward.groupShape = {kSize};
  forward.count = numbers(0, 0.5);
  forward.mean = numbers(-3, 0.1);
  forward.invStd = numbers(0.25, 0.5);
  const GradientSums sums{{kSize}, numbers(-1, 0.3), numbers(4, -0.7)};
  for (int choice = 0; choice < 8; ++choice) {
    const auto has = [&](int bit) { return (choice >> bit & 1) != 0; };
    const DType compute = has(0) ? DType::F32 : DType::F64;
    forward.r = has(1) ? numbers(0.5, 0.2) : Values();
    const BatchNormParameters parameters{.gamma = has(2) ? numbers(1, 0.5) : Values()};
    for (const auto &[begin, end] : kRanges) {
      const int64_t size = end - begin;
      Arrays into(4, size, compute);
      mapGradient(forward, sums, begin, end, parameters,
                  {compute, into.at(0), into.at(1), into.at(2), into.at(3)});
      const GradientCoefficients expected =
          batchNormGradientCoefficients(forward, begin, {size}, sums, parameters, compute, begin);
      EXPECT_EQ(into.values(0), rounded(expected.center, size, 0, compute));
      EXPECT_EQ(into.values(1), rounded(expected.slope, size, 0, compute));
      EXPECT_EQ(into.values(2), rounded(expected.offset, size, 0, compute));
      EXPECT_EQ(into.values(3), rounded(expected.scale, size, 0, compute));
    }
  }
}

TEST(CoefficientArrays, AbsentCoefficientsLeaveTheDataAsItIs) {
  for (DType compute : {DType::F32, DType::F64}) {
    Arrays into(3, 2, compute);
    const CoefficientArrays arrays{compute, into.at(0), into.at(1), into.at(2)};
    storeCoefficients(Coefficients{}, 2, arrays);
    EXPECT_EQ(into.values(0), (Values{0, 0}));
    EXPECT_EQ(into.values(1), (Values{1, 1}));
    EXPECT_EQ(into.values(2), (Values{0, 0}));
    storeCoefficients(Coefficients{{2}, {1, 2}, {0.1, 3}, {}}, 2, arrays);
    EXPECT_EQ(into.values(0), (Values{1, 2}));
    EXPECT_EQ(into.values(1), rounded({0.1, 3}, 2, 1, compute));
    EXPECT_EQ(into.values(2), (Values{0, 0}));
  }
}

} // namespace
