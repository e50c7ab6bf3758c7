//===- EngineBlocked.cpp - Reduce-then-map in blocks that stay in cache ---===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The statistics of a kept index need its own data only. Where a range of kept
// indices has so little of it that it stays in the second-level cache of a core, that
// core reduces and maps the range before it takes the next, and the second read does
// not go to memory. Everywhere else the whole is reduced, then mapped. Which of the
// two, and where the cuts are, depends on the shape and the processor alone.
//
//===----------------------------------------------------------------------===//

#include "Reduction.h"

#include "norma/Support/OutOfMemory.h"

#include <atomic>
#include <cstdlib>
#include <fmt/format.h>

namespace norma {

namespace {

/// Ranges of kept indices along one group, equal but for the last.
struct Cut {
  int group = 0;
  int64_t extent = 0, width = 0;

  int64_t blocks() const { return (extent + width - 1) / width; }
};

} // namespace

/// Where kept indices lie next to each other, the least a block has of them: with
/// shorter runs memory is read at a fraction of its speed.
static constexpr int64_t kRunBytes = 2048;
/// Fewer blocks than this leave too many threads without work.
static constexpr int64_t kLeastBlocks = 16;

static int64_t roundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// Data from which the map of the whole gains more than blocks do.
static constexpr int64_t kStreamedBytes = int64_t(64) << 20;

/// Whether the map of the whole can write past the caches. That saves the read of y
/// which a write through them begins with, as much as a second read of x costs.
static bool mapStreams(const Problem &problem) {
  return isLargeResult(problem, kStreamedBytes) && problem.layout() == Layout::Contiguous &&
         problem.extents.back() * int64_t(sizeOf(problem.tensors[1].dtype)) % 64 == 0;
}

/// How the kept indices are cut, where that pays. The problem's tensors are x and y.
static std::optional<Cut> chooseCut(const Problem &problem, int64_t l2Bytes) {
  // The caller's ranges of kept indices must be ranges of a single group.
  if (std::count(problem.kinds.begin(), problem.kinds.end(), 'K') != 1 || !problem.keptInOrder ||
      mapStreams(problem))
    return std::nullopt;
  Cut cut;
  cut.group = int(problem.kinds.find('K'));
  cut.extent = problem.extents[cut.group];

  const GroupedTensor &x = problem.tensors[0], &y = problem.tensors[1];
  const int64_t perIndex = problem.size() / cut.extent *
                           int64_t(sizeOf(x.dtype) + (x.data == y.data ? 0 : sizeOf(y.dtype)));
  // Half of the cache for a block leaves room for what else passes through it.
  const int64_t budget = l2Bytes / 2;
  // Data in a few such caches needs no blocks.
  if (perIndex * cut.extent < 4 * l2Bytes)
    return std::nullopt;

  int64_t run = 1;
  for (const GroupedTensor *tensor : {&x, &y})
    if (const int64_t step =
            std::llabs(tensor->strides[cut.group]) * int64_t(sizeOf(tensor->dtype)))
      run = std::max(run, (kRunBytes + step - 1) / step);
  const int64_t widest = budget / perIndex / run * run;
  if (widest == 0)
    return std::nullopt;
  cut.width = std::min(widest, roundUp((cut.extent + kTasks - 1) / kTasks, run));
  return cut.blocks() < kLeastBlocks ? std::nullopt : std::optional(cut);
}

/// Kept indices [begin, end) of tensor `t`.
static Tensor slice(const Problem &problem, size_t t, const Cut &cut, int64_t begin, int64_t end) {
  const GroupedTensor &tensor = problem.tensors[t];
  const int64_t offset = begin * tensor.strides[cut.group] * int64_t(sizeOf(tensor.dtype));
  Dims extents = problem.extents;
  extents[cut.group] = end - begin;
  return Tensor(tensor.data + offset, tensor.dtype, extents, tensor.strides);
}

/// A call of Engine::momentsThenAffine with checked arguments.
struct Engine::State::ReduceThenMap {
  State &engine;
  const Tensor &x;
  std::span<const int64_t> kept;
  NanPolicy nan;
  const MakeCoefficients &coefficients;
  DType compute;
  const Tensor &y;
  Operands operands = {};

  /// What the caller makes of the statistics of a flat range.
  Expected<Coefficients> make(int64_t begin, const Statistics &statistics) const {
    const int64_t end = begin + statistics.size();
    Coefficients made = coefficients(begin, end, statistics);
    if (Expected<void> ok = checkCoefficients(made, statistics.shape); !ok)
      return ok.takeError().within(fmt::format("kept indices [{}, {})", begin, end));
    return made;
  }

  Expected<Statistics> whole() const;
  Expected<Statistics> inBlocks(const Problem &problem, const Cut &cut) const;
  Expected<void> runBlock(const Problem &problem, const Cut &cut, int64_t b,
                          const ThreadPool &alone, Statistics &result) const;
};

/// One pass, then the other, both with all threads.
Expected<Statistics> Engine::State::ReduceThenMap::whole() const {
  Pace unwatched;
  Expected<Statistics> statistics = engine.moments(x, kept, nan, operands, *engine.pool, unwatched);
  if (!statistics)
    return statistics;
  const Dims shape = std::exchange(statistics->shape, Dims{statistics->size()});
  Expected<Coefficients> made = make(0, *statistics);
  if (!made)
    return made.takeError();
  statistics->shape = made->shape = shape;
  if (Expected<void> done =
          engine.affine(x, kept, *made, compute, y, *engine.pool, BlockOrder::Backwards);
      !done)
    return done.takeError();
  return statistics;
}

/// Both passes over one block, on this thread.
Expected<void> Engine::State::ReduceThenMap::runBlock(const Problem &problem, const Cut &cut,
                                                      int64_t b, const ThreadPool &alone,
                                                      Statistics &result) const {
  const int64_t begin = b * cut.width, end = std::min(cut.extent, begin + cut.width);
  const Tensor xs = slice(problem, 0, cut, begin, end), ys = slice(problem, 1, cut, begin, end);
  Operands parts;
  size_t next = problem.broadcastFrom;
  if (operands.mask)
    parts.mask = slice(problem, next++, cut, begin, end);
  if (operands.weights)
    parts.weights = slice(problem, next++, cut, begin, end);

  const Dims group{cut.group};
  Pace unwatched;
  Expected<Statistics> statistics = engine.moments(xs, group, nan, parts, alone, unwatched);
  if (!statistics)
    return statistics.takeError();
  std::copy(statistics->count.begin(), statistics->count.end(), result.count.begin() + begin);
  std::copy(statistics->mean.begin(), statistics->mean.end(), result.mean.begin() + begin);
  std::copy(statistics->m2.begin(), statistics->m2.end(), result.m2.begin() + begin);
  Expected<Coefficients> made = make(begin, *statistics);
  if (!made)
    return made.takeError();
  return engine.affine(xs, group, *made, compute, ys, alone, BlockOrder::Backwards);
}

Expected<Statistics> Engine::State::ReduceThenMap::inBlocks(const Problem &problem,
                                                            const Cut &cut) const {
  Statistics result = Statistics::zeros(keptShape(x.shape, kept));
  std::vector<Expected<void>> outcomes(cut.blocks());
  std::atomic<bool> failed = false;
  const ThreadPool alone(1);
  engine.pool->forEach(cut.blocks(), [&](int64_t b) {
    if (failed)
      return;
    outcomes[b] = runBlock(problem, cut, b, alone, result);
    if (!outcomes[b])
      failed = true;
  });
  for (Expected<void> &outcome : outcomes)
    if (!outcome)
      return outcome.takeError();
  return result;
}

Expected<Statistics> Engine::momentsThenAffine(const Tensor &x, std::span<const int64_t> kept,
                                               const MomentsOptions &options,
                                               const MakeCoefficients &coefficients, DType compute,
                                               const Tensor &y) try {
  if (Expected<void> ok = checkMoments(x, kept, options); !ok)
    return ok.takeError();
  if (Expected<void> ok = checkAffine(x, kept, {}, compute, y); !ok)
    return ok.takeError();
  State::ReduceThenMap call{*state, x, kept, options.nan, coefficients, compute, y};
  if (x.size() == 0) {
    // Kept indices may be there without any data.
    Statistics statistics = Statistics::zeros(keptShape(x.shape, kept));
    if (statistics.size() > 0)
      if (Expected<Coefficients> made = call.make(0, Statistics::zeros({statistics.size()})); !made)
        return made.takeError();
    return statistics;
  }
  Expected<OwnedOperands> operands = OwnedOperands::create(options, x.shape);
  if (!operands)
    return operands.takeError();
  call.operands = *operands;
  const Problem problem = makeProblem({x, y}, *operands, kept);
  if (const std::optional<Cut> cut = chooseCut(problem, state->l2Bytes))
    return call.inBlocks(problem, *cut);
  return call.whole();
} catch (...) {
  return outOfMemory();
}

} // namespace norma
