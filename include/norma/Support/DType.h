//===- DType.h - Element types ----------------------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_SUPPORT_DTYPE_H
#define NORMA_SUPPORT_DTYPE_H

#include "norma/Support/Error.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace norma {

/// The element types of tensors. Integers are two's complement; Bool is one
/// byte holding 0 or 1, as in NumPy and DLPack.
enum class DType : uint8_t { F32, F64, F16, BF16, I8, U8, I16, U16, I32, I64, Bool };

inline constexpr DType kAllDTypes[] = {DType::F32, DType::F64, DType::F16, DType::BF16,
                                       DType::I8,  DType::U8,  DType::I16, DType::U16,
                                       DType::I32, DType::I64, DType::Bool};

/// Bytes of one element.
constexpr size_t sizeOf(DType dtype) {
  switch (dtype) {
  case DType::I8:
  case DType::U8:
  case DType::Bool:
    return 1;
  case DType::F16:
  case DType::BF16:
  case DType::I16:
  case DType::U16:
    return 2;
  case DType::F32:
  case DType::I32:
    return 4;
  case DType::F64:
  case DType::I64:
    return 8;
  }
  return 0;
}

constexpr bool isFloat(DType dtype) { return dtype <= DType::BF16; }

/// "f32", "bf16", "u8", "bool": the names of the command line and of kernel keys.
const char *toString(DType dtype);

/// The inverse of toString; also takes NumPy's names ("float32", "uint8").
Expected<DType> parseDType(std::string_view name);

/// One element at `address` as f64. Exact but for I64 beyond 2^53, which rounds.
double loadAsDouble(const void *address, DType dtype);

/// As many of an array that is aligned, of F32 or F64.
void loadAsDoubles(const void *address, DType dtype, std::span<double> values);

/// Rounds `value` to a floating `dtype`, to nearest even, and stores it. F16 and
/// BF16 go through f32, as the kernels do. `dtype` must be a float.
void storeFromDouble(double value, void *address, DType dtype);

/// The same of an array that is aligned, of F32 or F64.
void storeFromDoubles(std::span<const double> values, void *address, DType dtype);

} // namespace norma

#endif // NORMA_SUPPORT_DTYPE_H
