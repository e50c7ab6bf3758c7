//===- RandomTensor.cpp - Tensors of any layout between guard pages -------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RandomTensor.h"

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <limits>
#include <numbers>
#include <numeric>
#include <sys/mman.h>
#include <unistd.h>

namespace norma::test {

uint64_t Random::bits() {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

double Random::normal() {
  const double radius = std::sqrt(-2 * std::log(1 - unit()));
  return radius * std::cos(2 * std::numbers::pi * unit());
}

char *addressOf(const Tensor &tensor, const Dims &index) {
  int64_t offset = 0;
  for (int axis = 0; axis < tensor.rank(); ++axis)
    offset += index[axis] * tensor.strides[axis];
  return static_cast<char *>(tensor.data) + offset * int64_t(sizeOf(tensor.dtype));
}

double valueAt(const Tensor &tensor, const Dims &index) {
  return loadAsDouble(addressOf(tensor, index), tensor.dtype);
}

template <typename T>
static void storeInteger(double value, void *address) {
  // The upper limit of i64 is not a double: compare with the next power of two.
  const double low = double(std::numeric_limits<T>::min());
  const double end = std::ldexp(1.0, std::numeric_limits<T>::digits);
  T integer = 0;
  if (value <= low)
    integer = std::numeric_limits<T>::min();
  else if (value >= end - 0.5)
    integer = std::numeric_limits<T>::max();
  else if (value == value)
    integer = T(std::nearbyint(value));
  std::memcpy(address, &integer, sizeof(T));
}

void storeValue(double value, void *address, DType dtype) {
  switch (dtype) {
  case DType::I8:
    return storeInteger<int8_t>(value, address);
  case DType::U8:
    return storeInteger<uint8_t>(value, address);
  case DType::I16:
    return storeInteger<int16_t>(value, address);
  case DType::U16:
    return storeInteger<uint16_t>(value, address);
  case DType::I32:
    return storeInteger<int32_t>(value, address);
  case DType::I64:
    return storeInteger<int64_t>(value, address);
  case DType::Bool:
    return storeInteger<uint8_t>(value > 0.5 ? 1 : 0, address);
  default:
    return storeFromDouble(value, address, dtype);
  }
}

int64_t keptPosition(const Dims &index, const Dims &shape, const Dims &kept) {
  int64_t position = 0;
  for (int64_t axis : kept)
    position = position * shape[int(axis)] + index[int(axis)];
  return position;
}

const char *toString(Arrangement arrangement) {
  static constexpr const char *kNames[] = {"contiguous", "permuted",  "sliced", "stepped",
                                           "reversed",   "broadcast", "mixed"};
  return kNames[int(arrangement)];
}

/// An order of the axes, outermost first.
static std::vector<int> randomOrder(Random &random, int rank) {
  std::vector<int> order(size_t(rank), 0);
  std::iota(order.begin(), order.end(), 0);
  if (rank < 2)
    return order;
  switch (random.below(3)) {
  case 0: // Fortran.
    return {order.rbegin(), order.rend()};
  case 1: // Channels last, seen as channels first.
    std::rotate(order.begin() + 1, order.begin() + 2, order.end());
    return order;
  default:
    for (int i = rank - 1; i > 0; --i)
      std::swap(order[size_t(i)], order[size_t(random.below(i + 1))]);
    return order;
  }
}

RandomTensor::RandomTensor(Random &random, DType dtype, const Dims &shape, Arrangement arrangement,
                           bool misaligned)
    : arrangement(arrangement) {
  const auto is = [&](Arrangement which) {
    return arrangement == which || (arrangement == Arrangement::Mixed && random.chance(0.6));
  };
  const int rank = shape.size();
  std::vector<int> order(size_t(rank), 0);
  std::iota(order.begin(), order.end(), 0);
  if (is(Arrangement::Permuted))
    order = randomOrder(random, rank);

  Dims strides = shape;
  int64_t running = is(Arrangement::Stepped) ? 2 : 1;
  const bool sliced = is(Arrangement::Sliced), reversed = is(Arrangement::Reversed);
  for (auto axis = order.rbegin(); axis != order.rend(); ++axis) {
    if (arrangement == Arrangement::Broadcast && random.chance(0.4)) {
      strides[*axis] = 0;
      continue;
    }
    strides[*axis] = reversed && random.chance(0.5) ? -running : running;
    running *= std::max<int64_t>(shape[*axis], 1);
    if (sliced && random.chance(0.5))
      running += 1 + random.below(5);
    // No element is reached through the stride of an extent of 1.
    if (shape[*axis] == 1 && random.chance(0.3))
      strides[*axis] = random.pick({int64_t(0), int64_t(-7), int64_t(999'983)});
  }

  int64_t low = 0, high = 0;
  bool empty = false;
  for (int axis = 0; axis < rank; ++axis) {
    empty |= shape[axis] == 0;
    const int64_t reach = (shape[axis] - 1) * strides[axis];
    (reach < 0 ? low : high) += reach;
  }
  const auto width = int64_t(sizeOf(dtype));
  const size_t size = empty ? 0 : size_t((high - low + 1) * width);
  // An odd distance from the guard makes elements of more than a byte misaligned.
  const size_t slack = misaligned && width > 1 ? 1 + 2 * size_t(random.below(width / 2)) : 0;
  const auto page = size_t(sysconf(_SC_PAGESIZE));
  const size_t inner = (size + slack + page) / page * page;
  mapped = inner + 2 * page;
  mapping = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED)
    std::abort();
  auto *first = static_cast<std::byte *>(mapping) + page;
  mprotect(mapping, page, PROT_NONE);
  mprotect(first + inner, page, PROT_NONE);
  std::byte *begin = random.chance(0.5) ? first + slack : first + inner - slack - size;
  bytes = {begin, size};
  std::memset(begin, 0xa5, size);
  tensor = Tensor(begin - (empty ? 0 : low) * width, dtype, shape, strides);
}

RandomTensor::~RandomTensor() { munmap(mapping, mapped); }

void RandomTensor::restore(const std::vector<std::byte> &before) const {
  std::copy(before.begin(), before.end(), bytes.begin());
}

bool RandomTensor::hasSameNumbersAs(const std::vector<std::byte> &other) const {
  if (!gapsAreAsIn(other))
    return false;
  bool same = true;
  forEachIndex(tensor.shape, [&](const Dims &index) {
    const char *here = addressOf(tensor, index);
    const std::byte *there =
        &other[size_t(reinterpret_cast<const std::byte *>(here) - bytes.data())];
    same &= std::memcmp(here, there, sizeOf(tensor.dtype)) == 0 ||
            (std::isnan(loadAsDouble(here, tensor.dtype)) &&
             std::isnan(loadAsDouble(there, tensor.dtype)));
  });
  return same;
}

bool RandomTensor::gapsAreAsIn(const std::vector<std::byte> &before) const {
  std::vector<bool> isElement(bytes.size(), false);
  forEachIndex(tensor.shape, [&](const Dims &index) {
    const auto at = reinterpret_cast<std::byte *>(addressOf(tensor, index)) - bytes.data();
    for (size_t i = 0; i < sizeOf(tensor.dtype); ++i)
      isElement[size_t(at) + i] = true;
  });
  for (size_t i = 0; i < bytes.size(); ++i)
    if (!isElement[i] && bytes[i] != before[i])
      return false;
  return true;
}

std::string RandomTensor::describe() const {
  const uint64_t off = reinterpret_cast<uintptr_t>(tensor.data) % sizeOf(tensor.dtype);
  std::string text = fmt::format("{} {} strides {} {}", norma::toString(tensor.dtype),
                                 norma::toString(tensor.shape), norma::toString(tensor.strides),
                                 toString(arrangement));
  return off ? text + fmt::format(" misaligned by {}", off) : text;
}

Dims randomShape(Random &random, int maxRank, int64_t limit) {
  static constexpr int64_t kExtents[] = {1, 2, 3, 5, 7, 8, 13, 16, 17, 31, 32, 49, 64, 100};
  Dims shape;
  const int64_t rank = random.below(maxRank + 1);
  for (int64_t axis = 0; axis < rank; ++axis)
    shape.push_back(random.pick(kExtents));
  while (*numElements(shape) > limit)
    shape[int(random.below(rank))] = 1 + random.below(5);
  if (rank > 0 && random.chance(0.03))
    shape[int(random.below(rank))] = 0;
  return shape;
}

Dims randomKept(Random &random, int rank) {
  Dims kept;
  const double probability = random.pick({0.2, 0.5, 0.8});
  for (int axis = 0; axis < rank; ++axis)
    if (random.chance(probability))
      kept.push_back(axis);
  return kept;
}

Dims randomBroadcastShape(Random &random, const Dims &shape) {
  Dims result;
  const int64_t rank = random.chance(0.4) ? random.below(shape.size() + 1) : shape.size();
  const double repeat = random.pick({0.0, 0.5, 0.9});
  for (int64_t axis = 0; axis < rank; ++axis)
    result.push_back(random.chance(repeat) ? 1 : shape[int(axis)]);
  return result;
}

} // namespace norma::test
