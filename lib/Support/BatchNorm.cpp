//===- BatchNorm.cpp - The arithmetic of batch normalization --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Comparisons are written so that NaN gets through them: std::max and std::clamp
// drop it or keep it by the order of their arguments.
//
//===----------------------------------------------------------------------===//

#include "norma/Support/BatchNorm.h"

#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace norma {

const char *toString(MovingVariance variance) {
  return variance == MovingVariance::Sample ? "sample" : "population";
}

const char *toString(GhostGrouping grouping) {
  return grouping == GhostGrouping::Contiguous ? "contiguous" : "strided";
}

const char *toString(GhostRemainder remainder) {
  switch (remainder) {
  case GhostRemainder::Smaller:
    return "smaller";
  case GhostRemainder::Merge:
    return "merge";
  case GhostRemainder::Error:
    break;
  }
  return "error";
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

static Expected<void> checkGhostSize(int64_t size) {
  if (size < 1)
    return invalidArgument(fmt::format("virtual_batch_size: {}, expected at least 1", size));
  return {};
}

Expected<GhostPlan> planGhosts(const GhostBatches &ghosts, int64_t samples) try {
  if (Expected<void> ok = checkGhostSize(ghosts.size); !ok)
    return ok.takeError();
  GhostPlan plan;
  plan.whole = samples / ghosts.size;
  plan.tail = samples % ghosts.size;
  plan.ghosts = plan.whole;
  if (plan.tail == 0)
    return plan;
  if (ghosts.remainder == GhostRemainder::Error)
    return invalidArgument(fmt::format("virtual_batch_size: {} does not divide the batch of {} "
                                       "samples, expected a divisor or remainder 'smaller' or "
                                       "'merge'",
                                       ghosts.size, samples));
  if (ghosts.remainder == GhostRemainder::Smaller || plan.whole == 0)
    ++plan.ghosts;
  plan.tailGhost = plan.ghosts - 1;
  return plan;
} catch (...) {
  return outOfMemory();
}

Expected<void> checkRenormClipping(const RenormClipping &clipping) try {
  const auto &[rmin, rmax, dmax] = clipping;
  for (const auto &[limit, name] :
       {std::pair(rmin, "rmin"), std::pair(rmax, "rmax"), std::pair(dmax, "dmax")})
    if (limit && !(*limit >= 0))
      return invalidArgument(
          fmt::format("renorm_clipping: {} {}, expected a number not below 0", name, *limit));
  if (rmin && rmax && *rmax < *rmin)
    return invalidArgument(fmt::format(
        "renorm_clipping: rmax {} is below rmin {}, expected rmin <= rmax", *rmax, *rmin));
  return {};
} catch (...) {
  return outOfMemory();
}

Expected<void> checkBatchNormRules(const BatchNormRules &rules) try {
  for (const auto &[value, name] :
       {std::pair(rules.epsilon, "epsilon"), std::pair(rules.epsilonFloor, "epsilon_floor")})
    if (!(value >= 0) || std::isinf(value))
      return invalidArgument(
          fmt::format("{}: {}, expected a finite number not below 0", name, value));
  for (const auto &[value, name] : {std::pair(rules.momentum.value_or(0), "momentum"),
                                    std::pair(rules.renormMomentum, "renorm_momentum")})
    if (!std::isfinite(value))
      return invalidArgument(fmt::format("{}: {}, expected a finite number", name, value));
  if (Expected<void> ok = checkRenormClipping(rules.clipping); !ok)
    return ok;
  return rules.ghosts.size == 0 ? Expected<void>() : checkGhostSize(rules.ghosts.size);
} catch (...) {
  return outOfMemory();
}

//===----------------------------------------------------------------------===//
// Statistics
//===----------------------------------------------------------------------===//

static int64_t product(const Dims &shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<>());
}

namespace {

/// What the groups of every kept index come to. One array for each number, so that what is
/// done to all kept indices is done in vectors.
struct GroupAverages {
  std::vector<double> mean, variance;
  /// The variance that moves, by MovingVariance.
  std::vector<double> movingVariance;
  /// All that was counted; where it is 0, nothing is known.
  std::vector<double> count;

  bool isAnyKnown() const {
    return std::any_of(count.begin(), count.end(), [](double n) { return n != 0; });
  }
};

/// A moving average that takes one more value.
struct Blend {
  double old, fresh;

  explicit Blend(double momentum) : old(momentum), fresh(1 - momentum) {}
  double operator()(double before, double now) const { return before * old + now * fresh; }
};

} // namespace

static GroupAverages averageGroups(const Statistics &groups, int64_t kept, MovingVariance moving) {
  const std::vector<double> zeros(static_cast<size_t>(kept));
  GroupAverages average{zeros, zeros, zeros, zeros};
  // One number a loop: each is compiled to vectors.
  const auto add = [&](int64_t first) {
    const double *const n = groups.count.data() + first, *const mean = groups.mean.data() + first;
    const double *const m2 = groups.m2.data() + first;
    for (int64_t i = 0; i < kept; ++i)
      average.count[i] += n[i];
    for (int64_t i = 0; i < kept; ++i)
      average.mean[i] += n[i] == 0 ? 0 : mean[i];
    for (int64_t i = 0; i < kept; ++i)
      average.variance[i] += varianceOf(n[i], m2[i]);
    if (moving == MovingVariance::Population)
      return;
    for (int64_t i = 0; i < kept; ++i) {
      const double rest = n[i] - 1 > 1 ? n[i] - 1 : 1;
      average.movingVariance[i] += varianceOf(n[i], m2[i]) * (n[i] / rest);
    }
  };
  for (int64_t first = 0; first < groups.size(); first += kept)
    add(first);
  if (moving == MovingVariance::Population)
    average.movingVariance = average.variance;
  if (groups.size() <= kept)
    return average;

  std::vector<double> counted = zeros;
  for (int64_t group = 0; group < groups.size(); ++group)
    counted[group % kept] += groups.count[group] != 0;
  for (int64_t i = 0; i < kept; ++i)
    if (counted[i] > 1)
      for (std::vector<double> *sums : {&average.mean, &average.variance, &average.movingVariance})
        (*sums)[i] /= counted[i];
  return average;
}

/// Renorm's r and d of one kept index, from the moving statistics before the update.
static std::pair<double, double> correct(const BatchNormRules &rules, const GroupAverages &batch,
                                         size_t i, double renormMean, double renormStddev) {
  if (batch.count[i] == 0)
    return {1, 0};
  const auto &[rmin, rmax, dmax] = rules.clipping;
  const double epsilon = rules.effectiveEpsilon(), floor = std::sqrt(epsilon);
  const double stddev = renormStddev < floor ? floor : renormStddev;
  double r = std::sqrt(batch.variance[i] + epsilon) / stddev;
  double d = (batch.mean[i] - renormMean) / stddev;
  if (rmin && r < *rmin)
    r = *rmin;
  if (rmax && r > *rmax)
    r = *rmax;
  if (dmax && std::fabs(d) > *dmax)
    d = std::copysign(*dmax, d);
  return {r, d};
}

/// Moves the statistics of the kept indices that are known.
static void move(const BatchNormRules &rules, const GroupAverages &batch, const Blend &blend,
                 MovingStatistics &moving) {
  const auto moveTo = [&](std::vector<double> &values, const std::vector<double> &now,
                          const Blend &by) {
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = batch.count[i] == 0 ? values[i] : by(values[i], now[i]);
  };
  moveTo(moving.mean, batch.mean, blend);
  if (!rules.renorm)
    return moveTo(moving.variance, batch.movingVariance, blend);

  const double epsilon = rules.effectiveEpsilon();
  const auto deviations = [&](std::vector<double> variances) {
    for (double &value : variances)
      value = std::sqrt(value + epsilon);
    return variances;
  };
  const Blend renormBlend(rules.renormMomentum);
  moveTo(moving.renormMean, batch.mean, renormBlend);
  moveTo(moving.renormStddev, deviations(batch.variance), renormBlend);
  moveTo(moving.stddev, deviations(batch.movingVariance), blend);
  // The deviation is what moves; inference shall divide by it.
  for (size_t i = 0; i < moving.variance.size(); ++i) {
    const double variance = moving.stddev[i] * moving.stddev[i] - epsilon;
    moving.variance[i] = batch.count[i] == 0 ? moving.variance[i] : variance < 0 ? 0 : variance;
  }
}

/// 1 / sqrt(variance + epsilon) of all.
static std::vector<double> inverseDeviations(std::vector<double> variances, double epsilon) {
  for (double &value : variances)
    value = 1 / std::sqrt(value + epsilon);
  return variances;
}

BatchNormForward batchNormForward(const BatchNormRules &rules, const Statistics &groups,
                                  const MovingStatistics &moving) {
  const bool cut = rules.ghosts.size > 0;
  const Dims keptShape{std::span<const int64_t>(groups.shape).subspan(cut ? 1 : 0)};
  const int64_t kept = product(keptShape);
  const bool corrects = rules.renorm && rules.useBatchStatistics;

  BatchNormForward forward;
  forward.updated = moving;
  if (rules.useBatchStatistics) {
    forward.groupShape = groups.shape;
    forward.count = groups.count;
    forward.mean = groups.mean;
    forward.invStd = inverseDeviations(groups.variances(), rules.effectiveEpsilon());
    if (!rules.updateMoving && !corrects)
      return forward;
  } else {
    forward.groupShape = keptShape;
    forward.mean = moving.mean;
    forward.invStd = inverseDeviations(moving.variance, rules.effectiveEpsilon());
  }

  GroupAverages batch = averageGroups(groups, kept, rules.movingVariance);
  if (corrects)
    for (size_t i = 0; i < size_t(kept); ++i) {
      const auto [r, d] = correct(rules, batch, i, moving.renormMean[i], moving.renormStddev[i]);
      forward.r.push_back(r);
      forward.d.push_back(d);
    }
  if (rules.updateMoving && batch.isAnyKnown()) {
    // A cumulative average gives the k-th batch the weight 1/k.
    const Blend blend(rules.momentum.value_or(1 - 1 / double(moving.batches + 1)));
    move(rules, batch, blend, forward.updated);
    ++forward.updated.batches;
  }
  if (!rules.useBatchStatistics)
    forward.count = std::move(batch.count);
  return forward;
}

//===----------------------------------------------------------------------===//
// Coefficients
//===----------------------------------------------------------------------===//

static double roundTo(DType compute, double value) {
  return compute == DType::F32 ? double(float(value)) : value;
}

/// What x - center misses of x - mean, times `factor`.
static double lostToRounding(double center, double mean, double factor) {
  // Not 0 * infinity, where epsilon and the variance are 0.
  return center == mean ? 0 : (center - mean) * factor;
}

/// The map around `mean`, with its center as the compute type has it.
static Coefficients centred(std::span<const double> mean, std::vector<double> scale,
                            std::vector<double> shift, const Dims &shape, DType compute) {
  Coefficients result{shape, {mean.begin(), mean.end()}, std::move(scale), std::move(shift)};
  for (size_t i = 0; i < mean.size(); ++i) {
    result.center[i] = roundTo(compute, mean[i]);
    result.shift[i] += lostToRounding(result.center[i], mean[i], result.scale[i]);
  }
  if (std::none_of(result.shift.begin(), result.shift.end(), [](double s) { return s != 0; }))
    result.shift.clear();
  return result;
}

/// values[i] *= factors[i], where there are factors; there may be more of them.
static void multiply(std::vector<double> &values, std::span<const double> factors) {
  if (!factors.empty())
    for (size_t i = 0; i < values.size(); ++i)
      values[i] *= factors[i];
}

/// `values` of kept indices; `absent` where there are none.
static std::vector<double> valuesOr(std::span<const double> values, size_t kept, double absent) {
  if (values.empty())
    return std::vector<double>(kept, absent);
  return {values.begin(), values.begin() + ptrdiff_t(kept)};
}

Coefficients batchNormCoefficients(const BatchNormForward &forward, int64_t first,
                                   const Dims &keptShape, const BatchNormParameters &parameters,
                                   DType compute) {
  const size_t kept = size_t(product(keptShape));
  std::vector<double> scale(forward.invStd.begin() + first,
                            forward.invStd.begin() + first + int64_t(kept));
  multiply(scale, forward.r);
  multiply(scale, parameters.gamma);
  std::vector<double> shift = valuesOr(forward.d, kept, 0);
  multiply(shift, parameters.gamma);
  if (!parameters.beta.empty())
    for (size_t i = 0; i < kept; ++i)
      shift[i] += parameters.beta[i];
  return centred(std::span(forward.mean).subspan(size_t(first), kept), std::move(scale),
                 std::move(shift), keptShape, compute);
}

Coefficients batchNormCoefficients(std::span<const double> mean, std::span<const double> variance,
                                   double epsilon, const Dims &keptShape,
                                   const BatchNormParameters &parameters, DType compute) {
  std::vector<double> scale = valuesOr(parameters.gamma, mean.size(), 1);
  for (size_t i = 0; i < mean.size(); ++i)
    scale[i] /= std::sqrt(variance[i] + epsilon);
  return centred(mean, std::move(scale), valuesOr(parameters.beta, mean.size(), 0), keptShape,
                 compute);
}

GradientCoefficients batchNormGradientCoefficients(const BatchNormForward &forward, int64_t first,
                                                   const Dims &keptShape, const GradientSums &sums,
                                                   const BatchNormParameters &parameters,
                                                   DType compute) {
  const auto size = size_t(product(keptShape));
  // Loops without branches, which are compiled to vectors: there may be more numbers per
  // kept index here than in its data.
  GradientCoefficients result{keptShape, std::vector<double>(size), std::vector<double>(size),
                              std::vector<double>(size), std::vector<double>(size)};
  const double *means = forward.mean.data() + first, *invStds = forward.invStd.data() + first;
  const double *counts = forward.count.data() + first;
  const double *dots = sums.dot.data() + first, *sum = sums.sum.data() + first;
  double *center = result.center.data(), *scale = result.scale.data();
  double *slope = result.slope.data(), *offset = result.offset.data();
  std::copy(means, means + size, center);
  if (compute == DType::F32)
    for (size_t i = 0; i < size; ++i)
      center[i] = double(float(center[i]));
  std::copy(invStds, invStds + size, scale);
  for (const std::vector<double> *factors : {&forward.r, &parameters.gamma})
    if (!factors->empty())
      for (size_t i = 0; i < size; ++i)
        scale[i] *= (*factors)[i];
  for (size_t i = 0; i < size; ++i) {
    const double n = counts[i], share = -scale[i] / (n == 0 ? 1 : n);
    const double ofDot = share * (invStds[i] * invStds[i]) * dots[i], ofSum = share * sum[i];
    slope[i] = n == 0 ? 0 : ofDot;
    offset[i] = n == 0 ? 0 : ofSum;
  }
  for (size_t i = 0; i < size; ++i) {
    const double lost = (center[i] - means[i]) * slope[i];
    // Not 0 * infinity, where epsilon and the variance are 0.
    offset[i] += center[i] == means[i] ? 0 : lost;
  }
  return result;
}

} // namespace norma
