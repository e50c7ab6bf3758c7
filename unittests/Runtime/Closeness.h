//===- Closeness.h - The correctness contract as a comparison ---*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_CLOSENESS_H
#define NORMA_UNITTESTS_RUNTIME_CLOSENESS_H

#include "norma/Support/BatchNorm.h"

#include <string>

namespace norma::test {

/// What is wrong with statistics of `x`, computed with `options`, by comparison with
/// the oracle's; empty when they keep the contract.
std::string differenceOfMoments(const Tensor &x, const Dims &kept, const MomentsOptions &options,
                                const Statistics &actual);

/// What is wrong with `y` as (x - center) * scale + shift computed in `compute` with
/// coefficients rounded once; empty when every element is the rounding of a number
/// of the compute type that is at most 2 ulp off. Where `shift` cancels, ulp are
/// those of the largest term.
std::string differenceOfAffine(const Tensor &x, const Dims &kept, const Coefficients &coefficients,
                               DType compute, const Tensor &y);

/// What is wrong with the sums of a gradient; empty when each is within 1e-6 of the
/// sum of the magnitudes of its terms.
std::string differenceOfGradientSums(const Tensor &x, const Tensor &dy, const Dims &kept,
                                     std::span<const double> center, const MomentsOptions &options,
                                     const GradientSums &actual);

/// What is wrong with `dx` as dy * scale + ((x - center) * slope + offset) * w computed
/// in `compute`; empty when every element is the rounding of a number of the compute
/// type that is at most 3 ulp of the largest term off.
std::string differenceOfGradientMap(const Tensor &x, const Tensor &dy, const Dims &kept,
                                    const GradientCoefficients &coefficients, DType compute,
                                    const MomentsOptions &options, const Tensor &dx);

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_CLOSENESS_H
