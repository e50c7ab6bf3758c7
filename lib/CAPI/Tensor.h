//===- Tensor.h - Views from C ----------------------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_CAPI_TENSOR_H
#define NORMA_LIB_CAPI_TENSOR_H

#include "norma-c/norma.h"
#include "norma/Support/Tensor.h"

#include <optional>

namespace norma::capi {

/// The element type of a number from C. Errors name `argument`.
Expected<DType> toDType(norma_dtype dtype, const char *argument);

/// A shape from C: extents are not looked at.
Expected<Dims> toShape(int32_t rank, const int64_t *shape, const char *argument);

/// A list of axes from C.
Expected<Dims> toAxes(const int64_t *axes, size_t count, const char *argument);

/// A checked view; see checkTensor().
Expected<Tensor> toTensor(const norma_tensor *tensor, const char *argument);

/// The same where null stands for none.
Expected<std::optional<Tensor>> toOptionalTensor(const norma_tensor *tensor, const char *argument);

/// Mask and weights, each of which may be null.
struct MaskAndWeights {
  std::optional<Tensor> mask, weights;
};
Expected<MaskAndWeights> toMaskAndWeights(const norma_tensor *mask, const norma_tensor *weights);

} // namespace norma::capi

#endif // NORMA_LIB_CAPI_TENSOR_H
