//===- BatchNormalizationTest.cpp - Training and inference of the layer ---===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchNormLayerTest.h"

#include <thread>

using namespace norma;
using namespace norma::test;

namespace {

class BatchNormLayer : public BatchNormLayerTest {};

//===----------------------------------------------------------------------===//
// The plain layer
//===----------------------------------------------------------------------===//

TEST_F(BatchNormLayer, TrainsAndInfers) {
  BatchNormalization layer = make({.momentum = 0.5, .epsilon = 0.25});
  // Means 1 and 20, variances 1 and 100.
  Data<float> x = f32({0, 10, 2, 30}, {2, 2});
  const float a = 1 / std::sqrt(1.25f), b = 10 / std::sqrt(100.25f);
  expectNear(train(layer, x), {-a, -b, a, b});
  EXPECT_EQ(layer.keptAxes(), (Dims{1}));
  EXPECT_EQ(layer.batchesSeen(), 1);
  EXPECT_EQ(weight(layer, "moving_mean"), (Doubles{0.5, 10}));
  EXPECT_EQ(weight(layer, "moving_variance"), (Doubles{1, 50.5}));
  expectNear(apply(layer, x),
             {-0.5f / std::sqrt(1.25f), 0, 1.5f / std::sqrt(1.25f), 20 / std::sqrt(50.75f)});
  EXPECT_EQ(layer.batchesSeen(), 1);
}

TEST_F(BatchNormLayer, WritingWeightsChangesIt) {
  BatchNormalization layer = makeBuilt({.epsilon = 0}, {-1, 2});
  setWeight(layer, "gamma", {2, 3});
  setWeight(layer, "beta", {10, 20});
  setWeight(layer, "moving_mean", {1, 2});
  setWeight(layer, "moving_variance", {4, 9});
  expectNear(apply(layer, f32({1, 2, 5, 8}, {2, 2})), {10, 20, 14, 26});
  expectNear(train(layer, f32({0, 0, 2, 8}, {2, 2})), {8, 17, 12, 23});
}

TEST_F(BatchNormLayer, WithoutGammaOrBeta) {
  for (bool center : {false, true})
    for (bool scale : {false, true}) {
      BatchNormalization layer =
          makeBuilt({.epsilon = 0, .center = center, .scale = scale}, {-1, 1});
      if (center)
        setWeight(layer, "beta", {5});
      if (scale)
        setWeight(layer, "gamma", {3});
      const float g = scale ? 3 : 1, b = center ? 5 : 0;
      expectNear(train(layer, column({0, 2})), {b - g, b + g});
      setWeight(layer, "moving_mean", {1});
      setWeight(layer, "moving_variance", {4});
      expectNear(apply(layer, column({1, 5})), {b, b + 2 * g});
    }
}

TEST_F(BatchNormLayer, KnownLiterals) {
  // The moving variance of [0, 2] from 0 with momentum 0.5: fused 1.0, otherwise 0.5.
  Options options{.momentum = 0.5, .movingVarianceInitializer = Initializer::zeros()};
  BatchNormalization table = make(options), picture = make(options);
  train(table, column({0, 2}));
  train(picture, image({0, 2}));
  EXPECT_FALSE(table.isFused());
  EXPECT_TRUE(picture.isFused());
  EXPECT_EQ(weight(table, "moving_variance"), (Doubles{0.5}));
  EXPECT_EQ(weight(picture, "moving_variance"), (Doubles{1}));

  // In half precision the variance, 1e6, would overflow.
  Data<uint16_t> half{{0xe3d0, 0x63d0}, {2, 1}, DType::F16}; // -1000, 1000
  Expected<Array> y = Array::create(DType::F16, {2, 1});
  ASSERT_TRUE(y);
  BatchNormalization layer = make();
  ASSERT_TRUE(layer.train(half, *y));
  EXPECT_EQ(doubles(*y), (Doubles{-1, 1}));
}

TEST_F(BatchNormLayer, TypesOfInputsAndOutputs) {
  const auto outputOf = [&](const Options &options, DType input) {
    Expected<Array> x = Array::create(input, {2, 1});
    EXPECT_TRUE(x);
    std::fill_n(x->as<char>(), x->sizeInBytes(), char(0));
    Expected<Array> y = make(options).apply(*x);
    EXPECT_TRUE(y);
    return y->view().dtype;
  };
  for (DType input : kAllDTypes) {
    EXPECT_EQ(outputOf({}, input), isFloat(input) ? input : DType::F32);
    EXPECT_EQ(outputOf({.compute = DType::F64}, input), isFloat(input) ? input : DType::F64);
    EXPECT_EQ(outputOf({.output = DType::BF16}, input), DType::BF16);
  }
  Data<uint8_t> bytes{{1, 3}, {2, 1}, DType::U8};
  BatchNormalization layer = make({.epsilon = 0});
  expectNear(train(layer, bytes), {-1, 1});
}

TEST_F(BatchNormLayer, StateIsRoundedToTheTypeOfTheWeights) {
  Data<double> x{{0.1, 0.3}, {2, 1}, DType::F64}, y = x;
  BatchNormalization narrow = make({.momentum = 0.9}),
                     wide = make({.momentum = 0.9, .compute = DType::F64});
  ASSERT_TRUE(narrow.train(x, y));
  ASSERT_TRUE(wide.train(x, y));
  expectNear(weight(wide, "moving_mean"), {0.02}, 1e-15);
  const double mean = weight(narrow, "moving_mean")[0];
  EXPECT_EQ(mean, double(float(mean)));
  EXPECT_NEAR(mean, 0.02, 1e-9);
}

TEST_F(BatchNormLayer, WorksInPlaceAndOnStrides) {
  BatchNormalization layer = make({.epsilon = 0});
  Data<float> x = f32({0, 10, 2, 30}, {2, 2});
  ASSERT_TRUE(layer.train(x, x));
  expectNear(x.values, {-1, -1, 1, 1});
  Data<float> turned = f32({0, 2, 10, 30}, {2, 2});
  const Tensor view(turned.values.data(), DType::F32, {2, 2}, {1, 2});
  ASSERT_TRUE(layer.train(view, view));
  expectNear(turned.values, {-1, 1, -1, 1});
}

TEST_F(BatchNormLayer, EmptyBatchesChangeNothing) {
  BatchNormalization layer = makeBuilt({.renorm = true}, {-1, 1});
  setWeight(layer, "moving_mean", {3});
  const Tensor none(nullptr, DType::F32, {0, 1});
  ASSERT_TRUE(layer.train(none, none));
  EXPECT_EQ(layer.batchesSeen(), 0);
  EXPECT_EQ(weight(layer, "moving_mean"), (Doubles{3}));
  EXPECT_EQ(weight(layer, "moving_variance"), (Doubles{1}));
  EXPECT_TRUE(apply(layer, none).empty());
}

//===----------------------------------------------------------------------===//
// Conventions
//===----------------------------------------------------------------------===//

TEST_F(BatchNormLayer, FusedRaisesEpsilon) {
  // Variance 1e-6: with epsilon 1e-7 the deviation is nearly met, with 1.001e-5 it is not.
  const Options small{.epsilon = 1e-7};
  BatchNormalization picture = make(small), table = make(small);
  const float fused = 1e-3f / std::sqrt(1e-6f + 1.001e-5f);
  const float plain = 1e-3f / std::sqrt(1e-6f + 1e-7f);
  expectNear(train(picture, image({-1e-3f, 1e-3f})), {-fused, fused});
  expectNear(train(table, column({-1e-3f, 1e-3f})), {-plain, plain});
  // Inference, too.
  setWeight(picture, "moving_mean", {0});
  setWeight(picture, "moving_variance", {1e-6});
  expectNear(apply(picture, image({1e-3f})), {fused});
  for (Options options : {Options::keras3(), Options::pytorch(), Options::onnx()}) {
    options.axis = {-1};
    options.epsilon = 1e-7;
    BatchNormalization other = make(options);
    expectNear(train(other, image({-1e-3f, 1e-3f})), {-plain, plain});
  }
  // A larger epsilon is kept.
  BatchNormalization large = make({.epsilon = 3e-6});
  Options off{.epsilon = 1, .fused = false};
  BatchNormalization explicitly = make(off);
  expectNear(train(large, image({-1e-3f, 1e-3f})), {-fused, fused});
  expectNear(train(explicitly, image({-1, 1})), {-std::sqrt(0.5f), std::sqrt(0.5f)});
}

TEST_F(BatchNormLayer, WhichVarianceMoves) {
  // [0, 1, 2]: population 2/3, sample 1; from 1 with a new weight of 0.1.
  const auto moved = [&](Options options, Data<float> x) {
    options.axis = {-1};
    BatchNormalization layer = make(options);
    train(layer, x);
    return weight(layer, "moving_variance")[0];
  };
  const auto at = [](Options options) {
    options.momentum = options.momentumWeighsNew ? 0.1 : 0.9;
    return options;
  };
  const double population = 0.9 + 0.1 * 2 / 3, sample = 1;
  for (const Options &options : {at(Options::kerasV1()), at(Options::kerasV2())}) {
    EXPECT_NEAR(moved(options, column({0, 1, 2})), population, 1e-6);
    EXPECT_NEAR(moved(options, image({0, 1, 2})), sample, 1e-6);
  }
  for (const Options &options : {at(Options::keras3()), at(Options::onnx())}) {
    EXPECT_NEAR(moved(options, column({0, 1, 2})), population, 1e-6);
    EXPECT_NEAR(moved(options, image({0, 1, 2})), population, 1e-6);
  }
  EXPECT_NEAR(moved(at(Options::pytorch()), column({0, 1, 2})), sample, 1e-6);
  EXPECT_NEAR(moved(at(Options::pytorch()), image({0, 1, 2})), sample, 1e-6);
  // Said explicitly it overrides what fused means.
  Options explicitly = at({});
  explicitly.movingVariance = MovingVariance::Population;
  EXPECT_NEAR(moved(explicitly, image({0, 1, 2})), population, 1e-6);
  // One value has no sample variance, but no NaN either.
  EXPECT_NEAR(moved(at(Options::pytorch()), column({7})), 0.9, 1e-6);
}

TEST_F(BatchNormLayer, WhatMomentumWeighs) {
  const auto mean = [&](Options options) {
    BatchNormalization layer = make(options);
    train(layer, column({4, 6}));
    return weight(layer, "moving_mean")[0];
  };
  EXPECT_NEAR(mean({.momentum = 0.9}), 0.5, 1e-7);
  EXPECT_NEAR(mean(Options::onnx()), 0.5, 1e-7);
  EXPECT_NEAR(mean(Options::pytorch()), 0.5, 1e-7);
  EXPECT_EQ(mean({.momentum = 0}), 5);
  EXPECT_EQ(mean({.momentum = 1}), 0);
}

TEST_F(BatchNormLayer, CumulativeAverage) {
  Options options = Options::pytorch();
  options.momentum = {};
  BatchNormalization layer = make(options);
  double sum = 0;
  for (int step = 1; step <= 4; ++step) {
    const float base = float(step * step);
    train(layer, column({base - 1, base + 1}));
    sum += base;
    EXPECT_NEAR(weight(layer, "moving_mean")[0], sum / step, 1e-6);
    EXPECT_EQ(layer.batchesSeen(), step);
  }
  EXPECT_NEAR(weight(layer, "moving_variance")[0], 2, 1e-6);
}

TEST_F(BatchNormLayer, MomentumMayFollowASchedule) {
  BatchNormalization layer = make({.momentum = 0});
  train(layer, column({4, 6}));
  EXPECT_EQ(weight(layer, "moving_mean"), (Doubles{5}));
  ASSERT_TRUE(layer.setMomentum(0.75));
  train(layer, column({8, 10}));
  EXPECT_EQ(weight(layer, "moving_mean"), (Doubles{6}));
  ASSERT_TRUE(layer.setMomentum(1));
  train(layer, column({100, 200}));
  EXPECT_EQ(weight(layer, "moving_mean"), (Doubles{6}));
}

TEST_F(BatchNormLayer, NotTrainableMeansInferenceOrNot) {
  Data<float> x = column({4, 6});
  const auto frozen = [&](Options options) {
    options.trainable = false;
    options.epsilon = 0;
    BatchNormalization layer = make(options);
    Floats y = train(layer, x);
    EXPECT_EQ(layer.batchesSeen(), 0);
    EXPECT_EQ(weight(layer, "moving_mean"), (Doubles{0}));
    EXPECT_EQ(weight(layer, "moving_variance"), (Doubles{1}));
    return y;
  };
  expectNear(frozen(Options::kerasV1()), {-1, 1});
  expectNear(frozen(Options::kerasV2()), {4, 6});
  expectNear(frozen(Options::keras3()), {4, 6});
  // It can be changed.
  BatchNormalization layer = make({.epsilon = 0, .trainable = false});
  layer.setTrainable(true);
  expectNear(train(layer, x), {-1, 1});
  EXPECT_EQ(layer.batchesSeen(), 1);
  // Renorm of a frozen V1 layer corrects, but does not learn.
  Options v1 = Options::kerasV1();
  v1.renorm = true;
  v1.trainable = false;
  BatchNormalization renorm = make(v1);
  expectNear(train(renorm, x), {4, 6});
  EXPECT_EQ(weight(renorm, "renorm_mean"), (Doubles{0}));
}

//===----------------------------------------------------------------------===//
// Refused calls, threads
//===----------------------------------------------------------------------===//

TEST_F(BatchNormLayer, RefusedCallsChangeNothing) {
  BatchNormalization layer = make();
  Data<float> x = ones({2, 3}), y = ones({3, 2});
  Data<int32_t> integers{std::vector<int32_t>(6), {2, 3}, DType::I32};
  for (const Tensor &bad : {Tensor(y), Tensor(integers), Tensor(nullptr, DType::F32, {2, 3})}) {
    EXPECT_EQ(errorOf(layer.train(x, bad)).substr(0, 2), "y:");
    EXPECT_EQ(errorOf(layer.apply(x, bad)).substr(0, 2), "y:");
    EXPECT_EQ(errorOf(layer.applyAndSave(x, bad)).substr(0, 2), "y:");
  }
  EXPECT_EQ(errorOf(layer.apply(Tensor(nullptr, DType::F32, {2, 3}))),
            "x: data is null; expected 6 elements");
  EXPECT_FALSE(layer.isBuilt());
  train(layer, x);
  const Doubles mean = weight(layer, "moving_mean");
  EXPECT_FALSE(layer.train(x, integers));
  const std::string wide = "x: shape (3, 2) has an extent of 2 along the kept axis 1; expected 3, "
                           "as the build shape (?, 3)";
  EXPECT_EQ(errorOf(layer.train(y, y)), wide);
  EXPECT_EQ(errorOf(layer.apply(y)), wide);
  EXPECT_EQ(errorOf(layer.applyAndSave(y, y)), wide);
  Data<uint8_t> mask{{1, 1, 1, 1}, {4}, DType::Bool};
  EXPECT_NE(errorOf(layer.train(x, x, {.mask = mask})).find("mask"), std::string::npos);
  EXPECT_EQ(weight(layer, "moving_mean"), mean);
  EXPECT_EQ(layer.batchesSeen(), 1);
}

TEST_F(BatchNormLayer, LeavesChanceOutOfTheBuildShape) {
  BatchNormalization layer = make();
  train(layer, ones({2, 4, 3}));
  EXPECT_EQ(apply(layer, ones({7, 9, 3})).size(), size_t(7 * 9 * 3));
}

TEST_F(BatchNormLayer, TakesNothingButMemoryFromEarlierPasses) {
  const auto numbersOf = [](const SavedForward &saved) {
    const BatchNormForward &forward = saved.forward();
    const MovingStatistics &moving = forward.updated;
    return std::vector<Doubles>{
        forward.count,     forward.mean,        forward.invStd,          forward.r,
        forward.d,         moving.mean,         moving.variance,         moving.stddev,
        moving.renormMean, moving.renormStddev, {double(moving.batches)}};
  };
  for (const bool renorm : {false, true}) {
    Options options{.momentum = 0.5};
    options.renorm = renorm;
    // One gives up what it saved before the next pass, the other has it all to the end.
    BatchNormalization dropping = make(options), keeping = make(options);
    std::vector<SavedForward> kept;
    std::vector<std::vector<Doubles>> expected;
    for (int pass = 0; pass < 6; ++pass) {
      Data<float> x = f32({0, 10, float(pass), 30, 4, float(pass * pass)}, {3, 2}), y = x;
      const bool isTraining = pass % 3 != 2;
      const auto forward = [&](BatchNormalization &layer) {
        Expected<SavedForward> saved = isTraining ? layer.train(x, y) : layer.applyAndSave(x, y);
        EXPECT_TRUE(saved) << saved.error().message();
        return *saved;
      };
      kept.push_back(forward(keeping));
      const Floats result = y.values;
      expected.push_back(numbersOf(kept.back()));
      EXPECT_EQ(numbersOf(forward(dropping)), expected.back()) << pass;
      EXPECT_EQ(y.values, result) << pass;
    }
    for (size_t pass = 0; pass < kept.size(); ++pass)
      EXPECT_EQ(numbersOf(kept[pass]), expected[pass]) << pass;
  }
}

TEST_F(BatchNormLayer, SavedPassesOutliveTheLayer) {
  SavedForward saved;
  {
    BatchNormalization layer = make();
    Data<float> x = column({0, 2}), y = x;
    saved = *layer.train(x, y);
  }
  EXPECT_EQ(saved.forward().mean, Doubles{1});
}

TEST_F(BatchNormLayer, ThreadsMayApplyAtOnce) {
  // The first call builds the layer.
  const BatchNormalization layer =
      make({.movingVarianceInitializer = Initializer::constant(3.999)});
  std::vector<Floats> results(8);
  std::vector<std::thread> threads;
  for (Floats &result : results)
    threads.emplace_back([&] {
      Data<float> x = column({2, 4});
      Expected<Array> y = layer.apply(x);
      if (y)
        result = floats(doubles(*y));
    });
  for (std::thread &thread : threads)
    thread.join();
  for (const Floats &result : results)
    expectNear(result, {1, 2});
}

} // namespace
