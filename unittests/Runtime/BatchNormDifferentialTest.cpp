//===- BatchNormDifferentialTest.cpp - Batch normalization on random calls ===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every option at random with every other, against the oracle. The bounds are what the
// contract of the kernels allows: 1e-6 in statistics and sums, a few roundings in maps.
//
//===----------------------------------------------------------------------===//

#include "BatchNormCase.h"
#include "Precision.h"

#include <fmt/format.h>

using namespace norma;
using namespace norma::test;

namespace {

/// Relative error that statistics and sums may have.
constexpr double kStatistic = 1e-6;

class BatchNormDifferential : public Differential {};

//===----------------------------------------------------------------------===//
// Bounds
//===----------------------------------------------------------------------===//

/// What is known of the groups of one kept index whose statistics are numbers (of the others, so is
/// nothing that is expected): the largest of each, but for `count`, the smallest that is not 0.
struct KeptIndex {
  std::vector<double> means;
  double count = kInfinity, invStd = 0, stddev = 0;
  /// Errors the statistics may have: absolute, and relative.
  double meanError = 0, stddevError = 0;

  /// The largest |x - mean|.
  double deviation(double value) const {
    double result = 0;
    for (double mean : means)
      result = std::max(result, std::fabs(value - mean));
    return result;
  }
};

std::vector<KeptIndex> summarize(const BatchNormForward &forward, int64_t keptSize) {
  std::vector<KeptIndex> result(static_cast<size_t>(keptSize));
  for (size_t g = 0; g < forward.mean.size(); ++g) {
    KeptIndex &k = result[g % size_t(keptSize)];
    const double mean = forward.mean[g], invStd = forward.invStd[g];
    if (!std::isfinite(mean) || !std::isfinite(invStd))
      continue;
    k.means.push_back(mean);
    if (forward.count[g] != 0)
      k.count = std::min(k.count, forward.count[g]);
    k.invStd = std::max(k.invStd, invStd);
    k.stddev = std::max(k.stddev, 1 / invStd);
    k.meanError = std::max(k.meanError, kStatistic * std::max(std::fabs(mean), 1 / invStd));
    k.stddevError = std::max(k.stddevError, kStatistic + 1e-14 * std::pow(mean * invStd, 2));
  }
  return result;
}

bool isNear(double actual, double expected, double bound) {
  if (!std::isfinite(expected))
    return std::isnan(expected) ? std::isnan(actual) : actual == expected;
  return std::fabs(actual - expected) <= bound + 1e-13 * std::fabs(expected);
}

/// Whether an element is what `expected`, give or take `bound`, is rounded to.
bool isRounded(double actual, double expected, double bound, DType compute, DType dtype) {
  if (!std::isfinite(expected))
    return std::isnan(expected) ? std::isnan(actual) : actual == expected;
  const auto rounded = [&](double value) { return throughDType(roundTo(compute, value), dtype); };
  return rounded(expected - bound) <= actual && actual <= rounded(expected + bound);
}

double at(const std::vector<double> &values, size_t i, double absent) {
  return values.empty() ? absent : values[i];
}

double unitRoundoff(DType compute) { return compute == DType::F32 ? 0x1p-24 : 0x1p-53; }

/// Whether the map has to round the data first.
bool isWide(const BatchNormCase &test) {
  const DType dtype = test.x->view().dtype;
  return test.compute == DType::F32 &&
         (dtype == DType::F64 || dtype == DType::I32 || dtype == DType::I64);
}

size_t keptOf(const BatchNormCase &test, const Dims &index) {
  return size_t(keptPosition(index, test.shape, test.kept));
}

//===----------------------------------------------------------------------===//
// Forward
//===----------------------------------------------------------------------===//

/// Statistics, corrections and the new moving statistics.
std::string differenceOfForward(const BatchNormCase &test, const BatchNormForward &actual,
                                const BatchNormForward &expected,
                                const std::vector<KeptIndex> &bounds) {
  const bool frozen = !test.rules.useBatchStatistics;
  if (!(actual.groupShape == expected.groupShape))
    return fmt::format("groups of shape {}, expected {}", norma::toString(actual.groupShape),
                       norma::toString(expected.groupShape));
  if (actual.updated.batches != expected.updated.batches)
    return fmt::format("{} batches, expected {}", actual.updated.batches, expected.updated.batches);
  std::string problem;
  const auto compare = [&](const char *name, const std::vector<double> &values,
                           const std::vector<double> &wanted, auto bound) {
    if (values.size() != wanted.size())
      problem = fmt::format("{} values of {}, expected {}", values.size(), name, wanted.size());
    for (size_t i = 0; problem.empty() && i < wanted.size(); ++i)
      if (!isNear(values[i], wanted[i], bound(bounds[i % bounds.size()], i)))
        problem = fmt::format("{} {}: {:.17g}, expected {:.17g}", name, i, values[i], wanted[i]);
  };
  const auto none = [](const KeptIndex &, size_t) { return 0.0; };
  const auto mean = [](const KeptIndex &k, size_t) { return k.meanError; };
  const auto stddev = [](const KeptIndex &k, size_t) { return 2 * k.stddevError * k.stddev; };
  const auto variance = [&](const KeptIndex &k, size_t i) {
    const double bound = 4 * k.stddevError * k.stddev * k.stddev;
    if (!test.rules.renorm)
      return bound;
    // Of the square of a moving deviation.
    const double size = expected.updated.stddev[i];
    return 1e-13 + bound + 4 * k.stddevError * k.stddev * size;
  };
  // A frozen layer that learns nothing counts nothing.
  if (!frozen || test.rules.updateMoving)
    compare("count", actual.count, expected.count, none);
  if (frozen) {
    compare("mean", actual.mean, expected.mean, none);
    compare("invStd", actual.invStd, expected.invStd, none);
  } else {
    compare("mean", actual.mean, expected.mean, mean);
    compare("invStd", actual.invStd, expected.invStd,
            [](const KeptIndex &k, size_t) { return k.stddevError * k.invStd; });
  }
  compare("r", actual.r, expected.r,
          [&](const KeptIndex &k, size_t i) { return 2 * k.stddevError * expected.r[i]; });
  compare("d", actual.d, expected.d, [&](const KeptIndex &k, size_t i) {
    return k.meanError / std::max(test.moving.renormStddev[i], std::sqrt(test.rules.epsilon));
  });
  compare("moving mean", actual.updated.mean, expected.updated.mean, mean);
  compare("moving variance", actual.updated.variance, expected.updated.variance, variance);
  compare("moving stddev", actual.updated.stddev, expected.updated.stddev, stddev);
  compare("renorm mean", actual.updated.renormMean, expected.updated.renormMean, mean);
  compare("renorm stddev", actual.updated.renormStddev, expected.updated.renormStddev, stddev);
  return problem;
}

std::string differenceOfResult(const BatchNormCase &test, const std::vector<double> &x,
                               const reference::BatchNormResult &expected,
                               const std::vector<KeptIndex> &bounds) {
  const double u = unitRoundoff(test.compute);
  const bool frozen = !test.rules.useBatchStatistics;
  const Tensor &y = test.forwardResult().view();
  std::string problem;
  size_t e = 0;
  forEachIndex(test.shape, [&](const Dims &index) {
    const size_t i = keptOf(test, index);
    const KeptIndex &k = bounds[i];
    const double gamma = std::fabs(at(test.parameters.gamma, i, 1));
    const double beta = std::fabs(at(test.parameters.beta, i, 0));
    const double a = std::fabs(at(test.oracleInputs.adjustScale, e, 1)) * gamma;
    const double b = std::fabs(at(test.oracleInputs.adjustBias, e, 0)) * gamma;
    const double d = at(expected.forward.d, i, 0);
    const double scale = k.invStd * at(expected.forward.r, i, 1) * a;
    const double deviation = k.deviation(x[e]);
    double bound = scale * (4 * u * deviation + (isWide(test) ? u * std::fabs(x[e]) : 0)) +
                   4 * u * (std::fabs(d) * a + b + beta);
    if (!frozen)
      bound += scale * (k.meanError + 4 * k.stddevError * deviation);
    if (!expected.forward.d.empty())
      bound +=
          a * k.meanError / std::max(test.moving.renormStddev[i], std::sqrt(test.rules.epsilon));
    const double actual = valueAt(y, index);
    if (problem.empty() && !isRounded(actual, expected.y[e], bound, test.compute, y.dtype))
      problem = fmt::format("y at {}: {:.9g}, expected {:.9g} +- {:.3g}, x {:.9g}",
                            norma::toString(index), actual, expected.y[e], bound, x[e]);
    ++e;
  });
  return problem;
}

//===----------------------------------------------------------------------===//
// Gradient
//===----------------------------------------------------------------------===//

/// Sums of magnitudes over a kept index.
struct Magnitudes {
  double dy = 0, adjusted = 0, dot = 0, bias = 0;
};

std::string differenceOfGradient(const BatchNormCase &test, const std::vector<double> &x,
                                 const std::vector<double> &dy, const BatchNormForward &forward,
                                 const BatchNormGradients &actual) {
  const auto expected = reference::batchNormGradient(x, dy, test.shape, test.kept, test.rules,
                                                     test.parameters, forward, test.oracleInputs);
  const std::vector<KeptIndex> bounds = summarize(forward, test.keptSize());
  std::vector<Magnitudes> magnitudes(bounds.size());
  size_t e = 0;
  forEachIndex(test.shape, [&](const Dims &index) {
    const size_t i = keptOf(test, index);
    if (test.weightOf(e) != 0 || std::isfinite(x[e])) {
      const double adjusted = std::fabs(at(test.oracleInputs.adjustScale, e, 1) * dy[e]);
      magnitudes[i].dy += std::fabs(dy[e]);
      magnitudes[i].adjusted += adjusted;
      if (std::isfinite(x[e]))
        magnitudes[i].dot += adjusted * bounds[i].deviation(x[e]);
      magnitudes[i].bias += std::fabs(at(test.oracleInputs.adjustBias, e, 0) * dy[e]);
    }
    ++e;
  });

  if (actual.gamma.size() != bounds.size() || actual.beta.size() != bounds.size())
    return "the number of gradients is wrong";
  for (size_t i = 0; i < bounds.size(); ++i) {
    const Magnitudes &sum = magnitudes[i];
    const double gammaBound = 2 * kStatistic *
                              (bounds[i].invStd * at(forward.r, i, 1) * sum.dot +
                               std::fabs(at(forward.d, i, 0)) * sum.adjusted + sum.bias);
    if (!isNear(actual.gamma[i], expected.dgamma[i], gammaBound))
      return fmt::format("dgamma {}: {:.9g}, expected {:.9g} +- {:.3g}", i, actual.gamma[i],
                         expected.dgamma[i], gammaBound);
    if (!isNear(actual.beta[i], expected.dbeta[i], 2 * kStatistic * sum.dy))
      return fmt::format("dbeta {}: {:.9g}, expected {:.9g}", i, actual.beta[i], expected.dbeta[i]);
  }

  const double u = unitRoundoff(test.compute);
  const Tensor &dx = test.gradientResult().view();
  std::string problem;
  e = 0;
  forEachIndex(test.shape, [&](const Dims &index) {
    const size_t i = keptOf(test, index);
    const KeptIndex &k = bounds[i];
    const double factor =
        std::fabs(at(test.parameters.gamma, i, 1)) * at(forward.r, i, 1) * k.invStd;
    const double direct = std::fabs(at(test.oracleInputs.adjustScale, e, 1) * dy[e]);
    const double weight = test.rules.useBatchStatistics ? test.weightOf(e) / k.count : 0;
    double bound = 4 * u * direct;
    if (weight != 0) {
      const double slope = weight * k.invStd * k.invStd * magnitudes[i].dot;
      bound +=
          (2 * kStatistic + 4 * u) * (weight * magnitudes[i].adjusted + slope * k.deviation(x[e]));
      // The center is rounded, too, and its loss made good in the offset.
      bound += isWide(test) ? u * std::fabs(x[e]) * slope : 0;
    }
    const double got = valueAt(dx, index);
    if (problem.empty() && !isRounded(got, expected.dx[e], factor * bound, test.compute, dx.dtype))
      problem = fmt::format("dx at {}: {:.9g}, expected {:.9g} +- {:.3g}", norma::toString(index),
                            got, expected.dx[e], factor * bound);
    ++e;
  });
  return problem;
}

//===----------------------------------------------------------------------===//
// Tests
//===----------------------------------------------------------------------===//

TEST_F(BatchNormDifferential, TrainingAndGradient) {
  forEachCase([&](Random &random, std::string &spec) -> std::string {
    const BatchNormCase test(random, std::min<int64_t>(elements, 4'000));
    spec += "batch normalization of " + test.text;
    announce(spec);
    Expected<Array> data = Array::copyOf(test.x->view());
    if (!data)
      return data.error().message();
    const std::vector<double> x = valuesAt(*data), dy = valuesAt(test.dy->view());
    const RandomTensor &y = test.forwardResult(), &dx = test.gradientResult();
    const std::vector<std::byte> yBefore = y.snapshot(), dxBefore = dx.snapshot();

    Expected<BatchNormForward> forward =
        batchNormTraining(*engine, test.x->view(), test.kept, test.rules, test.parameters,
                          test.moving, test.inputs, test.compute, y.view());
    if (!forward)
      return forward.error().message();
    const auto oracle = [&](const BatchNormRules &rules) {
      return reference::batchNormTraining(x, test.shape, test.kept, rules, test.parameters,
                                          test.moving, test.oracleInputs);
    };
    const reference::BatchNormResult expected = oracle(test.rules);
    // What is learned comes from the batch in any case.
    BatchNormRules learning = test.rules;
    if (learning.updateMoving)
      learning.useBatchStatistics = true;
    const std::vector<KeptIndex> learned = summarize(oracle(learning).forward, test.keptSize());
    if (std::string problem = differenceOfForward(test, *forward, expected.forward, learned);
        !problem.empty())
      return problem;
    if (std::string problem =
            differenceOfResult(test, x, expected, summarize(expected.forward, test.keptSize()));
        !problem.empty())
      return problem;

    Expected<BatchNormGradients> gradients =
        batchNormGradient(*engine, *data, test.dy->view(), test.kept, test.rules, test.parameters,
                          *forward, test.inputs, test.compute, dx.view());
    if (!gradients)
      return gradients.error().message();
    if (std::string problem = differenceOfGradient(test, x, dy, *forward, *gradients);
        !problem.empty())
      return problem;
    if (!y.gapsAreAsIn(yBefore) || !dx.gapsAreAsIn(dxBefore))
      return "bytes outside of the elements of a result changed";
    return "";
  });
}

} // namespace
