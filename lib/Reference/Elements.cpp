//===- Elements.cpp - How the oracle goes through tensors -----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Elements.h"

#include "norma/Support/AxisForm.h"

#include <cstring>
#include <fmt/format.h>

namespace norma::reference {

long double loadExactly(const void *address, DType dtype) {
  if (dtype != DType::I64)
    return loadAsDouble(address, dtype);
  int64_t value;
  std::memcpy(&value, address, sizeof(value));
  return static_cast<long double>(value);
}

std::vector<double> roundTo(DType compute, std::span<const double> values) {
  std::vector<double> result;
  for (double value : values)
    result.push_back(roundTo(compute, value));
  return result;
}

Dims keptStrides(std::span<const int64_t> shape, std::span<const int64_t> kept) {
  const Dims dense = contiguousStrides(keptShape(shape, kept));
  Dims result;
  for (size_t axis = 0; axis < shape.size(); ++axis)
    result.push_back(0);
  for (size_t i = 0; i < kept.size(); ++i)
    result[int(kept[i])] = dense[int(i)];
  return result;
}

/// An index of `shape` from its position in row-major order.
static Dims unflatten(int64_t position, std::span<const int64_t> shape) {
  Dims index{shape};
  for (int axis = index.size() - 1; axis >= 0; --axis) {
    index[axis] = position % shape[axis];
    position /= shape[axis];
  }
  return index;
}

static Expected<void> checkWeights(const Tensor &weights) {
  int64_t position = 0, badPosition = -1;
  double bad = 0;
  forEachIndex<1>(weights.shape, {weights.strides}, [&](const auto &offsets) {
    const double value = loadAsDouble(addressOf(weights, offsets[0]), weights.dtype);
    if (badPosition < 0 && !(value >= 0 && std::isfinite(value))) {
      badPosition = position;
      bad = value;
    }
    ++position;
  });
  if (badPosition < 0)
    return {};
  return invalidArgument(fmt::format("weights: the value at {} is {}; expected a finite number, 0 "
                                     "or more",
                                     toString(unflatten(badPosition, weights.shape)), bad));
}

Expected<Operands> Operands::create(const Tensor &x, const MomentsOptions &options) {
  Operands result;
  const auto attach = [&](const std::optional<Tensor> &from, const char *name,
                          Tensor &to) -> Expected<void> {
    if (!from) {
      for (int axis = 0; axis < x.rank(); ++axis)
        to.strides.push_back(0);
      return {};
    }
    Expected<Tensor> view = broadcastFromLeft(*from, x.shape, name);
    if (!view)
      return view.takeError();
    to = *view;
    return {};
  };
  if (Expected<void> done = attach(options.mask, "mask", result.mask); !done)
    return done.takeError();
  if (Expected<void> done = attach(options.weights, "weights", result.weights); !done)
    return done.takeError();
  if (options.weights)
    if (Expected<void> valid = checkWeights(*options.weights); !valid)
      return valid.takeError();
  return result;
}

long double Operands::weightAt(int64_t maskOffset, int64_t weightOffset) const {
  if (mask.data && loadAsDouble(addressOf(mask, maskOffset), mask.dtype) == 0)
    return 0;
  return weights.data ? loadExactly(addressOf(weights, weightOffset), weights.dtype) : 1;
}

} // namespace norma::reference
