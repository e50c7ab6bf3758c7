//===- PreparedNormalization.cpp - What a normalization applies -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PreparedNormalization.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace norma {

namespace {

/// 1 / max(sqrt(variance), smallest), or what it divides by, and 1 where nothing was seen.
template <bool Invert>
void scaleAll(const double *counts, const double *variances, double smallest,
              std::vector<double> &scales) {
  for (size_t i = 0; i < scales.size(); ++i) {
    const double deviation = std::sqrt(variances[i]);
    // In this order NaN stays.
    const double atLeast = deviation < smallest ? smallest : deviation;
    const double divisor = counts[i] > 0 ? atLeast : 1;
    scales[i] = Invert ? divisor : 1 / divisor;
  }
}

/// Whether some index may be constant. Collects the bits of numbers, not truth values, which have
/// another width.
bool mayHaveConstants(const Statistics &statistics, const std::vector<double> &variances) {
  uint64_t bits = 0;
  for (size_t i = 0; i < variances.size(); ++i)
    bits |= std::bit_cast<uint64_t>(
        isConstantOf(statistics.count[i], statistics.mean[i], variances[i]) ? 1.0 : 0.0);
  return bits != 0;
}

} // namespace

bool isAdaptedFrom(const NormalizationOptions &options, const Statistics &statistics) {
  return !options.mean && std::any_of(statistics.count.begin(), statistics.count.end(),
                                      [](double count) { return count > 0; });
}

PreparedNormalization::PreparedNormalization(const NormalizationOptions &options,
                                             const Dims &keptAxes, const Statistics &statistics)
    : axis(keptAxes), variance(statistics.count.size()) {
  coefficients.shape = statistics.shape;
  const bool isGiven = options.mean.has_value();
  const std::vector<double> &counts = statistics.count;
  const size_t size = counts.size();
  isAdapted = isAdaptedFrom(options, statistics);
  if (!isAdapted && !isGiven) {
    // Absent coefficients are exactly the identity.
    std::fill(variance.begin(), variance.end(), 1.0);
    return;
  }
  // One number a loop: each is compiled to vectors, and all that takes time are two divisions and a
  // square root of every index.
  for (size_t i = 0; i < size; ++i)
    variance[i] = varianceOf(counts[i], statistics.m2[i]);
  const bool hasConstants = !isGiven && mayHaveConstants(statistics, variance);
  std::vector<double> &mean = options.invert ? coefficients.shift : coefficients.center;
  mean = statistics.mean;
  for (size_t i = 0; i < size; ++i)
    mean[i] = counts[i] > 0 ? mean[i] : 0;
  for (size_t i = 0; i < size; ++i)
    variance[i] = counts[i] > 0 ? variance[i] : 1;
  // scikit-learn knows constants, and takes every other deviation as it is.
  const bool isUnit = options.zeroVariance == ZeroVariance::Unit;
  const double smallest = isUnit ? 0 : options.epsilon;
  std::vector<double> &scale = coefficients.scale;
  scale.resize(size);
  (options.invert ? scaleAll<true> : scaleAll<false>)(counts.data(), variance.data(), smallest,
                                                      scale);
  if (isGiven) {
    for (size_t i = 0; i < size; ++i)
      if (variance[i] == 0)
        constant.push_back(int64_t(i));
  } else if (hasConstants) {
    constant = statistics.constantFeatures();
  }
  if (isUnit)
    for (int64_t i : constant)
      scale[size_t(i)] = 1;
}

std::vector<double> PreparedNormalization::mean() const {
  if (coefficients.scale.empty())
    return std::vector<double>(variance.size(), 0.0);
  return coefficients.center.empty() ? coefficients.shift : coefficients.center;
}

} // namespace norma
