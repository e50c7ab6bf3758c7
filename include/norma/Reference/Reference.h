//===- Reference.h - The f64 oracle -----------------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The plainest possible implementation of every operation, for any shape, any
// strides and any set of kept axes: loops over indices in f64, two passes for the
// variance. Tests compare every kernel with it; `run_eagerly` layers run on it.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_REFERENCE_REFERENCE_H
#define NORMA_REFERENCE_REFERENCE_H

#include "norma/Support/BatchNorm.h"

namespace norma::reference {

/// Statistics of `x` for every index of the `kept` axes (ascending, in range).
/// Two-pass with compensated (Neumaier) sums in f64: the mean first, then the
/// squared deviations from it.
Expected<Statistics> moments(const Tensor &x, std::span<const int64_t> kept,
                             const MomentsOptions &options = {});

/// y = (x - center) * scale + shift. `x` is converted to `compute` (F32 or F64)
/// first, the coefficients are rounded to it once, the formula is evaluated in
/// long double, rounded to `compute` once, and then to y's type (F16 and BF16
/// through F32). `y` has x's shape and may be x itself.
Expected<void> affine(const Tensor &x, std::span<const int64_t> kept,
                      const Coefficients &coefficients, DType compute, const Tensor &y);

/// The sums of a gradient, compensated, in f64; see Engine::gradientSums.
Expected<GradientSums> gradientSums(const Tensor &x, const Tensor &dy,
                                    std::span<const int64_t> kept, std::span<const double> center,
                                    const MomentsOptions &options = {});

/// dx = dy * scale + ((x - center) * slope + offset) * w, in the precision and with the
/// rounding of affine(); see Engine::gradientMap.
Expected<void> gradientMap(const Tensor &x, const Tensor &dy, std::span<const int64_t> kept,
                           const GradientCoefficients &coefficients, DType compute,
                           const Tensor &dx, const MomentsOptions &options = {});

} // namespace norma::reference

#endif // NORMA_REFERENCE_REFERENCE_H
