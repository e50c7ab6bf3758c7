//===- BatchNormalizationFeaturesTest.cpp - Renorm and other additions ----===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What goes beyond plain batch normalization, through the layer: renorm, ghost batches,
// adjustment, mask, weights, synchronization.
//
//===----------------------------------------------------------------------===//

#include "BatchNormLayerTest.h"

using namespace norma;
using namespace norma::test;

namespace {

class BatchNormFeatures : public BatchNormLayerTest {};

//===----------------------------------------------------------------------===//
// Renorm
//===----------------------------------------------------------------------===//

TEST_F(BatchNormFeatures, RenormStartsAsTheIdentity) {
  BatchNormalization layer = makeBuilt({.renorm = true}, {-1, 1});
  setWeight(layer, "gamma", {2});
  setWeight(layer, "beta", {3});
  expectNear(train(layer, column({1, 5, 12})), {5, 13, 27});
}

TEST_F(BatchNormFeatures, RenormTrainsAsItInfers) {
  // With equal momenta and no limits, training equals inference before the update.
  BatchNormalization layer = make({.momentum = 0.8, .renorm = true, .renormMomentum = 0.8});
  // (Of the first deviation, 1, epsilon is not a part yet.)
  train(layer, f32({1, 5, 0, 2, 8, 6}, {3, 2}));
  for (int step = 1; step < 5; ++step) {
    Data<float> x = f32({1, 5, float(step), 2, 7, -3}, {3, 2});
    const Floats before = apply(layer, x);
    expectNear(train(layer, x), before);
  }
  EXPECT_EQ(layer.batchesSeen(), 5);
  const double stddev = weight(layer, "moving_stddev")[0];
  EXPECT_NEAR(weight(layer, "moving_variance")[0], stddev * stddev - 1e-3, 1e-6);
  expectNear(weight(layer, "renorm_mean"), weight(layer, "moving_mean"));
  expectNear(weight(layer, "renorm_stddev"), weight(layer, "moving_stddev"));
}

TEST_F(BatchNormFeatures, RenormHasAMomentumOfItsOwn) {
  BatchNormalization layer =
      make({.momentum = 0.5, .epsilon = 0, .renorm = true, .renormMomentum = 0.75});
  train(layer, column({2, 6})); // mean 4, deviation 2
  EXPECT_EQ(weight(layer, "moving_mean"), (Doubles{2}));
  EXPECT_EQ(weight(layer, "moving_stddev"), (Doubles{1.5}));
  EXPECT_EQ(weight(layer, "moving_variance"), (Doubles{2.25}));
  EXPECT_EQ(weight(layer, "renorm_mean"), (Doubles{1}));
  EXPECT_EQ(weight(layer, "renorm_stddev"), (Doubles{1.25}));
  // In PyTorch's convention, too, it weighs the old value.
  Options torch = Options::pytorch();
  torch.renorm = true;
  torch.renormMomentum = 0.75;
  BatchNormalization other = make(torch);
  train(other, column({2, 6}));
  EXPECT_EQ(weight(other, "renorm_mean"), (Doubles{1}));
}

TEST_F(BatchNormFeatures, RenormClipsByASchedule) {
  // Deviation 2 and mean 4 against 1 and 0: r = 2, d = 4.
  Data<float> x = column({2, 6});
  BatchNormalization layer = makeBuilt({.momentum = 1,
                                        .epsilon = 0,
                                        .renorm = true,
                                        .renormClipping = {{"rmax", 1}, {"dmax", 0}},
                                        .renormMomentum = 1},
                                       {-1, 1});
  expectNear(train(layer, x), {-1, 1});
  ASSERT_TRUE(layer.setRenormClipping({{"rmax", 1.5}, {"dmax", 3}}));
  expectNear(train(layer, x), {1.5, 4.5});
  ASSERT_TRUE(layer.setRenormClipping({{"rmin", 3}}));
  expectNear(train(layer, x), {1, 7});
  ASSERT_TRUE(layer.setRenormClipping({}));
  expectNear(train(layer, x), {2, 6});
}

//===----------------------------------------------------------------------===//
// Ghost batches, adjustment, mask, synchronization
//===----------------------------------------------------------------------===//

TEST_F(BatchNormFeatures, GhostBatches) {
  Data<float> x = column({0, 10, 2, 30});
  Options options{.momentum = 0, .epsilon = 0, .virtualBatchSize = 2};
  // Strided: {0, 2} and {10, 30}, means 1 and 20, variances 1 and 100.
  BatchNormalization strided = make(options);
  expectNear(train(strided, x), {-1, -1, 1, 1});
  EXPECT_EQ(weight(strided, "moving_mean"), (Doubles{10.5}));
  EXPECT_EQ(weight(strided, "moving_variance"), (Doubles{50.5}));
  // Contiguous: {0, 10} and {2, 30}, means 5 and 16.
  options.ghostGrouping = GhostGrouping::Contiguous;
  BatchNormalization contiguous = make(options);
  expectNear(train(contiguous, x), {-1, 1, -1, 1});
  EXPECT_EQ(weight(contiguous, "moving_variance"), (Doubles{(25 + 196) / 2.0}));
  // Inference takes any batch.
  EXPECT_EQ(apply(contiguous, column({1, 2, 3})).size(), 3u);

  // A remainder, by what the layer is told.
  Data<float> five = column({0, 2, 10, 30, 7});
  BatchNormalization strict = make(options);
  Data<float> y = ones({5, 1});
  EXPECT_NE(errorOf(strict.train(five, y)).find("virtual_batch_size: 2 "), std::string::npos);
  EXPECT_FALSE(strict.isBuilt());
  EXPECT_EQ(y.values, Floats(5, 1));
  options.ghostRemainder = GhostRemainder::Smaller;
  options.epsilon = 1;
  BatchNormalization smaller = make(options);
  EXPECT_EQ(train(smaller, five)[4], 0);
  options.ghostRemainder = GhostRemainder::Merge;
  BatchNormalization merged = make(options);
  EXPECT_NE(train(merged, five)[4], 0);
}

TEST_F(BatchNormFeatures, AdjustmentIsForTraining) {
  Dims seen;
  Options options{.epsilon = 0};
  options.adjustment = [&](const Dims &shape) -> Expected<Adjustment> {
    seen = shape;
    Expected<Array> scale = Array::create(DType::F32, {2, 1}), bias = Array::create(DType::F32, {});
    if (!scale || !bias)
      return invalidArgument("no memory");
    scale->as<float>()[0] = 10;
    scale->as<float>()[1] = 20;
    bias->as<float>()[0] = 3;
    return Adjustment{std::move(*scale), std::move(*bias)};
  };
  BatchNormalization layer = makeBuilt(options, {-1, 1});
  setWeight(layer, "gamma", {2});
  // (xh * scale + bias) * gamma
  expectNear(train(layer, column({4, 6})), {-14, 46});
  EXPECT_EQ(seen, (Dims{2, 1}));
  setWeight(layer, "moving_mean", {0});
  setWeight(layer, "moving_variance", {1});
  expectNear(apply(layer, column({4, 6})), {8, 12});
  // A frozen layer is in inference mode.
  layer.setTrainable(false);
  expectNear(train(layer, column({4, 6})), {8, 12});
  // It may be given later, and taken away.
  BatchNormalization later = make({.epsilon = 0});
  ASSERT_TRUE(later.setAdjustment(options.adjustment));
  expectNear(train(later, column({4, 6})), {-7, 23});
  ASSERT_TRUE(later.setAdjustment({}));
  expectNear(train(later, column({4, 6})), {-1, 1});
}

TEST_F(BatchNormFeatures, AdjustmentsThatFail) {
  Options options;
  options.adjustment = [](const Dims &) -> Expected<Adjustment> {
    return Error(ErrorCode::Cancelled, "not today");
  };
  BatchNormalization layer = make(options);
  Data<float> x = column({4, 6}), y = ones({2, 1});
  Expected<SavedForward> saved = layer.train(x, y);
  EXPECT_EQ(errorOf(saved), "adjustment: not today");
  EXPECT_EQ(saved.error().code(), ErrorCode::Cancelled);
  EXPECT_FALSE(layer.isBuilt());
  // One that does not broadcast.
  ASSERT_TRUE(layer.setAdjustment([](const Dims &) -> Expected<Adjustment> {
    Expected<Array> wide = Array::create(DType::F32, {3, 5});
    if (!wide)
      return wide.takeError();
    return Adjustment{.scale = std::move(*wide)};
  }));
  EXPECT_FALSE(layer.train(x, y));
  EXPECT_FALSE(layer.isBuilt());
  EXPECT_EQ(y.values, (Floats{1, 1}));
}

TEST_F(BatchNormFeatures, MaskAndWeights) {
  Data<uint8_t> mask{{1, 1, 0}, {3}, DType::Bool};
  BatchNormalization layer = make({.momentum = 0, .epsilon = 0});
  expectNear(train(layer, column({0, 2, 9}), {.mask = mask}), {-1, 1, 8});
  EXPECT_EQ(weight(layer, "moving_mean"), (Doubles{1}));
  // A fused layer does not ignore it; its variance is the sample's, of two values.
  Data<uint8_t> imageMask{{1, 1, 0}, {3, 1, 1, 1}, DType::Bool};
  BatchNormalization picture = make({.momentum = 0});
  train(picture, image({0, 2, 9}), {.mask = imageMask});
  EXPECT_TRUE(picture.isFused());
  EXPECT_EQ(weight(picture, "moving_mean"), (Doubles{1}));
  EXPECT_EQ(weight(picture, "moving_variance"), (Doubles{2}));
  // Weights count: 0, 2, 2, 2 has mean 1.5 and variance 0.75.
  Data<float> weights = f32({1, 3}, {2});
  BatchNormalization weighted = make({.momentum = 0, .epsilon = 0});
  train(weighted, column({0, 2}), {.weights = weights});
  EXPECT_EQ(weight(weighted, "moving_mean"), (Doubles{1.5}));
  EXPECT_EQ(weight(weighted, "moving_variance"), (Doubles{0.75}));
  // Nothing left to count: nothing moves.
  Data<uint8_t> none{{0, 0, 0}, {3}, DType::Bool};
  train(layer, column({4, 5, 6}), {.mask = none});
  EXPECT_EQ(weight(layer, "moving_mean"), (Doubles{1}));
  EXPECT_EQ(layer.batchesSeen(), 1);
}

TEST_F(BatchNormFeatures, SynchronizesWhatItLearnsFrom) {
  // Two participants with the same batch: sums double.
  int calls = 0;
  Options options{.axis = {-1}, .momentum = 0, .movingVariance = MovingVariance::Sample};
  options.allReduce = [&](std::span<double> values) -> Expected<void> {
    ++calls;
    for (double &value : values)
      value *= 2;
    return {};
  };
  BatchNormalization layer = make(options);
  train(layer, image({0, 2}));
  EXPECT_FALSE(layer.isFused());
  EXPECT_GT(calls, 0);
  EXPECT_NEAR(weight(layer, "moving_variance")[0], 4.0 / 3, 1e-6); // 0, 2, 0, 2
  // Inference has nothing to agree on.
  calls = 0;
  apply(layer, image({0, 2}));
  layer.setTrainable(false);
  train(layer, image({0, 2}));
  EXPECT_EQ(calls, 0);
  layer.setTrainable(true);
  ASSERT_TRUE(layer.setAllReduce([](std::span<double>) -> Expected<void> {
    return Error(ErrorCode::IOError, "the line is dead");
  }));
  Data<float> y = ones({2, 1, 1, 1});
  EXPECT_NE(errorOf(layer.train(image({5, 9}), y)).find("the line is dead"), std::string::npos);
  EXPECT_EQ(weight(layer, "moving_mean"), (Doubles{1}));
  EXPECT_EQ(layer.batchesSeen(), 1);
}

TEST_F(BatchNormFeatures, BlocksOrNotAreTheSameNumbers) {
  // NCHW with many channels, so that there are blocks to work in.
  Data<float> x = ramp({4, 24, 5, 7});
  for (float &value : x.values)
    value = std::sin(value);
  Options options{.axis = {1}, .epsilon = 1e-2, .movingVariance = MovingVariance::Sample};
  BatchNormalization blocked = make(options);
  options.fused = false;
  BatchNormalization plain = make(options);
  expectNear(train(blocked, x), train(plain, x));
  expectNear(weight(blocked, "moving_mean"), weight(plain, "moving_mean"));
  expectNear(weight(blocked, "moving_variance"), weight(plain, "moving_variance"));
}

} // namespace
