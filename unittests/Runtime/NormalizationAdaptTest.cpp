//===- NormalizationAdaptTest.cpp - How the layer learns ------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LayerTest.h"

#include <bit>
#include <cmath>
#include <limits>

using namespace norma;
using namespace norma::test;

namespace {

class LayerAdapt : public LayerTest {};

/// To the bit, but that there are many NaN.
bool isSame(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

INSTANTIATE_TEST_SUITE_P(Backends, LayerAdapt, ::testing::Bool(), backendName);

TEST_P(LayerAdapt, AdaptForgetsWhatWasLearned) {
  Normalization layer = make();
  ASSERT_TRUE(layer.adapt(f32({1, 3, 2, 9}, {4, 1})));
  ASSERT_TRUE(layer.adapt(f32({0, 4}, {2, 1})));
  EXPECT_TRUE(layer.isAdapted());
  EXPECT_EQ(layer.statistics().count, (std::vector<double>{2}));
  EXPECT_EQ(layer.mean(), (std::vector<double>{2}));
  EXPECT_EQ(layer.variance(), (std::vector<double>{4}));
  EXPECT_EQ(apply(layer, f32({6}, {1, 1})), (std::vector<float>{2}));
}

TEST_P(LayerAdapt, AdaptsAgainLikeANewLayer) {
  // Calls on tensors like the one before are prepared once, and others are not taken for them.
  Data<float> x = f32({1, -3, 2, 9, 0.5f, 7, 1e20f, 4, -8, 2, 6, 5}, {4, 3});
  Data<float> other = f32({2, 5, 1, 0, 4, 3, 8, 8, 8, 1, 2, kNaN}, {4, 3});
  Data<float> constant = f32(std::vector<float>(12, 3.25f), {4, 3});
  Data<double> wide{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13}, {4, 3}, DType::F64};
  Data<float> mask = f32({1, 0, 1, 1}, {4, 1});
  const std::pair<Tensor, std::optional<Tensor>> batches[] = {
      {x, {}},
      {other, {}},
      {constant, {}},
      {Tensor(x.values.data(), DType::F32, {4, 3}, {1, 4}), {}},
      {x, {}},
      {x, mask},
      {Tensor(x.values.data() + 3, DType::F32, {3, 3}), {}},
      {wide, {}},
      {x, {}}};
  const auto build = [&] {
    Normalization layer = make();
    EXPECT_TRUE(layer.build(Dims{kUnknownExtent, 3}));
    return layer;
  };
  Normalization layer = build();
  for (const auto &[batch, counts] : batches) {
    ASSERT_TRUE(layer.adapt(batch, {.mask = counts}));
    Normalization fresh = build();
    ASSERT_TRUE(fresh.adapt(batch, {.mask = counts}));
    EXPECT_EQ(knowledgeOf(layer), knowledgeOf(fresh));
  }
}

TEST_P(LayerAdapt, BatchSizeAndSteps) {
  Data<float> x = ramp({10, 2});
  for (int64_t batchSize : {1, 3, 5, 10, 99})
    for (int64_t stepsPerExecution : {1, 2, 100}) {
      Normalization layer = make({.stepsPerExecution = stepsPerExecution});
      ASSERT_TRUE(layer.adapt(x, {.batchSize = batchSize}));
      EXPECT_EQ(layer.statistics().count, (std::vector<double>{10, 10}));
      EXPECT_NEAR(layer.mean()[0], 9, 1e-12);
      EXPECT_NEAR(layer.mean()[1], 10, 1e-12);
      EXPECT_NEAR(layer.variance()[0], 33, 1e-11);
    }
  Normalization layer = make();
  ASSERT_TRUE(layer.adapt(x, {.batchSize = 3, .steps = 2}));
  EXPECT_EQ(layer.statistics().count, (std::vector<double>{6, 6}));
  EXPECT_NEAR(layer.mean()[0], 5, 1e-13);
  EXPECT_EQ(errorOf(layer.adapt(x, {.batchSize = -1})),
            "adapt: batch_size: -1; expected 1 or more, or 0 for the whole array");
  EXPECT_EQ(errorOf(layer.adapt(x, {.steps = -2})),
            "adapt: steps: -2; expected 1 or more, or 0 for all");
  EXPECT_EQ(errorOf(make({.axis = {0}}).adapt(x, {.batchSize = 3})),
            "adapt: batch_size: 3; axis 0 is kept, so its 10 entries cannot be cut into batches");
}

TEST_P(LayerAdapt, MasksWeightsAndNaN) {
  Data<float> x = f32({1, 10, kNaN, 20, 3, 30, 5, kNaN}, {4, 2});
  Data<uint8_t> mask{{1, 0, 1, 0}, {4}, DType::Bool};
  Data<float> weights = f32({2, 0, 1, 0}, {4, 1});
  for (int64_t batchSize : {0, 1, 3}) {
    Normalization layer = make();
    ASSERT_TRUE(layer.adapt(x, {.batchSize = batchSize, .mask = mask}));
    EXPECT_EQ(layer.statistics().count, (std::vector<double>{2, 2}));
    EXPECT_EQ(layer.mean(), (std::vector<double>{2, 20}));
    ASSERT_TRUE(layer.adapt(x, {.batchSize = batchSize, .weights = weights}));
    EXPECT_EQ(layer.statistics().count, (std::vector<double>{3, 3}));
    EXPECT_NEAR(layer.mean()[0], 5.0 / 3, 1e-15);
    EXPECT_NEAR(layer.variance()[0], 8.0 / 9, 1e-15);
    ASSERT_TRUE(layer.adapt(x, {.batchSize = batchSize}));
    EXPECT_TRUE(std::isnan(layer.mean()[0]));
    EXPECT_TRUE(std::isnan(layer.variance()[1]));
    Normalization omit = make({.nan = NanPolicy::Omit});
    ASSERT_TRUE(omit.adapt(x, {.batchSize = batchSize}));
    EXPECT_EQ(omit.statistics().count, (std::vector<double>{3, 3}));
    EXPECT_NEAR(omit.mean()[0], 3, 1e-15);
    EXPECT_NEAR(omit.mean()[1], 20, 1e-14);
    // A mask for all rows at once repeats.
    Data<uint8_t> features{{1, 0}, {1, 2}, DType::Bool};
    ASSERT_TRUE(omit.adapt(x, {.batchSize = batchSize, .mask = features}));
    EXPECT_EQ(omit.statistics().count, (std::vector<double>{3, 0}));
    // Where nothing was seen the layer is an identity.
    EXPECT_EQ(omit.mean()[1], 0);
    EXPECT_EQ(omit.variance()[1], 1);
    EXPECT_EQ(apply(omit, f32({3, 7}, {1, 2})), (std::vector<float>{0, 7}));
  }
  Normalization layer = make();
  Data<uint8_t> tooLong{{1, 0, 1, 0, 1}, {5}, DType::Bool};
  EXPECT_EQ(errorOf(layer.adapt(x, {.batchSize = 1, .mask = tooLong})),
            "adapt: mask: shape (5,) does not broadcast from the left to the data's shape (4, 2); "
            "every extent must be the data's or 1");
  weights.values[2] = -1;
  EXPECT_NE(errorOf(layer.adapt(x, {.weights = weights})).find("weights"), std::string::npos);
  EXPECT_FALSE(layer.isAdapted());
}

/// A source over rows [cuts[i], cuts[i + 1]) of a tensor.
BatchSource cut(const Tensor &data, std::vector<int64_t> cuts) {
  auto next = std::make_shared<size_t>(0);
  return [=]() -> Expected<std::optional<Batch>> {
    if (*next + 1 >= cuts.size())
      return std::optional<Batch>();
    const size_t i = (*next)++;
    return std::optional(Batch{data.rows(cuts[i], cuts[i + 1])});
  };
}

TEST_P(LayerAdapt, AdaptsToAStream) {
  Data<float> x = ramp({10, 2});
  for (int64_t stepsPerExecution : {1, 2, 3, 100}) {
    Normalization layer = make({.stepsPerExecution = stepsPerExecution});
    ASSERT_TRUE(layer.adapt(cut(x, {0, 1, 1, 4, 8, 10})));
    EXPECT_EQ(layer.statistics().count, (std::vector<double>{10, 10}));
    EXPECT_NEAR(layer.mean()[1], 10, 1e-12);
    EXPECT_NEAR(layer.variance()[1], 33, 1e-11);
    ASSERT_TRUE(layer.adapt(cut(x, {0, 3, 6, 9, 10}), {.steps = 2}));
    EXPECT_EQ(layer.statistics().count, (std::vector<double>{6, 6}));
    EXPECT_NEAR(layer.mean()[0], 5, 1e-13);
  }
}

TEST_P(LayerAdapt, StepsBoundAnEndlessStream) {
  Data<float> x = ramp({2, 1});
  int64_t calls = 0;
  const BatchSource endless = [&]() -> Expected<std::optional<Batch>> {
    ++calls;
    return std::optional(Batch{x});
  };
  Normalization layer = make({.stepsPerExecution = 4});
  ASSERT_TRUE(layer.adapt(endless, {.steps = 7}));
  EXPECT_EQ(calls, 7);
  EXPECT_EQ(layer.statistics().count, (std::vector<double>{14}));
  EXPECT_EQ(layer.mean()[0], 0.5);
}

TEST_P(LayerAdapt, StreamsOfUnlikeBatches) {
  // Other types, strides and inner extents, masks: each in a call of its own.
  Data<float> a = f32({1, 2, 3, 4}, {1, 2, 2});
  Data<double> b{{5, 6, 7, 8, 9, 10}, {1, 3, 2}, DType::F64};
  Data<float> c = f32({11, 12, 13, 14}, {1, 2, 2});
  Data<uint8_t> mask{{1, 0}, {1, 2}, DType::Bool};
  const std::vector<Batch> batches = {{a},
                                      {a},
                                      {b},
                                      {c, std::optional<Tensor>(mask)},
                                      {Tensor(c.values.data(), DType::F32, {2, 1, 2}, {2, 2, 1})}};
  size_t next = 0;
  Normalization layer = make({.stepsPerExecution = 8});
  ASSERT_TRUE(layer.adapt([&]() -> Expected<std::optional<Batch>> {
    return next < batches.size() ? std::optional(batches[next++]) : std::nullopt;
  }));
  EXPECT_EQ(layer.statistics().count, (std::vector<double>{10, 10}));
  EXPECT_NEAR(layer.mean()[0], (1 + 3 + 1 + 3 + 5 + 7 + 9 + 11 + 11 + 13) / 10.0, 1e-14);
  EXPECT_NEAR(layer.mean()[1], (2 + 4 + 2 + 4 + 6 + 8 + 10 + 12 + 12 + 14) / 10.0, 1e-14);
}

TEST_P(LayerAdapt, StreamsThatKeepAxisZero) {
  Data<float> a = f32({1, 2, 3, 4}, {2, 2}), b = f32({5, 6, 7, 8}, {2, 2});
  const std::vector<Batch> batches = {{a}, {b}};
  size_t next = 0;
  Normalization layer = make({.axis = {0}, .stepsPerExecution = 8});
  ASSERT_TRUE(layer.adapt([&]() -> Expected<std::optional<Batch>> {
    return next < batches.size() ? std::optional(batches[next++]) : std::nullopt;
  }));
  EXPECT_EQ(layer.statistics().shape, (Dims{2}));
  EXPECT_EQ(layer.statistics().count, (std::vector<double>{4, 4}));
  EXPECT_EQ(layer.mean(), (std::vector<double>{3.5, 5.5}));
}

TEST_P(LayerAdapt, AFailingAdaptChangesNothing) {
  Data<float> x = f32({0, 4}, {2, 1}), wide = ones({2, 2});
  Normalization layer = make();
  // Nor does it build.
  EXPECT_FALSE(layer.adapt(Tensor(nullptr, DType::F32, {0, 5})));
  EXPECT_FALSE(layer.isBuilt());
  ASSERT_TRUE(layer.adapt(x));
  const auto check = [&](const std::string &actual, const std::string &expected) {
    EXPECT_EQ(actual, expected);
    EXPECT_TRUE(layer.isAdapted());
    EXPECT_EQ(layer.statistics().count, (std::vector<double>{2}));
    EXPECT_EQ(layer.mean(), (std::vector<double>{2}));
    EXPECT_EQ(apply(layer, f32({6}, {1, 1})), (std::vector<float>{2}));
  };
  check(errorOf(layer.adapt(wide)),
        "adapt: data: shape (2, 2) has an extent of 2 along the kept axis 1; expected 1, as the "
        "build shape (2, 1)");
  check(errorOf(layer.adapt(Tensor(nullptr, DType::F32, {0, 1}))),
        "adapt: the data have no elements (1 batch of none)");
  check(errorOf(layer.adapt(Tensor(nullptr, DType::F32, {2, 1}))),
        "adapt: data: data is null; expected 2 elements");
  check(errorOf(layer.adapt(cut(x, {}))),
        "adapt: the source has no batches; expected at least one");
  check(errorOf(layer.adapt(cut(x, {1, 1, 1}))),
        "adapt: the data have no elements (2 batches of none)");
  check(errorOf(layer.adapt(BatchSource())), "adapt: source: empty; expected a function");
  Data<uint8_t> none{{0}, {1}, DType::Bool};
  check(errorOf(layer.adapt(x, {.mask = none})),
        "adapt: none of the 2 elements takes part: all are masked, of weight 0, or NaN and "
        "omitted");
  int call = 0;
  check(errorOf(layer.adapt([&]() -> Expected<std::optional<Batch>> {
          return ++call < 3 ? std::optional(Batch{x}) : std::optional(Batch{wide});
        })),
        "adapt: batch 2: shape (2, 2) has an extent of 2 along the kept axis 1; expected 1, as the "
        "build shape (2, 1)");
  call = 0;
  const BatchSource breaks = [&]() -> Expected<std::optional<Batch>> {
    if (++call < 3)
      return std::optional(Batch{x});
    return Error(ErrorCode::IOError, "the disk is gone");
  };
  check(errorOf(layer.adapt(breaks)), "adapt: the disk is gone");
  call = 0;
  EXPECT_EQ(layer.adapt(breaks).error().code(), ErrorCode::IOError);
}

TEST_P(LayerAdapt, UpdateStateThenFinalize) {
  Data<float> x = f32({1, 2, 3, 4, 5}, {5});
  Normalization layer = make({.axis = {}});
  ASSERT_TRUE(layer.updateState({.data = Tensor(x).rows(0, 2)}));
  EXPECT_TRUE(layer.isBuilt());
  ASSERT_TRUE(layer.updateState({.data = Tensor(x).rows(2, 2)}));
  ASSERT_TRUE(layer.updateState({.data = Tensor(x).rows(2, 5)}));
  EXPECT_EQ(layer.statistics().count, (std::vector<double>{5}));
  // Gathered, but not yet in use.
  EXPECT_FALSE(layer.isAdapted());
  EXPECT_EQ(apply(layer, x), x.values);
  ASSERT_TRUE(layer.finalizeState());
  EXPECT_TRUE(layer.isAdapted());
  EXPECT_EQ(apply(layer, x)[2], 0);
  EXPECT_NEAR(layer.variance()[0], 2, 1e-15);
  EXPECT_EQ(errorOf(layer.updateState({.data = ones({2, 2})})),
            "update_state: data: shape (2, 2) has rank 2; expected rank 1, as the build shape "
            "(?,)");
  ASSERT_TRUE(layer.resetState());
  EXPECT_FALSE(layer.isAdapted());
  EXPECT_EQ(layer.statistics().count, (std::vector<double>{0}));
  EXPECT_EQ(apply(layer, x), x.values);
}

/// What is in use is what there was when it was put to use, though nobody had asked for it until
/// more was gathered.
TEST_P(LayerAdapt, GatheringChangesNothingInUse) {
  Data<float> x = f32({1, 3, 5, 9}, {4});
  for (const bool merges : {false, true}) {
    Normalization layer = make({.axis = {}}), other = make({.axis = {}});
    ASSERT_TRUE(other.adapt(Tensor(x).rows(2, 4)));
    ASSERT_TRUE(layer.adapt(Tensor(x).rows(0, 2)));
    ASSERT_TRUE(merges ? layer.merge(other.statistics())
                       : layer.updateState({.data = Tensor(x).rows(2, 4)}));
    EXPECT_TRUE(layer.isAdapted());
    EXPECT_EQ(layer.statistics().count, (std::vector<double>{4}));
    EXPECT_EQ(layer.mean(), (std::vector<double>{2}));
    EXPECT_EQ(apply(layer, x), (std::vector<float>{-1, 1, 3, 7}));
    ASSERT_TRUE(layer.finalizeState());
    EXPECT_EQ(layer.mean(), (std::vector<double>{4.5}));
  }
}

TEST_P(LayerAdapt, MergesShards) {
  Data<float> x = ramp({9, 2});
  Normalization whole = make(), a = make(), b = make();
  ASSERT_TRUE(whole.adapt(x));
  ASSERT_TRUE(a.adapt(Tensor(x).rows(0, 4)));
  ASSERT_TRUE(b.adapt(Tensor(x).rows(4, 9)));
  ASSERT_TRUE(a.merge(b.statistics()));
  EXPECT_EQ(a.mean()[0], 3); // still the old ones
  ASSERT_TRUE(a.finalizeState());
  EXPECT_EQ(a.statistics().count, whole.statistics().count);
  for (int i = 0; i < 2; ++i) {
    EXPECT_NEAR(a.mean()[i], whole.mean()[i], 1e-13);
    EXPECT_NEAR(a.variance()[i], whole.variance()[i], 1e-12);
  }
  EXPECT_EQ(errorOf(a.merge(Statistics::zeros({3}))),
            "merge: statistics: shape (3,); expected the kept extents (2,)");
  EXPECT_EQ(errorOf(a.merge({{2}, {1, -1}, {0, 0}, {0, 0}})),
            "merge: count: the value at (1,) is -1; expected a finite number, 0 or more");
  EXPECT_EQ(errorOf(a.merge({{2}, {1, 1}, {0, 0}, {-3, 0}})),
            "merge: m2: the value at (0,) is -3; expected 0 or more");
  EXPECT_EQ(errorOf(make().merge(b.statistics())),
            "merge: the layer is not built; statistics alone do not tell the rank of the input");
}

TEST_P(LayerAdapt, ResetAndFinalizeBeforeBuild) {
  Normalization layer = make();
  EXPECT_TRUE(layer.resetState());
  EXPECT_TRUE(layer.finalizeState());
  EXPECT_FALSE(layer.isBuilt());
  EXPECT_FALSE(layer.isAdapted());
  EXPECT_TRUE(layer.mean().empty());
}

TEST_P(LayerAdapt, ConstantFeatures) {
  Data<float> x = f32({5, 1, 5, 3}, {2, 2});
  Normalization clamp = make(), unit = make({.zeroVariance = ZeroVariance::Unit}),
                undo = make({.invert = true, .zeroVariance = ZeroVariance::Unit});
  for (Normalization *layer : {&clamp, &unit, &undo}) {
    ASSERT_TRUE(layer->adapt(x));
    EXPECT_EQ(layer->constantFeatures(), (std::vector<int64_t>{0}));
  }
  Data<float> y = f32({6, 3}, {1, 2});
  const std::vector<float> clamped = apply(clamp, y);
  EXPECT_FLOAT_EQ(clamped[0], 1e7f);
  EXPECT_EQ(clamped[1], 1);
  EXPECT_EQ(apply(unit, y), (std::vector<float>{1, 1}));
  EXPECT_EQ(apply(undo, f32({1, 1}, {1, 2})), (std::vector<float>{6, 3}));
  EXPECT_EQ(apply(clamp, f32({5, 1}, {1, 2})), (std::vector<float>{0, -1}));
  // A deviation far below epsilon is still one.
  Data<float> tiny = f32({1e-30f, 3e-30f}, {2, 1});
  Normalization exact = make({.zeroVariance = ZeroVariance::Unit});
  ASSERT_TRUE(exact.adapt(tiny));
  const std::vector<float> scaled = apply(exact, tiny);
  EXPECT_FLOAT_EQ(scaled[0], -1);
  EXPECT_FLOAT_EQ(scaled[1], 1);
  Normalization wide = make({.epsilon = 0.5});
  ASSERT_TRUE(wide.adapt(x));
  EXPECT_EQ(apply(wide, y)[0], 2);
}

/// Features are worked on in vectors; each comes out as if it were alone.
TEST_P(LayerAdapt, PreparesEveryFeatureByItself) {
  const double inf = std::numeric_limits<double>::infinity();
  const double means[] = {0.5, -3, 1e8, 0, kNaN, inf, 7},
               m2s[] = {0, 1, 1e-9, 4e-20, kNaN, 3, 1e300};
  const int64_t features = 41;
  Statistics learned = Statistics::zeros({features});
  for (int64_t i = 0; i < features; ++i) {
    learned.count[i] = double(i % 5);
    learned.mean[i] = i % 5 ? means[i % 7] : 0;
    learned.m2[i] = i % 5 ? m2s[i % 7] : 0;
  }
  Data<double> x{std::vector<double>(features, 2.5), {1, features}, DType::F64}, y = x;
  for (bool invert : {false, true})
    for (ZeroVariance zero : {ZeroVariance::Clamp, ZeroVariance::Unit}) {
      Normalization layer = make({.invert = invert, .zeroVariance = zero, .compute = DType::F64});
      ASSERT_TRUE(layer.build(Dims{-1, features}));
      ASSERT_TRUE(layer.merge(learned));
      ASSERT_TRUE(layer.finalizeState());
      EXPECT_EQ(layer.constantFeatures(), learned.constantFeatures());
      ASSERT_TRUE(layer.apply(x, y));
      for (int64_t i = 0; i < features; ++i) {
        SCOPED_TRACE(i);
        const bool isSeen = learned.count[i] > 0;
        const double mean = isSeen ? learned.mean[i] : 0;
        const double variance = isSeen ? learned.variance(i) : 1, deviation = std::sqrt(variance);
        const double smallest = zero == ZeroVariance::Unit ? 0 : layer.options().epsilon;
        double divisor = deviation < smallest ? smallest : deviation;
        if (zero == ZeroVariance::Unit && isSeen && learned.isConstant(i))
          divisor = 1;
        EXPECT_TRUE(isSame(layer.mean()[i], mean));
        EXPECT_TRUE(isSame(layer.variance()[i], variance));
        const double expected =
            invert ? std::fma(2.5, divisor, mean) : (2.5 - mean) * (1 / divisor);
        EXPECT_TRUE(isSame(y.values[i], expected)) << y.values[i] << " " << expected;
      }
    }
}

} // namespace
