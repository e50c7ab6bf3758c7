//===- LayerTest.h - Fixture of the normalization tests ---------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_LAYERTEST_H
#define NORMA_UNITTESTS_RUNTIME_LAYERTEST_H

#include "norma/Runtime/Layers/NormalizationState.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <numeric>

namespace norma::test {

inline constexpr double kInf = std::numeric_limits<double>::infinity();
inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Values with a shape, as the tests write them.
template <typename T>
struct Data {
  std::vector<T> values;
  Dims shape;
  DType dtype;

  operator Tensor() { return Tensor(values.data(), dtype, shape); }
  operator std::optional<Tensor>() { return Tensor(*this); }
};

inline Data<float> f32(std::vector<float> values, const Dims &shape) {
  return {std::move(values), shape, DType::F32};
}

inline Data<float> ones(const Dims &shape) {
  return f32(std::vector<float>(size_t(*numElements(shape)), 1.0f), shape);
}

inline Data<float> ramp(const Dims &shape) {
  Data<float> result = ones(shape);
  std::iota(result.values.begin(), result.values.end(), 0.0f);
  return result;
}

template <typename T>
std::string errorOf(const Expected<T> &result) {
  EXPECT_FALSE(result);
  return result ? std::string("no error") : result.error().message();
}

inline std::vector<double> doubles(const Array &array) {
  std::vector<double> result;
  const Tensor &view = array.view();
  for (int64_t i = 0; i < view.size(); ++i)
    result.push_back(loadAsDouble(array.as<char>() + i * int64_t(sizeOf(view.dtype)), view.dtype));
  return result;
}

inline std::vector<float> floats(const std::vector<double> &values) {
  return std::vector<float>(values.begin(), values.end());
}

inline NormalizationOptions given(const GivenStatistic &mean, const GivenStatistic &variance,
                                  const Dims &axis = {-1}) {
  return {.axis = axis, .mean = mean, .variance = variance};
}

/// Everything that a layer shows, to the bit.
inline std::string knowledgeOf(const Normalization &layer) {
  const auto bytes = [](const auto &values) {
    std::string text(values.size() * sizeof(values[0]), '\0');
    if (!values.empty())
      std::memcpy(text.data(), values.data(), text.size());
    return text + "|";
  };
  const Statistics &statistics = layer.statistics();
  return layer.getConfig() + bytes(statistics.count) + bytes(statistics.mean) +
         bytes(statistics.m2) + bytes(layer.mean()) + bytes(layer.variance()) +
         bytes(layer.constantFeatures()) + (layer.isAdapted() ? "adapted" : "");
}

/// Every behaviour of the layer holds on compiled kernels and on the reference.
class LayerTest : public ::testing::TestWithParam<bool> {
protected:
  static void SetUpTestSuite() {
    Expected<std::shared_ptr<Engine>> created = Engine::create({});
    ASSERT_TRUE(created) << created.error().message();
    engine() = *created;
  }
  static void TearDownTestSuite() { engine().reset(); }
  static std::shared_ptr<Engine> &engine() {
    static std::shared_ptr<Engine> instance;
    return instance;
  }

  Expected<Normalization> tryMake(NormalizationOptions options = {}) {
    options.runEagerly = GetParam();
    return Normalization::create(engine(), options);
  }
  Normalization make(const NormalizationOptions &options = {}) {
    Expected<Normalization> layer = tryMake(options);
    EXPECT_TRUE(layer) << layer.error().message();
    return std::move(*layer);
  }
  std::vector<float> apply(const Normalization &layer, const Tensor &x) {
    Expected<Array> y = layer.apply(x);
    EXPECT_TRUE(y) << y.error().message();
    if (!y)
      return {};
    EXPECT_EQ(y->view().shape, x.shape);
    return floats(doubles(*y));
  }
};

/// The names of the two parameters of LayerTest.
inline std::string backendName(const ::testing::TestParamInfo<bool> &info) {
  return info.param ? "Eager" : "Compiled";
}

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_LAYERTEST_H
