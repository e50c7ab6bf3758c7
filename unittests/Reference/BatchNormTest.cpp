//===- BatchNormTest.cpp - The oracle of batch normalization --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Known numbers, and the gradient by central differences of the forward pass.
//
//===----------------------------------------------------------------------===//

#include "norma/Reference/BatchNorm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

using namespace norma;
using reference::BatchNormInputs;

namespace {

using Values = std::vector<double>;
const double kNaN = std::numeric_limits<double>::quiet_NaN();

/// A call of the oracle with everything but the data at its standard.
struct Call {
  Dims shape, kept = {1};
  BatchNormRules rules = {};
  BatchNormParameters parameters = {};
  MovingStatistics moving = {};
  BatchNormInputs inputs = {};

  reference::BatchNormResult operator()(const Values &x) const {
    return reference::batchNormTraining(x, shape, kept, rules, parameters, moving, inputs);
  }
};

/// Keras' state: mean 0, variance 1.
MovingStatistics freshState(size_t size) {
  return {.mean = Values(size, 0),
          .variance = Values(size, 1),
          .stddev = Values(size, 1),
          .renormMean = Values(size, 0),
          .renormStddev = Values(size, 1)};
}

void expectNear(const Values &actual, const Values &expected, double bound) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i)
    EXPECT_NEAR(actual[i], expected[i], bound) << "at " << i;
}

//===----------------------------------------------------------------------===//
// Known numbers
//===----------------------------------------------------------------------===//

TEST(BatchNormReference, TwoSamples) {
  Call call{.shape = {2, 1}, .moving = freshState(1)};
  expectNear(call({-1000, 1000}).y, {-1, 1}, 1e-9);

  call.moving.variance = {0};
  call.rules.momentum = 0.5;
  EXPECT_EQ(call({0, 2}).forward.updated.variance, Values{0.5});
  call.rules.movingVariance = MovingVariance::Sample;
  EXPECT_EQ(call({0, 2}).forward.updated.variance, Values{1});
  EXPECT_EQ(call({0, 2}).forward.updated.mean, Values{0.5});
  EXPECT_EQ(call({0, 2}).forward.updated.batches, 1);
}

TEST(BatchNormReference, StatisticsOfKeptIndices) {
  const Call call{.shape = {2, 2, 2},
                  .rules = {.epsilon = 1},
                  .parameters = {.gamma = {1, 2}, .beta = {0, 5}},
                  .moving = freshState(2)};
  const auto [y, forward] = call({1, 3, 7, 7, 1, 3, 7, 7});
  EXPECT_EQ(forward.groupShape, Dims{2});
  EXPECT_EQ(forward.count, (Values{4, 4}));
  EXPECT_EQ(forward.mean, (Values{2, 7}));
  EXPECT_EQ(forward.invStd, (Values{std::sqrt(0.5), 1}));
  const double s = std::sqrt(0.5);
  expectNear(y, {-s, s, 5, 5, -s, s, 5, 5}, 1e-15);
}

TEST(BatchNormReference, OneValuePerChannelAndNone) {
  Call call{.shape = {1, 3}, .parameters = {.beta = {4, 5, 6}}, .moving = freshState(3)};
  EXPECT_EQ(call({1e10, -7, 0}).y, (Values{4, 5, 6}));
  for (const GhostBatches &ghosts : {GhostBatches{}, GhostBatches{.size = 2}}) {
    call.shape = {0, 3};
    call.rules.ghosts = ghosts;
    const auto [y, forward] = call({});
    EXPECT_TRUE(y.empty());
    EXPECT_EQ(forward.updated.mean, Values(3, 0));
    EXPECT_EQ(forward.updated.variance, Values(3, 1));
    EXPECT_EQ(forward.updated.batches, 0);
    EXPECT_EQ(forward.groupShape, ghosts.size ? (Dims{0, 3}) : Dims{3});
  }
}

TEST(BatchNormReference, NaNStaysInItsKeptIndex) {
  const Call call{.shape = {2, 2}, .moving = freshState(2)};
  const auto [y, forward] = call({kNaN, -1000, 0, 1000});
  EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[2]));
  EXPECT_TRUE(std::isnan(forward.updated.mean[0]) && std::isnan(forward.updated.variance[0]));
  EXPECT_NEAR(y[3], 1, 1e-9);
  EXPECT_EQ(forward.updated.mean[1], 0);
}

TEST(BatchNormReference, MaskAndWeights) {
  Call call{.shape = {4, 1}, .rules = {.epsilon = 0, .momentum = 0}, .moving = freshState(1)};
  call.inputs.mask = {1, 0, 1, 0};
  const auto masked = call({-3, 17, 3, kNaN});
  EXPECT_EQ(masked.forward.count, Values{2});
  expectNear({masked.y.begin(), masked.y.begin() + 3}, {-1, 17.0 / 3, 1}, 1e-15);
  EXPECT_TRUE(std::isnan(masked.y[3]));
  EXPECT_EQ(masked.forward.updated.variance, Values{9});

  call.inputs = {.mask = {}, .weights = {3, 1, 0, 0}, .adjustScale = {}, .adjustBias = {}};
  const auto weighted = call({0, 4, 100, kNaN});
  EXPECT_EQ(weighted.forward.count, Values{4});
  EXPECT_EQ(weighted.forward.mean, Values{1});
  EXPECT_EQ(weighted.forward.updated.variance, Values{3});

  call.inputs.mask = {0, 0, 0, 0};
  const auto nothing = call({0, 4, 100, kNaN});
  EXPECT_EQ(nothing.forward.count, Values{0});
  EXPECT_EQ(nothing.forward.mean, Values{0});
  EXPECT_EQ(nothing.forward.updated.variance, Values{1});
}

TEST(BatchNormReference, Adjustment) {
  Call call{.shape = {2, 1},
            .rules = {.epsilon = 0},
            .parameters = {.gamma = {10}, .beta = {1}},
            .moving = freshState(1)};
  call.inputs.adjustScale = {2, 3};
  call.inputs.adjustBias = {0.5, -0.5};
  EXPECT_EQ(call({0, 2}).y, (Values{-14, 26}));
}

TEST(BatchNormReference, Frozen) {
  Call call{.shape = {2, 1},
            .rules = {.epsilon = 1, .momentum = 0.5, .renorm = true, .useBatchStatistics = false},
            .parameters = {.gamma = {2}, .beta = {1}},
            .moving = freshState(1)};
  call.moving.mean = {4};
  call.moving.variance = {3};
  const auto [y, forward] = call({6, 10});
  EXPECT_EQ(y, (Values{3, 7}));
  EXPECT_EQ(forward.mean, Values{4});
  EXPECT_EQ(forward.invStd, Values{0.5});
  EXPECT_EQ(forward.count, Values{2});
  EXPECT_TRUE(forward.r.empty());
  EXPECT_EQ(forward.updated.mean, Values{6});
  // A batch that cannot be cut does not matter where no statistics are needed.
  call.rules.updateMoving = false;
  call.rules.ghosts.size = 7;
  EXPECT_EQ(call({6, 10}).y, y);
  EXPECT_EQ(call({6, 10}).forward.updated.mean, Values{4});
}

TEST(BatchNormReference, CumulativeAverage) {
  Call call{.shape = {2, 1}, .rules = {.momentum = std::nullopt}, .moving = freshState(1)};
  for (double center : {3.0, 5.0, 10.0})
    call.moving = call({center - 1, center + 1}).forward.updated;
  EXPECT_EQ(call.moving.batches, 3);
  EXPECT_DOUBLE_EQ(call.moving.mean[0], 6);
  EXPECT_DOUBLE_EQ(call.moving.variance[0], 1);
}

//===----------------------------------------------------------------------===//
// Ghosts
//===----------------------------------------------------------------------===//

/// The sums of samples 0, 1, 2, ... of every ghost, as powers of two.
std::vector<int64_t> membersOf(const GhostBatches &ghosts, int64_t samples) {
  Values x;
  for (int64_t i = 0; i < samples; ++i)
    x.push_back(double(int64_t(1) << i));
  const Call call{.shape = {samples, 1}, .rules = {.ghosts = ghosts}, .moving = freshState(1)};
  const BatchNormForward forward = call(x).forward;
  std::vector<int64_t> members;
  for (size_t g = 0; g < forward.count.size(); ++g)
    members.push_back(std::llround(forward.count[g] * forward.mean[g]));
  return members;
}

TEST(BatchNormReference, GhostsHoldTheirSamples) {
  using enum GhostGrouping;
  using enum GhostRemainder;
  using Members = std::vector<int64_t>;
  EXPECT_EQ(membersOf({2, Strided, Error}, 6), (Members{0b001001, 0b010010, 0b100100}));
  EXPECT_EQ(membersOf({2, Contiguous, Error}, 6), (Members{0b000011, 0b001100, 0b110000}));
  EXPECT_EQ(membersOf({3, Strided, Smaller}, 8), (Members{0b010101, 0b101010, 0b11000000}));
  EXPECT_EQ(membersOf({3, Contiguous, Smaller}, 8), (Members{0b000111, 0b111000, 0b11000000}));
  EXPECT_EQ(membersOf({3, Strided, Merge}, 8), (Members{0b010101, 0b11101010}));
  EXPECT_EQ(membersOf({3, Contiguous, Merge}, 8), (Members{0b000111, 0b11111000}));
  for (GhostGrouping grouping : {Strided, Contiguous})
    for (GhostRemainder remainder : {Smaller, Merge})
      EXPECT_EQ(membersOf({5, grouping, remainder}, 3), Members{0b111});
}

TEST(BatchNormReference, EveryGhostIsNormalizedByItself) {
  const Call call{.shape = {4, 1},
                  .rules = {.epsilon = 0, .momentum = 0, .ghosts = {.size = 2}},
                  .moving = freshState(1)};
  const auto [y, forward] = call({0, 100, 2, 104});
  EXPECT_EQ(y, (Values{-1, -1, 1, 1}));
  EXPECT_EQ(forward.groupShape, (Dims{2, 1}));
  EXPECT_EQ(forward.mean, (Values{1, 102}));
  EXPECT_EQ(forward.updated.mean, Values{51.5});
  EXPECT_EQ(forward.updated.variance, Values{2.5});
}

//===----------------------------------------------------------------------===//
// Renorm
//===----------------------------------------------------------------------===//

TEST(BatchNormReference, RenormIsTheIdentityAtFirst) {
  const Call call{.shape = {4, 1},
                  .rules = {.renorm = true},
                  .parameters = {.gamma = {3}, .beta = {1}},
                  .moving = freshState(1)};
  expectNear(call({5, -2, 0.25, 9}).y, {16, -5, 1.75, 28}, 1e-14);
}

TEST(BatchNormReference, RenormTrainsAsItInfers) {
  Call call{.shape = {4, 1},
            .rules = {.momentum = 0.9, .renorm = true, .renormMomentum = 0.9},
            .parameters = {.gamma = {3}, .beta = {1}},
            .moving = freshState(1)};
  // The state starts as moving_stddev^2 - epsilon has it.
  call.moving.variance = {1 - call.rules.epsilon};
  for (int step = 0; step < 5; ++step) {
    const Values x = {5.0 + step, -2, 0.25 * step, 9};
    const auto [y, forward] = call(x);
    Call inference = call;
    inference.rules.useBatchStatistics = inference.rules.updateMoving = false;
    expectNear(y, inference(x).y, 1e-13);
    call.moving = forward.updated;
  }
}

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

/// What is combined with what.
struct Combination {
  GhostBatches ghosts;
  bool renorm, mask, weights, adjustment, frozen;
};

std::vector<Combination> allCombinations() {
  using enum GhostGrouping;
  using enum GhostRemainder;
  std::vector<Combination> result;
  for (const GhostBatches &ghosts :
       {GhostBatches{}, GhostBatches{3, Strided, Error}, GhostBatches{3, Contiguous, Error},
        GhostBatches{4, Strided, Smaller}, GhostBatches{4, Contiguous, Smaller},
        GhostBatches{2, Strided, Merge}, GhostBatches{2, Contiguous, Merge},
        GhostBatches{9, Strided, Merge}})
    for (int bits = 0; bits < 32; ++bits)
      result.push_back({ghosts, bool(bits & 1), bool(bits & 2), bool(bits & 4), bool(bits & 8),
                        bool(bits & 16)});
  return result;
}

/// Numbers without a pattern in [-1, 1].
Values noise(size_t size, double seed) {
  Values result;
  for (size_t i = 0; i < size; ++i)
    result.push_back(std::sin(seed + 12.9898 * double(i) * double(i + 3)));
  return result;
}

/// The derivative of `function` for each of `at`.
template <typename Function>
Values centralDifferences(Values at, Function function) {
  constexpr double kStep = 1e-5;
  Values result;
  for (double &value : at) {
    const double center = value;
    value = center + kStep;
    const double above = function(at);
    value = center - kStep;
    const double below = function(at);
    value = center;
    result.push_back((above - below) / (2 * kStep));
  }
  return result;
}

TEST(BatchNormReference, GradientsAreCentralDifferences) {
  const size_t channels = 3;
  for (const Combination &each : allCombinations()) {
    const int64_t samples = each.ghosts.remainder == GhostRemainder::Error ? 6 : 5;
    Call call{.shape = {samples, int64_t(channels), 2}};
    const auto size = size_t(samples) * channels * 2;
    call.rules = {.epsilon = 0.1,
                  .renorm = each.renorm,
                  .ghosts = each.ghosts,
                  .useBatchStatistics = !each.frozen};
    call.parameters = {.gamma = {1.5, -0.5, 2}, .beta = {0, 1, -1}};
    call.moving = {.mean = {0.1, -0.2, 0.3},
                   .variance = {0.7, 1.1, 2},
                   .stddev = {0.8, 1, 1.4},
                   .renormMean = {-0.1, 0.2, 0.5},
                   .renormStddev = {0.9, 0.6, 1.3}};
    const Values x = noise(size, 1), dy = noise(size, 2);
    if (each.mask)
      for (double value : noise(size, 3))
        call.inputs.mask.push_back(value > -0.5);
    if (each.weights)
      for (double value : noise(size, 4))
        call.inputs.weights.push_back(std::max(value + 0.7, 0.0));
    if (each.adjustment) {
      call.inputs.adjustScale = noise(size, 5);
      call.inputs.adjustBias = noise(size, 6);
    }
    SCOPED_TRACE(testing::Message()
                 << "ghosts of " << each.ghosts.size << ", " << toString(each.ghosts.grouping)
                 << ", " << toString(each.ghosts.remainder) << ", renorm " << each.renorm
                 << ", mask " << each.mask << ", weights " << each.weights << ", adjustment "
                 << each.adjustment << ", frozen " << each.frozen);

    const BatchNormForward forward = call(x).forward;
    const reference::BatchNormGradientResult gradient = reference::batchNormGradient(
        x, dy, call.shape, call.kept, call.rules, call.parameters, forward, call.inputs);

    // r and d are constants: without renorm, as an adjustment before the adjustment.
    Call constant = call;
    if (!forward.r.empty()) {
      constant.rules.renorm = false;
      constant.inputs.adjustScale.resize(size, 1);
      constant.inputs.adjustBias.resize(size, 0);
      for (size_t e = 0; e < size; ++e) {
        const size_t k = e / 2 % channels;
        double &a = constant.inputs.adjustScale[e];
        constant.inputs.adjustBias[e] += a * forward.d[k];
        a *= forward.r[k];
      }
    }
    const auto loss = [&](const Values &y) {
      return std::inner_product(y.begin(), y.end(), dy.begin(), 0.0);
    };
    expectNear(constant(x).y, call(x).y, 1e-12);
    expectNear(gradient.dx,
               centralDifferences(x, [&](const Values &at) { return loss(constant(at).y); }), 1e-7);
    expectNear(gradient.dgamma,
               centralDifferences(call.parameters.gamma,
                                  [&](const Values &at) {
                                    Call moved = constant;
                                    moved.parameters.gamma = at;
                                    return loss(moved(x).y);
                                  }),
               1e-7);
    expectNear(gradient.dbeta,
               centralDifferences(call.parameters.beta,
                                  [&](const Values &at) {
                                    Call moved = constant;
                                    moved.parameters.beta = at;
                                    return loss(moved(x).y);
                                  }),
               1e-7);
  }
}

TEST(BatchNormReference, MaskedNaNIsHarmlessInTheGradient) {
  Call call{.shape = {4, 1}, .moving = freshState(1)};
  call.inputs.mask = {1, 1, 1, 0};
  const Values dy = {1, 2, 5, 3};
  const auto gradientOf = [&](const Values &x) {
    return reference::batchNormGradient(x, dy, call.shape, call.kept, call.rules, call.parameters,
                                        call(x).forward, call.inputs);
  };
  const auto gradient = gradientOf({1, 2, 4, kNaN});
  EXPECT_EQ(gradient.dbeta, Values{8}) << "the masked element takes no part";
  EXPECT_TRUE(std::isfinite(gradient.dgamma[0]));
  for (double value : gradient.dx)
    EXPECT_TRUE(std::isfinite(value));
  EXPECT_EQ(gradientOf({1, 2, 4, 100}).dbeta, Values{11}) << "a finite one does";
}

TEST(BatchNormReference, GradientOfNothing) {
  const Call call{.shape = {0, 2}, .rules = {.ghosts = {.size = 2}}, .moving = freshState(2)};
  const auto gradient = reference::batchNormGradient({}, {}, call.shape, call.kept, call.rules,
                                                     call.parameters, call({}).forward, {});
  EXPECT_TRUE(gradient.dx.empty());
  EXPECT_EQ(gradient.dgamma, Values(2, 0));
  EXPECT_EQ(gradient.dbeta, Values(2, 0));
}

} // namespace
