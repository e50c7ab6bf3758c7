//===- Adjustment.cpp - Scale and bias between normalization and gamma ----===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Adjustment.h"

#include <algorithm>
#include <fmt/format.h>

namespace norma {

/// The view of `tensor` with the data's shape, by NumPy's rule; nothing where it does
/// not broadcast.
static std::optional<Tensor> broadcastFromRight(const Tensor &tensor, const Dims &shape) {
  const int missing = shape.size() - tensor.rank();
  if (missing < 0)
    return std::nullopt;
  Tensor result = tensor;
  result.shape = shape;
  result.strides = {};
  for (int axis = 0; axis < shape.size(); ++axis) {
    const int64_t extent = axis < missing ? 1 : tensor.shape[axis - missing];
    if (extent != 1 && extent != shape[axis])
      return std::nullopt;
    result.strides.push_back(extent == 1 ? 0 : tensor.strides[axis - missing]);
  }
  return result;
}

Expected<void> checkAdjustment(const BatchNormInputs &inputs, const Dims &shape) {
  for (const auto &[operand, name] : {std::pair(&inputs.adjustScale, "adjust_scale"),
                                      std::pair(&inputs.adjustBias, "adjust_bias")}) {
    if (!*operand)
      continue;
    const Tensor &tensor = **operand;
    if (Expected<void> ok = checkTensor(tensor, name); !ok)
      return ok;
    if (!isFloat(tensor.dtype))
      return invalidArgument(fmt::format("{}: dtype {}, expected f32, f64, f16 or bf16", name,
                                         toString(tensor.dtype)));
    if (!broadcastFromRight(tensor, shape))
      return invalidArgument(fmt::format(
          "{}: shape {} does not broadcast from the right to the data's shape {}; every "
          "extent must be the data's or 1",
          name, toString(tensor.shape), toString(shape)));
  }
  return {};
}

/// The sum of index times stride for every index of `shape`, in row-major order.
static std::vector<int64_t> offsets(const Dims &shape, const Dims &strides) {
  std::vector<int64_t> result{0};
  for (int axis = 0; axis < shape.size(); ++axis) {
    std::vector<int64_t> outer = std::move(result);
    result.clear();
    result.reserve(outer.size() * size_t(shape[axis]));
    for (int64_t base : outer)
      for (int64_t i = 0; i < shape[axis]; ++i)
        result.push_back(base + i * strides[axis]);
  }
  return result;
}

/// The values of `tensor` at every index of its `axes`, index 0 of all others. Where there is no
/// index 0, nothing is adjusted, and they do not matter.
static std::vector<double> load(const Tensor &tensor, const Dims &axes, const Dims &shape) {
  if (tensor.size() == 0)
    return std::vector<double>(size_t(*numElements(shape)), 0.0);
  Dims strides;
  for (int64_t axis : axes)
    strides.push_back(tensor.strides[int(axis)]);
  std::vector<double> result;
  for (int64_t offset : offsets(shape, strides))
    result.push_back(loadAsDouble(static_cast<const char *>(tensor.data) +
                                      offset * int64_t(sizeOf(tensor.dtype)),
                                  tensor.dtype));
  return result;
}

PieceAdjustment::PieceAdjustment(const BatchPiece &piece, const BatchNormInputs &inputs,
                                 const Tensor &x)
    : kept(piece.kept), shape(piece.groupShape) {
  present = inputs.adjustScale || inputs.adjustBias;
  if (!present)
    return;
  std::optional<Tensor> views[2];
  for (const auto &[operand, view] :
       {std::pair(&inputs.adjustScale, &views[0]), std::pair(&inputs.adjustBias, &views[1])})
    if (*operand)
      *view = piece.view(*broadcastFromRight(**operand, x.shape));

  const Dims groupStrides = contiguousStrides(piece.groupShape);
  const Dims extents = piece.view(x).shape;
  kept = shape = {};
  Dims strides;
  for (int axis = 0; axis < extents.size(); ++axis) {
    const auto *at = std::find(piece.kept.begin(), piece.kept.end(), axis);
    const bool isKept = at != piece.kept.end();
    const bool varies = std::any_of(std::begin(views), std::end(views), [&](const auto &view) {
      return view && view->strides[axis] != 0;
    });
    if (!isKept && !varies)
      continue;
    kept.push_back(axis);
    shape.push_back(extents[axis]);
    strides.push_back(isKept ? groupStrides[int(at - piece.kept.begin())] : 0);
  }
  group = offsets(shape, strides);
  if (views[0])
    scale = load(*views[0], kept, shape);
  if (views[1])
    bias = load(*views[1], kept, shape);
}

std::vector<double> PieceAdjustment::spread(std::span<const double> perGroup) const {
  if (!present)
    return {perGroup.begin(), perGroup.end()};
  std::vector<double> result;
  result.reserve(group.size());
  for (int64_t g : group)
    result.push_back(perGroup[g]);
  return result;
}

static double valueOr(const std::vector<double> &values, int64_t i, double absent) {
  return values.empty() ? absent : values[i];
}

Coefficients PieceAdjustment::coefficients(const BatchNormForward &forward, int64_t first,
                                           const Dims &groupShape,
                                           const BatchNormParameters &parameters,
                                           DType compute) const {
  if (!present)
    return batchNormCoefficients(forward, first, groupShape, parameters, compute);
  // gamma and beta come after the adjustment.
  const Coefficients inner = batchNormCoefficients(forward, first, groupShape, {}, compute);
  Coefficients result{shape, spread(inner.center), {}, {}};
  for (int64_t i = 0; i < int64_t(group.size()); ++i) {
    const int64_t g = group[i];
    const double gamma = valueOr(parameters.gamma, g, 1), beta = valueOr(parameters.beta, g, 0);
    const double shift = valueOr(inner.shift, g, 0);
    result.scale.push_back(inner.scale[g] * scaleOf(i) * gamma);
    result.shift.push_back((shift * scaleOf(i) + biasOf(i)) * gamma + beta);
  }
  return result;
}

GradientCoefficients PieceAdjustment::adjusted(const GradientCoefficients &perGroup) const {
  GradientCoefficients result{shape, spread(perGroup.center), spread(perGroup.slope),
                              spread(perGroup.offset), spread(perGroup.scale)};
  for (size_t i = 0; i < result.scale.size(); ++i)
    result.scale[i] *= scaleOf(int64_t(i));
  return result;
}

} // namespace norma
