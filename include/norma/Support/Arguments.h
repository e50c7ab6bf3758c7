//===- Arguments.h - What every implementation checks -----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The engine and the reference take the same arguments and refuse the same ones,
// in the same words. Nothing is written before all of this holds.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_SUPPORT_ARGUMENTS_H
#define NORMA_SUPPORT_ARGUMENTS_H

#include "norma/Support/BatchNorm.h"

namespace norma {

/// The bytes that a tensor with elements touches, [begin, end), counted from its data;
/// modulo 2^64, since strides may be negative.
struct ByteRange {
  uintptr_t begin = 0, end = 0;
};
ByteRange byteRange(const Tensor &tensor);

/// Whether two such ranges, around their data, have a byte in common.
bool overlap(const void *a, ByteRange ofA, const void *b, ByteRange ofB);

/// Of tensors of one shape. Strides along extents of 1 do not matter.
bool haveSameStrides(const Tensor &x, const Tensor &y);

/// Kept axes: ascending, each once, in [0, rank).
Expected<void> checkKept(std::span<const int64_t> kept, int rank);

/// A place for the result of a map of `x`: x's shape, a floating dtype, memory of
/// its own for every element, and either x itself or no overlap with it.
Expected<void> checkOutput(const Tensor &x, const Tensor &y);

/// The arguments of moments: data, kept axes, mask and weights that broadcast. (The
/// values of weights are not looked at.)
Expected<void> checkMoments(const Tensor &x, std::span<const int64_t> kept,
                            const MomentsOptions &options);

/// Coefficients with one value for each index of the kept extents, where present.
Expected<void> checkCoefficients(const Coefficients &coefficients, const Dims &kept);

/// The arguments of a map: all of the above, coefficients with one value per kept
/// index, a compute type of F32 or F64.
Expected<void> checkAffine(const Tensor &x, std::span<const int64_t> kept,
                           const Coefficients &coefficients, DType compute, const Tensor &y);

/// The arguments of gradientSums: those of moments, a dy of x's shape and a float
/// type, one center per kept index.
Expected<void> checkGradientSums(const Tensor &x, const Tensor &dy, std::span<const int64_t> kept,
                                 std::span<const double> center, const MomentsOptions &options);

/// All four coefficients of a gradient's map, with one value for each index of the kept
/// extents.
Expected<void> checkGradientCoefficients(const GradientCoefficients &coefficients,
                                         const Dims &kept);

/// The arguments of gradientMap but for its coefficients: data, dy, mask and weights as
/// above, a compute type of F32 or F64, and a dx of x's shape that is x, dy or a place of
/// its own.
Expected<void> checkGradientTensors(const Tensor &x, const Tensor &dy,
                                    std::span<const int64_t> kept, DType compute, const Tensor &dx,
                                    const MomentsOptions &options);

/// The arguments of gradientMap: both of the above.
Expected<void> checkGradientMap(const Tensor &x, const Tensor &dy, std::span<const int64_t> kept,
                                const GradientCoefficients &coefficients, DType compute,
                                const Tensor &dx, const MomentsOptions &options);

} // namespace norma

#endif // NORMA_SUPPORT_ARGUMENTS_H
