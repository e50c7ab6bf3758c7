//===- EngineBlockedGradientTest.cpp - Sums, then the map, in blocks ------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineWithCaches.h"

#include "norma/Support/AxisForm.h"

#include <gmock/gmock.h>

#include <limits>
#include <map>
#include <mutex>

using namespace norma;
using namespace norma::test;
using ::testing::HasSubstr;
using ::testing::StartsWith;

namespace {

/// Coefficients that follow from the sums, and differ from one kept index to the next.
GradientCoefficients coefficientsOf(int64_t begin, int64_t end, const GradientSums &sums,
                                    std::span<const double> center) {
  GradientCoefficients result{{end - begin}, {}, {}, {}, {}};
  for (int64_t i = begin; i < end; ++i) {
    result.center.push_back(double(float(center[size_t(i)])));
    result.slope.push_back(sums.dot[size_t(i)] * 1e-4);
    result.offset.push_back(sums.sum[size_t(i)] * 1e-3);
    result.scale.push_back(1 + double(i % 101));
  }
  return result;
}

/// Where dx is written.
enum class Place { Apart, OverX, OverDy };

/// What a call gave, and how often it asked for the coefficients of an index.
struct Outcome {
  GradientSums sums;
  Array dx;
  std::vector<int> asked;
  int ranges = 0;
  std::string problem;
};

class EngineBlockedGradient : public ::testing::Test {
protected:
  static Array dataOf(DType dtype, const Dims &shape, uint64_t seed = 21) {
    Random random(seed);
    return arrayOf(dtype, shape, [&](int64_t i) { return double(i % 37) + 5 * random.normal(); });
  }

  static std::vector<double> centers(const Tensor &x, const Dims &kept) {
    std::vector<double> result(size_t(*numElements(keptShape(x.shape, kept))));
    for (size_t i = 0; i < result.size(); ++i)
      result[i] = 18 + double(i % 11) / 7;
    return result;
  }

  static Outcome callOn(Engine &engine, const Tensor &x, const Tensor &dy, const Dims &kept,
                        const MomentsOptions &options, DType out, Place place) {
    Outcome run;
    run.dx = place == Place::Apart   ? *Array::create(out, x.shape)
             : place == Place::OverX ? *Array::copyOf(x)
                                     : *Array::copyOf(dy);
    const std::vector<double> center = centers(x, kept);
    run.asked.resize(center.size());
    std::mutex mutex;
    const auto make = [&](int64_t begin, int64_t end, const GradientSums &sums) {
      std::lock_guard<std::mutex> lock(mutex);
      ++run.ranges;
      for (int64_t i = begin; i < end; ++i)
        ++run.asked[size_t(i)];
      return coefficientsOf(begin, end, sums, center);
    };
    Expected<GradientSums> sums = engine.gradientSumsThenMap(
        place == Place::OverX ? run.dx.view() : x, place == Place::OverDy ? run.dx.view() : dy,
        kept, center, options, make, DType::F32, run.dx);
    if (sums)
      run.sums = std::move(*sums);
    else
      run.problem = sums.error().message();
    return run;
  }

  /// Calls with 1, 2 and 7 threads, and compares with the reference; returns in how many
  /// ranges the kept indices came.
  static int expectContract(const Tensor &x, const Tensor &dy, const Dims &kept,
                            Place place = Place::Apart, const MomentsOptions &options = {}) {
    SCOPED_TRACE(std::string(toString(x.dtype)) + " " + toString(x.shape) + " kept " +
                 toString(kept));
    Outcome first;
    for (int threads : {1, 2, 7}) {
      std::shared_ptr<Engine> &engine = engines()[threads];
      if (!engine)
        engine = engineWithCaches({.threads = threads});
      Outcome run = callOn(*engine, x, dy, kept, options, dy.dtype, place);
      EXPECT_EQ(run.problem, "");
      EXPECT_EQ(run.asked, std::vector<int>(run.asked.size(), 1));
      if (threads == 1) {
        first = std::move(run);
        continue;
      }
      EXPECT_TRUE(haveSameBits(run.sums, first.sums)) << threads;
      EXPECT_EQ(std::memcmp(run.dx.as<char>(), first.dx.as<char>(), run.dx.sizeInBytes()), 0)
          << threads;
      EXPECT_EQ(run.ranges, first.ranges);
    }
    const std::vector<double> center = centers(x, kept);
    EXPECT_EQ(first.sums.shape, keptShape(x.shape, kept));
    EXPECT_EQ(differenceOfGradientSums(x, dy, kept, center, options, first.sums), "");
    GradientCoefficients made = coefficientsOf(0, int64_t(center.size()), first.sums, center);
    made.shape = first.sums.shape;
    EXPECT_EQ(differenceOfGradientMap(x, dy, kept, made, DType::F32, options, first.dx), "");
    return first.ranges;
  }
  static int expectContract(DType dtype, const Dims &shape, const Dims &kept,
                            Place place = Place::Apart) {
    return expectContract(dataOf(dtype, shape), dataOf(dtype, shape, 22), kept, place);
  }

  static void expectBlocks(int ranges) { EXPECT_GE(ranges, 4); }

  static void TearDownTestSuite() { engines().clear(); }
  static std::map<int, std::shared_ptr<Engine>> &engines() {
    static std::map<int, std::shared_ptr<Engine>> all;
    return all;
  }
};

//===----------------------------------------------------------------------===//
// Both paths
//===----------------------------------------------------------------------===//

TEST_F(EngineBlockedGradient, ChannelsFirst) {
  expectBlocks(expectContract(DType::F32, {31, 67, 16, 17}, {1}));
  expectBlocks(expectContract(DType::F32, {31, 67, 16, 17}, {1}, Place::OverX));
  expectBlocks(expectContract(DType::F16, {24, 512, 7, 7}, {1}, Place::OverDy));
}

TEST_F(EngineBlockedGradient, BlocksOfWholeCacheLines) {
  expectBlocks(expectContract(DType::F32, {20, 80, 28, 28}, {1}));
  expectBlocks(expectContract(DType::F32, {24, 512, 7, 7}, {1}));
  expectBlocks(expectContract(DType::F32, {1, 2'052, 14, 14}, {1}));
}

TEST_F(EngineBlockedGradient, SamplesGoSideBySide) {
  // Two at a time; one is left over, of whose runs a vector is left of two halves.
  expectBlocks(expectContract(DType::F32, {31, 40, 28, 28}, {1}));
  expectBlocks(expectContract(DType::F32, {1, 1'100, 28, 28}, {1}));
  expectBlocks(expectContract(DType::F32, {30, 40, 28, 28}, {1}, Place::OverX));
  expectBlocks(expectContract(DType::F16, {41, 40, 28, 32}, {1}, Place::OverDy));
}

TEST_F(EngineBlockedGradient, MapsABlockBesideTheSumsOfTheNext) {
  // One thread has all blocks; for so many threads every block is one.
  for (const Dims &shape : {Dims{20, 80, 28, 28}, Dims{24, 512, 7, 7}, Dims{20, 256, 14, 14}}) {
    SCOPED_TRACE(toString(shape));
    const Dims kept{1};
    const Array x = dataOf(DType::F32, shape), values = dataOf(DType::F32, shape, 22);
    const std::vector<double> center = centers(x, kept);
    const auto make = [&](int64_t begin, int64_t end, const GradientSums &sums) {
      return coefficientsOf(begin, end, sums, center);
    };
    std::optional<GradientSums> first;
    std::vector<char> dxOfFirst(values.sizeInBytes());
    // Nor is it where dx begins a little behind x or dy.
    for (const auto &[threads, dyBytes, dxBytes, interleaves] : {std::tuple(1, 1024, 2048, true),
                                                                 {60, 1024, 2048, false},
                                                                 {1, 1024, 64, false},
                                                                 {1, 1920, 2044, false}}) {
      const std::shared_ptr<Engine> engine = engineWithCaches({.threads = threads});
      const Behind dy(x, DType::F32, dyBytes), dx(x, DType::F32, dxBytes);
      std::memcpy(Tensor(dy).data, values.as<char>(), values.sizeInBytes());
      Expected<GradientSums> sums =
          engine->gradientSumsThenMap(x, dy, kept, center, {}, make, DType::F32, dx);
      ASSERT_TRUE(sums);
      if (!first) {
        first = std::move(*sums);
        std::memcpy(dxOfFirst.data(), Tensor(dx).data, dxOfFirst.size());
      } else {
        EXPECT_TRUE(haveSameBits(*sums, *first));
        EXPECT_EQ(std::memcmp(dxOfFirst.data(), Tensor(dx).data, dxOfFirst.size()), 0);
      }
      std::string keys;
      for (const KernelInfo &kernel : engine->kernels())
        keys += kernel.key + "\n";
      EXPECT_EQ(keys.find(";interleaved") != std::string::npos, interleaves) << dxBytes << keys;
    }
  }
}

TEST_F(EngineBlockedGradient, MapsBackwardsWhatFindsNoPlaceInACache) {
  // All samples of a channel begin in the same sets of the second level.
  for (const Dims &shape : {Dims{10, 128, 32, 32}, Dims{12, 256, 64, 8}}) {
    expectBlocks(expectContract(DType::F32, shape, {1}));
    expectBlocks(expectContract(DType::F32, shape, {1}, Place::OverX));
  }
  expectBlocks(expectContract(DType::BF16, {10, 256, 32, 32}, {1}));
}

TEST_F(EngineBlockedGradient, BlocksThatExceedACache) {
  const Dims shape{65, 64, 56, 56};
  const Array x = dataOf(DType::F32, shape), dy = dataOf(DType::F32, shape, 22);
  // One thread has all blocks; for so many threads every block is one.
  const Outcome beside =
      callOn(*engineWithCaches({.threads = 1}), x, dy, {1}, {}, DType::F32, Place::Apart);
  const Outcome alone =
      callOn(*engineWithCaches({.threads = 60}), x, dy, {1}, {}, DType::F32, Place::Apart);
  EXPECT_TRUE(haveSameBits(beside.sums, alone.sums));
  EXPECT_EQ(std::memcmp(beside.dx.as<char>(), alone.dx.as<char>(), beside.dx.sizeInBytes()), 0);
  const std::vector<double> center = centers(x, {1});
  EXPECT_EQ(differenceOfGradientSums(x, dy, {1}, center, {}, beside.sums), "");
  const GradientCoefficients made = coefficientsOf(0, 64, beside.sums, center);
  EXPECT_EQ(differenceOfGradientMap(x, dy, {1}, made, DType::F32, {}, beside.dx), "");
  EXPECT_EQ(beside.ranges, 64);
}

TEST_F(EngineBlockedGradient, ChannelsLast) {
  expectBlocks(expectContract(DType::F32, {3, 7, 7, 5'001}, {3}));
  expectBlocks(expectContract(DType::BF16, {150, 9'001}, {1}, Place::OverDy));
}

TEST_F(EngineBlockedGradient, Rows) {
  expectBlocks(expectContract(DType::F32, {6'301, 49}, {0}));
  expectBlocks(expectContract(DType::F32, {130, 15, 196}, {0, 1}, Place::OverX));
}

TEST_F(EngineBlockedGradient, OneBlockWhereItIsSmall) {
  EXPECT_EQ(expectContract(DType::F32, {200, 13}, {1}), 1);
  EXPECT_EQ(expectContract(DType::F32, {3, 5, 7}, {1}), 1);
  EXPECT_EQ(expectContract(DType::F32, {1, 1}, {1}), 1);
  // More elements than a block has, in runs that are too short to cut.
  EXPECT_EQ(expectContract(DType::F32, {10'000, 30}, {1}), 1);
}

TEST_F(EngineBlockedGradient, WholeWhereItCannotBeCut) {
  // Two groups of kept axes, none, and kept indices in another order than the caller's.
  EXPECT_EQ(expectContract(DType::F32, {40, 30, 5, 20}, {1, 3}), 1);
  EXPECT_EQ(expectContract(DType::F32, {50'000}, {}), 1);
  const Array memory = dataOf(DType::F32, {10, 40, 300}), other = dataOf(DType::F32, {10, 40, 300});
  const Dims shape{10, 300, 40}, strides{12'000, 1, 300};
  EXPECT_EQ(expectContract(Tensor(memory.view().data, DType::F32, shape, strides),
                           Tensor(other.view().data, DType::F32, shape, strides), {1, 2}),
            1);
  // A run of kept indices that is worth reading does not fit.
  EXPECT_EQ(expectContract(DType::F32, {710'000, 3}, {1}), 1);
}

TEST_F(EngineBlockedGradient, MaskAndWeights) {
  Random random(22);
  const Dims shape{31, 67, 16, 17};
  const Array mask = arrayOf(DType::Bool, {31}, [](int64_t i) { return i % 5 != 0; });
  const Array weights = arrayOf(DType::F32, {31, 67, 1, 17}, [&](int64_t i) {
    return i % 11 == 0 ? 0 : random.between(0.1, 3);
  });
  Array x = dataOf(DType::F32, shape);
  // What the mask leaves out.
  x.as<float>()[1'000] = std::numeric_limits<float>::quiet_NaN();
  expectBlocks(expectContract(x, dataOf(DType::F32, shape, 22), {1}, Place::Apart,
                              {.mask = mask.view(), .weights = weights.view()}));
}

//===----------------------------------------------------------------------===//
// Nothing, and errors
//===----------------------------------------------------------------------===//

TEST_F(EngineBlockedGradient, NothingHasSumsOfZero) {
  const std::shared_ptr<Engine> engine = engineWithCaches({.threads = 2});
  const Tensor nothing(nullptr, DType::F32, {0, 3}), none(nullptr, DType::F32, {3, 0});
  const Outcome run = callOn(*engine, nothing, nothing, {1}, {}, DType::F32, Place::Apart);
  EXPECT_EQ(run.problem, "");
  EXPECT_EQ(run.asked, std::vector<int>(3, 1)) << "coefficients of no data are made, too";
  EXPECT_EQ(run.sums.sum, std::vector<double>(3, 0));
  EXPECT_EQ(run.sums.dot, std::vector<double>(3, 0));
  EXPECT_EQ(callOn(*engine, none, none, {1}, {}, DType::F32, Place::Apart).ranges, 0);
}

TEST_F(EngineBlockedGradient, ErrorsAreNamed) {
  const std::shared_ptr<Engine> engine = engineWithCaches({.threads = 2});
  const Array x = dataOf(DType::F32, {2, 3}), dx = dataOf(DType::F32, {2, 3});
  int calls = 0;
  const auto error = [&](const Tensor &dy, const Tensor &to, size_t values = 3,
                         const MomentsOptions &options = {}) {
    const std::vector<double> center(values, 1);
    const auto make = [&](int64_t begin, int64_t end, const GradientSums &sums) {
      ++calls;
      return coefficientsOf(begin, end, sums, center);
    };
    return messageOf(
        engine->gradientSumsThenMap(x, dy, Dims{1}, center, options, make, DType::F32, to));
  };
  EXPECT_EQ(error(Tensor(x.view().data, DType::I32, {2, 3}), dx),
            "dy: dtype i32, expected f32, f64, f16 or bf16");
  EXPECT_EQ(error(x, dx, 2), "center: 2 values, expected 3 for kept extents (3,)");
  EXPECT_THAT(error(x, Tensor(x.view().data, DType::F16, {2, 3})), StartsWith("dx: overlaps x"));
  const Array weights = arrayOf(DType::F32, {2}, [](int64_t) { return -1; });
  EXPECT_THAT(error(x, dx, 3, {.weights = weights.view()}), StartsWith("weights: value -1"));
  EXPECT_EQ(calls, 0) << "nothing is summed before everything is checked";

  const auto wrong = [](int64_t, int64_t, const GradientSums &) {
    return GradientCoefficients{{2}, {1, 2}, {1, 2}, {1, 2}, {1, 2}};
  };
  const std::vector<double> before = valuesOf(dx);
  EXPECT_EQ(messageOf(engine->gradientSumsThenMap(x, x, Dims{1}, std::vector<double>(3), {}, wrong,
                                                  DType::F32, dx)),
            "kept indices [0, 3): center: 2 values, expected 3 for kept extents (3,)");
  EXPECT_EQ(valuesOf(dx), before);
  // Among many blocks, that of the first is told; so it is without blocks.
  for (const Dims &shape : {Dims{31, 67, 16, 17}, Dims{710'000, 3}}) {
    const Array large = dataOf(DType::F32, shape);
    EXPECT_THAT(messageOf(engine->gradientSumsThenMap(large, large, Dims{1},
                                                      std::vector<double>(size_t(shape[1])), {},
                                                      wrong, DType::F32, large)),
                HasSubstr("center: 2 values, expected "));
  }
}

} // namespace
