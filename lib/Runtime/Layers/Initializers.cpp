//===- Initializers.cpp - First values, penalties and limits --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// std::mt19937_64 is specified to the bit, the distributions of the standard library
// and the last bit of its logarithm are not. So random values are made of nothing but
// integers, exactly rounded operations, and std::fma where a compiler could choose.
//
//===----------------------------------------------------------------------===//

#include "norma/Runtime/Layers/Initializers.h"

#include "norma/Support/AxisForm.h"
#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace norma {

namespace {

/// What Keras adds to a norm before it divides by it.
constexpr double kNormEpsilon = 1e-7;

/// The deviation of a normal distribution cut off at two of its deviations.
constexpr double kTruncatedDeviation = 0.87962566103423978;

class RandomSource {
public:
  explicit RandomSource(uint64_t seed) : engine(seed) {}

  /// Uniform in [0, 1): the upper 53 bits.
  double unit() { return double(engine() >> 11) * 0x1p-53; }

  /// Uniform in [minimum, maximum).
  double uniform(double minimum, double maximum) {
    const double value = std::fma(maximum - minimum, unit(), minimum);
    // The rounding may reach the end.
    return value < maximum ? value : std::nextafter(maximum, minimum);
  }

  /// Standard normal, by Kinderman and Monahan's ratio of uniforms (1977): the logarithm
  /// only decides whether a ratio is taken, so its last bit is not in the result.
  double normal() {
    constexpr double kWidth = 0.8577638849607068; // sqrt(2/e)
    while (true) {
      const double u = 1 - unit();
      const double x = kWidth * std::fma(2.0, unit(), -1.0) / u;
      if (x * x <= -4 * std::log(u))
        return x;
    }
  }

  double truncatedNormal() {
    while (true)
      if (const double x = normal(); std::fabs(x) <= 2)
        return x;
  }

private:
  std::mt19937_64 engine;
};

/// The number of inputs and outputs of one unit of a layer with weights of `shape`.
struct Fans {
  double in = 1, out = 1;
};

Fans countFans(const Dims &shape) {
  if (shape.empty())
    return {};
  if (shape.size() == 1)
    return {double(shape[0]), double(shape[0])};
  double field = 1;
  for (int axis = 0; axis < shape.size() - 2; ++axis)
    field *= double(shape[axis]);
  return {field * double(shape[shape.size() - 2]), field * double(shape.back())};
}

double chooseFan(const Fans &fans, Initializer::FanMode mode) {
  switch (mode) {
  case Initializer::FanMode::FanIn:
    return fans.in;
  case Initializer::FanMode::FanOut:
    return fans.out;
  case Initializer::FanMode::FanAverage:
    return (fans.in + fans.out) / 2;
  }
  return 1;
}

/// A scaled variance as the plain distribution that has it.
Initializer resolveScaling(const Initializer &scaling, const Dims &shape) {
  const double fan = std::max(1.0, chooseFan(countFans(shape), scaling.mode));
  const double variance = scaling.scale / fan;
  switch (scaling.distribution) {
  case Initializer::Distribution::TruncatedNormal:
    return Initializer::truncatedNormal(0, std::sqrt(variance) / kTruncatedDeviation, scaling.seed);
  case Initializer::Distribution::UntruncatedNormal:
    return Initializer::randomNormal(0, std::sqrt(variance), scaling.seed);
  case Initializer::Distribution::Uniform:
    break;
  }
  const double limit = std::sqrt(3 * variance);
  return Initializer::randomUniform(-limit, limit, scaling.seed);
}

Expected<void> checkFinite(double value, std::string_view argument, const char *name) {
  if (!std::isfinite(value))
    return invalidArgument(
        fmt::format("{}: {} is {}, expected a finite number", argument, name, value));
  return {};
}

/// A finite number of at least 0.
Expected<void> checkNotNegative(double value, std::string_view argument, const char *name) {
  if (!(value >= 0) || std::isinf(value))
    return invalidArgument(
        fmt::format("{}: {} is {}, expected a finite number, 0 or more", argument, name, value));
  return {};
}

Expected<void> checkOrder(double minimum, double maximum, std::string_view argument) {
  if (maximum < minimum)
    return invalidArgument(fmt::format("{}: maximum {} is below minimum {}, expected minimum <= "
                                       "maximum",
                                       argument, maximum, minimum));
  return {};
}

} // namespace

//===----------------------------------------------------------------------===//
// Initializers
//===----------------------------------------------------------------------===//

Initializer Initializer::zeros() { return {}; }
Initializer Initializer::ones() { return {.kind = Kind::Ones}; }
Initializer Initializer::constant(double value) { return {.kind = Kind::Constant, .value = value}; }

Initializer Initializer::randomUniform(double minimum, double maximum, uint64_t seed) {
  return {.kind = Kind::RandomUniform, .minimum = minimum, .maximum = maximum, .seed = seed};
}
Initializer Initializer::randomNormal(double mean, double stddev, uint64_t seed) {
  return {.kind = Kind::RandomNormal, .mean = mean, .stddev = stddev, .seed = seed};
}
Initializer Initializer::truncatedNormal(double mean, double stddev, uint64_t seed) {
  return {.kind = Kind::TruncatedNormal, .mean = mean, .stddev = stddev, .seed = seed};
}
Initializer Initializer::varianceScaling(double scale, FanMode mode, Distribution distribution,
                                         uint64_t seed) {
  return {.kind = Kind::VarianceScaling,
          .scale = scale,
          .mode = mode,
          .distribution = distribution,
          .seed = seed};
}

Initializer Initializer::glorotUniform(uint64_t seed) {
  return varianceScaling(1, FanMode::FanAverage, Distribution::Uniform, seed);
}
Initializer Initializer::glorotNormal(uint64_t seed) {
  return varianceScaling(1, FanMode::FanAverage, Distribution::TruncatedNormal, seed);
}
Initializer Initializer::heUniform(uint64_t seed) {
  return varianceScaling(2, FanMode::FanIn, Distribution::Uniform, seed);
}
Initializer Initializer::heNormal(uint64_t seed) {
  return varianceScaling(2, FanMode::FanIn, Distribution::TruncatedNormal, seed);
}
Initializer Initializer::lecunUniform(uint64_t seed) {
  return varianceScaling(1, FanMode::FanIn, Distribution::Uniform, seed);
}
Initializer Initializer::lecunNormal(uint64_t seed) {
  return varianceScaling(1, FanMode::FanIn, Distribution::TruncatedNormal, seed);
}

const char *toString(Initializer::FanMode mode) {
  switch (mode) {
  case Initializer::FanMode::FanIn:
    return "fan_in";
  case Initializer::FanMode::FanOut:
    return "fan_out";
  case Initializer::FanMode::FanAverage:
    break;
  }
  return "fan_avg";
}

const char *toString(Initializer::Distribution distribution) {
  switch (distribution) {
  case Initializer::Distribution::TruncatedNormal:
    return "truncated_normal";
  case Initializer::Distribution::UntruncatedNormal:
    return "untruncated_normal";
  case Initializer::Distribution::Uniform:
    break;
  }
  return "uniform";
}

Expected<void> checkInitializer(const Initializer &initializer, std::string_view argument) try {
  switch (initializer.kind) {
  case Initializer::Kind::Zeros:
  case Initializer::Kind::Ones:
    return {};
  case Initializer::Kind::Constant:
    return checkFinite(initializer.value, argument, "value");
  case Initializer::Kind::RandomUniform:
    if (Expected<void> valid = checkFinite(initializer.minimum, argument, "minimum"); !valid)
      return valid;
    if (Expected<void> valid = checkFinite(initializer.maximum, argument, "maximum"); !valid)
      return valid;
    if (Expected<void> valid =
            checkFinite(initializer.maximum - initializer.minimum, argument, "maximum - minimum");
        !valid)
      return valid;
    return checkOrder(initializer.minimum, initializer.maximum, argument);
  case Initializer::Kind::RandomNormal:
  case Initializer::Kind::TruncatedNormal:
    if (Expected<void> valid = checkFinite(initializer.mean, argument, "mean"); !valid)
      return valid;
    return checkNotNegative(initializer.stddev, argument, "stddev");
  case Initializer::Kind::VarianceScaling:
    if (!(initializer.scale > 0) || std::isinf(initializer.scale))
      return invalidArgument(fmt::format("{}: scale is {}, expected a finite number above 0",
                                         argument, initializer.scale));
    return {};
  }
  return {};
} catch (...) {
  return outOfMemory();
}

std::vector<double> initialValues(const Initializer &initializer, const Dims &shape) {
  if (initializer.kind == Initializer::Kind::VarianceScaling)
    return initialValues(resolveScaling(initializer, shape), shape);
  const Expected<int64_t> size = numElements(shape);
  // What is no shape is one for which memory will not do.
  std::vector<double> values(size ? size_t(*size) : std::numeric_limits<size_t>::max(), 0.0);
  RandomSource random(initializer.seed);
  for (double &value : values) {
    switch (initializer.kind) {
    case Initializer::Kind::Zeros:
    case Initializer::Kind::VarianceScaling:
      break;
    case Initializer::Kind::Ones:
      value = 1;
      break;
    case Initializer::Kind::Constant:
      value = initializer.value;
      break;
    case Initializer::Kind::RandomUniform:
      value = random.uniform(initializer.minimum, initializer.maximum);
      break;
    case Initializer::Kind::RandomNormal:
      value = std::fma(initializer.stddev, random.normal(), initializer.mean);
      break;
    case Initializer::Kind::TruncatedNormal:
      value = std::fma(initializer.stddev, random.truncatedNormal(), initializer.mean);
      break;
    }
  }
  return values;
}

//===----------------------------------------------------------------------===//
// Regularizers
//===----------------------------------------------------------------------===//

Expected<void> checkRegularizer(const Regularizer &regularizer, std::string_view argument) try {
  if (Expected<void> valid = checkNotNegative(regularizer.l1, argument, "l1"); !valid)
    return valid;
  return checkNotNegative(regularizer.l2, argument, "l2");
} catch (...) {
  return outOfMemory();
}

double regularizationLoss(const Regularizer &regularizer, std::span<const double> values) {
  double absolute = 0, squares = 0;
  for (double value : values) {
    absolute += std::fabs(value);
    squares += value * value;
  }
  return regularizer.l1 * absolute + regularizer.l2 * squares;
}

void addRegularizationGradient(const Regularizer &regularizer, std::span<const double> values,
                               std::span<double> gradient) {
  for (size_t i = 0; i < values.size(); ++i) {
    const double sign = double(values[i] > 0) - double(values[i] < 0);
    gradient[i] += regularizer.l1 * sign + 2 * regularizer.l2 * values[i];
  }
}

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

Constraint Constraint::nonNeg() { return {}; }
Constraint Constraint::maxNorm(double maximum, int64_t axis) {
  return {.kind = Kind::MaxNorm, .maximum = maximum, .axis = axis};
}
Constraint Constraint::unitNorm(int64_t axis) { return {.kind = Kind::UnitNorm, .axis = axis}; }
Constraint Constraint::minMaxNorm(double minimum, double maximum, double rate, int64_t axis) {
  return {
      .kind = Kind::MinMaxNorm, .minimum = minimum, .maximum = maximum, .rate = rate, .axis = axis};
}

Expected<void> checkConstraint(const Constraint &constraint, std::string_view argument) try {
  switch (constraint.kind) {
  case Constraint::Kind::NonNeg:
  case Constraint::Kind::UnitNorm:
    return {};
  case Constraint::Kind::MaxNorm:
    return checkNotNegative(constraint.maximum, argument, "maximum");
  case Constraint::Kind::MinMaxNorm:
    break;
  }
  if (Expected<void> valid = checkNotNegative(constraint.minimum, argument, "minimum"); !valid)
    return valid;
  if (Expected<void> valid = checkNotNegative(constraint.maximum, argument, "maximum"); !valid)
    return valid;
  if (!(constraint.rate >= 0 && constraint.rate <= 1))
    return invalidArgument(
        fmt::format("{}: rate is {}, expected 0 to 1", argument, constraint.rate));
  return checkOrder(constraint.minimum, constraint.maximum, argument);
} catch (...) {
  return outOfMemory();
}

/// What weights of a norm are multiplied by. NaN stays NaN.
static double normFactor(const Constraint &constraint, double norm) {
  const double divisor = kNormEpsilon + norm;
  switch (constraint.kind) {
  case Constraint::Kind::MaxNorm:
    return (norm > constraint.maximum ? constraint.maximum : norm) / divisor;
  case Constraint::Kind::MinMaxNorm: {
    const double low = norm < constraint.minimum ? constraint.minimum : norm;
    const double clipped = low > constraint.maximum ? constraint.maximum : low;
    return (constraint.rate * clipped + (1 - constraint.rate) * norm) / divisor;
  }
  case Constraint::Kind::UnitNorm:
  case Constraint::Kind::NonNeg:
    break;
  }
  return 1 / divisor;
}

Expected<void> checkConstraintAxis(const Constraint &constraint, int rank,
                                   std::string_view argument) try {
  if (constraint.kind == Constraint::Kind::NonNeg)
    return {};
  if (Expected<Dims> axis = canonicalAxes(Dims{constraint.axis}, rank, "axis"); !axis)
    return axis.takeError().within(std::string(argument));
  return {};
} catch (...) {
  return outOfMemory();
}

Expected<void> applyConstraint(const Constraint &constraint, const Dims &shape,
                               std::span<double> values) try {
  if (constraint.kind == Constraint::Kind::NonNeg) {
    for (double &value : values)
      if (value < 0)
        value = 0;
    return {};
  }
  if (Expected<void> valid = checkConstraintAxis(constraint, shape.size(), "constraint"); !valid)
    return valid;
  Expected<int64_t> size = numElements(shape);
  if (!size)
    return size.takeError();
  if (int64_t(values.size()) != *size)
    return invalidArgument(
        fmt::format("values: {} for shape {}, expected {}", values.size(), toString(shape), *size));
  const int axis = int(constraint.axis < 0 ? constraint.axis + shape.size() : constraint.axis);
  const int64_t extent = shape[axis], stride = contiguousStrides(shape)[axis];
  // The lines along `axis` start where its index is 0.
  for (int64_t start = 0; start < int64_t(values.size()); ++start) {
    if (start / stride % extent != 0)
      continue;
    double squares = 0;
    for (int64_t i = 0; i < extent; ++i)
      squares += values[size_t(start + i * stride)] * values[size_t(start + i * stride)];
    const double factor = normFactor(constraint, std::sqrt(squares));
    for (int64_t i = 0; i < extent; ++i)
      values[size_t(start + i * stride)] *= factor;
  }
  return {};
} catch (...) {
  return outOfMemory();
}

} // namespace norma
