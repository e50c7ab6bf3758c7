//===- Tensor.cpp - Views from C, and arrays ------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Tensor.h"

#include "Handles.h"

#include <fmt/format.h>

namespace norma::capi {

static_assert(NORMA_DTYPE_F32 == int(DType::F32) && NORMA_DTYPE_F64 == int(DType::F64) &&
              NORMA_DTYPE_F16 == int(DType::F16) && NORMA_DTYPE_BF16 == int(DType::BF16) &&
              NORMA_DTYPE_I8 == int(DType::I8) && NORMA_DTYPE_U8 == int(DType::U8) &&
              NORMA_DTYPE_I16 == int(DType::I16) && NORMA_DTYPE_U16 == int(DType::U16) &&
              NORMA_DTYPE_I32 == int(DType::I32) && NORMA_DTYPE_I64 == int(DType::I64) &&
              NORMA_DTYPE_BOOL == int(DType::Bool));
static_assert(NORMA_MAX_RANK == kMaxRank);

static bool isDType(norma_dtype dtype) {
  return dtype >= NORMA_DTYPE_F32 && dtype <= NORMA_DTYPE_BOOL;
}

Expected<DType> toDType(norma_dtype dtype, const char *argument) {
  if (!isDType(dtype))
    return invalidArgument(fmt::format("{}: {} is not an element type, expected {} to {}", argument,
                                       dtype, int(NORMA_DTYPE_F32), int(NORMA_DTYPE_BOOL)));
  return DType(dtype);
}

Expected<Dims> toShape(int32_t rank, const int64_t *shape, const char *argument) {
  if (rank < 0 || rank > kMaxRank)
    return invalidArgument(fmt::format("{}: rank {}, expected 0 to {}", argument, rank, kMaxRank));
  if (rank > 0 && !shape)
    return invalidArgument(fmt::format("{}: shape is null, expected {} extents", argument, rank));
  return Dims(std::span(shape, size_t(rank)));
}

Expected<Dims> toAxes(const int64_t *axes, size_t count, const char *argument) {
  if (!Dims::fits(count))
    return invalidArgument(
        fmt::format("{}: {} axes, expected at most {}", argument, count, kMaxRank));
  if (count > 0 && !axes)
    return invalidArgument(fmt::format("{}: null, expected {} axes", argument, count));
  return Dims(std::span(axes, count));
}

Expected<Tensor> toTensor(const norma_tensor *tensor, const char *argument) {
  if (Expected<void> given = checkPointers({{argument, tensor}}); !given)
    return given.takeError();
  const Expected<DType> dtype = toDType(tensor->dtype, argument);
  if (!dtype)
    return dtype.error();
  const Expected<Dims> shape = toShape(tensor->rank, tensor->shape, argument);
  if (!shape)
    return shape.error();
  Tensor view(tensor->data, *dtype, *shape);
  if (tensor->strides)
    view.strides = Dims(std::span(tensor->strides, size_t(tensor->rank)));
  if (Expected<void> valid = checkTensor(view, argument); !valid)
    return valid.takeError();
  return view;
}

Expected<std::optional<Tensor>> toOptionalTensor(const norma_tensor *tensor, const char *argument) {
  if (!tensor)
    return std::optional<Tensor>();
  Expected<Tensor> view = toTensor(tensor, argument);
  if (!view)
    return view.takeError();
  return std::optional(*view);
}

Expected<MaskAndWeights> toMaskAndWeights(const norma_tensor *mask, const norma_tensor *weights) {
  Expected<std::optional<Tensor>> maskView = toOptionalTensor(mask, "mask");
  if (!maskView)
    return maskView.takeError();
  Expected<std::optional<Tensor>> weightsView = toOptionalTensor(weights, "weights");
  if (!weightsView)
    return weightsView.takeError();
  return MaskAndWeights{*maskView, *weightsView};
}

} // namespace norma::capi

using namespace norma;
using namespace norma::capi;

size_t norma_dtype_size(norma_dtype dtype) { return isDType(dtype) ? sizeOf(DType(dtype)) : 0; }

const char *norma_dtype_name(norma_dtype dtype) {
  return isDType(dtype) ? toString(DType(dtype)) : "unknown";
}

norma_status norma_array_create(norma_dtype dtype, int32_t rank, const int64_t *shape,
                                norma_array **array) {
  return guarded({{"array", array}}, [&]() -> Expected<void> {
    const Expected<DType> type = toDType(dtype, "dtype");
    if (!type)
      return type.error();
    const Expected<Dims> extents = toShape(rank, shape, "shape");
    if (!extents)
      return extents.error();
    return give(Array::create(*type, *extents), array);
  });
}

norma_status norma_array_copy(const norma_tensor *tensor, norma_array **array) {
  return guarded({{"array", array}}, [&]() -> Expected<void> {
    const Expected<Tensor> view = toTensor(tensor, "tensor");
    if (!view)
      return view.error();
    return give(Array::copyOf(*view), array);
  });
}

norma_status norma_array_view(const norma_array *array, norma_tensor *tensor) {
  return guarded({{"array", array}, {"tensor", tensor}}, [&]() -> Expected<void> {
    const Tensor &view = array->value.view();
    *tensor = {view.data, norma_dtype(view.dtype), view.rank(), view.shape.begin(),
               view.strides.begin()};
    return {};
  });
}

void norma_array_destroy(norma_array *array) { delete array; }
