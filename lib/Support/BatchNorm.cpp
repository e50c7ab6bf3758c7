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

#include "norma/Support/BatchNormRange.h"

#include "BatchNormArithmetic.h"

#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>
#include <tuple>

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

/// What the groups of some kept indices come to. One array for each number, so that what
/// is done to all kept indices is done in vectors.
struct Averages {
  /// All that was counted; where it is 0, nothing is known.
  std::span<const double> count;
  std::span<const double> mean, variance;
  /// The variance that moves, by MovingVariance.
  std::span<const double> movingVariance;
};

/// Averages with the memory they are in.
struct OwnedAverages {
  std::vector<double> count, mean, variance, movingVariance;

  operator Averages() const { return {count, mean, variance, movingVariance}; }
};

} // namespace

static OwnedAverages averageGroups(const Statistics &groups, int64_t kept, MovingVariance moving) {
  const std::vector<double> zeros(static_cast<size_t>(kept));
  OwnedAverages average{zeros, zeros, zeros, zeros};
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
    for (int64_t i = 0; i < kept; ++i)
      average.movingVariance[i] += sampleVariance(n[i], varianceOf(n[i], m2[i]));
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
static std::pair<double, double> correct(const BatchNormRules &rules, const Averages &batch,
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

/// Moves the statistics of kept indices from `first` on, where they are known.
static void move(const BatchNormRules &rules, const Averages &batch, size_t first,
                 MovingStatistics &moving) {
  const auto moveTo = [&](std::vector<double> &values, std::span<const double> now,
                          const Blend &by) {
    blendInto(values.data() + first, batch.count.data(), now.data(), now.size(), by);
  };
  // A cumulative average gives the k-th batch the weight 1/k.
  const Blend blend(rules.momentum.value_or(1 - 1 / double(moving.batches + 1)));
  moveTo(moving.mean, batch.mean, blend);
  if (!rules.renorm)
    return moveTo(moving.variance, batch.movingVariance, blend);

  const double epsilon = rules.effectiveEpsilon();
  const auto deviations = [&](std::span<const double> variances) {
    std::vector<double> result(variances.begin(), variances.end());
    for (double &value : result)
      value = std::sqrt(value + epsilon);
    return result;
  };
  const Blend renormBlend(rules.renormMomentum);
  moveTo(moving.renormMean, batch.mean, renormBlend);
  moveTo(moving.renormStddev, deviations(batch.variance), renormBlend);
  moveTo(moving.stddev, deviations(batch.movingVariance), blend);
  // The deviation is what moves; inference shall divide by it.
  for (size_t i = 0; i < batch.count.size(); ++i) {
    const double stddev = moving.stddev[first + i], variance = stddev * stddev - epsilon;
    if (batch.count[i] != 0)
      moving.variance[first + i] = variance < 0 ? 0 : variance;
  }
}

/// What is averaged over the groups: renorm's corrections, then the moving statistics of kept
/// indices from `first` on.
static void advance(const BatchNormRules &rules, const Averages &batch, size_t first,
                    BatchNormForward &forward) {
  MovingStatistics &moving = forward.updated;
  for (size_t i = 0; !forward.r.empty() && i < batch.count.size(); ++i)
    std::tie(forward.r[first + i], forward.d[first + i]) =
        correct(rules, batch, i, moving.renormMean[first + i], moving.renormStddev[first + i]);
  if (rules.updateMoving)
    move(rules, batch, first, moving);
}

/// Counts a batch in which anything is known.
static void countBatch(const BatchNormRules &rules, std::span<const double> counts,
                       MovingStatistics &moving) {
  if (rules.updateMoving &&
      std::any_of(counts.begin(), counts.end(), [](double n) { return n != 0; }))
    ++moving.batches;
}

RangedBatchNormForward::RangedBatchNormForward(const BatchNormRules &rules, const Dims &keptShape,
                                               MovingStatistics moving, std::vector<double> invStd)
    : rules(rules) {
  const auto kept = size_t(product(keptShape));
  forward.groupShape = keptShape;
  forward.invStd = std::move(invStd);
  forward.invStd.resize(kept);
  if (rules.renorm)
    for (std::vector<double> *values : {&forward.r, &forward.d})
      values->resize(kept);
  forward.updated = std::move(moving);
}

/// Variances and what to multiply with, in one loop: all else goes on beside its divisions.
static void invertDeviations(const double *counts, const double *m2, double epsilon, size_t size,
                             double *__restrict variances, double *__restrict invStd) {
  for (size_t i = 0; i < size; ++i) {
    variances[i] = varianceOf(counts[i], m2[i]);
    invStd[i] = inverseDeviation(variances[i], epsilon);
  }
}

void RangedBatchNormForward::add(const Statistics &statistics, int64_t begin, int64_t end) {
  // Variances are left in no memory of their own.
  constexpr int64_t kChunk = 256;
  std::array<double, kChunk> population, sample;
  const bool isSample = rules.movingVariance == MovingVariance::Sample;
  const double epsilon = rules.effectiveEpsilon();
  for (int64_t first = begin; first < end; first += kChunk) {
    const auto size = size_t(std::min(kChunk, end - first));
    const double *const n = statistics.count.data() + first;
    const double *const mean = statistics.mean.data() + first;
    const double *const m2 = statistics.m2.data() + first;
    invertDeviations(n, m2, epsilon, size, population.data(), forward.invStd.data() + first);
    for (size_t i = 0; isSample && i < size; ++i)
      sample[i] = sampleVariance(n[i], population[i]);
    const std::span<const double> ofBatch(population.data(), size);
    advance(rules,
            {{n, size}, {mean, size}, ofBatch, isSample ? std::span(sample.data(), size) : ofBatch},
            size_t(first), forward);
  }
}

BatchNormForward RangedBatchNormForward::finish(Statistics statistics) {
  forward.count = std::move(statistics.count);
  forward.mean = std::move(statistics.mean);
  countBatch(rules, forward.count, forward.updated);
  return std::move(forward);
}

BatchNormForward batchNormForward(const BatchNormRules &rules, const Statistics &groups,
                                  const MovingStatistics &moving) {
  const bool cut = rules.ghosts.size > 0;
  if (rules.useBatchStatistics && !cut) {
    RangedBatchNormForward all(rules, groups.shape, moving);
    all.add(groups, 0, groups.size());
    return all.finish(groups);
  }

  const Dims keptShape{std::span<const int64_t>(groups.shape).subspan(cut ? 1 : 0)};
  const int64_t kept = product(keptShape);
  BatchNormForward forward;
  forward.updated = moving;
  if (rules.useBatchStatistics) {
    forward.groupShape = groups.shape;
    forward.count = groups.count;
    forward.mean = groups.mean;
    forward.invStd = groups.variances();
    forward.r.resize(rules.renorm ? size_t(kept) : 0);
    forward.d.resize(forward.r.size());
  } else {
    forward.groupShape = keptShape;
    forward.mean = moving.mean;
    forward.invStd = moving.variance;
  }
  for (double &value : forward.invStd)
    value = inverseDeviation(value, rules.effectiveEpsilon());
  OwnedAverages batch = averageGroups(groups, kept, rules.movingVariance);
  advance(rules, batch, 0, forward);
  countBatch(rules, batch.count, forward.updated);
  if (!rules.useBatchStatistics)
    forward.count = std::move(batch.count);
  return forward;
}

} // namespace norma
