//===- ReferenceTest.cpp - The f64 oracle ---------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Reference/Reference.h"
#include "norma/Support/AxisForm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

using namespace norma;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNaN = std::numeric_limits<double>::quiet_NaN();

template <typename T>
Tensor view(std::vector<T> &values, DType dtype, const Dims &shape) {
  EXPECT_EQ(int64_t(values.size()), *numElements(shape));
  return Tensor(values.data(), dtype, shape);
}

template <typename T>
std::string errorOf(const Expected<T> &result) {
  EXPECT_FALSE(result);
  return result ? std::string() : result.error().message();
}

TEST(Moments, RowsOfFeatures) {
  std::vector<float> x = {0, 7, 4, 2, 9, 6, 0, 7, 4, 2, 9, 6};
  Expected<Statistics> s = reference::moments(view(x, DType::F32, {4, 3}), Dims{1});
  ASSERT_TRUE(s);
  EXPECT_EQ(s->shape, (Dims{3}));
  EXPECT_EQ(s->count, (std::vector<double>{4, 4, 4}));
  EXPECT_EQ(s->mean, (std::vector<double>{1, 8, 5}));
  EXPECT_EQ(s->m2, (std::vector<double>{4, 4, 4}));
}

TEST(Moments, EveryKeptSetAgreesWithAPlainLoop) {
  const Dims shape = {2, 3, 4, 5};
  std::vector<double> x(120);
  std::mt19937_64 random(7);
  for (double &value : x)
    value = std::normal_distribution<double>(100, 3)(random);
  for (int bits = 0; bits < 16; ++bits) {
    Dims kept;
    for (int axis = 0; axis < 4; ++axis)
      if (bits >> axis & 1)
        kept.push_back(axis);
    Expected<Statistics> s = reference::moments(view(x, DType::F64, shape), kept);
    ASSERT_TRUE(s);
    const Dims dense = contiguousStrides(shape), keptExtents = keptShape(shape, kept);
    const Dims keptDense = contiguousStrides(keptExtents);
    ASSERT_EQ(s->shape, keptExtents);
    for (int64_t k = 0; k < s->size(); ++k) {
      std::vector<long double> members;
      for (int64_t flat = 0; flat < 120; ++flat) {
        int64_t owner = 0;
        for (int i = 0; i < kept.size(); ++i) {
          const int axis = int(kept[i]);
          owner += flat / dense[axis] % shape[axis] * keptDense[i];
        }
        if (owner == k)
          members.push_back(x[flat]);
      }
      long double mean = 0, m2 = 0;
      for (long double value : members)
        mean += value / members.size();
      for (long double value : members)
        m2 += (value - mean) * (value - mean);
      EXPECT_EQ(s->count[k], double(members.size()));
      EXPECT_NEAR(s->mean[k], double(mean), 1e-13);
      EXPECT_NEAR(s->m2[k], double(m2), 1e-12 * (1 + double(m2)));
    }
  }
}

TEST(Moments, StridesDoNotMatter) {
  std::vector<double> x(24);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = double(i * i % 17);
  const Tensor dense(x.data(), DType::F64, {4, 6});
  const Tensor turned(x.data(), DType::F64, {6, 4}, {1, 6});
  const Statistics a = *reference::moments(dense, Dims{1}),
                   b = *reference::moments(turned, Dims{0});
  EXPECT_EQ(a.mean, b.mean);
  EXPECT_EQ(a.m2, b.m2);
  const Tensor backwards(x.data() + 23, DType::F64, {24}, {-1});
  EXPECT_NEAR(reference::moments(backwards, Dims{})->m2[0],
              reference::moments(dense, Dims{})->m2[0], 1e-11);
  const Tensor repeated(x.data() + 3, DType::F64, {1000}, {0});
  EXPECT_EQ(reference::moments(repeated, Dims{})->count[0], 1000);
  EXPECT_EQ(reference::moments(repeated, Dims{})->mean[0], x[3]);
  EXPECT_EQ(reference::moments(repeated, Dims{})->m2[0], 0);
}

TEST(Moments, SmallAndEmpty) {
  std::vector<float> scalar = {3};
  const Statistics one = *reference::moments(view(scalar, DType::F32, {}), Dims{});
  EXPECT_EQ(one.count[0], 1);
  EXPECT_EQ(one.mean[0], 3);
  EXPECT_EQ(one.m2[0], 0);
  const Statistics none = *reference::moments(Tensor(nullptr, DType::F32, {0, 2}), Dims{1});
  EXPECT_EQ(none.count, (std::vector<double>{0, 0}));
  EXPECT_EQ(none.mean, (std::vector<double>{0, 0}));
  EXPECT_EQ(none.m2, (std::vector<double>{0, 0}));
  EXPECT_EQ(reference::moments(Tensor(nullptr, DType::F32, {2, 0}), Dims{1})->size(), 0);
}

TEST(Moments, ConstantDataHaveNoSpread) {
  std::vector<double> x(1000, 0.1);
  const Statistics s = *reference::moments(view(x, DType::F64, {1000}), Dims{});
  EXPECT_EQ(s.mean[0], 0.1);
  EXPECT_EQ(s.m2[0], 0);
}

TEST(Moments, LargeMeans) {
  std::vector<double> x;
  for (int i = 0; i < 1000; ++i)
    x.push_back(1e9 + (i % 2));
  const Statistics s = *reference::moments(view(x, DType::F64, {1000}), Dims{});
  EXPECT_EQ(s.mean[0], 1e9 + 0.5);
  EXPECT_EQ(s.m2[0], 250);
}

TEST(Moments, IntegersBeyondDouble) {
  const int64_t base = (int64_t(1) << 60) + 1;
  std::vector<int64_t> x = {base, base + 2, base, base + 2};
  const Statistics s = *reference::moments(view(x, DType::I64, {4}), Dims{});
  EXPECT_EQ(s.mean[0], double(base + 1));
  EXPECT_EQ(s.m2[0], 4);
}

TEST(Moments, EveryType) {
  const uint16_t half[] = {0x3c00, 0x4200};   // 1, 3
  const uint16_t bfloat[] = {0x3f80, 0x4040}; // 1, 3
  const int8_t i8[] = {1, 3};
  const uint16_t u16[] = {1, 3};
  const int32_t i32[] = {1, 3};
  const uint8_t boolean[] = {1, 0};
  auto mean = [](const void *data, DType dtype) {
    return reference::moments(Tensor(const_cast<void *>(data), dtype, {2}), Dims{})->mean[0];
  };
  EXPECT_EQ(mean(half, DType::F16), 2);
  EXPECT_EQ(mean(bfloat, DType::BF16), 2);
  EXPECT_EQ(mean(i8, DType::I8), 2);
  EXPECT_EQ(mean(u16, DType::U16), 2);
  EXPECT_EQ(mean(i32, DType::I32), 2);
  EXPECT_EQ(mean(boolean, DType::Bool), 0.5);
}

TEST(Moments, NaNPolicies) {
  std::vector<float> x = {1, float(kNaN), 3, 4, 5, 6};
  const Tensor tensor = view(x, DType::F32, {3, 2});
  const Statistics propagate = *reference::moments(tensor, Dims{1});
  EXPECT_EQ(propagate.mean[0], 3);
  EXPECT_TRUE(std::isnan(propagate.mean[1]));
  EXPECT_TRUE(std::isnan(propagate.m2[1]));
  EXPECT_EQ(propagate.count[1], 3);
  const Statistics omit = *reference::moments(tensor, Dims{1}, {.nan = NanPolicy::Omit});
  EXPECT_EQ(omit.count, (std::vector<double>{3, 2}));
  EXPECT_EQ(omit.mean, (std::vector<double>{3, 5}));
  EXPECT_EQ(omit.m2, (std::vector<double>{8, 2}));
  std::fill(x.begin(), x.end(), float(kNaN));
  const Statistics none = *reference::moments(tensor, Dims{1}, {.nan = NanPolicy::Omit});
  EXPECT_EQ(none.count[0], 0);
  EXPECT_EQ(none.mean[0], 0);
}

TEST(Moments, Infinity) {
  std::vector<double> x = {1, kInf, 3};
  const Statistics s = *reference::moments(view(x, DType::F64, {3}), Dims{});
  EXPECT_EQ(s.mean[0], kInf);
  EXPECT_TRUE(std::isnan(s.m2[0]));
  x[0] = -kInf;
  EXPECT_TRUE(std::isnan(reference::moments(view(x, DType::F64, {3}), Dims{})->mean[0]));
}

TEST(Moments, MaskLeavesOut) {
  std::vector<float> x = {1, 2, float(kNaN), 4, 5, 6};
  std::vector<uint8_t> mask = {1, 0, 1};
  const Statistics rows = *reference::moments(view(x, DType::F32, {3, 2}), Dims{1},
                                              {.mask = view(mask, DType::Bool, {3})});
  EXPECT_EQ(rows.count, (std::vector<double>{2, 2}));
  EXPECT_EQ(rows.mean, (std::vector<double>{3, 4}));
  EXPECT_EQ(rows.m2, (std::vector<double>{8, 8}));
  std::vector<float> full = {2, -1, 0, 0, 0, 0.5f};
  const Statistics each = *reference::moments(view(x, DType::F32, {3, 2}), Dims{1},
                                              {.mask = view(full, DType::F32, {3, 2})});
  EXPECT_EQ(each.count, (std::vector<double>{1, 2}));
  EXPECT_EQ(each.mean, (std::vector<double>{1, 4}));
}

TEST(Moments, WeightsCount) {
  // Integer weights are repetitions.
  std::vector<double> x = {1, 5, 2, kNaN};
  std::vector<int32_t> weights = {3, 1, 2, 0};
  std::vector<double> repeated = {1, 1, 1, 5, 2, 2};
  const Statistics a = *reference::moments(view(x, DType::F64, {4}), Dims{},
                                           {.weights = view(weights, DType::I32, {4})});
  const Statistics b = *reference::moments(view(repeated, DType::F64, {6}), Dims{});
  EXPECT_EQ(a.count[0], 6);
  EXPECT_EQ(a.mean[0], b.mean[0]);
  EXPECT_NEAR(a.m2[0], b.m2[0], 1e-13);
  std::vector<float> fractions = {0.5f, 0.25f, 0, 0};
  const Statistics c = *reference::moments(view(x, DType::F64, {4}), Dims{},
                                           {.weights = view(fractions, DType::F32, {4})});
  EXPECT_EQ(c.count[0], 0.75);
  EXPECT_NEAR(c.mean[0], 7.0 / 3, 1e-15);
  EXPECT_NEAR(c.m2[0], 0.5 * std::pow(4.0 / 3, 2) + 0.25 * std::pow(8.0 / 3, 2), 1e-14);
}

TEST(Moments, NamesWhatIsWrong) {
  std::vector<float> x(6, 1), weights = {1, 2, -3, 4, 5, 6};
  const Tensor tensor = view(x, DType::F32, {3, 2});
  auto weighted = [&](double bad) {
    weights[2] = float(bad);
    return errorOf(
        reference::moments(tensor, Dims{1}, {.weights = view(weights, DType::F32, {3, 2})}));
  };
  EXPECT_EQ(weighted(-3),
            "weights: the value at (1, 0) is -3; expected a finite number, 0 or more");
  EXPECT_EQ(weighted(kNaN),
            "weights: the value at (1, 0) is nan; expected a finite number, 0 or more");
  EXPECT_EQ(weighted(kInf),
            "weights: the value at (1, 0) is inf; expected a finite number, 0 or more");
  std::vector<uint8_t> mask(2, 1);
  EXPECT_EQ(
      errorOf(reference::moments(tensor, Dims{1}, {.mask = view(mask, DType::Bool, {2})})),
      "mask: shape (2,) does not broadcast from the left to the data's shape (3, 2); every extent "
      "must be the data's or 1");
  EXPECT_EQ(errorOf(reference::moments(tensor, Dims{2})),
            "kept: 2 is out of range, expected axes in [0, 2)");
  EXPECT_EQ(errorOf(reference::moments(tensor, Dims{-1})),
            "kept: -1 is out of range, expected axes in [0, 2)");
  EXPECT_EQ(errorOf(reference::moments(Tensor(nullptr, DType::F32, {3}), Dims{})),
            "x: data is null; expected 3 elements");
}

TEST(Affine, AllCoefficients) {
  std::vector<float> x = {1, 2, 3, 4, 5, 6}, y(6);
  const Coefficients c{{3}, {1, 2, 3}, {2, 4, 8}, {0.5, 0, -1}};
  ASSERT_TRUE(reference::affine(view(x, DType::F32, {2, 3}), Dims{1}, c, DType::F32,
                                view(y, DType::F32, {2, 3})));
  EXPECT_EQ(y, (std::vector<float>{0.5f, 0, -1, 6.5f, 12, 23}));
  // In place, along the other axis.
  const Tensor tensor = view(x, DType::F32, {2, 3});
  ASSERT_TRUE(reference::affine(tensor, Dims{0}, {{2}, {}, {10, 100}, {}}, DType::F32, tensor));
  EXPECT_EQ(x, (std::vector<float>{10, 20, 30, 400, 500, 600}));
}

TEST(Affine, AbsentCoefficientsAreTheIdentity) {
  std::vector<float> x = {-0.0f, 1.5f, -float(kInf)}, y(3);
  ASSERT_TRUE(reference::affine(view(x, DType::F32, {3}), Dims{0}, {{3}, {}, {}, {}}, DType::F32,
                                view(y, DType::F32, {3})));
  EXPECT_EQ(y, x);
  EXPECT_TRUE(std::signbit(y[0]));
}

TEST(Affine, RoundsOnceToTheComputeType) {
  // x is rounded to f32 first: 2^24 + 1 becomes 2^24.
  std::vector<int64_t> x = {(1 << 24) + 1};
  std::vector<double> y(1);
  const Coefficients c{{}, {double(1 << 24)}, {}, {}};
  ASSERT_TRUE(
      reference::affine(view(x, DType::I64, {1}), Dims{}, c, DType::F32, view(y, DType::F64, {1})));
  EXPECT_EQ(y[0], 0);
  ASSERT_TRUE(
      reference::affine(view(x, DType::I64, {1}), Dims{}, c, DType::F64, view(y, DType::F64, {1})));
  EXPECT_EQ(y[0], 1);
  // So are the coefficients.
  std::vector<double> one = {1};
  ASSERT_TRUE(reference::affine(view(one, DType::F64, {1}), Dims{}, {{}, {}, {0.1}, {}}, DType::F32,
                                view(y, DType::F64, {1})));
  EXPECT_EQ(y[0], double(0.1f));
  // An int64 reaches f32 in one step: by way of f64 it would be rounded twice.
  x[0] = (int64_t(1) << 54) + (int64_t(1) << 30) + 1;
  ASSERT_TRUE(reference::affine(view(x, DType::I64, {1}), Dims{}, {{}, {}, {}, {}}, DType::F32,
                                view(y, DType::F64, {1})));
  EXPECT_EQ(y[0], double(float(x[0])));
}

TEST(Affine, OutputTypes) {
  std::vector<uint8_t> x = {1, 2, 255};
  std::vector<uint16_t> y(3);
  ASSERT_TRUE(reference::affine(view(x, DType::U8, {3}), Dims{}, {{}, {}, {2}, {}}, DType::F32,
                                view(y, DType::F16, {3})));
  EXPECT_EQ(y, (std::vector<uint16_t>{0x4000, 0x4400, 0x5ff8}));
  ASSERT_TRUE(reference::affine(view(x, DType::U8, {3}), Dims{}, {{}, {}, {2}, {}}, DType::F32,
                                view(y, DType::BF16, {3})));
  EXPECT_EQ(y, (std::vector<uint16_t>{0x4000, 0x4080, 0x43ff}));
}

TEST(Affine, StridedOutput) {
  std::vector<float> x = {1, 2, 3, 4, 5, 6}, y(12, -1);
  ASSERT_TRUE(reference::affine(view(x, DType::F32, {2, 3}), Dims{1}, {{3}, {1, 1, 1}, {}, {}},
                                DType::F32, Tensor(y.data() + 10, DType::F32, {2, 3}, {-2, -4})));
  EXPECT_EQ(y, (std::vector<float>{5, -1, 2, -1, 4, -1, 1, -1, 3, -1, 0, -1}));
}

TEST(Affine, EmptyAndScalar) {
  std::vector<float> x = {3}, y = {0};
  EXPECT_TRUE(reference::affine(Tensor(nullptr, DType::F32, {0, 2}), Dims{1},
                                {{2}, {1, 1}, {1, 1}, {}}, DType::F32,
                                Tensor(nullptr, DType::F32, {0, 2})));
  ASSERT_TRUE(reference::affine(view(x, DType::F32, {}), Dims{}, {{}, {1}, {5}, {}}, DType::F32,
                                view(y, DType::F32, {})));
  EXPECT_EQ(y[0], 10);
}

TEST(Affine, NamesWhatIsWrong) {
  std::vector<float> x(6, 7), y(6, 9);
  const Tensor in = view(x, DType::F32, {2, 3}), out = view(y, DType::F32, {2, 3});
  const Coefficients none{{3}, {}, {}, {}};
  EXPECT_EQ(errorOf(reference::affine(in, Dims{1}, none, DType::F16, out)),
            "compute: dtype f16, expected f32 or f64");
  EXPECT_EQ(errorOf(reference::affine(in, Dims{0}, {{1, 2}, {1, 2}, {}, {}}, DType::F32, out)),
            "coefficients: shape (1, 2), expected the kept extents (2,)");
  EXPECT_EQ(errorOf(reference::affine(in, Dims{1}, {{3}, {}, {1, 2}, {}}, DType::F32, out)),
            "scale: 2 values, expected 3 for kept extents (3,)");
  EXPECT_EQ(errorOf(reference::affine(in, Dims{1}, none, DType::F32,
                                      Tensor(y.data(), DType::F32, {3, 2}))),
            "y: shape (3, 2), expected (2, 3), the shape of x");
  EXPECT_EQ(errorOf(reference::affine(in, Dims{1}, none, DType::F32,
                                      Tensor(y.data(), DType::I32, {2, 3}))),
            "y: dtype i32, expected f32, f64, f16 or bf16");
  EXPECT_EQ(errorOf(reference::affine(in, Dims{1}, none, DType::F32,
                                      Tensor(y.data(), DType::F32, {2, 3}, {0, 1}))),
            "y: strides (0, 1) make elements share memory");
  EXPECT_EQ(errorOf(reference::affine(in, Dims{1}, none, DType::F32,
                                      Tensor(x.data(), DType::F16, {2, 3}))),
            "y: overlaps x; expected x itself (same dtype and strides) or memory of its own");
  EXPECT_EQ(y, std::vector<float>(6, 9));
  EXPECT_EQ(x, std::vector<float>(6, 7));
}

} // namespace
