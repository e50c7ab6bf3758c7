//===- CoefficientArrays.h - Coefficients as maps read them -----*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Coefficients are made in f64 and rounded once to the type that their map computes in.
// Those of a single call are written where the map reads them: little data is mapped in the
// time that it takes to write vectors of f64 and to read them again.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_SUPPORT_COEFFICIENTARRAYS_H
#define NORMA_SUPPORT_COEFFICIENTARRAYS_H

#include "norma/Support/BatchNorm.h"

namespace norma {

/// Arrays of `compute`, F32 or F64: one value for each of some kept indices.
struct CoefficientArrays {
  DType compute;
  void *center, *scale, *shift;
};

/// The same of the gradient's map.
struct GradientCoefficientArrays {
  DType compute;
  void *center, *slope, *offset, *scale;
};

/// Rounds the coefficients of `size` kept indices. Absent ones become 0, 1 and 0.
void storeCoefficients(const Coefficients &coefficients, int64_t size,
                       const CoefficientArrays &into);
void storeCoefficients(const GradientCoefficients &coefficients,
                       const GradientCoefficientArrays &into);

} // namespace norma

#endif // NORMA_SUPPORT_COEFFICIENTARRAYS_H
