//===- BuildShape.h - The shape a layer is built for ------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_RUNTIME_LAYERS_BUILDSHAPE_H
#define NORMA_LIB_RUNTIME_LAYERS_BUILDSHAPE_H

#include "norma/Support/Tensor.h"

namespace norma {

/// A shape as toString() prints it, with ? for unknown extents.
std::string formatShape(std::span<const int64_t> shape);

struct BuildShape {
  /// Reduced extents may be unknown (-1).
  Dims shape;
  /// The kept axes, canonical and ascending, and their extents.
  Dims axis, kept;
};

/// Errors: an axis out of range or repeated, an extent that is negative but not -1, a
/// kept extent that is unknown, too many kept indices.
Expected<BuildShape> makeBuildShape(const Dims &axis, std::span<const int64_t> shape);

/// Whether a tensor of `shape`, called `name`, has the rank and the kept extents.
Expected<void> checkInputShape(const BuildShape &built, std::span<const int64_t> shape,
                               std::string_view name);

} // namespace norma

#endif // NORMA_LIB_RUNTIME_LAYERS_BUILDSHAPE_H
