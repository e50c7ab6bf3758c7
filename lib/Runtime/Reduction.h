//===- Reduction.h - Reductions, in parallel blocks -------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Blocks that share kept indices are merged: consecutive ones in order within a task,
// and the tasks in a tree, by the thread that has the second of two results, the last two by the
// caller. Where there are many, several go into one call of the kernel. They are about as long, and
// so many that threads have equal shares, of the rows that a map gives them, too. Blocks with kept
// indices of their own are tasks of their own. Tasks depend on shape and schedule alone, and each
// goes through its blocks in order, however often it is left and taken up again. So the bits are
// the same for any number of threads and of steps.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_REDUCTION_H
#define NORMA_RUNTIME_REDUCTION_H

#include "EngineCall.h"
#include "Pace.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <memory>

namespace norma {

/// Tasks of a reduction at most; enough for the cores of a large machine, few enough
/// that their results stay small next to the data.
inline constexpr int64_t kTasks = 64;
/// Few blocks are a power of two up to this, and more a multiple of it.
inline constexpr uint64_t kEvenShares = 8;
/// Blocks begin at multiples of so many rows, if they are much longer.
inline constexpr uint64_t kGrain = 64;
/// Data that is one block by its schedule is worth some for several threads, if that leaves each
/// so much of every tensor, and enough elements of a kept index beside what merging costs. A
/// machine may have two parts of less.
inline constexpr int64_t kSharedBytes = int64_t(384) << 10;
inline constexpr int64_t kMostShared = 4;

/// A reduction that can be left and taken up again. Results are in the kernel's order of
/// kept indices.
///   prepare(result):     makes room for all kept indices, of values that are written first
///   run(block, result):  writes that of a block, from block.firstKept on
///   merge(into, from):   adds the result of a later block
///   Merge::kElements:    elements of a kept index that take much longer than to merge its results
///   Merge::kLeastForTwo: elements of a kept index from which on two parts are worth that
template <typename Result, typename Prepare, typename Run, typename Merge>
class Reduction {
public:
  /// Of `kernelCall`, that which was prepared or the same elsewhere. Both must outlive the
  /// reduction. Results are in `memory`, as far as there is some: that of all in its first, those
  /// of tasks, which find it in their caches, in others.
  Reduction(const ReductionCall &prepared, const KernelCall &kernelCall, std::vector<Result> memory,
            Prepare prepareResult, Run runBlock, Merge mergeInto)
      : call(kernelCall), cuts(prepared.cuts), leastPartBytes(prepared.leastPartBytes),
        prepare(std::move(prepareResult)), run(std::move(runBlock)), merge(std::move(mergeInto)),
        blocks(isShared() ? sharedBlocks() : ownBlocks()),
        tasks(isShared() ? std::min(blocks, kTasks) : blocks), next(size_t(tasks)),
        results(std::move(memory)), isThere(new std::atomic<bool>[size_t(tasks)]()) {
    for (int64_t t = 0; t < tasks; ++t)
      next[t] = first(t);
    results.resize(isShared() ? size_t(tasks) : 1);
    if (!isShared())
      prepare(results[0]);
  }

  /// Goes on until all is done or a step of the pace is over.
  void work(const ThreadPool &threads, Pace &pace) {
    threads.forEach(tasks, call.problem.bytes(), [&](int64_t t) {
      if (isShared())
        workOn(t, pace);
      else if (next[t] == t && pace.mayGoOn())
        runBlock(next[t]++, results[0], pace);
    });
  }

  bool isDone() const {
    for (int64_t t = 0; t < tasks; ++t)
      if (next[t] != first(t + 1))
        return false;
    return true;
  }

  /// The result, once all is done.
  Result take() {
    if (results.size() > 1)
      merge(results[0], results[std::bit_ceil(results.size()) / 2]);
    return std::move(results[0]);
  }

  /// Then the memory of the first tasks: little data has no others.
  std::vector<Result> takeMemory() {
    results.resize(std::min(results.size(), size_t(kMostShared)));
    return std::move(results);
  }

private:
  bool isShared() const { return !cuts && !call.problem.outerKept(); }
  int64_t first(int64_t task) const { return isShared() ? blocks * task / tasks : task; }

  /// How many blocks are one call of the kernel: what every call does for every kept index
  /// counts beside a block. Never so many that few tasks are left, or a step gets long.
  static int64_t blocksTogether(int64_t blocks) {
    const int64_t few = std::min(blocks / 16, int64_t(4)), many = std::min(blocks / kTasks, kTasks);
    return std::max({int64_t(1), few, many});
  }

  /// How many are worth having for the sake of threads.
  int64_t blocksForThreads(int64_t most) const {
    // Short runs of few samples take their time at each kept index.
    const bool takesHalves =
        call.problem.kinds != "RKR" && call.problem.partsOf(leastPartBytes) >= 2;
    const int64_t parts =
        std::max<int64_t>(call.problem.partsOf(kSharedBytes), takesHalves ? 2 : 1);
    most = std::min({most, parts, kMostShared});
    return int64_t(std::bit_floor(uint64_t(std::max(most, int64_t(1)))));
  }

  /// How many parts of the elements of a kept index are worth a merge: two from fewer elements on
  /// than several, so that each of two threads reads what it has in its own cache. Where smaller
  /// parts are worth their way from core to core, so is the merge of fewer elements of larger ones.
  int64_t partsWorthwhile(int64_t perKept) const {
    const int64_t leastForTwo = call.problem.partsOf(kSharedBytes) >= 2
                                    ? Merge::kLeastForTwo * leastPartBytes / kSharedBytes
                                    : Merge::kLeastForTwo;
    return std::max<int64_t>(perKept / Merge::kElements, perKept >= leastForTwo ? 2 : 1);
  }

  /// Of kept indices of their own.
  int64_t ownBlocks() const {
    return cuts ? cuts->count() : std::max(call.blocks(), blocksForThreads(call.problem.outer()));
  }

  /// Calls of the kernel that are not longer than that, for as many for each of 2, 4 or 8 threads.
  int64_t sharedBlocks() const {
    const int64_t together = blocksTogether(call.blocks());
    const int64_t perKept = call.problem.size() / call.problem.keptSize();
    const auto least = uint64_t(std::max((call.blocks() + together - 1) / together,
                                         blocksForThreads(partsWorthwhile(perKept))));
    const uint64_t fair = std::min(std::bit_ceil(least), kEvenShares);
    return std::min(int64_t((least + fair - 1) / fair * fair), call.problem.outer());
  }

  /// Where block `b` begins: at a multiple of some rows, and all are about as long.
  int64_t cut(int64_t b) const {
    const int64_t outer = call.problem.outer(), each = outer / blocks;
    if (b == blocks)
      return outer;
    const auto multiple =
        int64_t(std::bit_floor(std::clamp<uint64_t>(uint64_t(each) / 8, 1, kGrain)));
    // Not outer * b, which may overflow.
    return (each * b + outer % blocks * b / blocks) / multiple * multiple;
  }

  void runBlock(int64_t b, Result &into, Pace &pace) {
    const Block block = cuts ? call.range(*cuts, b) : call.range(cut(b), cut(b + 1));
    run(block, into);
    pace.done(*numElements(block.slice.extents));
  }

  void workOn(int64_t task, Pace &pace) {
    const int64_t last = first(task + 1);
    int64_t b = next[task];
    // In an earlier step: its result may have been merged.
    if (b == last)
      return;
    Result &sum = results[task];
    std::optional<Result> part;
    for (; b < last && pace.mayGoOn(); ++b) {
      if (b == first(task)) {
        prepare(sum);
        runBlock(b, sum, pace);
        continue;
      }
      if (!part)
        prepare(part.emplace());
      runBlock(b, *part, pace);
      merge(sum, *part);
    }
    next[task] = b;
    if (b == last)
      mergeUpwards(task);
  }

  /// Merges the result of a task with those beside it, as far up the tree as they are there:
  /// whoever comes second merges two, and most are still in its cache. The last two are left to
  /// the caller, who wants the result in its own.
  void mergeUpwards(int64_t task) {
    for (int64_t stride = 1; 2 * stride < tasks; stride *= 2) {
      const int64_t right = task | stride;
      if (right >= tasks)
        continue;
      if (!isThere[size_t(right)].exchange(true))
        return;
      task = right - stride;
      merge(results[task], results[right]);
    }
  }

  const KernelCall &call;
  const std::optional<KeptCuts> &cuts;
  /// Little data has two parts if each has so much.
  int64_t leastPartBytes;
  Prepare prepare;
  Run run;
  Merge merge;
  /// Calls of the kernel, and what is done by one thread.
  int64_t blocks, tasks;
  /// The block that a task goes on with.
  std::vector<int64_t> next;
  /// Those of the tasks so far, each with what has been merged into it, or the one that all
  /// write to; before a task begins, memory.
  std::vector<Result> results;
  /// Of a result that is merged into one before it: whether one of the two is there.
  std::unique_ptr<std::atomic<bool>[]> isThere;
};

} // namespace norma

#endif // NORMA_RUNTIME_REDUCTION_H
