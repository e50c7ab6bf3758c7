//===- BatchNormRange.cpp - Kept indices in one loop ----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// From the statistics of a range to the coefficients of its map and to the moving statistics.
//
//===----------------------------------------------------------------------===//

#include "BatchNormArithmetic.h"

#include "norma/Support/BatchNorm.h"

#include <algorithm>
#include <array>

namespace norma {

namespace {

/// As many kept indices share what stands for an absent array.
constexpr size_t kChunk = 256;
constexpr std::array<double, kChunk> kZeros{};
constexpr std::array<double, kChunk> kOnes = [] {
  std::array<double, kChunk> ones{};
  ones.fill(1);
  return ones;
}();

/// Where the numbers of a chunk are.
struct ChunkInputs {
  const double *counts, *means, *m2s, *gammas, *betas;
};

} // namespace

/// Variances and coefficients, in one loop: all else goes on beside its divisions.
template <DType Compute>
static void trainChunk(const ChunkInputs &in, size_t size, double epsilon,
                       double *__restrict variances, double *__restrict invStds,
                       double *__restrict centers, double *__restrict scales,
                       double *__restrict shifts) {
  for (size_t i = 0; i < size; ++i) {
    const double mean = in.means[i], center = rounded<Compute>(mean);
    const double variance = varianceOf(in.counts[i], in.m2s[i]);
    const double invStd = inverseDeviation(variance, epsilon), scale = invStd * in.gammas[i];
    variances[i] = variance;
    invStds[i] = invStd;
    centers[i] = center;
    scales[i] = scale;
    shifts[i] = in.betas[i] + lostOf(mean, center, scale);
  }
}

Coefficients RangedBatchNormForward::addAndMap(const Statistics &statistics, int64_t begin,
                                               int64_t end, const BatchNormParameters &parameters,
                                               DType compute) {
  if (rules.renorm) {
    add(statistics, begin, end);
    return coefficients(statistics, begin, end, parameters, compute);
  }
  const auto size = size_t(end - begin);
  Coefficients result{{end - begin},
                      std::vector<double>(size),
                      std::vector<double>(size),
                      std::vector<double>(size)};
  // Left in no memory of its own.
  std::array<double, kChunk> variances;
  MovingStatistics &moving = forward.updated;
  // A cumulative average gives the k-th batch the weight 1/k.
  const Blend blend(rules.momentum.value_or(1 - 1 / double(moving.batches + 1)));
  const auto run = compute == DType::F32 ? trainChunk<DType::F32> : trainChunk<DType::F64>;
  for (size_t at = 0; at < size; at += kChunk) {
    const size_t first = size_t(begin) + at, some = std::min(kChunk, size - at);
    const auto orElse = [&](const std::vector<double> &values, const auto &absent) {
      return values.empty() ? absent.data() : values.data() + first;
    };
    const ChunkInputs in{statistics.count.data() + first, statistics.mean.data() + first,
                         statistics.m2.data() + first, orElse(parameters.gamma, kOnes),
                         orElse(parameters.beta, kZeros)};
    run(in, some, rules.effectiveEpsilon(), variances.data(), forward.invStd.data() + first,
        result.center.data() + at, result.scale.data() + at, result.shift.data() + at);
    if (!rules.updateMoving)
      continue;
    if (rules.movingVariance == MovingVariance::Sample)
      for (size_t i = 0; i < some; ++i)
        variances[i] = sampleVariance(in.counts[i], variances[i]);
    blendInto(moving.mean.data() + first, in.counts, in.means, some, blend);
    blendInto(moving.variance.data() + first, in.counts, variances.data(), some, blend);
  }
  dropZeros(result.shift);
  return result;
}

} // namespace norma
