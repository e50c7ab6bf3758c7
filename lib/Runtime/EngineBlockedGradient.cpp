//===- EngineBlockedGradient.cpp - Sums, then the map, block by block -----===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One thread sums and maps a block of kept indices before it takes the next: x and dy
// are read once from memory, and threads are handed their work once. A block is one
// call of each kernel, so little data is one block and costs little beside it. Where no
// block fits in the cache, the whole is summed, then mapped from its end. Which of the
// two, and where the cuts are, depends on the shape and the processor alone.
//
//===----------------------------------------------------------------------===//

#include "EngineCall.h"
#include "KeptBlocks.h"

#include "norma/Support/OutOfMemory.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fmt/format.h>

namespace norma {

/// Where kept indices lie next to each other, the least a block has of them: shorter
/// pieces of rows are read slowly.
static constexpr int64_t kRunBytes = 2048;
/// A block of x and dy with less costs too much by itself; twice as much where all fits in
/// the cache anyway, and blocks are for the sake of threads alone.
static constexpr int64_t kLeastBytes = int64_t(128) << 10;
/// As many blocks keep the cores of a large machine at work; with fewer than the least,
/// the whole has more to share out.
static constexpr int64_t kMostBlocks = 64, kLeastBlocks = 4;

static int64_t divideUp(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

/// How the kept indices are cut, where that pays. The problem's tensors are x, dy, dx.
static std::optional<KeptBlocks> chooseBlocks(const Problem &problem, int64_t l2Bytes) {
  std::optional<KeptBlocks> blocks = KeptBlocks::of(problem);
  if (!blocks || streamsAsWhole(problem))
    return std::nullopt;
  const GroupedTensor &x = problem.tensors[0], &dy = problem.tensors[1];
  const int64_t perIndex =
      problem.size() / blocks->extent * int64_t(sizeOf(x.dtype) + sizeOf(dy.dtype));
  // The other half is for dx, and for what else passes through the cache.
  const int64_t budget = l2Bytes / 2;
  const bool isSmall = perIndex * blocks->extent <= budget;

  int64_t run = 1;
  for (size_t t = 0; t < 3; ++t) {
    const GroupedTensor &tensor = problem.tensors[t];
    const int64_t step = std::llabs(tensor.strides[blocks->group]) * int64_t(sizeOf(tensor.dtype));
    if (step > 0)
      run = std::max(run, divideUp(kRunBytes, step));
  }
  const int64_t widest = isSmall ? blocks->extent : budget / perIndex / run * run;
  if (widest == 0)
    return std::nullopt;
  const int64_t worthwhile = std::max(divideUp(isSmall ? 2 * kLeastBytes : kLeastBytes, perIndex),
                                      divideUp(blocks->extent, kMostBlocks));
  blocks->width = std::min(widest, divideUp(worthwhile, run) * run);
  return isSmall || blocks->count() >= kLeastBlocks ? blocks : std::nullopt;
}

namespace {

/// A kernel for blocks of one width, as it is called on the first of them.
struct BlockKernel {
  KernelCall call;
  Block all;
  uint64_t bytes = 0;
  /// From one kept index to the next, in bytes, of every tensor of the call.
  std::vector<int64_t> steps;

  void pushTensor(KernelArguments &arguments, size_t t, int64_t begin) const {
    call.pushTensor(arguments, all, t, call.problem.tensors[t].data + begin * steps[t]);
  }
  void pushOperands(KernelArguments &arguments, int64_t begin) const {
    for (size_t t = call.problem.broadcastFrom; t < steps.size(); ++t)
      pushTensor(arguments, t, begin);
  }
  template <typename T>
  void pushValues(KernelArguments &arguments, T *values) const {
    arguments.push(values, all.slice.kept, all.slice.keptStrides);
  }
};

struct BlockKernels {
  BlockKernel sums, map;
};

} // namespace

/// A gradient in blocks.
struct Engine::State::BlockedGradient {
  Engine::State &engine;
  /// Of x, dy, dx, mask and weights.
  const Problem &problem;
  const KeptBlocks &blocks;
  const Operands &operands;
  std::span<const double> center;
  const MakeGradientCoefficients &coefficients;
  DType compute;
  GradientSums sums;

  /// For the first `width` kept indices.
  Expected<BlockKernels> prepare(int64_t width) const;
  Expected<BlockKernel> prepare(KernelFamily family, std::span<const size_t> tensors,
                                int64_t width) const;
  Expected<void> runBlock(const BlockKernels &prepared, int64_t begin, int64_t end);
  Expected<GradientSums> run();
};

Expected<BlockKernel> Engine::State::BlockedGradient::prepare(KernelFamily family,
                                                              std::span<const size_t> tensors,
                                                              int64_t width) const {
  BlockKernel kernel;
  const auto slice = [&](size_t t) {
    const GroupedTensor &tensor = problem.tensors[t];
    const auto bytes = int64_t(sizeOf(tensor.dtype));
    kernel.steps.push_back(tensor.strides[blocks.group] * bytes);
    return blocks.slice(problem, t, 0, width);
  };
  std::vector<Tensor> views;
  for (size_t t : tensors) {
    views.push_back(slice(t));
    kernel.bytes += uint64_t(views.back().size()) * sizeOf(views.back().dtype);
  }
  Operands parts;
  size_t next = problem.broadcastFrom;
  if (operands.mask)
    parts.mask = slice(next++);
  if (operands.weights)
    parts.weights = slice(next);

  Problem part = makeProblem(std::move(views), parts, Dims{blocks.group});
  KernelSpec spec = specOf(family, part, parts);
  spec.dy = problem.tensors[1].dtype;
  if (family == KernelFamily::GradMap) {
    spec.out = problem.tensors[2].dtype;
    spec.compute = compute;
  }
  Expected<KernelCall> call = engine.call(std::move(part), spec);
  if (!call)
    return call.takeError();
  kernel.call = std::move(*call);
  const int64_t outer = kernel.call.problem.outer();
  kernel.all = {0, outer, kernel.call.problem.slice(0, outer), 0};
  return kernel;
}

Expected<BlockKernels> Engine::State::BlockedGradient::prepare(int64_t width) const {
  Expected<BlockKernel> ofSums =
      prepare(KernelFamily::GradSums, std::array<size_t, 2>{0, 1}, width);
  if (!ofSums)
    return ofSums.takeError();
  Expected<BlockKernel> ofMap =
      prepare(KernelFamily::GradMap, std::array<size_t, 3>{0, 1, 2}, width);
  if (!ofMap)
    return ofMap.takeError();
  return BlockKernels{std::move(*ofSums), std::move(*ofMap)};
}

/// Both passes over one block, on this thread.
Expected<void> Engine::State::BlockedGradient::runBlock(const BlockKernels &prepared, int64_t begin,
                                                        int64_t end) {
  {
    const CallTimer timer(*prepared.sums.call.kernel, prepared.sums.bytes);
    KernelArguments arguments;
    for (size_t t : {0, 1})
      prepared.sums.pushTensor(arguments, t, begin);
    prepared.sums.pushValues(arguments, center.data() + begin);
    prepared.sums.pushOperands(arguments, begin);
    prepared.sums.pushValues(arguments, sums.sum.data() + begin);
    prepared.sums.pushValues(arguments, sums.dot.data() + begin);
    arguments.call(prepared.sums.call.entry);
  }
  const GradientCoefficients made = coefficients(begin, end, sums);
  if (Expected<void> ok = checkGradientCoefficients(made, Dims{end - begin}); !ok)
    return ok.takeError().within(fmt::format("kept indices [{}, {})", begin, end));

  const CallTimer timer(*prepared.map.call.kernel, prepared.map.bytes);
  const Problem &order = prepared.map.call.problem;
  const AlignedBytes values[] = {
      rounded(order, made.center, compute), rounded(order, made.slope, compute),
      rounded(order, made.offset, compute), rounded(order, made.scale, compute)};
  KernelArguments arguments;
  for (size_t t : {0, 1})
    prepared.map.pushTensor(arguments, t, begin);
  for (const AlignedBytes &each : values)
    prepared.map.pushValues(arguments, each.data());
  prepared.map.pushOperands(arguments, begin);
  prepared.map.pushTensor(arguments, 2, begin);
  arguments.call(prepared.map.call.entry);
  return {};
}

Expected<GradientSums> Engine::State::BlockedGradient::run() {
  const int64_t count = blocks.count(), last = blocks.begin(count - 1);
  Expected<BlockKernels> prepared = prepare(std::min(blocks.width, blocks.extent));
  if (!prepared)
    return prepared.takeError();
  // The last block may be narrower.
  std::optional<BlockKernels> narrower;
  if (blocks.extent - last < blocks.width && count > 1) {
    Expected<BlockKernels> made = prepare(blocks.extent - last);
    if (!made)
      return made.takeError();
    narrower = std::move(*made);
  }
  std::vector<Expected<void>> outcomes(count);
  std::atomic<bool> failed = false;
  engine.pool->forEach(count, [&](int64_t b) {
    if (failed)
      return;
    outcomes[b] = runBlock(narrower && b == count - 1 ? *narrower : *prepared, blocks.begin(b),
                           blocks.end(b));
    if (!outcomes[b])
      failed = true;
  });
  for (Expected<void> &outcome : outcomes)
    if (!outcome)
      return outcome.takeError();
  return std::move(sums);
}

Expected<GradientSums> Engine::gradientSumsThenMap(const Tensor &x, const Tensor &dy,
                                                   std::span<const int64_t> kept,
                                                   std::span<const double> center,
                                                   const MomentsOptions &options,
                                                   const MakeGradientCoefficients &coefficients,
                                                   DType compute, const Tensor &dx) try {
  if (Expected<void> ok = checkGradientSums(x, dy, kept, center, options); !ok)
    return ok.takeError();
  if (Expected<void> ok = checkGradientTensors(x, dy, kept, compute, dx, options); !ok)
    return ok.takeError();
  const auto size = int64_t(center.size());
  GradientSums zeros{keptShape(x.shape, kept), std::vector<double>(size_t(size)),
                     std::vector<double>(size_t(size))};
  Expected<OwnedOperands> operands = OwnedOperands::create(options, x.shape);
  if (!operands)
    return operands.takeError();
  if (x.size() > 0) {
    const Problem problem = makeProblem({x, dy, dx}, *operands, kept);
    if (const std::optional<KeptBlocks> blocks = chooseBlocks(problem, state->l2Bytes))
      return State::BlockedGradient{*state, problem,      *blocks, *operands,
                                    center, coefficients, compute, std::move(zeros)}
          .run();
  }

  Expected<GradientSums> sums = x.size() == 0 ? Expected<GradientSums>(std::move(zeros))
                                              : state->gradientSums(x, dy, kept, center, *operands);
  if (!sums || size == 0)
    return sums;
  GradientCoefficients made = coefficients(0, size, *sums);
  if (Expected<void> ok = checkGradientCoefficients(made, Dims{size}); !ok)
    return ok.takeError().within(fmt::format("kept indices [0, {})", size));
  if (x.size() > 0)
    if (Expected<void> done =
            state->gradientMap(x, dy, kept, made, compute, dx, *operands, BlockOrder::Backwards);
        !done)
      return done.takeError();
  return sums;
} catch (...) {
  return outOfMemory();
}

} // namespace norma
