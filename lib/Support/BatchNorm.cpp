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

/// What the groups of one kept index come to.
struct GroupAverage {
  double mean = 0, variance = 0;
  /// The variance that moves, by MovingVariance.
  double movingVariance = 0;
  /// All that was counted; where it is 0, nothing is known.
  double count = 0;
};

/// A moving average that takes one more value.
struct Blend {
  double old, fresh;

  explicit Blend(double momentum) : old(momentum), fresh(1 - momentum) {}
  double operator()(double before, double now) const { return before * old + now * fresh; }
};

} // namespace

static GroupAverage averageGroups(const Statistics &groups, int64_t index, int64_t kept,
                                  MovingVariance moving) {
  GroupAverage average;
  double counted = 0;
  for (int64_t group = index; group < groups.size(); group += kept) {
    const double n = groups.count[group];
    if (n == 0)
      continue;
    const double variance = groups.variance(group);
    average.count += n;
    average.mean += groups.mean[group];
    average.variance += variance;
    average.movingVariance +=
        moving == MovingVariance::Sample ? variance * (n / std::fmax(n - 1, 1)) : variance;
    ++counted;
  }
  if (counted > 1)
    for (double *sum : {&average.mean, &average.variance, &average.movingVariance})
      *sum /= counted;
  return average;
}

/// Renorm's r and d of one kept index, from the moving statistics before the update.
static std::pair<double, double> correct(const BatchNormRules &rules, const GroupAverage &batch,
                                         double renormMean, double renormStddev) {
  if (batch.count == 0)
    return {1, 0};
  const auto &[rmin, rmax, dmax] = rules.clipping;
  const double epsilon = rules.effectiveEpsilon(), floor = std::sqrt(epsilon);
  const double stddev = renormStddev < floor ? floor : renormStddev;
  double r = std::sqrt(batch.variance + epsilon) / stddev;
  double d = (batch.mean - renormMean) / stddev;
  if (rmin && r < *rmin)
    r = *rmin;
  if (rmax && r > *rmax)
    r = *rmax;
  if (dmax && std::fabs(d) > *dmax)
    d = std::copysign(*dmax, d);
  return {r, d};
}

/// Moves the statistics of kept index `i`.
static void move(const BatchNormRules &rules, const GroupAverage &batch, const Blend &blend,
                 size_t i, MovingStatistics &moving) {
  moving.mean[i] = blend(moving.mean[i], batch.mean);
  if (!rules.renorm) {
    moving.variance[i] = blend(moving.variance[i], batch.movingVariance);
    return;
  }
  const double epsilon = rules.effectiveEpsilon();
  const Blend renormBlend(rules.renormMomentum);
  moving.renormMean[i] = renormBlend(moving.renormMean[i], batch.mean);
  moving.renormStddev[i] = renormBlend(moving.renormStddev[i], std::sqrt(batch.variance + epsilon));
  moving.stddev[i] = blend(moving.stddev[i], std::sqrt(batch.movingVariance + epsilon));
  // The deviation is what moves; inference shall divide by it.
  const double variance = moving.stddev[i] * moving.stddev[i] - epsilon;
  moving.variance[i] = variance < 0 ? 0 : variance;
}

BatchNormForward batchNormForward(const BatchNormRules &rules, const Statistics &groups,
                                  const MovingStatistics &moving) {
  const double epsilon = rules.effectiveEpsilon();
  const bool cut = rules.ghosts.size > 0;
  const Dims keptShape{std::span<const int64_t>(groups.shape).subspan(cut ? 1 : 0)};
  const int64_t kept = product(keptShape);

  BatchNormForward forward;
  forward.updated = moving;
  if (rules.useBatchStatistics) {
    forward.groupShape = groups.shape;
    forward.count = groups.count;
    forward.mean = groups.mean;
    for (int64_t group = 0; group < groups.size(); ++group)
      forward.invStd.push_back(1 / std::sqrt(groups.variance(group) + epsilon));
  } else {
    forward.groupShape = keptShape;
    forward.mean = moving.mean;
    for (double variance : moving.variance)
      forward.invStd.push_back(1 / std::sqrt(variance + epsilon));
  }

  // A cumulative average gives the k-th batch the weight 1/k.
  const Blend blend(rules.momentum.value_or(1 - 1 / double(moving.batches + 1)));
  bool seen = false;
  for (int64_t i = 0; i < kept; ++i) {
    const GroupAverage batch = averageGroups(groups, i, kept, rules.movingVariance);
    if (!rules.useBatchStatistics)
      forward.count.push_back(batch.count);
    if (rules.renorm && rules.useBatchStatistics) {
      const auto [r, d] = correct(rules, batch, moving.renormMean[i], moving.renormStddev[i]);
      forward.r.push_back(r);
      forward.d.push_back(d);
    }
    if (batch.count == 0 || !rules.updateMoving)
      continue;
    seen = true;
    move(rules, batch, blend, size_t(i), forward.updated);
  }
  if (seen)
    ++forward.updated.batches;
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

static double valueOr(std::span<const double> values, int64_t i, double absent) {
  return values.empty() ? absent : values[i];
}

static Coefficients centred(std::span<const double> mean, std::span<const double> scale,
                            std::span<const double> shift, const Dims &shape, DType compute) {
  Coefficients result{shape, {}, {scale.begin(), scale.end()}, {}};
  bool shifts = false;
  for (size_t i = 0; i < mean.size(); ++i) {
    result.center.push_back(roundTo(compute, mean[i]));
    result.shift.push_back(shift[i] + lostToRounding(result.center[i], mean[i], scale[i]));
    shifts |= result.shift[i] != 0;
  }
  if (!shifts)
    result.shift.clear();
  return result;
}

Coefficients batchNormCoefficients(const BatchNormForward &forward, int64_t first,
                                   const Dims &keptShape, const BatchNormParameters &parameters,
                                   DType compute) {
  const int64_t kept = product(keptShape);
  std::vector<double> scale, shift;
  for (int64_t i = 0; i < kept; ++i) {
    const double gamma = valueOr(parameters.gamma, i, 1);
    scale.push_back(forward.invStd[first + i] * valueOr(forward.r, i, 1) * gamma);
    shift.push_back(valueOr(forward.d, i, 0) * gamma + valueOr(parameters.beta, i, 0));
  }
  return centred(std::span(forward.mean).subspan(first, kept), scale, shift, keptShape, compute);
}

Coefficients batchNormCoefficients(std::span<const double> mean, std::span<const double> variance,
                                   double epsilon, const Dims &keptShape,
                                   const BatchNormParameters &parameters, DType compute) {
  std::vector<double> scale, shift;
  for (size_t i = 0; i < mean.size(); ++i) {
    scale.push_back(valueOr(parameters.gamma, i, 1) / std::sqrt(variance[i] + epsilon));
    shift.push_back(valueOr(parameters.beta, i, 0));
  }
  return centred(mean, scale, shift, keptShape, compute);
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
