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

void KernelCall::pushTensor(KernelArguments &arguments, const Block &block, size_t t,
                            char *data) const {
  const GroupedTensor &tensor = problem.tensors[t];
  Dims sizes = block.slice.extents;
  if (t >= problem.broadcastFrom) {
    const uint32_t repeats = problem.repeats(t);
    for (int group = 0; group < sizes.size(); ++group)
      if (repeats >> group & 1)
        sizes[group] = 1;
  }
  const int64_t offset = block.begin * tensor.strides[0] * int64_t(sizeOf(tensor.dtype));
  arguments.push(data + offset, sizes, tensor.strides);
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

bool isLargeResult(const Problem &problem, int64_t cacheBytes) {
  const size_t last = problem.broadcastFrom - 1;
  const GroupedTensor &out = problem.tensors[last];
  auto each = int64_t(sizeOf(out.dtype));
  for (size_t t = 0; t < last; ++t) {
    if (problem.tensors[t].data == out.data)
      return false;
    each += int64_t(sizeOf(problem.tensors[t].dtype));
  }
  return problem.size() > cacheBytes / each;
}

bool writesPastCaches(const Problem &problem, Layout layout, int64_t cacheBytes) {
  const GroupedTensor &out = problem.tensors[problem.broadcastFrom - 1];
  return isLargeResult(problem, cacheBytes) && layout == Layout::Contiguous &&
         reinterpret_cast<uintptr_t>(out.data) % kStreamingAlignment == 0;
}

/// Values per kept index in the type and order of a kernel.
static std::vector<std::byte> rounded(const Problem &problem, std::span<const double> values,
                                      DType compute) {
  const std::vector<double> ordered = problem.toKernelOrder(values);
  std::vector<std::byte> bytes(ordered.size() * sizeOf(compute));
  for (size_t i = 0; i < ordered.size(); ++i)
    storeFromDouble(ordered[i], bytes.data() + i * sizeOf(compute), compute);
  return bytes;
}

MapCall::MapCall(KernelCall prepared, std::initializer_list<std::span<const double>> values,
                 DType compute)
    : call(std::move(prepared)), compute(compute) {
  for (std::span<const double> each : values)
    if (!each.empty())
      coefficients.push_back(rounded(call.problem, each, compute));
}

template <typename Push>
void MapCall::runBlock(EntryPoint entry, const Block &block, Push pushTensor) const {
  const size_t out = call.problem.broadcastFrom - 1;
  KernelArguments arguments;
  for (size_t t = 0; t < out; ++t)
    pushTensor(arguments, t);
  for (const std::vector<std::byte> &values : coefficients)
    arguments.push(values.data() + block.firstKept * int64_t(sizeOf(compute)), block.slice.kept,
                   block.slice.keptStrides);
  call.pushOperands(arguments, block);
  pushTensor(arguments, out);
  arguments.call(entry);
}

void MapCall::run(const ThreadPool &threads, BlockOrder order) const {
  const int64_t blocks = call.blocks();
  const EntryPoint entry = call.kernel->code().loaded->entry;
  threads.forEach(blocks, [&](int64_t i) {
    const Block block = call.block(order == BlockOrder::Forwards ? i : blocks - 1 - i);
    runBlock(entry, block,
             [&](KernelArguments &arguments, size_t t) { call.pushTensor(arguments, block, t); });
  });
}

void MapCall::run(char *data, char *out, const ThreadPool &threads) const {
  // There may be better code than when the plan was made.
  const EntryPoint entry = call.kernel->code().loaded->entry;
  auto body = [&](int64_t b) {
    const Block block = call.block(b);
    runBlock(entry, block, [&](KernelArguments &arguments, size_t t) {
      call.pushTensor(arguments, block, t, t == 0 ? data : out);
    });
  };
  const int64_t blocks = call.blocks();
  // Without the detour through a std::function, which takes as long as a small kernel.
  if (blocks == 1)
    return body(0);
  threads.forEach(blocks, body);
}

} // namespace norma
