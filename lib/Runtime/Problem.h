//===- Problem.h - A call in axis form --------------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Brings the tensors of a call to the form that kernels are made for: axes of
// extent 1 dropped, the others ordered by stride (so that Fortran order is as
// good as C order), neighbours merged where kind, strides and broadcasting allow.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_PROBLEM_H
#define NORMA_RUNTIME_PROBLEM_H

#include "KernelSpec.h"

namespace norma {

/// A tensor of a problem: one stride for every group of axes.
struct GroupedTensor {
  char *data = nullptr;
  DType dtype = DType::F32;
  Dims strides;

  /// The address of index `outer` of the outermost group.
  void *at(int64_t outer) const { return data + outer * strides[0] * int64_t(sizeOf(dtype)); }
};

/// The extents of a part of a problem, and of its kept groups.
struct Slice {
  Dims extents, kept, keptStrides;
};

struct Problem {
  std::string kinds;
  Dims extents;
  /// The tensors with the shape of the data: the data, then those given to
  /// makeProblem; those from `broadcastFrom` on may repeat.
  std::vector<GroupedTensor> tensors;
  size_t broadcastFrom = 0;
  /// The extents of the kept axes in the order kernels see them, and for each the
  /// position it has in the caller's order.
  Dims keptExtents;
  Dims keptOrder;
  /// keptOrder is 0, 1, 2, ...
  bool keptInOrder = true;

  /// Elements of the data.
  int64_t size() const;
  /// Of the data and of the tensors with its shape: what a kernel reads and writes. The most an
  /// integer holds where elements that repeat amount to more.
  int64_t bytes() const;
  /// The same, were elements f32 at least: narrower ones are as much work.
  int64_t bytesAsF32() const;
  int64_t outer() const { return extents[0]; }
  bool outerKept() const { return kinds[0] == 'K'; }
  int64_t keptSize() const;
  /// Kept indices that one index of the outermost group has to itself; 0 when all
  /// share them.
  int64_t keptPerOuter() const { return outerKept() ? keptSize() / outer() : 0; }
  /// Of such extents.
  Slice slice(const Dims &extents) const;
  /// How many parts have so many bytes of every tensor with the shape of the data. Elements of less
  /// than four bytes take as long as others.
  int64_t partsOf(int64_t bytes) const;
  Layout layout() const;
  /// One bit per group, outermost lowest, where tensor `i`, from `broadcastFrom` on,
  /// repeats.
  uint32_t repeats(size_t i) const;
  /// The kept index of the caller for each of the kernel's.
  std::vector<int64_t> callersOrder() const;
  /// Copies one value per kept index from the caller's order to the kernel's.
  std::vector<double> toKernelOrder(std::span<const double> values) const;
  std::vector<double> fromKernelOrder(std::span<const double> values) const;
};

/// `all` are tensors of one shape, the data first; tensors from `broadcastFrom` on
/// are inputs that kernels see with an extent of 1 where they repeat (stride 0).
/// `kept` has been checked.
Problem makeProblem(std::span<const Tensor> all, size_t broadcastFrom,
                    std::span<const int64_t> kept);

} // namespace norma

#endif // NORMA_RUNTIME_PROBLEM_H
