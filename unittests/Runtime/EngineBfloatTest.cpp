//===- EngineBfloatTest.cpp - Every bit of bf16 ---------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Processors round to bf16 in several ways, of which some take rare numbers for others and are
// mended behind it. The bits are the same everywhere.
//
//===----------------------------------------------------------------------===//

#include "EngineTest.h"

#include <bit>

using namespace norma;
using namespace norma::test;

namespace {

using EngineBfloats = EngineForCpu;

INSTANTIATE_TEST_SUITE_P(Cpus, EngineBfloats,
                         ::testing::Values("", "x86-64-v2", "x86-64-v3", "x86-64-v4",
                                           "icelake-server", "sapphirerapids"),
                         nameOfCpu);

/// To nearest even; NaN keeps its upper half, and is quiet.
uint16_t bfloatOf(uint32_t bits) {
  if ((bits & 0x7fffffff) > 0x7f800000)
    return uint16_t(bits >> 16 | 0x40);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

TEST_P(EngineBfloats, EveryOneIsRoundedExactly) {
  // Numbers beside NaN, subnormal numbers and infinity, and blocks without any of those.
  constexpr uint32_t kLower[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
  constexpr int64_t kUppers = 1 << 16, kSize = kUppers * std::size(kLower);
  for (const int64_t stride : {int64_t(1), int64_t(40503)})
    for (const int64_t size : {kSize, kSize - 19}) {
      Expected<Array> x = Array::create(DType::F32, {size});
      Expected<Array> y = Array::create(DType::BF16, {size});
      ASSERT_TRUE(x && y);
      for (int64_t i = 0; i < size; ++i)
        x->as<uint32_t>()[i] = uint32_t(i * stride % kUppers) << 16 | kLower[i / kUppers];
      ASSERT_TRUE(engine->affine(*x, {}, {}, DType::F32, *y));
      for (int64_t i = 0; i < size; ++i)
        ASSERT_EQ(y->as<uint16_t>()[i], bfloatOf(x->as<uint32_t>()[i]))
            << std::hex << x->as<uint32_t>()[i];
    }
}

/// Zeros, subnormal numbers, the smallest and the largest, infinities, NaN of every kind, ties;
/// their upper halves are rare as bf16, too.
constexpr uint32_t kRare[] = {
    0x00000000, 0x80000000, 0x00000001, 0x80007fff, 0x00008000, 0x00018000, 0x807fffff, 0x00400000,
    0x80010000, 0x00800000, 0x81000000, 0x7f7fffff, 0xff7f8000, 0x7f800000, 0xff800000, 0x7f800001,
    0xff8fffff, 0x7fc00000, 0x7fffffff, 0xffffffff, 0x3f808000, 0xbf818000, 0x3f808001, 0x00ff8000};

TEST_P(EngineBfloats, RareNumbersAreRightAmongOthers) {
  // Flat with coefficients in memory and in registers, rows, runs with and without a tail.
  struct Form {
    Dims shape, kept;
  };
  const Form forms[] = {{{1'003}, {}},       {{131, 13}, {1}},     {{67, 64}, {1}},
                        {{5, 1000}, {1}},    {{3, 40, 49}, {1}},   {{2, 5, 320}, {1}},
                        {{2, 3, 127}, {1}},  {{100'000, 13}, {1}}, {{9, 33}, {0, 1}},
                        {{20'000, 64}, {1}}, {{40, 512, 49}, {1}}};
  // The product is exact, and seldom a bf16.
  constexpr float kScale = 0.75f;
  uint64_t seed = 0;
  for (const Form &form : forms)
    for (const DType from : {DType::F32, DType::BF16})
      for (const double chance : {0.0, 0.002, 0.1, 1.0}) {
        Random random(++seed);
        Expected<Array> x = Array::create(from, form.shape);
        Expected<Array> y = Array::create(DType::BF16, form.shape);
        ASSERT_TRUE(x && y);
        const int64_t size = x->view().size();
        std::vector<uint16_t> expected(size_t(size), 0);
        for (int64_t i = 0; i < size; ++i) {
          uint32_t bits = random.chance(chance) ? random.pick(kRare)
                                                : std::bit_cast<uint32_t>(float(random.normal()));
          if (from == DType::BF16) {
            bits &= 0xffff0000;
            x->as<uint16_t>()[i] = uint16_t(bits >> 16);
          } else {
            x->as<uint32_t>()[i] = bits;
          }
          expected[size_t(i)] =
              bfloatOf(std::bit_cast<uint32_t>(std::bit_cast<float>(bits) * kScale));
        }
        Coefficients coefficients{{}, {}, {}, {}};
        int64_t features = 1;
        for (int64_t axis : form.kept) {
          coefficients.shape.push_back(form.shape[int(axis)]);
          features *= form.shape[int(axis)];
        }
        coefficients.scale.assign(size_t(features), kScale);
        // In place where that can be.
        const Array &to = from == DType::BF16 ? *x : *y;
        ASSERT_TRUE(engine->affine(*x, form.kept, coefficients, DType::F32, to));
        for (int64_t i = 0; i < size; ++i)
          ASSERT_EQ(to.as<uint16_t>()[i], expected[size_t(i)])
              << i << " of " << toString(form.shape) << " from " << toString(from) << ", one of "
              << 1 / chance << " is rare";
      }
}

} // namespace
