//===- AdaptProgressTest.cpp - Watching and cancelling an adapt() ---------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LayerTest.h"

#include <gmock/gmock.h>

#include <atomic>
#include <stdexcept>
#include <thread>

using namespace norma;
using namespace norma::test;
using ::testing::HasSubstr;
using ::testing::SizeIs;

namespace {

/// Numbers that leave something to round.
Data<float> noise(const Dims &shape) {
  Data<float> result = ones(shape);
  uint32_t state = 12345;
  for (float &value : result.values) {
    state = state * 1664525 + 1013904223;
    value = float(state >> 8) * 0x1p-20f + 3;
  }
  return result;
}

/// Remembers all reports, and asks to stop at one of them.
class Watcher {
public:
  explicit Watcher(int64_t lastReport = INT64_MAX) : last(lastReport) {}

  AdaptOptions options(AdaptOptions from = {}) {
    from.progressInterval = std::chrono::nanoseconds(0);
    from.progress = [this](const AdaptProgress &now) {
      EXPECT_EQ(std::this_thread::get_id(), caller);
      if (!reports.empty()) {
        EXPECT_GE(now.elements, reports.back().elements);
        EXPECT_GE(now.batches, reports.back().batches);
      }
      reports.push_back(now);
      return int64_t(reports.size()) < last;
    };
    return from;
  }

  std::vector<AdaptProgress> reports;

private:
  int64_t last;
  std::thread::id caller = std::this_thread::get_id();
};

/// Layers on engines of several numbers of threads.
class AdaptProgressTest : public ::testing::TestWithParam<int> {
protected:
  static void TearDownTestSuite() { engines().clear(); }
  static std::map<int, std::shared_ptr<Engine>> &engines() {
    static std::map<int, std::shared_ptr<Engine>> instances;
    return instances;
  }
  static std::shared_ptr<Engine> engine() {
    std::shared_ptr<Engine> &instance = engines()[GetParam()];
    if (!instance) {
      Expected<std::shared_ptr<Engine>> created = Engine::create({.threads = GetParam()});
      EXPECT_TRUE(created) << created.error().message();
      instance = *created;
    }
    return instance;
  }
  static Normalization make(const NormalizationOptions &options = {}) {
    Expected<Normalization> layer = Normalization::create(engine(), options);
    EXPECT_TRUE(layer) << layer.error().message();
    return std::move(*layer);
  }
};
INSTANTIATE_TEST_SUITE_P(Threads, AdaptProgressTest, ::testing::Values(1, 4));

TEST_P(AdaptProgressTest, GrowsToTheTotal) {
  Data<float> x = noise({400'000, 3});
  Watcher watcher;
  Normalization layer = make();
  ASSERT_TRUE(layer.adapt(x, watcher.options()));
  ASSERT_GE(watcher.reports.size(), 4u);
  for (const AdaptProgress &report : watcher.reports) {
    EXPECT_EQ(report.totalElements, 1'200'000);
    EXPECT_EQ(report.bytes, uint64_t(report.elements) * sizeof(float));
    EXPECT_EQ(report.batches, report.elements == 1'200'000);
  }
  EXPECT_GT(watcher.reports.front().elements, 0);
  EXPECT_EQ(watcher.reports.back().elements, 1'200'000);
}

TEST_P(AdaptProgressTest, CountsBatchesAndTheRowsThatAreUsed) {
  Data<float> x = noise({1000, 4});
  for (int64_t stepsPerExecution : {1, 3}) {
    Watcher watcher;
    Normalization layer = make({.stepsPerExecution = stepsPerExecution});
    ASSERT_TRUE(layer.adapt(x, watcher.options({.batchSize = 300})));
    EXPECT_EQ(watcher.reports.back().elements, 4000);
    EXPECT_EQ(watcher.reports.back().totalElements, 4000);
    EXPECT_EQ(watcher.reports.back().batches, 4);

    Watcher partly;
    ASSERT_TRUE(layer.adapt(x, partly.options({.batchSize = 300, .steps = 2})));
    EXPECT_EQ(partly.reports.back().elements, 2400);
    EXPECT_EQ(partly.reports.back().totalElements, 2400);
    EXPECT_EQ(partly.reports.back().batches, 2);
    Watcher all;
    ASSERT_TRUE(layer.adapt(x, all.options({.batchSize = 300, .steps = INT64_MAX})));
    EXPECT_EQ(all.reports.back().totalElements, 4000);
  }
}

TEST_P(AdaptProgressTest, TheBitsDoNotDependOnWhoLooks) {
  Data<float> x = noise({60'000, 4, 3});
  x.values[77] = kNaN;
  Data<uint8_t> mask{std::vector<uint8_t>(60'000, 1), {60'000}, DType::Bool};
  Data<float> weights = noise({60'000, 4, 3});
  for (size_t i = 0; i < mask.values.size(); i += 3)
    mask.values[i] = 0;
  const Dims axes[] = {{-1}, {}, {0}, {0, 2}};
  for (const Dims &axis : axes)
    for (const AdaptOptions &options :
         {AdaptOptions{}, AdaptOptions{.batchSize = 25'000}, AdaptOptions{.mask = mask},
          AdaptOptions{.mask = mask, .weights = weights}}) {
      if (options.batchSize && !axis.empty() && axis[0] == 0)
        continue;
      const NormalizationOptions how{.axis = axis, .nan = NanPolicy::Omit};
      Normalization alone = make(how), watched = make(how), often = make(how);
      ASSERT_TRUE(alone.adapt(x, options));
      Watcher watcher;
      ASSERT_TRUE(watched.adapt(x, watcher.options(options)));
      EXPECT_EQ(knowledgeOf(watched), knowledgeOf(alone)) << toString(axis);
      EXPECT_GT(watcher.reports.size(), 1u) << toString(axis);
      AdaptOptions rarely = options;
      rarely.progress = [](const AdaptProgress &) { return true; };
      rarely.progressInterval = std::chrono::microseconds(20);
      ASSERT_TRUE(often.adapt(x, rarely));
      EXPECT_EQ(knowledgeOf(often), knowledgeOf(alone)) << toString(axis);
    }
}

TEST_P(AdaptProgressTest, TheIntervalIsKept) {
  Data<float> x = noise({100'000, 3});
  // As long as can be said, so that nothing that is computed with it may overflow.
  Watcher watcher;
  AdaptOptions options = watcher.options();
  options.progressInterval = std::chrono::nanoseconds::max();
  ASSERT_TRUE(make().adapt(x, options));
  EXPECT_THAT(watcher.reports, SizeIs(1));
  EXPECT_EQ(watcher.reports.back().elements, 300'000);
}

TEST_P(AdaptProgressTest, CancelledAnywhereChangesNothing) {
  Data<float> x = noise({200'000, 3}), before = noise({10, 3});
  Data<float> weights = noise({200'000, 3});
  for (const AdaptOptions &options :
       {AdaptOptions{}, AdaptOptions{.batchSize = 70'000}, AdaptOptions{.weights = weights}}) {
    Watcher complete;
    ASSERT_TRUE(make().adapt(x, complete.options(options)));
    const auto reports = int64_t(complete.reports.size());
    ASSERT_GE(reports, 3);
    for (int64_t last : {int64_t(1), int64_t(2), reports / 2, reports}) {
      // With several threads, a step may have more than one block.
      Watcher watcher(GetParam() == 1 ? last : std::min<int64_t>(last, 2));
      Normalization layer = make();
      EXPECT_THAT(errorOf(layer.adapt(x, watcher.options(options))),
                  HasSubstr("stopped by its progress callback after"));
      EXPECT_FALSE(layer.isBuilt());
      ASSERT_TRUE(layer.adapt(before));
      const std::string known = knowledgeOf(layer);
      watcher = Watcher(GetParam() == 1 ? last : 2);
      Expected<void> cancelled = layer.adapt(x, watcher.options(options));
      ASSERT_FALSE(cancelled);
      EXPECT_EQ(cancelled.error().code(), ErrorCode::Cancelled);
      EXPECT_EQ(knowledgeOf(layer), known);
      // And the layer is as good as new.
      ASSERT_TRUE(layer.adapt(x, options));
      Normalization fresh = make();
      ASSERT_TRUE(fresh.adapt(x, options));
      EXPECT_EQ(layer.mean(), fresh.mean());
      EXPECT_EQ(layer.variance(), fresh.variance());
    }
  }
}

TEST_P(AdaptProgressTest, CancelledAtTheLastReport) {
  Data<float> x = noise({200'000, 3});
  Normalization layer = make();
  AdaptOptions options;
  options.progress = [](const AdaptProgress &now) { return now.elements < now.totalElements; };
  EXPECT_EQ(errorOf(layer.adapt(x, options)),
            "adapt: stopped by its progress callback after 600000 elements");
  EXPECT_FALSE(layer.isBuilt());
}

TEST_P(AdaptProgressTest, StopsAnEndlessSource) {
  Data<float> x = noise({50, 2}), before = noise({10, 2});
  const BatchSource endless = [&]() -> Expected<std::optional<Batch>> {
    return std::optional(Batch{x});
  };
  for (int64_t stepsPerExecution : {1, 4}) {
    Normalization layer = make({.stepsPerExecution = stepsPerExecution});
    ASSERT_TRUE(layer.adapt(before));
    const std::string known = knowledgeOf(layer);
    AdaptOptions options;
    options.progressInterval = std::chrono::nanoseconds(0);
    options.progress = [&](const AdaptProgress &now) {
      EXPECT_EQ(now.totalElements, std::nullopt);
      EXPECT_EQ(now.bytes, uint64_t(now.elements) * sizeof(float));
      return now.batches < 40;
    };
    EXPECT_THAT(errorOf(layer.adapt(endless, options)),
                HasSubstr("stopped by its progress callback after 4000 elements"));
    EXPECT_EQ(knowledgeOf(layer), known);

    Watcher watcher;
    ASSERT_TRUE(layer.adapt(endless, watcher.options({.steps = 10})));
    EXPECT_EQ(watcher.reports.back().batches, 10);
    EXPECT_EQ(watcher.reports.back().elements, 1000);
  }
}

TEST_P(AdaptProgressTest, StopsOnRequest) {
  Data<float> x = noise({200'000, 3});
  std::stop_source source;
  Normalization layer = make();
  AdaptOptions options;
  options.stop = source.get_token();
  ASSERT_TRUE(layer.adapt(x, options));
  const std::string known = knowledgeOf(layer);

  // While the call is on its way, by another thread.
  Data<float> row = noise({50, 3});
  std::atomic<int64_t> taken = 0;
  const BatchSource endless = [&]() -> Expected<std::optional<Batch>> {
    ++taken;
    return std::optional(Batch{row});
  };
  std::thread other([&] {
    while (taken < 3)
      std::this_thread::yield();
    source.request_stop();
  });
  Expected<void> stopped = layer.adapt(endless, options);
  other.join();
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), ErrorCode::Cancelled);
  EXPECT_THAT(stopped.error().message(), HasSubstr("stopped by a request after"));
  EXPECT_EQ(knowledgeOf(layer), known);

  // Before it, nothing is looked at.
  EXPECT_EQ(errorOf(layer.adapt(x, options)),
            "adapt: stopped by a request after 0 of 600000 elements");
  EXPECT_EQ(knowledgeOf(layer), known);
}

TEST_P(AdaptProgressTest, ExceptionsGoThrough) {
  Data<float> x = noise({200'000, 3}), before = noise({10, 3});
  Normalization layer = make();
  ASSERT_TRUE(layer.adapt(before));
  const std::string known = knowledgeOf(layer);
  for (int throwAt : {1, 2}) {
    AdaptOptions options;
    options.progressInterval = std::chrono::nanoseconds(0);
    options.progress = [&, calls = 0](const AdaptProgress &) mutable {
      if (++calls == throwAt)
        throw std::runtime_error("no longer wanted");
      return true;
    };
    EXPECT_THROW((void)layer.adapt(x, options).hasValue(), std::runtime_error);
    EXPECT_EQ(knowledgeOf(layer), known);
  }
  EXPECT_TRUE(layer.adapt(x));
}

TEST_P(AdaptProgressTest, TheCallbackMayUseTheEngine) {
  Data<float> x = noise({200'000, 3}), small = noise({10, 3});
  Normalization layer = make(), other = make();
  ASSERT_TRUE(other.adapt(small));
  const std::string known = knowledgeOf(other);
  AdaptOptions options;
  options.progressInterval = std::chrono::nanoseconds(0);
  options.progress = [&](const AdaptProgress &) {
    EXPECT_TRUE(other.adapt(small));
    EXPECT_TRUE(other.apply(small));
    return true;
  };
  ASSERT_TRUE(layer.adapt(x, options));
  EXPECT_EQ(knowledgeOf(other), known);
  Normalization alone = make();
  ASSERT_TRUE(alone.adapt(x));
  EXPECT_EQ(knowledgeOf(layer), knowledgeOf(alone));
}

TEST_P(AdaptProgressTest, ManyThreadsOnOneEngine) {
  Data<float> x = noise({100'000, 3});
  Normalization alone = make();
  ASSERT_TRUE(alone.adapt(x));
  const std::string known = knowledgeOf(alone);
  std::vector<std::thread> threads;
  std::vector<std::string> found(6);
  for (size_t i = 0; i < found.size(); ++i)
    threads.emplace_back([&, i] {
      Expected<Normalization> layer = Normalization::create(engine(), {});
      Watcher watcher(i % 3 == 2 ? 2 : INT64_MAX);
      Expected<void> done = layer->adapt(x, watcher.options());
      found[i] = done ? knowledgeOf(*layer) : done.error().message();
    });
  for (std::thread &thread : threads)
    thread.join();
  for (size_t i = 0; i < found.size(); ++i) {
    if (i % 3 == 2)
      EXPECT_THAT(found[i], HasSubstr("stopped by its progress callback"));
    else
      EXPECT_EQ(found[i], known);
  }
}

TEST_P(AdaptProgressTest, MoreElementsThanCanEverBeSeen) {
  // One number, repeated by a stride of 0.
  int8_t value = 3;
  const Tensor endless(&value, DType::I8, {int64_t(1) << 62}, {0});
  for (int64_t batchSize : {int64_t(0), int64_t(1) << 40}) {
    Normalization layer = make({.axis = {}});
    Watcher watcher(3);
    EXPECT_THAT(
        errorOf(layer.adapt(endless, watcher.options({.batchSize = batchSize, .steps = 1 << 20}))),
        HasSubstr("stopped by its progress callback after"));
    EXPECT_EQ(watcher.reports.back().totalElements,
              batchSize ? int64_t(1) << 60 : int64_t(1) << 62);
    EXPECT_FALSE(layer.isBuilt());
  }
}

TEST(AdaptProgressEagerTest, BetweenBatches) {
  Data<float> x = noise({100, 3});
  Expected<Normalization> layer = Normalization::create(nullptr, {.runEagerly = true});
  ASSERT_TRUE(layer);
  Watcher watcher;
  ASSERT_TRUE(layer->adapt(x, watcher.options({.batchSize = 30})));
  std::vector<int64_t> batches;
  for (const AdaptProgress &report : watcher.reports)
    batches.push_back(report.batches);
  EXPECT_EQ(batches, (std::vector<int64_t>{1, 2, 3, 4}));
  Watcher impatient(2);
  const std::string known = knowledgeOf(*layer);
  EXPECT_THAT(errorOf(layer->adapt(x, impatient.options({.batchSize = 30}))),
              HasSubstr("stopped by its progress callback after 180 elements"));
  EXPECT_EQ(knowledgeOf(*layer), known);
}

} // namespace
