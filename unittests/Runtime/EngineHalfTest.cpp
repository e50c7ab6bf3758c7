//===- EngineHalfTest.cpp - Every bit of f16 ------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Processors without instructions for f16 have integer operations in their place. Numbers
// are the same everywhere, and so is where NaN stands.
//
//===----------------------------------------------------------------------===//

#include "EngineTest.h"

#include <bit>
#include <cmath>

using namespace norma;
using namespace norma::test;

namespace {

using EngineHalves = EngineForCpu;

INSTANTIATE_TEST_SUITE_P(Cpus, EngineHalves,
                         ::testing::Values("", "x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4",
                                           "sandybridge"),
                         nameOfCpu);

constexpr int64_t kHalves = 1 << 16;

bool isNan(uint16_t half) { return (half & 0x7fff) > 0x7c00; }

TEST_P(EngineHalves, EveryOneIsWidenedExactly) {
  // Vectors alone, and with a tail of single elements.
  for (const int64_t size : {kHalves, kHalves - 13}) {
    Expected<Array> x = Array::create(DType::F16, {size}), y = Array::create(DType::F32, {size});
    ASSERT_TRUE(x && y);
    for (int64_t i = 0; i < size; ++i)
      x->as<uint16_t>()[i] = uint16_t(i * 40503);
    ASSERT_TRUE(engine->affine(*x, {}, {}, DType::F32, *y));
    for (int64_t i = 0; i < size; ++i) {
      const auto expected = float(loadAsDouble(&x->as<uint16_t>()[i], DType::F16));
      const float found = y->as<float>()[i];
      if (std::isnan(expected))
        ASSERT_TRUE(std::isnan(found)) << std::hex << x->as<uint16_t>()[i];
      else
        ASSERT_EQ(std::bit_cast<uint32_t>(found), std::bit_cast<uint32_t>(expected))
            << std::hex << x->as<uint16_t>()[i];
    }
  }
}

TEST_P(EngineHalves, EveryFloatIsRoundedExactly) {
  // Those around all halves, ties among them, and beyond.
  constexpr uint32_t kLower[] = {0, 1, 0xfff, 0x1000, 0x1001, 0x1fff, 0x2000, 0x3000};
  constexpr int64_t kUppers = 1 << 18, kSize = kUppers * std::size(kLower);
  for (const int64_t size : {kSize, kSize - 13}) {
    Expected<Array> x = Array::create(DType::F32, {size}), y = Array::create(DType::F16, {size});
    ASSERT_TRUE(x && y);
    for (int64_t i = 0; i < size; ++i)
      x->as<uint32_t>()[i] = uint32_t(i % kUppers) << 14 | kLower[i / kUppers];
    ASSERT_TRUE(engine->affine(*x, {}, {}, DType::F32, *y));
    for (int64_t i = 0; i < size; ++i) {
      uint16_t expected = 0;
      storeFromDouble(double(x->as<float>()[i]), &expected, DType::F16);
      const uint16_t found = y->as<uint16_t>()[i];
      if (isNan(expected))
        ASSERT_TRUE(isNan(found)) << std::hex << x->as<uint32_t>()[i];
      else
        ASSERT_EQ(found, expected) << std::hex << x->as<uint32_t>()[i];
    }
  }
}

} // namespace
