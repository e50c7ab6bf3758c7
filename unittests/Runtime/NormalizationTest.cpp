//===- NormalizationTest.cpp - Feature-wise normalization layer -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LayerTest.h"

#include <cmath>
#include <thread>

using namespace norma;
using namespace norma::test;

namespace {

class Layer : public LayerTest {};
INSTANTIATE_TEST_SUITE_P(Backends, Layer, ::testing::Bool(), backendName);

//===----------------------------------------------------------------------===//
// What Keras documents
//===----------------------------------------------------------------------===//

TEST_P(Layer, AdaptsToAVectorWithoutAxis) {
  Normalization layer = make({.axis = {}});
  ASSERT_TRUE(layer.adapt(f32({1, 2, 3, 4, 5}, {5})));
  EXPECT_EQ(layer.mean(), (std::vector<double>{3}));
  EXPECT_EQ(layer.variance(), (std::vector<double>{2}));
  const std::vector<float> y = apply(layer, f32({1, 2, 3}, {3}));
  ASSERT_EQ(y.size(), 3u);
  EXPECT_FLOAT_EQ(y[0], -1.4142135f);
  EXPECT_FLOAT_EQ(y[1], -0.70710677f);
  EXPECT_EQ(y[2], 0);
}

TEST_P(Layer, AdaptsToRowsOfFeatures) {
  Data<float> rows = f32({0, 7, 4, 2, 9, 6, 0, 7, 4, 2, 9, 6}, {4, 3});
  Normalization layer = make();
  ASSERT_TRUE(layer.adapt(rows));
  EXPECT_EQ(layer.keptAxes(), (Dims{1}));
  EXPECT_EQ(apply(layer, f32({0, 7, 4}, {1, 3})), (std::vector<float>{-1, -1, -1}));
  Normalization inverted = make({.invert = true});
  ASSERT_TRUE(inverted.adapt(rows));
  EXPECT_EQ(apply(inverted, f32({1, 2, 3}, {1, 3})), (std::vector<float>{2, 10, 8}));
}

TEST_P(Layer, TakesMeanAndVariance) {
  Normalization layer = make(given({{}, {3}}, {{}, {2}}));
  const std::vector<float> y = apply(layer, f32({1, 2, 3}, {3, 1}));
  ASSERT_EQ(y.size(), 3u);
  EXPECT_FLOAT_EQ(y[0], -1.4142135f);
  EXPECT_FLOAT_EQ(y[1], -0.70710677f);
  EXPECT_EQ(y[2], 0);
}

TEST_P(Layer, IsAnIdentityBeforeAdapt) {
  const std::vector<float> values = {-0.0f, 1.1f, 3e38f, float(kInf), 1e-40f, -7};
  for (bool invert : {false, true}) {
    Normalization layer = make({.invert = invert, .epsilon = 5});
    const std::vector<float> y = apply(layer, f32(values, {2, 3}));
    EXPECT_EQ(y, values);
    EXPECT_TRUE(std::signbit(y[0]));
    EXPECT_TRUE(layer.isBuilt());
    EXPECT_FALSE(layer.isAdapted());
    EXPECT_EQ(layer.mean(), (std::vector<double>{0, 0, 0}));
    EXPECT_EQ(layer.variance(), (std::vector<double>{1, 1, 1}));
  }
}

//===----------------------------------------------------------------------===//
// Options and building
//===----------------------------------------------------------------------===//

TEST_P(Layer, RefusesBadOptions) {
  auto error = [&](const NormalizationOptions &options) { return errorOf(tryMake(options)); };
  EXPECT_EQ(error({.axis = {1, 1}}), "axis: 1 is given twice in (1, 1)");
  EXPECT_EQ(error({.mean = GivenStatistic{{}, {1}}}),
            "variance: absent, but mean is given; expected both or neither");
  EXPECT_EQ(error({.variance = GivenStatistic{{}, {1}}}),
            "mean: absent, but variance is given; expected both or neither");
  EXPECT_EQ(error(given({{}, {1}}, {{1}, {1}})), "variance: shape (1,); expected mean's, ()");
  EXPECT_EQ(error(given({{1, 2}, {1, 2}}, {{1, 2}, {1, 2}})),
            "mean: shape (1, 2) has rank 2; expected at most one axis for each of the 1 kept axes");
  EXPECT_EQ(error(given({{1}, {1}}, {{1}, {1}}, {})),
            "mean: shape (1,) has rank 1; expected at most one axis for each of the 0 kept axes");
  EXPECT_EQ(error(given({{2}, {1}}, {{2}, {1, 2}})), "mean: 1 values for shape (2,); expected 2");
  EXPECT_EQ(error(given({{3}, {1, 2, 3}}, {{3}, {1, -2, 3}})),
            "variance: the value at (1,) is -2; expected 0 or more");
  EXPECT_EQ(error(given({{}, {1}}, {{}, {kNaN}})),
            "variance: the value is nan; expected 0 or more");
  EXPECT_EQ(error({.epsilon = -1}), "epsilon: -1; expected a finite number, 0 or more");
  EXPECT_EQ(error({.epsilon = kInf}), "epsilon: inf; expected a finite number, 0 or more");
  EXPECT_EQ(error({.compute = DType::F16}), "dtype: f16; expected f32 or f64");
  EXPECT_EQ(error({.output = DType::U8}), "output_dtype: u8; expected one of f32, f64, f16, bf16");
  EXPECT_EQ(error({.stepsPerExecution = 0}), "steps_per_execution: 0; expected 1 or more");
}

TEST(NormalizationCreate, NeedsAnEngineUnlessEager) {
  EXPECT_EQ(errorOf(Normalization::create(nullptr)),
            "engine: null; expected an engine, or the option to run eagerly");
  EXPECT_TRUE(Normalization::create(nullptr, {.runEagerly = true}));
}

TEST_P(Layer, BuildsForAShape) {
  Normalization layer = make({.axis = {2, -2}});
  EXPECT_FALSE(layer.isBuilt());
  EXPECT_TRUE(layer.keptAxes().empty());
  EXPECT_EQ(layer.statistics().size(), 0);
  ASSERT_TRUE(layer.build(Dims{-1, 7, 5}));
  EXPECT_TRUE(layer.isBuilt());
  EXPECT_EQ(layer.keptAxes(), (Dims{1, 2}));
  EXPECT_EQ(layer.statistics().shape, (Dims{7, 5}));
  EXPECT_EQ(layer.statistics().count, std::vector<double>(35, 0));
  // Again, for the same kept extents.
  EXPECT_TRUE(layer.build(Dims{3, 7, 5}));
  EXPECT_EQ(errorOf(layer.build(Dims{-1, 7, 6})),
            "shape: shape (?, 7, 6) has an extent of 6 along the kept axis 2; expected 5, as the "
            "build shape (3, 7, 5)");
  EXPECT_EQ(errorOf(layer.build(Dims{1, 7, 7, 5})), "axis: axis 2 is given twice (as 2 and -2)");
  EXPECT_EQ(layer.keptAxes(), (Dims{1, 2}));
}

TEST_P(Layer, RefusesToBuild) {
  auto error = [&](const Dims &axis, const Dims &shape) {
    return errorOf(make({.axis = axis}).build(shape));
  };
  EXPECT_EQ(error({-3}, {2, 3}),
            "axis: -3 is out of range for rank 2; expected a value in [-2, 2)");
  EXPECT_EQ(error({1, -1}, {2, 3}), "axis: axis 1 is given twice (as 1 and -1)");
  EXPECT_EQ(error({-1}, {}), "axis: -1 is out of range for rank 0; a scalar has no axes");
  EXPECT_EQ(error({-1}, {3, -1}),
            "axis: the extent of the kept axis 1 is unknown in shape (3, ?); expected a number");
  EXPECT_EQ(error({-1}, {-2, 3}),
            "shape (-2, 3): an extent is -2; expected 0 or more, or -1 for unknown");
  const std::vector<int64_t> deep(17, 1);
  EXPECT_EQ(errorOf(make().build(deep)), "shape: rank 17; expected at most 16");
}

TEST_P(Layer, ComputesTheOutputShape) {
  Normalization layer = make();
  EXPECT_EQ(*layer.computeOutputShape(Dims{-1, 3}), (Dims{-1, 3}));
  EXPECT_FALSE(layer.isBuilt());
  EXPECT_FALSE(layer.computeOutputShape(Dims{}));
  ASSERT_TRUE(layer.build(Dims{-1, 3}));
  EXPECT_EQ(*layer.computeOutputShape(Dims{9, 3}), (Dims{9, 3}));
  EXPECT_EQ(errorOf(layer.computeOutputShape(Dims{9, 4})),
            "shape: shape (9, 4) has an extent of 4 along the kept axis 1; expected 3, as the "
            "build shape (?, 3)");
}

TEST_P(Layer, BroadcastsGivenStatistics) {
  // Input (2, 7, 5, 3), axis (1, 2): a mean of 5 lies along axis 2.
  const GivenStatistic mean{{5}, {1, 2, 3, 4, 5}}, variance{{5}, {1, 4, 9, 16, 25}};
  Normalization layer = make(given(mean, variance, {2, 1}));
  Data<float> x = ones({2, 7, 5, 3});
  const std::vector<float> y = apply(layer, x);
  for (size_t i = 0; i < y.size(); ++i) {
    const float m = float(i / 3 % 5 + 1);
    ASSERT_FLOAT_EQ(y[i], (1 - m) / m);
  }
  EXPECT_EQ(layer.mean().size(), 35u);
  EXPECT_EQ(layer.statistics().shape, (Dims{7, 5}));
  EXPECT_EQ(layer.variance()[5], 1);

  // (7, 1) lies along axis 1, and a scalar along all.
  std::vector<double> seven(7);
  std::iota(seven.begin(), seven.end(), 0.0);
  Normalization column = make(given({{7, 1}, seven}, {{7, 1}, std::vector<double>(7, 1)}, {1, 2}));
  ASSERT_TRUE(column.build(Dims{2, 7, 5, 3}));
  EXPECT_EQ(column.mean()[4], 0);
  EXPECT_EQ(column.mean()[5], 1);
  EXPECT_EQ(column.mean()[34], 6);
  Normalization scalar = make(given({{}, {4}}, {{}, {9}}, {1, 2}));
  ASSERT_TRUE(scalar.build(Dims{2, 7, 5, 3}));
  EXPECT_EQ(scalar.mean(), std::vector<double>(35, 4));
  EXPECT_EQ(scalar.variance(), std::vector<double>(35, 9));

  EXPECT_EQ(errorOf(make(given(mean, variance, {1, 2})).build(Dims{2, 7, 4, 3})),
            "mean: shape (5,) does not broadcast to the kept extents (7, 4)");
}

TEST_P(Layer, GivenStatisticsDoNotLearn) {
  Normalization layer = make(given({{3}, {1, 2, 3}}, {{3}, {1, 0, 1}}));
  Data<float> x = ones({2, 3});
  const std::string why = ": the layer was given mean [1, 2, 3] and variance [1, 0, 1]; only a "
                          "layer without them learns from data";
  EXPECT_EQ(errorOf(layer.adapt(x)), "adapt" + why);
  EXPECT_EQ(errorOf(layer.adapt(BatchSource())), "adapt" + why);
  EXPECT_EQ(errorOf(layer.updateState({.data = x})), "update_state" + why);
  EXPECT_EQ(errorOf(layer.merge(Statistics::zeros({3}))), "merge" + why);
  EXPECT_EQ(errorOf(layer.resetState()), "reset_state" + why);
  EXPECT_EQ(errorOf(layer.finalizeState()), "finalize_state" + why);
  ASSERT_TRUE(layer.build(Dims{-1, 3}));
  EXPECT_FALSE(layer.isAdapted());
  EXPECT_EQ(layer.statistics().count, (std::vector<double>{1, 1, 1}));
  EXPECT_EQ(layer.constantFeatures(), (std::vector<int64_t>{1}));
}

//===----------------------------------------------------------------------===//
// Applying
//===----------------------------------------------------------------------===//

TEST_P(Layer, AppliesInPlaceAndToStrides) {
  Normalization layer = make(given({{3}, {1, 2, 3}}, {{3}, {1, 4, 16}}));
  Data<float> x = f32({1, 4, 7, 2, 6, 11}, {2, 3});
  Data<float> turned = f32(std::vector<float>(6), {2, 3});
  ASSERT_TRUE(layer.apply(x, Tensor(turned.values.data(), DType::F32, {2, 3}, {1, 2})));
  EXPECT_EQ(turned.values, (std::vector<float>{0, 1, 1, 2, 1, 2}));
  ASSERT_TRUE(layer.apply(x, x));
  EXPECT_EQ(x.values, (std::vector<float>{0, 1, 1, 1, 2, 2}));
}

TEST_P(Layer, InputAndOutputTypes) {
  Data<uint8_t> x{{1, 3, 255}, {3, 1}, DType::U8};
  for (DType output : {DType::F32, DType::F64, DType::F16, DType::BF16})
    for (DType compute : {DType::F32, DType::F64}) {
      NormalizationOptions options = given({{}, {1}}, {{}, {4}});
      options.compute = compute;
      options.output = output;
      Normalization layer = make(options);
      Expected<Array> y = layer.apply(x);
      ASSERT_TRUE(y);
      EXPECT_EQ(y->view().dtype, output);
      EXPECT_EQ(doubles(*y), (std::vector<double>{0, 1, 127}));
    }
  Normalization narrow = make(given({{}, {0}}, {{}, {1}}));
  Normalization wide = make({.mean = GivenStatistic{{}, {0.1}},
                             .variance = GivenStatistic{{}, {1}},
                             .compute = DType::F64});
  Data<double> fine{{0.3}, {1, 1}, DType::F64};
  EXPECT_EQ(wide.apply(fine)->view().dtype, DType::F64);
  EXPECT_EQ(doubles(*wide.apply(fine))[0], 0.3 - 0.1);
  EXPECT_EQ(doubles(*narrow.apply(fine))[0], double(0.3f));
}

TEST_P(Layer, LearnsFromEveryType) {
  auto check = [&](auto example, DType dtype, std::vector<decltype(example)> values) {
    Data<decltype(example)> x{values, {2, 1}, dtype};
    Normalization layer = make();
    ASSERT_TRUE(layer.adapt(x));
    EXPECT_EQ(layer.mean()[0], 0.5) << toString(dtype);
    EXPECT_EQ(layer.variance()[0], 0.25) << toString(dtype);
    EXPECT_EQ(apply(layer, x), (std::vector<float>{-1, 1})) << toString(dtype);
  };
  check(float(), DType::F32, {0, 1});
  check(double(), DType::F64, {0, 1});
  check(uint16_t(), DType::F16, {0, 0x3c00});
  check(uint16_t(), DType::BF16, {0, 0x3f80});
  check(int8_t(), DType::I8, {0, 1});
  check(uint8_t(), DType::U8, {0, 1});
  check(int16_t(), DType::I16, {0, 1});
  check(uint16_t(), DType::U16, {0, 1});
  check(int32_t(), DType::I32, {0, 1});
  check(int64_t(), DType::I64, {0, 1});
  check(uint8_t(), DType::Bool, {0, 1});
}

TEST_P(Layer, SmallAndEmptyInputs) {
  Normalization layer = make();
  ASSERT_TRUE(layer.adapt(f32({1, 3}, {2, 1})));
  EXPECT_TRUE(apply(layer, Tensor(nullptr, DType::F32, {0, 1})).empty());
  Normalization scalar = make({.axis = {}});
  ASSERT_TRUE(scalar.adapt(f32({3}, {})));
  EXPECT_EQ(scalar.statistics().count, (std::vector<double>{1}));
  EXPECT_EQ(apply(scalar, f32({3}, {})), (std::vector<float>{0}));
}

TEST_P(Layer, NaNStaysWithItsElement) {
  Normalization layer = make(given({{}, {1}}, {{}, {4}}));
  const std::vector<float> y = apply(layer, f32({1, kNaN, 5, -float(kInf)}, {2, 2}));
  EXPECT_EQ(y[0], 0);
  EXPECT_TRUE(std::isnan(y[1]));
  EXPECT_EQ(y[2], 2);
  EXPECT_EQ(y[3], -float(kInf));
}

TEST_P(Layer, RefusesToApply) {
  Normalization layer = make();
  Data<float> x = ones({2, 3}), y = ones({3, 2});
  Data<int32_t> integers{std::vector<int32_t>(6), {2, 3}, DType::I32};
  EXPECT_EQ(errorOf(layer.apply(x, y)), "y: shape (3, 2), expected (2, 3), the shape of x");
  EXPECT_EQ(errorOf(layer.apply(x, integers)), "y: dtype i32, expected f32, f64, f16 or bf16");
  EXPECT_EQ(errorOf(layer.apply(x, Tensor(nullptr, DType::F32, {2, 3}))),
            "y: data is null; expected 6 elements");
  EXPECT_EQ(errorOf(layer.apply(Tensor(nullptr, DType::F32, {2, 3}))),
            "x: data is null; expected 6 elements");
  EXPECT_FALSE(layer.isBuilt());
  ASSERT_TRUE(layer.adapt(x));
  EXPECT_EQ(errorOf(layer.apply(y)),
            "x: shape (3, 2) has an extent of 2 along the kept axis 1; expected 3, as the build "
            "shape (2, 3)");
  EXPECT_EQ(errorOf(layer.apply(ones({3}))),
            "x: shape (3,) has rank 1; expected rank 2, as the build shape (2, 3)");
}

TEST_P(Layer, ThreadsMayApplyAtOnce) {
  // The first call builds the layer.
  const Normalization layer = make(given({{3}, {1, 2, 3}}, {{3}, {1, 4, 16}}));
  std::vector<std::vector<float>> results(8);
  std::vector<std::thread> threads;
  for (std::vector<float> &result : results)
    threads.emplace_back([&] {
      Data<float> x = f32({1, 4, 7, 2, 6, 11}, {2, 3});
      Expected<Array> y = layer.apply(x);
      if (y)
        result = floats(doubles(*y));
    });
  for (std::thread &thread : threads)
    thread.join();
  for (const std::vector<float> &result : results)
    EXPECT_EQ(result, (std::vector<float>{0, 1, 1, 1, 2, 2}));
  EXPECT_EQ(layer.keptAxes(), (Dims{1}));
}

} // namespace
