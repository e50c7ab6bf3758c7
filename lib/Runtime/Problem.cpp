//===- Problem.cpp - A call in axis form ----------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Problem.h"

#include "norma/Support/Checked.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <numeric>

namespace norma {

static int64_t product(const Dims &extents) {
  return std::accumulate(extents.begin(), extents.end(), int64_t(1), std::multiplies<>());
}

int64_t Problem::size() const { return product(extents); }

/// The most there is where elements that repeat amount to more.
static int64_t bytesOf(int64_t elements, size_t each) {
  const Checked bytes = Checked(elements) * int64_t(each);
  return bytes.fits() ? *bytes : std::numeric_limits<int64_t>::max();
}

int64_t Problem::bytes() const {
  size_t each = 0;
  for (size_t t = 0; t < broadcastFrom; ++t)
    each += sizeOf(tensors[t].dtype);
  return bytesOf(size(), each);
}
int64_t Problem::bytesAsF32() const {
  size_t each = 0;
  for (size_t t = 0; t < broadcastFrom; ++t)
    each += std::max(sizeOf(tensors[t].dtype), sizeOf(DType::F32));
  return bytesOf(size(), each);
}
int64_t Problem::keptSize() const { return product(keptExtents); }

Slice Problem::slice(const Dims &ofPart) const {
  Slice slice;
  slice.extents = ofPart;
  for (int group = 0; group < extents.size(); ++group)
    if (kinds[group] == 'K')
      slice.kept.push_back(ofPart[group]);
  slice.keptStrides = contiguousStrides(slice.kept);
  return slice;
}

int64_t Problem::partsOf(int64_t bytes) const {
  auto each = int64_t(sizeOf(DType::F32));
  for (size_t t = 0; t < broadcastFrom; ++t)
    each = std::max(each, int64_t(sizeOf(tensors[t].dtype)));
  return size() / (bytes / each);
}

Layout Problem::layout() const {
  Layout weakest = Layout::Contiguous;
  for (size_t t = 0; t < tensors.size(); ++t) {
    const GroupedTensor &tensor = tensors[t];
    const bool repeats = t >= broadcastFrom && tensor.strides.back() == 0;
    if (extents.back() > 1 && tensor.strides.back() != 1 && !repeats)
      return Layout::Strided;
    int64_t expected = 1;
    for (int group = extents.size() - 1; group >= 0; --group) {
      if (extents[group] > 1 && tensor.strides[group] != expected)
        weakest = std::max(weakest, group == 0 ? Layout::DenseRows : Layout::UnitInner);
      expected *= extents[group];
    }
  }
  return weakest;
}

uint32_t Problem::repeats(size_t i) const {
  uint32_t bits = 0;
  for (int group = 0; group < extents.size(); ++group)
    if (tensors[i].strides[group] == 0)
      bits |= uint32_t(1) << group;
  return bits;
}

std::vector<int64_t> Problem::callersOrder() const {
  const int rank = keptExtents.size();
  // Strides of the caller's row-major order, by kernel axis.
  Dims callerExtents = keptExtents, strides = keptExtents;
  for (int i = 0; i < rank; ++i)
    callerExtents[int(keptOrder[i])] = keptExtents[i];
  for (int i = 0; i < rank; ++i) {
    int64_t stride = 1;
    for (int j = int(keptOrder[i]) + 1; j < rank; ++j)
      stride *= callerExtents[j];
    strides[i] = stride;
  }
  std::vector<int64_t> order(static_cast<size_t>(keptSize()));
  for (int64_t kernel = 0; kernel < keptSize(); ++kernel) {
    int64_t rest = kernel, caller = 0;
    for (int i = rank - 1; i >= 0; --i) {
      caller += rest % keptExtents[i] * strides[i];
      rest /= keptExtents[i];
    }
    order[size_t(kernel)] = caller;
  }
  return order;
}

std::vector<double> Problem::toKernelOrder(std::span<const double> values) const {
  std::vector<double> result(values.begin(), values.end());
  if (keptInOrder || values.empty())
    return result;
  const std::vector<int64_t> order = callersOrder();
  for (size_t kernel = 0; kernel < order.size(); ++kernel)
    result[kernel] = values[size_t(order[kernel])];
  return result;
}

std::vector<double> Problem::fromKernelOrder(std::span<const double> values) const {
  std::vector<double> result(values.begin(), values.end());
  if (keptInOrder || values.empty())
    return result;
  const std::vector<int64_t> order = callersOrder();
  for (size_t kernel = 0; kernel < order.size(); ++kernel)
    result[size_t(order[kernel])] = values[kernel];
  return result;
}

Problem makeProblem(std::span<const Tensor> all, size_t broadcastFrom,
                    std::span<const int64_t> kept) {
  const Tensor &data = all.front();
  Problem problem;
  problem.broadcastFrom = broadcastFrom;
  for (const Tensor &tensor : all)
    problem.tensors.push_back({static_cast<char *>(tensor.data), tensor.dtype, {}});

  // Axes that matter, largest stride of the data first.
  std::vector<int> axes;
  for (int axis = 0; axis < data.rank(); ++axis)
    if (data.shape[axis] != 1)
      axes.push_back(axis);
  std::sort(axes.begin(), axes.end(), [&](int a, int b) {
    const int64_t strideA = std::llabs(data.strides[a]), strideB = std::llabs(data.strides[b]);
    return strideA != strideB ? strideA > strideB : a < b;
  });

  for (size_t i = 0; i < axes.size(); ++i) {
    const int axis = axes[i];
    const int64_t extent = data.shape[axis];
    auto keptAt = std::find(kept.begin(), kept.end(), axis);
    const char kind = keptAt != kept.end() ? 'K' : 'R';
    bool merges = !problem.kinds.empty() && problem.kinds.back() == kind;
    for (size_t t = 0; merges && t < all.size(); ++t) {
      const int64_t outer = all[t].strides[axes[i - 1]], inner = all[t].strides[axis];
      merges = outer == inner * extent && (t < broadcastFrom || (outer == 0) == (inner == 0));
    }
    if (merges) {
      problem.extents.back() *= extent;
      for (size_t t = 0; t < all.size(); ++t)
        problem.tensors[t].strides.back() = all[t].strides[axis];
    } else {
      problem.kinds.push_back(kind);
      problem.extents.push_back(extent);
      for (size_t t = 0; t < all.size(); ++t)
        problem.tensors[t].strides.push_back(all[t].strides[axis]);
    }
    if (kind == 'K') {
      problem.keptOrder.push_back(keptAt - kept.begin());
      problem.keptExtents.push_back(extent);
    }
  }
  if (problem.kinds.empty()) {
    problem.kinds = "R";
    problem.extents.push_back(1);
    for (GroupedTensor &tensor : problem.tensors)
      tensor.strides.push_back(1);
  }
  // The positions among the kept axes that matter; those of extent 1 do not.
  Dims sorted = problem.keptOrder;
  std::sort(sorted.begin(), sorted.end());
  for (int64_t &position : problem.keptOrder)
    position = std::find(sorted.begin(), sorted.end(), position) - sorted.begin();
  problem.keptInOrder = std::is_sorted(problem.keptOrder.begin(), problem.keptOrder.end());
  return problem;
}

} // namespace norma
