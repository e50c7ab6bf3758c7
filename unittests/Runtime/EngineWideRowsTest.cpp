//===- EngineWideRowsTest.cpp - Rows with many coefficients ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Maps of rows whose coefficients leave little room in the first level: several rows share what
// they read of them, as lines or side by side, whatever is left over.
//
//===----------------------------------------------------------------------===//

#include "EngineTest.h"

#include <gmock/gmock.h>

using namespace norma;
using namespace norma::test;
using ::testing::AnyOf;
using ::testing::HasSubstr;

namespace {

struct Case {
  int64_t features;
  DType data, out, compute;
};

class EngineWideRows : public EngineTest, public ::testing::WithParamInterface<const char *> {
protected:
  static Array dataOf(DType dtype, const Dims &shape, uint64_t seed) {
    Random random(seed);
    return arrayOf(dtype, shape, [&](int64_t) { return double(random.below(200)); });
  }

  static constexpr Case kCases[] = {
      {4096, DType::F32, DType::F32, DType::F32},   {4097, DType::F32, DType::F32, DType::F32},
      {10'000, DType::F32, DType::F32, DType::F32}, {4100, DType::U8, DType::F32, DType::F32},
      {8192, DType::BF16, DType::BF16, DType::F32}, {5003, DType::F16, DType::F16, DType::F32},
      {2560, DType::F64, DType::F64, DType::F64}};
};

TEST_P(EngineWideRows, Affine) {
  for (const Case &c : kCases)
    for (const int threads : {1, 2}) {
      const std::shared_ptr<Engine> engine =
          engineWith({.threads = threads, .targetCpu = GetParam()});
      for (const int64_t rows : {1, 2, 3, 4, 5, 7, 8, 13, 22}) {
        SCOPED_TRACE(std::to_string(rows) + " rows of " + std::to_string(c.features));
        const Array x = dataOf(c.data, {rows, c.features}, 3);
        const Array y = *Array::create(c.out, {rows, c.features});
        Coefficients coefficients{{c.features}, {}, {}, {}};
        for (int64_t i = 0; i < c.features; ++i) {
          coefficients.center.push_back(double(i % 97));
          coefficients.scale.push_back(0.25 + double(i % 13));
        }
        ASSERT_TRUE(engine->affine(x, Dims{1}, coefficients, c.compute, y));
        EXPECT_EQ(differenceOfAffine(x, Dims{1}, coefficients, c.compute, y), "");
        if (c.data != c.out)
          continue;
        const Array inPlace = *Array::copyOf(x);
        ASSERT_TRUE(engine->affine(inPlace, Dims{1}, coefficients, c.compute, inPlace));
        EXPECT_EQ(std::memcmp(inPlace.view().data, y.view().data, y.sizeInBytes()), 0);
      }
      // One row is none beside others.
      for (const KernelInfo &kernel : engine->kernels())
        if (kernel.axisForm == "RK") {
          EXPECT_THAT(kernel.schedule, AnyOf(HasSubstr("group = 4"), HasSubstr("streams = ")));
        }
    }
}

TEST_P(EngineWideRows, GradientMap) {
  for (const Case &c : kCases) {
    if (!isFloat(c.data))
      continue;
    const std::shared_ptr<Engine> engine = engineWith({.threads = 2, .targetCpu = GetParam()});
    for (const int64_t rows : {1, 3, 4, 6, 17}) {
      SCOPED_TRACE(std::to_string(rows) + " rows of " + std::to_string(c.features));
      const Dims shape{rows, c.features};
      const Array x = dataOf(c.data, shape, 4), dy = dataOf(c.data, shape, 5);
      const Array mask = arrayOf(DType::Bool, {rows, 1}, [](int64_t i) { return i % 3 != 1; });
      GradientCoefficients coefficients{{c.features}, {}, {}, {}, {}};
      for (int64_t i = 0; i < c.features; ++i) {
        coefficients.center.push_back(double(i % 97));
        coefficients.slope.push_back(0.01 * double(1 + i % 5));
        coefficients.offset.push_back(-0.1 * double(i % 7));
        coefficients.scale.push_back(0.5 + double(i % 2));
      }
      for (const bool isMasked : {false, true}) {
        MomentsOptions options;
        if (isMasked)
          options.mask = mask.view();
        const Array dx = *Array::create(c.out, shape);
        ASSERT_TRUE(engine->gradientMap(x, dy, Dims{1}, coefficients, c.compute, dx, options));
        EXPECT_EQ(differenceOfGradientMap(x, dy, Dims{1}, coefficients, c.compute, options, dx),
                  "");
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cpus, EngineWideRows, ::testing::Values("", "x86-64-v3", "x86-64-v2"),
                         nameOfCpu);

} // namespace
