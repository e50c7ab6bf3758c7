//===- BatchNormArithmetic.h - Steps of a kept index ------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_SUPPORT_BATCHNORMARITHMETIC_H
#define NORMA_LIB_SUPPORT_BATCHNORMARITHMETIC_H

#include "norma/Support/DType.h"

#include <cmath>
#include <cstddef>
#include <vector>

namespace norma {

/// A moving average that takes one more value.
struct Blend {
  double old, fresh;

  explicit Blend(double momentum) : old(momentum), fresh(1 - momentum) {}
  double operator()(double before, double now) const { return before * old + now * fresh; }
};

/// Moves `values` where something was counted: without branches, which is compiled to vectors.
inline void blendInto(double *__restrict values, const double *counts, const double *fresh,
                      size_t size, const Blend &by) {
  for (size_t i = 0; i < size; ++i) {
    const double before = values[i], after = by(before, fresh[i]);
    values[i] = counts[i] == 0 ? before : after;
  }
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

/// Leaves out values that are all 0.
void dropZeros(std::vector<double> &values);

} // namespace norma

#endif // NORMA_LIB_SUPPORT_BATCHNORMARITHMETIC_H
