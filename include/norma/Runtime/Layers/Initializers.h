//===- Initializers.h - First values, penalties and limits ------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What Keras calls initializers, regularizers and constraints, for parameters of any
// shape. Random ones depend on their seed alone, on every machine.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_LAYERS_INITIALIZERS_H
#define NORMA_RUNTIME_LAYERS_INITIALIZERS_H

#include "norma/Support/Tensor.h"

#include <optional>
#include <vector>

namespace norma {

/// Where the values of a parameter come from.
struct Initializer {
  enum class Kind {
    Zeros,
    Ones,
    /// `value` everywhere.
    Constant,
    /// Uniform in [minimum, maximum).
    RandomUniform,
    /// Normal with `mean` and `stddev`.
    RandomNormal,
    /// The same, values beyond two deviations drawn again.
    TruncatedNormal,
    /// Keras' VarianceScaling: a variance of scale / n, n being the fan-in, fan-out or
    /// their mean, from `distribution`. Glorot, He and LeCun are cases of it.
    VarianceScaling,
  };
  enum class FanMode { FanIn, FanOut, FanAverage };
  enum class Distribution { TruncatedNormal, UntruncatedNormal, Uniform };

  Kind kind = Kind::Zeros;
  double value = 0;
  double minimum = -0.05, maximum = 0.05;
  double mean = 0, stddev = 0.05;
  double scale = 1;
  FanMode mode = FanMode::FanIn;
  Distribution distribution = Distribution::TruncatedNormal;
  uint64_t seed = 0;

  static Initializer zeros();
  static Initializer ones();
  static Initializer constant(double value);
  static Initializer randomUniform(double minimum, double maximum, uint64_t seed);
  static Initializer randomNormal(double mean, double stddev, uint64_t seed);
  static Initializer truncatedNormal(double mean, double stddev, uint64_t seed);
  static Initializer varianceScaling(double scale, FanMode mode, Distribution distribution,
                                     uint64_t seed);
  static Initializer glorotUniform(uint64_t seed);
  static Initializer glorotNormal(uint64_t seed);
  static Initializer heUniform(uint64_t seed);
  static Initializer heNormal(uint64_t seed);
  static Initializer lecunUniform(uint64_t seed);
  static Initializer lecunNormal(uint64_t seed);
};

/// Keras' names: "fan_in", "fan_out", "fan_avg".
const char *toString(Initializer::FanMode mode);
/// "truncated_normal", "untruncated_normal", "uniform".
const char *toString(Initializer::Distribution distribution);

/// Errors name `argument`: numbers that are not finite (nor maximum - minimum), maximum <
/// minimum, stddev < 0, scale <= 0. Only the numbers that the kind uses are looked at.
Expected<void> checkInitializer(const Initializer &initializer, std::string_view argument);

/// Row-major values of a parameter of `shape`. Fans are counted as Keras does: of (), 1 and
/// 1; of (n), n and n; of (i, o), i and o; of more axes, the last two times the product of
/// the others; a fan below 1 counts as 1.
std::vector<double> initialValues(const Initializer &initializer, const Dims &shape);

/// l1 * sum(|w|) + l2 * sum(w^2), added to the loss of training.
struct Regularizer {
  double l1 = 0, l2 = 0;
};
/// Errors name `argument`: an l1 or l2 that is below 0 or not finite.
Expected<void> checkRegularizer(const Regularizer &regularizer, std::string_view argument);
double regularizationLoss(const Regularizer &regularizer, std::span<const double> values);
/// Adds its gradient, l1 * sign(w) + 2 * l2 * w, to `gradient`.
void addRegularizationGradient(const Regularizer &regularizer, std::span<const double> values,
                               std::span<double> gradient);

/// What an update must not break; applied on request after one. As in Keras, a norm is
/// sqrt(sum(w^2)), and 1e-7 is added to it where it divides.
struct Constraint {
  enum class Kind {
    /// Negative values become 0.
    NonNeg,
    /// Norms above `maximum` are scaled down to it: w * min(norm, maximum) / norm.
    MaxNorm,
    /// Norms become 1: w / norm.
    UnitNorm,
    /// Norms go towards [minimum, maximum]:
    /// w * (rate * clip(norm, minimum, maximum) + (1 - rate) * norm) / norm.
    MinMaxNorm,
  };
  Kind kind = Kind::NonNeg;
  double minimum = 0, maximum = 1, rate = 1;
  /// The axis (negative ones from the back) that norms are taken along: a vector has one norm.
  int64_t axis = 0;

  static Constraint nonNeg();
  static Constraint maxNorm(double maximum = 2, int64_t axis = 0);
  static Constraint unitNorm(int64_t axis = 0);
  static Constraint minMaxNorm(double minimum = 0, double maximum = 1, double rate = 1,
                               int64_t axis = 0);
};
/// Errors name `argument`: limits below 0 or not finite, maximum < minimum, a rate outside
/// of [0, 1].
Expected<void> checkConstraint(const Constraint &constraint, std::string_view argument);
/// Whether the axis of a constraint that has one is an axis of parameters of `rank`.
Expected<void> checkConstraintAxis(const Constraint &constraint, int rank,
                                   std::string_view argument);
/// Changes row-major `values` of `shape`. An axis out of range is an error.
Expected<void> applyConstraint(const Constraint &constraint, const Dims &shape,
                               std::span<double> values);

} // namespace norma

#endif // NORMA_RUNTIME_LAYERS_INITIALIZERS_H
