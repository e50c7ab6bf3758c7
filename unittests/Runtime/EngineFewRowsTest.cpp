//===- EngineFewRowsTest.cpp - Reductions in slices of columns ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Few rows of many kept indices are reduced in slices of these, the last of which may be narrower:
// with other kernels than the whole, by any number of threads, and done again where they must be.
//
//===----------------------------------------------------------------------===//

#include "EngineWithCaches.h"

#include "norma/Runtime/Layers/Normalization.h"

#include <gmock/gmock.h>

using namespace norma;
using namespace norma::test;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

namespace {

struct Case {
  Dims shape;
  DType dtype;
};

class EngineFewRows : public EngineTest, public ::testing::WithParamInterface<const char *> {
protected:
  static Array dataOf(DType dtype, const Dims &shape, uint64_t seed) {
    Random random(seed);
    return arrayOf(dtype, shape, [&](int64_t) { return double(random.below(200)); });
  }
  static std::shared_ptr<Engine> engineFor(int threads) {
    return engineWithCaches({.threads = threads, .targetCpu = GetParam()}, kNearLastLevel);
  }
  static std::string nameOf(const Case &c) { return toString(c.shape) + toString(c.dtype); }

  static const std::vector<Case> &cases() {
    static const std::vector<Case> all = {
        {{96, 2048}, DType::F32}, {{63, 4097}, DType::F32},  {{100, 3001}, DType::F64},
        {{97, 2100}, DType::U8},  {{130, 2063}, DType::F16}, {{5, 3, 7, 2050}, DType::BF16}};
    return all;
  }
};

TEST_P(EngineFewRows, Moments) {
  const auto one = engineFor(1), two = engineFor(2), five = engineFor(5);
  for (const Case &c : cases()) {
    SCOPED_TRACE(nameOf(c));
    const Dims kept{c.shape.size() - 1};
    const Array x = dataOf(c.dtype, c.shape, 3);
    const Array mask = arrayOf(DType::Bool, c.shape, [](int64_t i) { return i % 3 != 1; });
    Dims weightsShape = c.shape;
    weightsShape[c.shape.size() - 1] = 1;
    const Array weights =
        arrayOf(DType::F32, weightsShape, [](int64_t i) { return 0.25 * double(1 + i % 9); });
    for (const bool hasOperands : {false, true}) {
      MomentsOptions options;
      if (hasOperands) {
        options.mask = mask.view();
        options.weights = weights.view();
      }
      const Expected<Statistics> a = one->moments(x, kept, options),
                                 b = two->moments(x, kept, options),
                                 d = five->moments(x, kept, options);
      ASSERT_TRUE(a && b && d);
      EXPECT_EQ(differenceOfMoments(x, kept, options, *a), "");
      EXPECT_TRUE(haveSameBits(*a, *b) && haveSameBits(*a, *d));
    }
  }
}

TEST_P(EngineFewRows, GradientSums) {
  const auto one = engineFor(1), two = engineFor(2), five = engineFor(5);
  for (const Case &c : cases()) {
    if (!isFloat(c.dtype))
      continue;
    SCOPED_TRACE(nameOf(c));
    const Dims kept{c.shape.size() - 1};
    const Array x = dataOf(c.dtype, c.shape, 4), dy = dataOf(c.dtype, c.shape, 5);
    std::vector<double> center(size_t(c.shape[c.shape.size() - 1]));
    for (size_t i = 0; i < center.size(); ++i)
      center[i] = double(i % 97);
    const Expected<GradientSums> a = one->gradientSums(x, dy, kept, center),
                                 b = two->gradientSums(x, dy, kept, center),
                                 d = five->gradientSums(x, dy, kept, center);
    ASSERT_TRUE(a && b && d);
    EXPECT_EQ(differenceOfGradientSums(x, dy, kept, center, {}, *a), "");
    EXPECT_TRUE(haveSameBits(*a, *b) && haveSameBits(*a, *d));
  }
}

TEST_P(EngineFewRows, RowsApartAndElementsApart) {
  const auto engine = engineFor(2);
  // Of 4200 elements each, and every other one of 8400.
  const Array memory = dataOf(DType::F32, {64, 8400}, 6);
  Tensor apart(memory.view().data, DType::F32, {64, 4099}, {8400, 1});
  Tensor everyOther(memory.view().data, DType::F32, {64, 4099}, {8400, 2});
  for (const Tensor &x : {apart, everyOther}) {
    const Expected<Statistics> statistics = engine->moments(x, Dims{1});
    ASSERT_TRUE(statistics);
    EXPECT_EQ(differenceOfMoments(x, Dims{1}, {}, *statistics), "");
  }
}

INSTANTIATE_TEST_SUITE_P(Cpus, EngineFewRows, ::testing::Values("", "x86-64-v3", "x86-64-v2"),
                         nameOfCpu);

/// The extents of the kernels of an engine, as their keys say them.
std::vector<std::string> formsOf(const Engine &engine) {
  std::vector<std::string> forms;
  for (const KernelInfo &kernel : engine.kernels())
    forms.push_back(kernel.key.substr(0, kernel.key.find(']') + 1));
  return forms;
}

TEST(EngineFewRowsKernels, AreOfOneWidthAndTheLast) {
  const auto engine = engineWithCaches({.threads = 2}, kNearLastLevel);
  const auto adapt = [&](int64_t rows, int64_t features) {
    const Array x =
        arrayOf(DType::F32, {rows, features}, [](int64_t i) { return double(i % 100); });
    EXPECT_TRUE(engine->moments(x, Dims{1}));
  };
  adapt(300, 4096);
  EXPECT_THAT(formsOf(*engine), ElementsAre("moments;RK[?x1024]"));
  // Rows are no part of it.
  adapt(200, 4096);
  adapt(96, 2048);
  EXPECT_THAT(formsOf(*engine), ElementsAre("moments;RK[?x1024]"));
  adapt(300, 4097);
  EXPECT_THAT(formsOf(*engine), UnorderedElementsAre("moments;RK[?x1024]", "moments;RK[?x1088]",
                                                     "moments;RK[?x833]"));
  adapt(600, 4097);
  EXPECT_EQ(engine->kernels().size(), 4u);
  // Each has its share of a call.
  for (const KernelInfo &kernel : engine->kernels()) {
    if (kernel.key.starts_with("moments;RK[?x1088]")) {
      EXPECT_EQ(kernel.bytes, uint64_t(300 * 3 * 1088 * 4));
    }
    if (kernel.key.starts_with("moments;RK[?x833]")) {
      EXPECT_EQ(kernel.calls, 1u);
      EXPECT_EQ(kernel.bytes, uint64_t(300 * 833 * 4));
      EXPECT_GT(kernel.runSeconds, 0);
    }
  }
}

TEST(EngineFewRowsKernels, AreDoneAgainByOneOfAFewColumns) {
  // An outlier at the beginning of the first slice, and of the last one.
  const Array x = [] {
    Random random(31);
    return arrayOf(DType::F32, {300, 4097},
                   [&](int64_t i) { return i == 3 || i == 4090 ? 1e6 : 10 + random.normal(); });
  }();
  const auto one = engineWithCaches({.threads = 1}, kNearLastLevel),
             two = engineWithCaches({.threads = 2}, kNearLastLevel);
  const Expected<Statistics> a = one->moments(x, Dims{1}), b = two->moments(x, Dims{1});
  ASSERT_TRUE(a && b);
  EXPECT_EQ(differenceOfMoments(x, Dims{1}, {}, *a), "");
  EXPECT_TRUE(haveSameBits(*a, *b));
  std::vector<std::string> exact;
  for (const KernelInfo &kernel : one->kernels())
    if (kernel.key.find(";exact") != std::string::npos)
      exact.push_back(kernel.key.substr(0, kernel.key.find(']') + 1));
  EXPECT_THAT(exact, ElementsAre("moments;RK[?x64]"));
}

TEST(EngineFewRowsKernels, CanBeWatchedAndStopped) {
  const Array x = arrayOf(DType::F32, {300, 4097}, [](int64_t i) { return double(i % 100); });
  const auto engine = engineWithCaches({.threads = 2}, kNearLastLevel);
  std::vector<int64_t> seen;
  CallWatch watch;
  watch.interval = {};
  watch.progress = [&](int64_t elements) {
    seen.push_back(elements);
    return true;
  };
  const Expected<Statistics> plain = engine->moments(x, Dims{1}),
                             watched = engine->moments(x, Dims{1}, {}, watch);
  ASSERT_TRUE(plain && watched);
  EXPECT_TRUE(haveSameBits(*plain, *watched));
  ASSERT_FALSE(seen.empty());
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(seen.back(), x.view().size());
  watch.progress = [](int64_t) { return false; };
  EXPECT_FALSE(engine->moments(x, Dims{1}, {}, watch));
}

TEST(EngineFewRowsKernels, LearnTheSameAgainElsewhere) {
  // A layer keeps its call; the second tensor lies elsewhere and has other values.
  const auto engine = engineWithCaches({.threads = 2}, kNearLastLevel);
  Expected<Normalization> layer = Normalization::create(engine, {});
  ASSERT_TRUE(layer);
  for (const uint64_t seed : {1, 2, 3}) {
    Random random(seed);
    const Array x =
        arrayOf(DType::F32, {200, 4097}, [&](int64_t) { return double(random.below(1000)); });
    ASSERT_TRUE(layer->adapt(x));
    const Expected<Statistics> expected = engine->moments(x, Dims{1});
    ASSERT_TRUE(expected);
    EXPECT_TRUE(haveSameBits(layer->statistics().mean, expected->mean) &&
                haveSameBits(layer->statistics().m2, expected->m2));
  }
}

} // namespace
