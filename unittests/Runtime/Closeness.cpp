//===- Closeness.cpp - The correctness contract as a comparison -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Closeness.h"

#include "Precision.h"
#include "RandomTensor.h"

#include "norma/Reference/Reference.h"
#include "norma/Support/AxisForm.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace norma::test {

//===----------------------------------------------------------------------===//
// Statistics
//===----------------------------------------------------------------------===//

namespace {

/// The smallest and the largest value that takes part, per kept index.
struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
};

std::vector<Range> rangesOf(const Tensor &x, const Dims &kept, const MomentsOptions &options) {
  std::vector<Range> ranges(size_t(*numElements(keptShape(x.shape, kept))));
  std::optional<Tensor> mask, weights;
  if (options.mask)
    mask = *broadcastFromLeft(*options.mask, x.shape, "mask");
  if (options.weights)
    weights = *broadcastFromLeft(*options.weights, x.shape, "weights");
  forEachIndex(x.shape, [&](const Dims &index) {
    if ((mask && valueAt(*mask, index) == 0) || (weights && valueAt(*weights, index) == 0))
      return;
    const double value = valueAt(x, index);
    Range &range = ranges[size_t(keptPosition(index, x.shape, kept))];
    range.low = std::min(range.low, value);
    range.high = std::max(range.high, value);
  });
  return ranges;
}

bool isClose(double actual, double expected, double bound) {
  return std::fabs(actual - expected) <= bound;
}

/// One kept index.
std::string difference(const Statistics &actual, const Statistics &expected, int64_t i,
                       bool weighted, bool constant) {
  const double n = actual.count[size_t(i)], mean = actual.mean[size_t(i)],
               m2 = actual.m2[size_t(i)];
  const double wantN = expected.count[size_t(i)], wantMean = expected.mean[size_t(i)];
  if (!isClose(n, wantN, weighted ? 1e-12 * wantN : 0))
    return fmt::format("count {:.17g}, expected {:.17g}", n, wantN);
  if (wantN == 0)
    return mean == 0 && m2 == 0 ? "" : fmt::format("mean {}, m2 {} of nothing", mean, m2);
  if (!std::isfinite(wantMean)) {
    const bool same = std::isnan(wantMean) ? std::isnan(mean) : mean == wantMean;
    if (same && std::isnan(m2))
      return "";
    return fmt::format("mean {}, m2 {}, expected {} and nan", mean, m2, wantMean);
  }
  const double variance = m2 / n, wantVariance = expected.variance(i);
  const double size = std::max(std::fabs(wantMean), std::sqrt(wantVariance));
  if (!isClose(mean, wantMean, 1e-6 * size))
    return fmt::format("mean {:.17g}, expected {:.17g} (std {:.3g})", mean, wantMean,
                       std::sqrt(wantVariance));
  if (!(m2 >= 0))
    return fmt::format("m2 {} is below 0", m2);
  if (constant)
    return m2 == 0 || actual.isConstant(i)
               ? ""
               : fmt::format("m2 {:.17g} of a constant {:.17g}, counted {}", m2, wantMean, n);
  // Where |mean| is more than 1e4 standard deviations, the bound is the one that holds
  // at 1e4: 1e-6 * (mean / 1e4)^2.
  const double bound = std::max(1e-6 * wantVariance, 1e-14 * wantMean * wantMean);
  if (!isClose(variance, wantVariance, bound))
    return fmt::format("variance {:.17g}, expected {:.17g}, relative error {:.3g} (mean {:.6g}, "
                       "counted {})",
                       variance, wantVariance, std::fabs(variance - wantVariance) / wantVariance,
                       wantMean, n);
  return "";
}

} // namespace

std::string differenceOfMoments(const Tensor &x, const Dims &kept, const MomentsOptions &options,
                                const Statistics &actual) {
  Expected<Statistics> expected = reference::moments(x, kept, options);
  if (!expected)
    return "the reference fails: " + expected.error().message();
  if (actual.shape != expected->shape)
    return fmt::format("shape {}, expected {}", norma::toString(actual.shape),
                       norma::toString(expected->shape));
  if (actual.count.size() != expected->count.size() ||
      actual.mean.size() != expected->count.size() || actual.m2.size() != expected->count.size())
    return "the number of values does not fit the shape";
  const std::vector<Range> ranges = rangesOf(x, kept, options);
  for (int64_t i = 0; i < actual.size(); ++i) {
    const bool constant = ranges[size_t(i)].low == ranges[size_t(i)].high;
    if (std::string text = difference(actual, *expected, i, options.weights.has_value(), constant);
        !text.empty())
      return fmt::format("kept index {}: {}", i, text);
  }
  return "";
}

//===----------------------------------------------------------------------===//
// Maps
//===----------------------------------------------------------------------===//

std::string differenceOfAffine(const Tensor &x, const Dims &kept, const Coefficients &coefficients,
                               DType compute, const Tensor &y) {
  std::string text;
  const auto coefficient = [&](const std::vector<double> &values, int64_t i, double absent) {
    return values.empty() ? absent : roundTo(compute, values[size_t(i)]);
  };
  forEachIndex(x.shape, [&](const Dims &index) {
    if (!text.empty())
      return;
    const int64_t i = keptPosition(index, x.shape, kept);
    const long double c = coefficient(coefficients.center, i, 0);
    const long double s = coefficient(coefficients.scale, i, 1);
    const long double b = coefficient(coefficients.shift, i, 0);
    const long double value = roundTo(compute, loadExactly(addressOf(x, index), x.dtype));
    const long double product = (value - c) * s, exact = product + b;
    const double actual = valueAt(y, index);
    bool right;
    if (std::isfinite(exact)) {
      const long double largest =
          std::max({std::fabs(product), coefficients.shift.empty() ? 0 : std::fabs(b)});
      const long double bound = 2 * ulpAt(compute, largest);
      const double low = throughDType(roundTo(compute, exact - bound), y.dtype);
      const double high = throughDType(roundTo(compute, exact + bound), y.dtype);
      right = low <= actual && actual <= high;
    } else {
      right = std::isnan(exact) ? std::isnan(actual) : actual == double(exact);
    }
    if (!right)
      text = fmt::format("at {}: x {:.17g}, center {:.9g}, scale {:.9g}, shift {:.9g}: {:.17g}, "
                         "expected {:.17g}",
                         norma::toString(index), double(value), double(c), double(s), double(b),
                         actual, throughDType(roundTo(compute, exact), y.dtype));
  });
  return text;
}

} // namespace norma::test
