//===- BlockKernel.cpp - A kernel for blocks of one width -----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BlockKernel.h"

#include <cassert>

namespace norma {

namespace {

/// The arrays of a kernel of a family, which surround mask and weights.
struct ArrayCounts {
  int read, written;
};

} // namespace

static ArrayCounts arraysOf(KernelFamily family) {
  switch (family) {
  case KernelFamily::Moments:
    return {0, 3};
  case KernelFamily::Affine:
    return {3, 0};
  case KernelFamily::GradSums:
    return {1, 2};
  case KernelFamily::GradMap:
    return {4, 0};
  }
  return {0, 0};
}

BlockKernel::BlockKernel(const KernelCall &call, KernelSpec kernelSpec,
                         std::span<const MovingTensor> tensors, bool backwards)
    : kernel(call.kernel), spec(std::move(kernelSpec)), bytes(uint64_t(call.problem.bytes())) {
  pushArguments(call, spec.family, tensors, backwards, /*ofNext=*/false);
  if (spec.interleaved)
    pushArguments(call, isGradient(spec.family) ? KernelFamily::GradSums : KernelFamily::Moments,
                  tensors, /*backwards=*/false, /*ofNext=*/true);
}

/// The same call, with the last index of the outermost group first.
static KernelCall turned(KernelCall call) {
  for (GroupedTensor &tensor : call.problem.tensors) {
    tensor.data = static_cast<char *>(tensor.at(call.problem.outer() - 1));
    tensor.strides[0] = -tensor.strides[0];
  }
  return call;
}

void BlockKernel::pushArguments(const KernelCall &call, KernelFamily family,
                                std::span<const MovingTensor> tensors, bool backwards,
                                bool ofNext) {
  const Problem &problem = call.problem;
  const KernelCall pushed = backwards ? turned(call) : call;
  const Block all = call.range(0, problem.outer());
  const auto pushTensor = [&](size_t t) {
    const int64_t offset = pushed.problem.tensors[t].data - problem.tensors[t].data;
    tensorArguments.push_back({first.size(), tensors[t], offset, ofNext});
    pushed.pushTensor(first, all, t);
  };
  const auto pushArrays = [&](int count) {
    for (int i = 0; i < count; ++i) {
      arrayArguments.push_back(first.size());
      first.push(nullptr, all.slice.kept, all.slice.keptStrides);
    }
  };
  const auto [read, written] = arraysOf(family);
  const size_t inputs = isGradient(family) ? 2 : 1;
  for (size_t t = 0; t < inputs; ++t)
    pushTensor(t);
  pushArrays(read);
  for (size_t t = problem.broadcastFrom; t < problem.tensors.size(); ++t)
    pushTensor(t);
  pushArrays(written);
  if (isMap(family))
    pushTensor(inputs);
}

void BlockKernel::run(Kernel::State &other, const BlockedCall &call, int64_t begin,
                      std::initializer_list<const void *> arrays, int64_t next) const {
  assert(arrays.size() == arrayArguments.size() && "not the arrays of this kernel");
  const CallTimer timer(other, bytes);
  KernelArguments arguments(first);
  for (const auto &[position, tensor, offset, ofNext] : tensorArguments)
    arguments.setData(position, static_cast<const char *>(call.tensors[tensor.source].data) +
                                    (ofNext ? next : begin) * tensor.step + offset);
  for (size_t i = 0; i < arrays.size(); ++i)
    arguments.setData(arrayArguments[i], arrays.begin()[i]);
  // There may be better code than when the plan was made.
  arguments.call(other.code().loaded->entry);
}

} // namespace norma
