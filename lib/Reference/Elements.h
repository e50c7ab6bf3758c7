//===- Elements.h - How the oracle goes through tensors ---------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_REFERENCE_ELEMENTS_H
#define NORMA_REFERENCE_ELEMENTS_H

#include "norma/Support/Statistics.h"

#include <cmath>
#include <utility>

namespace norma::reference {

/// An element, exactly: long double holds every int64 on the machines norma is
/// tested on, double does not.
long double loadExactly(const void *address, DType dtype);

inline char *addressOf(const Tensor &tensor, int64_t offset) {
  return static_cast<char *>(tensor.data) + offset * int64_t(sizeOf(tensor.dtype));
}

/// The number of `compute` (F32 or F64) nearest to `value`.
inline double roundTo(DType compute, long double value) {
  return compute == DType::F32 ? double(float(value)) : double(value);
}
std::vector<double> roundTo(DType compute, std::span<const double> values);

/// Calls visit(offsets) for every index of `shape` in row-major order, where
/// offsets[k] is the sum of index times strides[k].
template <size_t N, typename Visit>
void forEachIndex(std::span<const int64_t> shape, const std::array<Dims, N> &strides, Visit visit) {
  for (int64_t extent : shape)
    if (extent == 0)
      return;
  const int rank = int(shape.size());
  std::array<int64_t, kMaxRank> index{};
  std::array<int64_t, N> offsets{};
  while (true) {
    visit(std::as_const(offsets));
    int axis = rank - 1;
    for (; axis >= 0; --axis) {
      const bool carry = ++index[axis] == shape[axis];
      const int64_t step = carry ? 1 - shape[axis] : 1;
      for (size_t k = 0; k < N; ++k)
        offsets[k] += step * strides[k][axis];
      if (!carry)
        break;
      index[axis] = 0;
    }
    if (axis < 0)
      return;
  }
}

/// Strides that lead from an index of the tensor to the flat index of its kept
/// axes.
Dims keptStrides(std::span<const int64_t> shape, std::span<const int64_t> kept);

/// Neumaier's compensated sum: A. Neumaier, "Rundungsfehleranalyse einiger
/// Verfahren zur Summation endlicher Summen", 1974.
class Sum {
public:
  void add(long double value) {
    const long double next = total + value;
    lost += std::fabs(total) >= std::fabs(value) ? (total - next) + value : (value - next) + total;
    total = next;
  }
  /// What was lost on the way to an infinity is not a number.
  long double value() const { return std::isfinite(total) ? total + lost : total; }

private:
  long double total = 0, lost = 0;
};

/// The mask and the weights of a pass, seen with the shape of the data.
class Operands {
public:
  /// The arguments were checked by checkMoments; weights must be finite and not
  /// negative, too.
  static Expected<Operands> create(const Tensor &x, const MomentsOptions &options);

  /// For forEachIndex; zeros where the operand is absent.
  const Dims &maskStrides() const { return mask.strides; }
  const Dims &weightStrides() const { return weights.strides; }
  /// The product of the mask (0 or 1) and the weight at these offsets.
  long double weightAt(int64_t maskOffset, int64_t weightOffset) const;

private:
  /// Data is null where the operand is absent.
  Tensor mask, weights;
};

} // namespace norma::reference

#endif // NORMA_REFERENCE_ELEMENTS_H
