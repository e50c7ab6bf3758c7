//===- Gradient.cpp - The backward pass -----------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The kernels sum dy and dy * (x - mean) for every index that a coefficient belongs to;
// what an adjustment makes of these sums, and gamma's and beta's gradients, follows from
// them.
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

namespace {

/// A gradient call with checked arguments.
struct GradientCall {
  Engine &engine;
  const Tensor &x, &dy;
  const BatchNormForward &forward;
  const BatchNormInputs &inputs;
  DType compute;
  BatchGroups groups;
  std::vector<PieceAdjustment> adjustments = {};
  /// S1 and S2 of every group.
  GradientSums sums = {};
  BatchNormGradients gradients = {};

  MomentsOptions options(const BatchPiece &piece) const {
    MomentsOptions result;
    if (inputs.mask)
      result.mask = piece.view(*inputs.mask);
    if (inputs.weights)
      result.weights = piece.view(*inputs.weights);
    return result;
  }

  /// Sums and map in one call, a range of groups at a time.
  Expected<void> sumAndMap(const BatchNormParameters &parameters, const Tensor &dx);
  /// The sums of all pieces.
  Expected<void> sumUp();
  Expected<void> addPiece(const BatchPiece &piece, const PieceAdjustment &adjustment);
  void addGroupsToGamma();
  Expected<void> synchronize();
  Expected<void> map(const BatchNormParameters &parameters, const Tensor &dx) const;
  Expected<void> mapFrozen(const BatchNormParameters &parameters, const Tensor &dx) const;
};

} // namespace

/// The sums of one piece, added to those of the groups; and what of gamma's and beta's
/// gradients does not follow from them.
Expected<void> GradientCall::addPiece(const BatchPiece &piece, const PieceAdjustment &adjustment) {
  const int64_t first = groups.first(piece);
  const auto means = std::span(forward.mean).subspan(first, piece.ghosts * groups.keptSize);
  Expected<GradientSums> fine = engine.gradientSums(piece.view(x), piece.view(dy), adjustment.kept,
                                                    adjustment.spread(means), options(piece));
  if (!fine)
    return piece.located(fine.takeError());
  for (int64_t i = 0; i < int64_t(fine->sum.size()); ++i) {
    const int64_t group = first + adjustment.groupOf(i), kept = group % groups.keptSize;
    sums.sum[group] += adjustment.scaleOf(i) * fine->sum[i];
    sums.dot[group] += adjustment.scaleOf(i) * fine->dot[i];
    gradients.gamma[kept] += adjustment.biasOf(i) * fine->sum[i];
    gradients.beta[kept] += fine->sum[i];
  }
  return {};
}

/// dgamma = sum(dy * ((xh * r + d) * a + b)) = r * i * S2 + d * S1 + sum(b * dy): makes S2 of
/// groups from `group` on, which are of kept indices from `kept` on, into the terms that follow
/// from the sums of groups.
static void makeGammaTerms(const BatchNormForward &forward, int64_t group, int64_t kept,
                           std::span<double> dots, const double *sums) {
  const double *const invStds = forward.invStd.data() + group;
  if (forward.r.empty()) {
    for (size_t i = 0; i < dots.size(); ++i)
      dots[i] *= invStds[i];
    return;
  }
  const double *const r = forward.r.data() + kept, *const d = forward.d.data() + kept;
  for (size_t i = 0; i < dots.size(); ++i)
    dots[i] = r[i] * invStds[i] * dots[i] + d[i] * sums[i];
}

void GradientCall::addGroupsToGamma() {
  for (int64_t first = 0; first < int64_t(sums.sum.size()); first += groups.keptSize) {
    const auto begin = sums.dot.begin() + first;
    std::vector<double> terms(begin, begin + groups.keptSize);
    makeGammaTerms(forward, first, 0, terms, sums.sum.data() + first);
    for (size_t i = 0; i < terms.size(); ++i)
      gradients.gamma[i] += terms[i];
  }
}

Expected<void> GradientCall::sumUp() {
  const auto size = size_t(groups.ghosts * groups.keptSize);
  sums = {groups.groupShape, std::vector<double>(size), std::vector<double>(size)};
  gradients.gamma.resize(size_t(groups.keptSize));
  gradients.beta.resize(size_t(groups.keptSize));
  for (const BatchPiece &piece : groups.pieces) {
    adjustments.emplace_back(piece, inputs, x);
    if (Expected<void> ok = addPiece(piece, adjustments.back()); !ok)
      return ok;
  }
  addGroupsToGamma();
  return {};
}

Expected<void> GradientCall::sumAndMap(const BatchNormParameters &parameters, const Tensor &dx) {
  const auto write = [&](int64_t begin, int64_t end, GradientSums &known,
                         const GradientCoefficientArrays &into) -> Expected<void> {
    mapGradient(forward, known, begin, end, parameters, into);
    // Nobody needs S2 any more: gamma's gradient takes its place.
    const auto dots = std::span(known.dot).subspan(size_t(begin), size_t(end - begin));
    makeGammaTerms(forward, begin, begin, dots, known.sum.data() + begin);
    return {};
  };
  const BatchPiece &piece = groups.pieces.front();
  Expected<GradientSums> found = stateOf(engine).gradientSumsThenMap(
      x, dy, piece.kept, forward.mean, options(piece), std::ref(write), compute, dx);
  if (!found)
    return found.takeError();
  gradients = {std::move(found->dot), std::move(found->sum)};
  return {};
}

Expected<void> GradientCall::synchronize() {
  std::vector<double> both = sums.sum;
  both.insert(both.end(), sums.dot.begin(), sums.dot.end());
  if (Expected<void> ok = inputs.allReduce(both); !ok)
    return ok;
  const auto half = both.begin() + int64_t(sums.sum.size());
  std::copy(both.begin(), half, sums.sum.begin());
  std::copy(half, both.end(), sums.dot.begin());
  return {};
}

Expected<void> GradientCall::map(const BatchNormParameters &parameters, const Tensor &dx) const {
  const BatchNormForward perGroup = groups.repeated(forward);
  const BatchNormParameters perGroupParameters = groups.repeated(parameters);
  for (size_t i = 0; i < groups.pieces.size(); ++i) {
    const BatchPiece &piece = groups.pieces[i];
    const GradientCoefficients coefficients = adjustments[i].adjusted(batchNormGradientCoefficients(
        perGroup, groups.first(piece), piece.groupShape, sums, perGroupParameters, compute));
    if (Expected<void> ok =
            engine.gradientMap(piece.view(x), piece.view(dy), adjustments[i].kept, coefficients,
                               compute, piece.view(dx), options(piece));
        !ok)
      return ok;
  }
  return {};
}

/// dx = gamma * a * i * dy: the statistics are constants.
Expected<void> GradientCall::mapFrozen(const BatchNormParameters &parameters,
                                       const Tensor &dx) const {
  const PieceAdjustment &adjustment = adjustments.front();
  const Coefficients plain =
      batchNormCoefficients(forward, 0, groups.keptShape, parameters, compute);
  Coefficients coefficients{adjustment.shape, {}, adjustment.spread(plain.scale), {}};
  for (size_t i = 0; i < coefficients.scale.size(); ++i)
    coefficients.scale[i] *= adjustment.scaleOf(int64_t(i));
  return engine.affine(dy, adjustment.kept, coefficients, compute, dx);
}

Expected<BatchNormGradients>
batchNormGradient(Engine &engine, const Tensor &x, const Tensor &dy, std::span<const int64_t> kept,
                  const BatchNormRules &rules, const BatchNormParameters &parameters,
                  const BatchNormForward &forward, const BatchNormInputs &inputs, DType compute,
                  const Tensor &dx) try {
  if (Expected<void> ok = checkGradient(x, dy, kept, rules, parameters, inputs, compute, dx); !ok)
    return ok.takeError();
  const bool frozen = !rules.useBatchStatistics;
  Expected<BatchGroups> groups =
      BatchGroups::create(x.shape, kept, frozen ? GhostBatches{} : rules.ghosts);
  if (!groups)
    return groups.takeError();
  if (Expected<void> ok =
          checkForward(forward, groups->groupShape, groups->keptSize, rules.renorm && !frozen);
      !ok)
    return ok.takeError();

  GradientCall call{engine, x, dy, forward, inputs, compute, std::move(*groups)};
  const bool adjusts = inputs.adjustScale || inputs.adjustBias;
  if (inputs.cacheBlocked && !frozen && rules.ghosts.size == 0 && !adjusts && !inputs.allReduce) {
    if (Expected<void> ok = call.sumAndMap(parameters, dx); !ok)
      return ok.takeError();
    return std::move(call.gradients);
  }
  if (Expected<void> ok = call.sumUp(); !ok)
    return ok.takeError();
  if (inputs.allReduce && !frozen)
    if (Expected<void> ok = call.synchronize(); !ok)
      return ok.takeError();
  Expected<void> mapped = frozen ? call.mapFrozen(parameters, dx) : call.map(parameters, dx);
  if (!mapped)
    return mapped.takeError();
  return std::move(call.gradients);
} catch (...) {
  return outOfMemory();
}

} // namespace norma
