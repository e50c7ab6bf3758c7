//===- EngineGradientTest.cpp - Gradient kernels, threads, counters -------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineTest.h"

#include "norma/Support/AxisForm.h"

#include <cmath>
#include <gmock/gmock.h>
#include <limits>

using namespace norma;
using namespace norma::test;
using ::testing::HasSubstr;
using ::testing::StartsWith;

namespace {

class EngineGradient : public EngineTest {
protected:
  /// Coefficients that differ from one kept index to the next.
  static GradientCoefficients coefficientsFor(const Dims &shape, const Dims &kept) {
    GradientCoefficients result{keptShape(shape, kept), {}, {}, {}, {}};
    for (int64_t i = 0; i < *numElements(result.shape); ++i) {
      result.center.push_back(5 + double(i % 3));
      result.slope.push_back(0.01 * double(1 + i % 5));
      result.offset.push_back(-0.1 * double(i % 7));
      result.scale.push_back(0.5 + double(i % 2));
    }
    return result;
  }
};

TEST_F(EngineGradient, Nothing) {
  const Tensor nothing(nullptr, DType::F32, {0, 3});
  const std::vector<double> center(3, 1);
  Expected<GradientSums> sums = shared()->gradientSums(nothing, nothing, Dims{1}, center);
  ASSERT_TRUE(sums) << sums.error().message();
  EXPECT_EQ(sums->shape, Dims{3});
  EXPECT_EQ(sums->sum, std::vector<double>(3, 0));
  EXPECT_EQ(sums->dot, std::vector<double>(3, 0));
  EXPECT_TRUE(shared()->gradientMap(nothing, nothing, Dims{1}, coefficientsFor({0, 3}, {1}),
                                    DType::F32, nothing));
}

TEST_F(EngineGradient, OneElement) {
  const Array x = arrayOf(DType::I8, {1, 1}, [](int64_t) { return 7; });
  const Array dy = arrayOf(DType::F16, {1, 1}, [](int64_t) { return 2; });
  const Array dx = arrayOf(DType::F64, {1, 1}, [](int64_t) { return -1; });
  for (const Dims &kept : {Dims{}, Dims{0}, Dims{0, 1}}) {
    Expected<GradientSums> sums = shared()->gradientSums(x, dy, kept, std::vector<double>{4});
    ASSERT_TRUE(sums) << sums.error().message();
    EXPECT_EQ(sums->sum, std::vector<double>{2});
    EXPECT_EQ(sums->dot, std::vector<double>{6});
    const GradientCoefficients c{keptShape(x.view().shape, kept), {4}, {2}, {1}, {0.5}};
    ASSERT_TRUE(shared()->gradientMap(x, dy, kept, c, DType::F32, dx));
    EXPECT_EQ(valuesOf(dx), std::vector<double>{8});
  }
}

/// Each step rounds what is larger than any term.
TEST_F(EngineGradient, TermsThatAddUp) {
  const Dims shape{50'000, 4};
  const Array weights = arrayOf(DType::U8, shape, [](int64_t i) { return double(1 + i % 3); });
  for (const DType dtype : {DType::F32, DType::F64}) {
    Random random(99);
    auto someOf = [&] {
      return arrayOf(dtype, shape, [&](int64_t) { return std::fabs(random.normal()); });
    };
    const Array x = someOf(), dy = someOf(), dx = *Array::create(dtype, shape);
    const GradientCoefficients c{
        {4}, {-0.86, -0.3, -0.1, -1}, {29.3, 1.7, 3.9, 1.1}, {41.3, 1.9, 3.1, 1.3}, {0.1, 2, 3, 1}};
    for (const bool isWeighted : {false, true}) {
      MomentsOptions options;
      if (isWeighted)
        options.weights = weights.view();
      ASSERT_TRUE(shared()->gradientMap(x, dy, Dims{1}, c, dtype, dx, options));
      EXPECT_EQ(differenceOfGradientMap(x, dy, Dims{1}, c, dtype, options, dx), "");
    }
  }
}

/// By a mask, a weight of 0, or both, where the other need not be 0.
TEST_F(EngineGradient, WhatIsLeftOutNeedBeNoNumber) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Dims shape{300, 5};
  const auto isIn = [](int64_t i) { return i % 3 != 0; };
  const Array mask = arrayOf(DType::U8, shape, [&](int64_t i) { return isIn(i); });
  const Array weights = arrayOf(DType::F32, shape, [&](int64_t i) { return isIn(i) ? 0.5 : 3; });
  const Array zeros = arrayOf(DType::F32, shape, [&](int64_t i) { return isIn(i) ? 0.5 : 0; });
  const Array x = arrayOf(DType::F32, shape, [&](int64_t i) { return isIn(i) ? double(i) : nan; });
  const Array dy = arrayOf(DType::F32, shape, [](int64_t i) { return double(i % 7); });
  const Array dx = *Array::create(DType::F32, shape);
  const GradientCoefficients c = coefficientsFor(shape, Dims{1});
  for (const MomentsOptions &options :
       {MomentsOptions{.mask = mask.view()}, MomentsOptions{.weights = zeros.view()},
        MomentsOptions{.mask = mask.view(), .weights = weights.view()}}) {
    ASSERT_TRUE(shared()->gradientMap(x, dy, Dims{1}, c, DType::F32, dx, options));
    for (int64_t i = 0; i < x.view().size(); i += 3)
      EXPECT_EQ(dx.as<float>()[i], float(i % 7) * float(c.scale[size_t(i % 5)])) << i;
  }
}

TEST_F(EngineGradient, SameBitsForEveryNumberOfThreads) {
  struct Case {
    DType data, gradient;
    Dims shape, kept;
  };
  const std::shared_ptr<Engine> engines[] = {engineWith({.threads = 1}), engineWith({.threads = 2}),
                                             engineWith({.threads = 7})};
  for (const Case &each : {Case{DType::F32, DType::F32, {100'000, 13}, {1}},
                           Case{DType::F32, DType::BF16, {200, 16, 500}, {1}},
                           Case{DType::F64, DType::F32, {7, 150'000}, {0}},
                           Case{DType::U8, DType::F16, {1'000'000}, {}},
                           Case{DType::F32, DType::F32, {1'567, 64}, {1}}}) {
    Random random(31);
    const Array x = arrayOf(each.data, each.shape, [&](int64_t) { return 5 + random.normal(); });
    const Array dy = arrayOf(each.gradient, each.shape, [&](int64_t) { return random.normal(); });
    const Array mask =
        arrayOf(DType::U8, {each.shape[0]}, [&](int64_t) { return random.below(4); });
    const GradientCoefficients c = coefficientsFor(each.shape, each.kept);
    for (const MomentsOptions &options : {MomentsOptions(), MomentsOptions{.mask = mask.view()}}) {
      std::optional<GradientSums> first;
      std::optional<Array> firstDx;
      for (const std::shared_ptr<Engine> &engine : engines) {
        Expected<GradientSums> sums = engine->gradientSums(x, dy, each.kept, c.center, options);
        Expected<Array> dx = Array::create(DType::F32, each.shape);
        ASSERT_TRUE(sums && dx);
        ASSERT_TRUE(engine->gradientMap(x, dy, each.kept, c, DType::F32, *dx, options));
        if (!first) {
          EXPECT_EQ(differenceOfGradientSums(x, dy, each.kept, c.center, options, *sums), "");
          EXPECT_EQ(differenceOfGradientMap(x, dy, each.kept, c, DType::F32, options, *dx), "");
          first = std::move(*sums);
          firstDx = std::move(*dx);
          continue;
        }
        EXPECT_TRUE(haveSameBits(*sums, *first)) << toString(each.shape);
        EXPECT_EQ(std::memcmp(dx->as<char>(), firstDx->as<char>(), dx->sizeInBytes()), 0);
      }
    }
  }
}

TEST_F(EngineGradient, KernelsKeepTheContractOnEveryProcessor) {
  for (const char *cpu : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"}) {
    Expected<std::shared_ptr<Engine>> engine = Engine::create({.threads = 1, .targetCpu = cpu});
    if (!engine) {
      // The machine is older, or of another architecture: the message says so.
      EXPECT_THAT(engine.error().message(), StartsWith("target-cpu: "));
      continue;
    }
    Random random(32);
    const Dims shape{300, 13};
    const Array mask = arrayOf(DType::Bool, {300}, [](int64_t i) { return i % 3; });
    for (DType dtype : {DType::F32, DType::F64, DType::F16, DType::BF16, DType::I8}) {
      const Array x = arrayOf(dtype, shape, [&](int64_t) { return 5 + 3 * random.normal(); });
      const Array dy = arrayOf(isFloat(dtype) ? dtype : DType::F32, shape,
                               [&](int64_t) { return random.normal(); });
      const Array dx = *Array::create(dy.view().dtype, shape);
      for (const auto &[kept, options] :
           {std::pair(Dims{1}, MomentsOptions()), std::pair(Dims{0}, MomentsOptions()),
            std::pair(Dims{1}, MomentsOptions{.mask = mask.view()})}) {
        const GradientCoefficients c = coefficientsFor(shape, kept);
        Expected<GradientSums> sums = (*engine)->gradientSums(x, dy, kept, c.center, options);
        ASSERT_TRUE(sums) << sums.error().message();
        EXPECT_EQ(differenceOfGradientSums(x, dy, kept, c.center, options, *sums), "") << cpu;
        Expected<void> done = (*engine)->gradientMap(x, dy, kept, c, DType::F32, dx, options);
        ASSERT_TRUE(done) << done.error().message();
        EXPECT_EQ(differenceOfGradientMap(x, dy, kept, c, DType::F32, options, dx), "") << cpu;
      }
    }
  }
}

TEST_F(EngineGradient, LargeResultsGoPastTheCaches) {
  const std::shared_ptr<Engine> engine = engineWith({.threads = 2});
  const Dims shape{140'000, 64};
  const Array x = arrayOf(DType::F32, shape, [](int64_t i) { return double(i % 101); });
  const Array dy = arrayOf(DType::F32, shape, [](int64_t i) { return double(i % 7) - 3; });
  const Array dx = *Array::create(DType::F32, shape);
  const GradientCoefficients c = coefficientsFor(shape, {1});
  ASSERT_TRUE(engine->gradientMap(x, dy, Dims{1}, c, DType::F32, dx));
  EXPECT_EQ(differenceOfGradientMap(x, dy, {1}, c, DType::F32, {}, dx), "");
  // In place there is nothing to gain.
  ASSERT_TRUE(engine->gradientMap(x, dy, Dims{1}, c, DType::F32, dy));
  EXPECT_EQ(std::memcmp(dx.as<char>(), dy.as<char>(), dx.sizeInBytes()), 0);
  ASSERT_EQ(engine->kernels().size(), 2u);
  EXPECT_THAT(engine->kernels()[0].key, HasSubstr(";streaming;"));
  EXPECT_THAT(engine->kernels()[1].key, Not(HasSubstr("streaming")));
}

TEST_F(EngineGradient, KernelsSayWhatTheyAre) {
  const std::shared_ptr<Engine> engine = engineWith({.threads = 1});
  for (int64_t rows : {3, 50}) {
    const Array x = arrayOf(DType::I16, {rows, 2, 13}, [](int64_t i) { return double(i % 9); });
    const Array dy = arrayOf(DType::F16, {rows, 2, 13}, [](int64_t) { return 1; });
    const Array weights = arrayOf(DType::F32, {rows}, [](int64_t) { return 2; });
    const GradientCoefficients c = coefficientsFor(x.view().shape, {2});
    ASSERT_TRUE(engine->gradientSums(x, dy, Dims{2}, c.center));
    ASSERT_TRUE(
        engine->gradientMap(x, dy, Dims{2}, c, DType::F64, dy, {.weights = weights.view()}));
  }
  const std::vector<KernelInfo> kernels = engine->kernels();
  ASSERT_EQ(kernels.size(), 2u);
  EXPECT_EQ(kernels[0].family, "grad_sums");
  EXPECT_EQ(kernels[0].axisForm, "RK");
  EXPECT_THAT(kernels[0].key, StartsWith("grad_sums;RK[?x13];i16;contiguous;dy=f16;cpu="));
  EXPECT_EQ(kernels[0].calls, 2u);
  EXPECT_EQ(kernels[0].bytes, uint64_t(53) * 26 * 4);
  EXPECT_EQ(kernels[1].family, "grad_map");
  EXPECT_THAT(kernels[1].key, StartsWith("grad_map;RRK[?x2x13];i16;unit-inner;dy=f16;to=f16;"
                                         "compute=f64;weights=f64/6;cpu="));
  EXPECT_EQ(kernels[1].calls, 2u);
  EXPECT_EQ(kernels[1].bytes, uint64_t(53) * 26 * 6);
  for (const KernelInfo &kernel : kernels) {
    EXPECT_THAT(kernel.schedule, StartsWith("#norma.schedule<"));
    EXPECT_GT(kernel.runSeconds, 0);
  }
}

} // namespace
