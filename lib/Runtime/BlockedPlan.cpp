//===- BlockedPlan.cpp - A reduction and a map of it ----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BlockedPlan.h"

#include <algorithm>
#include <atomic>
#include <fmt/format.h>
#include <functional>
#include <mutex>

namespace norma {

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

namespace {

/// Prepares kernels for blocks.
struct Preparation {
  const ThreadPool &threads;
  const FindKernel &findKernel;
  const BlockedCall &call;
  const Problem &problem;
  const KeptBlocks &blocks;

  bool interleaves(int64_t width) const;
  Expected<BlockKernel> kernel(const KernelSpec &chosen, int64_t width) const;
  Expected<BlockKernels> kernels(int64_t width) const;
};

} // namespace

/// The kernel for the first `width` kept indices.
Expected<BlockKernel> Preparation::kernel(const KernelSpec &chosen, int64_t width) const {
  std::vector<MovingTensor> moving;
  const auto slice = [&](size_t t) {
    const GroupedTensor &tensor = problem.tensors[t];
    moving.push_back({t, tensor.strides[blocks.group] * int64_t(sizeOf(tensor.dtype))});
    return blocks.slice(problem, t, 0, width);
  };
  const size_t count = call.inputs + (isMap(chosen.family) ? 1 : 0);
  std::vector<Tensor> views;
  views.reserve(count);
  for (size_t t = 0; t < count; ++t)
    views.push_back(slice(t));
  Operands parts;
  // Coefficients are all that this map is given beside the data.
  if (chosen.family != KernelFamily::Affine) {
    size_t next = problem.broadcastFrom;
    if (call.operands.mask)
      parts.mask = slice(next++);
    if (call.operands.weights)
      parts.weights = slice(next);
  }
  Problem part = makeProblem(std::move(views), parts, Dims{blocks.group});
  // A block of one sample is a block like others, but to a map by itself, which may go over
  // all of it as one row.
  const bool byRuns = blocks.wholeLines && !(isMap(chosen.family) && blocks.isNear);
  if (byRuns && part.outerKept())
    addSampleAxis(part);
  KernelSpec spec = specOf(chosen, part, parts);
  if (byRuns)
    spec.layout = std::max(spec.layout, Layout::DenseRows);
  spec.streaming = isMap(chosen.family) ? blocks.streams : chosen.streaming;
  Expected<KernelCall> made = findKernel(std::move(part), spec);
  if (!made)
    return made.takeError();
  // What the sums have read last is still in the cache, so the map begins with that.
  const bool backwards = isMap(spec.family) && blocks.isCrowded;
  return BlockKernel(*made, std::move(spec), moving, backwards);
}

/// Whether the sums of one block can go beside the map of another: it must be written in the
/// vectors and runs of the sums, which are of f32. Cuts depend on it, so addresses must not count.
static bool canInterleave(const BlockedCall &call, const Problem &problem) {
  const auto sumsInF32 = [](const GroupedTensor &tensor) {
    return isFloat(tensor.dtype) && tensor.dtype != DType::F64;
  };
  // Runs are whole vectors, or fill rows of them and are not longer than what sums take in f32.
  constexpr int64_t kMostVectors = 32;
  const auto vector = int64_t(kStreamingAlignment / sizeOf(DType::F32));
  const int64_t run = problem.extents.back();
  const bool fits = run % vector == 0 || (run > vector && run < kMostVectors * vector);
  return !call.operands.any() && call.nan == NanPolicy::Propagate && call.compute == DType::F32 &&
         std::ranges::all_of(problem.tensors, sumsInF32) && fits;
}

/// As many blocks for every thread have most of their sums beside a map.
static constexpr int64_t kLeastOfThread = 4;

/// At the ends of runs that are not longer a core waits, for a map or sums, even if it is near.
static constexpr int64_t kShortRun = 256;

/// Whether the sums of a block go beside the map of the one before, which waits for what is not in
/// the cache of its core. As each vector is stored before the next is read, the result must not
/// follow an input; and there must be several blocks of this width for each thread.
bool Preparation::interleaves(int64_t width) const {
  const bool waits = !blocks.isNear || problem.extents.back() <= kShortRun;
  return canInterleave(call, problem) && waits && !blocks.takesTurns &&
         !call.resultFollowsInput() && width == blocks.width &&
         blocks.count() >= kLeastOfThread * threads.size();
}

Expected<BlockKernels> Preparation::kernels(int64_t width) const {
  const DType out = call.result().dtype;
  KernelSpec reduce{.family = KernelFamily::Moments, .nan = call.nan};
  KernelSpec map{.family = KernelFamily::Affine,
                 .center = true,
                 .scale = true,
                 .shift = true,
                 .out = out,
                 .compute = call.compute};
  if (call.isGradient()) {
    const DType dy = call.tensors[1].dtype;
    reduce = {.family = KernelFamily::GradSums, .dy = dy};
    map = {.family = KernelFamily::GradMap, .out = out, .compute = call.compute, .dy = dy};
  }
  // As beside a map: which sums go alone depends on the threads, and bits must not.
  reduce.streaming = reduce.ahead = blocks.isFar;
  KernelSpec both = map;
  both.interleaved = true;
  both.ahead = blocks.isFar;
  // At once, in case they must be compiled; what takes longest first.
  std::optional<Expected<BlockKernel>> reduces, maps, doesBoth;
  const std::pair<std::optional<Expected<BlockKernel>> *, const KernelSpec *> wanted[] = {
      {&doesBoth, &both}, {&reduces, &reduce}, {&maps, &map}};
  const auto some = std::span(wanted).subspan(interleaves(width) ? 0 : 1);
  threads.forEach(int64_t(some.size()), ThreadPool::kManyBytes,
                  [&](int64_t i) { some[i].first->emplace(kernel(*some[i].second, width)); });
  for (auto [made, spec] : some)
    if (!**made)
      return (*made)->takeError();
  BlockKernels kernels{std::move(**reduces), std::move(**maps), {}};
  if (doesBoth)
    kernels.mapAndReduce.emplace(std::move(**doesBoth));
  return kernels;
}

/// At once, in case they must be compiled.
static Expected<WholeCalls> findCalls(const ThreadPool &threads, const FindWhole &findWhole) {
  std::optional<Expected<ReductionCall>> reduction;
  std::optional<Expected<KernelCall>> map;
  threads.forEach(2, ThreadPool::kManyBytes, [&](int64_t i) {
    if (i == 0)
      reduction.emplace(findWhole.reduction());
    else
      map.emplace(findWhole.map());
  });
  if (!*reduction)
    return reduction->takeError();
  if (!*map)
    return map->takeError();
  return WholeCalls{std::move(**reduction), std::move(**map)};
}

Expected<std::shared_ptr<const BlockedPlan>>
BlockedPlan::create(const BlockedCall &call, const BlockCaches &caches, const ThreadPool &threads,
                    const FindKernel &findKernel, const FindWhole &findWhole) {
  std::shared_ptr<BlockedPlan> plan(new BlockedPlan);
  const Problem problem = makeProblem(call.tensors, call.inputs + 1, call.kept);
  plan->bytes = problem.bytes();
  plan->blocks = KeptBlocks::choose(problem, caches, canInterleave(call, problem));
  if (!plan->blocks) {
    Expected<WholeCalls> found = findCalls(threads, findWhole);
    if (!found)
      return found.takeError();
    plan->calls.emplace(std::move(*found));
    return std::shared_ptr<const BlockedPlan>(std::move(plan));
  }
  const KeptBlocks &blocks = *plan->blocks;
  const Preparation preparation{threads, findKernel, call, problem, blocks};
  const int64_t width = blocks.end(0), last = blocks.lastWidth();
  for (auto [kernels, size] :
       {std::pair(&plan->kernels, width), std::pair(&plan->narrower, last)}) {
    if (kernels == &plan->narrower && last == width)
      continue;
    Expected<BlockKernels> made = preparation.kernels(size);
    if (!made)
      return made.takeError();
    kernels->emplace(std::move(*made));
  }
  return std::shared_ptr<const BlockedPlan>(std::move(plan));
}

BlockCaches Engine::State::cachesOfBlocks(bool isGradient) const {
  // Some cores have so many second levels. In there, what is asked for in advance costs a little,
  // beyond it saves a tenth, unless a near last level holds it.
  constexpr int64_t kNearCaches = 4;
  BlockCaches caches{.l2Bytes = l2Bytes,
                     .keptBytes = keptOfBlocks(isGradient),
                     .nearBytes = std::max(kNearCaches * l2Bytes, machine.keptInLastLevel)};
  if (machine.caches.l1 > 0)
    caches.l1Bytes = machine.caches.l1;
  // Behind such a level, reads of two tensors take longer beside writes than these take by
  // themselves.
  if (isGradient && machine.keptInLastLevel > 0)
    caches.mixedBytes = lastLevelBytes();
  return caches;
}

Expected<std::shared_ptr<const BlockedPlan>>
Engine::State::blockedPlan(const BlockedCall &blocked, const FindWhole &findWhole) {
  const auto findKernel = [&](Problem problem, const KernelSpec &spec) {
    return call(std::move(problem), spec);
  };
  const auto make = [&] {
    return BlockedPlan::create(blocked, cachesOfBlocks(blocked.isGradient()), *pool, findKernel,
                               findWhole);
  };
  return plans.get(blocked.key(), make);
}

namespace {

/// What goes wrong in the blocks of a call, which several threads run.
class Failure {
public:
  bool isThere() const { return there; }

  /// Takes the outcome of a block, and says whether it is an error.
  bool take(int64_t block, Expected<void> outcome) {
    if (outcome)
      return false;
    const std::lock_guard lock(mutex);
    if (!error || block < first) {
      error.emplace(outcome.takeError());
      first = block;
    }
    there = true;
    return true;
  }

  /// Once nothing runs: the error of the first block that had one.
  Expected<void> outcome(const KeptBlocks &blocks) {
    if (!error)
      return {};
    return std::move(*error).within(
        fmt::format("kept indices [{}, {})", blocks.begin(first), blocks.end(first)));
  }

private:
  std::atomic<bool> there = false;
  std::mutex mutex;
  int64_t first = 0;
  std::optional<Error> error;
};

} // namespace

Expected<void> BlockedPlan::run(const ThreadPool &threads, const BlockBody &body) const {
  const int64_t count = blocks->count();
  Failure failure;
  // A thread has the same blocks in every call.
  const auto runOne = [&](int64_t block) {
    const BlockKernels &mine = kernelsOf(block);
    if (!failure.isThere() && !failure.take(block, body.reduce(mine, range(block))))
      failure.take(block, body.map(mine, range(block), std::nullopt));
  };
  if (!kernels->mapAndReduce) {
    threads.forEach(count, bytes, std::ref(runOne));
    return failure.outcome(*blocks);
  }

  // A thread goes through a part of its own, of neighbours, and then takes from the others'.
  const int64_t parts = std::min<int64_t>(threads.size(), count);
  // Each on a cache line of its own, which only who runs out of blocks fetches from another.
  struct alignas(kLineBytes) Counter {
    std::atomic<int64_t> taken{0};
  };
  std::vector<Counter> counters(static_cast<size_t>(parts));
  const auto take = [&](int64_t thread) -> std::optional<int64_t> {
    for (int64_t turn = 0; turn < parts && !failure.isThere(); ++turn) {
      const int64_t part = (thread + turn) % parts, begin = part * count / parts;
      const int64_t block = begin + counters[size_t(part)].taken.fetch_add(1);
      if (block < (part + 1) * count / parts)
        return block;
    }
    return std::nullopt;
  };
  // The map of a block waits for the next one, to be reduced beside it.
  const auto runMany = [&](int64_t thread) {
    bool isReduced = false;
    for (std::optional<int64_t> block = take(thread), next; block; block = next) {
      const BlockKernels &mine = kernelsOf(*block);
      if (!isReduced && failure.take(*block, body.reduce(mine, range(*block))))
        return;
      next = take(thread);
      isReduced = next && &kernelsOf(*next) == &mine;
      const auto beside = isReduced ? std::optional(range(*next)) : std::nullopt;
      if (failure.take(*block, body.map(mine, range(*block), beside)))
        return;
    }
  };
  threads.forEach(parts, bytes, std::ref(runMany));
  return failure.outcome(*blocks);
}

} // namespace norma
