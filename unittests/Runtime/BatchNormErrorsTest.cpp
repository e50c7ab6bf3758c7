//===- BatchNormErrorsTest.cpp - What batch normalization refuses ---------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchNormCall.h"

#include <gmock/gmock.h>

#include <limits>

using namespace norma;
using namespace norma::test;
using ::testing::StartsWith;

namespace {

using Values = std::vector<double>;
using Change = std::function<void(BatchNormCall &)>;

/// A good call, each test spoiling it in one way.
class BatchNormErrors : public EngineTest {
protected:
  void SetUp() override {
    x = arrayOf(DType::F32, {10, 5}, [](int64_t i) { return double(i); });
    out = arrayOf(DType::F32, {10, 5}, [](int64_t) { return -77; });
    call.x = x;
    call.dy = x;
    call.parameters = {.gamma = Values(5, 1), .beta = Values(5, 0)};
    call.moving = freshMoving(5);
    forward = call.train(*shared()).forward;
  }
  /// Nothing is written before everything is checked.
  void TearDown() override {
    EXPECT_EQ(valuesOf(out), Values(50, -77));
    for (int64_t i = 0; i < 50; ++i)
      EXPECT_EQ(x.as<float>()[i], float(i));
  }

  std::string training(const Change &change) const {
    BatchNormCall changed = call;
    change(changed);
    return messageOf(changed.tryTrain(*shared(), changed.y.value_or(out.view())));
  }
  std::string gradient(const Change &change) const {
    BatchNormCall changed = call;
    change(changed);
    return messageOf(changed.tryGradient(*shared(), forward, changed.dx.value_or(out.view())));
  }
  /// Of both, which must agree.
  std::string message(const Change &change) const {
    const std::string text = training(change);
    EXPECT_EQ(gradient(change), text);
    return text;
  }

  BatchNormCall call;
  BatchNormForward forward;
  Array x, out;
};

TEST_F(BatchNormErrors, Rules) {
  EXPECT_EQ(message([](BatchNormCall &c) { c.rules.epsilon = -1; }),
            "epsilon: -1, expected a finite number not below 0");
  EXPECT_EQ(message([](BatchNormCall &c) {
              c.rules.momentum = std::numeric_limits<double>::quiet_NaN();
            }),
            "momentum: nan, expected a finite number");
  EXPECT_EQ(message([](BatchNormCall &c) { c.rules.clipping = {.rmin = 1, .rmax = 0.5}; }),
            "renorm_clipping: rmax 0.5 is below rmin 1, expected rmin <= rmax");
}

TEST_F(BatchNormErrors, Ghosts) {
  EXPECT_EQ(message([](BatchNormCall &c) { c.rules.ghosts.size = -2; }),
            "virtual_batch_size: -2, expected at least 1");
  EXPECT_EQ(message([](BatchNormCall &c) { c.rules.ghosts.size = 4; }),
            "virtual_batch_size: 4 does not divide the batch of 10 samples, expected a divisor or "
            "remainder 'smaller' or 'merge'");
  const Change keepAxis0 = [](BatchNormCall &c) {
    c.rules.ghosts.size = 5;
    c.kept = {0};
    c.parameters = {};
    c.moving = freshMoving(10);
  };
  EXPECT_EQ(message(keepAxis0),
            "virtual_batch_size: 5 cuts axis 0, but kept is (0,), expected axes from 1 on");

  // No axis to cut, and no room for one more.
  for (const auto &[rank, text] :
       {std::pair(0, "virtual_batch_size: 1 for data of shape (), expected an axis 0 to cut"),
        std::pair(16, "virtual_batch_size: 1 for data of rank 16, expected at most 15 (ghosts are "
                      "an axis more)")}) {
    Dims ones;
    for (int axis = 0; axis < rank; ++axis)
      ones.push_back(1);
    EXPECT_EQ(message([&](BatchNormCall &c) {
                c.x = c.dy = Tensor(x.view().data, DType::F32, ones);
                c.y = c.dx = Tensor(out.view().data, DType::F32, ones);
                c.kept = {};
                c.parameters = {};
                c.moving = freshMoving(1);
                c.rules.ghosts.size = 1;
              }),
              text);
  }
}

TEST_F(BatchNormErrors, KeptAxes) {
  EXPECT_EQ(message([](BatchNormCall &c) { c.kept = {2}; }),
            "kept: 2 is out of range, expected axes in [0, 2)");
  EXPECT_EQ(message([](BatchNormCall &c) { c.kept = {1, 0}; }),
            "kept: (1, 0), expected ascending axes, each once");
}

TEST_F(BatchNormErrors, ParametersAndMovingStatistics) {
  EXPECT_EQ(message([](BatchNormCall &c) { c.parameters.gamma.resize(3); }),
            "gamma: 3 values, expected 5, one per kept index");
  EXPECT_EQ(message([](BatchNormCall &c) { c.parameters.beta.resize(6); }),
            "beta: 6 values, expected 5, one per kept index");
  EXPECT_EQ(training([](BatchNormCall &c) { c.moving.mean.resize(1); }),
            "moving_mean: 1 values, expected 5, one per kept index");
  EXPECT_EQ(training([](BatchNormCall &c) { c.moving.variance.clear(); }),
            "moving_variance: 0 values, expected 5, one per kept index");
  EXPECT_EQ(training([](BatchNormCall &c) { c.moving.batches = -1; }),
            "batches: -1, expected at least 0");
  for (const auto &[member, name] : {std::pair(&MovingStatistics::stddev, "moving_stddev"),
                                     std::pair(&MovingStatistics::renormMean, "renorm_mean"),
                                     std::pair(&MovingStatistics::renormStddev, "renorm_stddev")})
    EXPECT_EQ(training([&, which = member](BatchNormCall &c) {
                c.rules.renorm = true;
                (c.moving.*which).clear();
              }),
              std::string(name) + ": 0 values, expected 5, one per kept index");
}

TEST_F(BatchNormErrors, MaskAndWeights) {
  const Array four = arrayOf(DType::F32, {4}, [](int64_t) { return 1; });
  EXPECT_THAT(message([&](BatchNormCall &c) { c.inputs.mask = four.view(); }),
              StartsWith("mask: shape (4,) does not broadcast from the left"));
  EXPECT_THAT(message([&](BatchNormCall &c) { c.inputs.weights = four.view(); }),
              StartsWith("weights: shape (4,) does not broadcast from the left"));
  // In the tail, which comes last.
  const Array weights = arrayOf(DType::F32, {10}, [](int64_t i) { return i == 9 ? -1 : 1; });
  EXPECT_THAT(message([&](BatchNormCall &c) { c.inputs.weights = weights.view(); }),
              StartsWith("weights: value -1 at index (9,)"));
  forward = [&] {
    BatchNormCall cut = call;
    cut.rules.ghosts = {4, GhostGrouping::Strided, GhostRemainder::Smaller};
    return cut.train(*shared()).forward;
  }();
  EXPECT_THAT(message([&](BatchNormCall &c) {
                c.inputs.weights = weights.view();
                c.rules.ghosts = {4, GhostGrouping::Strided, GhostRemainder::Smaller};
              }),
              StartsWith("samples [8, 10) as 1 ghosts: weights: value -1 at index (1,)"));
}

TEST_F(BatchNormErrors, Adjustment) {
  const Array four = arrayOf(DType::F32, {4}, [](int64_t) { return 1; });
  const Array whole = arrayOf(DType::I32, {5}, [](int64_t) { return 1; });
  EXPECT_EQ(message([&](BatchNormCall &c) { c.inputs.adjustScale = four.view(); }),
            "adjust_scale: shape (4,) does not broadcast from the right to the data's shape (10, "
            "5); every extent must be the data's or 1");
  EXPECT_EQ(message([&](BatchNormCall &c) { c.inputs.adjustBias = whole.view(); }),
            "adjust_bias: dtype i32, expected f32, f64, f16 or bf16");
  const Tensor deep(four.view().data, DType::F32, {1, 1, 1});
  EXPECT_THAT(message([&](BatchNormCall &c) { c.inputs.adjustBias = deep; }),
              StartsWith("adjust_bias: shape (1, 1, 1) does not broadcast"));
  EXPECT_THAT(
      message([&](BatchNormCall &c) { c.inputs.adjustBias = Tensor(nullptr, DType::F32, {5}); }),
      StartsWith("adjust_bias: data is null"));
}

TEST_F(BatchNormErrors, Results) {
  const Array integers = arrayOf(DType::I32, {10, 5}, [](int64_t) { return 1; });
  const Tensor few(out.view().data, DType::F32, {5, 5});
  EXPECT_EQ(training([&](BatchNormCall &c) { c.y = integers.view(); }),
            "y: dtype i32, expected f32, f64, f16 or bf16");
  EXPECT_EQ(gradient([&](BatchNormCall &c) { c.dx = integers.view(); }),
            "dx: dtype i32, expected f32, f64, f16 or bf16");
  EXPECT_EQ(training([&](BatchNormCall &c) { c.y = few; }),
            "y: shape (5, 5), expected (10, 5), the shape of x");
  EXPECT_EQ(gradient([&](BatchNormCall &c) { c.dx = few; }),
            "dx: shape (5, 5), expected (10, 5), the shape of x");
  EXPECT_EQ(gradient([&](BatchNormCall &c) { c.dy = few; }),
            "dy: shape (5, 5), expected (10, 5), the shape of x");
  EXPECT_EQ(message([](BatchNormCall &c) { c.compute = DType::F16; }),
            "compute: dtype f16, expected f32 or f64");
}

TEST_F(BatchNormErrors, AForwardPassOfSomethingElse) {
  const Change nothing = [](BatchNormCall &) {};
  const BatchNormForward good = forward;
  forward = {};
  EXPECT_EQ(gradient(nothing), "forward: groups of shape (), expected (5,), those of x");
  forward = good;
  EXPECT_EQ(gradient([](BatchNormCall &c) { c.rules.ghosts.size = 5; }),
            "forward: groups of shape (5,), expected (2, 5), those of x");
  EXPECT_EQ(gradient([](BatchNormCall &c) { c.rules.renorm = true; }),
            "forward.r: 0 values, expected 5");
  forward.mean.pop_back();
  EXPECT_EQ(gradient(nothing), "forward.mean: 4 values, expected 5");
}

TEST_F(BatchNormErrors, Inference) {
  const auto inference = [&](const Values &mean, const Values &variance, double epsilon,
                             const BatchNormParameters &parameters) {
    return messageOf(batchNormInference(*shared(), x, Dims{1}, mean, variance, epsilon, parameters,
                                        DType::F32, out));
  };
  const Values five(5, 1);
  EXPECT_EQ(inference(Values(4), five, 1, {}), "mean: 4 values, expected 5, one per kept index");
  EXPECT_EQ(inference(five, {}, 1, {}), "variance: 0 values, expected 5, one per kept index");
  EXPECT_EQ(inference(five, five, -1, {}), "epsilon: -1, expected a finite number not below 0");
  EXPECT_EQ(inference(five, five, 1, {.gamma = {1}}),
            "gamma: 1 values, expected 5, one per kept index");
}

} // namespace
