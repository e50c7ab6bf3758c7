//===- EngineAccuracyTest.cpp - Data that is hard to get right ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineTest.h"

#include <cmath>
#include <limits>

using namespace norma;
using namespace norma::test;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

class EngineAccuracy : public EngineTest {};

TEST_F(EngineAccuracy, VarianceFarFromZero) {
  Random random(1);
  const Array x =
      arrayOf(DType::F32, {1'000'000, 3}, [&](int64_t) { return 1e4 + random.normal(); });
  expectMoments(x, {1});
  expectMoments(x, {});
}

TEST_F(EngineAccuracy, MeanOfManyUniformNumbers) {
  constexpr int64_t kSize = int64_t(1) << 26;
  Expected<Array> x = Array::create(DType::F32, {kSize});
  ASSERT_TRUE(x) << x.error().message();
  // Multiples of 2^-24, whose sum is exact in integers.
  Random random(2);
  uint64_t sum = 0;
  std::vector<uint64_t> columnSums(16, 0);
  for (int64_t i = 0; i < kSize; ++i) {
    const uint64_t bits = random.bits() >> 40;
    x->as<float>()[i] = float(bits) * 0x1p-24f;
    sum += bits;
    columnSums[size_t(i % 16)] += bits;
  }
  const double mean = double(sum) * 0x1p-24 / double(kSize);
  const Statistics all = moments(*x, {});
  EXPECT_EQ(all.count, std::vector<double>{double(kSize)});
  EXPECT_NEAR(all.mean[0], mean, 1e-7 * mean);
  EXPECT_NEAR(all.variance(0), 1.0 / 12, 1e-4);

  constexpr int64_t kRows = kSize / 16;
  const Statistics columns = moments(*x->view().reshaped({kRows, 16}), {1});
  for (size_t column = 0; column < 16; ++column) {
    const double expected = double(columnSums[column]) * 0x1p-24 / double(kRows);
    EXPECT_NEAR(columns.mean[column], expected, 1e-7 * expected) << "column " << column;
  }
}

TEST_F(EngineAccuracy, ConstantsAreExact) {
  const Array tens = arrayOf(DType::F16, {10'000'000, 1}, [](int64_t) { return 10; });
  for (const Dims &kept : {Dims{1}, Dims{}}) {
    const Statistics s = moments(tens, kept);
    EXPECT_EQ(s.count, std::vector<double>{1e7});
    EXPECT_EQ(s.mean, std::vector<double>{10});
    EXPECT_EQ(s.m2, std::vector<double>{0});
  }
  // 1e10 is exact in f32, a tenth is not exact in anything.
  for (DType dtype : {DType::F32, DType::F64, DType::I64})
    for (double value : {0.0, 0.1, -1e10}) {
      const Array x = arrayOf(dtype, {50'000, 13}, [&](int64_t) { return value; });
      for (const Dims &kept : {Dims{1}, Dims{0}, Dims{}}) {
        const Statistics s = moments(x, kept);
        const double stored = loadAsDouble(x.as<char>(), dtype);
        EXPECT_EQ(s.mean, std::vector<double>(s.mean.size(), stored)) << toString(dtype);
        EXPECT_EQ(s.m2, std::vector<double>(s.m2.size(), 0)) << toString(dtype);
      }
    }
}

TEST_F(EngineAccuracy, SquaresOutsideOfTheRangeOfF32) {
  for (double scale : {1e30, 1e-30, 1e37, 1e-37}) {
    Random random(3);
    const Array x =
        arrayOf(DType::F32, {30'000, 5}, [&](int64_t) { return scale * (3 + random.normal()); });
    for (const Dims &kept : {Dims{1}, Dims{0}, Dims{}})
      expectMoments(x, kept);
  }
  // Only one column of several.
  Random random(4);
  const double scales[] = {1, 1e30, 1e-3, 1e-30};
  const Array mixed =
      arrayOf(DType::F32, {30'000, 4}, [&](int64_t i) { return scales[i % 4] * random.normal(); });
  expectMoments(mixed, {1});
}

TEST_F(EngineAccuracy, MisleadingBeginnings) {
  for (double outlier : {1e6, -1e12, 1e30}) {
    Random random(5);
    const Array first = arrayOf(DType::F32, {100'000, 4},
                                [&](int64_t i) { return i < 4 ? outlier : random.normal(); });
    expectMoments(first, {1});
    expectMoments(first, {});
  }
  // A block that is constant, then something else far away.
  Random random(6);
  const Array step = arrayOf(DType::F32, {200'000, 3}, [&](int64_t i) {
    return i < 300'000 ? 1000 : 1000.5 + 1e-3 * random.normal();
  });
  expectMoments(step, {1});
}

TEST_F(EngineAccuracy, SortedData) {
  for (double direction : {1.0, -1.0}) {
    const Array x = arrayOf(DType::F32, {500'000, 2}, [&](int64_t i) {
      return direction * double(i) * (i % 2 ? 1e-3 : 10.0) + 7;
    });
    expectMoments(x, {1});
    expectMoments(x, {});
  }
}

/// Two values by turns: deviations of one size, which are rounded the same way again and again. If
/// all samples for the pivot were one of the values, digits would be lost beside.
TEST_F(EngineAccuracy, ValuesThatAlternate) {
  for (const double size : {2.4762, 3.80527, 5.15332, 7.70695, 10.1469})
    for (const int64_t of : {2, 4, 8})
      for (const int64_t rows : {2048, 5041, 8192, 100'000}) {
        const auto make = [&](int64_t columns) {
          return arrayOf(DType::F32, {rows, columns}, [&](int64_t i) {
            return 10 * size + (i / columns % of < of / 2 ? size : -size);
          });
        };
        SCOPED_TRACE(testing::Message() << rows << " rows, +-" << size << " by turns of " << of);
        expectMoments(make(13), {1});
        expectMoments(make(64), {1});
        expectMoments(make(1), {});
        expectMoments(*make(1).view().reshaped({1, rows}), {0});
      }
}

/// Of which the first element is no better a pivot than any other.
TEST_F(EngineAccuracy, FewElements) {
  Random random(12);
  for (const int64_t few : {1, 2, 3, 4, 5, 6, 7, 8, 9}) {
    const auto normal = [&](int64_t) { return float(random.normal()); };
    const Array rows = arrayOf(DType::F32, {few, 20'003}, normal);
    SCOPED_TRACE(toString(rows.view().shape));
    expectMoments(rows, {1});
    expectMoments(*rows.view().reshaped({20'003, few}), {0});
    // Along several axes, and with elements that are left out, one of them the first.
    expectMoments(arrayOf(DType::F32, {few, 1'001, 3}, normal), {1});
    expectMoments(arrayOf(DType::F32, {few, 1'001, few}, normal), {1});
    const Array some = arrayOf(DType::F32, {few, 5'003}, [&](int64_t i) {
      return i % 3 == 0 ? kNotANumber : random.normal();
    });
    expectMoments(some, {1}, {NanPolicy::Omit});
    expectMoments(*some.view().reshaped({5'003, few}), {0}, {NanPolicy::Omit});
  }
}

/// Whose roundings need not even out, where the pivot is not that near the mean.
TEST_F(EngineAccuracy, SomeHundredElements) {
  Random random(13);
  for (const int64_t rows : {100, 128, 300, 500})
    expectMoments(
        arrayOf(DType::F32, {rows, 20'000}, [&](int64_t) { return std::exp(random.normal()); }),
        {1});
}

/// Shorter than a vector, in one group with those of other samples, and longer than a
/// group; with a tail and without.
TEST_F(EngineAccuracy, RunsOfEveryLength) {
  Random random(9);
  for (const int64_t run : {2, 15, 16, 17, 49, 64, 100, 196, 1000, 3136})
    for (const int64_t samples : {1, 2, 37})
      for (const DType dtype : {DType::F32, DType::U8}) {
        const auto make = dtype == DType::U8
                              ? std::function([&](int64_t) { return double(random.bits() % 256); })
                              : [&](int64_t) { return 100 + random.normal(); };
        const Array x = arrayOf(dtype, {samples, 5, run}, make);
        SCOPED_TRACE(toString(x.view().shape) + " of " + toString(dtype));
        expectMoments(x, {1});
        expectMoments(x, {0, 1});
      }
}

/// Rows of one vector and of several, with all numbers of vectors left over; within the groups
/// whose sums are added up before they become f64, and behind these.
TEST_F(EngineAccuracy, RowsOfEveryLength) {
  Random random(10);
  for (const int64_t rows : {131, 289})
    for (const int64_t row : {1, 2, 8, 16, 24, 32, 48, 64, 80, 112, 100, 1000, 4097}) {
      const Array x =
          arrayOf(DType::F32, {rows, row}, [&](int64_t) { return 100 + random.normal(); });
      SCOPED_TRACE(toString(x.view().shape));
      expectMoments(x, {1});
    }
}

/// One kept index among many needs the repair: the first, or the last, behind which memory is
/// somebody else's.
TEST_F(EngineAccuracy, OneOfManyIsRepaired) {
  for (const int64_t kept : {2, 7, 13, 72, 129, 1000})
    for (const int64_t hard : {int64_t(0), kept - 1})
      for (const double scale : {1e-30, 1e30}) {
        Random random(11);
        const auto scaleOf = [&](int64_t index) { return index == hard ? scale : 1.0; };
        const Array rows = arrayOf(DType::F32, {67, kept}, [&](int64_t i) {
          return scaleOf(i % kept) * (3 + random.normal());
        });
        SCOPED_TRACE(std::to_string(hard) + " of " + std::to_string(kept));
        expectMoments(rows, {1});
        const Array runs = arrayOf(DType::F32, {3, kept, 21}, [&](int64_t i) {
          return scaleOf(i / 21 % kept) * (3 + random.normal());
        });
        expectMoments(runs, {1});
      }
}

TEST_F(EngineAccuracy, LargeIntegers) {
  Random random(7);
  const Array x = arrayOf(DType::I64, {20'000, 3},
                          [&](int64_t) { return 9007199254740992.0 - double(random.below(100)); });
  const Statistics s = moments(x, {1});
  EXPECT_EQ(differenceOfMoments(x, {1}, {}, s), "");
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(s.mean[size_t(i)], 9007199254740992.0 - 49.5, 2);
    // (100^2 - 1) / 12
    EXPECT_NEAR(s.variance(i), 833.25, 20);
  }
}

TEST_F(EngineAccuracy, SmallIntegersAreExact) {
  Random random(8);
  constexpr int64_t kRows = 100'000, kColumns = 3;
  uint64_t sums[kColumns] = {}, squares[kColumns] = {};
  const Array x = arrayOf(DType::U8, {kRows, kColumns}, [&](int64_t i) {
    const auto value = uint64_t(random.below(256));
    sums[i % kColumns] += value;
    squares[i % kColumns] += value * value;
    return double(value);
  });
  const Statistics s = moments(x, {1});
  for (int64_t i = 0; i < kColumns; ++i) {
    EXPECT_NEAR(s.mean[size_t(i)], double(sums[i]) / kRows, 1e-13 * s.mean[size_t(i)]);
    // n^2 variance = n sum(x^2) - sum(x)^2, in integers.
    const uint64_t numerator = uint64_t(kRows) * squares[i] - sums[i] * sums[i];
    const double variance = double(numerator) / (double(kRows) * double(kRows));
    EXPECT_NEAR(s.variance(i), variance, 1e-13 * variance);
  }
}

TEST_F(EngineAccuracy, ExtremeBytes) {
  // The largest squares in every traversal, as many as a block has: one byte differs.
  for (const auto &[dtype, value] : {std::pair(DType::U8, 255.0), {DType::I8, -128.0}})
    for (const Dims &shape : {Dims{3'000'000, 1}, Dims{1'000'003, 3}, Dims{40'000, 64},
                              Dims{2'000, 1'000}, Dims{1'500, 3, 700}, Dims{3'000, 16, 49}}) {
      const Dims kept{1};
      Array x = arrayOf(dtype, shape, [&](int64_t) { return value; });
      Statistics s = moments(x, kept);
      const int64_t features = shape[1];
      const int64_t each = x.view().size() / features;
      const auto n = double(each);
      for (int64_t i = 0; i < features; ++i) {
        ASSERT_EQ(s.count[size_t(i)], n);
        ASSERT_EQ(s.mean[size_t(i)], value);
        ASSERT_EQ(s.m2[size_t(i)], 0);
      }
      // An element of the first feature.
      *x.as<char>() = 0;
      s = moments(x, kept);
      EXPECT_NEAR(s.mean[0] / (value * (n - 1) / n), 1, 1e-15);
      EXPECT_NEAR(s.m2[0] / (value * value * (n - 1) / n), 1, 1e-9);
      for (int64_t i = 1; i < features; ++i)
        ASSERT_EQ(s.m2[size_t(i)], 0);
    }
}

TEST_F(EngineAccuracy, InfinityAndNaNStayInTheirColumn) {
  Random random(9);
  const Array clean = arrayOf(DType::F32, {5'000, 5}, [&](int64_t) { return random.normal(); });
  struct Poison {
    float value, second;
    double mean;
  };
  for (const Poison &poison :
       {Poison{float(kInfinity), 0, kInfinity}, Poison{-float(kInfinity), 0, -kInfinity},
        Poison{float(kInfinity), -float(kInfinity), kNotANumber},
        Poison{float(kNotANumber), 1, kNotANumber}}) {
    Expected<Array> x = Array::copyOf(clean);
    ASSERT_TRUE(x);
    x->as<float>()[1000 * 5 + 2] = poison.value;
    x->as<float>()[4000 * 5 + 2] = poison.second;
    // The neighbours keep the contract, whatever the column in between holds.
    for (const Dims &kept : {Dims{1}, Dims{0}})
      expectMoments(*x, kept);
    const Statistics s = moments(*x, {1});
    if (std::isnan(poison.mean))
      EXPECT_TRUE(std::isnan(s.mean[2])) << s.mean[2];
    else
      EXPECT_EQ(s.mean[2], poison.mean);
    for (size_t column = 0; column < 5; ++column) {
      EXPECT_EQ(s.count[column], 5'000);
      EXPECT_EQ(std::isnan(s.m2[column]), column == 2);
    }
  }
}

TEST_F(EngineAccuracy, OmittedNaNsAreAsIfNotThere) {
  Random random(10);
  const Array x = arrayOf(DType::F64, {1'000, 2}, [&](int64_t i) {
    return i % 2 || i % 3 == 0 ? kNotANumber : 5 + random.normal();
  });
  const MomentsOptions omit = {.nan = NanPolicy::Omit};
  const Statistics s = moments(x, {1}, omit);
  EXPECT_EQ(differenceOfMoments(x, {1}, omit, s), "");
  // Every second of 2000 is in column 0, two thirds of them are numbers.
  EXPECT_EQ(s.count, (std::vector<double>{666, 0}));
  EXPECT_EQ(s.mean[1], 0);
  EXPECT_EQ(s.m2[1], 0);
}

TEST_F(EngineAccuracy, LeavingOutNothingCostsNoAccuracy) {
  // Runs of one kept index, where the policy and a mask of ones change nothing.
  const Array ones = arrayOf(DType::U8, {735}, [](int64_t) { return 1; });
  for (uint64_t seed = 0; seed < 400; ++seed)
    for (DType dtype : {DType::F16, DType::F32}) {
      Random random(seed);
      const Array x = arrayOf(dtype, {735}, [&](int64_t) { return 26.5 * random.normal() - 0.4; });
      const Statistics plain = moments(x, {});
      for (const MomentsOptions &options :
           {MomentsOptions{.nan = NanPolicy::Omit}, MomentsOptions{.mask = ones.view()}}) {
        const Statistics s = moments(x, {}, options);
        EXPECT_NEAR(s.variance(0), plain.variance(0), 5e-7 * plain.variance(0))
            << toString(dtype) << ", seed " << seed;
        EXPECT_NEAR(s.mean[0], plain.mean[0], 1e-7 * std::sqrt(plain.variance(0)))
            << toString(dtype) << ", seed " << seed;
      }
    }
}

TEST_F(EngineAccuracy, MapKeepsWhatItDoesNotTouch) {
  // No coefficients: a copy, with the sign of zero, subnormals and infinities.
  for (DType dtype : {DType::F32, DType::F64, DType::F16, DType::BF16}) {
    const double values[] = {0.0, -0.0, kInfinity, -kInfinity, 1e-40, -1e-40, 6e-8, 1, 65504};
    const Array x = arrayOf(dtype, {9 * 50}, [&](int64_t i) { return values[i % 9]; });
    Expected<Array> y = Array::create(dtype, x.view().shape);
    ASSERT_TRUE(y);
    ASSERT_TRUE(shared()->affine(x, {}, {}, DType::F32, *y));
    if (dtype != DType::F64) {
      EXPECT_EQ(std::memcmp(x.as<char>(), y->as<char>(), x.sizeInBytes()), 0) << toString(dtype);
    }
    ASSERT_TRUE(shared()->affine(x, {}, {}, DType::F64, *y));
    EXPECT_EQ(std::memcmp(x.as<char>(), y->as<char>(), x.sizeInBytes()), 0) << toString(dtype);
  }
}

TEST_F(EngineAccuracy, LargeMapsGoPastTheCache) {
  // More than what is written with ordinary stores, at every alignment.
  constexpr int64_t kRows = 700'000, kColumns = 13;
  Random random(11);
  const Array x = arrayOf(DType::F32, {kRows, kColumns}, [&](int64_t) { return random.normal(); });
  Coefficients coefficients{{kColumns}, {}, {}, {}};
  for (int64_t i = 0; i < kColumns; ++i) {
    coefficients.center.push_back(random.normal());
    coefficients.scale.push_back(random.normal());
  }
  Expected<Array> memory = Array::create(DType::F32, {kRows * kColumns + 8});
  ASSERT_TRUE(memory);
  for (int64_t offset : {0, 1, 8}) {
    const Tensor y(memory->as<float>() + offset, DType::F32, x.view().shape);
    ASSERT_TRUE(shared()->affine(x, Dims{1}, coefficients, DType::F32, y));
    EXPECT_EQ(differenceOfAffine(x, {1}, coefficients, DType::F32, y), "") << offset;
  }
}

} // namespace
