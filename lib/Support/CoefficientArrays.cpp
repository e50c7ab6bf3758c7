//===- CoefficientArrays.cpp - Coefficients as maps read them -------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Support/CoefficientArrays.h"

#include <algorithm>

namespace norma {

/// `absent` for all of `size` kept indices where there are no values.
static void storeOr(const std::vector<double> &values, double absent, int64_t size, DType dtype,
                    void *into) {
  if (!values.empty())
    return storeFromDoubles(values, into, dtype);
  if (dtype == DType::F64)
    std::fill_n(static_cast<double *>(into), size, absent);
  else
    std::fill_n(static_cast<float *>(into), size, float(absent));
}

void storeCoefficients(const Coefficients &coefficients, int64_t size,
                       const CoefficientArrays &into) {
  storeOr(coefficients.center, 0, size, into.compute, into.center);
  storeOr(coefficients.scale, 1, size, into.compute, into.scale);
  storeOr(coefficients.shift, 0, size, into.compute, into.shift);
}

void storeCoefficients(const GradientCoefficients &coefficients,
                       const GradientCoefficientArrays &into) {
  for (const auto &[values, array] :
       {std::pair(&coefficients.center, into.center), std::pair(&coefficients.slope, into.slope),
        std::pair(&coefficients.offset, into.offset), std::pair(&coefficients.scale, into.scale)})
    storeFromDoubles(*values, array, into.compute);
}

} // namespace norma
