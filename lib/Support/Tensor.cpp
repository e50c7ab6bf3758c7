//===- Tensor.cpp - Views of memory, and an owning array ------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Support/Tensor.h"

#include "norma/Support/Checked.h"
#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

#include <cstring>
#include <limits>
#include <new>

namespace norma {

std::string toString(std::span<const int64_t> dims) {
  if (dims.size() == 1)
    return fmt::format("({},)", dims[0]);
  std::string text = "(";
  for (size_t i = 0; i < dims.size(); ++i)
    text += fmt::format("{}{}", i ? ", " : "", dims[i]);
  return text + ")";
}

Expected<int64_t> numElements(std::span<const int64_t> shape) try {
  Checked product = 1;
  bool isEmpty = false;
  for (int64_t extent : shape) {
    if (extent < 0)
      return invalidArgument(
          fmt::format("shape {}: an extent is {}; expected 0 or more", toString(shape), extent));
    // Strides are products too, so an extent of 0 does not excuse the others.
    if (extent == 0)
      isEmpty = true;
    else
      product *= extent;
  }
  if (!product.fits())
    return invalidArgument(
        fmt::format("shape {}: the number of elements overflows 63 bits", toString(shape)));
  return isEmpty ? 0 : *product;
} catch (...) {
  return outOfMemory();
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
  // Unsigned for the same reason.
  uint64_t expected = 1;
  bool dense = true;
  for (int axis = rank() - 1; axis >= 0; --axis) {
    if (shape[axis] == 0)
      return true;
    if (shape[axis] == 1 || !dense)
      continue;
    dense = uint64_t(strides[axis]) == expected;
    expected *= uint64_t(shape[axis]);
  }
  return dense;
}

Tensor Tensor::rows(int64_t begin, int64_t end) const {
  assert(rank() > 0 && 0 <= begin && begin <= end && end <= shape[0] && "rows out of range");
  Tensor result = *this;
  result.shape[0] = end - begin;
  // What has no elements need not have an address.
  if (begin != end && begin != 0 && data)
    result.data = static_cast<char *>(data) + begin * strides[0] * int64_t(sizeOf(dtype));
  return result;
}

Expected<Tensor> Tensor::reshaped(const Dims &newShape) const try {
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
} catch (...) {
  return outOfMemory();
}

static Expected<void> checkDType(DType dtype, std::string_view name) {
  if (sizeOf(dtype) != 0)
    return {};
  return invalidArgument(fmt::format("{}: {} is not an element type", name, int(uint8_t(dtype))));
}

/// The most memory between the first and the last byte of a tensor: the largest address
/// spaces have 57 bits. With this limit, an extent times its stride cannot overflow, nor can
/// the bytes of a few tensors.
static constexpr int64_t kLargestReach = int64_t(1) << 57;

/// Whether all addresses of a tensor of checked extents exist. Strides along extents of 1
/// do not matter; those of a tensor without elements do, so that it can be cut and split.
static bool isAddressable(const Tensor &tensor) {
  // The lowest and the highest address, relative to `data`, in bytes.
  const auto width = int64_t(sizeOf(tensor.dtype));
  Checked below = 0, above = width;
  for (int axis = 0; axis < tensor.rank(); ++axis) {
    const int64_t steps = std::max<int64_t>(tensor.shape[axis] - 1, 0);
    (tensor.strides[axis] < 0 ? below : above) += Checked(tensor.strides[axis]) * steps * width;
  }
  const Checked reach = above - below;
  if (!reach.fits() || *reach > kLargestReach)
    return false;
  const uint64_t address = reinterpret_cast<uintptr_t>(tensor.data);
  return !tensor.data || (address >= uint64_t(-*below) &&
                          address <= std::numeric_limits<uint64_t>::max() - uint64_t(*above));
}

Expected<void> checkTensor(const Tensor &tensor, std::string_view name) try {
  if (Expected<void> valid = checkDType(tensor.dtype, name); !valid)
    return valid;
  if (tensor.shape.size() != tensor.strides.size())
    return invalidArgument(fmt::format("{}: {} strides {} for rank {}; expected one for every axis",
                                       name, tensor.strides.size(), toString(tensor.strides),
                                       tensor.rank()));
  Expected<int64_t> size = numElements(tensor.shape);
  if (!size)
    return size.takeError().within(std::string(name));
  if (*size != 0 && !tensor.data)
    return invalidArgument(fmt::format("{}: data is null; expected {} elements", name, *size));
  if (!isAddressable(tensor))
    return invalidArgument(fmt::format("{}: shape {} with strides {} reaches out of the address "
                                       "space",
                                       name, toString(tensor.shape), toString(tensor.strides)));
  return {};
} catch (...) {
  return outOfMemory();
}

static constexpr std::align_val_t kAlignment{64};

void Array::Free::operator()(void *address) const { ::operator delete(address, kAlignment); }

Expected<Array> Array::create(DType dtype, const Dims &shape) try {
  if (Expected<void> valid = checkDType(dtype, "dtype"); !valid)
    return valid.takeError();
  Expected<int64_t> size = numElements(shape);
  if (!size)
    return size.takeError();
  const Checked bytes = Checked(*size) * int64_t(sizeOf(dtype));
  Array result;
  // An empty array has an address too.
  if (bytes.fits())
    result.memory.reset(
        ::operator new(std::max(size_t(*bytes), size_t(1)), kAlignment, std::nothrow));
  if (!result.memory)
    return Error(ErrorCode::ResourceExhausted,
                 fmt::format("no memory for an array of shape {} and type {}", toString(shape),
                             toString(dtype)));
  result.tensor = Tensor(result.memory.get(), dtype, shape);
  return result;
} catch (...) {
  return outOfMemory();
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

Expected<Array> Array::copyOf(const Tensor &tensor) try {
  if (Expected<void> valid = checkTensor(tensor, "tensor"); !valid)
    return valid.takeError();
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
} catch (...) {
  return outOfMemory();
}

} // namespace norma
