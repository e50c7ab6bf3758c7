//===- BatchNormArithmetic.h - Steps of a kept index ------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_SUPPORT_BATCHNORMARITHMETIC_H
#define NORMA_LIB_SUPPORT_BATCHNORMARITHMETIC_H

#include "norma/Support/BatchNorm.h"

#include <cmath>
#include <cstddef>

namespace norma {

/// A moving average that takes one more value.
struct Blend {
  double old, fresh;

  explicit Blend(double momentum) : old(momentum), fresh(1 - momentum) {}
  /// What `before` becomes, if anything was counted.
  double where(double count, double before, double now) const {
    const double after = before * old + now * fresh;
    // Without a branch, so that loops become vectors.
    return count == 0 ? before : after;
  }
};

inline void blendInto(double *__restrict values, const double *counts, const double *fresh,
                      size_t size, const Blend &by) {
  for (size_t i = 0; i < size; ++i)
    values[i] = by.where(counts[i], values[i], fresh[i]);
}

/// Population variance times n / max(n - 1, 1).
inline double sampleVariance(double count, double population) {
  const double rest = count - 1 > 1 ? count - 1 : 1;
  return population * (count / rest);
}

inline double inverseDeviation(double variance, double epsilon) {
  return 1 / std::sqrt(variance + epsilon);
}

/// A number as the compute type has it.
template <DType Compute>
double rounded(double value) {
  return Compute == DType::F32 ? double(float(value)) : value;
}

/// What x - center misses of x - mean, times a factor.
inline double lostOf(double mean, double center, double factor) {
  const double lost = (center - mean) * factor;
  // Not 0 * infinity, where epsilon and the variance are 0.
  return center == mean ? 0 : lost;
}

/// What multiplies x - center, and what is added, in the map of a gradient: 0 where nothing was
/// counted.
struct SlopeAndOffset {
  double slope, offset;

  SlopeAndOffset(double n, double invStd, double scale, double sum, double dot) {
    const double share = -scale / (n == 0 ? 1 : n);
    const double ofDot = share * (invStd * invStd) * dot, ofSum = share * sum;
    slope = n == 0 ? 0 : ofDot;
    offset = n == 0 ? 0 : ofSum;
  }
};

/// batchNormCoefficients() around means that `forward` need not have yet.
Coefficients coefficientsAround(std::span<const double> mean, const BatchNormForward &forward,
                                int64_t first, const Dims &keptShape,
                                const BatchNormParameters &parameters, DType compute,
                                int64_t firstKept);

} // namespace norma

#endif // NORMA_LIB_SUPPORT_BATCHNORMARITHMETIC_H
