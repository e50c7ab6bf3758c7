//===- EngineStreamingTest.cpp - Data that no cache holds -----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Large results go past the caches where they are aligned. The same map to an address
// that is not goes through them, and differential tests hold that one to the reference:
// here, both must give the same bits, and touch nothing else. Reductions ask for memory in
// advance, of which the result tells nothing.
//
//===----------------------------------------------------------------------===//

#include "EngineWithCaches.h"

#include "norma/Reference/Reference.h"
#include "norma/Support/AxisForm.h"

#include <cstring>
#include <fmt/format.h>
#include <gmock/gmock.h>

using namespace norma;
using namespace norma::test;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

struct Map {
  Dims shape, kept;
  DType in = DType::F32, out = DType::F32;
};

class EngineStreaming : public EngineTest {
protected:
  static Coefficients coefficientsFor(const Map &map) {
    Coefficients result{keptShape(map.shape, map.kept), {}, {}, {}};
    int64_t size = 1;
    for (int64_t extent : result.shape)
      size *= extent;
    for (int64_t i = 0; i < size; ++i) {
      result.center.push_back(double(i % 89) / 8);
      result.scale.push_back(0.5 + double(i % 13) / 64);
      result.shift.push_back(double(i % 31) - 15);
    }
    return result;
  }

  /// Bytes that no map writes.
  static constexpr char kUntouched = 0x5a;

  /// Maps to the address `offset` bytes into a vector, and returns what was written.
  static std::vector<char> run(Engine &engine, const Map &map, const Tensor &x, int64_t offset) {
    constexpr int64_t kRoom = 128;
    const int64_t bytes = x.size() * int64_t(sizeOf(map.out));
    const Array memory = *Array::create(DType::U8, {bytes + 2 * kRoom});
    std::memset(memory.as<char>(), kUntouched, memory.sizeInBytes());
    char *const begin = memory.as<char>() + kRoom + offset;
    const Expected<void> done = engine.affine(x, map.kept, coefficientsFor(map), DType::F32,
                                              Tensor(begin, map.out, map.shape));
    EXPECT_TRUE(done) << done.error().message();
    const auto isUntouched = [](const char *from, const char *to) {
      return std::all_of(from, to, [](char byte) { return byte == kUntouched; });
    };
    EXPECT_TRUE(isUntouched(memory.as<char>(), begin));
    EXPECT_TRUE(isUntouched(begin + bytes, memory.as<char>() + memory.sizeInBytes()));
    return {begin, begin + bytes};
  }

  static void expectSameBits(const Map &map) {
    const Array x = arrayOf(map.in, map.shape, [](int64_t i) { return double(i % 251); });
    const std::shared_ptr<Engine> one = engineWithCaches({.threads = 1}),
                                  two = engineWithCaches({.threads = 2});
    const std::vector<char> through = run(*one, map, x, int64_t(sizeOf(map.out)));
    const std::vector<char> past = run(*one, map, x, 0), shared = run(*two, map, x, 0);
    const std::string what =
        fmt::format("{}, {} to {}", toString(map.shape), toString(map.in), toString(map.out));
    EXPECT_EQ(std::memcmp(past.data(), through.data(), through.size()), 0) << what;
    EXPECT_EQ(std::memcmp(shared.data(), through.data(), through.size()), 0) << what;
    ASSERT_EQ(one->kernels().size(), 2u) << what;
    EXPECT_THAT(one->kernels()[0].key, Not(HasSubstr("streaming")));
    EXPECT_THAT(one->kernels()[1].key, HasSubstr("streaming"));
  }
};

/// Elements that no machine's second level holds twice.
constexpr int64_t kLarge = int64_t(1) << 21;

TEST_F(EngineStreaming, RowsOfAnyLength) {
  for (const int64_t features : {3, 13, 64, 1000, 1024, 4097})
    expectSameBits({{kLarge / features + 5, features}, {1}});
}

TEST_F(EngineStreaming, RunsOfAnyLength) {
  for (const int64_t pixels : {1, 49, 196, 1000, 3136})
    expectSameBits({{kLarge / (64 * pixels) + 5, 64, pixels}, {1}});
  // Rows by parts, four abreast and what is left; and whole, as no part of them is whole vectors.
  expectSameBits({{91, 512, 49}, {1}});
  expectSameBits({{91, 500, 49}, {1}});
  expectSameBits({{2101, 999}, {0}});
}

TEST_F(EngineStreaming, NoAndOnlyKeptAxes) {
  expectSameBits({{kLarge + 3}, {}});
  expectSameBits({{kLarge + 3}, {0}});
}

TEST_F(EngineStreaming, Types) {
  for (const auto &[in, out] : {std::pair(DType::F16, DType::F16),
                                {DType::BF16, DType::BF16},
                                {DType::U8, DType::BF16},
                                {DType::U8, DType::F32},
                                {DType::F32, DType::BF16},
                                {DType::F32, DType::F64}})
    for (const Map &map :
         {Map{{2 * kLarge / 13, 13}, {1}, in, out}, Map{{2 * kLarge / 4097, 4097}, {1}, in, out},
          Map{{171, 512, 49}, {1}, in, out}})
      expectSameBits(map);
}

TEST_F(EngineStreaming, SmallResultsAndThoseInPlaceStayInTheCaches) {
  const std::shared_ptr<Engine> engine = engineWithCaches({.threads = 1});
  const Map small{{100, 13}, {1}}, large{{kLarge / 13, 13}, {1}};
  const Array x = arrayOf(DType::F32, small.shape, [](int64_t i) { return double(i); });
  run(*engine, small, x, 0);
  const Array all = arrayOf(DType::F32, large.shape, [](int64_t i) { return double(i % 7); });
  ASSERT_TRUE(engine->affine(all, large.kept, coefficientsFor(large), DType::F32, all));
  for (const KernelInfo &kernel : engine->kernels())
    EXPECT_THAT(kernel.key, Not(HasSubstr("streaming")));
}

TEST_F(EngineStreaming, ReductionsOfLargeDataAskInAdvance) {
  // More than three eighths of the last level, as bytes count as f32; and a last group that asks
  // for what is not there.
  const Dims shape{kLastLevel / 32 * 3 / 64 + 77, 64}, kept{1};
  const Array x = arrayOf(DType::U8, shape, [](int64_t i) { return double(i % 251); });
  const std::shared_ptr<Engine> engine = engineWithCaches({.threads = 2});
  Expected<Statistics> all = engine->moments(x, kept);
  ASSERT_TRUE(all) << all.error().message();

  // The same in parts that caches hold.
  Statistics merged = Statistics::zeros({64});
  const int64_t rows = int64_t(1) << 14;
  for (int64_t begin = 0; begin < shape[0]; begin += rows) {
    const Tensor part(x.as<char>() + begin * 64, DType::U8,
                      {std::min(rows, shape[0] - begin), shape[1]});
    Expected<Statistics> statistics = engine->moments(part, kept);
    ASSERT_TRUE(statistics) << statistics.error().message();
    ASSERT_TRUE(mergeStatistics(merged, *statistics));
  }
  EXPECT_EQ(all->count, merged.count);
  for (int k = 0; k < 64; ++k) {
    EXPECT_NEAR(all->mean[k], merged.mean[k], 1e-9) << k;
    EXPECT_NEAR(all->m2[k] / merged.m2[k], 1, 1e-12) << k;
  }
  // Of less, but more than a quarter, the cache has too much.
  const Tensor less(x.as<char>(), DType::U8, {shape[0] / 6 * 5, shape[1]});
  ASSERT_TRUE(engine->moments(less, kept));
  ASSERT_EQ(engine->kernels().size(), 3u);
  EXPECT_THAT(engine->kernels()[0].key, HasSubstr(";ahead;streaming"));
  EXPECT_THAT(engine->kernels()[0].schedule, HasSubstr("prefetch = 2048"));
  EXPECT_THAT(engine->kernels()[1].key, Not(HasSubstr("streaming")));
  EXPECT_THAT(engine->kernels()[2].key, AllOf(HasSubstr(";streaming"), Not(HasSubstr("ahead"))));
  EXPECT_THAT(engine->kernels()[2].schedule, Not(HasSubstr("prefetch")));
}

TEST_F(EngineStreaming, ReductionsOfDataInMemoryHaveManyStreams) {
  // More than a quarter of the last level, as bytes count as f32; lines that are left over, and
  // runs of the last kept indices that are fewer than go side by side.
  struct Reduction {
    Dims shape, kept;
    DType dtype;
    const char *schedule;
  };
  const int64_t elements = kLastLevel / 16;
  for (const auto &[shape, kept, dtype, schedule] : {
           Reduction{{elements / 13 + 5, 13}, {1}, DType::F32, "<flat, "},
           Reduction{{elements / 256 + 5, 256}, {1}, DType::BF16, "<flat, "},
           Reduction{{elements + 3}, {}, DType::F32, "<flat, "},
           Reduction{{elements / 500 / 4 * 4 + 5, 500}, {0}, DType::F32, "streams = "},
           Reduction{{elements / 15705 + 5, 5, 3141}, {1}, DType::F16, "streams = "},
       }) {
    SCOPED_TRACE(toString(shape));
    const Array x = arrayOf(dtype, shape, [](int64_t i) { return double(i * 37 % 251) / 4 - 9; });
    const std::shared_ptr<Engine> one = engineWithCaches({.threads = 1});
    Expected<Statistics> all = one->moments(x, kept);
    ASSERT_TRUE(all) << all.error().message();
    // The second levels of so many cores hold all of it together.
    for (int threads : {2, 64}) {
      Expected<Statistics> again = engineWithCaches({.threads = threads})->moments(x, kept);
      ASSERT_TRUE(again) << again.error().message();
      EXPECT_TRUE(haveSameBits(*again, *all)) << threads;
    }
    EXPECT_THAT(one->kernels()[0].key, HasSubstr(";streaming"));
    EXPECT_THAT(one->kernels()[0].schedule, HasSubstr(schedule));
    const Expected<Statistics> expected = reference::moments(x, kept, {});
    ASSERT_TRUE(expected) << expected.error().message();
    EXPECT_EQ(all->count, expected->count);
    for (int64_t k = 0; k < all->size(); ++k) {
      const double deviation = std::sqrt(expected->variance(k));
      ASSERT_NEAR(all->mean[k], expected->mean[k], 1e-6 * deviation) << k;
      ASSERT_NEAR(all->m2[k] / expected->m2[k], 1, 1e-6) << k;
    }
  }
}

TEST_F(EngineStreaming, MapsOfDataInMemoryAskInAdvance) {
  // Data and result are more than a quarter of the last level, as bytes count as f32; the last
  // vectors ask for what is not there.
  const int64_t rows = kLastLevel / 32 / 13 + 77, few = rows / 4 * 3;
  const Dims kept{1};
  const Array x = arrayOf(DType::BF16, {rows, 13}, [](int64_t i) { return double(i % 251); });
  const Coefficients coefficients = coefficientsFor({{rows, 13}, {1}});
  const std::shared_ptr<Engine> engine = engineWithCaches({.threads = 1});
  const Array y = *Array::create(DType::BF16, {rows, 13}),
              less = *Array::create(DType::BF16, {few, 13});
  ASSERT_TRUE(engine->affine(x, kept, coefficients, DType::F32, y));
  ASSERT_TRUE(engine->affine(Tensor(x.as<char>(), DType::BF16, {few, 13}), kept, coefficients,
                             DType::F32, less));
  EXPECT_EQ(differenceOfAffine(x, kept, coefficients, DType::F32, y), "");
  EXPECT_EQ(std::memcmp(y.as<char>(), less.as<char>(), less.sizeInBytes()), 0);
  ASSERT_EQ(engine->kernels().size(), 2u);
  EXPECT_THAT(engine->kernels()[0].key, HasSubstr(";ahead;streaming;"));
  // Four lines go abreast, and ask for what is 8 KiB further in the part of each.
  EXPECT_THAT(engine->kernels()[0].schedule, HasSubstr("group = 4, line = "));
  EXPECT_THAT(engine->kernels()[0].schedule, HasSubstr("prefetch = 4096"));
  EXPECT_THAT(engine->kernels()[1].key, Not(HasSubstr("ahead")));
}

TEST_F(EngineStreaming, MapsOfDataInMemoryHaveFourStreams) {
  // As above, and lines that are left over.
  const int64_t elements = kLastLevel / 32;
  for (const int64_t features : {13, 64, 1000, 4097, 32768})
    expectSameBits({{elements / features + 5, features}, {1}});
  // Rows and runs that are left over of four parts; ends within vectors; channels that are fewer.
  expectSameBits({{elements / 4 / 4097 * 4 + 3, 4097}, {1}, DType::BF16, DType::F32});
  expectSameBits({{elements / 4 / 1001 * 4 + 3, 1001}, {0}});
  for (const int64_t channels : {1, 3, 6})
    expectSameBits({{elements / channels / 3136 + 5, channels, 3136}, {1}});
  expectSameBits({{elements / 7 / 3141 + 5, 7, 3141}, {1}, DType::F32, DType::BF16});
  expectSameBits({{elements / 7 / 3136 + 5, 7, 3136}, {1}, DType::F16, DType::F16});
  expectSameBits({{elements + 3}, {}});
  expectSameBits({{elements / 16 / 784 + 5, 16, 784}, {1}});
  expectSameBits({{elements / 32 / 49 + 5, 32, 49}, {1}, DType::BF16, DType::BF16});
  expectSameBits({{elements / 64 + 5, 64}, {1}, DType::F16, DType::F16});
}

} // namespace
