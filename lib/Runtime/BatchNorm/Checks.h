//===- Checks.h - What batch normalization refuses --------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The arguments of the functions in norma/Runtime/BatchNorm.h, all but what
// BatchGroups::create finds. Nothing is computed before they hold.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_BATCHNORM_CHECKS_H
#define NORMA_RUNTIME_BATCHNORM_CHECKS_H

#include "norma/Runtime/BatchNorm.h"

namespace norma {

Expected<void> checkTraining(const Tensor &x, std::span<const int64_t> kept,
                             const BatchNormRules &rules, const BatchNormParameters &parameters,
                             const MovingStatistics &moving, const BatchNormInputs &inputs,
                             DType compute, const Tensor &y);

Expected<void> checkInference(const Tensor &x, std::span<const int64_t> kept,
                              std::span<const double> mean, std::span<const double> variance,
                              double epsilon, const BatchNormParameters &parameters, DType compute,
                              const Tensor &y);

Expected<void> checkGradient(const Tensor &x, const Tensor &dy, std::span<const int64_t> kept,
                             const BatchNormRules &rules, const BatchNormParameters &parameters,
                             const BatchNormInputs &inputs, DType compute, const Tensor &dx);

/// What a gradient takes from its forward pass: values for groups of `groupShape`, r and d
/// for every kept index where `renorm` is on.
Expected<void> checkForward(const BatchNormForward &forward, const Dims &groupShape,
                            int64_t keptSize, bool renorm);

} // namespace norma

#endif // NORMA_RUNTIME_BATCHNORM_CHECKS_H
