//===- BatchNorm.h - Batch normalization as functions -----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Training, inference and gradient on compiled kernels, without a layer around
// them: state comes in and goes out as values. Ghost batches, renorm, adjustment,
// mask, weights and synchronization combine freely. BatchNormalization is the layer
// on top. The formulas are those of the ops norma.batch_norm, .batch_norm_training
// and .batch_norm_grad (docs/generated/dialect.md).
//
//   BatchNormRules rules{.epsilon = 1e-5, .momentum = 0.9};
//   auto forward = batchNormTraining(*engine, x, {{3}}, rules, parameters, moving, {}, DType::F32,
//                                    y);
//   moving = forward->updated;
//   auto gradient = batchNormGradient(*engine, x, dy, {{3}}, rules, parameters, *forward, {},
//                                     DType::F32, dx);
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_BATCHNORM_H
#define NORMA_RUNTIME_BATCHNORM_H

#include "norma/Runtime/Engine.h"
#include "norma/Support/BatchNorm.h"

#include <functional>

namespace norma {

/// Adds `values` up over all participants, in place: MPI_Allreduce with MPI_SUM, or
/// its like. Every participant makes the same calls with the same number of values.
using AllReduce = std::function<Expected<void>(std::span<double> values)>;

/// Optional inputs beside the data.
struct BatchNormInputs {
  /// What enters the statistics, and how much: see MomentsOptions.
  std::optional<Tensor> mask = {}, weights = {};
  /// Applied between normalization and gamma, beta. Of any float type; broadcast to
  /// the data as NumPy does (from the right).
  std::optional<Tensor> adjustScale = {}, adjustBias = {};
  /// Statistics, and the sums of the gradient, are those of all participants. With
  /// ghosts, ghost j of all participants is one group, and their numbers of ghosts
  /// must agree. A participant may have an empty batch where there are no ghosts.
  AllReduce allReduce = {};
  /// Work in blocks of kept indices that stay in the cache between the reduction and
  /// the map, where the data allows it (no ghosts, adjustment or synchronization).
  bool cacheBlocked = false;
};

/// Arrays of an earlier pass that nobody needs any more. The next one takes them for its own:
/// each thread finds what it wrote to in its cache, and none has to clear what all write.
struct BatchNormMemory {
  std::vector<double> count = {}, mean = {}, m2 = {}, invStd = {};
};

/// What a training pass multiplies by and adds, per kept index; `dx` is written to
/// the tensor given.
struct BatchNormGradients {
  std::vector<double> gamma, beta;
};

/// Normalizes `x` into `y` (see Engine::affine for what y may be) and returns what
/// the gradient needs and what the moving statistics become. `compute` is the type the map is
/// evaluated in, F32 or F64. Empty data leaves the moving statistics as they are. Errors: those of
/// checkBatchNormRules; kept axes that are not ascending or out of range; with ghosts, a kept axis
/// 0 or a batch that cannot be cut; parameters or moving statistics that do not have one value per
/// kept index; inputs that do not broadcast. Nothing is written then. Of `memory`, m2 is left.
Expected<BatchNormForward>
batchNormTraining(Engine &engine, const Tensor &x, std::span<const int64_t> kept,
                  const BatchNormRules &rules, const BatchNormParameters &parameters,
                  MovingStatistics moving, const BatchNormInputs &inputs, DType compute,
                  const Tensor &y, BatchNormMemory *memory = nullptr);

/// y = gamma * (x - mean) / sqrt(variance + epsilon) + beta.
Expected<void> batchNormInference(Engine &engine, const Tensor &x, std::span<const int64_t> kept,
                                  std::span<const double> mean, std::span<const double> variance,
                                  double epsilon, const BatchNormParameters &parameters,
                                  DType compute, const Tensor &y);

/// batchNormInference() in two steps, for calls that are repeated: see Engine::planAffine.
/// What is given is copied.
Expected<AffinePlan> planBatchNormInference(Engine &engine, const Tensor &x,
                                            std::span<const int64_t> kept,
                                            std::span<const double> mean,
                                            std::span<const double> variance, double epsilon,
                                            const BatchNormParameters &parameters, DType compute,
                                            const Tensor &y);

/// The gradient of the training pass that returned `forward` with the same x, kept,
/// rules, parameters and inputs, given that of its result; with
/// rules.useBatchStatistics false, of a frozen one. `dx` has the shape of x and may
/// be dy. Under synchronization gamma's and beta's gradients are those of this
/// participant.
Expected<BatchNormGradients>
batchNormGradient(Engine &engine, const Tensor &x, const Tensor &dy, std::span<const int64_t> kept,
                  const BatchNormRules &rules, const BatchNormParameters &parameters,
                  const BatchNormForward &forward, const BatchNormInputs &inputs, DType compute,
                  const Tensor &dx);

} // namespace norma

#endif // NORMA_RUNTIME_BATCHNORM_H
