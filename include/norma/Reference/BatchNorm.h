//===- BatchNorm.h - Batch normalization, the f64 oracle --------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The formulas of batch normalization element by element, written from their
// definition and sharing no arithmetic with norma/Support/BatchNorm.h: every element
// finds its statistics group by its index, sums run over all elements of a group.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_REFERENCE_BATCHNORM_H
#define NORMA_REFERENCE_BATCHNORM_H

#include "norma/Support/BatchNorm.h"

namespace norma::reference {

/// Optional inputs, all of the shape of the data and in f64; empty where absent.
struct BatchNormInputs {
  std::vector<double> mask, weights, adjustScale, adjustBias;
};

/// A training pass in f64.
struct BatchNormResult {
  /// Row-major, of the shape of the data.
  std::vector<double> y;
  /// Everything else, see norma/Support/BatchNorm.h.
  BatchNormForward forward;
};

/// `x` is row-major of `shape`; `kept` ascending. Statistics of groups are numbered
/// (ghost, kept index). Arguments must be valid, see batchNormTraining().
BatchNormResult batchNormTraining(std::span<const double> x, std::span<const int64_t> shape,
                                  std::span<const int64_t> kept, const BatchNormRules &rules,
                                  const BatchNormParameters &parameters,
                                  const MovingStatistics &moving, const BatchNormInputs &inputs);

/// dx (row-major), dgamma and dbeta of sum(y * dy) by the formulas of
/// norma.batch_norm_grad, in f64.
struct BatchNormGradientResult {
  std::vector<double> dx, dgamma, dbeta;
};
BatchNormGradientResult
batchNormGradient(std::span<const double> x, std::span<const double> dy,
                  std::span<const int64_t> shape, std::span<const int64_t> kept,
                  const BatchNormRules &rules, const BatchNormParameters &parameters,
                  const BatchNormForward &forward, const BatchNormInputs &inputs);

} // namespace norma::reference

#endif // NORMA_REFERENCE_BATCHNORM_H
