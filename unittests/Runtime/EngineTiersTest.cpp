//===- EngineTiersTest.cpp - Quick code first, the best code behind it ----===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// That both tiers give the same bits is shown on random calls by the differential
// tests. To see an engine between the tiers, its background is held up where it
// complains of a damaged entry.
//
//===----------------------------------------------------------------------===//

#include "CacheTest.h"

#include "norma/Runtime/Engine.h"
#include "norma/Runtime/KernelCache.h"

#include <latch>
#include <thread>

namespace norma::test {
namespace {

class EngineTiersTest : public CacheTest {
protected:
  std::shared_ptr<Engine> engineOf(CompilePolicy policy, EngineOptions options = {}) {
    if (!options.cacheDirectory)
      options.cacheDirectory = directory();
    options.compilePolicy = policy;
    options.threads = 1;
    if (!options.log)
      options.log = log();
    Expected<std::shared_ptr<Engine>> engine = Engine::create(options);
    EXPECT_TRUE(io::test::succeeded(engine));
    return engine ? *engine : nullptr;
  }

  /// A tiered engine whose background waits for `released` before its first kernel,
  /// that of 13 features.
  std::shared_ptr<Engine> heldEngine() {
    {
      const std::shared_ptr<Engine> engine = engineOf(CompilePolicy::Optimized);
      moments(*engine, 13);
      const std::string file = fileOf(engine->kernels().at(0).key);
      std::string bytes = slurp(file);
      bytes.back() ^= 1;
      spill(file, bytes);
    }
    const std::thread::id caller = std::this_thread::get_id();
    return engineOf(CompilePolicy::Tiered, {.log = [this, caller](std::string_view) {
                      if (std::this_thread::get_id() != caller)
                        released.wait();
                    }});
  }

  static std::vector<double> moments(Engine &engine, int64_t features) {
    std::vector<float> data(size_t(100 * features));
    for (size_t i = 0; i < data.size(); ++i)
      data[i] = 1 / float(i + 1);
    Expected<Statistics> result =
        engine.moments(Tensor(data.data(), DType::F32, {100, features}), Dims{1});
    EXPECT_TRUE(io::test::succeeded(result));
    std::vector<double> bits;
    if (result)
      for (const auto &values : {result->count, result->mean, result->m2})
        bits.insert(bits.end(), values.begin(), values.end());
    return bits;
  }

  std::string storedObject(const std::string &key) const {
    Expected<CacheEntry> entry = decodeCacheEntry(slurp(fileOf(key)));
    EXPECT_TRUE(io::test::succeeded(entry));
    return entry ? entry->object : "";
  }

  std::latch released{1};
};

TEST_F(EngineTiersTest, QuickCodeRunsUntilTheBestIsThere) {
  const std::shared_ptr<Engine> best =
      engineOf(CompilePolicy::Optimized, {.cacheDirectory = in("best")});
  const std::vector<double> expected = moments(*best, 13);
  const KernelInfo wanted = best->kernels().at(0);
  EXPECT_EQ(wanted.tier, KernelTier::Optimized);
  EXPECT_EQ(best->stats().quickCompiles, 0u);

  const std::shared_ptr<Engine> engine = heldEngine();
  EXPECT_EQ(moments(*engine, 13), expected);
  EXPECT_EQ(moments(*engine, 13), expected);
  EngineStats stats = engine->stats();
  EXPECT_EQ(stats.misses, 1u);
  EXPECT_EQ(stats.memoryHits, 1u);
  EXPECT_EQ(stats.compiles, 1u);
  EXPECT_EQ(stats.quickCompiles, 1u);
  EXPECT_EQ(stats.swaps, 0u);
  KernelInfo info = engine->kernels().at(0);
  EXPECT_EQ(info.tier, KernelTier::Quick);
  EXPECT_EQ(info.schedule, wanted.schedule);
  EXPECT_EQ(info.key, wanted.key);
  // Kernels do not wait for the background.
  moments(*engine, 5);
  EXPECT_EQ(engine->kernels().at(1).tier, KernelTier::Quick);

  released.count_down();
  engine->finishCompiling();
  EXPECT_EQ(moments(*engine, 13), expected);
  stats = engine->stats();
  EXPECT_EQ(stats.compiles, 4u);
  EXPECT_EQ(stats.quickCompiles, 2u);
  EXPECT_EQ(stats.swaps, 2u);
  EXPECT_EQ(stats.failures, 0u);
  info = engine->kernels().at(0);
  EXPECT_EQ(info.tier, KernelTier::Optimized);
  EXPECT_EQ(info.source, KernelSource::Compiler);
  EXPECT_EQ(info.calls, 3u);
  // What is stored does not tell how it came about.
  EXPECT_EQ(storedObject(info.key), [&] {
    Expected<CacheEntry> entry =
        decodeCacheEntry(slurp(in("best/" + CacheDirectory::nameOf(info.key))));
    return entry ? entry->object : "";
  }());
}

TEST_F(EngineTiersTest, OnlyTheBestCodeIsStored) {
  const std::shared_ptr<Engine> engine = heldEngine();
  moments(*engine, 13);
  moments(*engine, 5);
  const std::string key = engine->kernels().at(1).key;
  EXPECT_FALSE(std::filesystem::exists(fileOf(key)));
  released.count_down();
  engine->finishCompiling();
  EXPECT_TRUE(std::filesystem::exists(fileOf(key)));

  const std::shared_ptr<Engine> later = engineOf(CompilePolicy::Tiered);
  moments(*later, 5);
  EXPECT_EQ(later->stats().compiles, 0u);
  EXPECT_EQ(later->stats().diskHits, 1u);
  EXPECT_EQ(later->kernels().at(0).tier, KernelTier::Optimized);
}

TEST_F(EngineTiersTest, WhatAnotherProcessStoredMeanwhileIsTaken) {
  const std::shared_ptr<Engine> engine = heldEngine();
  moments(*engine, 13);
  const std::vector<double> expected = moments(*engine, 5);
  const std::shared_ptr<Engine> other = engineOf(CompilePolicy::Optimized);
  EXPECT_EQ(moments(*other, 5), expected);
  released.count_down();
  engine->finishCompiling();
  const EngineStats stats = engine->stats();
  EXPECT_EQ(stats.compiles, 3u);
  EXPECT_EQ(stats.diskHits, 1u);
  EXPECT_EQ(stats.swaps, 2u);
  const KernelInfo info = engine->kernels().at(1);
  EXPECT_EQ(info.tier, KernelTier::Optimized);
  EXPECT_EQ(info.source, KernelSource::Disk);
  EXPECT_EQ(moments(*engine, 5), expected);
}

TEST_F(EngineTiersTest, AQuickCompileWaitsForNoOtherProcess) {
  const std::shared_ptr<Engine> elsewhere =
      engineOf(CompilePolicy::Optimized, {.cacheDirectory = in("elsewhere")});
  const std::vector<double> expected = moments(*elsewhere, 13);
  Expected<CacheDirectory> other = CacheDirectory::open(directory(), /*create=*/true);
  ASSERT_TRUE(io::test::succeeded(other));
  // Held all the time.
  const io::Descriptor turn = other->lock(elsewhere->kernels().at(0).key, 0);
  ASSERT_GE(turn.get(), 0);
  std::shared_ptr<Engine> engine = engineOf(CompilePolicy::Tiered);
  EXPECT_EQ(moments(*engine, 13), expected);
  EXPECT_EQ(engine->stats().quickCompiles, 1u);
  engine.reset();
}

TEST_F(EngineTiersTest, WaitingForATurnCanBeStopped) {
  Expected<CacheDirectory> mine = CacheDirectory::open(directory(), /*create=*/true);
  ASSERT_TRUE(io::test::succeeded(mine));
  const io::Descriptor turn = mine->lock("key", 0);
  ASSERT_GE(turn.get(), 0);
  constexpr int kForever = 1'000'000'000;
  std::stop_source source;
  std::thread thread([&] { EXPECT_LT(mine->lock("key", kForever, source.get_token()).get(), 0); });
  source.request_stop();
  thread.join();
}

TEST_F(EngineTiersTest, TheEndGivesUpOnWhatWasNotBegun) {
  std::shared_ptr<Engine> engine = heldEngine();
  moments(*engine, 13);
  std::vector<float> data(26);
  Expected<Kernel> handle =
      engine->momentsKernel(Tensor(data.data(), DType::F32, {13, 2}), Dims{1});
  ASSERT_TRUE(io::test::succeeded(handle));
  std::thread thread([&] { released.count_down(); });
  engine.reset();
  thread.join();
  // The handle keeps whatever code there was.
  EXPECT_EQ(handle->info().axisForm, "RK");
}

TEST_F(EngineTiersTest, KernelsThatMemoryForgotAreStoredAllTheSame) {
  const std::shared_ptr<Engine> engine = engineOf(CompilePolicy::Tiered, {.cachedKernels = 1});
  for (int64_t features : {3, 5, 13})
    moments(*engine, features);
  engine->finishCompiling();
  EXPECT_EQ(engine->kernels().size(), 1u);
  EXPECT_EQ(engine->stats().swaps, 3u);
  EXPECT_EQ(listKernelCache(directory())->size(), 3u);
}

TEST_F(EngineTiersTest, ManyThreadsCompileOnceInEachTier) {
  constexpr int kThreads = 16, kCalls = 200;
  const std::vector<double> expected = moments(*engineOf(CompilePolicy::Optimized), 13);
  const std::shared_ptr<Engine> engine = engineOf(CompilePolicy::Tiered, {.cacheDirectory = "off"});
  std::latch start(kThreads);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&] {
      start.arrive_and_wait();
      // Before, during and after the swap.
      for (int call = 0; call < kCalls; ++call)
        wrong += moments(*engine, 13) != expected;
    });
  for (std::thread &thread : threads)
    thread.join();
  engine->finishCompiling();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(engine->stats().compiles, 2u);
  EXPECT_EQ(engine->stats().swaps, 1u);
  EXPECT_EQ(engine->kernels().at(0).calls, uint64_t(kThreads * kCalls));
}

TEST_F(EngineTiersTest, NothingIsLeftToFinish) {
  const std::shared_ptr<Engine> engine = engineOf(CompilePolicy::Optimized);
  moments(*engine, 13);
  engine->finishCompiling();
  EXPECT_EQ(engine->stats().swaps, 0u);
  engineOf(CompilePolicy::Tiered)->finishCompiling();
}

} // namespace
} // namespace norma::test
