//===- EngineTest.cpp - Kernels, threads, batches, processors -------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineTest.h"

#include <cmath>
#include <limits>
#include <thread>

using namespace norma;
using namespace norma::test;

namespace {

//===----------------------------------------------------------------------===//
// Small and empty tensors
//===----------------------------------------------------------------------===//

TEST_F(EngineTest, NothingHasStatisticsOfZero) {
  const Array rows = arrayOf(DType::F32, {0, 3}, {});
  const Statistics s = moments(rows, {1});
  EXPECT_EQ(s.shape, Dims{3});
  EXPECT_EQ(s.count, std::vector<double>(3, 0));
  EXPECT_EQ(s.mean, std::vector<double>(3, 0));
  EXPECT_EQ(s.m2, std::vector<double>(3, 0));
  EXPECT_EQ(moments(rows, {}).count, std::vector<double>{0});
  EXPECT_TRUE(moments(rows, {0}).count.empty());
  EXPECT_TRUE(moments(rows, {0, 1}).count.empty());
  ASSERT_TRUE(shared()->affine(rows, Dims{1}, {{3}, {1, 2, 3}, {}, {}}, DType::F32, rows));
  // Without elements the data may be null.
  ASSERT_TRUE(shared()->moments(Tensor(nullptr, DType::I8, {4, 0}), Dims{0}));
}

TEST_F(EngineTest, OneElement) {
  for (const Dims &shape : {Dims{}, Dims{1}, Dims{1, 1, 1}})
    for (DType dtype : kAllDTypes) {
      const Array x = arrayOf(dtype, shape, [](int64_t) { return 1; });
      Dims all;
      for (int axis = 0; axis < shape.size(); ++axis)
        all.push_back(axis);
      for (const Dims &kept : {Dims{}, all}) {
        const Statistics s = moments(x, kept);
        EXPECT_EQ(s.count, std::vector<double>{1});
        EXPECT_EQ(s.mean, std::vector<double>{1});
        EXPECT_EQ(s.m2, std::vector<double>{0});
        Expected<Array> y = Array::create(DType::F64, shape);
        ASSERT_TRUE(y);
        Coefficients coefficients{{}, {0.5}, {4}, {1}};
        for (int64_t axis : kept)
          coefficients.shape.push_back(shape[int(axis)]);
        ASSERT_TRUE(shared()->affine(x, kept, coefficients, DType::F32, *y));
        EXPECT_EQ(valuesOf(*y), std::vector<double>{3});
      }
    }
}

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

TEST_F(EngineTest, KernelsCanBeCompiledBeforeTheirFirstCall) {
  std::shared_ptr<Engine> engine = engineWith({});
  const Array x = arrayOf(DType::F32, {4, 3}, [](int64_t i) { return double(i); });
  const Array y = arrayOf(DType::F32, {4, 3}, [](int64_t) { return -1.0; });
  const Coefficients coefficients{{3}, {1, 2, 3}, {}, {}};
  Expected<Kernel> reduce = engine->momentsKernel(x, Dims{1});
  Expected<Kernel> map = engine->affineKernel(x, Dims{1}, coefficients, DType::F32, y);
  ASSERT_TRUE(reduce);
  ASSERT_TRUE(map);
  EXPECT_EQ(reduce->info().family, "moments");
  EXPECT_EQ(map->info().family, "affine");
  EXPECT_EQ(map->info().axisForm, "RK");
  EXPECT_EQ(map->info().calls, 0u);
  EXPECT_EQ(y.as<float>()[0], -1) << "nothing was run";

  // The calls find the kernels, and the handles see the calls.
  ASSERT_TRUE(engine->affine(x, Dims{1}, coefficients, DType::F32, y));
  ASSERT_TRUE(engine->moments(x, Dims{1}));
  EXPECT_EQ(engine->kernels().size(), 2u);
  EXPECT_EQ(map->info().calls, 1u);
  EXPECT_EQ(reduce->info().calls, 1u);

  const Tensor nothing(nullptr, DType::F32, {0, 3});
  Expected<Kernel> none = engine->momentsKernel(nothing, Dims{1});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message(),
            "x: shape (0, 3) has no elements, expected some to compile for");
  Expected<Kernel> bad = engine->affineKernel(x, Dims{2}, coefficients, DType::F32, y);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message(), "kept: 2 is out of range, expected axes in [0, 2)");

  // A handle outlives its engine.
  engine.reset();
  EXPECT_EQ(map->info().axisForm, "RK");
}

TEST_F(EngineTest, SameBitsForEveryNumberOfThreads) {
  struct Case {
    DType dtype;
    Dims shape, kept;
  };
  const std::shared_ptr<Engine> engines[] = {engineWith({.threads = 1}), engineWith({.threads = 2}),
                                             engineWith({.threads = 7})};
  EXPECT_EQ(engines[2]->threads(), 7);
  for (const Case &each :
       {Case{DType::F32, {300'000, 13}, {1}}, Case{DType::F32, {3'000'000}, {}},
        Case{DType::F32, {600, 16, 500}, {1}}, Case{DType::F32, {7, 400'000}, {0}},
        Case{DType::F64, {2'000, 8, 70}, {1}}, Case{DType::F16, {300'000, 17}, {1}},
        Case{DType::BF16, {1'000, 64, 49}, {1}}, Case{DType::U8, {1'000'000, 3}, {1}},
        Case{DType::I32, {300, 5, 7, 200}, {1, 3}},
        // One block by its schedule, and two for the sake of threads.
        Case{DType::F32, {3'137, 64}, {1}}, Case{DType::F32, {67, 3'136}, {0}}}) {
    Random random(12);
    const Array x =
        arrayOf(each.dtype, each.shape, [&](int64_t) { return 5 + 50 * random.normal(); });
    const Array mask =
        arrayOf(DType::U8, {each.shape[0]}, [&](int64_t) { return random.below(4); });
    const Statistics first = *engines[0]->moments(x, each.kept);
    EXPECT_EQ(differenceOfMoments(x, each.kept, {}, first), "");
    const MomentsOptions masked = {.mask = mask.view()};
    const Statistics firstMasked = *engines[0]->moments(x, each.kept, masked);
    Coefficients coefficients{first.shape, first.mean, first.mean, {}};
    Expected<Array> y = Array::create(DType::F32, each.shape),
                    z = Array::create(DType::F32, each.shape);
    ASSERT_TRUE(y && z);
    ASSERT_TRUE(engines[0]->affine(x, each.kept, coefficients, DType::F32, *y));
    for (const std::shared_ptr<Engine> &engine : engines)
      for (int repeat = 0; repeat < 2; ++repeat) {
        EXPECT_TRUE(haveSameBits(*engine->moments(x, each.kept), first))
            << toString(each.dtype) << " " << toString(each.shape) << " threads "
            << engine->threads();
        EXPECT_TRUE(haveSameBits(*engine->moments(x, each.kept, masked), firstMasked))
            << toString(each.dtype) << " " << toString(each.shape) << " threads "
            << engine->threads();
        ASSERT_TRUE(engine->affine(x, each.kept, coefficients, DType::F32, *z));
        EXPECT_EQ(std::memcmp(y->as<char>(), z->as<char>(), y->sizeInBytes()), 0);
      }
  }
}

TEST_F(EngineTest, EveryKernelIsCompiledOnce) {
  const std::shared_ptr<Engine> engine = engineWith({.threads = 2});
  const Array x = arrayOf(DType::F32, {100, 13}, [](int64_t i) { return double(i); });
  const Statistics expected = moments(x, {1});
  std::vector<Statistics> results(8);
  std::vector<std::thread> threads;
  for (Statistics &result : results)
    threads.emplace_back([&] { result = *engine->moments(x, Dims{1}); });
  for (std::thread &thread : threads)
    thread.join();
  for (const Statistics &result : results)
    EXPECT_TRUE(haveSameBits(result, expected));
  ASSERT_EQ(engine->kernels().size(), 1u);
  EXPECT_EQ(engine->kernels()[0].calls, 8u);
}

TEST_F(EngineTest, KernelsSayWhatTheyAre) {
  const std::shared_ptr<Engine> engine = engineWith({.threads = 1});
  EXPECT_FALSE(engine->targetCpu().empty());
  EXPECT_TRUE(engine->kernels().empty());
  // Every number of rows takes the same kernel.
  for (int64_t rows : {3, 100, 5'000})
    ASSERT_TRUE(
        engine->moments(arrayOf(DType::F32, {rows, 2, 13}, [](int64_t) { return 1; }), Dims{2}));
  const Array y = arrayOf(DType::F64, {4, 5, 6}, [](int64_t) { return 1; });
  ASSERT_TRUE(engine->affine(y, Dims{1}, {{5}, {}, {1, 2, 3, 4, 5}, {}}, DType::F64, y));

  const std::vector<KernelInfo> kernels = engine->kernels();
  ASSERT_EQ(kernels.size(), 2u);
  EXPECT_EQ(kernels[0].family, "moments");
  EXPECT_EQ(kernels[0].axisForm, "RK");
  EXPECT_EQ(kernels[0].calls, 3u);
  EXPECT_EQ(kernels[0].bytes, uint64_t(5'103) * 26 * 4);
  EXPECT_EQ(kernels[1].family, "affine");
  EXPECT_EQ(kernels[1].axisForm, "RKR");
  EXPECT_EQ(kernels[1].calls, 1u);
  EXPECT_EQ(kernels[1].bytes, 120u * 16);
  EXPECT_EQ(kernels[0].key.find("moments;RK[?x13];f32;contiguous"), 0u) << kernels[0].key;
  for (const KernelInfo &kernel : kernels) {
    EXPECT_EQ(kernel.schedule.find("#norma.schedule<"), 0u) << kernel.schedule;
    EXPECT_NE(kernel.key.find(engine->targetCpu()), std::string::npos) << kernel.key;
    EXPECT_GT(kernel.lowerMilliseconds, 0);
    EXPECT_GT(kernel.codegenMilliseconds, 0);
    EXPECT_GT(kernel.runSeconds, 0);
  }
}

//===----------------------------------------------------------------------===//
// Batches
//===----------------------------------------------------------------------===//

TEST_F(EngineTest, BatchesOfAnySizesMerge) {
  constexpr int64_t kRows = 100'000;
  Random random(13);
  const Array x = arrayOf(DType::F32, {kRows, 7}, [&](int64_t i) {
    return double(i % 7) * 1000 + (1 + double(i) / (7 * kRows)) * random.normal();
  });
  for (int64_t size : {int64_t(1'000), int64_t(33'333), kRows}) {
    std::vector<Tensor> batches;
    Statistics merged = Statistics::zeros({7});
    for (int64_t begin = 0; begin < kRows;) {
      // The first batches are small ones, of 1, 2, 4, ... rows.
      const int64_t rows = std::min({size, begin + 1, kRows - begin});
      batches.push_back(x.view().rows(begin, begin + rows));
      ASSERT_TRUE(mergeStatistics(merged, moments(batches.back(), {1})));
      begin += rows;
    }
    EXPECT_EQ(differenceOfMoments(x, {1}, {}, merged), "") << size;
    Expected<Statistics> together = shared()->moments(std::span<const Tensor>(batches), Dims{1});
    ASSERT_TRUE(together) << together.error().message();
    EXPECT_EQ(differenceOfMoments(x, {1}, {}, *together), "") << size;
  }
}

//===----------------------------------------------------------------------===//
// Processors
//===----------------------------------------------------------------------===//

/// Numbers at, between and next to the numbers of a 16-bit type.
std::vector<double> criticalNumbers(DType narrow) {
  std::vector<double> values;
  for (uint32_t bits = 0; bits < 65'536; ++bits) {
    const auto pattern = uint16_t(bits), next = uint16_t(bits + 1);
    const double value = loadAsDouble(&pattern, narrow), above = loadAsDouble(&next, narrow);
    values.push_back(value);
    if (!std::isfinite(value) || !std::isfinite(above))
      continue;
    const auto middle = float((value + above) / 2);
    for (float near : {middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 2 * middle)})
      values.push_back(near);
  }
  return values;
}

using EngineTargets = EngineForCpu;

INSTANTIATE_TEST_SUITE_P(Cpus, EngineTargets,
                         ::testing::Values("", "x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"),
                         nameOfCpu);

TEST_P(EngineTargets, ConversionsAreExact) {
  for (DType narrow : {DType::F16, DType::BF16})
    for (DType wide : {DType::F32, DType::F64}) {
      const std::vector<double> numbers = criticalNumbers(narrow);
      const auto size = int64_t(numbers.size());
      const Array x = arrayOf(wide, {size}, [&](int64_t i) { return numbers[size_t(i)]; });
      const Array expected = arrayOf(narrow, {size}, [&](int64_t i) { return numbers[size_t(i)]; });
      Expected<Array> y = Array::create(narrow, {size}), back = Array::create(wide, {size});
      ASSERT_TRUE(y && back);
      // Dense, and one element at a time.
      for (int64_t step : {1, 2}) {
        const Dims shape{size / step}, strides{step};
        const Tensor from(x.view().data, wide, shape, strides),
            to(y->view().data, narrow, shape, strides);
        const Tensor again(back->view().data, wide, shape, strides);
        Expected<void> done = engine->affine(from, {}, {}, wide, to);
        ASSERT_TRUE(done) << done.error().message();
        done = engine->affine(to, {}, {}, wide, again);
        ASSERT_TRUE(done) << done.error().message();
        int failures = 0;
        for (int64_t i = 0; i < size && failures < 5; i += step) {
          uint16_t bits = y->as<uint16_t>()[i], want = expected.as<uint16_t>()[i];
          const double value = loadAsDouble(&want, narrow);
          const double widened = loadAsDouble(back->as<char>() + i * int64_t(sizeOf(wide)), wide);
          const bool same = std::isnan(value)
                                ? std::isnan(loadAsDouble(&bits, narrow)) && std::isnan(widened)
                                : bits == want && widened == value;
          failures += !same;
          EXPECT_TRUE(same) << numbers[size_t(i)] << " from " << toString(wide) << " to "
                            << toString(narrow) << ", step " << step << ": " << std::hex << bits
                            << ", expected " << want << ", widened again " << widened;
        }
      }
    }
}

TEST_P(EngineTargets, F64GoesThroughF32) {
  // Just above a tie of f16, and of bf16, by less than f32 can tell.
  for (const auto &[narrow, tie] :
       {std::pair(DType::F16, 0x1p-11), std::pair(DType::BF16, 0x1p-8)}) {
    const Array x = arrayOf(DType::F64, {100}, [tie = tie](int64_t) { return 1 + tie + 0x1p-40; });
    Expected<Array> y = Array::create(narrow, {100});
    ASSERT_TRUE(y);
    ASSERT_TRUE(engine->affine(x, {}, {}, DType::F64, *y));
    EXPECT_EQ(valuesOf(*y), std::vector<double>(100, 1)) << toString(narrow);
  }
}

TEST_P(EngineTargets, KernelsKeepTheContract) {
  for (DType dtype : kAllDTypes) {
    Random random(14);
    const Array x = arrayOf(dtype, {600, 13}, [&](int64_t) { return 60 + 20 * random.normal(); });
    for (const Dims &kept : {Dims{1}, Dims{0}, Dims{}}) {
      Expected<Statistics> s = engine->moments(x, kept);
      ASSERT_TRUE(s) << s.error().message();
      EXPECT_EQ(differenceOfMoments(x, kept, {}, *s), "") << toString(dtype);
      Coefficients coefficients{s->shape, s->mean, s->mean, s->mean};
      for (DType out : {DType::F32, DType::F16, DType::BF16}) {
        Expected<Array> y = Array::create(out, x.view().shape);
        ASSERT_TRUE(y);
        Expected<void> done = engine->affine(x, kept, coefficients, DType::F32, *y);
        ASSERT_TRUE(done) << done.error().message();
        EXPECT_EQ(differenceOfAffine(x, kept, coefficients, DType::F32, *y), "")
            << toString(dtype) << " to " << toString(out);
      }
    }
  }
}

} // namespace
