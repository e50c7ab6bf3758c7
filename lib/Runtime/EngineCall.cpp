//===- EngineCall.cpp - A call of a kernel, cut into blocks ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineCall.h"

namespace norma {

int64_t KernelCall::blocks() const {
  const int64_t extent = kernel->block ? kernel->block : problem.outer();
  return problem.outer() / extent + (problem.outer() % extent != 0);
}

Block KernelCall::block(int64_t b) const {
  const int64_t extent = kernel->block ? kernel->block : problem.outer();
  const int64_t begin = b * extent, end = begin + std::min(extent, problem.outer() - begin);
  return {begin, end, problem.slice(begin, end), begin * problem.keptPerOuter()};
}

void KernelCall::pushTensor(KernelArguments &arguments, const Block &block, size_t t) const {
  const GroupedTensor &tensor = problem.tensors[t];
  Dims sizes = block.slice.extents;
  if (t >= problem.broadcastFrom) {
    const uint32_t repeats = problem.repeats(t);
    for (int group = 0; group < sizes.size(); ++group)
      if (repeats >> group & 1)
        sizes[group] = 1;
  }
  arguments.push(tensor.at(block.begin), sizes, tensor.strides);
}

void KernelCall::pushOperands(KernelArguments &arguments, const Block &block) const {
  for (size_t t = problem.broadcastFrom; t < problem.tensors.size(); ++t)
    pushTensor(arguments, block, t);
}

Problem makeProblem(std::vector<Tensor> tensors, const Operands &operands,
                    std::span<const int64_t> kept) {
  const size_t broadcastFrom = tensors.size();
  operands.appendTo(tensors);
  return makeProblem(tensors, broadcastFrom, kept);
}

KernelSpec specOf(KernelFamily family, const Problem &problem, const Operands &operands) {
  KernelSpec spec;
  spec.family = family;
  spec.kinds = problem.kinds;
  spec.extents = problem.extents;
  spec.extents[0] = kDynamic;
  spec.layout = problem.layout();
  if (operands.any() && spec.layout == Layout::Contiguous)
    spec.layout = Layout::UnitInner;
  spec.data = problem.tensors[0].dtype;
  size_t next = problem.broadcastFrom;
  if (operands.mask) {
    spec.mask = problem.tensors[next].dtype;
    spec.maskRepeats = problem.repeats(next++);
  }
  if (operands.weights) {
    spec.weights = problem.tensors[next].dtype;
    spec.weightsRepeats = problem.repeats(next++);
  }
  return spec;
}

static constexpr int64_t kStreamingBytes = int64_t(32) << 20;

bool isLargeResult(const Problem &problem) {
  const size_t last = problem.broadcastFrom - 1;
  const GroupedTensor &out = problem.tensors[last];
  for (size_t t = 0; t < last; ++t)
    if (problem.tensors[t].data == out.data)
      return false;
  return problem.size() * int64_t(sizeOf(out.dtype)) > kStreamingBytes;
}

bool writesPastCaches(const Problem &problem, Layout layout) {
  const GroupedTensor &out = problem.tensors[problem.broadcastFrom - 1];
  return isLargeResult(problem) && layout == Layout::Contiguous &&
         reinterpret_cast<uintptr_t>(out.data) % 64 == 0;
}

std::vector<std::byte> rounded(const Problem &problem, std::span<const double> values,
                               DType compute) {
  const std::vector<double> ordered = problem.toKernelOrder(values);
  std::vector<std::byte> bytes(ordered.size() * sizeOf(compute));
  for (size_t i = 0; i < ordered.size(); ++i)
    storeFromDouble(ordered[i], bytes.data() + i * sizeOf(compute), compute);
  return bytes;
}

void runMap(const KernelCall &call, std::span<const std::vector<std::byte>> coefficients,
            DType compute, const ThreadPool &threads, BlockOrder order) {
  const int64_t blocks = call.blocks();
  const size_t out = call.problem.broadcastFrom - 1;
  threads.forEach(blocks, [&](int64_t i) {
    const Block block = call.block(order == BlockOrder::Forwards ? i : blocks - 1 - i);
    KernelArguments arguments;
    for (size_t t = 0; t < out; ++t)
      call.pushTensor(arguments, block, t);
    for (const std::vector<std::byte> &values : coefficients)
      if (!values.empty())
        arguments.push(values.data() + block.firstKept * int64_t(sizeOf(compute)), block.slice.kept,
                       block.slice.keptStrides);
    call.pushOperands(arguments, block);
    call.pushTensor(arguments, block, out);
    arguments.call(call.entry);
  });
}

} // namespace norma
