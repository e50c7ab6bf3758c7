//===- InitializersTest.cpp - Tests of initializers and their like --------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LayerTest.h"

#include "norma/Runtime/Layers/Initializers.h"

#include <cmath>
#include <set>

using namespace norma;
using namespace norma::test;

namespace {

using Values = std::vector<double>;
using Kind = Initializer::Kind;
using FanMode = Initializer::FanMode;
using Distribution = Initializer::Distribution;

/// What tells distributions apart.
struct Sample {
  double mean = 0, stddev = 0, minimum = kInf, maximum = -kInf;

  explicit Sample(const Values &values) {
    for (double value : values) {
      mean += value / double(values.size());
      minimum = std::min(minimum, value);
      maximum = std::max(maximum, value);
    }
    for (double value : values)
      stddev += (value - mean) * (value - mean) / double(values.size());
    stddev = std::sqrt(stddev);
  }
};

constexpr int64_t kMany = 200000;

//===----------------------------------------------------------------------===//
// Initializers
//===----------------------------------------------------------------------===//

TEST(Initializers, Constants) {
  EXPECT_EQ(initialValues(Initializer::zeros(), {2, 2}), (Values{0, 0, 0, 0}));
  EXPECT_EQ(initialValues(Initializer::ones(), {3}), (Values{1, 1, 1}));
  EXPECT_EQ(initialValues(Initializer::constant(-2.5), {2}), (Values{-2.5, -2.5}));
  EXPECT_EQ(initialValues(Initializer::constant(7), {}), (Values{7}));
  EXPECT_TRUE(initialValues(Initializer::randomNormal(0, 1, 0), {4, 0}).empty());
  EXPECT_EQ(Initializer().kind, Kind::Zeros);
}

TEST(Initializers, RandomBitsDependOnTheSeedAlone) {
  // Computed from the definitions of the generator and the transformations.
  EXPECT_EQ(initialValues(Initializer::randomUniform(-1, 3, 7), {3}),
            (Values{2.017541216611432, 2.7972048115705768, -0.530342875861928}));
  EXPECT_EQ(
      initialValues(Initializer::randomNormal(1, 2, 7), {2, 2}),
      (Values{2.00646782988436, 2.3511661832929285, -0.09027242819836667, -3.006808346534907}));
  // The fourth is more than two deviations off, and drawn again.
  EXPECT_EQ(
      initialValues(Initializer::truncatedNormal(1, 2, 7), {4}),
      (Values{2.00646782988436, 2.3511661832929285, -0.09027242819836667, -0.8779420317544462}));
  std::set<double> first;
  for (uint64_t seed : {uint64_t(0), uint64_t(1), uint64_t(2), ~uint64_t(0)})
    first.insert(initialValues(Initializer::randomUniform(0, 1, seed), {1})[0]);
  EXPECT_EQ(first.size(), 4u);
}

TEST(Initializers, UniformFillsItsRange) {
  const Sample sample(initialValues(Initializer::randomUniform(-2, 6, 1), {kMany}));
  EXPECT_NEAR(sample.mean, 2, 0.02);
  EXPECT_NEAR(sample.stddev, 8 / std::sqrt(12), 0.02);
  EXPECT_GE(sample.minimum, -2);
  EXPECT_LT(sample.maximum, 6);
  EXPECT_NEAR(sample.minimum, -2, 1e-3);
  EXPECT_NEAR(sample.maximum, 6, 1e-3);
  // Even where there is nothing between the ends.
  const double above = std::nextafter(1.0, 2.0);
  for (double value : initialValues(Initializer::randomUniform(1, above, 1), {100}))
    EXPECT_EQ(value, 1);
  EXPECT_EQ(initialValues(Initializer::randomUniform(3, 3, 1), {2}), (Values{3, 3}));
}

TEST(Initializers, NormalHasItsMoments) {
  const Values values = initialValues(Initializer::randomNormal(5, 3, 2), {kMany});
  const Sample sample(values);
  EXPECT_NEAR(sample.mean, 5, 0.03);
  EXPECT_NEAR(sample.stddev, 3, 0.03);
  // The shape is that of a bell: what lies within one, two and three deviations.
  for (const auto &[deviations, part] :
       {std::pair(1, 0.6827), std::pair(2, 0.9545), std::pair(3, 0.9973)}) {
    const auto inside = std::count_if(values.begin(), values.end(), [&](double value) {
      return std::fabs(value - 5) <= 3 * deviations;
    });
    EXPECT_NEAR(double(inside) / kMany, part, 0.004) << deviations;
  }
  EXPECT_EQ(initialValues(Initializer::randomNormal(5, 0, 2), {2}), (Values{5, 5}));
}

TEST(Initializers, TruncatedNormalStaysWithinTwoDeviations) {
  const Sample sample(initialValues(Initializer::truncatedNormal(5, 3, 3), {kMany}));
  EXPECT_NEAR(sample.mean, 5, 0.03);
  EXPECT_NEAR(sample.stddev, 3 * 0.87962566103423978, 0.02);
  EXPECT_GE(sample.minimum, -1);
  EXPECT_LE(sample.maximum, 11);
  EXPECT_NEAR(sample.minimum, -1, 0.01);
  EXPECT_NEAR(sample.maximum, 11, 0.01);
}

TEST(Initializers, VarianceScalingHasTheVarianceItNames) {
  // The fan is 50: deviations of sqrt(3/50), whatever the distribution.
  for (Distribution distribution :
       {Distribution::TruncatedNormal, Distribution::UntruncatedNormal, Distribution::Uniform}) {
    const Sample sample(initialValues(
        Initializer::varianceScaling(3, FanMode::FanIn, distribution, 4), {80, 50, 50}));
    EXPECT_NEAR(sample.mean, 0, 1e-3) << toString(distribution);
    EXPECT_NEAR(sample.stddev, std::sqrt(3.0 / 4000), 1e-3) << toString(distribution);
  }
}

/// The limit of uniform values, which tells the fan: sqrt(3 * scale / fan).
double fanOf(FanMode mode, const Dims &shape) {
  const Values scaled =
      initialValues(Initializer::varianceScaling(3, mode, Distribution::Uniform, 5), shape);
  const Values unit = initialValues(Initializer::randomUniform(-1, 1, 5), shape);
  const double limit = scaled[0] / unit[0];
  return 9 / (limit * limit);
}

TEST(Initializers, CountsFansAsKerasDoes) {
  EXPECT_NEAR(fanOf(FanMode::FanIn, {}), 1, 1e-12);
  EXPECT_NEAR(fanOf(FanMode::FanIn, {7}), 7, 1e-12);
  EXPECT_NEAR(fanOf(FanMode::FanOut, {7}), 7, 1e-12);
  EXPECT_NEAR(fanOf(FanMode::FanIn, {4, 6}), 4, 1e-12);
  EXPECT_NEAR(fanOf(FanMode::FanOut, {4, 6}), 6, 1e-12);
  EXPECT_NEAR(fanOf(FanMode::FanAverage, {4, 6}), 5, 1e-12);
  EXPECT_NEAR(fanOf(FanMode::FanIn, {3, 5, 4, 6}), 60, 1e-11);
  EXPECT_NEAR(fanOf(FanMode::FanOut, {3, 5, 4, 6}), 90, 1e-11);
  EXPECT_NEAR(fanOf(FanMode::FanAverage, {3, 5, 4, 6}), 75, 1e-11);
}

TEST(Initializers, NamedScalings) {
  const auto same = [](const Initializer &named, double scale, FanMode mode,
                       Distribution distribution) {
    const Initializer plain = Initializer::varianceScaling(scale, mode, distribution, 6);
    EXPECT_EQ(initialValues(named, {4, 6}), initialValues(plain, {4, 6}));
  };
  same(Initializer::glorotUniform(6), 1, FanMode::FanAverage, Distribution::Uniform);
  same(Initializer::glorotNormal(6), 1, FanMode::FanAverage, Distribution::TruncatedNormal);
  same(Initializer::heUniform(6), 2, FanMode::FanIn, Distribution::Uniform);
  same(Initializer::heNormal(6), 2, FanMode::FanIn, Distribution::TruncatedNormal);
  same(Initializer::lecunUniform(6), 1, FanMode::FanIn, Distribution::Uniform);
  same(Initializer::lecunNormal(6), 1, FanMode::FanIn, Distribution::TruncatedNormal);
}

TEST(Initializers, RefusesBadNumbers) {
  const auto error = [](const Initializer &initializer) {
    return errorOf(checkInitializer(initializer, "gamma_initializer"));
  };
  EXPECT_EQ(error(Initializer::constant(kNaN)),
            "gamma_initializer: value is nan, expected a finite number");
  EXPECT_EQ(error(Initializer::randomUniform(-kInf, 0, 0)),
            "gamma_initializer: minimum is -inf, expected a finite number");
  EXPECT_EQ(error(Initializer::randomUniform(0, kNaN, 0)),
            "gamma_initializer: maximum is nan, expected a finite number");
  EXPECT_EQ(error(Initializer::randomUniform(-1e308, 1e308, 0)),
            "gamma_initializer: maximum - minimum is inf, expected a finite number");
  EXPECT_EQ(error(Initializer::randomUniform(1, 0.5, 0)),
            "gamma_initializer: maximum 0.5 is below minimum 1, expected minimum <= maximum");
  EXPECT_EQ(error(Initializer::randomNormal(kInf, 1, 0)),
            "gamma_initializer: mean is inf, expected a finite number");
  EXPECT_EQ(error(Initializer::randomNormal(0, -1, 0)),
            "gamma_initializer: stddev is -1, expected a finite number, 0 or more");
  EXPECT_EQ(error(Initializer::truncatedNormal(0, kNaN, 0)),
            "gamma_initializer: stddev is nan, expected a finite number, 0 or more");
  for (double scale : {0.0, -1.0, double(kNaN), kInf})
    EXPECT_NE(error(Initializer::varianceScaling(scale, FanMode::FanIn, Distribution::Uniform, 0))
                  .find("gamma_initializer: scale is "),
              std::string::npos);
  // What a kind does not use is not looked at.
  EXPECT_TRUE(checkInitializer({.kind = Kind::Ones, .value = kNaN, .stddev = -1}, "x"));
  EXPECT_TRUE(checkInitializer(Initializer::heNormal(1), "x"));
}

//===----------------------------------------------------------------------===//
// Regularizers
//===----------------------------------------------------------------------===//

TEST(Regularizers, LossAndGradient) {
  const Regularizer both{.l1 = 0.5, .l2 = 0.25};
  const Values weights = {1, -2, 0, 3};
  EXPECT_EQ(regularizationLoss(both, weights), 0.5 * 6 + 0.25 * 14);
  EXPECT_EQ(regularizationLoss({}, weights), 0);
  EXPECT_EQ(regularizationLoss(both, {}), 0);
  Values gradient = {10, 10, 10, 10};
  addRegularizationGradient(both, weights, gradient);
  EXPECT_EQ(gradient, (Values{10 + 0.5 + 0.5, 10 - 0.5 - 1, 10, 10 + 0.5 + 1.5}));
}

TEST(Regularizers, GradientIsTheSlopeOfTheLoss) {
  const Regularizer both{.l1 = 0.3, .l2 = 0.7};
  Values weights = {1.5, -0.25, 4}, gradient(3, 0.0);
  addRegularizationGradient(both, weights, gradient);
  for (size_t i = 0; i < weights.size(); ++i) {
    Values up = weights, down = weights;
    up[i] += 1e-4;
    down[i] -= 1e-4;
    EXPECT_NEAR((regularizationLoss(both, up) - regularizationLoss(both, down)) / 2e-4, gradient[i],
                1e-9);
  }
}

TEST(Regularizers, RefusesBadNumbers) {
  EXPECT_EQ(errorOf(checkRegularizer({.l1 = -1}, "beta_regularizer")),
            "beta_regularizer: l1 is -1, expected a finite number, 0 or more");
  EXPECT_EQ(errorOf(checkRegularizer({.l2 = kInf}, "beta_regularizer")),
            "beta_regularizer: l2 is inf, expected a finite number, 0 or more");
  EXPECT_TRUE(checkRegularizer({.l1 = 0, .l2 = 3}, "beta_regularizer"));
}

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

Values constrained(const Constraint &constraint, const Dims &shape, Values values) {
  Expected<void> done = applyConstraint(constraint, shape, values);
  EXPECT_TRUE(done);
  return values;
}

TEST(Constraints, NonNeg) {
  EXPECT_EQ(constrained(Constraint::nonNeg(), {2, 2}, {1, -2, 0, -kInf}), (Values{1, 0, 0, 0}));
  EXPECT_EQ(constrained(Constraint::nonNeg(), {}, {-1}), (Values{0}));
}

TEST(Constraints, MaxNorm) {
  // As Keras has it, a norm within the limit shrinks by the 1e-7 that is added to it.
  const Values small = constrained(Constraint::maxNorm(6), {2}, {3, 4});
  EXPECT_EQ(small, (Values{3 * (5 / (1e-7 + 5)), 4 * (5 / (1e-7 + 5))}));
  const Values large = constrained(Constraint::maxNorm(1), {2}, {3, 4});
  EXPECT_EQ(large, (Values{3 * (1 / (1e-7 + 5)), 4 * (1 / (1e-7 + 5))}));
  EXPECT_EQ(constrained(Constraint::maxNorm(), {2}, {0, 0}), (Values{0, 0}));
  EXPECT_EQ(Constraint::maxNorm().maximum, 2);
}

TEST(Constraints, UnitNorm) {
  const Values values = constrained(Constraint::unitNorm(), {2}, {3, 4});
  EXPECT_EQ(values, (Values{3 * (1 / (1e-7 + 5)), 4 * (1 / (1e-7 + 5))}));
}

TEST(Constraints, MinMaxNorm) {
  const double norm = 5, divisor = 1e-7 + norm;
  EXPECT_EQ(constrained(Constraint::minMaxNorm(6, 8), {2}, {3, 4}),
            (Values{3 * (6 / divisor), 4 * (6 / divisor)}));
  EXPECT_EQ(constrained(Constraint::minMaxNorm(1, 2), {2}, {3, 4}),
            (Values{3 * (2 / divisor), 4 * (2 / divisor)}));
  // Half of the way: 0.5 * 2 + 0.5 * 5.
  EXPECT_EQ(constrained(Constraint::minMaxNorm(1, 2, 0.5), {2}, {3, 4}),
            (Values{3 * (3.5 / divisor), 4 * (3.5 / divisor)}));
  EXPECT_EQ(constrained(Constraint::minMaxNorm(1, 9), {2}, {3, 4}),
            (Values{3 * (norm / divisor), 4 * (norm / divisor)}));
}

TEST(Constraints, NormsRunAlongTheAxis) {
  const Values values = {3, 0, 1, 4, 5, 0};
  const Values columns = constrained(Constraint::unitNorm(0), {2, 3}, values);
  const Values expectedColumns = {0.6, 0, 1, 0.8, 1, 0};
  const Values rows = constrained(Constraint::unitNorm(-1), {2, 3}, values);
  const double first = std::sqrt(10), second = std::sqrt(41);
  const Values expectedRows = {3 / first, 0, 1 / first, 4 / second, 5 / second, 0};
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(columns[i], expectedColumns[i], 1e-6);
    EXPECT_NEAR(rows[i], expectedRows[i], 1e-6);
  }
  // The middle of three axes.
  Values cube(12, 1);
  cube = constrained(Constraint::unitNorm(1), {2, 3, 2}, cube);
  for (double value : cube)
    EXPECT_NEAR(value, 1 / std::sqrt(3), 1e-6);
  EXPECT_TRUE(constrained(Constraint::unitNorm(1), {0, 3}, {}).empty());
}

TEST(Constraints, NaNStaysInItsNorm) {
  const Values values = constrained(Constraint::maxNorm(1, 0), {2, 2}, {kNaN, 3, 1, 4});
  EXPECT_TRUE(std::isnan(values[0]));
  EXPECT_TRUE(std::isnan(values[2]));
  EXPECT_NEAR(values[1], 0.6, 1e-6);
}

TEST(Constraints, RefusesBadNumbers) {
  const auto error = [](const Constraint &constraint) {
    return errorOf(checkConstraint(constraint, "gamma_constraint"));
  };
  EXPECT_EQ(error(Constraint::maxNorm(-1)),
            "gamma_constraint: maximum is -1, expected a finite number, 0 or more");
  EXPECT_EQ(error(Constraint::minMaxNorm(kNaN)),
            "gamma_constraint: minimum is nan, expected a finite number, 0 or more");
  EXPECT_EQ(error(Constraint::minMaxNorm(0, kInf)),
            "gamma_constraint: maximum is inf, expected a finite number, 0 or more");
  EXPECT_EQ(error(Constraint::minMaxNorm(2, 1)),
            "gamma_constraint: maximum 1 is below minimum 2, expected minimum <= maximum");
  EXPECT_EQ(error(Constraint::minMaxNorm(0, 1, 1.5)),
            "gamma_constraint: rate is 1.5, expected 0 to 1");
  EXPECT_TRUE(checkConstraint(Constraint::nonNeg(), "x"));
  EXPECT_TRUE(checkConstraint(Constraint::unitNorm(7), "x"));
  Values values = {1, 2};
  EXPECT_EQ(errorOf(applyConstraint(Constraint::unitNorm(1), {2}, values)),
            "constraint: axis: 1 is out of range for rank 1; expected a value in [-1, 1)");
  EXPECT_EQ(errorOf(applyConstraint(Constraint::unitNorm(1), {2, 3}, values)),
            "values: 2 for shape (2, 3), expected 6");
  EXPECT_EQ(values, (Values{1, 2}));
  EXPECT_TRUE(checkConstraintAxis(Constraint::nonNeg(), 0, "x"));
}

} // namespace
