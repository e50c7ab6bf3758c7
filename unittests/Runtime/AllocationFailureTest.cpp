//===- AllocationFailureTest.cpp - Engine and layers without memory -------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernels are compiled before an allocation fails: LLVM ends the process where memory is
// short. One thread, since only that one sees failures.
//
//===----------------------------------------------------------------------===//

#include "AllocationFailure.h"
#include "LayerTest.h"

#include "Cache/MemoryCache.h"

#include "norma/Reference/Reference.h"
#include "norma/Runtime/Layers/BatchNormalization.h"
#include "norma/Support/OutOfMemory.h"

using namespace norma;
using namespace norma::test;

namespace {

std::shared_ptr<Engine> sharedEngine() {
  static const std::shared_ptr<Engine> engine = [] {
    Expected<std::shared_ptr<Engine>> created = Engine::create({.threads = 1});
    EXPECT_TRUE(created) << created.error().message();
    return *created;
  }();
  return engine;
}

/// For calls that work on nothing but their arguments.
template <typename Run>
void expectCallSurvives(Run run) {
  expectAllFailuresSurvived([] { return 0; }, [&](int) { return run(); },
                            [](int) { return std::string(); });
}

//===----------------------------------------------------------------------===//
// Engine
//===----------------------------------------------------------------------===//

class EngineWithoutMemory : public ::testing::Test {
protected:
  Engine &engine = *sharedEngine();
  Data<float> x = ramp({64, 3}), dy = ramp({64, 3}), y = ones({64, 3});
  Data<float> weights = ones({64});
  Data<uint8_t> mask{std::vector<uint8_t>(64, 1), {64}, DType::Bool};
  const MomentsOptions both{.mask = mask, .weights = weights};
  const std::vector<double> three{1, 2, 3};
};

TEST_F(EngineWithoutMemory, Moments) {
  expectCallSurvives([&] { return engine.moments(x, Dims{1}); });
  expectCallSurvives([&] { return engine.moments(x, Dims{0}, both); });
  expectCallSurvives([&] { return engine.momentsKernel(x, Dims{1}); });
  const std::vector<Tensor> batches{x, dy};
  expectCallSurvives([&] { return engine.moments(batches, Dims{1}); });
  // Two kept axes, which the kernel sees in another order.
  const Tensor turned(x.values.data(), DType::F32, {3, 8, 8}, {1, 24, 3});
  expectCallSurvives([&] { return engine.moments(turned, Dims{0, 1}); });
  const CallWatch watch{.progress = [](int64_t) { return true; },
                        .interval = std::chrono::nanoseconds(0)};
  expectCallSurvives([&] { return engine.moments(x, Dims{1}, both, watch); });
  expectCallSurvives([&] { return reference::moments(x, Dims{1}, both); });
}

TEST_F(EngineWithoutMemory, Maps) {
  const Coefficients coefficients{{3}, three, three, three};
  const GradientCoefficients gradient{{3}, three, three, three, three};
  expectCallSurvives([&] { return engine.affine(x, Dims{1}, coefficients, DType::F32, y); });
  expectCallSurvives([&] { return engine.affineKernel(x, Dims{1}, coefficients, DType::F32, y); });
  expectCallSurvives([&] { return engine.gradientSums(x, dy, Dims{1}, three, both); });
  expectCallSurvives(
      [&] { return engine.gradientMap(x, dy, Dims{1}, gradient, DType::F32, y, both); });
  expectCallSurvives([&] { return reference::affine(x, Dims{1}, coefficients, DType::F32, y); });
  expectCallSurvives([&] { return reference::gradientSums(x, dy, Dims{1}, three, both); });
  // What the caller's function throws has no better meaning.
  const Engine::MakeCoefficients make = [&](int64_t, int64_t, const Statistics &statistics) {
    return Coefficients{statistics.shape, statistics.mean, {}, {}};
  };
  expectCallSurvives(
      [&] { return engine.momentsThenAffine(x, Dims{1}, both, make, DType::F32, y); });
  const Engine::MakeGradientCoefficients makeGradient =
      [&](int64_t, int64_t, const GradientSums &) { return gradient; };
  expectCallSurvives([&] {
    return engine.gradientSumsThenMap(x, dy, Dims{1}, three, both, makeGradient, DType::F32, y);
  });
}

TEST_F(EngineWithoutMemory, Programs) {
  const Expected<Program> program = engine.compile(R"(
    func.func @results(%x: tensor<?x3xf32>) -> (tensor<?x3xf32>, tensor<?x3xf32>) {
      %y = arith.addf %x, %x : tensor<?x3xf32>
      %z = arith.mulf %x, %x : tensor<?x3xf32>
      return %y, %z : tensor<?x3xf32>, tensor<?x3xf32>
    })",
                                                   {});
  ASSERT_TRUE(program) << program.error().message();
  // Not contiguous, so that it is copied.
  const std::vector<Tensor> inputs{Tensor(x.values.data(), DType::F32, {8, 3}, {6, 1})};
  expectCallSurvives([&] { return program->run(inputs); });
}

TEST(MemoryCacheWithoutMemory, AKeyIsNeverLost) {
  using Cache = MemoryCache<std::string, std::string>;
  const std::string key(40, 'k');
  const auto make = [&]() -> Expected<std::shared_ptr<std::string>> {
    return std::make_shared<std::string>(40, 'v');
  };
  expectAllFailuresSurvived([] { return std::make_unique<Cache>(2); },
                            [&](auto &cache) {
                              try {
                                return cache->get(key, make);
                              } catch (...) {
                                return Expected<std::shared_ptr<std::string>>(outOfMemory());
                              }
                            },
                            [&](auto &cache) { return std::to_string(cache->values().size()); });
  // The next one makes it, whatever went wrong before; also where another has to go.
  Cache cache(1);
  for (int64_t n = 1; n < 20; ++n) {
    const std::string other = key + std::to_string(n);
    {
      FailingAllocation failing(n);
      try {
        (void)cache.get(other, make).hasValue();
      } catch (const std::bad_alloc &) {
      }
    }
    const Expected<std::shared_ptr<std::string>> made = cache.get(other, make);
    ASSERT_TRUE(made);
    EXPECT_EQ(**made, std::string(40, 'v'));
    EXPECT_EQ(cache.values().size(), 1u);
  }
}

//===----------------------------------------------------------------------===//
// Normalization
//===----------------------------------------------------------------------===//

class NormalizationWithoutMemory : public ::testing::Test {
protected:
  static Normalization make(const NormalizationOptions &options = {}) {
    Expected<Normalization> layer = Normalization::create(sharedEngine(), options);
    EXPECT_TRUE(layer) << layer.error().message();
    return std::move(*layer);
  }
  Normalization makeAdapted(const NormalizationOptions &options = {}) {
    Normalization layer = make(options);
    EXPECT_TRUE(layer.adapt(before));
    return layer;
  }
  template <typename Prepare, typename Run>
  static void expectSurvives(Prepare prepare, Run run) {
    expectAllFailuresSurvived(prepare, run, knowledgeOf);
  }

  Data<float> before = f32({1, 2, 3, 4, 5, 7}, {2, 3});
  Data<float> x = ramp({16, 3}), y = ones({16, 3}), weights = ones({16});
};

TEST_F(NormalizationWithoutMemory, Creation) {
  const NormalizationOptions options = {.axis = {0, 1}, .name = std::string(40, 'n')};
  expectCallSurvives([&] { return Normalization::create(sharedEngine(), options); });
  expectSurvives([&] { return make(); },
                 [&](Normalization &layer) { return layer.build(x.shape); });
  expectCallSurvives([&] { return createNormalizationState(options, x.shape); });
}

TEST_F(NormalizationWithoutMemory, Learning) {
  const NormalizationOptions several = {.stepsPerExecution = 2};
  const AdaptOptions batches = {.batchSize = 5}, weighted = {.weights = weights};
  for (const NormalizationOptions &options :
       {NormalizationOptions{}, several, NormalizationOptions{.runEagerly = true}})
    for (const AdaptOptions &how : {AdaptOptions{}, batches, weighted}) {
      const auto adapt = [&](Normalization &layer) { return layer.adapt(x, how); };
      expectSurvives([&] { return make(options); }, adapt);
      expectSurvives([&] { return makeAdapted(options); }, adapt);
    }
  const Batch batch{x, {}, weights};
  const auto update = [&](Normalization &layer) { return layer.updateState(batch); };
  expectSurvives([&] { return make(); }, update);
  expectSurvives([&] { return makeAdapted(); }, update);
  expectSurvives([&] { return makeAdapted(); },
                 [&](Normalization &layer) { return layer.resetState(); });
  const auto updated = [&] {
    Normalization layer = makeAdapted();
    EXPECT_TRUE(layer.updateState(batch));
    return layer;
  };
  // What is finalized is made when it is used.
  const auto finalized = [&] {
    Normalization layer = updated();
    EXPECT_TRUE(layer.finalizeState());
    return layer;
  };
  expectSurvives(finalized, [&](Normalization &layer) { return layer.apply(x); });
  const Statistics other = makeAdapted().statistics();
  expectSurvives(updated, [&](Normalization &layer) { return layer.merge(other); });
}

TEST_F(NormalizationWithoutMemory, Use) {
  for (const auto &prepare :
       {std::function([&] { return make(); }), std::function([&] { return makeAdapted(); })}) {
    // Where the first call builds the layer, it also stays as it was when that fails.
    expectSurvives(prepare, [&](const Normalization &layer) { return layer.apply(x, y); });
    expectSurvives(prepare, [&](const Normalization &layer) { return layer.apply(x); });
  }
  const Normalization layer = makeAdapted();
  expectCallSurvives([&] { return layer.toState(); });
  const NormalizationState state = *layer.toState();
  expectCallSurvives([&] { return Normalization::fromState(sharedEngine(), state); });
}

//===----------------------------------------------------------------------===//
// BatchNormalization
//===----------------------------------------------------------------------===//

/// Everything that a layer shows, to the bit.
std::string knowledgeOf(const BatchNormalization &layer) {
  std::string text = layer.getConfig() + std::to_string(layer.batchesSeen());
  for (const BatchNormalization::Weight &weight : layer.weights())
    text += weight.name + std::string(static_cast<const char *>(weight.value.data),
                                      size_t(weight.value.size()) * sizeOf(weight.value.dtype));
  return text;
}

class BatchNormalizationWithoutMemory : public ::testing::Test {
protected:
  static BatchNormalization make(const BatchNormalizationOptions &options) {
    Expected<BatchNormalization> layer = BatchNormalization::create(sharedEngine(), options);
    EXPECT_TRUE(layer) << layer.error().message();
    return std::move(*layer);
  }
  BatchNormalization makeTrained(const BatchNormalizationOptions &options) {
    BatchNormalization layer = make(options);
    EXPECT_TRUE(layer.train(x, y));
    return layer;
  }
  template <typename Prepare, typename Run>
  static void expectSurvives(Prepare prepare, Run run) {
    expectAllFailuresSurvived(prepare, run,
                              [](const BatchNormalization &layer) { return knowledgeOf(layer); });
  }

  Data<float> x = ramp({16, 3}), dy = ramp({16, 3}), y = ones({16, 3}), weights = ones({16});
  const BatchNormalizationCall weighted{.weights = weights};
};

TEST_F(BatchNormalizationWithoutMemory, Training) {
  BatchNormalizationOptions renorm;
  renorm.renorm = true;
  renorm.renormClipping = {{"rmax", 2}, {"dmax", 1}};
  BatchNormalizationOptions ghosts;
  ghosts.virtualBatchSize = 5;
  ghosts.ghostRemainder = GhostRemainder::Smaller;
  ghosts.adjustment = [](const Dims &shape) -> Expected<Adjustment> {
    Adjustment adjustment;
    Expected<Array> scale = Array::create(DType::F32, {shape[0], 1});
    if (!scale)
      return scale.takeError();
    std::fill_n(scale->as<float>(), shape[0], 2.0f);
    adjustment.scale = std::move(*scale);
    return adjustment;
  };
  for (const BatchNormalizationOptions &options :
       {BatchNormalizationOptions(), renorm, ghosts, BatchNormalizationOptions::pytorch()})
    for (const BatchNormalizationCall &call : {BatchNormalizationCall(), weighted}) {
      const auto train = [&](BatchNormalization &layer) { return layer.train(x, y, call); };
      expectSurvives([&] { return make(options); }, train);
      expectSurvives([&] { return makeTrained(options); }, train);
      BatchNormalization layer = make(options);
      const Expected<SavedForward> saved = layer.train(x, y, call);
      ASSERT_TRUE(saved);
      expectCallSurvives([&] { return layer.gradient(*saved, x, dy, y, call); });
    }
}

TEST_F(BatchNormalizationWithoutMemory, Use) {
  BatchNormalizationOptions options;
  options.gammaConstraint = Constraint::maxNorm(0.5, 0);
  options.betaConstraint = Constraint::nonNeg();
  expectCallSurvives([&] { return BatchNormalization::create(sharedEngine(), options); });
  expectSurvives([&] { return make(options); },
                 [&](BatchNormalization &layer) { return layer.build(x.shape); });
  for (const auto &prepare : {std::function([&] { return make(options); }),
                              std::function([&] { return makeTrained(options); })}) {
    expectSurvives(prepare, [&](const BatchNormalization &layer) { return layer.apply(x, y); });
    expectSurvives(prepare, [&](const BatchNormalization &layer) { return layer.apply(x); });
    expectSurvives(prepare,
                   [&](const BatchNormalization &layer) { return layer.applyAndSave(x, y); });
  }
  expectSurvives([&] { return makeTrained(options); },
                 [](BatchNormalization &layer) { return layer.applyConstraints(); });
}

TEST_F(BatchNormalizationWithoutMemory, OtherOptions) {
  BatchNormalizationOptions options;
  options.renorm = true;
  options.renormClipping = {{"rmax", 2}, {"dmax", 1}};
  const auto prepare = [&] { return makeTrained(options); };
  const std::map<std::string, double> clipping = {{"dmax", 4}, {"rmin", 0.5}};
  expectSurvives(prepare,
                 [&](BatchNormalization &layer) { return layer.setRenormClipping(clipping); });
  const AllReduce reduce = [](std::span<double>) { return Expected<void>(); };
  expectSurvives(prepare, [&](BatchNormalization &layer) { return layer.setAllReduce(reduce); });
}

} // namespace
