//===- Closeness.h - The correctness contract as a comparison ---*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_CLOSENESS_H
#define NORMA_UNITTESTS_RUNTIME_CLOSENESS_H

#include "norma/Support/Statistics.h"

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

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_CLOSENESS_H
