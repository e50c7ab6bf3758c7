//===- BatchNormCoefficients.cpp - What the maps compute with -------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Support/BatchNorm.h"

#include <algorithm>
#include <cmath>

namespace norma {

static size_t keptSizeOf(const Dims &shape) {
  size_t size = 1;
  for (int64_t extent : shape)
    size *= size_t(extent);
  return size;
}

/// `values` as the compute type has them.
static void roundTo(DType compute, std::vector<double> &values) {
  if (compute == DType::F32)
    for (double &value : values)
      value = double(float(value));
}

/// Adds to `shift` what x - center misses of x - mean, times `factor`.
static void addLost(std::span<const double> center, std::span<const double> mean,
                    std::span<const double> factor, std::vector<double> &shift) {
  for (size_t i = 0; i < shift.size(); ++i) {
    const double lost = (center[i] - mean[i]) * factor[i];
    // Not 0 * infinity, where epsilon and the variance are 0.
    shift[i] += center[i] == mean[i] ? 0 : lost;
  }
}

/// The map around `mean`, with its center as the compute type has it.
static Coefficients centred(std::span<const double> mean, std::vector<double> scale,
                            std::vector<double> shift, const Dims &shape, DType compute) {
  Coefficients result{shape, {mean.begin(), mean.end()}, std::move(scale), std::move(shift)};
  roundTo(compute, result.center);
  addLost(result.center, mean, result.scale, result.shift);
  if (std::none_of(result.shift.begin(), result.shift.end(), [](double s) { return s != 0; }))
    result.shift.clear();
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

Coefficients batchNormCoefficients(const BatchNormForward &forward, int64_t first,
                                   const Dims &keptShape, const BatchNormParameters &parameters,
                                   DType compute, int64_t firstKept) {
  const size_t kept = keptSizeOf(keptShape);
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
  return centred(std::span(forward.mean).subspan(size_t(first), kept), std::move(scale),
                 std::move(shift), keptShape, compute);
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

GradientCoefficients batchNormGradientCoefficients(const BatchNormForward &forward, int64_t first,
                                                   const Dims &keptShape, const GradientSums &sums,
                                                   const BatchNormParameters &parameters,
                                                   DType compute, int64_t firstKept) {
  const auto size = keptSizeOf(keptShape);
  // Loops without branches, which are compiled to vectors: there may be more numbers per
  // kept index here than in its data.
  const double *const invStds = forward.invStd.data() + first;
  const double *const counts = forward.count.data() + first;
  const double *const dots = sums.dot.data() + first, *const sum = sums.sum.data() + first;
  const std::span means = std::span(forward.mean).subspan(size_t(first), size);
  GradientCoefficients result{keptShape,
                              {means.begin(), means.end()},
                              std::vector<double>(size),
                              std::vector<double>(size),
                              {invStds, invStds + size}};
  roundTo(compute, result.center);
  multiply(result.scale, forward.r, firstKept);
  multiply(result.scale, parameters.gamma, firstKept);
  const double *const scale = result.scale.data();
  double *const slope = result.slope.data(), *const offset = result.offset.data();
  for (size_t i = 0; i < size; ++i) {
    const double n = counts[i], share = -scale[i] / (n == 0 ? 1 : n);
    const double ofDot = share * (invStds[i] * invStds[i]) * dots[i], ofSum = share * sum[i];
    slope[i] = n == 0 ? 0 : ofDot;
    offset[i] = n == 0 ? 0 : ofSum;
  }
  addLost(result.center, means, result.slope, result.offset);
  return result;
}

} // namespace norma
