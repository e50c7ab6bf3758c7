//===- BatchNormCoefficientsTest.cpp - What maps multiply with and add ----===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Support/BatchNorm.h"

#include <gtest/gtest.h>

using namespace norma;

namespace {

using Values = std::vector<double>;

BatchNormForward forwardOf(Values mean, Values invStd) {
  BatchNormForward forward;
  forward.groupShape = {int64_t(mean.size())};
  forward.count = Values(mean.size(), 10);
  forward.mean = std::move(mean);
  forward.invStd = std::move(invStd);
  return forward;
}

TEST(BatchNormCoefficients, TakesASliceOfTheGroups) {
  const BatchNormForward forward = forwardOf({1, 2, 3, 4}, {1, 1, 0.5, 0.25});
  const BatchNormParameters parameters{.gamma = {2, 8}, .beta = {-1, 1}};
  const Coefficients second = batchNormCoefficients(forward, 2, {2}, parameters, DType::F32);
  EXPECT_EQ(second.shape, Dims{2});
  EXPECT_EQ(second.center, (Values{3, 4}));
  EXPECT_EQ(second.scale, (Values{1, 2}));
  EXPECT_EQ(second.shift, (Values{-1, 1}));
}

TEST(BatchNormCoefficients, WithoutParameters) {
  const Coefficients plain =
      batchNormCoefficients(forwardOf({1, 2}, {4, 5}), 0, {2}, {}, DType::F32);
  EXPECT_EQ(plain.scale, (Values{4, 5}));
  EXPECT_TRUE(plain.shift.empty()) << "zeros are left out";
}

TEST(BatchNormCoefficients, Renorm) {
  BatchNormForward forward = forwardOf({1}, {0.5});
  forward.r = {3};
  forward.d = {-2};
  const Coefficients c =
      batchNormCoefficients(forward, 0, {1}, {.gamma = {4}, .beta = {1}}, DType::F32);
  EXPECT_EQ(c.scale, Values{6});
  EXPECT_EQ(c.shift, Values{-7});
}

TEST(BatchNormCoefficients, WhatTheCenterLosesGoesIntoTheShift) {
  const double mean = 1e6 + 1.0 / 64;
  const BatchNormForward forward = forwardOf({mean}, {128});
  const Coefficients f32 = batchNormCoefficients(forward, 0, {1}, {}, DType::F32);
  EXPECT_EQ(f32.center, Values{1e6});
  EXPECT_EQ(f32.shift, Values{-2});
  const Coefficients f64 = batchNormCoefficients(forward, 0, {1}, {}, DType::F64);
  EXPECT_EQ(f64.center, Values{mean});
  EXPECT_TRUE(f64.shift.empty());
  const Coefficients inference = batchNormCoefficients(Values{mean}, Values{0}, 0x1p-14, {1},
                                                       {.gamma = {3}, .beta = {10}}, DType::F32);
  EXPECT_EQ(inference.scale, Values{384});
  EXPECT_EQ(inference.shift, Values{4});
}

TEST(BatchNormCoefficients, Inference) {
  const Values mean{1, 2}, variance{3, 8};
  const Coefficients c =
      batchNormCoefficients(mean, variance, 1, {2}, {.gamma = {4, 6}}, DType::F64);
  EXPECT_EQ(c.shape, Dims{2});
  EXPECT_EQ(c.center, mean);
  EXPECT_EQ(c.scale, (Values{2, 2}));
  EXPECT_TRUE(c.shift.empty());
  EXPECT_EQ(batchNormCoefficients(mean, variance, 1, {2}, {.beta = {0, 5}}, DType::F64).shift,
            (Values{0, 5}));
}

TEST(BatchNormGradientCoefficients, Formula) {
  BatchNormForward forward = forwardOf({1, 2, 3}, {1, 1, 0.5});
  forward.groupShape = {3, 1};
  forward.r = {2};
  forward.d = {100};
  const GradientSums sums{{3, 1}, {0, 0, 40}, {0, 0, 80}};
  const GradientCoefficients c =
      batchNormGradientCoefficients(forward, 2, {1}, sums, {.gamma = {4}}, DType::F32);
  EXPECT_EQ(c.shape, Dims{1});
  EXPECT_EQ(c.center, Values{3});
  EXPECT_EQ(c.scale, Values{4});
  EXPECT_EQ(c.offset, Values{-16});
  EXPECT_EQ(c.slope, Values{-8});
}

TEST(BatchNormGradientCoefficients, NothingCountedIsAConstant) {
  BatchNormForward forward = forwardOf({0}, {4});
  forward.count = {0};
  const GradientCoefficients c =
      batchNormGradientCoefficients(forward, 0, {1}, {{1}, {7}, {9}}, {}, DType::F32);
  EXPECT_EQ(c.scale, Values{4});
  EXPECT_EQ(c.offset, Values{0});
  EXPECT_EQ(c.slope, Values{0});
}

TEST(BatchNormGradientCoefficients, WhatTheCenterLosesGoesIntoTheOffset) {
  const double mean = 1e6 + 1.0 / 64;
  const GradientCoefficients c = batchNormGradientCoefficients(forwardOf({mean}, {1}), 0, {1},
                                                               {{1}, {0}, {-640}}, {}, DType::F32);
  EXPECT_EQ(c.center, Values{1e6});
  EXPECT_EQ(c.slope, Values{64});
  EXPECT_EQ(c.offset, Values{-1});
}

} // namespace
