//===- Precision.h - Numbers as kernels round them --------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_PRECISION_H
#define NORMA_UNITTESTS_RUNTIME_PRECISION_H

#include "norma/Support/DType.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>

namespace norma::test {

inline long double loadExactly(const void *address, DType dtype) {
  if (dtype != DType::I64)
    return loadAsDouble(address, dtype);
  int64_t value;
  std::memcpy(&value, address, sizeof(value));
  return static_cast<long double>(value);
}

inline double roundTo(DType compute, long double value) {
  return compute == DType::F32 ? double(float(value)) : double(value);
}

/// The distance of the numbers of `compute` at `value`.
inline long double ulpAt(DType compute, long double value) {
  const int digits = compute == DType::F32 ? 23 : 52;
  const int lowest = compute == DType::F32 ? -126 : -1022;
  const int exponent = value == 0 ? lowest : std::max(std::ilogb(value), lowest);
  return std::ldexp(1.0L, exponent - digits);
}

inline double throughDType(double value, DType dtype) {
  alignas(8) std::byte bytes[8];
  storeFromDouble(value, bytes, dtype);
  return loadAsDouble(bytes, dtype);
}

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_PRECISION_H
