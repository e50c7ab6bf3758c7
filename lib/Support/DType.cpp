//===- DType.cpp - Element types ------------------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Support/DType.h"

#include "WideVectors.h"

#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>

namespace norma {

namespace {

struct Names {
  DType dtype;
  const char *own, *numpy;
};

constexpr Names kNames[] = {
    {DType::F32, "f32", "float32"}, {DType::F64, "f64", "float64"},
    {DType::F16, "f16", "float16"}, {DType::BF16, "bf16", "bfloat16"},
    {DType::I8, "i8", "int8"},      {DType::U8, "u8", "uint8"},
    {DType::I16, "i16", "int16"},   {DType::U16, "u16", "uint16"},
    {DType::I32, "i32", "int32"},   {DType::I64, "i64", "int64"},
    {DType::Bool, "bool", "bool"},
};

/// Addresses need not be aligned, so elements move through memcpy.
template <typename T>
T load(const void *address) {
  T value;
  std::memcpy(&value, address, sizeof(T));
  return value;
}

template <typename T>
void store(T value, void *address) {
  std::memcpy(address, &value, sizeof(T));
}

float halfToFloat(uint16_t half) {
  const uint32_t sign = uint32_t(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 0x1f;
  const uint32_t mantissa = half & 0x3ff;
  if (exponent == 0x1f) {
    const uint32_t quiet = mantissa ? 0x00400000 : 0;
    return std::bit_cast<float>(sign | 0x7f800000 | quiet | (mantissa << 13));
  }
  if (exponent == 0) {
    // Zero or subnormal: a multiple of 2^-24, exact in f32.
    const float magnitude = float(mantissa) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

uint16_t floatToHalf(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) // NaN: the top of its payload, and quiet.
    return uint16_t(sign | 0x7e00 | ((magnitude >> 13) & 0x3ff));
  if (magnitude >= 0x47800000) // 2^16 and more, infinity.
    return uint16_t(sign | 0x7c00);
  if (magnitude >= 0x38800000) {
    // Normal. A carry out of the mantissa correctly raises the exponent, up to
    // infinity for 65520 and more.
    const uint32_t rebased = magnitude - (112u << 23);
    return uint16_t(sign | ((rebased + 0xfff + ((rebased >> 13) & 1)) >> 13));
  }
  if (magnitude < 0x33000000) // Below 2^-25, half of the smallest subnormal.
    return uint16_t(sign);
  const uint32_t mantissa = (magnitude & 0x7fffff) | 0x800000;
  const uint32_t shift = 126 - (magnitude >> 23);
  const uint32_t quotient = mantissa >> shift;
  const uint32_t remainder = mantissa & ((1u << shift) - 1);
  const uint32_t tie = 1u << (shift - 1);
  const bool up = remainder > tie || (remainder == tie && (quotient & 1));
  return uint16_t(sign | (quotient + up));
}

float bfloatToFloat(uint16_t bfloat) {
  uint32_t bits = uint32_t(bfloat) << 16;
  if ((bits & 0x7fffffff) > 0x7f800000)
    bits |= 0x00400000;
  return std::bit_cast<float>(bits);
}

uint16_t floatToBfloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return uint16_t((bits >> 16) | 0x0040);
  return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

} // namespace

const char *toString(DType dtype) {
  for (const Names &names : kNames)
    if (names.dtype == dtype)
      return names.own;
  return "unknown";
}

Expected<DType> parseDType(std::string_view name) try {
  for (const Names &names : kNames)
    if (name == names.own || name == names.numpy)
      return names.dtype;
  std::string known;
  for (const Names &names : kNames)
    known += fmt::format("{}{}", known.empty() ? "" : ", ", names.own);
  return invalidArgument(fmt::format("dtype: '{}' is not known; expected one of {}", name, known));
} catch (...) {
  return outOfMemory();
}

double loadAsDouble(const void *address, DType dtype) {
  switch (dtype) {
  case DType::F32:
    return load<float>(address);
  case DType::F64:
    return load<double>(address);
  case DType::F16:
    return halfToFloat(load<uint16_t>(address));
  case DType::BF16:
    return bfloatToFloat(load<uint16_t>(address));
  case DType::I8:
    return load<int8_t>(address);
  case DType::U8:
    return load<uint8_t>(address);
  case DType::I16:
    return load<int16_t>(address);
  case DType::U16:
    return load<uint16_t>(address);
  case DType::I32:
    return load<int32_t>(address);
  case DType::I64:
    return double(load<int64_t>(address));
  case DType::Bool:
    return load<uint8_t>(address) != 0;
  }
  return std::nan("");
}

void storeFromDouble(double value, void *address, DType dtype) {
  assert(isFloat(dtype) && "storeFromDouble stores floating types only");
  switch (dtype) {
  case DType::F32:
    return store(float(value), address);
  case DType::F64:
    return store(value, address);
  case DType::F16:
    return store(floatToHalf(float(value)), address);
  case DType::BF16:
    return store(floatToBfloat(float(value)), address);
  default:
    return;
  }
}

template <typename From, typename To>
NORMA_INLINE static inline void convert(const From *from, To *__restrict into, size_t size) {
  for (size_t i = 0; i < size; ++i)
    into[i] = To(from[i]);
}

void loadAsDoubles(const void *address, DType dtype, std::span<double> values) {
  assert((dtype == DType::F32 || dtype == DType::F64) && "loadAsDoubles loads f32 and f64 only");
  runInWideVectors([&]() NORMA_INLINE {
    if (dtype == DType::F64)
      convert(static_cast<const double *>(address), values.data(), values.size());
    else
      convert(static_cast<const float *>(address), values.data(), values.size());
  });
}

void storeFromDoubles(std::span<const double> values, void *address, DType dtype) {
  assert((dtype == DType::F32 || dtype == DType::F64) &&
         "storeFromDoubles stores f32 and f64 only");
  runInWideVectors([&]() NORMA_INLINE {
    if (dtype == DType::F64)
      convert(values.data(), static_cast<double *>(address), values.size());
    else
      convert(values.data(), static_cast<float *>(address), values.size());
  });
}

} // namespace norma
