//===- Problem.h - A call in axis form ---===//
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
};

struct Problem {
  std::string kinds;
  Dims extents;
  /// The tensors with the shape of the data: the data, then those given to
  /// makeProblem.
  std::vector<GroupedTensor> tensors;
  /// The extents of the kept axes in the order kernels see them, and for each the
  /// position it has in the caller's order.
  Dims keptExtents;
  Dims keptOrder;
  /// keptOrder is 0, 1, 2, ...
  bool keptInOrder = true;

  int64_t keptSize() const;
  Layout layout() const;
  /// One bit per group, outermost lowest, where tensor `i` has stride 0 and the
  /// group more than one index.
  uint32_t repeats(size_t i) const;
  /// Copies one value per kept index from the caller's order to the kernel's.
  std::vector<double> toKernelOrder(std::span<const double> values) const;
  std::vector<double> fromKernelOrder(std::span<const double> values) const;
};

/// `all` are tensors of one shape, the data first; tensors from `broadcastFrom` on
/// are inputs that may repeat (stride 0). `kept` has been checked.
Problem makeProblem(std::span<const Tensor> all, size_t broadcastFrom,
                    std::span<const int64_t> kept);

} // namespace norma

#endif // NORMA_RUNTIME_PROBLEM_H
