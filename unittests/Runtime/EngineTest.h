//===- EngineTest.h - Fixture of the engine tests ---------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_ENGINETEST_H
#define NORMA_UNITTESTS_RUNTIME_ENGINETEST_H

#include "Closeness.h"
#include "RandomTensor.h"

#include "norma/Runtime/Engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <stdexcept>

namespace norma::test {

/// A contiguous array with the value fill(row-major position) everywhere.
inline Array arrayOf(DType dtype, const Dims &shape, const std::function<double(int64_t)> &fill) {
  Expected<Array> array = Array::create(dtype, shape);
  if (!array) {
    ADD_FAILURE() << array.error().message();
    return {};
  }
  for (int64_t i = 0; i < array->view().size(); ++i)
    storeValue(fill(i), array->as<char>() + i * int64_t(sizeOf(dtype)), dtype);
  return std::move(*array);
}

/// A tensor of the shape of another, which begins `bytes` behind that in the lower 12 bits of their
/// addresses.
class Behind {
public:
  Behind(const Tensor &other, DType dtype, int64_t bytes)
      : memory(*Array::create(DType::U8, {other.size() * int64_t(sizeOf(dtype)) + kPage})),
        tensor(memory.as<char>(), dtype, other.shape) {
    const auto apart = static_cast<char *>(tensor.data) - static_cast<char *>(other.data);
    tensor.data = memory.as<char>() + ((bytes - apart) % kPage + kPage) % kPage;
  }
  operator const Tensor &() const { return tensor; }

private:
  static constexpr int64_t kPage = 4096;
  Array memory;
  Tensor tensor;
};

inline std::vector<double> valuesOf(const Array &array) {
  std::vector<double> result;
  for (int64_t i = 0; i < array.view().size(); ++i)
    result.push_back(loadAsDouble(array.as<char>() + i * int64_t(sizeOf(array.view().dtype)),
                                  array.view().dtype));
  return result;
}

inline std::shared_ptr<Engine> engineWith(const EngineOptions &options) {
  Expected<std::shared_ptr<Engine>> created = Engine::create(options);
  // GoogleTest turns it into a failure of the test.
  if (!created)
    throw std::runtime_error(created.error().message());
  return *created;
}

/// A number from the environment.
inline int64_t setting(const char *name, int64_t standard) {
  const char *text = std::getenv(name);
  return text ? std::atoll(text) : standard;
}

/// The message of an error, or a failure.
template <typename T>
std::string messageOf(const Expected<T> &result) {
  EXPECT_FALSE(result) << "expected an error";
  return result ? "" : result.error().message();
}

inline bool haveSameBits(const std::vector<double> &a, const std::vector<double> &b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

/// The same bits, but for those of NaN: which of two NaNs a sum takes after is up to the
/// order in which an instruction names them.
inline bool haveSameNumbers(const std::vector<double> &a, const std::vector<double> &b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](double x, double y) {
    return std::memcmp(&x, &y, sizeof(double)) == 0 || (std::isnan(x) && std::isnan(y));
  });
}

inline bool haveSameBits(const Statistics &a, const Statistics &b) {
  return a.shape == b.shape && haveSameBits(a.count, b.count) && haveSameBits(a.mean, b.mean) &&
         haveSameBits(a.m2, b.m2);
}

inline bool haveSameBits(const GradientSums &a, const GradientSums &b) {
  return a.shape == b.shape && haveSameBits(a.sum, b.sum) && haveSameBits(a.dot, b.dot);
}

/// Tests that share one engine, for the sake of its kernels.
class EngineTest : public ::testing::Test {
protected:
  static void SetUpTestSuite() { shared() = engineWith({}); }
  static void TearDownTestSuite() { shared().reset(); }
  static std::shared_ptr<Engine> &shared() {
    static std::shared_ptr<Engine> engine;
    return engine;
  }

  static Statistics moments(const Tensor &x, const Dims &kept, const MomentsOptions &options = {}) {
    Expected<Statistics> result = shared()->moments(x, kept, options);
    EXPECT_TRUE(result) << result.error().message();
    return result ? std::move(*result) : Statistics{};
  }

  /// Expects the contract to hold.
  static void expectMoments(const Tensor &x, const Dims &kept, const MomentsOptions &options = {}) {
    const Statistics actual = moments(x, kept, options);
    EXPECT_EQ(differenceOfMoments(x, kept, options, actual), "");
  }
};

/// An engine for the processor that a test is given the name of.
class EngineForCpu : public ::testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    Expected<std::shared_ptr<Engine>> created =
        Engine::create({.threads = 1, .targetCpu = GetParam()});
    if (!created) {
      // The machine is older, or of another architecture: the message says so.
      EXPECT_EQ(created.error().message().find("target-cpu: "), 0u) << created.error().message();
      GTEST_SKIP() << created.error().message();
    }
    engine = *created;
  }
  std::shared_ptr<Engine> engine;
};

inline std::string nameOfCpu(const ::testing::TestParamInfo<const char *> &info) {
  std::string name = *info.param ? info.param : "host";
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_ENGINETEST_H
