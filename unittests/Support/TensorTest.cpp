//===- TensorTest.cpp - Views of memory, and an owning array --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Support/Tensor.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <vector>

using namespace norma;

namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

template <typename T>
std::vector<T> values(const Array &array) {
  return std::vector<T>(array.as<T>(), array.as<T>() + array.view().size());
}

TEST(Error, NamesAndContext) {
  EXPECT_STREQ(toString(ErrorCode::InvalidArgument), "InvalidArgument");
  EXPECT_STREQ(toString(ErrorCode::Internal), "Internal");
  const Error error = Error(ErrorCode::DataLoss, "short").within("a.npy");
  EXPECT_EQ(error.message(), "a.npy: short");
  EXPECT_EQ(error.code(), ErrorCode::DataLoss);
}

TEST(Dims, PrintsAsATuple) {
  EXPECT_EQ(toString(Dims{178, 13}), "(178, 13)");
  EXPECT_EQ(toString(Dims{5}), "(5,)");
  EXPECT_EQ(toString(Dims{}), "()");
  EXPECT_EQ(toString(Dims{-1}), "(-1,)");
}

TEST(Dims, NumElements) {
  EXPECT_EQ(*numElements(Dims{}), 1);
  EXPECT_EQ(*numElements(Dims{2, 3, 5}), 30);
  EXPECT_EQ(*numElements(Dims{2, 0, 5}), 0);
  EXPECT_EQ(*numElements(Dims{kMax}), kMax);
  EXPECT_EQ(numElements(Dims{2, -3}).error().message(),
            "shape (2, -3): an extent is -3; expected 0 or more");
  EXPECT_FALSE(numElements(Dims{kMax, 2}));
  EXPECT_FALSE(numElements(Dims{kMax, 2, 0}));
  EXPECT_FALSE(numElements(Dims{int64_t(1) << 32, int64_t(1) << 31}));
  EXPECT_FALSE(numElements(Dims{std::numeric_limits<int64_t>::min()}));
}

TEST(Dims, ContiguousStrides) {
  EXPECT_EQ(contiguousStrides(Dims{2, 3, 5}), (Dims{15, 5, 1}));
  EXPECT_EQ(contiguousStrides(Dims{2, 0, 5}), (Dims{5, 5, 1}));
  EXPECT_EQ(contiguousStrides(Dims{}), (Dims{}));
}

TEST(Tensor, IsContiguous) {
  float memory[60];
  auto isContiguous = [&](const Dims &shape, const Dims &strides) {
    return Tensor(memory, DType::F32, shape, strides).isContiguous();
  };
  EXPECT_TRUE(isContiguous({}, {}));
  EXPECT_TRUE(isContiguous({3, 5}, {5, 1}));
  EXPECT_FALSE(isContiguous({3, 5}, {1, 3}));
  EXPECT_FALSE(isContiguous({3, 5}, {6, 1}));
  EXPECT_FALSE(isContiguous({3}, {-1}));
  EXPECT_TRUE(isContiguous({1, 5}, {77, 1}));
  EXPECT_TRUE(isContiguous({3, 1, 5}, {5, -9, 1}));
  EXPECT_TRUE(isContiguous({5, 1}, {1, 42}));
  EXPECT_TRUE(isContiguous({3, 0}, {7, 9}));
  EXPECT_TRUE(isContiguous({0, 3}, {7, 9}));
}

TEST(Tensor, Rows) {
  int32_t memory[12];
  std::iota(memory, memory + 12, 0);
  const Tensor rows = Tensor(memory, DType::I32, {4, 3}).rows(1, 3);
  EXPECT_EQ(rows.data, memory + 3);
  EXPECT_EQ(rows.shape, (Dims{2, 3}));
  EXPECT_EQ(rows.strides, (Dims{3, 1}));
  const Tensor backwards = Tensor(memory + 9, DType::I32, {4, 3}, {-3, 1}).rows(1, 4);
  EXPECT_EQ(backwards.data, memory + 6);
  EXPECT_EQ(Tensor(memory, DType::I32, {4, 3}).rows(4, 4).size(), 0);
  EXPECT_EQ(Tensor(nullptr, DType::I32, {0, 3}).rows(0, 0).data, nullptr);
}

TEST(Tensor, Reshaped) {
  float memory[12];
  const Tensor tensor(memory, DType::F32, {3, 4});
  Expected<Tensor> flat = tensor.reshaped({12});
  ASSERT_TRUE(flat);
  EXPECT_EQ(flat->strides, (Dims{1}));
  EXPECT_EQ(flat->data, memory);
  EXPECT_EQ(tensor.reshaped({5}).error().message(),
            "shape (3, 4) has 12 elements and cannot become (5,) with 5");
  EXPECT_FALSE(Tensor(memory, DType::F32, {3, 4}, {1, 3}).reshaped({12}));
  EXPECT_FALSE(tensor.reshaped({-12}));
}

TEST(CheckTensor, AcceptsWhatIsValid) {
  float memory[12];
  EXPECT_TRUE(checkTensor(Tensor(memory, DType::F32, {3, 4}), "x"));
  EXPECT_TRUE(checkTensor(Tensor(memory, DType::F32, {3, 4}, {0, 0}), "x"));
  EXPECT_TRUE(checkTensor(Tensor(memory + 11, DType::F32, {3, 4}, {-4, -1}), "x"));
  EXPECT_TRUE(checkTensor(Tensor(nullptr, DType::F32, {0, 4}), "x"));
  EXPECT_TRUE(checkTensor(Tensor(reinterpret_cast<char *>(memory) + 1, DType::F32, {2}), "x"));
}

TEST(CheckTensor, NamesWhatIsWrong) {
  float memory[12];
  auto message = [](const Tensor &tensor) {
    Expected<void> result = checkTensor(tensor, "x");
    EXPECT_FALSE(result);
    return result.error().message();
  };
  EXPECT_EQ(message(Tensor(nullptr, DType::F32, {3, 4})), "x: data is null; expected 12 elements");
  EXPECT_EQ(message(Tensor(memory, DType::F32, {3, -4})),
            "x: shape (3, -4): an extent is -4; expected 0 or more");
  EXPECT_EQ(message(Tensor(memory, DType::F32, {3, 4}, {4})),
            "x: 1 strides (4,) for rank 2; expected one for every axis");
  EXPECT_EQ(message(Tensor(memory, DType(77), {3})), "x: 77 is not an element type");
  EXPECT_NE(message(Tensor(memory, DType::F32, {kMax, 3})).find("overflows"), std::string::npos);
  for (int64_t stride : {kMax, -kMax, kMax / 8, -kMax / 4, std::numeric_limits<int64_t>::min()})
    EXPECT_NE(message(Tensor(memory, DType::F32, {3, 4}, {stride, 1})).find("address space"),
              std::string::npos)
        << stride;
  EXPECT_FALSE(checkTensor(Tensor(reinterpret_cast<void *>(4), DType::F32, {3}, {-1}), "x"));
}

TEST(Array, IsAlignedAndSized) {
  for (const Dims &shape : {Dims{}, Dims{0}, Dims{1}, Dims{3, 7}, Dims{1000}})
    for (DType dtype : kAllDTypes) {
      Expected<Array> array = Array::create(dtype, shape);
      ASSERT_TRUE(array);
      EXPECT_NE(array->view().data, nullptr);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(array->view().data) % 64, 0u);
      EXPECT_EQ(array->view().dtype, dtype);
      EXPECT_EQ(array->view().shape, shape);
      EXPECT_EQ(array->sizeInBytes(), size_t(*numElements(shape)) * sizeOf(dtype));
    }
}

TEST(Array, TooLargeIsAnError) {
  Expected<Array> bytes = Array::create(DType::F64, {int64_t(1) << 62});
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code(), ErrorCode::ResourceExhausted);
  Expected<Array> count = Array::create(DType::I8, {int64_t(1) << 62, 4});
  ASSERT_FALSE(count);
  EXPECT_EQ(count.error().code(), ErrorCode::InvalidArgument);
}

/// Every element by its index, for comparison.
template <typename T>
std::vector<T> gatherPlainly(const Tensor &tensor) {
  std::vector<T> result;
  Dims index;
  for (int axis = 0; axis < tensor.rank(); ++axis)
    index.push_back(0);
  for (int64_t i = 0; i < tensor.size(); ++i) {
    int64_t offset = 0, rest = i;
    for (int axis = tensor.rank() - 1; axis >= 0; --axis) {
      offset += rest % tensor.shape[axis] * tensor.strides[axis];
      rest /= tensor.shape[axis];
    }
    result.push_back(static_cast<const T *>(tensor.data)[offset]);
  }
  return result;
}

template <typename T>
void checkCopies(DType dtype) {
  std::vector<T> memory(400);
  for (size_t i = 0; i < memory.size(); ++i)
    memory[i] = T(i);
  struct Case {
    int64_t start;
    Dims shape, strides;
  };
  const Case cases[] = {
      {0, {}, {}},
      {0, {2, 3, 5}, {15, 5, 1}},     // contiguous
      {0, {2, 3, 5}, {50, 10, 1}},    // contiguous rows
      {0, {2, 3, 5}, {1, 2, 6}},      // Fortran order
      {0, {2, 3, 5}, {30, 10, 2}},    // every other element
      {29, {2, 3, 5}, {-15, -5, -1}}, // backwards
      {0, {2, 3, 5}, {0, 1, 0}},      // repeated
      {7, {1, 3, 1, 5}, {99, 7, -99, 1}},
      {0, {4, 1}, {3, 3}},
      {0, {3, 0}, {1, 1}},
      {100, {3, 4, 5}, {-20, 1, 4}},
  };
  for (const Case &c : cases) {
    const Tensor tensor(memory.data() + c.start, dtype, c.shape, c.strides);
    Expected<Array> copy = Array::copyOf(tensor);
    ASSERT_TRUE(copy);
    EXPECT_TRUE(copy->view().isContiguous());
    EXPECT_EQ(copy->view().shape, c.shape);
    EXPECT_EQ(values<T>(*copy), gatherPlainly<T>(tensor)) << toString(c.strides);
  }
}

TEST(Array, CopiesAnyStrides) {
  checkCopies<uint8_t>(DType::U8);
  checkCopies<int16_t>(DType::I16);
  checkCopies<float>(DType::F32);
  checkCopies<int64_t>(DType::I64);
}

TEST(Array, OutlivesItsSource) {
  Expected<Array> copy = [] {
    std::vector<float> memory = {1, 2, 3};
    return Array::copyOf(Tensor(memory.data(), DType::F32, {3}));
  }();
  ASSERT_TRUE(copy);
  Array moved = std::move(*copy);
  EXPECT_EQ(values<float>(moved), (std::vector<float>{1, 2, 3}));
}

} // namespace
