//===- Tensor.cpp - Views of memory, and an owning array ------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Support/Tensor.h"

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <limits>

namespace norma {

std::string toString(std::span<const int64_t> dims) {
  if (dims.size() == 1)
    return fmt::format("({},)", dims[0]);
  std::string text = "(";
  for (size_t i = 0; i < dims.size(); ++i)
    text += fmt::format("{}{}", i ? ", " : "", dims[i]);
  return text + ")";
}

Expected<int64_t> numElements(std::span<const int64_t> shape) {
  int64_t product = 1;
  bool isEmpty = false;
  for (int64_t extent : shape) {
    if (extent < 0)
      return invalidArgument(
          fmt::format("shape {}: an extent is {}; expected 0 or more", toString(shape), extent));
    // Strides are products too, so an extent of 0 does not excuse the others.
    if (extent == 0)
      isEmpty = true;
    else if (__builtin_mul_overflow(product, extent, &product))
      return invalidArgument(
          fmt::format("shape {}: the number of elements overflows 63 bits", toString(shape)));
  }
  return isEmpty ? 0 : product;
}

Dims contiguousStrides(std::span<const int64_t> shape) {
  Dims strides{shape};
  // Unsigned, so that a shape nobody has checked yet wraps instead of overflowing.
  uint64_t stride = 1;
  for (int axis = strides.size() - 1; axis >= 0; --axis) {
    strides[axis] = int64_t(stride);
    stride *= shape[axis] == 0 ? 1 : uint64_t(shape[axis]);
  }
  return strides;
}

bool Tensor::isContiguous() const {
  int64_t expected = 1;
  bool dense = true;
  for (int axis = rank() - 1; axis >= 0; --axis) {
    if (shape[axis] == 0)
      return true;
    if (shape[axis] == 1 || !dense)
      continue;
    dense = strides[axis] == expected;
    expected *= shape[axis];
  }
  return dense;
}

Tensor Tensor::rows(int64_t begin, int64_t end) const {
  assert(rank() > 0 && 0 <= begin && begin <= end && end <= shape[0] && "rows out of range");
  Tensor result = *this;
  result.shape[0] = end - begin;
  // An empty range has no first element to address.
  if (begin != end && begin != 0)
    result.data = static_cast<char *>(data) + begin * strides[0] * int64_t(sizeOf(dtype));
  return result;
}

Expected<Tensor> Tensor::reshaped(const Dims &newShape) const {
  Expected<int64_t> newSize = numElements(newShape);
  if (!newSize)
    return newSize.takeError();
  if (*newSize != size())
    return invalidArgument(fmt::format("shape {} has {} elements and cannot become {} with {}",
                                       toString(shape), size(), toString(newShape), *newSize));
  if (!isContiguous())
    return invalidArgument(fmt::format("a tensor of shape {} and strides {} is not contiguous and "
                                       "cannot be reshaped to {}",
                                       toString(shape), toString(strides), toString(newShape)));
  return Tensor(data, dtype, newShape);
}

Expected<void> checkTensor(const Tensor &tensor, std::string_view name) {
  if (uint8_t(tensor.dtype) > uint8_t(DType::Bool))
    return invalidArgument(
        fmt::format("{}: {} is not an element type", name, int(uint8_t(tensor.dtype))));
  if (tensor.shape.size() != tensor.strides.size())
    return invalidArgument(fmt::format("{}: {} strides {} for rank {}; expected one for every axis",
                                       name, tensor.strides.size(), toString(tensor.strides),
                                       tensor.rank()));
  Expected<int64_t> size = numElements(tensor.shape);
  if (!size)
    return size.takeError().within(std::string(name));
  if (*size == 0)
    return {};
  if (!tensor.data)
    return invalidArgument(fmt::format("{}: data is null; expected {} elements", name, *size));

  // The lowest and the highest address, relative to `data`, in bytes.
  const int64_t width = int64_t(sizeOf(tensor.dtype));
  int64_t below = 0, above = width;
  bool overflow = false;
  for (int axis = 0; axis < tensor.rank(); ++axis) {
    int64_t reach = 0;
    overflow |= __builtin_mul_overflow(tensor.strides[axis], tensor.shape[axis] - 1, &reach);
    overflow |= __builtin_mul_overflow(reach, width, &reach);
    int64_t &side = reach < 0 ? below : above;
    overflow |= __builtin_add_overflow(side, reach, &side);
  }
  const uint64_t address = reinterpret_cast<uintptr_t>(tensor.data);
  overflow |= address < uint64_t(0) - uint64_t(below);
  overflow |= address > std::numeric_limits<uint64_t>::max() - uint64_t(above);
  if (overflow)
    return invalidArgument(fmt::format("{}: shape {} with strides {} reaches out of the address "
                                       "space",
                                       name, toString(tensor.shape), toString(tensor.strides)));
  return {};
}

void Array::Free::operator()(void *address) const { std::free(address); }

Expected<Array> Array::create(DType dtype, const Dims &shape) {
  Expected<int64_t> size = numElements(shape);
  if (!size)
    return size.takeError();
  constexpr size_t kAlignment = 64;
  const uint64_t limit = uint64_t(std::numeric_limits<ptrdiff_t>::max()) - kAlignment;
  const bool fits = uint64_t(*size) <= limit / sizeOf(dtype);
  Array result;
  if (fits) {
    // An empty array has an address too.
    const size_t bytes = std::max(size_t(*size) * sizeOf(dtype), size_t(1));
    const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    result.memory.reset(std::aligned_alloc(kAlignment, rounded));
  }
  if (!result.memory)
    return Error(ErrorCode::ResourceExhausted,
                 fmt::format("no memory for an array of shape {} and type {}", toString(shape),
                             toString(dtype)));
  result.tensor = Tensor(result.memory.get(), dtype, shape);
  return result;
}

/// Copies `count` elements that lie `stride` elements apart to dense memory.
template <typename T>
static void gather(char *to, const char *from, int64_t count, int64_t stride) {
  for (int64_t i = 0; i < count; ++i)
    std::memcpy(to + i * int64_t(sizeof(T)), from + i * stride * int64_t(sizeof(T)), sizeof(T));
}

static void gather(char *to, const char *from, int64_t count, int64_t stride, int64_t width) {
  if (stride == 1) {
    std::memcpy(to, from, size_t(count * width));
    return;
  }
  switch (width) {
  case 1:
    return gather<uint8_t>(to, from, count, stride);
  case 2:
    return gather<uint16_t>(to, from, count, stride);
  case 4:
    return gather<uint32_t>(to, from, count, stride);
  default:
    return gather<uint64_t>(to, from, count, stride);
  }
}

Expected<Array> Array::copyOf(const Tensor &tensor) {
  Expected<Array> result = create(tensor.dtype, tensor.shape);
  if (!result || tensor.size() == 0)
    return result;

  // Axes that follow each other in memory act as one; what remains is a run of
  // equally spaced elements inside an odometer.
  Dims extents, strides;
  for (int axis = 0; axis < tensor.rank(); ++axis) {
    if (tensor.shape[axis] == 1)
      continue;
    if (!extents.empty() && strides.back() == tensor.strides[axis] * tensor.shape[axis]) {
      extents.back() *= tensor.shape[axis];
      strides.back() = tensor.strides[axis];
    } else {
      extents.push_back(tensor.shape[axis]);
      strides.push_back(tensor.strides[axis]);
    }
  }
  const int outer = std::max(extents.size() - 1, 0);
  const int64_t run = extents.empty() ? 1 : extents.back();
  const int64_t step = extents.empty() ? 1 : strides.back();
  const int64_t width = int64_t(sizeOf(tensor.dtype));
  const char *from = static_cast<const char *>(tensor.data);
  char *to = result->as<char>();
  std::array<int64_t, kMaxRank> index{};
  while (true) {
    gather(to, from, run, step, width);
    to += run * width;
    int axis = outer - 1;
    for (; axis >= 0; --axis) {
      from += strides[axis] * width;
      if (++index[axis] < extents[axis])
        break;
      from -= strides[axis] * extents[axis] * width;
      index[axis] = 0;
    }
    if (axis < 0)
      return result;
  }
}

} // namespace norma
