//===- Training.cpp - The forward passes ----------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../EngineImpl.h"
#include "Adjustment.h"
#include "Checks.h"

#include "norma/Support/AxisForm.h"
#include "norma/Support/BatchNormRange.h"
#include "norma/Support/OutOfMemory.h"

#include <algorithm>
#include <functional>

namespace norma {

//===----------------------------------------------------------------------===//
// Statistics
//===----------------------------------------------------------------------===//

/// The statistics of groups [first, first + size).
static Statistics slice(const Statistics &all, int64_t first, int64_t size) {
  const auto part = [&](const std::vector<double> &values) {
    return std::vector<double>(values.begin() + first, values.begin() + first + size);
  };
  return {{size}, part(all.count), part(all.mean), part(all.m2)};
}

/// The statistics of all groups of the local batch.
static Expected<Statistics> localStatistics(Engine &engine, const Tensor &x,
                                            const BatchGroups &groups,
                                            const BatchNormInputs &inputs) {
  Statistics all = Statistics::zeros(groups.groupShape);
  for (const BatchPiece &piece : groups.pieces) {
    MomentsOptions options;
    if (inputs.mask)
      options.mask = piece.view(*inputs.mask);
    if (inputs.weights)
      options.weights = piece.view(*inputs.weights);
    Expected<Statistics> part = engine.moments(piece.view(x), piece.kept, options);
    if (!part)
      return piece.located(part.takeError());
    // A tail may belong to a ghost of the body.
    const int64_t first = groups.first(piece), size = part->size();
    Statistics merged = slice(all, first, size);
    part->shape = merged.shape;
    if (Expected<void> ok = mergeStatistics(merged, *part); !ok)
      return ok.takeError();
    std::copy(merged.count.begin(), merged.count.end(), all.count.begin() + first);
    std::copy(merged.mean.begin(), merged.mean.end(), all.mean.begin() + first);
    std::copy(merged.m2.begin(), merged.m2.end(), all.m2.begin() + first);
  }
  return all;
}

/// Makes `statistics` those of all participants. Two rounds, so that squares are of
/// deviations from the common mean; the second also makes good how the mean was rounded.
static Expected<void> synchronize(const AllReduce &allReduce, Statistics &statistics) {
  const size_t size = statistics.count.size();
  std::vector<double> sums(2 * size), squares(2 * size);
  for (size_t i = 0; i < size; ++i) {
    sums[i] = statistics.count[i];
    sums[size + i] = statistics.count[i] * statistics.mean[i];
  }
  if (Expected<void> ok = allReduce(sums); !ok)
    return ok;
  for (size_t i = 0; i < size; ++i) {
    const double n = statistics.count[i], common = sums[i] == 0 ? 0 : sums[size + i] / sums[i];
    const double apart = n == 0 ? 0 : statistics.mean[i] - common;
    statistics.mean[i] = common;
    squares[i] = statistics.m2[i] + n * apart * apart;
    squares[size + i] = n * apart;
  }
  if (Expected<void> ok = allReduce(squares); !ok)
    return ok;
  for (size_t i = 0; i < size; ++i) {
    const double n = sums[i], rest = n == 0 ? 0 : squares[size + i] / n;
    const double m2 = squares[i] - n * rest * rest;
    statistics.count[i] = n;
    statistics.mean[i] += rest;
    statistics.m2[i] = m2 < 0 ? 0 : m2;
  }
  return {};
}

//===----------------------------------------------------------------------===//
// Training
//===----------------------------------------------------------------------===//

/// Statistics and map in one call, a range of kept indices at a time.
static Expected<BatchNormForward>
trainInBlocks(Engine &engine, const Tensor &x, std::span<const int64_t> kept,
              const BatchNormRules &rules, const BatchNormParameters &parameters,
              MovingStatistics moving, const BatchNormInputs &inputs, DType compute,
              const Tensor &y, BatchNormMemory &memory) {
  RangedBatchNormForward forward(rules, keptShape(x.shape, kept), std::move(moving),
                                 std::move(memory.invStd));
  const auto write = [&](int64_t begin, int64_t end, const Statistics &statistics,
                         const CoefficientArrays &into) -> Expected<void> {
    forward.addAndMap(statistics, begin, end, parameters, into);
    return {};
  };
  Expected<Statistics> done = stateOf(engine).momentsThenAffine(
      x, kept, {.mask = inputs.mask, .weights = inputs.weights}, std::ref(write), compute, y,
      {{}, std::move(memory.count), std::move(memory.mean), std::move(memory.m2)});
  if (!done)
    return done.takeError();
  memory.m2 = std::move(done->m2);
  return forward.finish(std::move(*done));
}

/// Maps every piece. All coefficients are made first, so that an adjustment may lie where
/// `y` does.
static Expected<void> mapPieces(Engine &engine, const Tensor &x, const BatchGroups &groups,
                                const BatchNormForward &forward,
                                const BatchNormParameters &parameters,
                                const BatchNormInputs &inputs, DType compute, const Tensor &y) {
  const BatchNormForward perGroup = groups.repeated(forward);
  const BatchNormParameters perGroupParameters = groups.repeated(parameters);
  std::vector<std::pair<Dims, Coefficients>> maps;
  for (const BatchPiece &piece : groups.pieces) {
    const PieceAdjustment adjustment(piece, inputs, x);
    maps.emplace_back(adjustment.kept,
                      adjustment.coefficients(perGroup, groups.first(piece), piece.groupShape,
                                              perGroupParameters, compute));
  }
  for (size_t i = 0; i < maps.size(); ++i) {
    const BatchPiece &piece = groups.pieces[i];
    const auto &[axes, coefficients] = maps[i];
    if (Expected<void> ok =
            engine.affine(piece.view(x), axes, coefficients, compute, piece.view(y));
        !ok)
      return ok;
  }
  return {};
}

Expected<BatchNormForward>
batchNormTraining(Engine &engine, const Tensor &x, std::span<const int64_t> kept,
                  const BatchNormRules &rules, const BatchNormParameters &parameters,
                  MovingStatistics moving, const BatchNormInputs &inputs, DType compute,
                  const Tensor &y, BatchNormMemory *memory) try {
  if (Expected<void> ok = checkTraining(x, kept, rules, parameters, moving, inputs, compute, y);
      !ok)
    return ok.takeError();
  const bool adjusts = inputs.adjustScale || inputs.adjustBias;
  if (inputs.cacheBlocked && rules.useBatchStatistics && rules.ghosts.size == 0 && !adjusts &&
      !inputs.allReduce) {
    BatchNormMemory fresh;
    return trainInBlocks(engine, x, kept, rules, parameters, std::move(moving), inputs, compute, y,
                         memory ? *memory : fresh);
  }

  // A frozen layer that learns nothing looks at no statistics, so that any batch will do.
  const bool looks = rules.useBatchStatistics || rules.updateMoving;
  BatchNormRules used = rules;
  if (!looks)
    used.ghosts = {};
  Expected<BatchGroups> groups = BatchGroups::create(x.shape, kept, used.ghosts);
  if (!groups)
    return groups.takeError();

  Statistics statistics = Statistics::zeros(groups->groupShape);
  if (looks) {
    Expected<Statistics> local = localStatistics(engine, x, *groups, inputs);
    if (!local)
      return local.takeError();
    statistics = std::move(*local);
    if (inputs.allReduce)
      if (Expected<void> ok = synchronize(inputs.allReduce, statistics); !ok)
        return ok.takeError();
  }
  BatchNormForward forward = batchNormForward(used, statistics, moving);
  if (!rules.useBatchStatistics) {
    // Moving statistics are the same for every ghost.
    groups = BatchGroups::create(x.shape, kept, {});
    if (!groups)
      return groups.takeError();
  }
  if (Expected<void> ok = mapPieces(engine, x, *groups, forward, parameters, inputs, compute, y);
      !ok)
    return ok.takeError();
  return forward;
} catch (...) {
  return outOfMemory();
}

//===----------------------------------------------------------------------===//
// Inference
//===----------------------------------------------------------------------===//

Expected<void> batchNormInference(Engine &engine, const Tensor &x, std::span<const int64_t> kept,
                                  std::span<const double> mean, std::span<const double> variance,
                                  double epsilon, const BatchNormParameters &parameters,
                                  DType compute, const Tensor &y) try {
  if (Expected<void> ok = checkInference(x, kept, mean, variance, epsilon, parameters, compute, y);
      !ok)
    return ok;
  const Coefficients coefficients =
      batchNormCoefficients(mean, variance, epsilon, keptShape(x.shape, kept), parameters, compute);
  return engine.affine(x, kept, coefficients, compute, y);
} catch (...) {
  return outOfMemory();
}

Expected<AffinePlan> planBatchNormInference(Engine &engine, const Tensor &x,
                                            std::span<const int64_t> kept,
                                            std::span<const double> mean,
                                            std::span<const double> variance, double epsilon,
                                            const BatchNormParameters &parameters, DType compute,
                                            const Tensor &y) try {
  if (Expected<void> ok = checkInference(x, kept, mean, variance, epsilon, parameters, compute, y);
      !ok)
    return ok.takeError();
  const Coefficients coefficients =
      batchNormCoefficients(mean, variance, epsilon, keptShape(x.shape, kept), parameters, compute);
  return engine.planAffine(x, kept, coefficients, compute, y);
} catch (...) {
  return outOfMemory();
}

} // namespace norma
