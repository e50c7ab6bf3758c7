//===- GradientCloseness.cpp - The contract of gradient kernels -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Closeness.h"

#include "Precision.h"
#include "RandomTensor.h"

#include "norma/Reference/Reference.h"

#include <fmt/format.h>

namespace norma::test {

namespace {

/// The product of mask (0 or 1) and weight at every index.
class ElementWeights {
public:
  ElementWeights(const MomentsOptions &options, const Dims &shape) {
    if (options.mask)
      mask = *broadcastFromLeft(*options.mask, shape, "mask");
    if (options.weights)
      weights = *broadcastFromLeft(*options.weights, shape, "weights");
  }
  double at(const Dims &index) const {
    if (mask && valueAt(*mask, index) == 0)
      return 0;
    return weights ? valueAt(*weights, index) : 1;
  }

private:
  std::optional<Tensor> mask, weights;
};

/// One sum of one kept index.
std::string difference(const char *name, double actual, double expected, double bound) {
  const bool right =
      std::isfinite(expected) ? std::fabs(actual - expected) <= bound : !std::isfinite(actual);
  return right
             ? ""
             : fmt::format("{} {:.17g}, expected {:.17g} +- {:.3g}", name, actual, expected, bound);
}

} // namespace

std::string differenceOfGradientSums(const Tensor &x, const Tensor &dy, const Dims &kept,
                                     std::span<const double> center, const MomentsOptions &options,
                                     const GradientSums &actual) {
  Expected<GradientSums> expected = reference::gradientSums(x, dy, kept, center, options);
  if (!expected)
    return "the reference fails: " + expected.error().message();
  if (actual.shape != expected->shape)
    return fmt::format("shape {}, expected {}", norma::toString(actual.shape),
                       norma::toString(expected->shape));
  if (actual.sum.size() != center.size() || actual.dot.size() != center.size())
    return "the number of values does not fit the shape";

  std::vector<double> terms(center.size()), products(center.size());
  const ElementWeights weights(options, x.shape);
  forEachIndex(x.shape, [&](const Dims &index) {
    const double value = valueAt(x, index), gradient = std::fabs(valueAt(dy, index));
    if (!std::isfinite(value) && weights.at(index) == 0)
      return;
    const auto i = size_t(keptPosition(index, x.shape, kept));
    terms[i] += gradient;
    products[i] += gradient * std::fabs(value - center[i]);
  });
  for (size_t i = 0; i < center.size(); ++i) {
    std::string text = difference("sum", actual.sum[i], expected->sum[i], 1e-6 * terms[i]);
    // The rounding of the center is made good, to the square of the precision.
    if (text.empty())
      text = difference("dot", actual.dot[i], expected->dot[i],
                        1e-6 * products[i] + 1e-13 * std::fabs(center[i]) * terms[i]);
    if (!text.empty())
      return fmt::format("kept index {}: {}", i, text);
  }
  return "";
}

std::string differenceOfGradientMap(const Tensor &x, const Tensor &dy, const Dims &kept,
                                    const GradientCoefficients &coefficients, DType compute,
                                    const MomentsOptions &options, const Tensor &dx) {
  std::string text;
  const ElementWeights weights(options, x.shape);
  forEachIndex(x.shape, [&](const Dims &index) {
    if (!text.empty())
      return;
    const auto i = size_t(keptPosition(index, x.shape, kept));
    const long double center = roundTo(compute, coefficients.center[i]),
                      slope = roundTo(compute, coefficients.slope[i]),
                      offset = roundTo(compute, coefficients.offset[i]),
                      scale = roundTo(compute, coefficients.scale[i]);
    const long double value = roundTo(compute, loadExactly(addressOf(x, index), x.dtype)),
                      gradient = roundTo(compute, valueAt(dy, index)),
                      weight = roundTo(compute, weights.at(index));
    const long double first = gradient * scale,
                      product = weight == 0 ? 0 : (value - center) * slope,
                      second = weight == 0 ? 0 : (product + offset) * weight;
    const long double exact = first + second;
    const double actual = valueAt(dx, index);
    bool right;
    if (std::isfinite(exact)) {
      const long double largest =
          std::max({std::fabs(first), std::fabs(product * weight), std::fabs(offset * weight)});
      // Behind the largest term, what a subnormal product lost before it was weighted.
      const long double bound = 3 * ulpAt(compute, largest) + weight * ulpAt(compute, 0);
      const double low = throughDType(roundTo(compute, exact - bound), dx.dtype);
      const double high = throughDType(roundTo(compute, exact + bound), dx.dtype);
      right = low <= actual && actual <= high;
    } else {
      right = std::isnan(exact) ? std::isnan(actual) : actual == double(exact);
    }
    if (!right)
      text = fmt::format("at {}: x {:.17g}, dy {:.17g}, w {:.9g}, center {:.9g}, slope {:.9g}, "
                         "offset {:.9g}, scale {:.9g}: {:.17g}, expected {:.17g}",
                         norma::toString(index), double(value), double(gradient), double(weight),
                         double(center), double(slope), double(offset), double(scale), actual,
                         throughDType(roundTo(compute, exact), dx.dtype));
  });
  return text;
}

} // namespace norma::test
