//===- Reference.cpp - The f64 oracle -------------------------------------===//
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

namespace {

/// The elements of a moments pass that take part, with their weights.
class Elements {
public:
  static Expected<Elements> create(const Tensor &x, std::span<const int64_t> kept,
                                   const MomentsOptions &options) {
    Expected<Operands> operands = Operands::create(x, options);
    if (!operands)
      return operands.takeError();
    return Elements(x, keptStrides(x.shape, kept), *operands, options.nan == NanPolicy::Omit);
  }

  /// Calls visit(kept index, value, weight).
  template <typename Visit>
  void visit(Visit visit) const {
    const std::array<Dims, 4> strides = {x.strides, kept, operands.maskStrides(),
                                         operands.weightStrides()};
    forEachIndex<4>(x.shape, strides, [&](const auto &offsets) {
      const long double weight = operands.weightAt(offsets[2], offsets[3]);
      if (weight == 0)
        return;
      const long double value = loadExactly(addressOf(x, offsets[0]), x.dtype);
      if (omitNaN && std::isnan(value))
        return;
      visit(offsets[1], value, weight);
    });
  }

private:
  Elements(const Tensor &x, const Dims &kept, const Operands &operands, bool omitNaN)
      : x(x), kept(kept), operands(operands), omitNaN(omitNaN) {}

  Tensor x;
  Dims kept;
  Operands operands;
  bool omitNaN;
};

} // namespace

Expected<Statistics> moments(const Tensor &x, std::span<const int64_t> kept,
                             const MomentsOptions &options) try {
  if (Expected<void> valid = checkMoments(x, kept, options); !valid)
    return valid.takeError();
  Expected<Elements> elements = Elements::create(x, kept, options);
  if (!elements)
    return elements.takeError();

  Statistics result = Statistics::zeros(keptShape(x.shape, kept));
  const size_t size = size_t(result.size());
  std::vector<Sum> count(size), sum(size);
  elements->visit([&](int64_t i, long double value, long double weight) {
    count[i].add(weight);
    sum[i].add(weight * value);
  });
  for (size_t i = 0; i < size; ++i) {
    result.count[i] = double(count[i].value());
    result.mean[i] = result.count[i] == 0 ? 0 : double(sum[i].value() / count[i].value());
  }

  // The second sum corrects for the rounding of the mean (the "corrected two-pass
  // algorithm" of Chan, Golub and LeVeque, 1983).
  std::vector<Sum> squares(size), deviations(size);
  elements->visit([&](int64_t i, long double value, long double weight) {
    const long double deviation = value - result.mean[i];
    squares[i].add(weight * deviation * deviation);
    deviations[i].add(weight * deviation);
  });
  for (size_t i = 0; i < size; ++i) {
    if (result.count[i] == 0)
      continue;
    const long double rest = deviations[i].value();
    const double m2 = double(squares[i].value() - rest * rest / count[i].value());
    result.m2[i] = m2 < 0 ? 0 : m2;
  }
  return result;
} catch (...) {
  return outOfMemory();
}

Expected<void> affine(const Tensor &x, std::span<const int64_t> kept,
                      const Coefficients &coefficients, DType compute, const Tensor &y) try {
  if (Expected<void> valid = checkAffine(x, kept, coefficients, compute, y); !valid)
    return valid;
  const std::vector<double> center = roundTo(compute, coefficients.center),
                            scale = roundTo(compute, coefficients.scale),
                            shift = roundTo(compute, coefficients.shift);
  const std::array<Dims, 3> strides = {x.strides, y.strides, keptStrides(x.shape, kept)};
  forEachIndex<3>(x.shape, strides, [&](const auto &offsets) {
    const int64_t i = offsets[2];
    long double value = roundTo(compute, loadExactly(addressOf(x, offsets[0]), x.dtype));
    // What is absent is left out, so that -0 stays -0 in an identity.
    if (!center.empty())
      value -= center[i];
    if (!scale.empty())
      value *= scale[i];
    if (!shift.empty())
      value += shift[i];
    storeFromDouble(roundTo(compute, value), addressOf(y, offsets[1]), y.dtype);
  });
  return {};
} catch (...) {
  return outOfMemory();
}

} // namespace norma::reference
