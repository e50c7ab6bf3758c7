//===- EngineAddressesTest.cpp - Maps wherever their tensors lie ----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Maps go forwards or backwards by where the result lies beside the data. The bits are the same,
// in place, too, and nothing beside the result is touched.
//
//===----------------------------------------------------------------------===//

#include "EngineTest.h"

#include "norma/Support/AxisForm.h"

#include <fmt/format.h>
#include <numeric>

using namespace norma;
using namespace norma::test;

namespace {

constexpr int64_t kPage = 4096;
constexpr char kUntouched = 0x5a;

/// Memory that begins at a page.
class Pages {
public:
  explicit Pages(int64_t bytes)
      : size((bytes / kPage + 3) * kPage),
        memory(static_cast<char *>(std::aligned_alloc(kPage, size_t(size)))) {
    if (!memory)
      throw std::bad_alloc();
    std::memset(memory, kUntouched, size_t(size));
  }
  ~Pages() { std::free(memory); }
  Pages(const Pages &) = delete;
  Pages &operator=(const Pages &) = delete;

  /// A tensor that lies `offset` bytes behind a page, room before it.
  Tensor tensor(DType dtype, const Dims &shape, int64_t offset = 0) {
    return {memory + kPage + offset, dtype, shape};
  }
  bool isUntouchedBeside(const Tensor &tensor) const {
    const char *begin = static_cast<const char *>(tensor.data);
    const char *end = begin + tensor.size() * int64_t(sizeOf(tensor.dtype));
    const auto isUntouched = [](char byte) { return byte == kUntouched; };
    return std::all_of(static_cast<const char *>(memory), begin, isUntouched) &&
           std::all_of(end, static_cast<const char *>(memory) + size, isUntouched);
  }

private:
  int64_t size;
  char *memory;
};

struct Map {
  Dims shape, kept;
};

/// Rows and runs that are whole vectors and that are not, of several vectors and of less than
/// one, with one element left and with more.
const Map kMaps[] = {{{301, 13}, {1}},    {{40, 64}, {1}},     {{9, 1000}, {1}},
                     {{5, 1037}, {1}},    {{33, 7}, {1}},      {{3, 37, 49}, {1}},
                     {{2, 17, 196}, {1}}, {{2, 5, 1030}, {1}}, {{11, 3, 50}, {1}},
                     {{2, 9, 17}, {1}},   {{2, 3, 9, 5}, {1}}, {{4000}, {}},
                     {{4001}, {0}},       {{3, 1000}, {0}},    {{7, 2, 100}, {0, 2}}};

const int64_t kOffsets[] = {0, 16, 64, 200, 1008, 1024, 1040, 2048, 3072, 3856, 4032, 4080};

void copyInto(const Tensor &to, const Array &from) {
  std::memcpy(to.data, from.as<char>(), from.sizeInBytes());
}

bool haveSameBytes(const Tensor &tensor, const Array &expected) {
  return std::memcmp(tensor.data, expected.as<char>(), expected.sizeInBytes()) == 0;
}

std::vector<double> someValues(int64_t size, double first) {
  std::vector<double> values(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i)
    values[size_t(i)] = first + double(i % 29) / 16;
  return values;
}

int64_t sizeOfShape(const Dims &shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<>());
}

class EngineAddresses : public ::testing::TestWithParam<std::tuple<DType, const char *>> {
protected:
  void SetUp() override {
    Expected<std::shared_ptr<Engine>> created =
        Engine::create({.threads = 1, .targetCpu = std::get<1>(GetParam())});
    if (!created)
      GTEST_SKIP() << created.error().message();
    engine = *created;
  }

  DType dtype() const { return std::get<0>(GetParam()); }
  Array data(const Dims &shape, int64_t by) const {
    return arrayOf(dtype(), shape, [&](int64_t i) { return double(i * by % 1021) / 8 - 60; });
  }

  std::shared_ptr<Engine> engine;
};

TEST_P(EngineAddresses, Affine) {
  for (const Map &map : kMaps) {
    const Dims kept = keptShape(map.shape, map.kept);
    const int64_t size = sizeOfShape(kept);
    const Coefficients c{kept, someValues(size, -3), someValues(size, 0.5), someValues(size, 2)};
    const Array x = data(map.shape, 7);
    Array expected = *Array::create(dtype(), map.shape);
    Pages source(int64_t(x.sizeInBytes()));
    const Tensor from = source.tensor(dtype(), map.shape);
    copyInto(from, x);
    bool isFirst = true;
    for (const int64_t offset : kOffsets) {
      Pages target(int64_t(x.sizeInBytes()));
      const Tensor to = target.tensor(dtype(), map.shape, offset);
      ASSERT_TRUE(engine->affine(from, map.kept, c, DType::F32, to));
      const std::string what = fmt::format("{} at {}", toString(map.shape), offset);
      if (std::exchange(isFirst, false)) {
        EXPECT_EQ(differenceOfAffine(x, map.kept, c, DType::F32, to), "") << what;
        std::memcpy(expected.as<char>(), to.data, expected.sizeInBytes());
      }
      EXPECT_TRUE(haveSameBytes(to, expected)) << what;
      EXPECT_TRUE(target.isUntouchedBeside(to)) << what;
      EXPECT_TRUE(haveSameBytes(from, x)) << what;
    }
    ASSERT_TRUE(engine->affine(from, map.kept, c, DType::F32, from));
    EXPECT_TRUE(haveSameBytes(from, expected)) << toString(map.shape) << " in place";
    EXPECT_TRUE(source.isUntouchedBeside(from)) << toString(map.shape) << " in place";
  }
}

TEST_P(EngineAddresses, GradientMap) {
  for (const Map &map : kMaps) {
    const Dims kept = keptShape(map.shape, map.kept);
    const int64_t size = sizeOfShape(kept);
    const GradientCoefficients c{kept, someValues(size, -3), someValues(size, 0.5),
                                 someValues(size, 2), someValues(size, 0.25)};
    const Array x = data(map.shape, 7), dy = data(map.shape, 11);
    Array expected = *Array::create(dtype(), map.shape);
    bool isFirst = true;
    for (const int64_t offset : kOffsets)
      for (const int64_t ofDy : {0, 32, 4064}) {
        const auto bytes = int64_t(x.sizeInBytes());
        Pages one(bytes), other(bytes), target(bytes);
        const Tensor from = one.tensor(dtype(), map.shape),
                     gradient = other.tensor(dtype(), map.shape, ofDy),
                     to = target.tensor(dtype(), map.shape, offset);
        copyInto(from, x);
        copyInto(gradient, dy);
        ASSERT_TRUE(engine->gradientMap(from, gradient, map.kept, c, DType::F32, to));
        const std::string what =
            fmt::format("{} at {}, dy at {}", toString(map.shape), offset, ofDy);
        if (std::exchange(isFirst, false)) {
          EXPECT_EQ(differenceOfGradientMap(x, dy, map.kept, c, DType::F32, {}, to), "") << what;
          std::memcpy(expected.as<char>(), to.data, expected.sizeInBytes());
        }
        EXPECT_TRUE(haveSameBytes(to, expected)) << what;
        EXPECT_TRUE(target.isUntouchedBeside(to)) << what;
        // Into x itself, and into dy itself.
        ASSERT_TRUE(engine->gradientMap(from, gradient, map.kept, c, DType::F32, gradient));
        EXPECT_TRUE(haveSameBytes(gradient, expected)) << what << ", in dy";
        copyInto(gradient, dy);
        ASSERT_TRUE(engine->gradientMap(from, gradient, map.kept, c, DType::F32, from));
        EXPECT_TRUE(haveSameBytes(from, expected)) << what << ", in x";
      }
  }
}

/// "bf16_x86_64_v3".
std::string nameOf(const ::testing::TestParamInfo<std::tuple<DType, const char *>> &of) {
  const auto &[dtype, cpu] = of.param;
  std::string name = fmt::format("{}_{}", toString(dtype), *cpu ? cpu : "native");
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, EngineAddresses,
                         ::testing::Combine(::testing::Values(DType::F32, DType::BF16, DType::F16),
                                            ::testing::Values("", "x86-64-v3", "x86-64")),
                         nameOf);

} // namespace
