//===- EngineCall.cpp - A call of a kernel, cut into blocks ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineCall.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace norma {

int64_t KernelCall::blocks() const {
  const int64_t extent = kernel->block ? kernel->block : problem.outer();
  return problem.outer() / extent + (problem.outer() % extent != 0);
}

Block KernelCall::block(int64_t b, int64_t count) const {
  const int64_t extent = kernel->block ? kernel->block : problem.outer();
  const int64_t begin = b * extent, left = problem.outer() - begin;
  const int64_t end = begin + (left / extent < count ? left : extent * count);
  return range(begin, end);
}

Block KernelCall::range(int64_t begin, int64_t end) const {
  Dims extents = problem.extents, first = problem.extents;
  std::fill(first.begin(), first.end(), 0);
  first[0] = begin;
  extents[0] = end - begin;
  return {first, problem.slice(extents), begin * problem.keptPerOuter()};
}

Block KernelCall::range(const KeptCuts &cuts, int64_t b) const {
  return keptRange(range(0, problem.outer()), cuts.begin(b), cuts.end(b));
}

Block KernelCall::keptRange(const Block &block, int64_t begin, int64_t end) const {
  const auto group = int(problem.kinds.find('K'));
  Dims first = block.begin, extents = block.slice.extents;
  first[group] += begin;
  extents[group] = end - begin;
  return {first, problem.slice(extents), block.firstKept + begin};
}

void ReductionCall::shareOut(CallTimer &timer) const {
  if (narrower)
    timer.share(*narrower->state,
                uint64_t(call.problem.bytes() / cuts->extent * cuts->lastWidth()));
}

KernelCall KernelCall::on(std::span<const Tensor> tensors) const {
  KernelCall other = *this;
  std::vector<GroupedTensor> &moved = other.problem.tensors;
  assert(tensors.size() >= moved.size() && "not the tensors of this call");
  for (size_t t = 0; t < moved.size(); ++t)
    moved[t].data = static_cast<char *>(tensors[t].data);
  return other;
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
  int64_t elements = 0;
  for (int group = 0; group < sizes.size(); ++group)
    elements += block.begin[group] * tensor.strides[group];
  arguments.push(data + elements * int64_t(sizeOf(tensor.dtype)), sizes, tensor.strides);
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

KernelSpec specOf(KernelSpec spec, const Problem &problem, const Operands &operands) {
  spec.kinds = problem.kinds;
  spec.extents = problem.extents;
  spec.extents[0] = kDynamic;
  spec.layout = problem.layout();
  if (operands.any())
    spec.layout = std::max(spec.layout, Layout::UnitInner);
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

bool readsFromMemory(const Problem &problem, Layout layout, int64_t cacheBytes) {
  // Narrow elements are more instructions for a byte: the processor sees less far ahead.
  return problem.bytesAsF32() > cacheBytes && layout == Layout::Contiguous;
}

/// Data from which the map of the whole gains more than blocks do.
static constexpr int64_t kStreamedBytes = int64_t(64) << 20;

bool streamsAsWhole(const Problem &problem) {
  const GroupedTensor &out = problem.tensors[problem.broadcastFrom - 1];
  return isLargeResult(problem, kStreamedBytes) && problem.layout() == Layout::Contiguous &&
         problem.extents.back() * int64_t(sizeOf(out.dtype)) % int64_t(kStreamingAlignment) == 0;
}

void RoundedValues::resize(size_t arrays, int64_t size, DType type) {
  compute = type;
  count = arrays;
  arrayBytes = int64_t((size_t(size) * sizeOf(compute) + kLineBytes - 1) / kLineBytes * kLineBytes);
  bytes.resize(count * size_t(arrayBytes));
}

RoundedValues::RoundedValues(std::initializer_list<std::span<const double>> arrays, DType compute) {
  size_t present = 0, size = 0;
  for (std::span<const double> values : arrays)
    if (!values.empty()) {
      ++present;
      size = values.size();
    }
  resize(present, int64_t(size), compute);
  size_t next = 0;
  for (std::span<const double> values : arrays)
    if (!values.empty())
      storeFromDoubles(values, at(next++), compute);
}

void RoundedValues::toKernelOrder(const Problem &problem) {
  if (problem.keptInOrder)
    return;
  const AlignedBytes inCallersOrder = bytes;
  const std::vector<int64_t> order = problem.callersOrder();
  const auto each = int64_t(sizeOf(compute));
  for (size_t array = 0; array < count; ++array)
    for (size_t i = 0; i < order.size(); ++i)
      std::memcpy(at(array, int64_t(i)),
                  inCallersOrder.data() + int64_t(array) * arrayBytes + order[i] * each,
                  size_t(each));
}

MapCall::MapCall(KernelCall prepared, RoundedValues values)
    : call(std::move(prepared)), coefficients(std::move(values)), dataBytes(call.problem.bytes()),
      workBytes(call.problem.bytesAsF32()) {
  coefficients.toKernelOrder(call.problem);
  if (call.blocks() > 0)
    pushArguments(whole, call.block(0, call.blocks()), data(), out());
}

void MapCall::pushArguments(KernelArguments &arguments, const Block &block, char *data,
                            char *out) const {
  const size_t last = call.problem.broadcastFrom - 1;
  call.pushTensor(arguments, block, 0, data);
  for (size_t t = 1; t < last; ++t)
    call.pushTensor(arguments, block, t);
  for (size_t array = 0; array < coefficients.size(); ++array)
    arguments.push(coefficients.at(array, block.firstKept), block.slice.kept,
                   block.slice.keptStrides);
  call.pushOperands(arguments, block);
  call.pushTensor(arguments, block, last, out);
}

/// Step `i` of going backwards through each of as many parts as there are threads. A
/// thread tends to be given the part that it had before, whose end is in its cache.
static int64_t backwards(int64_t i, int64_t steps, int64_t parts) {
  const int64_t part = ((i + 1) * parts - 1) / steps;
  const int64_t begin = part * steps / parts, end = (part + 1) * steps / parts;
  return begin + end - 1 - i;
}

int64_t MapCall::mostParts(const ThreadPool &threads) const { return threads.partsOf(workBytes); }

void MapCall::run(char *data, char *out, const ThreadPool &threads, BlockOrder order) const {
  // There may be better code than when the plan was made.
  const EntryPoint entry = call.entry();
  const int64_t most = mostParts(threads);
  // Little data is one part, without the divisions that say so.
  int64_t together = 1, parts = 1;
  if (most > 1) {
    const int64_t blocks = call.blocks();
    together = (blocks + most - 1) / most;
    parts = (blocks + together - 1) / together;
  }
  if (parts == 1) {
    KernelArguments arguments(whole);
    arguments.setData(0, data);
    arguments.setData(arguments.size() - 1, out);
    return arguments.call(entry);
  }
  threads.forEach(parts, dataBytes, [&](int64_t i) {
    const int64_t part = order == BlockOrder::Forwards ? i : backwards(i, parts, threads.size());
    KernelArguments arguments;
    pushArguments(arguments, call.block(part * together, together), data, out);
    arguments.call(entry);
  });
}

} // namespace norma
