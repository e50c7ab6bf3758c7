//===- Tensor.h - Views of memory, and an owning array ----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tensor does not own its memory: it is a pointer, an element type, a shape and
// strides, the fields of a DLPack tensor. Array owns 64-byte aligned memory.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_SUPPORT_TENSOR_H
#define NORMA_SUPPORT_TENSOR_H

#include "norma/Support/DType.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

namespace norma {

/// The largest rank of a tensor.
inline constexpr int kMaxRank = 16;

/// Up to kMaxRank integers: a shape, strides or a list of axes. No allocation.
class Dims {
public:
  Dims() = default;
  Dims(std::initializer_list<int64_t> values)
      : Dims(std::span<const int64_t>(values.begin(), values.size())) {}
  /// Values past kMaxRank are a programming error, checked by assertion; see
  /// fits() for input that is not trusted.
  explicit Dims(std::span<const int64_t> values) {
    assert(fits(values.size()) && "more dimensions than kMaxRank");
    for (int64_t value : values)
      push_back(value);
  }
  static bool fits(size_t rank) { return rank <= size_t(kMaxRank); }
  /// Copies what there is, not the room for higher ranks.
  Dims(const Dims &other) { *this = other; }
  Dims &operator=(const Dims &other) {
    count = other.count;
    std::copy_n(other.values.begin(), count, values.begin());
    return *this;
  }

  int size() const { return count; }
  bool empty() const { return count == 0; }
  int64_t &operator[](int i) { return values[i]; }
  int64_t operator[](int i) const { return values[i]; }
  int64_t *begin() { return values.data(); }
  int64_t *end() { return values.data() + count; }
  const int64_t *begin() const { return values.data(); }
  const int64_t *end() const { return values.data() + count; }
  int64_t &back() { return values[count - 1]; }
  int64_t back() const { return values[count - 1]; }
  void push_back(int64_t value) {
    assert(count < kMaxRank && "more dimensions than kMaxRank");
    values[count++] = value;
  }
  operator std::span<const int64_t>() const { return {values.data(), size_t(count)}; }
  friend bool operator==(const Dims &a, const Dims &b) {
    // They are so few that a loop is sooner done than a call of a function that compares memory.
    bool isSame = a.count == b.count;
    for (int i = 0; isSame && i < a.count; ++i)
      isSame = a.values[size_t(i)] == b.values[size_t(i)];
    return isSame;
  }

private:
  std::array<int64_t, kMaxRank> values;
  int count = 0;
};

/// "(178, 13)", "(5,)" and "()", as Python writes tuples.
std::string toString(std::span<const int64_t> dims);

/// The product of `shape`, or an error where it overflows 63 bits or an extent
/// is negative.
Expected<int64_t> numElements(std::span<const int64_t> shape);

/// Row-major strides, in elements. Extents of 0 count as 1, so that strides
/// stay positive.
Dims contiguousStrides(std::span<const int64_t> shape);

/// A view of memory owned by somebody else. Strides are in elements and may be
/// zero or negative; `data` addresses the element with all indices zero.
struct Tensor {
  void *data = nullptr;
  DType dtype = DType::F32;
  Dims shape;
  Dims strides;

  Tensor() = default;
  /// A contiguous, row-major view.
  Tensor(void *data, DType dtype, const Dims &shape)
      : data(data), dtype(dtype), shape(shape), strides(contiguousStrides(shape)) {}
  Tensor(void *data, DType dtype, const Dims &shape, const Dims &strides)
      : data(data), dtype(dtype), shape(shape), strides(strides) {}

  int rank() const { return shape.size(); }
  /// The number of elements; the shape must have been checked (see check()).
  int64_t size() const {
    int64_t product = 1;
    for (int64_t extent : shape)
      product *= extent;
    return product;
  }
  /// Row-major and dense. Strides of axes with an extent of 1 do not matter.
  bool isContiguous() const;

  /// Rows [begin, end) of axis 0.
  Tensor rows(int64_t begin, int64_t end) const;
  /// The same memory with another shape; the tensor must be contiguous and the
  /// number of elements equal.
  Expected<Tensor> reshaped(const Dims &newShape) const;
};

/// Checks what can be checked of a view before any element is touched: rank,
/// signs and overflow of extents, overflow of the address range, null data of a
/// tensor with elements, and alignment to the element size is NOT required.
/// `name` names the argument in the message.
Expected<void> checkTensor(const Tensor &tensor, std::string_view name);

/// 64-byte aligned memory with a shape. Movable, not copyable.
class Array {
public:
  Array() = default;
  /// Uninitialized memory; an error when the size overflows or memory runs out.
  static Expected<Array> create(DType dtype, const Dims &shape);
  /// A contiguous copy of any tensor, with the same element type.
  static Expected<Array> copyOf(const Tensor &tensor);

  const Tensor &view() const { return tensor; }
  operator const Tensor &() const { return tensor; }
  template <typename T>
  T *as() const {
    return static_cast<T *>(tensor.data);
  }
  size_t sizeInBytes() const { return size_t(tensor.size()) * sizeOf(tensor.dtype); }

private:
  struct Free {
    void operator()(void *memory) const;
  };
  std::unique_ptr<void, Free> memory;
  Tensor tensor;
};

} // namespace norma

#endif // NORMA_SUPPORT_TENSOR_H
