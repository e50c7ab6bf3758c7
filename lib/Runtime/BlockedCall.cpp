//===- BlockedCall.cpp - A reduction and a map, block by block ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BlockedCall.h"

#include <atomic>
#include <cassert>
#include <fmt/format.h>

namespace norma {

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

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

static bool isMap(KernelFamily family) {
  return family == KernelFamily::Affine || family == KernelFamily::GradMap;
}

BlockKernel::BlockKernel(KernelCall call, KernelFamily family, const std::vector<int64_t> &steps)
    : kernel(std::move(call.kernel)), entry(call.entry) {
  const Problem &problem = call.problem;
  const Block all{0, problem.outer(), problem.slice(0, problem.outer()), 0};
  const auto pushTensor = [&](size_t t) {
    tensors.push_back({first.size(), problem.tensors[t].data, steps[t]});
    call.pushTensor(first, all, t);
  };
  const auto pushArrays = [&](int count) {
    for (int i = 0; i < count; ++i) {
      arrayArguments.push_back(first.size());
      first.push(nullptr, all.slice.kept, all.slice.keptStrides);
    }
  };
  const auto [read, written] = arraysOf(family);
  const size_t inputs = problem.broadcastFrom - (isMap(family) ? 1 : 0);
  for (size_t t = 0; t < inputs; ++t)
    pushTensor(t);
  pushArrays(read);
  for (size_t t = problem.broadcastFrom; t < problem.tensors.size(); ++t)
    pushTensor(t);
  pushArrays(written);
  for (size_t t = inputs; t < problem.broadcastFrom; ++t)
    pushTensor(t);
  bytes = uint64_t(problem.bytes());
}

void BlockKernel::run(int64_t begin, std::initializer_list<const void *> arrays) const {
  assert(arrays.size() == arrayArguments.size() && "not the arrays of this kernel");
  const CallTimer timer(*kernel, bytes);
  KernelArguments arguments(first);
  for (const MovingTensor &tensor : tensors)
    arguments.setData(tensor.argument, tensor.data + begin * tensor.step);
  for (size_t i = 0; i < arrays.size(); ++i)
    arguments.setData(arrayArguments[i], arrays.begin()[i]);
  arguments.call(entry);
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

/// Makes one sample of a problem that has no axis of samples.
static void addSampleAxis(Problem &problem) {
  const auto addFirst = [](Dims &dims, int64_t value) {
    Dims all{value};
    for (int64_t each : dims)
      all.push_back(each);
    dims = all;
  };
  problem.kinds.insert(problem.kinds.begin(), 'R');
  addFirst(problem.extents, 1);
  for (GroupedTensor &tensor : problem.tensors)
    addFirst(tensor.strides, 0);
}

/// The kernel for the first `width` kept indices.
Expected<BlockKernel> Engine::State::BlockedCall::prepare(const KernelSpec &chosen,
                                                          int64_t width) const {
  std::vector<int64_t> steps;
  const auto slice = [&](size_t t) {
    const GroupedTensor &tensor = problem.tensors[t];
    steps.push_back(tensor.strides[blocks.group] * int64_t(sizeOf(tensor.dtype)));
    return blocks.slice(problem, t, 0, width);
  };
  const size_t count = problem.broadcastFrom - (isMap(chosen.family) ? 0 : 1);
  std::vector<Tensor> views;
  views.reserve(count);
  for (size_t t = 0; t < count; ++t)
    views.push_back(slice(t));
  Operands parts;
  // Coefficients are all that this map is given beside the data.
  if (chosen.family != KernelFamily::Affine) {
    size_t next = problem.broadcastFrom;
    if (operands.mask)
      parts.mask = slice(next++);
    if (operands.weights)
      parts.weights = slice(next);
  }
  Problem part = makeProblem(std::move(views), parts, Dims{blocks.group});
  if (blocks.wholeLines && part.outerKept())
    addSampleAxis(part);
  KernelSpec spec = specOf(chosen, part, parts);
  // A block of one sample is a block like others.
  if (blocks.wholeLines)
    spec.layout = std::max(spec.layout, Layout::DenseRows);
  spec.streaming = blocks.streams && isMap(chosen.family);
  Expected<KernelCall> call = engine.call(std::move(part), spec);
  if (!call)
    return call.takeError();
  return BlockKernel(std::move(*call), chosen.family, steps);
}

Expected<BlockKernels> Engine::State::BlockedCall::prepare(const KernelSpec &reduce,
                                                           const KernelSpec &map,
                                                           int64_t width) const {
  Expected<BlockKernel> first = prepare(reduce, width);
  if (!first)
    return first.takeError();
  Expected<BlockKernel> second = prepare(map, width);
  if (!second)
    return second.takeError();
  return BlockKernels{std::move(*first), std::move(*second)};
}

Expected<void> Engine::State::BlockedCall::run(const KernelSpec &reduce, const KernelSpec &map,
                                               const Body &body) const {
  const int64_t count = blocks.count(), last = blocks.begin(count - 1);
  Expected<BlockKernels> prepared = prepare(reduce, map, blocks.end(0));
  if (!prepared)
    return prepared.takeError();
  std::optional<BlockKernels> narrower;
  if (blocks.extent - last < blocks.end(0)) {
    Expected<BlockKernels> made = prepare(reduce, map, blocks.extent - last);
    if (!made)
      return made.takeError();
    narrower.emplace(std::move(*made));
  }
  std::vector<Expected<void>> outcomes(static_cast<size_t>(count));
  std::atomic<bool> failed = false;
  engine.pool->forEach(count, problem.bytes(), [&](int64_t b) {
    if (failed)
      return;
    const BlockKernels &mine = narrower && b == count - 1 ? *narrower : *prepared;
    const int64_t begin = blocks.begin(b), end = blocks.end(b);
    if (outcomes[b] = body(mine, begin, end); !outcomes[b])
      failed = true;
  });
  for (int64_t b = 0; b < count; ++b)
    if (!outcomes[b])
      return outcomes[b].takeError().within(
          fmt::format("kept indices [{}, {})", blocks.begin(b), blocks.end(b)));
  return {};
}

} // namespace norma
