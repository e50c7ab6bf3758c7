//===- EngineBlockedTest.cpp - Reduce-then-map, whole and in blocks -------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineWithCaches.h"

#include "norma/Support/AxisForm.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <map>
#include <mutex>

using namespace norma;
using namespace norma::test;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

namespace {

/// Coefficients that differ from one kept index to the next even where statistics do
/// not.
Coefficients coefficientsOf(int64_t begin, int64_t end, const Statistics &statistics) {
  Coefficients result{{end - begin}, {}, {}, {}};
  for (int64_t i = begin; i < end; ++i) {
    result.center.push_back(statistics.mean[size_t(i)]);
    result.scale.push_back(1 / std::sqrt(statistics.variance(i) + 1e-3));
    result.shift.push_back(double(i % 101));
  }
  return result;
}

/// What a call gave, and how often it asked for the coefficients of an index.
struct Outcome {
  Statistics statistics;
  Array y;
  std::vector<int> asked;
  int ranges = 0;
  std::string problem;
};

/// A call into a tensor of `out`, or in place of a copy.
Outcome callOn(Engine &engine, const Tensor &x, const Dims &kept, const MomentsOptions &options,
               DType compute, std::optional<DType> out) {
  Outcome run;
  run.y = out ? *Array::create(*out, x.shape) : *Array::copyOf(x);
  run.asked.resize(size_t(*numElements(keptShape(x.shape, kept))));
  std::mutex mutex;
  const auto make = [&](int64_t begin, int64_t end, const Statistics &all) {
    std::lock_guard<std::mutex> lock(mutex);
    if (all.shape != keptShape(x.shape, kept))
      run.problem = "statistics of shape " + toString(all.shape);
    ++run.ranges;
    for (int64_t i = begin; i < end; ++i)
      ++run.asked[size_t(i)];
    return coefficientsOf(begin, end, all);
  };
  Expected<Statistics> result =
      engine.momentsThenAffine(out ? x : run.y.view(), kept, options, make, compute, run.y);
  if (result)
    run.statistics = std::move(*result);
  else
    run.problem = result.error().message();
  return run;
}

class EngineBlocked : public ::testing::Test {
protected:
  static Array dataOf(DType dtype, const Dims &shape) {
    Random random(21);
    return arrayOf(dtype, shape, [&](int64_t i) { return double(i % 37) + 5 * random.normal(); });
  }

  /// Calls with 1, 2 and 7 threads, and compares with the reference; returns in how many
  /// ranges the kept indices came.
  static int expectContract(const Tensor &x, const Dims &kept, DType compute,
                            std::optional<DType> out, const MomentsOptions &options = {}) {
    SCOPED_TRACE(std::string(toString(x.dtype)) + " " + toString(x.shape) + " kept " +
                 toString(kept));
    Outcome first;
    for (int threads : {1, 2, 7}) {
      std::shared_ptr<Engine> &engine = engines()[threads];
      if (!engine)
        engine = engineWithCaches({.threads = threads});
      Outcome run = callOn(*engine, x, kept, options, compute, out);
      EXPECT_EQ(run.problem, "");
      EXPECT_EQ(run.asked, std::vector<int>(run.asked.size(), 1));
      if (threads == 1) {
        first = std::move(run);
        continue;
      }
      EXPECT_TRUE(haveSameBits(run.statistics, first.statistics)) << threads;
      EXPECT_EQ(std::memcmp(run.y.as<char>(), first.y.as<char>(), run.y.sizeInBytes()), 0)
          << threads;
      EXPECT_EQ(run.ranges, first.ranges);
    }
    EXPECT_EQ(differenceOfMoments(x, kept, options, first.statistics), "");
    Coefficients coefficients = coefficientsOf(0, first.statistics.size(), first.statistics);
    coefficients.shape = first.statistics.shape;
    EXPECT_EQ(differenceOfAffine(x, kept, coefficients, compute, first.y), "");
    return first.ranges;
  }

  static void expectBlocks(int ranges) { EXPECT_GE(ranges, 16); }

  /// Keys and schedules of the kernels that an engine has, a line each.
  static std::string keysOf(const Engine &engine) {
    std::string keys;
    for (const KernelInfo &kernel : engine.kernels())
      keys += kernel.key + " " + kernel.schedule + "\n";
    return keys;
  }

  static void TearDownTestSuite() { engines().clear(); }
  static std::map<int, std::shared_ptr<Engine>> &engines() {
    static std::map<int, std::shared_ptr<Engine>> all;
    return all;
  }
};

//===----------------------------------------------------------------------===//
// Both paths
//===----------------------------------------------------------------------===//

TEST_F(EngineBlocked, ChannelsFirst) {
  const Array x = dataOf(DType::F32, {31, 67, 32, 33});
  expectBlocks(expectContract(x, {1}, DType::F32, DType::F32));
  expectBlocks(expectContract(x, {1}, DType::F64, std::nullopt));
}

TEST_F(EngineBlocked, ChannelsLast) {
  const Array x = dataOf(DType::F32, {4, 7, 9, 9'001});
  expectBlocks(expectContract(x, {3}, DType::F32, DType::F32));
  expectBlocks(expectContract(x, {3}, DType::F32, std::nullopt));
  expectBlocks(expectContract(dataOf(DType::F16, {150, 17'001}), {1}, DType::F32, DType::F32));
}

TEST_F(EngineBlocked, Rows) {
  expectBlocks(expectContract(dataOf(DType::F64, {2'301, 400}), {0}, DType::F64, DType::BF16));
  expectBlocks(expectContract(dataOf(DType::I8, {130, 15, 1'000}), {0, 1}, DType::F32, DType::F32));
}

TEST_F(EngineBlocked, WholeWhereItCannotBeCut) {
  // Two groups of kept axes.
  EXPECT_EQ(expectContract(dataOf(DType::F32, {40, 30, 50, 20}), {1, 3}, DType::F32, DType::F32),
            1);
  // Kept indices in another order than the caller's.
  const Array memory = dataOf(DType::F32, {10, 400, 300});
  const Tensor turned(memory.view().data, DType::F32, {10, 300, 400}, {120'000, 1, 300});
  EXPECT_EQ(expectContract(turned, {1, 2}, DType::F32, DType::F32), 1);
  // Kept axes that are neighbours in x, but not in y.
  const Tensor apart(memory.view().data, DType::F32, {400, 10, 300}, {300, 120'000, 1});
  EXPECT_EQ(expectContract(apart, {0, 2}, DType::F32, DType::F32), 1);
  // A run of kept indices that is worth reading does not fit.
  EXPECT_EQ(expectContract(dataOf(DType::F32, {710'000, 3}), {1}, DType::F32, std::nullopt), 1);
  EXPECT_EQ(expectContract(dataOf(DType::F32, {50'000}), {}, DType::F32, DType::F32), 1);
  // One run of them, which would be the work of one thread.
  EXPECT_EQ(expectContract(dataOf(DType::F32, {1'900, 100}), {1}, DType::F32, DType::F32), 1);
}

TEST_F(EngineBlocked, WholeNeedsTwoKernelsWhateverCoefficientsThereAre) {
  const std::shared_ptr<Engine> fresh = engineWithCaches({.threads = 2, .cacheDirectory = "off"});
  const Array x = dataOf(DType::F32, {40, 30, 50, 20});
  const Dims kept{1, 3};
  const Array y = *Array::create(DType::F32, x.view().shape);
  for (bool hasAll : {false, true, false}) {
    const auto make = [&](int64_t begin, int64_t end, const Statistics &all) {
      Coefficients made = coefficientsOf(begin, end, all);
      if (!hasAll)
        made.scale = made.shift = {};
      return made;
    };
    const Expected<Statistics> all = fresh->momentsThenAffine(x, kept, {}, make, DType::F32, y);
    ASSERT_TRUE(all.hasValue());
    // The first element is of the first kept index.
    const Coefficients made = make(0, 600, *all);
    const double centred = loadAsDouble(x.as<char>(), DType::F32) - made.center[0];
    EXPECT_NEAR(loadAsDouble(y.as<char>(), DType::F32),
                hasAll ? centred * made.scale[0] + made.shift[0] : centred, 1e-5);
    EXPECT_EQ(fresh->stats().compiles, 2u);
  }
}

TEST_F(EngineBlocked, ShorterRunsWhereAllIsNear) {
  // But rows are not cut into short ones, which two threads would take from each other.
  for (const auto &[shape, axis, blocks] : {std::tuple(Dims{14, 14, 512}, 2, 1),
                                            {Dims{1'000, 100}, 1, 1},
                                            {Dims{7, 7, 2'048}, 2, 4},
                                            {Dims{2, 512, 7, 7}, 1, 2},
                                            {Dims{1'000, 50, 3}, 1, 2},
                                            {Dims{150, 50, 20}, 1, 4},
                                            // Unless samples of tiny ones are whole vectors.
                                            {Dims{1'000, 64, 3}, 1, 1}}) {
    SCOPED_TRACE(toString(shape));
    const int ranges = expectContract(dataOf(DType::F32, shape), {axis}, DType::F32, DType::F32);
    EXPECT_EQ(ranges, blocks);
  }
}

TEST_F(EngineBlocked, TakesMemoryOfAnySize) {
  const std::shared_ptr<Engine> engine = engineWithCaches({.threads = 2});
  // In blocks, and as a whole.
  for (const Dims &shape : {Dims{49, 2'048}, Dims{1'900, 100}}) {
    const Array x = dataOf(DType::F32, shape), y = *Array::create(DType::F32, shape);
    const Outcome expected = callOn(*engine, x, {1}, {}, DType::F32, DType::F32);
    for (const size_t size : {0, 7, 5'000}) {
      const std::vector<double> old(size, std::numeric_limits<double>::quiet_NaN());
      const Expected<Statistics> found = engine->momentsThenAffine(
          x, Dims{1}, {}, coefficientsOf, DType::F32, y, {Dims{int64_t(size)}, old, old, old});
      ASSERT_TRUE(found) << found.error().message();
      EXPECT_EQ(found->shape, expected.statistics.shape);
      EXPECT_TRUE(haveSameBits(*found, expected.statistics));
      EXPECT_EQ(std::memcmp(y.as<char>(), expected.y.as<char>(), y.sizeInBytes()), 0);
    }
  }
}

TEST_F(EngineBlocked, WholeWhereItIsSmall) {
  EXPECT_EQ(expectContract(dataOf(DType::F32, {200, 13}), {1}, DType::F32, DType::F64), 1);
  EXPECT_EQ(expectContract(dataOf(DType::F16, {3, 5, 7}), {0, 2}, DType::F32, std::nullopt), 1);
  EXPECT_EQ(expectContract(dataOf(DType::F32, {}), {}, DType::F32, DType::F32), 1);
}

TEST_F(EngineBlocked, WritesPastCachesWhereBlocksAreWholeCacheLines) {
  // Runs that are whole lines, and those of which four or sixteen are; one sample; blocks of which
  // the last is narrower.
  for (const Dims &shape : {Dims{23, 64, 48, 32}, Dims{40, 200, 14, 14}, Dims{40, 512, 7, 7},
                            Dims{1, 500, 48, 32}, Dims{1, 4'096, 14, 14}, Dims{30, 300, 12, 12}}) {
    SCOPED_TRACE(toString(shape));
    const Dims kept{1};
    const Array x = dataOf(DType::F32, shape);
    expectBlocks(expectContract(x, kept, DType::F32, DType::F32));
    // With the result so many bytes behind x in the lower bits of addresses.
    const auto run = [&](int64_t bytes) {
      const std::shared_ptr<Engine> engine = engineWithCaches({.threads = 2});
      const Behind y(x, DType::F32, bytes);
      Expected<Statistics> statistics =
          engine->momentsThenAffine(x, kept, {}, coefficientsOf, DType::F32, y);
      EXPECT_TRUE(statistics.hasValue());
      const auto *const begin = static_cast<const float *>(Tensor(y).data);
      return std::tuple(std::move(*statistics), std::vector<float>(begin, begin + x.view().size()),
                        keysOf(*engine));
    };
    const auto [past, y, keys] = run(2048);
    EXPECT_THAT(keys, AllOf(HasSubstr("dense-rows"), HasSubstr("streaming"),
                            HasSubstr("nontemporal = true, prefetch")));
    // A block is mapped beside the sums of the next one.
    EXPECT_THAT(keys, AllOf(HasSubstr(";interleaved"), HasSubstr("interleave = true>, ")));
    // Where it is not aligned, and where what is read next would wait for what was stored.
    for (const auto &[bytes, isAligned, isApart] :
         {std::tuple(2052, false, true), {64, true, false}, {4, false, false}}) {
      const auto [through, same, others] = run(bytes);
      EXPECT_TRUE(haveSameBits(past, through)) << bytes;
      EXPECT_EQ(std::memcmp(y.data(), same.data(), x.sizeInBytes()), 0) << bytes;
      EXPECT_EQ(others.find("nontemporal") != others.npos, isAligned) << bytes << others;
      EXPECT_EQ(others.find("interleaved") != others.npos, isApart) << bytes << others;
    }
  }
}

TEST_F(EngineBlocked, KeepsInTheCachesOfTheThreadsWhatTheseHold) {
  // 3.1 MiB: more than one second-level cache, about as much as two, less than seven.
  for (const Dims &shape : {Dims{4, 100, 32, 32}, Dims{1, 400, 32, 32}, Dims{8, 256, 14, 14}}) {
    SCOPED_TRACE(toString(shape));
    const Array x = dataOf(DType::F32, shape);
    expectContract(x, {1}, DType::F32, DType::F32);
    const Behind y(x, DType::F32, 0);
    for (const auto &[threads, streams, interleaves] :
         {std::tuple(1, true, true), {2, false, true}, {7, false, false}}) {
      const std::shared_ptr<Engine> engine = engineWithCaches({.threads = threads});
      ASSERT_TRUE(engine->momentsThenAffine(x, Dims{1}, {}, coefficientsOf, DType::F32, y));
      const std::string keys = keysOf(*engine);
      EXPECT_EQ(keys.find(";streaming") != keys.npos, streams) << threads << keys;
      EXPECT_EQ(keys.find(";interleaved") != keys.npos, interleaves) << threads << keys;
    }
  }
}

TEST_F(EngineBlocked, AsksForDataThatNoSecondLevelHolds) {
  // Runs that fill rows together, shorter and longer than a group; of a few samples and of many.
  for (const auto &[shape, isFar] : {std::pair(Dims{40, 512, 7, 7}, false),
                                     {Dims{100, 512, 7, 7}, true},
                                     {Dims{3, 4'096, 14, 14}, true},
                                     {Dims{12, 64, 56, 56}, true}}) {
    SCOPED_TRACE(toString(shape));
    const Dims kept{1};
    const Array x = dataOf(DType::F32, shape);
    expectBlocks(expectContract(x, kept, DType::F32, DType::F32));
    const Behind y(x, DType::F32, 0);
    const std::shared_ptr<Engine> engine = engineWithCaches({.threads = 1});
    ASSERT_TRUE(engine->momentsThenAffine(x, kept, {}, coefficientsOf, DType::F32, y));
    const std::string keys = keysOf(*engine);
    EXPECT_THAT(keys, HasSubstr(";interleaved"));
    EXPECT_EQ(keys.find(";ahead") != std::string::npos, isFar) << keys;
  }
}

TEST_F(EngineBlocked, MapsBackwardsWhatFindsNoPlaceInACache) {
  // All samples of a channel begin in the same sets of the second level.
  for (const Dims &shape : {Dims{20, 128, 32, 32}, Dims{24, 256, 64, 8}}) {
    const Array x = dataOf(DType::F32, shape);
    expectBlocks(expectContract(x, {1}, DType::F32, DType::F32));
    // Where sums and maps go alone.
    const Behind y(x, DType::F32, 64), apart(x, DType::F32, 2048);
    const std::shared_ptr<Engine> engine = engineWithCaches({.threads = 2});
    for (const Tensor &result : {Tensor(y), Tensor(apart)})
      ASSERT_TRUE(engine->momentsThenAffine(x, Dims{1}, {}, coefficientsOf, DType::F32, result));
    EXPECT_EQ(std::memcmp(Tensor(y).data, Tensor(apart).data, x.sizeInBytes()), 0);
  }
}

TEST_F(EngineBlocked, InterleavesNarrowTypes) {
  for (DType dtype : {DType::F16, DType::BF16}) {
    expectBlocks(expectContract(dataOf(dtype, {40, 100, 48, 32}), {1}, DType::F32, dtype));
    expectBlocks(expectContract(dataOf(dtype, {40, 512, 14, 14}), {1}, DType::F32, dtype));
  }
}

TEST_F(EngineBlocked, SamplesGoSideBySide) {
  // Four at a time, or two where a cache line is two vectors; three, two and one are left over, of
  // whose runs a vector is left of parts that are as long.
  for (const auto &[dtype, samples, streams] : {std::tuple(DType::F32, 31, "streams = 4"),
                                                {DType::F32, 26, "streams = 4"},
                                                {DType::F32, 3, "streams = 4"},
                                                {DType::F16, 41, "streams = 2"}}) {
    const Dims shape{samples, samples == 3 ? 800 : 80, dtype == DType::F16 ? 32 : 28, 28};
    SCOPED_TRACE(toString(shape));
    const Array x = dataOf(dtype, shape), y = *Array::create(dtype, shape);
    expectBlocks(expectContract(x, {1}, DType::F32, dtype));
    const std::shared_ptr<Engine> engine = engineWithCaches({.threads = 1});
    ASSERT_TRUE(engine->momentsThenAffine(x, Dims{1}, {}, coefficientsOf, DType::F32, y));
    EXPECT_THAT(keysOf(*engine), HasSubstr(streams));
  }
}

TEST_F(EngineBlocked, RunsThatEndWithinVectors) {
  // Runs of two to six vectors, and of one less than a vector more.
  for (const Dims &shape :
       {Dims{60, 512, 17}, Dims{70, 512, 31}, Dims{30, 512, 7, 7}, Dims{20, 544, 9, 9}}) {
    const Array x = dataOf(DType::F32, shape);
    expectBlocks(expectContract(x, {1}, DType::F32, DType::F32));
  }
  // What is not finite stays with its kept index, and what is constant has no variance.
  const Dims shape{40, 512, 7, 7};
  Array x = dataOf(DType::F32, shape);
  for (int64_t i = 0; i < x.view().size(); ++i)
    if (i / 49 % 512 % 3 == 0)
      x.as<float>()[i] = 0.1F;
  for (int64_t sample = 0; sample < 40; ++sample) {
    float *const begin = x.as<float>() + sample * 512 * 49;
    begin[100 * 49 - 1] = std::numeric_limits<float>::infinity();
    begin[200 * 49] = std::numeric_limits<float>::quiet_NaN();
  }
  expectBlocks(expectContract(x, {1}, DType::F32, DType::F32));
  const Outcome run = callOn(*engineWithCaches({.threads = 2}), x, {1}, {}, DType::F32, DType::F32);
  for (int64_t k = 0; k < 512; k += 3)
    EXPECT_EQ(run.statistics.m2[size_t(k)] == 0, k != 99) << k;
}

TEST_F(EngineBlocked, MaskAndWeights) {
  Random random(22);
  const Array mask = arrayOf(DType::Bool, {31}, [](int64_t i) { return i % 5 != 0; });
  const Array weights = arrayOf(DType::F32, {31, 67, 1, 33}, [&](int64_t i) {
    return i % 11 == 0 ? 0 : random.between(0.1, 3);
  });
  Array x = dataOf(DType::F32, {31, 67, 32, 33});
  // What the mask leaves out.
  x.as<float>()[1'000] = std::numeric_limits<float>::quiet_NaN();
  expectBlocks(expectContract(x, {1}, DType::F32, std::nullopt,
                              {.mask = mask.view(), .weights = weights.view()}));
  x.as<float>()[2'000'000 % x.view().size()] = std::numeric_limits<float>::quiet_NaN();
  expectBlocks(
      expectContract(x, {1}, DType::F32, DType::F32,
                     {.nan = NanPolicy::Omit, .mask = mask.view(), .weights = weights.view()}));
}

//===----------------------------------------------------------------------===//
// Nothing, and errors
//===----------------------------------------------------------------------===//

TEST_F(EngineBlocked, NothingHasStatisticsOfZero) {
  const std::shared_ptr<Engine> engine = engineWithCaches({.threads = 2});
  const Outcome run =
      callOn(*engine, Tensor(nullptr, DType::F32, {0, 3}), {1}, {}, DType::F32, DType::F32);
  EXPECT_EQ(run.problem, "");
  EXPECT_EQ(run.asked, std::vector<int>(3, 1)) << "coefficients of no data are made, too";
  EXPECT_EQ(run.statistics.shape, Dims{3});
  EXPECT_EQ(run.statistics.count, std::vector<double>(3, 0));
  const Outcome none =
      callOn(*engine, Tensor(nullptr, DType::F32, {3, 0}), {1}, {}, DType::F32, DType::F32);
  EXPECT_EQ(none.problem, "");
  EXPECT_EQ(none.ranges, 0);
  EXPECT_EQ(none.statistics.shape, Dims{0});
}

TEST_F(EngineBlocked, ErrorsAreNamed) {
  const std::shared_ptr<Engine> engine = engineWithCaches({.threads = 2});
  const Array x = arrayOf(DType::F32, {2, 3}, [](int64_t i) { return double(i); });
  const Array y = arrayOf(DType::F32, {2, 3}, [](int64_t) { return 77; });
  int calls = 0;
  const auto error = [&](const Dims &kept, const Tensor &to, DType compute = DType::F32,
                         const MomentsOptions &options = {}) {
    const auto make = [&](int64_t begin, int64_t end, const Statistics &statistics) {
      ++calls;
      return coefficientsOf(begin, end, statistics);
    };
    return messageOf(engine->momentsThenAffine(x, kept, options, make, compute, to));
  };
  EXPECT_EQ(error({2}, y), "kept: 2 is out of range, expected axes in [0, 2)");
  EXPECT_EQ(error({1}, Tensor(y.view().data, DType::I32, {2, 3})),
            "y: dtype i32, expected f32, f64, f16 or bf16");
  EXPECT_THAT(error({1}, Tensor(x.view().data, DType::F16, {2, 3})), StartsWith("y: overlaps x"));
  EXPECT_EQ(error({1}, y, DType::BF16), "compute: dtype bf16, expected f32 or f64");
  const Array weights = arrayOf(DType::F32, {2}, [](int64_t) { return -1; });
  EXPECT_THAT(error({1}, y, DType::F32, {.weights = weights.view()}),
              StartsWith("weights: value -1"));
  EXPECT_EQ(calls, 0) << "nothing is reduced before everything is checked";

  const auto wrong = [](int64_t, int64_t, const Statistics &) {
    return Coefficients{{2}, {1, 2}, {}, {}};
  };
  EXPECT_EQ(messageOf(engine->momentsThenAffine(x, Dims{1}, {}, wrong, DType::F32, y)),
            "kept indices [0, 3): center: 2 values, expected 3 for kept extents (3,)");
  EXPECT_EQ(valuesOf(y), std::vector<double>(6, 77));

  // Among many blocks, that of the first is told.
  const Array large = dataOf(DType::F32, {31, 67, 32, 33});
  EXPECT_THAT(messageOf(engine->momentsThenAffine(large, Dims{1}, {}, wrong, DType::F32, large)),
              HasSubstr("center: 2 values, expected "));
}

} // namespace
