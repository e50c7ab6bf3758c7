//===- BatchNormRange.cpp - Kept indices in one loop ----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each kept index costs a root and two divisions, a gradient's one division, which take a processor
// longer than all else that is done to it, but can do so beside that: in one loop, whose results go
// where they stay.
//
//===----------------------------------------------------------------------===//

#include "norma/Support/BatchNormRange.h"

#include "BatchNormArithmetic.h"
#include "WideVectors.h"

#include <algorithm>
#include <array>
#include <type_traits>

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

/// Values from `first` on, or what stands for them.
const double *valuesOr(const std::vector<double> &values, size_t first,
                       const std::array<double, kChunk> &absent) {
  return values.empty() ? absent.data() : values.data() + first;
}

template <DType Compute>
using Element = std::conditional_t<Compute == DType::F32, float, double>;

/// Element `first` of an array of the compute type.
template <DType Compute>
Element<Compute> *at(void *array, size_t first) {
  return static_cast<Element<Compute> *>(array) + first;
}

/// Calls `run` for chunks of [0, size): with the first index of each, and how many it has.
template <typename Run>
void forEachChunk(size_t size, Run run) {
  for (size_t first = 0; first < size; first += kChunk)
    run(first, std::min(kChunk, size - first));
}

} // namespace

//===----------------------------------------------------------------------===//
// Forward
//===----------------------------------------------------------------------===//

namespace {

/// What enters the moving variance.
enum class Moving { Nothing, Population, Sample };

/// Where the numbers of a chunk are.
struct ForwardChunk {
  const double *counts, *means, *m2s, *gammas, *betas;
};

} // namespace

template <DType Compute, Moving How>
NORMA_INLINE static inline void
mapChunk(const ForwardChunk &in, size_t size, double epsilon, const Blend &blend,
         double *__restrict invStds, double *__restrict movingMeans,
         double *__restrict movingVariances, Element<Compute> *__restrict centers,
         Element<Compute> *__restrict scales, Element<Compute> *__restrict shifts) {
  for (size_t i = 0; i < size; ++i) {
    const double n = in.counts[i], mean = in.means[i], variance = varianceOf(n, in.m2s[i]);
    const double invStd = inverseDeviation(variance, epsilon), scale = invStd * in.gammas[i];
    const double center = rounded<Compute>(mean);
    invStds[i] = invStd;
    centers[i] = Element<Compute>(center);
    scales[i] = Element<Compute>(scale);
    shifts[i] = Element<Compute>(in.betas[i] + lostOf(mean, center, scale));
    if constexpr (How != Moving::Nothing) {
      const double known = How == Moving::Sample ? sampleVariance(n, variance) : variance;
      // Both before one is stored: otherwise GCC makes no vectors.
      const double nextMean = blend.where(n, movingMeans[i], mean);
      const double nextVariance = blend.where(n, movingVariances[i], known);
      movingMeans[i] = nextMean;
      movingVariances[i] = nextVariance;
    }
  }
}

template <DType Compute>
void RangedBatchNormForward::addAndMapAs(const Statistics &statistics, int64_t begin, int64_t end,
                                         const BatchNormParameters &parameters,
                                         const CoefficientArrays &into) {
  MovingStatistics &moving = forward.updated;
  // A cumulative average gives the k-th batch the weight 1/k.
  const Blend blend(rules.momentum.value_or(1 - 1 / double(moving.batches + 1)));
  const auto runAs = [&]<Moving How>(std::integral_constant<Moving, How>) {
    forEachChunk(size_t(end - begin), [&](size_t first, size_t size) {
      const size_t kept = size_t(begin) + first;
      const ForwardChunk in{statistics.count.data() + kept, statistics.mean.data() + kept,
                            statistics.m2.data() + kept, valuesOr(parameters.gamma, kept, kOnes),
                            valuesOr(parameters.beta, kept, kZeros)};
      runInWideVectors([&]() NORMA_INLINE {
        mapChunk<Compute, How>(in, size, rules.effectiveEpsilon(), blend,
                               forward.invStd.data() + kept, moving.mean.data() + kept,
                               moving.variance.data() + kept, at<Compute>(into.center, first),
                               at<Compute>(into.scale, first), at<Compute>(into.shift, first));
      });
    });
  };
  if (!rules.updateMoving)
    runAs(std::integral_constant<Moving, Moving::Nothing>());
  else if (rules.movingVariance == MovingVariance::Sample)
    runAs(std::integral_constant<Moving, Moving::Sample>());
  else
    runAs(std::integral_constant<Moving, Moving::Population>());
}

void RangedBatchNormForward::addAndMap(const Statistics &statistics, int64_t begin, int64_t end,
                                       const BatchNormParameters &parameters,
                                       const CoefficientArrays &into) {
  if (rules.renorm) {
    add(statistics, begin, end);
    const auto means = std::span(statistics.mean).subspan(size_t(begin), size_t(end - begin));
    return storeCoefficients(coefficientsAround(means, forward, begin, Dims{end - begin},
                                                parameters, into.compute, begin),
                             end - begin, into);
  }
  if (into.compute == DType::F32)
    addAndMapAs<DType::F32>(statistics, begin, end, parameters, into);
  else
    addAndMapAs<DType::F64>(statistics, begin, end, parameters, into);
}

//===----------------------------------------------------------------------===//
// Gradient
//===----------------------------------------------------------------------===//

namespace {

struct GradientChunk {
  const double *counts, *means, *invStds, *rs, *gammas, *sums, *dots;
};

} // namespace

template <DType Compute>
NORMA_INLINE static inline void
mapChunk(const GradientChunk &in, size_t size, Element<Compute> *__restrict centers,
         Element<Compute> *__restrict slopes, Element<Compute> *__restrict offsets,
         Element<Compute> *__restrict scales) {
  for (size_t i = 0; i < size; ++i) {
    const double mean = in.means[i], center = rounded<Compute>(mean), invStd = in.invStds[i];
    const double scale = invStd * in.rs[i] * in.gammas[i];
    const SlopeAndOffset of(in.counts[i], invStd, scale, in.sums[i], in.dots[i]);
    centers[i] = Element<Compute>(center);
    slopes[i] = Element<Compute>(of.slope);
    offsets[i] = Element<Compute>(of.offset + lostOf(mean, center, of.slope));
    scales[i] = Element<Compute>(scale);
  }
}

template <DType Compute>
static void mapGradientAs(const BatchNormForward &forward, const GradientSums &sums, int64_t begin,
                          int64_t end, const BatchNormParameters &parameters,
                          const GradientCoefficientArrays &into) {
  forEachChunk(size_t(end - begin), [&](size_t first, size_t size) {
    const size_t kept = size_t(begin) + first;
    const GradientChunk in{forward.count.data() + kept,
                           forward.mean.data() + kept,
                           forward.invStd.data() + kept,
                           valuesOr(forward.r, kept, kOnes),
                           valuesOr(parameters.gamma, kept, kOnes),
                           sums.sum.data() + kept,
                           sums.dot.data() + kept};
    runInWideVectors([&]() NORMA_INLINE {
      mapChunk<Compute>(in, size, at<Compute>(into.center, first), at<Compute>(into.slope, first),
                        at<Compute>(into.offset, first), at<Compute>(into.scale, first));
    });
  });
}

void mapGradient(const BatchNormForward &forward, const GradientSums &sums, int64_t begin,
                 int64_t end, const BatchNormParameters &parameters,
                 const GradientCoefficientArrays &into) {
  (into.compute == DType::F32
       ? mapGradientAs<DType::F32>
       : mapGradientAs<DType::F64>)(forward, sums, begin, end, parameters, into);
}

} // namespace norma
