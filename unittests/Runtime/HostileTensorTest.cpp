//===- HostileTensorTest.cpp - Tensors that nobody should pass ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every public call gets, in turn, every bad tensor as each of its arguments. It must
// refuse it by name, and write nothing: neither the results nor around them.
//
//===----------------------------------------------------------------------===//

#include "EngineTest.h"
#include "HostileCalls.h"

#include "norma/Runtime/Layers/BatchNormalization.h"
#include "norma/Runtime/Layers/Normalization.h"

#include <gmock/gmock.h>

#if defined(__has_feature)
#define NORMA_HAS_ADDRESS_SANITIZER __has_feature(address_sanitizer)
#else
#define NORMA_HAS_ADDRESS_SANITIZER 0
#endif

using namespace norma;
using namespace norma::test;
using ::testing::HasSubstr;

namespace {

struct Hostile {
  const char *what;
  Dims shape, strides;
  bool isNull = false;
};

/// What no call takes, wherever it is.
const Hostile kNeverTaken[] = {
    {"null", {kRows, kColumns}, {kColumns, 1}, true},
    {"negative extent", {kRows, -kColumns}, {kColumns, 1}},
    {"smallest extent", {kLeast, kColumns}, {kColumns, 1}},
    {"all extents negative", {-1, -1}, {1, 1}},
    {"too many elements", {kHuge, kHuge}, {0, 0}},
    {"too many elements, and none", {0, kHuge, kHuge}, {0, 0, 0}},
    {"63 bits of elements and some", {kMost, 2}, {0, 0}},
    {"stride out of the address space", {kRows, kColumns}, {kHuge, 1}},
    {"stride out of the address space, backwards", {kRows, kColumns}, {-kHuge, 1}},
    {"largest stride", {kRows, kColumns}, {kMost, 1}},
    {"smallest stride", {kRows, kColumns}, {kLeast, 1}},
    {"smallest strides", {kRows, kColumns}, {kLeast, kLeast}},
    {"strides whose sum overflows", {kRows, kColumns}, {kMost / 3, kMost / 3}},
    {"before address 0", {kRows, kColumns}, {-(int64_t(1) << 50), 1}},
    {"more than any machine has", {kRows, kColumns}, {int64_t(1) << 54, 1}},
    {"no elements, strides that overflow", {kRows, 0}, {kMost, kMost}},
    {"dense, too large to address", {int64_t(1) << 31, int64_t(1) << 31}, {int64_t(1) << 31, 1}},
    {"too few strides", {kRows, kColumns}, {1}},
    {"too many strides", {kRows, kColumns}, {kColumns, 1, 1}},
};

/// What a result, in addition, must not be.
const Hostile kNoResult[] = {
    {"all elements at one address", {kRows, kColumns}, {0, 0}},
    {"rows at one address", {kRows, kColumns}, {0, 1}},
    {"columns at one address", {kRows, kColumns}, {1, 0}},
    {"rows that overlap", {kRows, kColumns}, {2, 1}},
    {"rows that overlap, backwards", {kRows, kColumns}, {-2, 1}},
    {"elements on a diagonal", {kRows, kColumns}, {1, 1}},
    {"another rank", {kRows * kColumns}, {1}},
    {"other extents", {kColumns, kRows}, {kRows, 1}},
};

class HostileTensor : public EngineTest {
protected:
  /// Gives a call a bad tensor in one place, and good ones in all others.
  static void expectRefused(const TensorCall &call, size_t place, const Hostile &hostile) {
    CallMemory used(call);
    used.tensors[place].shape = hostile.shape;
    used.tensors[place].strides = hostile.strides;
    if (hostile.isNull)
      used.tensors[place].data = nullptr;
    const char *name =
        place < call.inputs.size() ? call.inputs[place] : call.outputs[place - call.inputs.size()];
    SCOPED_TRACE(std::string(call.name) + ", " + name + ": " + hostile.what);
    const std::optional<Error> error = call.run(used.tensors);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), ErrorCode::InvalidArgument) << error->message();
    EXPECT_THAT(error->message(), HasSubstr(name));
    for (const Guarded &one : used.memory)
      EXPECT_TRUE(one.isUntouched());
  }
};

TEST_F(HostileTensor, GoodOnesAreTaken) {
  for (const TensorCall &call : tensorCalls(shared())) {
    CallMemory used(call);
    const std::optional<Error> error = call.run(used.tensors);
    EXPECT_FALSE(error) << call.name << ": " << error->message();
    for (size_t i = 0; i < call.inputs.size(); ++i)
      EXPECT_TRUE(used.memory[i].isUntouched()) << call.name;
  }
}

TEST_F(HostileTensor, BadOnesAreRefusedByName) {
  for (const TensorCall &call : tensorCalls(shared())) {
    for (size_t place = 0; place < call.inputs.size() + call.outputs.size(); ++place)
      for (const Hostile &hostile : kNeverTaken)
        expectRefused(call, place, hostile);
    for (size_t i = 0; i < call.outputs.size(); ++i)
      for (const Hostile &hostile : kNoResult)
        expectRefused(call, call.inputs.size() + i, hostile);
  }
}

TEST_F(HostileTensor, NoElementTypes) {
  for (const TensorCall &call : tensorCalls(shared()))
    for (size_t place = 0; place < call.inputs.size() + call.outputs.size(); ++place) {
      CallMemory used(call);
      used.tensors[place].dtype = DType(200);
      const std::optional<Error> error = call.run(used.tensors);
      ASSERT_TRUE(error) << call.name;
      EXPECT_THAT(error->message(), HasSubstr("200 is not an element type")) << call.name;
    }
  EXPECT_THAT(messageOf(Array::create(DType(200), {2})), HasSubstr("200 is not an element type"));
}

TEST_F(HostileTensor, OddOnesThatAreFineAsInputs) {
  const Hostile odd[] = {
      {"one number", {kRows, kColumns}, {0, 0}},
      {"one row", {kRows, kColumns}, {0, 1}},
      {"rows that overlap", {kRows, kColumns}, {1, 1}},
      {"no elements", {0, kColumns}, {kColumns, 1}},
      {"no elements, and no address", {0, kColumns}, {0, 0}, true},
  };
  // Strides along an extent of 1 may be anything.
  const Hostile row{"", {1, kColumns}, {kLeast, 1}};
  Guarded memory;
  for (const Hostile &one : odd) {
    const Tensor x(one.isNull ? nullptr : memory.tensor().data, DType::F32, one.shape, one.strides);
    Expected<Statistics> statistics = shared()->moments(x, Dims{1});
    ASSERT_TRUE(statistics) << one.what << ": " << statistics.error().message();
    EXPECT_EQ(statistics->count, std::vector<double>(kColumns, double(one.shape[0])));
  }
  const Tensor x(memory.tensor().data, DType::F32, row.shape, row.strides);
  EXPECT_TRUE(shared()->moments(x, Dims{1}, {.mask = x, .weights = x}));
  EXPECT_TRUE(shared()->affine(x, Dims{1}, {}, DType::F32, x));
  BatchNormalizationOptions ghosts;
  ghosts.virtualBatchSize = 1;
  Expected<BatchNormalization> layer = BatchNormalization::create(shared(), ghosts);
  ASSERT_TRUE(layer);
  EXPECT_TRUE(layer->train(x, x, {.mask = x}));
}

TEST_F(HostileTensor, MoreKeptIndicesThanMemory) {
  // No elements, but statistics of every kept index.
  const Tensor x(nullptr, DType::F32, {0, int64_t(1) << 61}, {0, 0});
  const auto expectShort = [](const auto &result) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::ResourceExhausted) << result.error().message();
  };
  expectShort(shared()->moments(x, Dims{1}));
  Expected<Normalization> layer = Normalization::create(shared());
  ASSERT_TRUE(layer);
  expectShort(layer->build(x.shape));
  expectShort(layer->adapt(x));
  expectShort(layer->apply(x, x));
  EXPECT_FALSE(layer->isBuilt());
  Expected<BatchNormalization> batchNorm = BatchNormalization::create(shared());
  ASSERT_TRUE(batchNorm);
  expectShort(batchNorm->build(x.shape));
  expectShort(batchNorm->train(x, x));
  EXPECT_FALSE(batchNorm->isBuilt());
}

TEST_F(HostileTensor, OperandsThatCannotBeConverted) {
#if defined(__SANITIZE_ADDRESS__) || NORMA_HAS_ADDRESS_SANITIZER
  GTEST_SKIP() << "the sanitizer ends the program where an allocation is as large";
#endif
  // A mask that is one number needs no memory; its conversion would.
  const int64_t rows = int64_t(1) << 58;
  uint8_t one = 1;
  const Tensor x(&one, DType::U8, {rows}, {0}), mask(&one, DType::Bool, {rows}, {0});
  for (const MomentsOptions &options :
       {MomentsOptions{.mask = mask}, MomentsOptions{.weights = mask}}) {
    Expected<Statistics> result = shared()->moments(x, Dims{}, options);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::ResourceExhausted);
    EXPECT_THAT(result.error().message(), HasSubstr(options.mask ? "mask: no memory for an array"
                                                                 : "weights: no memory for an"));
  }
}

TEST_F(HostileTensor, ShapesOfLayers) {
  Expected<Normalization> layer = Normalization::create(shared());
  Expected<BatchNormalization> batchNorm = BatchNormalization::create(shared());
  ASSERT_TRUE(layer && batchNorm);
  const std::vector<int64_t> deep(17, 1);
  const std::vector<std::vector<int64_t>> shapes = {deep,    {2, -3},         {kLeast, 2},
                                                    {2, -1}, {kHuge, kLeast}, {}};
  for (const std::vector<int64_t> &shape : shapes) {
    for (const Expected<void> &result : {layer->build(shape), batchNorm->build(shape)}) {
      ASSERT_FALSE(result) << toString(shape);
      EXPECT_EQ(result.error().code(), ErrorCode::InvalidArgument);
    }
    EXPECT_FALSE(layer->computeOutputShape(shape));
    EXPECT_FALSE(batchNorm->computeOutputShape(shape));
  }
  for (const std::vector<int64_t> &kept :
       {std::vector<int64_t>{kMost}, std::vector<int64_t>{kLeast}, std::vector<int64_t>(17, 0)})
    EXPECT_THAT(messageOf(shared()->moments(Guarded().tensor(), kept)), HasSubstr("kept: "));
}

} // namespace
