//===- BatchNormCoefficients.cpp - What the maps compute with -------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Support/BatchNorm.h"

#include "BatchNormArithmetic.h"

#include <algorithm>
#include <cmath>

namespace norma {

static size_t keptSizeOf(const Dims &shape) {
  size_t size = 1;
  for (int64_t extent : shape)
    size *= size_t(extent);
  return size;
}

/// Centers for `means`, and what x - center misses of x - mean, times `factors`, added to
/// `shifts`.
template <DType Compute>
static void centre(std::span<const double> means, const double *factors, double *__restrict centers,
                   double *__restrict shifts) {
  for (size_t i = 0; i < means.size(); ++i) {
    const double mean = means[i], center = rounded<Compute>(mean);
    centers[i] = center;
    shifts[i] += lostOf(mean, center, factors[i]);
  }
}

/// The same; the vectors are as long as `means`.
static std::vector<double> centersOf(std::span<const double> means,
                                     const std::vector<double> &factors, DType compute,
                                     std::vector<double> &shifts) {
  std::vector<double> centers(means.size());
  (compute == DType::F32 ? centre<DType::F32> : centre<DType::F64>)(means, factors.data(),
                                                                    centers.data(), shifts.data());
  return centers;
}

/// Leaves out values that are all 0.
static void dropZeros(std::vector<double> &values) {
  if (std::none_of(values.begin(), values.end(), [](double value) { return value != 0; }))
    values.clear();
}

/// The map around `mean`, with its center as the compute type has it.
static Coefficients centred(std::span<const double> mean, std::vector<double> scale,
                            std::vector<double> shift, const Dims &shape, DType compute) {
  Coefficients result{shape, {}, std::move(scale), std::move(shift)};
  result.center = centersOf(mean, result.scale, compute, result.shift);
  dropZeros(result.shift);
  return result;
}

/// values[i] *= factors[first + i], where there are factors.
static void multiply(std::vector<double> &values, const std::vector<double> &factors,
                     int64_t first) {
  if (factors.empty())
    return;
  const double *const from = factors.data() + first;
  for (size_t i = 0; i < values.size(); ++i)
    values[i] *= from[i];
}

/// `size` of the values from `first` on; `absent` where there are none.
static std::vector<double> valuesOr(const std::vector<double> &values, int64_t first, size_t size,
                                    double absent) {
  if (values.empty())
    return std::vector<double>(size, absent);
  return {values.begin() + first, values.begin() + first + int64_t(size)};
}

Coefficients coefficientsAround(std::span<const double> mean, const BatchNormForward &forward,
                                int64_t first, const Dims &keptShape,
                                const BatchNormParameters &parameters, DType compute,
                                int64_t firstKept) {
  const size_t kept = mean.size();
  std::vector<double> scale = valuesOr(forward.invStd, first, kept, 1);
  multiply(scale, forward.r, firstKept);
  multiply(scale, parameters.gamma, firstKept);
  std::vector<double> shift;
  if (forward.d.empty()) {
    shift = valuesOr(parameters.beta, firstKept, kept, 0);
  } else {
    shift = valuesOr(forward.d, firstKept, kept, 0);
    multiply(shift, parameters.gamma, firstKept);
    for (size_t i = 0; !parameters.beta.empty() && i < kept; ++i)
      shift[i] += parameters.beta[size_t(firstKept) + i];
  }
  return centred(mean, std::move(scale), std::move(shift), keptShape, compute);
}

Coefficients batchNormCoefficients(const BatchNormForward &forward, int64_t first,
                                   const Dims &keptShape, const BatchNormParameters &parameters,
                                   DType compute, int64_t firstKept) {
  const auto mean = std::span(forward.mean).subspan(size_t(first), keptSizeOf(keptShape));
  return coefficientsAround(mean, forward, first, keptShape, parameters, compute, firstKept);
}

Coefficients batchNormCoefficients(std::span<const double> mean, std::span<const double> variance,
                                   double epsilon, const Dims &keptShape,
                                   const BatchNormParameters &parameters, DType compute) {
  std::vector<double> scale = valuesOr(parameters.gamma, 0, mean.size(), 1);
  for (size_t i = 0; i < mean.size(); ++i)
    scale[i] /= std::sqrt(variance[i] + epsilon);
  return centred(mean, std::move(scale), valuesOr(parameters.beta, 0, mean.size(), 0), keptShape,
                 compute);
}

/// Slopes and offsets, in one loop: all else goes on beside its division.
static void slopesAndOffsets(const double *counts, const double *invStds, const double *scales,
                             const double *sums, const double *dots, size_t size,
                             double *__restrict slopes, double *__restrict offsets) {
  for (size_t i = 0; i < size; ++i) {
    const SlopeAndOffset of(counts[i], invStds[i], scales[i], sums[i], dots[i]);
    slopes[i] = of.slope;
    offsets[i] = of.offset;
  }
}

GradientCoefficients batchNormGradientCoefficients(const BatchNormForward &forward, int64_t first,
                                                   const Dims &keptShape, const GradientSums &sums,
                                                   const BatchNormParameters &parameters,
                                                   DType compute, int64_t firstKept) {
  const auto size = keptSizeOf(keptShape);
  const double *const invStds = forward.invStd.data() + first;
  const auto means = std::span(forward.mean).subspan(size_t(first), size);
  GradientCoefficients result{keptShape,
                              {},
                              std::vector<double>(size),
                              std::vector<double>(size),
                              {invStds, invStds + size}};
  multiply(result.scale, forward.r, firstKept);
  multiply(result.scale, parameters.gamma, firstKept);
  slopesAndOffsets(forward.count.data() + first, invStds, result.scale.data(),
                   sums.sum.data() + first, sums.dot.data() + first, size, result.slope.data(),
                   result.offset.data());
  result.center = centersOf(means, result.slope, compute, result.offset);
  return result;
}

} // namespace norma
