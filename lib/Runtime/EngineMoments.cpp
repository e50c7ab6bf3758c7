//===- EngineMoments.cpp - Statistics, in parallel blocks -----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Marks.h"
#include "Reduction.h"

#include "norma/Support/Checked.h"
#include "norma/Support/OutOfMemory.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <fmt/format.h>

namespace norma {

Expected<ReductionCall> Engine::State::momentsCall(const Tensor &x, std::span<const int64_t> kept,
                                                   NanPolicy nan, const Operands &operands) {
  return reductionCall({.family = KernelFamily::Moments, .nan = nan},
                       makeProblem({x}, operands, kept), operands, keptShape(x.shape, kept));
}

namespace {

/// Those of marked m2, in ranges of `width`, or, where it is 0, as long as they are.
std::vector<KeptRange> markedRanges(std::span<const double> m2, int64_t width) {
  // To call a kernel takes as long as some more indices.
  constexpr int64_t kApart = 8;
  std::vector<KeptRange> ranges;
  const auto size = int64_t(m2.size());
  for (int64_t i = 0; i < size; ++i) {
    if (!std::signbit(m2[size_t(i)]) || (!ranges.empty() && i < ranges.back().end))
      continue;
    if (width > 0)
      ranges.push_back({std::min(i, size - width), std::min(i, size - width) + width});
    else if (!ranges.empty() && i - ranges.back().end < kApart)
      ranges.back().end = i + 1;
    else
      ranges.push_back({i, i + 1});
  }
  return ranges;
}

/// Does again what looks inaccurate of blocks, by a kernel that is compiled for the first of them.
class ExactBlocks {
public:
  /// The call must outlive this.
  explicit ExactBlocks(const ReductionCall &of) : of(of) {}

  /// Pushes the arguments of a block.
  using PushArguments = std::function<void(KernelArguments &arguments, const Block &block)>;

  /// Those of a block whose m2 are marked: of many kept indices, only ranges around these.
  void run(const KernelCall &call, const Block &block, std::span<const double> m2,
           const PushArguments &push) {
    if (failed)
      return;
    const Problem &problem = call.problem;
    const bool hasRanges = std::ranges::count(problem.kinds, 'K') == 1;
    KernelSpec spec = of.isNarrower(block) ? of.narrower->spec : of.spec;
    std::vector<KeptRange> ranges{{0, int64_t(m2.size())}};
    if (hasRanges && problem.outerKept()) {
      ranges = markedRanges(m2, 0);
    } else if (hasRanges && m2.size() >= 2 * kWidth) {
      ranges = markedRanges(m2, kWidth);
      const KeptCuts cuts{.group = int(problem.kinds.find('K'))};
      spec.extents[cuts.group] = kWidth;
      spec.layout = std::max(spec.layout, cuts.first(problem, kWidth).layout());
    }
    Expected<std::shared_ptr<Kernel::State>> kernel = of.findKernel(exactly(spec));
    if (!kernel) {
      const std::lock_guard<std::mutex> lock(mutex);
      if (!failed.exchange(true))
        outcome = kernel.takeError();
      return;
    }
    int64_t kept = 0;
    for (const KeptRange &range : ranges)
      kept += range.end - range.begin;
    const auto each = *numElements(block.slice.extents) / int64_t(m2.size()) *
                      int64_t(sizeOf(problem.tensors[0].dtype));
    const CallTimer timer(**kernel, uint64_t(kept * each));
    const EntryPoint entry = (*kernel)->code().loaded->entry;
    for (const KeptRange &range : ranges) {
      KernelArguments arguments;
      push(arguments, hasRanges ? call.keptRange(block, range.begin, range.end) : block);
      arguments.call(entry);
    }
  }

  /// Once nothing runs: the error of the first block that had one.
  Expected<void> takeOutcome() { return std::move(outcome); }

private:
  /// Of a range, where rows hold many kept indices: some cache lines.
  static constexpr int64_t kWidth = 64;

  const ReductionCall &of;
  std::atomic<bool> failed = false;
  std::mutex mutex;
  Expected<void> outcome;
};

/// A call on its way.
class MomentsRun {
public:
  /// Of `kernelCall`, that of `moments` or the same elsewhere, with data at `data`. The calls must
  /// outlive the run; results go to `memory`, as far as there is some.
  MomentsRun(const ReductionCall &moments, const KernelCall &kernelCall, char *data,
             std::vector<Statistics> memory)
      : call(kernelCall), shape(moments.shape), exact(moments),
        reduction(moments, call, std::move(memory), MakeRoom{call.problem.keptSize()},
                  RunBlock{&call, ReductionCode(moments), data, &exact}, MergeBlocks{}) {}
  MomentsRun(const MomentsRun &) = delete;
  MomentsRun &operator=(const MomentsRun &) = delete;

  /// Goes on until the statistics are there or a step of the pace is over.
  void work(const ThreadPool &threads, Pace &pace) {
    if (isFinished)
      return;
    reduction.work(threads, pace);
    if (reduction.isDone())
      finish();
  }
  bool isDone() const { return isFinished; }
  /// Once it is done, in the caller's order of kept indices.
  Expected<Statistics> takeStatistics() {
    if (Expected<void> ok = exact.takeOutcome(); !ok)
      return ok.takeError();
    return std::move(result);
  }
  std::vector<Statistics> takeMemory() { return reduction.takeMemory(); }

private:
  struct MakeRoom {
    int64_t size;

    void operator()(Statistics &room) const {
      for (std::vector<double> *values : {&room.count, &room.mean, &room.m2})
        values->resize(size_t(size));
      // Not written for nothing: other threads look at it.
      if (!(room.shape == Dims{size}))
        room.shape = {size};
    }
  };

  struct RunBlock {
    const KernelCall *call;
    ReductionCode code;
    char *data;
    ExactBlocks *exact;

    void operator()(const Block &block, Statistics &into) const {
      const auto push = [&](KernelArguments &arguments, const Block &part) {
        call->pushTensor(arguments, part, 0, data);
        call->pushOperands(arguments, part);
        for (std::vector<double> *values : {&into.count, &into.mean, &into.m2})
          arguments.push(values->data() + part.firstKept, part.slice.kept, part.slice.keptStrides);
      };
      KernelArguments arguments;
      push(arguments, block);
      const EntryPoint entry = code.of(block);
      arguments.call(entry);
      const std::span m2 = std::span(into.m2).subspan(size_t(block.firstKept),
                                                      size_t(*numElements(block.slice.kept)));
      if (mustBeExact(m2, [&] { arguments.call(entry); }))
        exact->run(*call, block, m2, push);
    }
  };

  struct MergeBlocks {
    static constexpr int64_t kElements = 512, kLeastForTwo = 384;

    void operator()(Statistics &into, const Statistics &from) const {
      // Shapes are equal, which is all that can go wrong.
      (void)mergeStatistics(into, from).hasValue();
    }
  };

  void finish() {
    result = reduction.take();
    result.shape = shape;
    if (!call.problem.keptInOrder)
      for (std::vector<double> *values : {&result.count, &result.mean, &result.m2})
        *values = call.problem.fromKernelOrder(*values);
    isFinished = true;
  }

  const KernelCall &call;
  const Dims &shape;
  ExactBlocks exact;
  Reduction<Statistics, MakeRoom, RunBlock, MergeBlocks> reduction;
  Statistics result;
  bool isFinished = false;
};

} // namespace

Expected<Statistics> Engine::State::moments(const Tensor &x, std::span<const int64_t> kept,
                                            NanPolicy nan, const Operands &operands,
                                            const ThreadPool &threads, Pace &pace) {
  Expected<ReductionCall> prepared = momentsCall(x, kept, nan, operands);
  if (!prepared)
    return prepared.takeError();
  return moments(*prepared, prepared->call, static_cast<char *>(x.data), threads, pace);
}

Expected<Statistics> Engine::State::moments(const ReductionCall &prepared, const KernelCall &call,
                                            char *data, const ThreadPool &threads, Pace &pace,
                                            std::vector<Statistics> *memory) {
  CallTimer timer(*call.kernel, uint64_t(call.problem.bytes()));
  prepared.shareOut(timer);
  MomentsRun run(prepared, call, data, memory ? std::move(*memory) : std::vector<Statistics>());
  while (!run.isDone()) {
    run.work(threads, pace);
    if (Expected<void> goOn = pace.report(); !goOn)
      return goOn.takeError();
  }
  Expected<Statistics> result = run.takeStatistics();
  if (memory)
    *memory = run.takeMemory();
  return result;
}

Expected<Kernel> Engine::momentsKernel(const Tensor &x, std::span<const int64_t> kept,
                                       const MomentsOptions &options) try {
  if (Expected<void> ok = checkMoments(x, kept, options); !ok)
    return ok.takeError();
  if (x.size() == 0)
    return invalidArgument(fmt::format("x: shape {} has no elements, expected some to compile for",
                                       toString(x.shape)));
  Expected<OwnedOperands> operands = OwnedOperands::create(options, x.shape);
  if (!operands)
    return operands.takeError();
  Expected<ReductionCall> call = state->momentsCall(x, kept, options.nan, *operands);
  if (!call)
    return call.takeError();
  return Kernel(std::move(call->call.kernel));
} catch (...) {
  return outOfMemory();
}

Expected<Statistics> Engine::moments(const Tensor &x, std::span<const int64_t> kept,
                                     const MomentsOptions &options, const CallWatch &watch) {
  return moments(std::span(&x, 1), kept, options, watch);
}

Expected<Statistics> Engine::moments(std::span<const Tensor> batches, std::span<const int64_t> kept,
                                     const MomentsOptions &options, const CallWatch &watch) try {
  if (batches.empty())
    return invalidArgument("batches: none given, expected at least one");
  if (batches.size() > 1 && (options.mask || options.weights))
    return invalidArgument("mask and weights: given for several batches, expected one batch");
  for (const Tensor &batch : batches) {
    if (Expected<void> ok = checkMoments(batch, kept, options); !ok)
      return ok.takeError();
    Dims expected = batches.front().shape;
    if (!expected.empty() && batch.rank() > 0)
      expected[0] = batch.shape[0];
    if (!(batch.shape == expected) || batch.dtype != batches.front().dtype)
      return invalidArgument(
          fmt::format("batches: {} of {} beside {} of {}, expected the same but for axis 0",
                      toString(batch.shape), norma::toString(batch.dtype),
                      toString(batches.front().shape), norma::toString(batches.front().dtype)));
  }
  if (std::find(kept.begin(), kept.end(), 0) != kept.end())
    for (const Tensor &batch : batches)
      if (batch.shape[0] != batches.front().shape[0])
        return invalidArgument(
            fmt::format("batches: axis 0 is kept and has extents {} and {}, expected equal ones",
                        batch.shape[0], batches.front().shape[0]));

  const Dims shape = keptShape(batches.front().shape, kept);
  Expected<int64_t> size = numElements(shape);
  if (!size)
    return size.takeError();
  if (batches.size() == 1) {
    const Tensor &x = batches[0];
    if (x.size() == 0)
      return Statistics::zeros(shape);
    Pace pace(watch, x.size());
    Expected<OwnedOperands> operands = OwnedOperands::create(options, x.shape, pace);
    if (!operands)
      return operands.takeError();
    return state->moments(x, kept, options.nan, *operands, *state->pool, pace);
  }

  Statistics result = Statistics::zeros(shape);
  std::vector<ReductionCall> calls;
  calls.reserve(batches.size());
  Checked elements = 0;
  uint64_t bytes = 0;
  for (const Tensor &batch : batches) {
    if (batch.size() == 0)
      continue;
    Expected<ReductionCall> call = state->momentsCall(batch, kept, options.nan, {});
    if (!call)
      return call.takeError();
    elements += batch.size();
    bytes += uint64_t(batch.size()) * sizeOf(batch.dtype);
    calls.push_back(std::move(*call));
  }
  if (calls.empty())
    return result;
  if (!elements.fits())
    return invalidArgument("batches: the number of their elements overflows 63 bits");
  Pace pace(watch, *elements);
  const CallTimer timer(*calls[0].call.kernel, bytes);
  // Small batches: one task each, merged in order.
  std::deque<MomentsRun> runs;
  for (const ReductionCall &call : calls)
    runs.emplace_back(call, call.call, call.call.problem.tensors.front().data,
                      std::vector<Statistics>());
  const auto isDone = [](const MomentsRun &run) { return run.isDone(); };
  while (!std::all_of(runs.begin(), runs.end(), isDone)) {
    state->pool->forEach(int64_t(runs.size()), int64_t(bytes),
                         [&](int64_t i) { runs[size_t(i)].work(*state->pool, pace); });
    if (Expected<void> goOn = pace.report(); !goOn)
      return goOn.takeError();
  }
  for (MomentsRun &run : runs) {
    Expected<Statistics> statistics = run.takeStatistics();
    if (!statistics)
      return statistics;
    if (Expected<void> merged = mergeStatistics(result, *statistics); !merged)
      return merged.takeError();
  }
  return result;
} catch (...) {
  return outOfMemory();
}

} // namespace norma
