//===- BatchNormCall.h - A call of batch normalization ----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_BATCHNORMCALL_H
#define NORMA_UNITTESTS_RUNTIME_BATCHNORMCALL_H

#include "EngineTest.h"

#include "norma/Reference/BatchNorm.h"
#include "norma/Runtime/BatchNorm.h"

namespace norma::test {

/// Keras' initial state: mean 0, variance 1.
inline MovingStatistics freshMoving(size_t size) {
  const std::vector<double> zeros(size, 0), ones(size, 1);
  return {
      .mean = zeros, .variance = ones, .stddev = ones, .renormMean = zeros, .renormStddev = ones};
}

/// The arguments of a training pass and its gradient; what is not given is new, and
/// what a test does not care about has its standard. Axis 1 is kept.
struct BatchNormCall {
  struct Trained {
    Array y;
    BatchNormForward forward;
  };
  struct Gradient {
    Array dx;
    BatchNormGradients gradients;
  };

  Tensor x = {}, dy = {};
  BatchNormRules rules = {};
  Dims kept = {1};
  BatchNormParameters parameters = {};
  MovingStatistics moving = {};
  BatchNormInputs inputs = {};
  DType compute = DType::F32, output = DType::F32;
  std::optional<Tensor> y = {}, dx = {};

  MovingStatistics movingOrFresh() const {
    return moving.mean.empty() ? freshMoving(size_t(x.shape[1])) : moving;
  }

  Expected<BatchNormForward> tryTrain(Engine &engine, const Tensor &to) const {
    return batchNormTraining(engine, x, kept, rules, parameters, movingOrFresh(), inputs, compute,
                             to);
  }
  Expected<BatchNormGradients> tryGradient(Engine &engine, const BatchNormForward &forward,
                                           const Tensor &to) const {
    return batchNormGradient(engine, x, dy, kept, rules, parameters, forward, inputs, compute, to);
  }

  Trained train(Engine &engine) const {
    Trained result;
    result.y = arrayOf(output, x.shape, [](int64_t) { return -77; });
    Expected<BatchNormForward> forward = tryTrain(engine, y ? *y : result.y.view());
    EXPECT_TRUE(forward) << forward.error().message();
    if (forward)
      result.forward = std::move(*forward);
    return result;
  }

  /// With a dy of ones where none is given.
  Gradient gradient(Engine &engine, const BatchNormForward &forward) const {
    const Array ones = arrayOf(DType::F32, x.shape, [](int64_t) { return 1; });
    BatchNormCall call = *this;
    if (!call.dy.data)
      call.dy = ones;
    Gradient result;
    result.dx = arrayOf(output, x.shape, [](int64_t) { return -77; });
    Expected<BatchNormGradients> gradients =
        call.tryGradient(engine, forward, dx ? *dx : result.dx.view());
    EXPECT_TRUE(gradients) << gradients.error().message();
    if (gradients)
      result.gradients = std::move(*gradients);
    return result;
  }

  /// What the oracle makes of contiguous data, without mask, weights and adjustment.
  reference::BatchNormResult oracle() const {
    std::vector<double> values;
    for (int64_t i = 0; i < x.size(); ++i)
      values.push_back(
          loadAsDouble(static_cast<const char *>(x.data) + i * int64_t(sizeOf(x.dtype)), x.dtype));
    return reference::batchNormTraining(values, x.shape, kept, rules, parameters, movingOrFresh(),
                                        {});
  }
};

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_BATCHNORMCALL_H
