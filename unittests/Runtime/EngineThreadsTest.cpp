//===- EngineThreadsTest.cpp - Engines, kernels and layers under threads --===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a product does with several threads at once. The tests also pass on one thread
// after the other; what they are for is the thread sanitizer (scripts/test
// --preset=tsan).
//
//===----------------------------------------------------------------------===//

#include "EngineCacheTest.h"

#include "norma/Runtime/Layers/BatchNormalization.h"
#include "norma/Runtime/Layers/Normalization.h"

#include <atomic>
#include <latch>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace norma::test {
namespace {

/// y = 2 x, as a program.
constexpr const char *kTwice = R"(
func.func @twice(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %mean = arith.constant dense<0.0> : tensor<3xf64>
  %variance = arith.constant dense<0.25> : tensor<3xf64>
  %y = norma.normalize %x, %mean, %variance kept [1]
      : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>
  return %y : tensor<?x3xf32>
})";

class EngineThreadsTest : public EngineCacheTest {
protected:
  /// Runs body(i) in `count` threads that begin together.
  template <typename Body>
  static void inThreads(int count, Body body) {
    std::latch start(count);
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i)
      threads.emplace_back([&, i] {
        start.arrive_and_wait();
        body(i);
      });
    for (std::thread &thread : threads)
      thread.join();
  }

  /// An engine whose calls use several threads themselves.
  std::shared_ptr<Engine> parallelEngine(EngineOptions options = {}) {
    options.threads = 2;
    options.log = log();
    if (!options.cacheDirectory)
      options.cacheDirectory = directory();
    Expected<std::shared_ptr<Engine>> engine = Engine::create(options);
    EXPECT_TRUE(io::test::succeeded(engine));
    return engine ? *engine : nullptr;
  }

  /// The data doubled, by the map of an engine.
  static bool doubles(Engine &engine, int64_t features) {
    std::vector<float> x(size_t(50 * features), 1.5f), y(x.size());
    const Coefficients twice{Dims{features}, {}, std::vector<double>(size_t(features), 2.0), {}};
    return bool(engine.affine(Tensor(x.data(), DType::F32, {50, features}), Dims{1}, twice,
                              DType::F32, Tensor(y.data(), DType::F32, {50, features}))) &&
           y == std::vector<float>(y.size(), 3.0f);
  }

  static bool runs(const Program &program) {
    std::vector<float> x(30, 1.5f);
    const Tensor inputs[] = {Tensor(x.data(), DType::F32, {10, 3})};
    Expected<std::vector<Array>> result = program.run(inputs);
    return result && result->size() == 1 && (*result)[0].as<float>()[29] == 3.0f;
  }
};

TEST_F(EngineThreadsTest, OneKeyIsCompiledOnce) {
  constexpr int kThreads = 64;
  const std::vector<double> expected = moments(*engineOf({.cacheDirectory = "off"}));
  for (const char *cache : {"off", "cache"}) {
    const std::shared_ptr<Engine> engine =
        engineOf({.cacheDirectory = cache == std::string_view("off") ? cache : in(cache)});
    std::atomic<int> wrong{0};
    inThreads(kThreads, [&](int) { wrong += moments(*engine) != expected; });
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(engine->stats().compiles, 1u) << cache;
    EXPECT_EQ(engine->stats().misses, 1u) << cache;
    EXPECT_EQ(engine->stats().memoryHits, uint64_t(kThreads - 1)) << cache;
  }
}

TEST_F(EngineThreadsTest, OneKeyIsCompiledByOneProcess) {
  constexpr int kProcesses = 8;
  int gate[2];
  ASSERT_EQ(::pipe(gate), 0);
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    children.push_back(::fork());
    if (children.back() != 0)
      continue;
    const std::shared_ptr<Engine> engine = engineOf();
    ::close(gate[1]);
    // Until all are there.
    char byte;
    if (::read(gate[0], &byte, 1) != 0)
      ::_exit(100);
    moments(*engine);
    ::_exit(HasFailure() ? 100 : int(engine->stats().compiles));
  }
  ::close(gate[0]);
  ::close(gate[1]);
  int compiles = 0;
  for (pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    compiles += WEXITSTATUS(status);
  }
  // They wait for each other for a second at most, which a busy machine may exceed.
  EXPECT_GE(compiles, 1);
  EXPECT_LE(compiles, 2);
  EXPECT_EQ(listKernelCache(directory())->size(), 1u);
}

TEST_F(EngineThreadsTest, KernelsAreEvictedWhileOthersRunThem) {
  const std::vector<int64_t> features{3, 5, 13};
  std::vector<std::vector<double>> expected;
  for (int64_t width : features)
    expected.push_back(moments(*engineOf({.cacheDirectory = "off"}), width));
  const std::shared_ptr<Engine> engine = parallelEngine({.cachedKernels = 1});
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::thread observer([&] {
    while (!done) {
      const EngineStats stats = engine->stats();
      wrong += stats.failures != 0 || engine->kernels().size() > 1;
      for (const KernelInfo &info : engine->kernels())
        wrong += info.key.empty();
      std::this_thread::yield();
    }
  });
  inThreads(6, [&](int i) {
    for (size_t round = 0; round < 20; ++round) {
      const size_t choice = (size_t(i) + round) % features.size();
      if ((size_t(i) + round) % 2)
        wrong += !doubles(*engine, features[choice]);
      else
        wrong += moments(*engine, features[choice]) != expected[choice];
    }
  });
  done = true;
  observer.join();
  EXPECT_EQ(wrong, 0);
  // Six kernels, which all came back from the disk.
  EXPECT_EQ(engine->stats().compiles, 6u);
  EXPECT_GT(engine->stats().diskHits, 0u);
  EXPECT_TRUE(messages.empty()) << messages[0];
}

TEST_F(EngineThreadsTest, EnginesComeAndGo) {
  const std::vector<double> expected = moments(*engineOf());
  std::mutex handlesMutex;
  std::vector<Kernel> handles;
  std::vector<Program> programs;
  std::atomic<int> wrong{0};
  inThreads(4, [&](int i) {
    for (int round = 0; round < 3; ++round) {
      std::shared_ptr<Engine> engine = parallelEngine();
      wrong += moments(*engine) != expected;
      std::vector<float> data(26);
      Expected<Kernel> kernel =
          engine->momentsKernel(Tensor(data.data(), DType::F32, {2, 13}), Dims{1});
      Expected<Program> program = engine->compile(kTwice, {});
      wrong += !kernel || !program;
      if (!kernel || !program)
        return;
      engine.reset();
      // Of this engine, and of those of other threads.
      wrong += !runs(*program);
      std::lock_guard<std::mutex> lock(handlesMutex);
      handles.push_back(*kernel);
      programs.push_back(*program);
      const size_t other = size_t(i) % handles.size();
      wrong += handles[other].info().calls != 1 || !runs(programs[other]);
      if (round == 1) {
        handles.erase(handles.begin());
        programs.erase(programs.begin());
      }
    }
  });
  EXPECT_EQ(wrong, 0);
  for (const Program &program : programs)
    EXPECT_TRUE(runs(program));
}

TEST_F(EngineThreadsTest, ProgramsCompileAndRunAtOnce) {
  const std::shared_ptr<Engine> engine = parallelEngine();
  Expected<Program> shared = engine->compile(kTwice, {});
  ASSERT_TRUE(io::test::succeeded(shared));
  std::atomic<int> wrong{0};
  inThreads(6, [&](int i) {
    for (int round = 0; round < 4; ++round) {
      wrong += !runs(*shared);
      if (i % 3 == 0) {
        Expected<Program> own = engine->compile(kTwice, {.dumpStages = {"loops"}});
        wrong += !own || own->stages().size() != 1 || !runs(*own);
      } else if (i % 3 == 1) {
        wrong += bool(engine->compile("func.func @f(", {}));
      } else {
        wrong += !doubles(*engine, 3 + round);
      }
    }
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(engine->stats().failures, 8u);
}

TEST_F(EngineThreadsTest, TheLogIsToldFromEveryThread) {
  std::filesystem::create_directory(directory());
  // A directory is mentioned once.
  ASSERT_EQ(::chmod(directory().c_str(), 0777), 0);
  const std::shared_ptr<Engine> refused = parallelEngine();
  inThreads(8, [&](int i) { doubles(*refused, 3 + i); });
  expectMessage("others may write it");
  // What cannot be kept is, every time.
  ASSERT_EQ(::chmod(directory().c_str(), 0700), 0);
  const std::shared_ptr<Engine> full = parallelEngine();
  io::test::FileSizeLimit limit(1000);
  inThreads(8, [&](int i) { doubles(*full, 3 + i); });
  EXPECT_EQ(messages.size(), 8u);
}

TEST_F(EngineThreadsTest, CallsAreCutIntoTasksOfOnePool) {
  // Enough rows for many blocks.
  std::vector<float> x(3'000'000);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = float(i % 1000);
  const Tensor data(x.data(), DType::F32, {1'000'000, 3});
  Expected<Statistics> expected = engineOf()->moments(data, Dims{1});
  ASSERT_TRUE(io::test::succeeded(expected));
  const std::shared_ptr<Engine> engine = parallelEngine();
  std::atomic<int> wrong{0};
  inThreads(4, [&](int) {
    std::vector<float> y(x.size());
    for (int round = 0; round < 3; ++round) {
      Expected<Statistics> statistics = engine->moments(data, Dims{1});
      wrong += !statistics || statistics->mean != expected->mean || statistics->m2 != expected->m2;
      const Coefficients twice{Dims{3}, {}, {2, 2, 2}, {}};
      wrong += !engine->affine(data, Dims{1}, twice, DType::F32,
                               Tensor(y.data(), DType::F32, {1'000'000, 3})) ||
               y[2'999'999] != 2 * x[2'999'999];
    }
  });
  EXPECT_EQ(wrong, 0);
}

TEST_F(EngineThreadsTest, CallersShareTheCounters) {
  constexpr uint64_t kThreads = 8, kCalls = 50;
  const std::shared_ptr<Engine> engine = engineOf();
  inThreads(int(kThreads), [&](int) {
    for (uint64_t call = 0; call < kCalls; ++call)
      doubles(*engine, 3);
  });
  const KernelInfo info = engine->kernels().at(0);
  EXPECT_EQ(info.calls, kThreads * kCalls);
  EXPECT_EQ(info.bytes, kThreads * kCalls * 2 * 50 * 3 * sizeof(float));
  EXPECT_EQ(engine->stats().memoryHits, kThreads * kCalls - 1);
}

TEST_F(EngineThreadsTest, LayersAreAppliedByManyThreads) {
  const std::shared_ptr<Engine> engine = parallelEngine();
  std::vector<float> x(60);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = float(i);
  const Tensor data(x.data(), DType::F32, {20, 3});
  Expected<Normalization> normalization = Normalization::create(engine);
  Expected<BatchNormalization> batchNorm = BatchNormalization::create(engine);
  ASSERT_TRUE(normalization && batchNorm);
  std::atomic<int> wrong{0};
  auto sameInAllThreads = [&](const auto &layer) {
    std::vector<std::vector<float>> results(8);
    inThreads(8, [&](int i) {
      for (int round = 0; round < 5; ++round) {
        Expected<Array> y = layer.apply(data);
        wrong += !y;
        if (y)
          results[size_t(i)].assign(y->template as<float>(), y->template as<float>() + 60);
      }
    });
    for (const std::vector<float> &result : results)
      EXPECT_EQ(result, results[0]);
    return results[0];
  };
  // The first call builds the layer.
  EXPECT_EQ(sameInAllThreads(*normalization), x);
  sameInAllThreads(*batchNorm);
  ASSERT_TRUE(io::test::succeeded(normalization->adapt(data)));
  EXPECT_NE(sameInAllThreads(*normalization), x);
  // Statistics gathered by threads, and brought together.
  const Normalization &shared = *normalization;
  inThreads(4, [&](int i) {
    const std::string path = in("state-" + std::to_string(i));
    wrong += !shared.save(path);
    Expected<Normalization> own = Normalization::load(engine, path);
    wrong += !own || own->mean() != shared.mean() || shared.getConfig() != own->getConfig();
  });
  EXPECT_EQ(wrong, 0);
}

} // namespace
} // namespace norma::test
