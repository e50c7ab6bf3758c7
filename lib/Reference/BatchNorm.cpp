//===- BatchNorm.cpp - Batch normalization, the f64 oracle ----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything between the arguments and the results is long double, sums in two
// passes.
//
//===----------------------------------------------------------------------===//

#include "norma/Reference/BatchNorm.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace norma::reference {

namespace {

using Real = long double;

/// The ghost of a sample: the definition of GhostGrouping and GhostRemainder.
int64_t ghostOf(const GhostBatches &ghosts, int64_t sample, int64_t samples) {
  const int64_t whole = samples / ghosts.size;
  if (sample < whole * ghosts.size)
    return ghosts.grouping == GhostGrouping::Strided ? sample % whole : sample / ghosts.size;
  return ghosts.remainder == GhostRemainder::Merge && whole > 0 ? whole - 1 : whole;
}

/// Where every element belongs.
struct Membership {
  /// The kept index of an element, and its statistics group: (ghost, kept index).
  std::vector<size_t> kept, group;
  size_t keptSize = 1, groups = 1;
  Dims groupShape;

  Membership(std::span<const int64_t> shape, std::span<const int64_t> keptAxes,
             const GhostBatches &ghosts) {
    size_t size = 1;
    for (int64_t extent : shape)
      size *= size_t(extent);
    for (int64_t axis : keptAxes)
      keptSize *= size_t(shape[size_t(axis)]);
    int64_t ghostCount = 0;
    if (ghosts.size > 0)
      for (int64_t sample = 0; sample < shape[0]; ++sample)
        ghostCount = std::max(ghostCount, ghostOf(ghosts, sample, shape[0]) + 1);
    if (ghosts.size > 0)
      groupShape.push_back(ghostCount);
    for (int64_t axis : keptAxes)
      groupShape.push_back(shape[size_t(axis)]);
    groups = ghosts.size > 0 ? size_t(ghostCount) * keptSize : keptSize;

    for (size_t element = 0; element < size; ++element) {
      Dims index{shape};
      auto rest = int64_t(element);
      for (int axis = index.size() - 1; axis >= 0; --axis) {
        index[axis] = rest % shape[size_t(axis)];
        rest /= shape[size_t(axis)];
      }
      size_t position = 0;
      for (int64_t axis : keptAxes)
        position = position * size_t(shape[size_t(axis)]) + size_t(index[int(axis)]);
      kept.push_back(position);
      const int64_t ghost = ghosts.size > 0 ? ghostOf(ghosts, index[0], shape[0]) : 0;
      group.push_back(size_t(ghost) * keptSize + position);
    }
  }
};

/// A frozen layer whose moving statistics stay has no use for ghosts.
GhostBatches usedGhosts(const BatchNormRules &rules) {
  return rules.useBatchStatistics || rules.updateMoving ? rules.ghosts : GhostBatches{};
}

Real valueOr(const std::vector<double> &values, size_t i, Real absent) {
  return values.empty() ? absent : Real(values[i]);
}

/// What mask and weights make of an element.
Real weightOf(const BatchNormInputs &inputs, size_t element) {
  const bool counts = inputs.mask.empty() || inputs.mask[element] != 0;
  return counts ? valueOr(inputs.weights, element, 1) : 0;
}

Real effectiveEpsilon(const BatchNormRules &rules) {
  return std::max(rules.epsilon, rules.epsilonFloor);
}

/// Count, mean and population variance of every group.
struct GroupStatistics {
  std::vector<Real> count, mean, variance;

  GroupStatistics(std::span<const double> x, const Membership &of, const BatchNormInputs &inputs)
      : count(of.groups), mean(of.groups), variance(of.groups) {
    const auto forEachCounted = [&](auto visit) {
      for (size_t e = 0; e < x.size(); ++e)
        if (const Real weight = weightOf(inputs, e); weight != 0)
          visit(of.group[e], Real(x[e]), weight);
    };
    const auto divide = [&](std::vector<Real> &sums) {
      for (size_t g = 0; g < of.groups; ++g)
        if (count[g] != 0)
          sums[g] /= count[g];
    };
    forEachCounted([&](size_t g, Real value, Real weight) {
      count[g] += weight;
      mean[g] += weight * value;
    });
    divide(mean);
    forEachCounted([&](size_t g, Real value, Real weight) {
      variance[g] += weight * (value - mean[g]) * (value - mean[g]);
    });
    divide(variance);
  }
};

/// A limit that lets NaN through.
Real clip(Real value, Real low, Real high) {
  return std::isnan(value) ? value : std::min(std::max(value, low), high);
}

/// Renorm's corrections and the moving statistics of kept index `k`.
void visitKeptIndex(size_t k, const BatchNormRules &rules, const Membership &of,
                    const GroupStatistics &groups, const MovingStatistics &moving,
                    BatchNormForward &forward) {
  Real ghosts = 0, mu = 0, var = 0, movingVar = 0;
  for (size_t g = k; g < of.groups; g += of.keptSize) {
    const Real n = groups.count[g];
    if (n == 0)
      continue;
    const bool sample = rules.movingVariance == MovingVariance::Sample;
    ghosts += 1;
    mu += groups.mean[g];
    var += groups.variance[g];
    movingVar += groups.variance[g] * (sample ? n / std::max(n - 1, Real(1)) : 1);
  }
  if (ghosts > 0) {
    mu /= ghosts;
    var /= ghosts;
    movingVar /= ghosts;
  }

  const Real epsilon = effectiveEpsilon(rules), sigma = std::sqrt(var + epsilon);
  if (rules.renorm && rules.useBatchStatistics) {
    const Real infinity = std::numeric_limits<Real>::infinity();
    const RenormClipping &limits = rules.clipping;
    const Real rs = std::max(Real(moving.renormStddev[k]), std::sqrt(epsilon));
    const Real r = clip(sigma / rs, limits.rmin.value_or(0), limits.rmax.value_or(infinity));
    const Real dmax = limits.dmax.value_or(infinity);
    const Real d = clip((mu - moving.renormMean[k]) / rs, -dmax, dmax);
    forward.r[k] = ghosts > 0 ? double(r) : 1;
    forward.d[k] = ghosts > 0 ? double(d) : 0;
  }

  if (ghosts == 0 || !rules.updateMoving)
    return;
  const Real m = rules.momentum ? Real(*rules.momentum) : 1 - 1 / Real(moving.batches + 1);
  const auto blend = [](double old, Real value, Real keep) {
    return double(old * keep + value * (1 - keep));
  };
  MovingStatistics &updated = forward.updated;
  updated.mean[k] = blend(moving.mean[k], mu, m);
  if (!rules.renorm) {
    updated.variance[k] = blend(moving.variance[k], movingVar, m);
    return;
  }
  updated.renormMean[k] = blend(moving.renormMean[k], mu, rules.renormMomentum);
  updated.renormStddev[k] = blend(moving.renormStddev[k], sigma, rules.renormMomentum);
  updated.stddev[k] = blend(moving.stddev[k], std::sqrt(movingVar + epsilon), m);
  const Real stddev = updated.stddev[k], infinity = std::numeric_limits<Real>::infinity();
  updated.variance[k] = double(clip(stddev * stddev - epsilon, 0, infinity));
}

} // namespace

BatchNormResult batchNormTraining(std::span<const double> x, std::span<const int64_t> shape,
                                  std::span<const int64_t> kept, const BatchNormRules &rules,
                                  const BatchNormParameters &parameters,
                                  const MovingStatistics &moving, const BatchNormInputs &inputs) {
  const Membership of(shape, kept, usedGhosts(rules));
  const GroupStatistics groups(x, of, inputs);
  const Real epsilon = effectiveEpsilon(rules);
  const bool frozen = !rules.useBatchStatistics;

  BatchNormResult result;
  BatchNormForward &forward = result.forward;
  forward.updated = moving;
  if (rules.renorm && !frozen) {
    forward.r.resize(of.keptSize);
    forward.d.resize(of.keptSize);
  }
  for (size_t k = 0; k < of.keptSize; ++k)
    visitKeptIndex(k, rules, of, groups, moving, forward);
  const auto isCounted = [](Real count) { return count != 0; };
  if (rules.updateMoving && std::any_of(groups.count.begin(), groups.count.end(), isCounted))
    ++forward.updated.batches;

  std::vector<Real> mean = groups.mean, variance = groups.variance;
  forward.groupShape = of.groupShape;
  forward.count.assign(groups.count.begin(), groups.count.end());
  if (frozen) {
    mean.assign(moving.mean.begin(), moving.mean.end());
    variance.assign(moving.variance.begin(), moving.variance.end());
    forward.groupShape = Membership(shape, kept, {}).groupShape;
    forward.count.assign(of.keptSize, 0);
    for (size_t g = 0; g < of.groups; ++g)
      forward.count[g % of.keptSize] += double(groups.count[g]);
  }
  forward.mean.assign(mean.begin(), mean.end());
  for (Real value : variance)
    forward.invStd.push_back(double(1 / std::sqrt(value + epsilon)));

  for (size_t e = 0; e < x.size(); ++e) {
    const size_t k = of.kept[e], g = frozen ? k : of.group[e];
    const Real normalized = (x[e] - mean[g]) / std::sqrt(variance[g] + epsilon);
    const Real renormed = normalized * valueOr(forward.r, k, 1) + valueOr(forward.d, k, 0);
    const Real adjusted =
        renormed * valueOr(inputs.adjustScale, e, 1) + valueOr(inputs.adjustBias, e, 0);
    result.y.push_back(
        double(adjusted * valueOr(parameters.gamma, k, 1) + valueOr(parameters.beta, k, 0)));
  }
  return result;
}

BatchNormGradientResult
batchNormGradient(std::span<const double> x, std::span<const double> dy,
                  std::span<const int64_t> shape, std::span<const int64_t> kept,
                  const BatchNormRules &rules, const BatchNormParameters &parameters,
                  const BatchNormForward &forward, const BatchNormInputs &inputs) {
  const bool frozen = !rules.useBatchStatistics;
  const Membership of(shape, kept, frozen ? GhostBatches{} : rules.ghosts);
  const auto takesPart = [&](size_t e) { return weightOf(inputs, e) != 0 || std::isfinite(x[e]); };

  std::vector<Real> s1(of.groups), s2(of.groups), dgamma(of.keptSize), dbeta(of.keptSize);
  for (size_t e = 0; e < x.size(); ++e) {
    if (!takesPart(e))
      continue;
    const size_t k = of.kept[e], g = of.group[e];
    const Real a = valueOr(inputs.adjustScale, e, 1), b = valueOr(inputs.adjustBias, e, 0);
    const Real deviation = Real(x[e]) - forward.mean[g];
    const Real renormed =
        deviation * forward.invStd[g] * valueOr(forward.r, k, 1) + valueOr(forward.d, k, 0);
    s1[g] += a * dy[e];
    s2[g] += a * dy[e] * deviation;
    dgamma[k] += dy[e] * (renormed * a + b);
    dbeta[k] += dy[e];
  }

  BatchNormGradientResult result;
  result.dgamma.assign(dgamma.begin(), dgamma.end());
  result.dbeta.assign(dbeta.begin(), dbeta.end());
  for (size_t e = 0; e < x.size(); ++e) {
    const size_t k = of.kept[e], g = of.group[e];
    const Real invStd = forward.invStd[g], n = forward.count[g], weight = weightOf(inputs, e);
    const Real factor = valueOr(parameters.gamma, k, 1) * valueOr(forward.r, k, 1) * invStd;
    // What the statistics pass on, where they depend on the element.
    Real shared = 0;
    if (!frozen && weight != 0 && n != 0)
      shared = weight / n * (s1[g] + (x[e] - forward.mean[g]) * invStd * invStd * s2[g]);
    result.dx.push_back(double(factor * (valueOr(inputs.adjustScale, e, 1) * dy[e] - shared)));
  }
  return result;
}

} // namespace norma::reference
