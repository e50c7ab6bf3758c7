//===- BatchNormLayerTest.h - Fixture of the layer's tests ------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_BATCHNORMLAYERTEST_H
#define NORMA_UNITTESTS_RUNTIME_BATCHNORMLAYERTEST_H

#include "LayerTest.h"

#include "norma/Runtime/Layers/BatchNormalization.h"

#include <cmath>

namespace norma::test {

/// Tests of norma::BatchNormalization share an engine, so that they share kernels.
class BatchNormLayerTest : public ::testing::Test {
protected:
  using Options = BatchNormalizationOptions;
  using Floats = std::vector<float>;
  using Doubles = std::vector<double>;

  static void TearDownTestSuite() { engine().reset(); }
  static std::shared_ptr<Engine> &engine() {
    static std::shared_ptr<Engine> instance;
    if (!instance) {
      Expected<std::shared_ptr<Engine>> created = Engine::create({});
      EXPECT_TRUE(created) << created.error().message();
      instance = *created;
    }
    return instance;
  }

  /// A column of one feature.
  static Data<float> column(Floats values) {
    const auto rows = int64_t(values.size());
    return f32(std::move(values), {rows, 1});
  }
  /// The same as an image of one channel, which may be fused.
  static Data<float> image(Floats values) {
    const auto rows = int64_t(values.size());
    return f32(std::move(values), {rows, 1, 1, 1});
  }

  static Expected<BatchNormalization> tryMake(const Options &options = {}) {
    return BatchNormalization::create(engine(), options);
  }
  static BatchNormalization make(const Options &options = {}) {
    Expected<BatchNormalization> layer = tryMake(options);
    EXPECT_TRUE(layer) << layer.error().message();
    return std::move(*layer);
  }
  static BatchNormalization makeBuilt(const Options &options, const Dims &shape) {
    BatchNormalization layer = make(options);
    Expected<void> built = layer.build(shape);
    EXPECT_TRUE(built) << built.error().message();
    return layer;
  }

  /// The result of a training call, as f32.
  static Floats train(BatchNormalization &layer, const Tensor &x,
                      const BatchNormalizationCall &call = {}) {
    Data<float> y = ones(x.shape);
    Expected<SavedForward> saved = layer.train(x, y, call);
    EXPECT_TRUE(saved) << saved.error().message();
    return y.values;
  }
  static Floats apply(const BatchNormalization &layer, const Tensor &x) {
    Expected<Array> y = layer.apply(x);
    EXPECT_TRUE(y) << y.error().message();
    return y ? floats(doubles(*y)) : Floats();
  }

  static Doubles weight(const BatchNormalization &layer, const char *name) {
    Expected<Tensor> tensor = layer.weight(name);
    EXPECT_TRUE(tensor) << tensor.error().message();
    if (!tensor)
      return {};
    Expected<Array> copy = Array::copyOf(*tensor);
    EXPECT_TRUE(copy);
    return doubles(*copy);
  }
  static void setWeight(const BatchNormalization &layer, const char *name, const Doubles &values) {
    Expected<Tensor> tensor = layer.weight(name);
    ASSERT_TRUE(tensor) << tensor.error().message();
    ASSERT_EQ(tensor->size(), int64_t(values.size()));
    for (size_t i = 0; i < values.size(); ++i)
      storeFromDouble(values[i], static_cast<char *>(tensor->data) + i * sizeOf(tensor->dtype),
                      tensor->dtype);
  }

  static void expectNear(const Floats &actual, const Floats &expected, float tolerance = 1e-5f) {
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i)
      EXPECT_NEAR(actual[i], expected[i], tolerance * (1 + std::fabs(expected[i]))) << i;
  }
  static void expectNear(const Doubles &actual, const Doubles &expected, double tolerance = 1e-6) {
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i)
      EXPECT_NEAR(actual[i], expected[i], tolerance * (1 + std::fabs(expected[i]))) << i;
  }
};

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_BATCHNORMLAYERTEST_H
