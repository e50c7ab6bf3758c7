//===- Reduction.h - Reductions, in parallel blocks -------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Blocks that share kept indices are merged: consecutive ones in order within a task,
// and the tasks in a tree. Where there are many, several go into one call of the kernel. Blocks
// with kept indices of their own are tasks of their own. Tasks depend on shape and schedule alone,
// and each goes through its blocks in order, however often it is left and taken up again. So the
// bits are the same for any number of threads and of steps.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_REDUCTION_H
#define NORMA_RUNTIME_REDUCTION_H

#include "EngineCall.h"
#include "Pace.h"

#include <algorithm>

namespace norma {

/// Tasks of a reduction at most; enough for the cores of a large machine, few enough
/// that their results stay small next to the data.
inline constexpr int64_t kTasks = 64;

/// A reduction that can be left and taken up again. Results are in the kernel's order of
/// kept indices.
///   zeros:               a result of all kept indices, of no data
///   run(block, result):  writes that of a block, from block.firstKept on
///   merge(into, from):   adds the result of a later block
template <typename Result, typename Run, typename Merge>
class Reduction {
public:
  /// The call must outlive the reduction.
  Reduction(const KernelCall &kernelCall, Result none, Run runBlock, Merge mergeInto)
      : call(kernelCall), zeros(std::move(none)), run(std::move(runBlock)),
        merge(std::move(mergeInto)), together(isShared() ? blocksTogether(call.blocks()) : 1),
        blocks((call.blocks() + together - 1) / together),
        tasks(isShared() ? std::min(blocks, kTasks) : blocks),
        perOuter(call.problem.size() / call.problem.outer()), next(size_t(tasks)),
        results(isShared() ? size_t(tasks) : 1) {
    for (int64_t t = 0; t < tasks; ++t)
      next[t] = first(t);
    if (!isShared())
      results[0] = std::move(zeros);
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
    for (int64_t stride = 1; stride < int64_t(results.size()); stride *= 2)
      for (int64_t t = 0; t + stride < int64_t(results.size()); t += 2 * stride)
        merge(results[t], results[t + stride]);
    return std::move(results[0]);
  }

private:
  bool isShared() const { return !call.problem.outerKept(); }
  int64_t first(int64_t task) const { return isShared() ? blocks * task / tasks : task; }

  /// How many blocks are one call of the kernel: what every call does for every kept index
  /// counts beside a block. Never so many that few tasks are left, or a step gets long.
  static int64_t blocksTogether(int64_t blocks) {
    const int64_t few = std::min(blocks / 16, int64_t(4)), many = std::min(blocks / kTasks, kTasks);
    return std::max({int64_t(1), few, many});
  }

  void runBlock(int64_t b, Result &into, Pace &pace) {
    const Block block = call.block(b * together, together);
    run(block, into);
    pace.done((block.end - block.begin) * perOuter);
  }

  void workOn(int64_t task, Pace &pace) {
    const int64_t last = first(task + 1);
    int64_t b = next[task];
    Result sum = std::move(results[task]);
    std::optional<Result> part;
    for (; b < last && pace.mayGoOn(); ++b) {
      if (b == first(task)) {
        sum = blocks == 1 ? std::move(zeros) : zeros;
        runBlock(b, sum, pace);
        continue;
      }
      if (!part)
        part = zeros;
      runBlock(b, *part, pace);
      merge(sum, *part);
    }
    results[task] = std::move(sum);
    next[task] = b;
  }

  const KernelCall &call;
  Result zeros;
  Run run;
  Merge merge;
  /// Blocks in one call of the kernel, such calls, and what is done by one thread.
  int64_t together, blocks, tasks;
  /// Elements of one index of the outermost group.
  int64_t perOuter;
  /// The block that a task goes on with.
  std::vector<int64_t> next;
  /// Those of the tasks so far, or the one that all write to.
  std::vector<Result> results;
};

} // namespace norma

#endif // NORMA_RUNTIME_REDUCTION_H
