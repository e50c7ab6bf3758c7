//===- Layers.cpp - What both layers do the same from C -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Layers.h"

#include <fmt/format.h>

namespace norma::capi {

Expected<void> readDTypes(norma_dtype computeNumber, norma_dtype outputNumber, DType &compute,
                          std::optional<DType> &output) {
  const Expected<DType> computeType = toDType(computeNumber, "compute_dtype");
  if (!computeType)
    return computeType.error();
  compute = *computeType;
  if (outputNumber == NORMA_DTYPE_DEFAULT)
    return {};
  const Expected<DType> outputType = toDType(outputNumber, "output_dtype");
  if (!outputType)
    return outputType.error();
  output = *outputType;
  return {};
}

Expected<void> checkIsBuilt(bool isBuilt) {
  if (!isBuilt)
    return invalidArgument("layer: not built, expected one that has seen a shape or data");
  return {};
}

} // namespace norma::capi
