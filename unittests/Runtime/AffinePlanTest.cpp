//===- AffinePlanTest.cpp - Maps that are prepared once -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Runtime/Layers/BatchNormalization.h"
#include "norma/Runtime/Layers/Normalization.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace norma;

namespace {

std::shared_ptr<Engine> makeEngine() {
  EngineOptions options;
  options.cacheDirectory = "off";
  return *Engine::create(options);
}

Array filled(const Dims &shape, float first) {
  Array array = *Array::create(DType::F32, shape);
  for (int64_t i = 0; i < array.view().size(); ++i)
    array.as<float>()[i] = first + float(i % 97) * 0.25f;
  return array;
}

bool haveEqualBytes(const Array &a, const Array &b) {
  return a.sizeInBytes() == b.sizeInBytes() &&
         std::memcmp(a.view().data, b.view().data, a.sizeInBytes()) == 0;
}

const Coefficients kThree = {{3}, {1, 2, 3}, {2, 0.5, -1}, {0, 10, 100}};

TEST(AffinePlan, EqualsAffineOnOtherTensors) {
  const std::shared_ptr<Engine> engine = makeEngine();
  for (const int64_t rows : {int64_t(1), int64_t(7), int64_t(300000)}) {
    const Dims shape{rows, 3};
    const Array a = filled(shape, 1), b = filled(shape, -5);
    const Array y = *Array::create(DType::F32, shape), expected = *Array::create(DType::F32, shape);
    Expected<AffinePlan> plan = engine->planAffine(a, {{1}}, kThree, DType::F32, y);
    ASSERT_TRUE(plan) << plan.error().message();
    for (const Array *x : {&a, &b}) {
      ASSERT_TRUE(engine->affine(*x, {{1}}, kThree, DType::F32, expected));
      ASSERT_TRUE(plan->run(x->view().data, y.view().data));
      EXPECT_TRUE(haveEqualBytes(y, expected)) << rows << " rows";
    }
  }
}

TEST(AffinePlan, RunsInPlaceOnlyWhereItCan) {
  const std::shared_ptr<Engine> engine = makeEngine();
  const Dims shape{5, 3};
  const Array x = filled(shape, 1), y = *Array::create(DType::F32, shape);
  const Array wide = *Array::create(DType::F64, shape);
  Expected<AffinePlan> plan = engine->planAffine(x, {{1}}, kThree, DType::F32, y);
  ASSERT_TRUE(plan);
  ASSERT_TRUE(plan->run(x.view().data, y.view().data));
  ASSERT_TRUE(plan->run(x.view().data, x.view().data));
  EXPECT_TRUE(haveEqualBytes(x, y));

  Expected<AffinePlan> widening = engine->planAffine(x, {{1}}, kThree, DType::F32, wide);
  ASSERT_TRUE(widening);
  const Expected<void> inPlace = widening->run(x.view().data, x.view().data);
  ASSERT_FALSE(inPlace);
  EXPECT_EQ(inPlace.error().message(), "y: overlaps x; expected x itself, where both have one "
                                       "dtype and the same strides, or memory of its own");
}

TEST(AffinePlan, RefusesAddressesItWasNotMadeFor) {
  const std::shared_ptr<Engine> engine = makeEngine();
  const Dims shape{5, 3};
  const Array x = filled(shape, 1), before = filled(shape, 1);
  const Array y = *Array::create(DType::F32, shape);
  Expected<AffinePlan> plan = engine->planAffine(x, {{1}}, kThree, DType::F32, y);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->run(nullptr, y.view().data).error().message(),
            "x: null, expected the address of a tensor");
  EXPECT_EQ(plan->run(x.view().data, nullptr).error().message(),
            "y: null, expected the address of a tensor");
  EXPECT_FALSE(plan->run(x.view().data, x.as<float>() + 14));
  EXPECT_TRUE(haveEqualBytes(x, before));
}

TEST(AffinePlan, WritesPastTheCachesOnlyToAlignedAddresses) {
  const std::shared_ptr<Engine> engine = makeEngine();
  const Dims shape{3 << 20, 3}, longer{(3 << 20) + 1, 3};
  const Array x = filled(shape, 1), y = *Array::create(DType::F32, longer);
  const Tensor aligned(y.view().data, DType::F32, shape);
  Expected<AffinePlan> plan = engine->planAffine(x, {{1}}, kThree, DType::F32, aligned);
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->run(x.view().data, y.view().data));
  EXPECT_FALSE(plan->run(x.view().data, y.as<float>() + 1));
  Expected<AffinePlan> unaligned = engine->planAffine(x, {{1}}, kThree, DType::F32,
                                                      Tensor(y.as<float>() + 1, DType::F32, shape));
  ASSERT_TRUE(unaligned);
  EXPECT_TRUE(unaligned->run(x.view().data, y.as<float>() + 1));
  EXPECT_EQ(y.as<float>()[1], 0);
}

TEST(AffinePlan, OutlivesItsEngine) {
  std::shared_ptr<Engine> engine = makeEngine();
  const Dims shape{5, 3};
  const Array x = filled(shape, 1), y = *Array::create(DType::F32, shape);
  Expected<AffinePlan> plan = engine->planAffine(x, {{1}}, kThree, DType::F32, y);
  ASSERT_TRUE(plan);
  engine.reset();
  ASSERT_TRUE(plan->run(x.view().data, y.view().data));
  EXPECT_EQ(y.as<float>()[0], 0);
}

TEST(AffinePlan, OfNoElementsDoesNothing) {
  const std::shared_ptr<Engine> engine = makeEngine();
  const Array none = *Array::create(DType::F32, {0, 3});
  Expected<AffinePlan> plan = engine->planAffine(none, {{1}}, kThree, DType::F32, none);
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->run(nullptr, nullptr));
}

// What the layer keeps must follow the tensors and the statistics.
TEST(AffinePlan, OfALayerIsReplaced) {
  const std::shared_ptr<Engine> engine = makeEngine();
  Normalization layer = *Normalization::create(engine, {.zeroVariance = ZeroVariance::Unit});
  const Array x = filled({4, 3}, 1), y = *Array::create(DType::F32, {4, 3});
  const Array wide = *Array::create(DType::F64, {4, 3});
  ASSERT_TRUE(layer.apply(x, y));
  EXPECT_TRUE(haveEqualBytes(x, y));

  const Array constant = *Array::create(DType::F32, {2, 3});
  for (int i = 0; i < 6; ++i)
    constant.as<float>()[i] = 1;
  ASSERT_TRUE(layer.adapt(constant));
  ASSERT_TRUE(layer.apply(x, y));
  EXPECT_EQ(y.as<float>()[0], 0);
  EXPECT_EQ(y.as<float>()[5], 1.25f);
  ASSERT_TRUE(layer.apply(x, wide));
  EXPECT_EQ(wide.as<double>()[5], 1.25);
  ASSERT_TRUE(layer.apply(x.view().rows(1, 3), y.view().rows(1, 3)));
  EXPECT_EQ(y.as<float>()[5], 1.25f);
  ASSERT_TRUE(layer.resetState());
  ASSERT_TRUE(layer.apply(x, y));
  EXPECT_TRUE(haveEqualBytes(x, y));
}

// Of its weights a layer knows what they are only when it is called.
TEST(AffinePlan, OfABatchNormalizationFollowsItsWeights) {
  const std::shared_ptr<Engine> engine = makeEngine();
  BatchNormalization layer = *BatchNormalization::create(engine, {.epsilon = 0});
  const Array x = filled({4, 3}, 1), y = *Array::create(DType::F32, {4, 3});
  ASSERT_TRUE(layer.apply(x, y));
  EXPECT_TRUE(haveEqualBytes(x, y));

  const auto set = [&](const char *name, int64_t i, float value) {
    static_cast<float *>(layer.weight(name)->data)[i] = value;
  };
  set("gamma", 2, 3);
  ASSERT_TRUE(layer.apply(x, y));
  EXPECT_EQ(y.as<float>()[2], 3 * 1.5f);
  set("beta", 2, 0.5);
  ASSERT_TRUE(layer.apply(x, y));
  EXPECT_EQ(y.as<float>()[2], 3 * 1.5f + 0.5f);
  set("moving_mean", 2, 1);
  set("moving_variance", 2, 4);
  ASSERT_TRUE(layer.apply(x, y));
  EXPECT_EQ(y.as<float>()[2], 0.25f * 3 + 0.5f);
  EXPECT_EQ(y.as<float>()[1], x.as<float>()[1]);
  // Back at weights that it has seen.
  for (const auto &[name, value] :
       {std::pair("gamma", 1.0f), {"beta", 0.0f}, {"moving_mean", 0.0f}, {"moving_variance", 1.0f}})
    set(name, 2, value);
  ASSERT_TRUE(layer.apply(x, y));
  EXPECT_TRUE(haveEqualBytes(x, y));
  // A call in training moves them, too.
  ASSERT_TRUE(layer.train(x, y));
  ASSERT_TRUE(layer.apply(x, y));
  EXPECT_FALSE(haveEqualBytes(x, y));

  const Array longer = filled({5, 3}, 1), other = filled({4, 2}, 1);
  EXPECT_TRUE(layer.apply(longer, longer));
  EXPECT_FALSE(layer.apply(other, other));
  EXPECT_FALSE(layer.apply(x, longer));
}

} // namespace
