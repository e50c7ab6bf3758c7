//===- Statistics.h - count, mean, m2 ---------------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Statistics of every kept index: how many elements were seen (or the sum of
// their weights), their mean, and the sum of their squared deviations from it.
// Two disjoint sets merge by Chan, Golub and LeVeque's formula ("Updating
// Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979):
//
//   n = na + nb,  d = mean_b - mean_a
//   mean = mean_a + d * nb/n
//   m2   = m2_a + m2_b + d^2 * na*nb/n
//
// so statistics of batches, files, threads and machines combine exactly in
// count and to rounding in mean and m2.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_SUPPORT_STATISTICS_H
#define NORMA_SUPPORT_STATISTICS_H

#include "norma/Support/Tensor.h"

#include <limits>
#include <optional>
#include <vector>

namespace norma {

/// What a NaN in the data does to the statistics of its kept index.
enum class NanPolicy {
  /// It makes mean and m2 NaN.
  Propagate,
  /// It is left out, and not counted.
  Omit,
};
const char *toString(NanPolicy policy);
Expected<NanPolicy> parseNanPolicy(std::string_view name);

/// What normalization does with a feature whose variance is zero.
enum class ZeroVariance {
  /// Divide by max(sqrt(variance), epsilon), as Keras does.
  Clamp,
  /// Divide by one where the feature is constant, and by sqrt(variance) everywhere
  /// else, however small, as scikit-learn does.
  Unit,
};
const char *toString(ZeroVariance policy);
Expected<ZeroVariance> parseZeroVariance(std::string_view name);

struct Statistics {
  /// The extents of the kept axes, in axis order; () when no axis is kept.
  Dims shape;
  /// Row-major over `shape`, numElements(shape) values each. `count` is the
  /// number of elements, or the sum of their weights.
  std::vector<double> count, mean, m2;

  /// The statistics of no data: zeros.
  static Statistics zeros(const Dims &shape);

  int64_t size() const { return int64_t(count.size()); }
  /// Population variance of kept index i, m2/count, never negative; 0 where
  /// nothing was counted.
  double variance(int64_t i) const;
  /// Those of all.
  std::vector<double> variances() const;
  /// Whether kept index i holds one value only, up to the rounding of a mean:
  /// variance <= count*u*variance + (count*mean*u)^2 with u = 2^-52. (The rule of
  /// scikit-learn's StandardScaler.)
  bool isConstant(int64_t i) const;
  /// The flat kept indices that are constant and were counted at least once.
  std::vector<int64_t> constantFeatures() const;
};

/// m2 / count as Statistics::variance() has it.
inline double varianceOf(double count, double m2) {
  const double quotient = m2 / count;
  // Not std::max, which would turn NaN into 0 or keep it by the order of its arguments.
  const double clamped = quotient < 0 ? 0 : quotient;
  return count == 0 ? 0 : clamped;
}

/// Whether Statistics::isConstant() has it so of values with that variance.
inline bool isConstantOf(double count, double mean, double variance) {
  const double u = std::numeric_limits<double>::epsilon();
  const double rounding = count * mean * u;
  return variance <= count * u * variance + rounding * rounding;
}

/// Merges `from` into `into`. Shapes must be equal.
Expected<void> mergeStatistics(Statistics &into, const Statistics &from);

/// Optional inputs of a statistics pass.
struct MomentsOptions {
  NanPolicy nan = NanPolicy::Propagate;
  /// Elements where the mask is zero are left out: any dtype, nonzero keeps.
  std::optional<Tensor> mask = {};
  /// Non-negative, finite weights of any float or integer dtype.
  std::optional<Tensor> weights = {};
};

/// Mask and weights broadcast to the data from the left: their rank may be lower,
/// missing trailing axes count as 1, and every extent is the data's or 1. So one
/// number per sample has shape (N,) or (N, 1), whatever the rank of the data.
/// Returns the view with the data's shape (strides of 0 where it repeats).
Expected<Tensor> broadcastFromLeft(const Tensor &tensor, std::span<const int64_t> shape,
                                   std::string_view name);

/// y = (x - center) * scale + shift, for every kept index. An empty vector stands
/// for center 0, scale 1 or shift 0. f64, rounded once to the compute type.
struct Coefficients {
  Dims shape;
  std::vector<double> center, scale, shift;
};

} // namespace norma

#endif // NORMA_SUPPORT_STATISTICS_H
