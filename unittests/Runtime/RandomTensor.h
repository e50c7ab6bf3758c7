//===- RandomTensor.h - Tensors of any layout between guard pages -*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What randomized tests are made of: reproducible random numbers, and tensors
// whose memory begins or ends at a page that cannot be touched, so that a kernel
// that reads or writes one byte too far does not go unnoticed.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_RANDOMTENSOR_H
#define NORMA_UNITTESTS_RUNTIME_RANDOMTENSOR_H

#include "norma/Support/Tensor.h"

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace norma::test {

/// SplitMix64 with what tests draw; the same numbers with every standard library.
class Random {
public:
  /// Neighbouring seeds give unrelated numbers.
  explicit Random(uint64_t seed) : state(seed) { state = bits() ^ (seed << 32); }

  uint64_t bits();
  /// In [0, n).
  int64_t below(int64_t n) { return int64_t(bits() % uint64_t(n)); }
  /// In [0, 1).
  double unit() { return double(bits() >> 11) * 0x1p-53; }
  double between(double low, double high) { return low + (high - low) * unit(); }
  bool chance(double probability) { return unit() < probability; }
  /// Mean 0, variance 1.
  double normal();
  template <typename T, size_t N>
  const T &pick(const T (&values)[N]) {
    return values[below(N)];
  }
  template <typename T>
  const T &pick(const std::vector<T> &values) {
    return values[size_t(below(int64_t(values.size())))];
  }

private:
  uint64_t state;
};

/// Calls visit(index) for every index of `shape`, in row-major order.
template <typename Visit>
void forEachIndex(const Dims &shape, Visit visit) {
  Dims index;
  for (int64_t extent : shape) {
    if (extent == 0)
      return;
    index.push_back(0);
  }
  while (true) {
    visit(std::as_const(index));
    int axis = shape.size() - 1;
    for (; axis >= 0 && ++index[axis] == shape[axis]; --axis)
      index[axis] = 0;
    if (axis < 0)
      return;
  }
}

char *addressOf(const Tensor &tensor, const Dims &index);
double valueAt(const Tensor &tensor, const Dims &index);
/// Stores `value` in any dtype; integers saturate and round.
void storeValue(double value, void *address, DType dtype);
/// The row-major position of the `kept` part of `index`.
int64_t keptPosition(const Dims &index, const Dims &shape, const Dims &kept);

/// How a tensor lies in memory.
enum class Arrangement {
  Contiguous,
  /// Row-major after a permutation of the axes, Fortran and NHWC among them.
  Permuted,
  /// Gaps behind some axes: a slice of something larger.
  Sliced,
  /// An innermost step of 2.
  Stepped,
  /// Some strides are negative.
  Reversed,
  /// Some strides are 0; for inputs only.
  Broadcast,
  /// Everything above but Broadcast at once.
  Mixed,
};
const char *toString(Arrangement arrangement);

/// A tensor in memory of its own between two guard pages.
class RandomTensor {
public:
  RandomTensor(Random &random, DType dtype, const Dims &shape, Arrangement arrangement,
               bool misaligned);
  ~RandomTensor();
  RandomTensor(const RandomTensor &) = delete;
  RandomTensor &operator=(const RandomTensor &) = delete;

  const Tensor &view() const { return tensor; }
  /// Elements may share memory: nothing can be written.
  bool repeats() const { return arrangement == Arrangement::Broadcast; }
  /// All bytes, those between elements too.
  std::vector<std::byte> snapshot() const { return {bytes.begin(), bytes.end()}; }
  void restore(const std::vector<std::byte> &before) const;
  /// Whether all bytes are as in `other`, but for those of elements that are NaN in both.
  bool hasSameNumbersAs(const std::vector<std::byte> &other) const;
  /// Whether no byte outside of elements differs from `before`.
  bool gapsAreAsIn(const std::vector<std::byte> &before) const;
  /// "f32 (2, 3) strides (3, 1) sliced misaligned by 1".
  std::string describe() const;

private:
  Tensor tensor;
  Arrangement arrangement;
  std::span<std::byte> bytes;
  void *mapping = nullptr;
  size_t mapped = 0;
};

/// A shape of up to `maxRank` axes with extents that are hard on vector loops, and
/// no more than `limit` elements.
Dims randomShape(Random &random, int maxRank, int64_t limit);
/// A random subset of the axes, ascending.
Dims randomKept(Random &random, int rank);
/// A shape that broadcasts from the left to `shape`.
Dims randomBroadcastShape(Random &random, const Dims &shape);

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_RANDOMTENSOR_H
