//===- EngineMachinesTest.cpp - Kernels for the memory of a machine -----===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineWithCaches.h"

#include <algorithm>
#include <gmock/gmock.h>

using namespace norma;
using namespace norma::test;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

/// The same on two machines.
class EngineMachines : public EngineTest {
protected:
  struct Outcome {
    Statistics statistics;
    std::string momentsKey, momentsSchedule;
  };

  static Outcome run(const MemorySystem &memory, const Array &x, const Dims &kept) {
    const std::shared_ptr<Engine> engine = engineWithCaches({.threads = 2}, memory);
    Outcome outcome;
    Expected<Statistics> statistics = engine->moments(x, kept);
    EXPECT_TRUE(statistics) << statistics.error().message();
    outcome.statistics = std::move(*statistics);
    EXPECT_EQ(differenceOfMoments(x, kept, {}, outcome.statistics), "");
    for (int threads : {1, 7}) {
      Expected<Statistics> again = engineWithCaches({.threads = threads}, memory)->moments(x, kept);
      EXPECT_TRUE(again && haveSameBits(*again, outcome.statistics)) << threads;
    }
    const KernelInfo moments = engine->kernels().at(0);
    outcome.momentsKey = moments.key;
    outcome.momentsSchedule = moments.schedule;
    return outcome;
  }

  static Array dataOf(const Dims &shape, DType dtype = DType::F32) {
    Random random(7);
    return arrayOf(dtype, shape, [&](int64_t i) { return double(i % 41) + random.normal(); });
  }
};

/// Whether the kernel of a family, the only one, writes past the caches.
bool isStreaming(const Engine &engine, std::string_view family) {
  const std::vector<KernelInfo> kernels = engine.kernels();
  const auto found = std::find_if(kernels.begin(), kernels.end(), [&](const KernelInfo &kernel) {
    return kernel.key.starts_with(family);
  });
  EXPECT_NE(found, kernels.end()) << family;
  return found != kernels.end() && found->key.find(";streaming") != std::string::npos;
}

TEST_F(EngineMachines, ResultsStayInANearLastLevel) {
  // Data and result of 10, 17 and 34 MiB; for one thread half of that level is counted on.
  for (const auto &[rows, threads, stays] : {std::tuple(100'649, 1, true),
                                             {170'001, 1, false},
                                             {100'649, 2, true},
                                             {170'001, 2, true},
                                             {340'001, 2, false}}) {
    SCOPED_TRACE(std::to_string(rows) + " rows, threads: " + std::to_string(threads));
    const Array x = dataOf({rows, 13}), y = *Array::create(DType::F32, {rows, 13});
    const Dims kept{1};
    const auto make = [](int64_t begin, int64_t end, const Statistics &all) {
      return Coefficients{{end - begin}, all.mean, {}, {}};
    };
    for (const MemorySystem &memory : {kMesh, kNearLastLevel}) {
      const bool isNear = memory.keptInLastLevel > 0;
      const std::shared_ptr<Engine> alone = engineWithCaches({.threads = threads}, memory);
      const Coefficients coefficients{{13}, std::vector<double>(13, 0.5), {}, {}};
      ASSERT_TRUE(alone->affine(x, kept, coefficients, DType::F32, y));
      EXPECT_EQ(isStreaming(*alone, "affine"), !(isNear && stays));
      EXPECT_EQ(differenceOfAffine(x, kept, coefficients, DType::F32, y), "");
      const std::shared_ptr<Engine> behind = engineWithCaches({.threads = threads}, memory);
      ASSERT_TRUE(behind->momentsThenAffine(x, kept, {}, make, DType::F32, y));
      EXPECT_EQ(isStreaming(*behind, "affine"), !(isNear && stays));
    }
  }
}

TEST_F(EngineMachines, ResultsOfBlocksStayInANearLastLevel) {
  // Data and result of 14, 18 and 26 MiB, of which a last level of 32 MiB holds three quarters for
  // several threads, and half for one.
  for (const auto &[samples, threads, stays] : {std::tuple(4, 1, true),
                                                {5, 1, false},
                                                {4, 2, true},
                                                {5, 2, true},
                                                {7, 2, false},
                                                {7, 3, false}}) {
    SCOPED_TRACE(std::to_string(samples) + " samples, threads: " + std::to_string(threads));
    const Dims shape{samples, 128, 60, 61};
    const Array x = dataOf(shape);
    const auto make = [](int64_t begin, int64_t end, const Statistics &) {
      return Coefficients{{end - begin}, std::vector<double>(size_t(end - begin), 0.25), {}, {}};
    };
    const Array onMesh = *Array::create(DType::F32, shape),
                near = *Array::create(DType::F32, shape);
    for (const auto &[memory, y] : {std::pair(&kMesh, &onMesh), {&kNearLastLevel, &near}}) {
      const std::shared_ptr<Engine> engine = engineWithCaches({.threads = threads}, *memory);
      ASSERT_TRUE(engine->momentsThenAffine(x, Dims{1}, {}, make, DType::F32, *y));
      EXPECT_EQ(isStreaming(*engine, "affine"), !(memory == &kNearLastLevel && stays));
    }
    EXPECT_EQ(std::memcmp(onMesh.view().data, near.view().data, onMesh.sizeInBytes()), 0);
  }
}

TEST_F(EngineMachines, ResultsOfGradientsStayInANearLastLevel) {
  // x, dy and dx of 6, 15, 25 and 51 MiB by rows, which one thread writes past the caches; and in
  // blocks of channels, for which half of that level is counted on.
  for (const auto &[shape, threads, stays] : {std::tuple(Dims{40'001, 13}, 1, false),
                                              {Dims{40'001, 13}, 2, true},
                                              {Dims{100'649, 13}, 1, false},
                                              {Dims{100'649, 13}, 2, true},
                                              {Dims{170'001, 13}, 2, true},
                                              {Dims{340'001, 13}, 2, false},
                                              {Dims{3, 128, 56, 60}, 1, false},
                                              {Dims{3, 128, 56, 60}, 2, true},
                                              {Dims{5, 128, 56, 60}, 2, false}}) {
    SCOPED_TRACE(toString(shape) + ", threads: " + std::to_string(threads));
    const Array x = dataOf(shape), dy = dataOf(shape);
    const std::vector<double> center(size_t(shape[1]), 0.25);
    const auto make = [](int64_t begin, int64_t end, const GradientSums &) {
      const auto all = [&](double value) {
        return std::vector<double>(size_t(end - begin), value);
      };
      return GradientCoefficients{{end - begin}, all(0.25), all(0.5), all(-1), all(2)};
    };
    const Array onMesh = *Array::create(DType::F32, shape),
                near = *Array::create(DType::F32, shape);
    for (const auto &[memory, dx] : {std::pair(&kMesh, &onMesh), {&kNearLastLevel, &near}}) {
      const std::shared_ptr<Engine> engine = engineWithCaches({.threads = threads}, *memory);
      ASSERT_TRUE(engine->gradientSumsThenMap(x, dy, Dims{1}, center, {}, make, DType::F32, *dx));
      EXPECT_EQ(isStreaming(*engine, "grad_map"), !(memory == &kNearLastLevel && stays));
    }
    EXPECT_EQ(std::memcmp(onMesh.view().data, near.view().data, onMesh.sizeInBytes()), 0);
  }
}

TEST_F(EngineMachines, ShortRunsGoSideBySideWhereTheyAreNear) {
  // Data and result of 3 MiB in blocks, of which 60 threads have too few.
  struct Case {
    Dims shape;
    std::vector<int> threads, interleaved;
  };
  for (const auto &[shape, threads, interleaved] :
       {Case{{8, 256, 14, 14}, {60, 1, 2}, {1, 2}}, Case{{8, 64, 28, 28}, {60, 1, 2}, {}}}) {
    const Array x = dataOf(shape);
    const auto make = [](int64_t begin, int64_t end, const Statistics &all) {
      return Coefficients{
          {end - begin}, {all.mean.begin() + begin, all.mean.begin() + end}, {}, {}};
    };
    std::optional<Statistics> first;
    // Where results begin close behind the data, maps and sums go alone.
    const Behind y(x, DType::F32, 0), again(x, DType::F32, 0);
    for (const int some : threads) {
      SCOPED_TRACE(toString(shape) + ", threads: " + std::to_string(some));
      const std::shared_ptr<Engine> engine = engineWithCaches({.threads = some}, kNearLastLevel);
      Expected<Statistics> statistics =
          engine->momentsThenAffine(x, Dims{1}, {}, make, DType::F32, first ? again : y);
      ASSERT_TRUE(statistics);
      std::string keys;
      for (const KernelInfo &kernel : engine->kernels())
        keys += kernel.key + "\n";
      EXPECT_EQ(keys.find(";interleaved") != std::string::npos,
                std::ranges::count(interleaved, some) > 0)
          << keys;
      if (!first) {
        first = std::move(*statistics);
        EXPECT_EQ(differenceOfMoments(x, Dims{1}, {}, *first), "");
        EXPECT_EQ(differenceOfAffine(x, Dims{1}, make(0, shape[1], *first), DType::F32, y), "");
        continue;
      }
      EXPECT_TRUE(haveSameBits(*statistics, *first));
      EXPECT_EQ(std::memcmp(Tensor(again).data, Tensor(y).data, x.sizeInBytes()), 0);
    }
  }
}

TEST_F(EngineMachines, GradientsOfMemoryTakeTurns) {
  // x and dy of 24 and 37 MiB, where the last level has 32; runs that are long, and short ones.
  for (const auto &[shape, takesTurns] : {std::pair(Dims{8, 512, 28, 28}, false),
                                          {Dims{12, 512, 28, 28}, true},
                                          {Dims{48, 512, 14, 14}, true}}) {
    const Array x = dataOf(shape), dy = dataOf(shape);
    const Dims kept{1};
    const std::vector<double> center(size_t(shape[1]), 20);
    const auto make = [](int64_t begin, int64_t end, const GradientSums &sums) {
      const auto all = [&](double value) {
        return std::vector<double>(size_t(end - begin), value);
      };
      GradientCoefficients made{{end - begin}, all(20), all(0.5), all(-1), all(2)};
      std::copy(sums.dot.begin() + begin, sums.dot.begin() + end, made.offset.begin());
      return made;
    };
    const Behind dx(x, DType::F32, 0), again(x, DType::F32, 0);
    for (const auto &[memory, threads] :
         {std::pair(&kMesh, 2), {&kNearLastLevel, 1}, {&kNearLastLevel, 2}, {&kNearLastLevel, 7}}) {
      SCOPED_TRACE(toString(shape) + ", threads: " + std::to_string(threads));
      const bool isMesh = memory == &kMesh, isFirst = threads == 1;
      const Behind &result = isFirst ? dx : again;
      const std::shared_ptr<Engine> engine = engineWithCaches({.threads = threads}, *memory);
      Expected<GradientSums> sums =
          engine->gradientSumsThenMap(x, dy, kept, center, {}, make, DType::F32, result);
      ASSERT_TRUE(sums) << sums.error().message();
      std::string keys;
      for (const KernelInfo &kernel : engine->kernels())
        keys += kernel.key + "\n";
      EXPECT_EQ(keys.find(";interleaved") != keys.npos, isMesh || !takesTurns) << keys;
      if (isMesh)
        continue;
      EXPECT_THAT(keys, AllOf(HasSubstr("grad_sums;R"), HasSubstr(";ahead;streaming")));
      if (!isFirst) {
        EXPECT_EQ(std::memcmp(Tensor(again).data, Tensor(dx).data, x.sizeInBytes()), 0);
        continue;
      }
      EXPECT_EQ(differenceOfGradientSums(x, dy, kept, center, {}, *sums), "");
      EXPECT_EQ(differenceOfGradientMap(x, dy, kept, make(0, shape[1], *sums), DType::F32, {}, dx),
                "");
    }
  }
}

TEST_F(EngineMachines, GradientsOfMemoryHaveTheSameBitsWhereSamplesBeginAnywhere) {
  // x and dy of 24 MiB; samples of dx do not begin where cache lines do.
  const Dims shape{8, 512, 28, 28};
  const Array x = dataOf(shape), dy = dataOf(shape);
  const std::vector<double> center(512, 20);
  const auto make = [](int64_t begin, int64_t end, const GradientSums &) {
    const auto all = [&](double value) { return std::vector<double>(size_t(end - begin), value); };
    return GradientCoefficients{{end - begin}, all(20), all(0.5), all(-1), all(2)};
  };
  const int64_t sample = 512 * 28 * 28 + 8;
  std::vector<float> dx(size_t(8 * sample));
  std::optional<GradientSums> first;
  for (const int threads : {1, 2, 7, 64}) {
    const std::shared_ptr<Engine> engine = engineWithCaches({.threads = threads}, kNearLastLevel);
    Expected<GradientSums> sums =
        engine->gradientSumsThenMap(x, dy, Dims{1}, center, {}, make, DType::F32,
                                    Tensor(dx.data(), DType::F32, shape, {sample, 28 * 28, 28, 1}));
    ASSERT_TRUE(sums) << sums.error().message();
    if (!first)
      first = std::move(*sums);
    else
      EXPECT_TRUE(haveSameBits(*sums, *first)) << threads;
  }
}

TEST_F(EngineMachines, CoefficientsAreKeptBesideTheData) {
  // 12 MiB of data and result, and 12 of two coefficients for each element.
  const int64_t size = int64_t(3) << 19;
  const Array x = dataOf({size}), y = *Array::create(DType::F32, {size});
  const Dims every{0}, none{};
  for (const bool large : {false, true}) {
    const auto count = size_t(large ? size : 1);
    const Coefficients coefficients{large ? Dims{size} : Dims{},
                                    std::vector<double>(count, 0.5),
                                    std::vector<double>(count, 2),
                                    {}};
    const std::shared_ptr<Engine> engine = engineWithCaches({.threads = 1}, kNearLastLevel);
    ASSERT_TRUE(engine->affine(x, large ? every : none, coefficients, DType::F32, y));
    const std::string key = engine->kernels().back().key;
    EXPECT_EQ(key.find(";streaming") != key.npos, large) << key;
    EXPECT_EQ(differenceOfAffine(x, large ? every : none, coefficients, DType::F32, y), "");
  }
}

TEST_F(EngineMachines, ReadInOrderFromMemory) {
  // More than three eighths of the last level. Rows, of which the last vector overlaps, and lines
  // of several, both in streams that have loads of their own; runs that are short, and long ones.
  struct Case {
    Dims shape, kept;
    const char *mesh, *near;
    const char *streams = nullptr;
    DType dtype = DType::F32;
  };
  for (const auto &[shape, kept, mesh, near, streams, dtype] : {
           Case{{260'003, 13}, {1}, "<flat, ", "<flat, ", "streams = 8"},
           Case{{100'003, 37}, {1}, "<flat, ", "<flat, ", "streams = 4", DType::BF16},
           Case{{3'200'003}, {}, "<flat, ", "<runs, "},
           Case{{3'203, 1'000}, {1}, "<flat, ", "<rows, ", "streams = 8"},
           Case{{33, 32, 56, 57}, {1}, "streams = 8", "prefetch"},
           Case{{66, 256, 14, 14}, {1}, "unroll = 4", "unroll = 1"},
           Case{{131, 512, 7, 7}, {1}, "unroll = 3", "unroll = 1", "streams = 4"},
       }) {
    SCOPED_TRACE(toString(shape));
    const Array x = dataOf(shape, dtype);
    const Outcome inStreams = run(kMesh, x, kept), inOrder = run(kNearLastLevel, x, kept);
    if (dtype == DType::F32) {
      EXPECT_THAT(inOrder.momentsKey, HasSubstr(";ahead;streaming"));
      EXPECT_THAT(inStreams.momentsSchedule, HasSubstr(mesh));
      EXPECT_THAT(inOrder.momentsSchedule, HasSubstr(near));
      if (streams)
        EXPECT_THAT(inOrder.momentsSchedule, HasSubstr(streams));
      else
        EXPECT_THAT(inOrder.momentsSchedule, Not(HasSubstr("streams = ")));
    }
    EXPECT_EQ(inStreams.statistics.count, inOrder.statistics.count);
  }
}

TEST_F(EngineMachines, HalvesOfLittleData) {
  // Two parts on one machine, one on the other, or as many on both: in two parts sums are added in
  // another order.
  MemorySystem smaller = kMesh;
  smaller.leastPartBytes = kNearLastLevel.leastPartBytes;
  for (const auto &[shape, kept, differ] : {std::tuple(Dims{10'082, 13}, Dims{1}, true),
                                            {Dims{131, 1'000}, Dims{0}, false},
                                            {Dims{131'071}, Dims{}, true},
                                            {Dims{2, 256, 14, 14}, Dims{1}, false},
                                            {Dims{3'000, 13}, Dims{1}, false},
                                            // Half as many rows, if they are long.
                                            {Dims{197, 1'031}, Dims{1}, true},
                                            {Dims{187, 1'031}, Dims{1}, false},
                                            {Dims{245, 512}, Dims{1}, false},
                                            {Dims{385, 500}, Dims{1}, true},
                                            {Dims{401, 512}, Dims{1}, false}}) {
    SCOPED_TRACE(toString(shape));
    const Array x = dataOf(shape);
    const Outcome whole = run(kMesh, x, kept), halves = run(smaller, x, kept);
    EXPECT_EQ(whole.statistics.count, halves.statistics.count);
    EXPECT_EQ(whole.statistics.count, run(kNearLastLevel, x, kept).statistics.count);
    EXPECT_NE(haveSameBits(whole.statistics, halves.statistics), differ);
  }
}

} // namespace
