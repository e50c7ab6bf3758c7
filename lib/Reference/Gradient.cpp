//===- Gradient.cpp - Reduction and map of a gradient, plainly ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Reference/Reference.h"

#include "Elements.h"

#include "norma/Support/Arguments.h"
#include "norma/Support/AxisForm.h"
#include "norma/Support/OutOfMemory.h"

namespace norma::reference {

Expected<GradientSums> gradientSums(const Tensor &x, const Tensor &dy,
                                    std::span<const int64_t> kept, std::span<const double> center,
                                    const MomentsOptions &options) try {
  if (Expected<void> valid = checkGradientSums(x, dy, kept, center, options); !valid)
    return valid.takeError();
  Expected<Operands> operands = Operands::create(x, options);
  if (!operands)
    return operands.takeError();

  std::vector<Sum> sum(center.size()), dot(center.size());
  const std::array<Dims, 5> strides = {x.strides, dy.strides, keptStrides(x.shape, kept),
                                       operands->maskStrides(), operands->weightStrides()};
  forEachIndex<5>(x.shape, strides, [&](const auto &offsets) {
    const long double value = loadExactly(addressOf(x, offsets[0]), x.dtype);
    if (!std::isfinite(value) && operands->weightAt(offsets[3], offsets[4]) == 0)
      return;
    const int64_t i = offsets[2];
    const long double gradient = loadAsDouble(addressOf(dy, offsets[1]), dy.dtype);
    sum[i].add(gradient);
    dot[i].add(gradient * (value - center[i]));
  });

  GradientSums result{keptShape(x.shape, kept), {}, {}};
  for (size_t i = 0; i < center.size(); ++i) {
    result.sum.push_back(double(sum[i].value()));
    result.dot.push_back(double(dot[i].value()));
  }
  return result;
} catch (...) {
  return outOfMemory();
}

Expected<void> gradientMap(const Tensor &x, const Tensor &dy, std::span<const int64_t> kept,
                           const GradientCoefficients &coefficients, DType compute,
                           const Tensor &dx, const MomentsOptions &options) try {
  if (Expected<void> valid = checkGradientMap(x, dy, kept, coefficients, compute, dx, options);
      !valid)
    return valid;
  Expected<Operands> operands = Operands::create(x, options);
  if (!operands)
    return operands.takeError();

  const std::vector<double> center = roundTo(compute, coefficients.center),
                            slope = roundTo(compute, coefficients.slope),
                            offset = roundTo(compute, coefficients.offset),
                            scale = roundTo(compute, coefficients.scale);
  const std::array<Dims, 6> strides = {x.strides,
                                       dy.strides,
                                       dx.strides,
                                       keptStrides(x.shape, kept),
                                       operands->maskStrides(),
                                       operands->weightStrides()};
  forEachIndex<6>(x.shape, strides, [&](const auto &offsets) {
    const int64_t i = offsets[3];
    const long double value = roundTo(compute, loadExactly(addressOf(x, offsets[0]), x.dtype)),
                      gradient =
                          roundTo(compute, loadAsDouble(addressOf(dy, offsets[1]), dy.dtype)),
                      weight = roundTo(compute, operands->weightAt(offsets[4], offsets[5]));
    long double result = gradient * scale[i];
    if (weight != 0)
      result += ((value - center[i]) * slope[i] + offset[i]) * weight;
    storeFromDouble(roundTo(compute, result), addressOf(dx, offsets[2]), dx.dtype);
  });
  return {};
} catch (...) {
  return outOfMemory();
}

} // namespace norma::reference
