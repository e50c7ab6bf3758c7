//===- EngineErrorsTest.cpp - What engines refuse -------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineTest.h"

#include <gmock/gmock.h>

#include <limits>

using namespace norma;
using namespace norma::test;
using ::testing::AllOf;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::StartsWith;

namespace {

class EngineErrors : public EngineTest {
protected:
  void SetUp() override {
    x = arrayOf(DType::F32, {2, 3}, [](int64_t i) { return double(i); });
    y = arrayOf(DType::F32, {2, 3}, [](int64_t) { return 77; });
  }
  /// Nothing is written before everything is checked.
  void TearDown() override {
    EXPECT_EQ(valuesOf(x), (std::vector<double>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(valuesOf(y), std::vector<double>(6, 77));
  }

  static std::string affineError(const Tensor &from, const Dims &kept, const Tensor &to,
                                 const Coefficients &coefficients = {},
                                 DType compute = DType::F32) {
    return messageOf(shared()->affine(from, kept, coefficients, compute, to));
  }
  static std::string momentsError(const Tensor &from, const Dims &kept,
                                  const MomentsOptions &options = {}) {
    return messageOf(shared()->moments(from, kept, options));
  }
  Tensor yAs(DType dtype, const Dims &shape, const Dims &strides) {
    return Tensor(y.view().data, dtype, shape, strides);
  }

  Array x, y;
};

TEST_F(EngineErrors, KeptAxes) {
  for (const auto &run :
       {std::function([&](const Dims &kept) { return momentsError(x, kept); }),
        std::function([&](const Dims &kept) { return affineError(x, kept, y); })}) {
    EXPECT_EQ(run({1, 0}), "kept: (1, 0), expected ascending axes, each once");
    EXPECT_EQ(run({-1}), "kept: -1 is out of range, expected axes in [0, 2)");
    EXPECT_THAT(run({2}), Eq("kept: 2 is out of range, expected axes in [0, 2)"));
    EXPECT_THAT(run({1, 1}), Eq("kept: (1, 1), expected ascending axes, each once"));
  }
  EXPECT_THAT(momentsError(Tensor(x.view().data, DType::F32, {}), {0}),
              Eq("kept: 0 is out of range, expected axes in [0, 0)"));
}

TEST_F(EngineErrors, Data) {
  const Tensor nowhere(nullptr, DType::F32, {2, 3});
  EXPECT_EQ(momentsError(nowhere, {1}), "x: data is null; expected 6 elements");
  EXPECT_EQ(affineError(nowhere, {1}, y), "x: data is null; expected 6 elements");
  EXPECT_EQ(affineError(x, {1}, nowhere), "y: data is null; expected 6 elements");
  const int64_t huge = int64_t(1) << 40;
  EXPECT_THAT(momentsError(Tensor(x.view().data, DType::F32, {huge, huge}), {}),
              AllOf(StartsWith("x: shape (1099511627776, 1099511627776)"), HasSubstr("overflows")));
  EXPECT_THAT(momentsError(Tensor(x.view().data, DType::F32, {2, -3}), {}),
              AllOf(StartsWith("x: shape (2, -3)"), HasSubstr("-3")));
  EXPECT_THAT(momentsError(Tensor(x.view().data, DType::F32, {2, 3}, {huge << 22, 1}), {}),
              StartsWith("x: "));
  EXPECT_THAT(momentsError(Tensor(x.view().data, DType::F32, {2, 3}, {1}), {}),
              AllOf(StartsWith("x: 1 strides"), HasSubstr("rank 2")));
}

TEST_F(EngineErrors, Output) {
  EXPECT_EQ(affineError(x, {1}, yAs(DType::F32, {3, 2}, {2, 1})),
            "y: shape (3, 2), expected (2, 3), the shape of x");
  EXPECT_EQ(affineError(x, {1}, yAs(DType::I32, {2, 3}, {3, 1})),
            "y: dtype i32, expected f32, f64, f16 or bf16");
  EXPECT_EQ(affineError(x, {1}, y, {}, DType::F16), "compute: dtype f16, expected f32 or f64");
  EXPECT_THAT(affineError(x, {1}, yAs(DType::F32, {2, 3}, {0, 1})),
              AllOf(StartsWith("y: strides (0, 1)"), HasSubstr("share memory")));
  EXPECT_THAT(affineError(x, {1}, yAs(DType::F32, {2, 3}, {1, 1})),
              AllOf(StartsWith("y: strides (1, 1)"), HasSubstr("share memory")));
  EXPECT_THAT(affineError(x, {1}, yAs(DType::F32, {2, 3}, {2, -1})),
              StartsWith("y: strides (2, -1)"));

  // One row further, another dtype, and other strides in the same memory.
  const Tensor tail = x.view().rows(1, 2);
  EXPECT_THAT(affineError(Tensor(tail.data, DType::F32, {3}), {},
                          Tensor(x.as<float>() + 2, DType::F32, {3})),
              StartsWith("y: overlaps x"));
  EXPECT_THAT(affineError(x, {1}, Tensor(x.view().data, DType::F16, {2, 3})),
              StartsWith("y: overlaps x"));
  EXPECT_THAT(affineError(x, {1}, Tensor(x.view().data, DType::F32, {2, 3}, {1, 2})),
              StartsWith("y: overlaps x"));
}

TEST_F(EngineErrors, Coefficients) {
  EXPECT_EQ(affineError(x, {1}, y, {{3}, {1, 2}, {}, {}}),
            "center: 2 values, expected 3 for kept extents (3,)");
  EXPECT_EQ(affineError(x, {0}, y, {{2}, {}, {1, 2, 3}, {}}),
            "scale: 3 values, expected 2 for kept extents (2,)");
  EXPECT_EQ(affineError(x, {}, y, {{}, {}, {}, {1, 2}}),
            "shift: 2 values, expected 1 for kept extents ()");
}

TEST_F(EngineErrors, Gradients) {
  const Array dy = arrayOf(DType::F32, {2, 3}, [](int64_t) { return 1; });
  const std::vector<double> three(3, 1), two(2, 1);
  const GradientCoefficients all{{3}, three, three, three, three};
  const auto sums = [&](const Tensor &gradient, const Dims &kept, std::span<const double> center,
                        const MomentsOptions &options = {}) {
    return messageOf(shared()->gradientSums(x, gradient, kept, center, options));
  };
  const auto map = [&](const Tensor &gradient, const GradientCoefficients &coefficients,
                       const Tensor &dx, DType compute = DType::F32,
                       const MomentsOptions &options = {}) {
    return messageOf(
        shared()->gradientMap(x, gradient, Dims{1}, coefficients, compute, dx, options));
  };
  EXPECT_EQ(sums(dy, {2}, three), "kept: 2 is out of range, expected axes in [0, 2)");
  EXPECT_EQ(sums(dy, {1}, two), "center: 2 values, expected 3 for kept extents (3,)");
  const Tensor turned(dy.view().data, DType::F32, {3, 2});
  for (const std::string &text : {sums(turned, {1}, three), map(turned, all, y)})
    EXPECT_EQ(text, "dy: shape (3, 2), expected (2, 3), the shape of x");
  const Tensor integers(dy.view().data, DType::I32, {2, 3});
  for (const std::string &text : {sums(integers, {1}, three), map(integers, all, y)})
    EXPECT_EQ(text, "dy: dtype i32, expected f32, f64, f16 or bf16");
  const Array weights = arrayOf(DType::F32, {2}, [](int64_t i) { return i - 1.0; });
  for (const std::string &text : {sums(dy, {1}, three, {.weights = weights.view()}),
                                  map(dy, all, y, DType::F32, {.weights = weights.view()})})
    EXPECT_EQ(text, "weights: value -1 at index (0,), expected a finite number not below 0");

  EXPECT_EQ(map(dy, {{3}, three, three, {}, three}, y),
            "offset: 0 values, expected 3 for kept extents (3,)");
  EXPECT_EQ(map(dy, {{2}, three, three, three, three}, y),
            "coefficients: shape (2,), expected the kept extents (3,)");
  EXPECT_EQ(map(dy, all, y, DType::F16), "compute: dtype f16, expected f32 or f64");
  EXPECT_EQ(map(dy, all, yAs(DType::I32, {2, 3}, {3, 1})),
            "dx: dtype i32, expected f32, f64, f16 or bf16");
  EXPECT_EQ(map(dy, all, yAs(DType::F32, {2, 3}, {0, 1})),
            "dx: strides (0, 1) make elements share memory");
  EXPECT_THAT(map(dy, all, Tensor(dy.view().data, DType::F16, {2, 3})),
              StartsWith("dx: overlaps dy; expected x or dy itself"));
  EXPECT_THAT(map(dy, all, Tensor(x.view().data, DType::F32, {2, 3}, {1, 2})),
              StartsWith("dx: overlaps x; expected x or dy itself"));
}

TEST_F(EngineErrors, MaskAndWeights) {
  const Array three = arrayOf(DType::U8, {3}, [](int64_t) { return 1; });
  const Array deep = arrayOf(DType::F32, {2, 3, 1}, [](int64_t) { return 1; });
  EXPECT_THAT(momentsError(x, {1}, {.mask = three.view()}),
              AllOf(StartsWith("mask: shape (3,)"), HasSubstr("(2, 3)")));
  EXPECT_THAT(momentsError(x, {1}, {.weights = three.view()}),
              AllOf(StartsWith("weights: shape (3,)"), HasSubstr("(2, 3)")));
  EXPECT_THAT(momentsError(x, {1}, {.weights = deep.view()}),
              StartsWith("weights: shape (2, 3, 1)"));
  EXPECT_THAT(momentsError(x, {1}, {.mask = Tensor(nullptr, DType::Bool, {2})}),
              StartsWith("mask: data is null"));
  // Data without elements is no excuse.
  EXPECT_THAT(momentsError(x.view().rows(0, 0), {1}, {.mask = three.view()}),
              StartsWith("mask: shape (3,)"));

  for (double bad : {-1.0, double(std::numeric_limits<float>::quiet_NaN()),
                     std::numeric_limits<double>::infinity()}) {
    const Array weights = arrayOf(DType::F32, {2, 3}, [&](int64_t i) { return i == 4 ? bad : 1; });
    EXPECT_THAT(momentsError(x, {1}, {.weights = weights.view()}),
                AllOf(StartsWith("weights: "), HasSubstr("(1, 1)"), HasSubstr("finite")));
  }
  const Array integers = arrayOf(DType::I8, {2}, [](int64_t i) { return i == 1 ? -7 : 1; });
  EXPECT_THAT(momentsError(x, {1}, {.weights = integers.view()}),
              AllOf(HasSubstr("-7"), HasSubstr("(1,)")));
}

TEST_F(EngineErrors, Batches) {
  const Array other = arrayOf(DType::F32, {2, 4}, [](int64_t) { return 1; });
  const Array wide = arrayOf(DType::F64, {2, 3}, [](int64_t) { return 1; });
  const Array mask = arrayOf(DType::Bool, {2}, [](int64_t) { return 1; });
  const auto run = [&](const std::vector<Tensor> &batches, const Dims &kept,
                       const MomentsOptions &options = {}) {
    return messageOf(shared()->moments(std::span<const Tensor>(batches), kept, options));
  };
  EXPECT_THAT(run({}, {1}), StartsWith("batches: none given"));
  EXPECT_THAT(run({x, other}, {1}),
              AllOf(StartsWith("batches: "), HasSubstr("(2, 4)"), HasSubstr("(2, 3)")));
  EXPECT_THAT(run({x, wide}, {1}),
              AllOf(StartsWith("batches: "), HasSubstr("f64"), HasSubstr("f32")));
  EXPECT_THAT(run({x, x.view().rows(0, 1)}, {0}), StartsWith("batches: axis 0 is kept"));
  EXPECT_THAT(run({x, x}, {1}, {.mask = mask.view()}), StartsWith("mask and weights: "));
}

TEST(EngineOptionErrors, AreNamed) {
  EXPECT_EQ(messageOf(Engine::create({.threads = -1})),
            "threads: -1, expected 1 to 4096, or 0 for all cores");
  EXPECT_THAT(messageOf(Engine::create({.threads = 5'000})), StartsWith("threads: 5000"));
  EXPECT_EQ(messageOf(Engine::create({.cachedKernels = std::numeric_limits<int64_t>::max()})),
            "cachedKernels: 9223372036854775807, expected at most 16777216");
  EXPECT_THAT(messageOf(Engine::create({.targetCpu = "pentium-9"})),
              AllOf(StartsWith("target-cpu: 'pentium-9'"), HasSubstr("expected")));
}

} // namespace
