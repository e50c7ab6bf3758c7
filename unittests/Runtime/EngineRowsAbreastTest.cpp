//===- EngineRowsAbreastTest.cpp - Sums of rows side by side --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reductions on a machine that reads in order: rows and lines of as many parts of the data go side
// by side, whatever is left over.
//
//===----------------------------------------------------------------------===//

#include "EngineWithCaches.h"

#include <gmock/gmock.h>

using namespace norma;
using namespace norma::test;
using ::testing::HasSubstr;

namespace {

/// As many rows as the streams, fewer, more, and whole groups of them; and more than small caches
/// hold.
std::vector<int64_t> rowsOf(int64_t features) {
  return {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 31, 33, 150, 293, 1031, 200'000 / features};
}

/// The same with so little of each cache that most data is far.
constexpr MemorySystem kSmallCaches{.caches = {16 << 10, 64 << 10, 128 << 10},
                                    .readStreams = 1,
                                    .keptInLastLevel = 64 << 10,
                                    .leastPartBytes = 192 << 10};

struct Case {
  int64_t features;
  DType dtype;
  /// In the caches, where what is one step on some processor is not said.
  const char *near;
  const char *far;
};

constexpr const char *kNone = "group = 32", *kFour = "group = 4, ", *kEight = "group = 8, ";

/// Lines of several rows, of one step and of more; rows that are whole vectors or overlap.
constexpr Case kCases[] = {
    {3, DType::F32, "", kEight},       {13, DType::F32, kFour, kEight},
    {30, DType::F16, kNone, kFour},    {64, DType::F32, "", kEight},
    {64, DType::F64, kFour, kEight},   {100, DType::F32, kFour, kEight},
    {128, DType::BF16, kNone, kFour},  {500, DType::F32, kFour, kEight},
    {1000, DType::F64, kFour, kEight},
};

class EngineRowsAbreast : public EngineTest, public ::testing::WithParamInterface<const char *> {
protected:
  static std::shared_ptr<Engine> engineInOrder(const MemorySystem &memory = kNearLastLevel,
                                               int threads = 2) {
    return engineWithCaches({.threads = threads, .targetCpu = GetParam()}, memory);
  }
  static Array dataOf(DType dtype, const Dims &shape, uint64_t seed) {
    Random random(seed);
    return arrayOf(dtype, shape, [&](int64_t i) { return double(i % 7) + 0.25 * random.normal(); });
  }
  /// Of the kernels for data in the caches and for others. One row is none beside others.
  static void expectGroups(const Engine &engine, const MemorySystem &memory, const char *near,
                           const char *far) {
    bool someFar = false;
    for (const KernelInfo &kernel : engine.kernels())
      if (kernel.axisForm == "RK") {
        const bool isFar = kernel.key.find(";streaming") != std::string::npos;
        EXPECT_THAT(kernel.schedule, HasSubstr(isFar ? far : near)) << kernel.key;
        someFar |= isFar;
      }
    EXPECT_TRUE(someFar || memory.caches.lastLevel == kLastLevel);
  }
};

TEST_P(EngineRowsAbreast, Moments) {
  for (const Case &c : kCases)
    for (const MemorySystem &memory : {kNearLastLevel, kSmallCaches}) {
      const std::shared_ptr<Engine> engine = engineInOrder(memory),
                                    alone = engineInOrder(memory, 1);
      for (const int64_t rows : rowsOf(c.features)) {
        SCOPED_TRACE(std::to_string(rows) + " rows of " + std::to_string(c.features));
        const Array x = dataOf(c.dtype, {rows, c.features}, 3);
        const Expected<Statistics> statistics = engine->moments(x, Dims{1});
        ASSERT_TRUE(statistics) << statistics.error().message();
        EXPECT_EQ(differenceOfMoments(x, Dims{1}, {}, *statistics), "");
        EXPECT_TRUE(haveSameBits(*statistics, *alone->moments(x, Dims{1})));
      }
      expectGroups(*engine, memory, c.near, c.far);
    }
}

TEST_P(EngineRowsAbreast, ColumnsOfWiderRows) {
  const std::shared_ptr<Engine> engine = engineInOrder();
  for (const int64_t rows : rowsOf(200)) {
    SCOPED_TRACE(rows);
    const Array all = dataOf(DType::F32, {rows, 200}, 4);
    const Tensor x(all.as<float>() + 20, DType::F32, {rows, 150}, Dims{200, 1});
    const Expected<Statistics> statistics = engine->moments(x, Dims{1});
    ASSERT_TRUE(statistics) << statistics.error().message();
    EXPECT_EQ(differenceOfMoments(x, Dims{1}, {}, *statistics), "");
  }
  expectGroups(*engine, kNearLastLevel, kFour, kEight);
}

TEST_P(EngineRowsAbreast, MomentsWithMaskAndWeights) {
  const std::shared_ptr<Engine> engine = engineInOrder(kSmallCaches);
  for (const int64_t rows : rowsOf(150)) {
    SCOPED_TRACE(rows);
    const Array x = dataOf(DType::F32, {rows, 150}, 5);
    const Array mask = arrayOf(DType::Bool, {rows, 150}, [](int64_t i) { return i % 3 != 1; });
    const Array weights =
        arrayOf(DType::F32, {rows, 1}, [](int64_t i) { return 0.5 * double(i % 4); });
    for (const MomentsOptions &options :
         {MomentsOptions{.nan = NanPolicy::Omit}, MomentsOptions{.mask = mask.view()},
          MomentsOptions{.weights = weights.view()}}) {
      const Expected<Statistics> statistics = engine->moments(x, Dims{1}, options);
      ASSERT_TRUE(statistics) << statistics.error().message();
      EXPECT_EQ(differenceOfMoments(x, Dims{1}, options, *statistics), "");
    }
  }
  // What is made of eight rows would fill the registers.
  expectGroups(*engine, kSmallCaches, kFour, kFour);
}

TEST_P(EngineRowsAbreast, GradientSums) {
  for (const Case &c : kCases)
    for (const MemorySystem &memory : {kNearLastLevel, kSmallCaches}) {
      const std::shared_ptr<Engine> engine = engineInOrder(memory);
      const std::vector<double> center(size_t(c.features), 3.5);
      for (const int64_t rows : rowsOf(c.features)) {
        SCOPED_TRACE(std::to_string(rows) + " rows of " + std::to_string(c.features));
        const Array x = dataOf(c.dtype, {rows, c.features}, 6),
                    dy = dataOf(c.dtype, {rows, c.features}, 7);
        const Expected<GradientSums> sums = engine->gradientSums(x, dy, Dims{1}, center);
        ASSERT_TRUE(sums) << sums.error().message();
        EXPECT_EQ(differenceOfGradientSums(x, dy, Dims{1}, center, {}, *sums), "");
      }
      // Two tensors are twice as many.
      expectGroups(*engine, memory, c.near, kFour);
    }
}

TEST_P(EngineRowsAbreast, ShortRunsOfSeveralSamples) {
  // Eight of narrow elements; four of others. Shorter vectors go abreast: a group has 32 additions.
  for (const auto &[dtype, streams] :
       {std::pair(DType::F32, "streams = 4"), std::pair(DType::F64, "streams = 4"),
        std::pair(DType::F16, "streams = 8"), std::pair(DType::BF16, "streams = 8"),
        std::pair(DType::U8, "streams = 8")}) {
    const std::shared_ptr<Engine> engine = engineInOrder(kSmallCaches);
    for (const int64_t samples : {1, 3, 4, 5, 8, 11, 12, 13, 14, 23, 64, 129}) {
      SCOPED_TRACE(std::string(toString(dtype)) + ", samples: " + std::to_string(samples));
      const Array x = dataOf(dtype, {samples, 64, 7, 7}, 8);
      const Expected<Statistics> statistics = engine->moments(x, Dims{1});
      ASSERT_TRUE(statistics) << statistics.error().message();
      EXPECT_EQ(differenceOfMoments(x, Dims{1}, {}, *statistics), "");
    }
    bool someAhead = false;
    for (const KernelInfo &kernel : engine->kernels())
      if (kernel.key.find(";ahead") != std::string::npos) {
        someAhead = true;
        EXPECT_NE(kernel.schedule.find(streams), std::string::npos) << kernel.schedule;
        const bool oneByOne = kernel.schedule.find("unroll = 1,") != std::string::npos;
        const char *line = dtype == DType::F64 ? "vector = 8," : "vector = 16,";
        const bool areLines = kernel.schedule.find(line) != std::string::npos;
        EXPECT_EQ(oneByOne, areLines && sizeOf(dtype) >= 4) << kernel.schedule;
      }
    EXPECT_TRUE(someAhead);
  }
}

TEST_P(EngineRowsAbreast, AddFewNumbersInSinglePrecision) {
  // The same squares again and again round to the same side again and again, until they are added
  // in f64. Of every other sampled row the number is another, so that the pivot is the mean.
  const std::shared_ptr<Engine> engine = engineInOrder();
  for (const double deviation : {0.1, 0.3, 0.7, 1.1}) {
    SCOPED_TRACE(deviation);
    const Array x = arrayOf(DType::F32, {300'008, 3}, [&](int64_t i) {
      return 10 + (i / 3 % 2 == 0 ? deviation : -deviation);
    });
    const Expected<Statistics> statistics = engine->moments(x, Dims{1});
    ASSERT_TRUE(statistics) << statistics.error().message();
    EXPECT_EQ(differenceOfMoments(x, Dims{1}, {}, *statistics), "");
  }
}

INSTANTIATE_TEST_SUITE_P(Cpus, EngineRowsAbreast, ::testing::Values("", "x86-64-v3", "x86-64-v2"),
                         nameOfCpu);

} // namespace
