//===- GradientTest.cpp - Tests of the gradient oracle --------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Reference/Reference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

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

GradientSums sumsOf(const Tensor &x, const Tensor &dy, const Dims &kept,
                    const std::vector<double> &center, const MomentsOptions &options = {}) {
  Expected<GradientSums> sums = reference::gradientSums(x, dy, kept, center, options);
  EXPECT_TRUE(sums) << sums.error().message();
  return sums ? std::move(*sums) : GradientSums{};
}

using Values = std::vector<double>;

//===----------------------------------------------------------------------===//
// Sums
//===----------------------------------------------------------------------===//

TEST(GradientSums, AlongEitherAxis) {
  std::vector<float> x = {1, 2, 3, 4, 5, 6}, dy = {1, 0, -1, 2, 3, 0.5f};
  const Tensor data = view(x, DType::F32, {2, 3}), gradient = view(dy, DType::F32, {2, 3});
  const GradientSums columns = sumsOf(data, gradient, {1}, {1, 2, 4});
  EXPECT_EQ(columns.shape, Dims{3});
  EXPECT_EQ(columns.sum, (Values{3, 3, -0.5}));
  EXPECT_EQ(columns.dot, (Values{6, 9, 2}));
  const GradientSums rows = sumsOf(data, gradient, {0}, {0, 5});
  EXPECT_EQ(rows.sum, (Values{0, 5.5}));
  EXPECT_EQ(rows.dot, (Values{-2, -1.5}));
  const GradientSums all = sumsOf(data, gradient, {}, {1});
  EXPECT_TRUE(all.shape.empty());
  EXPECT_EQ(all.sum, Values{5.5});
  EXPECT_EQ(all.dot, Values{24 - 5.5});
  const GradientSums each = sumsOf(data, gradient, {0, 1}, Values(6, 1));
  EXPECT_EQ(each.shape, (Dims{2, 3}));
  EXPECT_EQ(each.sum, (Values{1, 0, -1, 2, 3, 0.5}));
  EXPECT_EQ(each.dot, (Values{0, 0, -2, 6, 12, 2.5}));
}

TEST(GradientSums, AreCompensated) {
  std::vector<double> x = {1, 1, 1, 1}, dy = {1e300, 1, -1e300, 1};
  const GradientSums sums = sumsOf(view(x, DType::F64, {4}), view(dy, DType::F64, {4}), {}, {-1});
  EXPECT_EQ(sums.sum, Values{2});
  EXPECT_EQ(sums.dot, Values{4});
}

TEST(GradientSums, StridesDoNotMatter) {
  // x in Fortran order, dy backwards.
  std::vector<double> x = {1, 4, 2, 5, 3, 6}, dy = {0.5, 3, 2, -1, 0, 1};
  const GradientSums sums =
      sumsOf(Tensor(x.data(), DType::F64, {2, 3}, {1, 2}),
             Tensor(dy.data() + 5, DType::F64, {2, 3}, {-3, -1}), {1}, {1, 2, 4});
  EXPECT_EQ(sums.sum, (Values{3, 3, -0.5}));
  EXPECT_EQ(sums.dot, (Values{6, 9, 2}));
}

TEST(GradientSums, LeaveOutWhatTheMaskHidesAndIsNotFinite) {
  std::vector<double> x = {kNaN, 2, kInf, 4}, dy = {10, 20, 30, 40};
  const Tensor data = view(x, DType::F64, {4}), gradient = view(dy, DType::F64, {4});
  std::vector<uint8_t> mask = {0, 0, 0, 1};
  const GradientSums masked =
      sumsOf(data, gradient, {}, {1}, {.mask = view(mask, DType::Bool, {4})});
  // The second element is hidden, but finite: its gradient counts.
  EXPECT_EQ(masked.sum, Values{60});
  EXPECT_EQ(masked.dot, Values{20 + 120});
  std::vector<float> weights = {0, 3, 0, 0.5f};
  const GradientSums weighted =
      sumsOf(data, gradient, {}, {1}, {.weights = view(weights, DType::F32, {4})});
  EXPECT_EQ(weighted.sum, Values{60}) << "values of weights do not matter";
  EXPECT_EQ(weighted.dot, Values{140});

  // Elsewhere they do take part, whatever the policy for NaN.
  mask[0] = 1;
  const GradientSums bare = sumsOf(data, gradient, {}, {1},
                                   {.nan = NanPolicy::Omit, .mask = view(mask, DType::Bool, {4})});
  EXPECT_EQ(bare.sum, Values{70});
  EXPECT_TRUE(std::isnan(bare.dot[0]));
}

TEST(GradientSums, MasksBroadcastFromTheLeft) {
  std::vector<float> x = {1, float(kNaN), 3, 4}, dy = {1, 2, 3, 4};
  std::vector<int32_t> mask = {0, 5};
  const GradientSums sums = sumsOf(view(x, DType::F32, {2, 2}), view(dy, DType::F32, {2, 2}), {1},
                                   {0, 0}, {.mask = view(mask, DType::I32, {2})});
  EXPECT_EQ(sums.sum, (Values{4, 4}));
  EXPECT_EQ(sums.dot, (Values{10, 16}));
}

TEST(GradientSums, EveryType) {
  const uint16_t half[] = {0x3c00, 0x4200};   // 1, 3
  const uint16_t bfloat[] = {0x3f80, 0x4040}; // 1, 3
  const int8_t i8[] = {1, 3};
  const uint16_t u16[] = {1, 3};
  const int32_t i32[] = {1, 3};
  const int64_t i64[] = {1, 3};
  const float f32[] = {1, 3};
  const auto dot = [](const void *x, DType dtype, const void *dy, DType gradient) {
    const GradientSums sums = sumsOf(Tensor(const_cast<void *>(x), dtype, {2}),
                                     Tensor(const_cast<void *>(dy), gradient, {2}), {}, {2});
    EXPECT_EQ(sums.sum, Values{4});
    return sums.dot[0];
  };
  EXPECT_EQ(dot(half, DType::F16, f32, DType::F32), 2);
  EXPECT_EQ(dot(bfloat, DType::BF16, half, DType::F16), 2);
  EXPECT_EQ(dot(i8, DType::I8, bfloat, DType::BF16), 2);
  EXPECT_EQ(dot(u16, DType::U16, f32, DType::F32), 2);
  EXPECT_EQ(dot(i32, DType::I32, f32, DType::F32), 2);
  EXPECT_EQ(dot(i64, DType::I64, f32, DType::F32), 2);
}

TEST(GradientSums, OfNothingAreZero) {
  const Tensor nothing(nullptr, DType::F32, {0, 2});
  const GradientSums sums = sumsOf(nothing, nothing, {1}, {7, 8});
  EXPECT_EQ(sums.sum, (Values{0, 0}));
  EXPECT_EQ(sums.dot, (Values{0, 0}));
  EXPECT_TRUE(sumsOf(nothing, nothing, {0}, {}).sum.empty());
}

TEST(GradientSums, NameWhatIsWrong) {
  std::vector<float> x(6, 1), dy(6, 1);
  const Tensor data = view(x, DType::F32, {2, 3}), gradient = view(dy, DType::F32, {2, 3});
  const auto error = [&](const Tensor &other, const Dims &kept, const Values &center,
                         const MomentsOptions &options = {}) {
    return errorOf(reference::gradientSums(data, other, kept, center, options));
  };
  EXPECT_EQ(error(gradient, {2}, {1}), "kept: 2 is out of range, expected axes in [0, 2)");
  EXPECT_EQ(error(gradient, {1}, {1}), "center: 1 values, expected 3 for kept extents (3,)");
  EXPECT_EQ(error(Tensor(dy.data(), DType::I32, {2, 3}), {}, {1}),
            "dy: dtype i32, expected f32, f64, f16 or bf16");
  EXPECT_EQ(error(Tensor(dy.data(), DType::F32, {3, 2}), {}, {1}),
            "dy: shape (3, 2), expected (2, 3), the shape of x");
  EXPECT_EQ(error(Tensor(nullptr, DType::F32, {2, 3}), {}, {1}),
            "dy: data is null; expected 6 elements");
  std::vector<float> weights = {1, -1};
  EXPECT_EQ(error(gradient, {}, {1}, {.weights = view(weights, DType::F32, {2})}),
            "weights: the value at (1,) is -1; expected a finite number, 0 or more");
}

//===----------------------------------------------------------------------===//
// Map
//===----------------------------------------------------------------------===//

/// center 1, 2; slope 2, -1; offset 0.5, 0; scale 10, 100.
const GradientCoefficients kPair{{2}, {1, 2}, {2, -1}, {0.5, 0}, {10, 100}};

TEST(GradientMap, Formula) {
  std::vector<float> x = {1, 2, 3, 5}, dy = {1, -1, 0, 2}, dx(4);
  ASSERT_TRUE(reference::gradientMap(view(x, DType::F32, {2, 2}), view(dy, DType::F32, {2, 2}),
                                     Dims{1}, kPair, DType::F32, view(dx, DType::F32, {2, 2})));
  EXPECT_EQ(dx, (std::vector<float>{10.5f, -100, 4.5f, 197}));
  ASSERT_TRUE(reference::gradientMap(view(x, DType::F32, {2, 2}), view(dy, DType::F32, {2, 2}),
                                     Dims{0}, kPair, DType::F64, view(dx, DType::F32, {2, 2})));
  EXPECT_EQ(dx, (std::vector<float>{10.5f, -7.5f, -1, 197}));
}

TEST(GradientMap, InPlaceOverEitherInput) {
  const std::vector<float> x = {1, 2, 3, 5}, dy = {1, -1, 0, 2};
  const std::vector<float> expected = {10.5f, -100, 4.5f, 197};
  std::vector<float> a = x, b = dy;
  ASSERT_TRUE(reference::gradientMap(view(a, DType::F32, {2, 2}), view(b, DType::F32, {2, 2}),
                                     Dims{1}, kPair, DType::F32, view(b, DType::F32, {2, 2})));
  EXPECT_EQ(a, x);
  EXPECT_EQ(b, expected);
  b = dy;
  ASSERT_TRUE(reference::gradientMap(view(a, DType::F32, {2, 2}), view(b, DType::F32, {2, 2}),
                                     Dims{1}, kPair, DType::F32, view(a, DType::F32, {2, 2})));
  EXPECT_EQ(a, expected);
  EXPECT_EQ(b, dy);
  // All three in one place.
  a = x;
  const Tensor same = view(a, DType::F32, {2, 2});
  ASSERT_TRUE(reference::gradientMap(same, same, Dims{1}, kPair, DType::F32, same));
  EXPECT_EQ(a, (std::vector<float>{10.5f, 200, 34.5f, 497}));
}

TEST(GradientMap, WeightsScaleTheSecondTerm) {
  std::vector<double> x = {kNaN, 3, 3, kInf}, dy = {1, 1, 1, 1}, dx(4);
  std::vector<double> weights = {4, 0.25, 2, 0};
  std::vector<uint8_t> mask = {0, 1, 1, 1};
  const GradientCoefficients c{{}, {1}, {2}, {-1}, {10}};
  const Tensor data = view(x, DType::F64, {4}), gradient = view(dy, DType::F64, {4}),
               out = view(dx, DType::F64, {4});
  const Tensor w = view(weights, DType::F64, {4}), m = view(mask, DType::U8, {4});
  ASSERT_TRUE(reference::gradientMap(data, gradient, Dims{}, c, DType::F64, out,
                                     {.mask = m, .weights = w}));
  EXPECT_EQ(dx, (Values{10, 10.75, 16, 10}));
  ASSERT_TRUE(reference::gradientMap(data, gradient, Dims{}, c, DType::F64, out, {.mask = m}));
  EXPECT_EQ(dx[0], 10);
  EXPECT_EQ(dx[1], 13);
  EXPECT_EQ(dx[3], kInf);
  ASSERT_TRUE(reference::gradientMap(data, gradient, Dims{}, c, DType::F64, out, {.weights = w}));
  EXPECT_TRUE(std::isnan(dx[0]));
  EXPECT_EQ(dx[1], 10.75);
}

TEST(GradientMap, StridesAndTypes) {
  std::vector<uint8_t> x = {1, 3, 2, 5};       // (1, 2), (3, 5) in Fortran order
  std::vector<uint16_t> dy = {0x4000, 0x0000,  // 2, 0 backwards: (1, -1), (0, 2)
                              0xbc00, 0x3c00}; // -1, 1
  std::vector<uint16_t> dx(8, 7);
  ASSERT_TRUE(reference::gradientMap(Tensor(x.data(), DType::U8, {2, 2}, {1, 2}),
                                     Tensor(dy.data() + 3, DType::F16, {2, 2}, {-2, -1}), Dims{1},
                                     kPair, DType::F32,
                                     Tensor(dx.data(), DType::BF16, {2, 2}, {4, 2})));
  // 10.5, -100, 4.5, 197 in bf16.
  EXPECT_EQ(dx, (std::vector<uint16_t>{0x4128, 7, 0xc2c8, 7, 0x4090, 7, 0x4345, 7}));
}

TEST(GradientMap, RoundsOnceToTheComputeType) {
  std::vector<double> x = {0x1p24 + 1}, dy = {0.1}, dx(1);
  const Tensor data = view(x, DType::F64, {1}), gradient = view(dy, DType::F64, {1}),
               out = view(dx, DType::F64, {1});
  const auto run = [&](DType compute, const GradientCoefficients &c) {
    EXPECT_TRUE(reference::gradientMap(data, gradient, Dims{}, c, compute, out));
    return dx[0];
  };
  // Data and gradient are rounded first, coefficients once.
  EXPECT_EQ(run(DType::F32, {{}, {0x1p24}, {1}, {0}, {0}}), 0);
  EXPECT_EQ(run(DType::F64, {{}, {0x1p24}, {1}, {0}, {0}}), 1);
  EXPECT_EQ(run(DType::F32, {{}, {0}, {0}, {0}, {1}}), double(0.1f));
  EXPECT_EQ(run(DType::F32, {{}, {0}, {0}, {0.1}, {0}}), double(0.1f));
  EXPECT_EQ(run(DType::F64, {{}, {0}, {0}, {0.1}, {0}}), 0.1);
}

TEST(GradientMap, Nothing) {
  const Tensor nothing(nullptr, DType::F32, {0, 2});
  EXPECT_TRUE(reference::gradientMap(nothing, nothing, Dims{1}, kPair, DType::F32, nothing));
}

TEST(GradientMap, NamesWhatIsWrong) {
  std::vector<float> x(4, 7), dy(5, 8), dx(4, 9);
  const Tensor data = view(x, DType::F32, {2, 2}), gradient(dy.data(), DType::F32, {2, 2}),
               out = view(dx, DType::F32, {2, 2});
  const auto error = [&](const GradientCoefficients &c, const Tensor &to,
                         DType compute = DType::F32, const Tensor *from = nullptr) {
    return errorOf(reference::gradientMap(data, from ? *from : gradient, Dims{1}, c, compute, to));
  };
  const auto place = [&](std::vector<float> &memory, DType dtype, const Dims &strides,
                         int64_t offset = 0) {
    return Tensor(memory.data() + offset, dtype, {2, 2}, strides);
  };
  EXPECT_EQ(error(kPair, out, DType::BF16), "compute: dtype bf16, expected f32 or f64");
  EXPECT_EQ(error({{2}, {1, 2}, {}, {1, 2}, {1, 2}}, out),
            "slope: 0 values, expected 2 for kept extents (2,)");
  EXPECT_EQ(error({{2}, {1, 2}, {1, 2}, {1, 2}, {1, 2, 3}}, out),
            "scale: 3 values, expected 2 for kept extents (2,)");
  EXPECT_EQ(error({{1, 2}, {1, 2}, {1, 2}, {1, 2}, {1, 2}}, out),
            "coefficients: shape (1, 2), expected the kept extents (2,)");
  EXPECT_EQ(error(kPair, place(dx, DType::I32, {2, 1})),
            "dx: dtype i32, expected f32, f64, f16 or bf16");
  EXPECT_EQ(error(kPair, Tensor(dx.data(), DType::F32, {4})),
            "dx: shape (4,), expected (2, 2), the shape of x");
  EXPECT_EQ(error(kPair, place(dx, DType::F32, {1, 1})),
            "dx: strides (1, 1) make elements share memory");
  const char *expected = "expected x or dy itself (same dtype and strides) or memory of its own";
  EXPECT_EQ(error(kPair, place(x, DType::F16, {2, 1})), std::string("dx: overlaps x; ") + expected);
  EXPECT_EQ(error(kPair, place(dy, DType::F32, {2, 1}, 1)),
            std::string("dx: overlaps dy; ") + expected);
  EXPECT_EQ(error(kPair, place(dy, DType::F32, {1, 2})),
            std::string("dx: overlaps dy; ") + expected);
  // dx is x, but dy is read later where x was.
  const Tensor turned = place(x, DType::F32, {1, 2});
  EXPECT_EQ(error(kPair, data, DType::F32, &turned), std::string("dx: overlaps dy; ") + expected);
  EXPECT_EQ(x, std::vector<float>(4, 7));
  EXPECT_EQ(dy, std::vector<float>(5, 8));
  EXPECT_EQ(dx, std::vector<float>(4, 9));
}

} // namespace
