//===- BatchNormTest.cpp - Batch normalization on kernels -----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchNormCall.h"

using namespace norma;
using namespace norma::test;

namespace {

using Values = std::vector<double>;

class BatchNorm : public EngineTest {};

//===----------------------------------------------------------------------===//
// Known numbers
//===----------------------------------------------------------------------===//

TEST_F(BatchNorm, SquaresBeyondF16) {
  const Array x = arrayOf(DType::F16, {2, 1}, [](int64_t i) { return i ? 1000 : -1000; });
  BatchNormCall call{.x = x, .output = DType::F16};
  EXPECT_EQ(valuesOf(call.train(*shared()).y), (Values{-1, 1}));
}

TEST_F(BatchNorm, MovingVarianceOfTwoSamples) {
  const Array x = arrayOf(DType::F32, {2, 1}, [](int64_t i) { return double(2 * i); });
  BatchNormCall call{.x = x, .rules = {.momentum = 0.5}};
  call.moving = {.mean = {0}, .variance = {0}};
  EXPECT_EQ(call.train(*shared()).forward.updated.variance, Values{0.5});
  call.rules.movingVariance = MovingVariance::Sample;
  EXPECT_EQ(call.train(*shared()).forward.updated.variance, Values{1});
}

TEST_F(BatchNorm, LargeMeansCostNoAccuracy) {
  Random random(3);
  struct Case {
    DType dtype;
    double mean, deviation, bound;
  };
  for (const Case &each : {Case{DType::F32, 100, 0.01, 1e-4}, Case{DType::F32, 1e4, 1, 1e-3},
                           Case{DType::BF16, 5, 0.1, 1e-5}, Case{DType::F16, 100, 1, 1e-5}}) {
    const Array x = arrayOf(each.dtype, {1000, 3},
                            [&](int64_t) { return each.mean + each.deviation * random.normal(); });
    const BatchNormCall call{.x = x, .rules = {.epsilon = 1e-8}};
    const Values y = valuesOf(call.train(*shared()).y), expected = call.oracle().y;
    for (size_t i = 0; i < y.size(); ++i)
      ASSERT_NEAR(y[i], expected[i], each.bound) << toString(each.dtype) << " " << each.mean;
  }
}

TEST_F(BatchNorm, ConstantsBecomeBeta) {
  for (const GhostBatches &ghosts :
       {GhostBatches{}, GhostBatches{4, GhostGrouping::Strided, GhostRemainder::Merge}}) {
    const Array x = arrayOf(DType::F32, {70, 2}, [](int64_t i) { return i % 2 ? 0.1 : 1e10; });
    BatchNormCall call{.x = x, .rules = {.ghosts = ghosts}};
    call.parameters = {.gamma = {3, 4}, .beta = {7, -0.5}};
    const Values y = valuesOf(call.train(*shared()).y);
    for (size_t i = 0; i < y.size(); ++i)
      ASSERT_EQ(y[i], i % 2 ? -0.5 : 7);
  }
}

TEST_F(BatchNorm, OneValuePerChannelBecomesBeta) {
  const Array x = arrayOf(DType::F32, {1, 4}, [](int64_t i) { return 10.0 * double(i) - 7; });
  BatchNormCall call{.x = x};
  call.rules.movingVariance = MovingVariance::Sample;
  call.parameters.beta = {1, 2, 3, 4};
  const auto [y, forward] = call.train(*shared());
  EXPECT_EQ(valuesOf(y), call.parameters.beta);
  for (double variance : forward.updated.variance)
    EXPECT_EQ(variance, 0.99);
  const auto [dx, gradients] = call.gradient(*shared(), forward);
  EXPECT_EQ(valuesOf(dx), Values(4, 0)) << "the output does not depend on the data";
  EXPECT_EQ(gradients.gamma, Values(4, 0));
}

TEST_F(BatchNorm, NothingChangesNothing) {
  for (const Dims &shape : {Dims{0, 3}, Dims{4, 3, 0}})
    for (int64_t ghosts : {0, 2})
      for (bool blocked : {false, true}) {
        const Array x = arrayOf(DType::F32, shape, {});
        BatchNormCall call{.x = x, .rules = {.ghosts = {.size = ghosts}}};
        call.inputs.cacheBlocked = blocked;
        const auto [y, forward] = call.train(*shared());
        EXPECT_EQ(forward.updated.mean, Values(3, 0));
        EXPECT_EQ(forward.updated.variance, Values(3, 1));
        EXPECT_EQ(forward.updated.batches, 0);
        const auto [dx, gradients] = call.gradient(*shared(), forward);
        EXPECT_EQ(gradients.gamma, Values(3, 0));
        EXPECT_EQ(gradients.beta, Values(3, 0));
      }
}

/// What adjusts nothing may have no values, also where it is as large as the data along other axes.
TEST_F(BatchNorm, NothingIsAdjusted) {
  const Array x = arrayOf(DType::F32, {4, 3, 0}, {});
  for (const Dims &shape : {Dims{0}, Dims{1, 0}, Dims{3, 0}, Dims{4, 1, 0}, Dims{4, 3, 0}})
    for (const bool repeats : {false, true}) {
      BatchNormCall call{.x = x};
      Tensor nothing(nullptr, DType::F64, shape);
      if (repeats)
        for (int64_t &stride : nothing.strides)
          stride = 0;
      call.inputs.adjustScale = call.inputs.adjustBias = nothing;
      const auto [y, forward] = call.train(*shared());
      EXPECT_EQ(forward.updated.mean, Values(3, 0));
      const auto [dx, gradients] = call.gradient(*shared(), forward);
      EXPECT_EQ(gradients.gamma, Values(3, 0));
      EXPECT_EQ(gradients.beta, Values(3, 0));
    }
}

TEST_F(BatchNorm, RenormTrainsAsItInfers) {
  Random random(4);
  BatchNormCall call{.rules = {.momentum = 0.9, .renorm = true, .renormMomentum = 0.9}};
  call.parameters = {.gamma = {3, 2}, .beta = {1, -1}};
  call.moving = freshMoving(2);
  // What moving_stddev^2 - epsilon is.
  call.moving.variance = Values(2, 1 - call.rules.epsilon);
  for (int step = 0; step < 4; ++step) {
    const Array x =
        arrayOf(DType::F32, {50, 2}, [&](int64_t i) { return step + 3 * random.normal() + i % 2; });
    call.x = x;
    const auto [y, forward] = call.train(*shared());
    const Values trained = valuesOf(y), data = valuesOf(x);
    Expected<Array> inferred = Array::create(DType::F32, x.view().shape);
    ASSERT_TRUE(inferred);
    Expected<void> done =
        batchNormInference(*shared(), x, call.kept, call.moving.mean, call.moving.variance,
                           call.rules.epsilon, call.parameters, DType::F32, *inferred);
    ASSERT_TRUE(done) << done.error().message();
    const Values expected = valuesOf(*inferred);
    for (size_t i = 0; i < trained.size(); ++i) {
      EXPECT_NEAR(trained[i], expected[i], 2e-5) << "step " << step;
      if (step > 0)
        continue;
      // At first it is the identity.
      const size_t k = i % 2;
      EXPECT_NEAR(trained[i], call.parameters.gamma[k] * data[i] + call.parameters.beta[k], 2e-5);
    }
    call.moving = forward.updated;
  }
}

//===----------------------------------------------------------------------===//
// The same bits
//===----------------------------------------------------------------------===//

/// Everything that a training pass and its gradient return.
std::vector<Values> everything(const BatchNormCall &call, Engine &engine) {
  const auto [y, forward] = call.train(engine);
  const auto [dx, gradients] = call.gradient(engine, forward);
  return {valuesOf(y),    forward.count,        forward.mean,
          forward.invStd, forward.updated.mean, forward.updated.variance,
          valuesOf(dx),   gradients.gamma,      gradients.beta};
}

void expectSameBits(const std::vector<Values> &a, const std::vector<Values> &b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_TRUE(haveSameBits(a[i], b[i])) << "value " << i;
}

Array normal(DType dtype, const Dims &shape, uint64_t seed) {
  Random random(seed);
  return arrayOf(dtype, shape, [&](int64_t) { return 3 + 2 * random.normal(); });
}

TEST_F(BatchNorm, OneGhostIsThePlainBatch) {
  const Array x = normal(DType::F32, {60, 5, 7}, 5), dy = normal(DType::F32, {60, 5, 7}, 6);
  BatchNormCall call{.x = x, .dy = dy};
  const std::vector<Values> plain = everything(call, *shared());
  for (GhostGrouping grouping : {GhostGrouping::Strided, GhostGrouping::Contiguous}) {
    call.rules.ghosts = {60, grouping, GhostRemainder::Error};
    expectSameBits(everything(call, *shared()), plain);
    call.rules.ghosts = {61, grouping, GhostRemainder::Smaller};
    expectSameBits(everything(call, *shared()), plain);
  }
}

TEST_F(BatchNorm, TheResultDoesNotDependOnMomentum) {
  const Array x = normal(DType::F32, {60, 5}, 5);
  BatchNormCall call{.x = x};
  const Values y = valuesOf(call.train(*shared()).y);
  for (std::optional<double> momentum : {std::optional<double>(0), std::optional<double>(1), {}}) {
    call.rules.momentum = momentum;
    EXPECT_TRUE(haveSameBits(valuesOf(call.train(*shared()).y), y));
  }
}

TEST_F(BatchNorm, SameBitsForEveryNumberOfThreads) {
  const std::shared_ptr<Engine> engines[] = {engineWith({.threads = 1}), engineWith({.threads = 2}),
                                             engineWith({.threads = 7})};
  const GhostBatches ghosts[] = {{}, {300, GhostGrouping::Strided, GhostRemainder::Merge}};
  for (const Dims &shape : {Dims{20'000, 13}, Dims{1'000, 16, 30}})
    for (const GhostBatches &cut : ghosts)
      for (bool blocked : {false, true}) {
        const Array x = normal(DType::F32, shape, 7), dy = normal(DType::F32, shape, 8);
        BatchNormCall call{.x = x, .dy = dy, .rules = {.ghosts = cut}};
        call.inputs.cacheBlocked = blocked;
        const std::vector<Values> first = everything(call, *engines[0]);
        for (const std::shared_ptr<Engine> &engine : engines)
          expectSameBits(everything(call, *engine), first);
      }
}

TEST_F(BatchNorm, InPlace) {
  const Array x = normal(DType::F32, {50, 4, 3}, 9), dy = normal(DType::F32, {50, 4, 3}, 10);
  for (int64_t size : {0, 8}) {
    BatchNormCall call{.x = x, .dy = dy};
    call.rules.ghosts = {size, GhostGrouping::Strided, GhostRemainder::Smaller};
    const auto [y, forward] = call.train(*shared());
    const auto [dx, gradients] = call.gradient(*shared(), forward);

    Expected<Array> ours = Array::copyOf(x), gradient = Array::copyOf(dy);
    ASSERT_TRUE(ours && gradient);
    call.y = ours->view();
    call.x = ours->view();
    (void)call.train(*shared());
    EXPECT_EQ(valuesOf(*ours), valuesOf(y));
    call.x = x;
    call.dy = gradient->view();
    call.dx = gradient->view();
    (void)call.gradient(*shared(), forward);
    EXPECT_EQ(valuesOf(*gradient), valuesOf(dx));
  }
}

TEST_F(BatchNorm, AnAdjustmentMayLieWhereTheResultDoes) {
  const Array x = normal(DType::F32, {10, 3}, 11), bias = normal(DType::F32, {10, 3}, 12);
  BatchNormCall call{.x = x};
  call.rules.ghosts = {4, GhostGrouping::Strided, GhostRemainder::Smaller};
  call.inputs.adjustBias = bias.view();
  const Values y = valuesOf(call.train(*shared()).y);
  call.y = bias.view();
  (void)call.train(*shared());
  EXPECT_EQ(valuesOf(bias), y);
}

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

TEST_F(BatchNorm, WhatIsMaskedMayBeAnything) {
  const Array clean = normal(DType::F32, {40, 3}, 13), dy = normal(DType::F32, {40, 3}, 14);
  const Array mask = arrayOf(DType::Bool, {40}, [](int64_t i) { return double(i % 5 != 0); });
  const Array x = arrayOf(DType::F32, {40, 3}, [&](int64_t i) {
    return i / 3 % 5 ? double(clean.as<float>()[i]) : std::numeric_limits<double>::quiet_NaN();
  });
  for (int64_t size : {0, 7}) {
    BatchNormCall call{.x = clean, .dy = dy};
    call.rules.ghosts = {size, GhostGrouping::Contiguous, GhostRemainder::Merge};
    call.inputs.mask = mask.view();
    const auto [expected, expectedForward] = call.train(*shared());
    call.x = x;
    const auto [y, forward] = call.train(*shared());
    EXPECT_TRUE(haveSameBits(forward.mean, expectedForward.mean));
    EXPECT_TRUE(haveSameBits(forward.updated.variance, expectedForward.updated.variance));
    const auto [dx, gradients] = call.gradient(*shared(), forward);
    const Values results = valuesOf(y), wanted = valuesOf(expected), dxs = valuesOf(dx);
    for (size_t i = 0; i < results.size(); ++i) {
      EXPECT_EQ(std::isnan(results[i]), i / 3 % 5 == 0);
      EXPECT_TRUE(std::isnan(results[i]) || results[i] == wanted[i]);
      EXPECT_TRUE(std::isfinite(dxs[i]));
    }
    for (size_t k = 0; k < 3; ++k)
      EXPECT_TRUE(std::isfinite(gradients.gamma[k]) && std::isfinite(gradients.beta[k]));
  }
}

TEST_F(BatchNorm, BlocksAgreeWithTheWhole) {
  // Of a size at which blocks pay.
  const Array x = normal(DType::F32, {8, 64, 8'000}, 15);
  BatchNormCall call{.x = x};
  call.rules.renorm = true;
  call.moving = freshMoving(64);
  Random random(16);
  for (int64_t i = 0; i < 64; ++i) {
    call.parameters.gamma.push_back(random.normal());
    call.parameters.beta.push_back(random.normal());
    call.moving.renormMean[size_t(i)] = random.normal();
    call.moving.renormStddev[size_t(i)] = random.between(0.5, 2);
  }
  const auto [whole, forward] = call.train(*shared());
  call.inputs.cacheBlocked = true;
  const auto [blocked, blockedForward] = call.train(*shared());
  const auto expectNear = [](const Values &a, const Values &b, double bound) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i)
      ASSERT_NEAR(a[i], b[i], bound) << i;
  };
  expectNear(valuesOf(blocked), valuesOf(whole), 1e-4);
  expectNear(blockedForward.r, forward.r, 1e-5);
  expectNear(blockedForward.d, forward.d, 1e-5);
  expectNear(blockedForward.updated.mean, forward.updated.mean, 1e-5);
  expectNear(blockedForward.updated.variance, forward.updated.variance, 1e-5);
  EXPECT_EQ(blockedForward.updated.batches, 1);
}

TEST_F(BatchNorm, AFrozenLayerTakesAnyBatch) {
  const Array x = normal(DType::F32, {10, 3}, 17), dy = normal(DType::F32, {10, 3}, 18);
  BatchNormCall call{.x = x, .dy = dy};
  call.rules = {.ghosts = {.size = 4}, .useBatchStatistics = false, .updateMoving = false};
  const auto [y, forward] = call.train(*shared());
  EXPECT_EQ(forward.groupShape, Dims{3});
  EXPECT_EQ(forward.count, Values(3, 0)) << "nothing was looked at";
  EXPECT_EQ(forward.updated.mean, call.movingOrFresh().mean);
  const auto [dx, gradients] = call.gradient(*shared(), forward);
  const double invStd = 1 / std::sqrt(1 + 1e-3);
  for (size_t i = 0; i < 30; ++i) {
    EXPECT_NEAR(valuesOf(y)[i], valuesOf(x)[i] * invStd, 1e-6);
    EXPECT_NEAR(valuesOf(dx)[i], valuesOf(dy)[i] * invStd, 1e-6);
  }
}

} // namespace
