//===- DTypeTest.cpp - Element types --------------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Support/DType.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

using namespace norma;

namespace {

uint16_t store16(double value, DType dtype) {
  uint16_t bits = 0;
  storeFromDouble(value, &bits, dtype);
  return bits;
}

double load16(uint16_t bits, DType dtype) { return loadAsDouble(&bits, dtype); }

TEST(DType, NamesRoundTrip) {
  for (DType dtype : kAllDTypes)
    EXPECT_EQ(*parseDType(toString(dtype)), dtype);
  EXPECT_EQ(*parseDType("float32"), DType::F32);
  EXPECT_EQ(*parseDType("bfloat16"), DType::BF16);
  EXPECT_EQ(*parseDType("uint8"), DType::U8);
  Expected<DType> bad = parseDType("f8");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message(), "dtype: 'f8' is not known; expected one of f32, f64, f16, bf16, "
                                   "i8, u8, i16, u16, i32, i64, bool");
}

TEST(DType, Sizes) {
  const size_t expected[] = {4, 8, 2, 2, 1, 1, 2, 2, 4, 8, 1};
  for (size_t i = 0; i < std::size(expected); ++i)
    EXPECT_EQ(sizeOf(kAllDTypes[i]), expected[i]);
  for (DType dtype : kAllDTypes)
    EXPECT_EQ(isFloat(dtype), toString(dtype)[0] == 'f' || toString(dtype)[1] == 'f');
}

TEST(DType, EveryHalfRoundTrips) {
  for (uint32_t i = 0; i < 65536; ++i) {
    const uint16_t bits = uint16_t(i);
    const double value = load16(bits, DType::F16);
    const bool isNaN = (bits & 0x7c00) == 0x7c00 && (bits & 0x3ff);
    ASSERT_EQ(std::isnan(value), isNaN) << i;
    // NaN comes back quiet, with its payload.
    ASSERT_EQ(store16(value, DType::F16), isNaN ? bits | 0x0200 : bits) << i;
    if (isNaN || (bits & 0x7c00) == 0x7c00)
      continue;
    const int exponent = (bits >> 10) & 0x1f, mantissa = bits & 0x3ff;
    const double magnitude =
        exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(double(mantissa), -24);
    ASSERT_EQ(value, bits & 0x8000 ? -magnitude : magnitude) << i;
    ASSERT_EQ(std::signbit(value), (bits & 0x8000) != 0) << i;
  }
}

TEST(DType, EveryBfloatRoundTrips) {
  for (uint32_t i = 0; i < 65536; ++i) {
    const uint16_t bits = uint16_t(i);
    const double value = load16(bits, DType::BF16);
    const bool isNaN = (bits & 0x7f80) == 0x7f80 && (bits & 0x7f);
    ASSERT_EQ(std::isnan(value), isNaN) << i;
    ASSERT_EQ(store16(value, DType::BF16), isNaN ? bits | 0x0040 : bits) << i;
    ASSERT_TRUE(isNaN || value == double(std::bit_cast<float>(i << 16))) << i;
  }
}

/// The midpoint of every two neighbours goes to the even one, and anything to
/// either side of it to the nearer one.
void checkRounding(DType dtype, uint16_t largest) {
  for (uint16_t low = 0; low < largest; ++low) {
    const float a = float(load16(low, dtype)), b = float(load16(low + 1, dtype));
    const float middle = a + (b - a) / 2;
    ASSERT_EQ(store16(middle, dtype), low % 2 ? low + 1 : low) << low;
    ASSERT_EQ(store16(-middle, dtype), 0x8000 | (low % 2 ? low + 1 : low)) << low;
    ASSERT_EQ(store16(std::nextafter(middle, a), dtype), low) << low;
    ASSERT_EQ(store16(std::nextafter(middle, b), dtype), low + 1) << low;
  }
}

TEST(DType, HalfRoundsToNearestEven) {
  checkRounding(DType::F16, 0x7bff);
  EXPECT_EQ(store16(65519.996, DType::F16), 0x7bff);
  EXPECT_EQ(store16(65520, DType::F16), 0x7c00);
  EXPECT_EQ(store16(65536, DType::F16), 0x7c00);
  EXPECT_EQ(store16(-1e30, DType::F16), 0xfc00);
  EXPECT_EQ(store16(0x1p-25, DType::F16), 0x0000);
  EXPECT_EQ(store16(0x1.000002p-25, DType::F16), 0x0001);
  EXPECT_EQ(store16(-0x1p-26, DType::F16), 0x8000);
}

TEST(DType, BfloatRoundsToNearestEven) {
  checkRounding(DType::BF16, 0x7f7f);
  EXPECT_EQ(store16(std::numeric_limits<float>::max(), DType::BF16), 0x7f80);
  EXPECT_EQ(store16(std::numeric_limits<double>::infinity(), DType::BF16), 0x7f80);
}

TEST(DType, SixteenBitsGoThroughSingle) {
  // Just above the midpoint of 1 and the next half, but not in f32: there it is
  // the midpoint, which goes to the even 1.
  const double value = 1 + 0x1p-11 + 0x1p-40;
  EXPECT_EQ(store16(value, DType::F16), 0x3c00);
  EXPECT_EQ(store16(1 + 0x1p-8 + 0x1p-40, DType::BF16), 0x3f80);
}

TEST(DType, NaNStaysNaN) {
  const uint32_t lowPayload = 0x7f800001; // its payload is lost in 16 bits
  const double value = std::bit_cast<float>(lowPayload);
  EXPECT_EQ(store16(value, DType::F16) & 0x7e00, 0x7e00);
  EXPECT_EQ(store16(value, DType::BF16) & 0x7fc0, 0x7fc0);
}

TEST(DType, LoadsEveryType) {
  auto check = [](auto value, DType dtype, double expected) {
    // One byte off, since addresses need not be aligned.
    char memory[16];
    std::memcpy(memory + 1, &value, sizeof(value));
    EXPECT_EQ(loadAsDouble(memory + 1, dtype), expected) << toString(dtype);
  };
  check(1.5f, DType::F32, 1.5);
  check(0.1, DType::F64, 0.1);
  check(int8_t(-128), DType::I8, -128);
  check(uint8_t(255), DType::U8, 255);
  check(int16_t(-32768), DType::I16, -32768);
  check(uint16_t(65535), DType::U16, 65535);
  check(std::numeric_limits<int32_t>::min(), DType::I32, -2147483648.0);
  check(int64_t(1) << 53, DType::I64, 9007199254740992.0);
  check((int64_t(1) << 53) + 1, DType::I64, 9007199254740992.0);
  check(uint8_t(1), DType::Bool, 1);
  check(uint8_t(0), DType::Bool, 0);
}

TEST(DType, StoresWideFloats) {
  char memory[16];
  storeFromDouble(0.1, memory + 1, DType::F64);
  EXPECT_EQ(loadAsDouble(memory + 1, DType::F64), 0.1);
  storeFromDouble(0.1, memory + 3, DType::F32);
  EXPECT_EQ(loadAsDouble(memory + 3, DType::F32), double(0.1f));
  storeFromDouble(1e300, memory, DType::F32);
  EXPECT_EQ(loadAsDouble(memory, DType::F32), std::numeric_limits<double>::infinity());
}

TEST(DType, StoresArraysLikeNumbers) {
  const std::vector<double> values{0.1, -3, 1e300, 1e-310, -0.0, 7};
  for (DType dtype : {DType::F32, DType::F64}) {
    std::vector<double> all(values.size()), one(values.size());
    storeFromDoubles(values, all.data(), dtype);
    for (size_t i = 0; i < values.size(); ++i)
      storeFromDouble(values[i], reinterpret_cast<char *>(one.data()) + i * sizeOf(dtype), dtype);
    EXPECT_EQ(std::memcmp(all.data(), one.data(), values.size() * sizeOf(dtype)), 0)
        << toString(dtype);
  }
}

TEST(DType, LoadsArraysLikeNumbers) {
  const std::vector<double> stored{0.1, -3, 1e30, 1e-310, -0.0, 7, INFINITY};
  for (DType dtype : {DType::F32, DType::F64}) {
    std::vector<double> memory(stored.size()), all(stored.size());
    storeFromDoubles(stored, memory.data(), dtype);
    loadAsDoubles(memory.data(), dtype, all);
    for (size_t i = 0; i < stored.size(); ++i) {
      const double one =
          loadAsDouble(reinterpret_cast<const char *>(memory.data()) + i * sizeOf(dtype), dtype);
      EXPECT_EQ(std::bit_cast<uint64_t>(all[i]), std::bit_cast<uint64_t>(one))
          << toString(dtype) << " " << i;
    }
  }
}

} // namespace
