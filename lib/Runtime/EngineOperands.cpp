//===- EngineOperands.cpp - Mask and weights of a call --------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineOperands.h"

#include "Pace.h"

#include <cmath>
#include <fmt/format.h>
#include <functional>

namespace norma {

void Operands::appendTo(std::vector<Tensor> &tensors) const {
  if (mask)
    tensors.push_back(*mask);
  if (weights)
    tensors.push_back(*weights);
}

/// Elements that are converted between two looks at the pace.
static constexpr int64_t kBlock = int64_t(1) << 16;

/// A contiguous copy of `tensor` in another dtype, one value at a time; `convert`
/// may refuse a value.
static Expected<Array>
converted(const Tensor &tensor, const char *name, DType dtype, Pace &pace,
          const std::function<Expected<void>(double, const Dims &index, void *out)> &convert) {
  Expected<Array> copy = Array::create(dtype, tensor.shape);
  if (!copy)
    return copy.takeError().within(name);
  Dims index;
  for (int axis = 0; axis < tensor.rank(); ++axis)
    index.push_back(0);
  const int64_t size = tensor.size(), bytes = int64_t(sizeOf(tensor.dtype));
  char *out = copy->as<char>();
  for (int64_t i = 0; i < size; ++i, out += sizeOf(dtype)) {
    if (i % kBlock == 0 && !pace.mayGoOn())
      if (Expected<void> goOn = pace.report(); !goOn)
        return goOn.takeError();
    int64_t offset = 0;
    for (int axis = 0; axis < tensor.rank(); ++axis)
      offset += index[axis] * tensor.strides[axis];
    const char *address = static_cast<const char *>(tensor.data) + offset * bytes;
    if (Expected<void> ok = convert(loadAsDouble(address, tensor.dtype), index, out); !ok)
      return ok.takeError();
    for (int axis = tensor.rank() - 1; axis >= 0 && ++index[axis] == tensor.shape[axis]; --axis)
      index[axis] = 0;
  }
  return copy;
}

/// Kernels read masks as bytes, 0 or not.
static Expected<Array> maskAsBytes(const Tensor &mask, Pace &pace) {
  return converted(mask, "mask", DType::U8, pace,
                   [](double value, const Dims &, void *out) -> Expected<void> {
                     *static_cast<uint8_t *>(out) = value != 0;
                     return {};
                   });
}

/// Weights must be finite and not negative; all are looked at before anything is
/// computed.
static Expected<Array> weightsAsF64(const Tensor &weights, Pace &pace) {
  return converted(weights, "weights", DType::F64, pace,
                   [](double value, const Dims &index, void *out) -> Expected<void> {
                     if (!(value >= 0) || std::isinf(value))
                       return invalidArgument(fmt::format(
                           "weights: value {} at index {}, expected a finite number not below 0",
                           value, toString(index)));
                     *static_cast<double *>(out) = value;
                     return {};
                   });
}

Expected<OwnedOperands> OwnedOperands::create(const MomentsOptions &options,
                                              std::span<const int64_t> shape) {
  Pace unwatched;
  return create(options, shape, unwatched);
}

Expected<OwnedOperands> OwnedOperands::create(const MomentsOptions &options,
                                              std::span<const int64_t> shape, Pace &pace) {
  OwnedOperands result;
  auto convert = [&](const std::optional<Tensor> &from, std::string_view name, Array &owner,
                     std::optional<Tensor> &view,
                     Expected<Array> (*copyOf)(const Tensor &, Pace &)) -> Expected<void> {
    if (!from)
      return {};
    Expected<Array> copy = copyOf(*from, pace);
    if (!copy)
      return copy.takeError();
    owner = std::move(*copy);
    Expected<Tensor> broadcast = broadcastFromLeft(owner.view(), shape, name);
    if (!broadcast)
      return broadcast.takeError();
    view = *broadcast;
    return {};
  };
  if (Expected<void> ok = convert(options.mask, "mask", result.maskBytes, result.mask, maskAsBytes);
      !ok)
    return ok.takeError();
  if (Expected<void> ok =
          convert(options.weights, "weights", result.weightValues, result.weights, weightsAsF64);
      !ok)
    return ok.takeError();
  return result;
}

} // namespace norma
