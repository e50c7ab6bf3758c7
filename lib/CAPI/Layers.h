//===- Layers.h - What both layers do the same from C -----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_CAPI_LAYERS_H
#define NORMA_LIB_CAPI_LAYERS_H

#include "Handles.h"
#include "Options.h"
#include "Tensor.h"

#include <algorithm>
#include <span>
#include <utility>

namespace norma::capi {

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

/// The types a layer computes in and returns.
Expected<void> readDTypes(norma_dtype computeNumber, norma_dtype outputNumber, DType &compute,
                          std::optional<DType> &output);

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

template <typename Layer>
Expected<void> buildLayer(Layer &layer, int32_t rank, const int64_t *shape) {
  const Expected<Dims> extents = toShape(rank, shape, "shape");
  if (!extents)
    return extents.error();
  return layer.build(*extents);
}

template <typename Layer>
Expected<void> applyLayer(const Layer &layer, const norma_tensor *x, const norma_tensor *y) {
  const Expected<Tensor> from = toTensor(x, "x");
  if (!from)
    return from.error();
  const Expected<Tensor> to = toTensor(y, "y");
  if (!to)
    return to.error();
  return layer.apply(*from, *to);
}

template <typename Layer>
Expected<void> applyLayer(const Layer &layer, const norma_tensor *x, norma_array **y) {
  const Expected<Tensor> from = toTensor(x, "x");
  if (!from)
    return from.error();
  return give(layer.apply(*from), y);
}

//===----------------------------------------------------------------------===//
// What they know
//===----------------------------------------------------------------------===//

Expected<void> checkIsBuilt(bool isBuilt);

template <typename Layer>
Expected<void> checkBuilt(const Layer &layer) {
  return checkIsBuilt(layer.isBuilt());
}

/// Copies values to a place that may be null.
inline void copyValues(std::span<const double> values, double *to) {
  if (to)
    std::copy(values.begin(), values.end(), to);
}

template <typename Layer>
Expected<void> copyAxes(const Layer &layer, int64_t *axes, size_t *count) {
  if (Expected<void> built = checkBuilt(layer); !built)
    return built;
  const Dims &kept = layer.keptAxes();
  std::copy(kept.begin(), kept.end(), axes);
  *count = size_t(kept.size());
  return {};
}

} // namespace norma::capi

#endif // NORMA_LIB_CAPI_LAYERS_H
