//===- BlockedPlan.h - A reduction and a map of it --------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a block of kept indices needs is prepared once: it is two plain calls of kernels,
// by the thread that took it. So x is read once from memory, threads are handed their
// work once, and little data, which is one block, costs little beside it. To prepare it takes
// as long as a small kernel, so an engine keeps it for later calls on tensors like these.
//
// Of many blocks that are written past the caches, or of short runs, a thread takes several, one
// beside the other, and makes the sums of each while it maps the one before: a map waits for
// memory, sums do not, and neither do both at the end of each run.
//
// Where there are no blocks, the whole is reduced, then mapped, by calls that are kept as well.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_BLOCKEDPLAN_H
#define NORMA_RUNTIME_BLOCKEDPLAN_H

#include "BlockKernel.h"
#include "KeptBlocks.h"
#include "Spare.h"

namespace norma {

/// The kernels of a block.
struct BlockKernels {
  BlockKernel reduce, map;
  /// The map, interleaved with the reduction of another block, where that is of use.
  std::optional<BlockKernel> mapAndReduce;
};

/// What is done with a block, by one thread.
struct BlockBody {
  std::function<Expected<void>(const BlockKernels &kernels, KeptRange block)> reduce;
  /// The map, after the reduction; beside it the reduction of `next`, where there is one.
  std::function<Expected<void>(const BlockKernels &kernels, KeptRange block,
                               std::optional<KeptRange> next)>
      map;
};

/// Finds the kernel of a spec, to be called on the tensors of a problem.
using FindKernel = std::function<Expected<KernelCall>(Problem problem, const KernelSpec &spec)>;

/// Find the calls of the whole.
struct FindWhole {
  std::function<Expected<ReductionCall>()> reduction;
  std::function<Expected<KernelCall>()> map;
};

/// What a call needs and the next one may write to: of blocks only coefficients, of the whole the
/// results of its parts, too.
struct BlockedMemory {
  RoundedValues coefficients;
  std::vector<Statistics> statistics;
  std::vector<GradientSums> sums;
};

/// What calls with the same key share. Safe from several threads.
class BlockedPlan {
public:
  /// For a second-level cache of so many bytes. Kernels are found by `threads`.
  static Expected<std::shared_ptr<const BlockedPlan>>
  create(const BlockedCall &call, const BlockCaches &caches, const ThreadPool &threads,
         const FindKernel &findKernel, const FindWhole &findWhole);

  /// The calls of the whole, to be made on() the tensors of a call; none where there are blocks.
  const std::optional<WholeCalls> &whole() const { return calls; }

  /// Runs `body` for all blocks. Returns the error of the first block that has one.
  Expected<void> run(const ThreadPool &threads, const BlockBody &body) const;

  /// Memory for a call, as the last one left it.
  Spare<BlockedMemory>::Loan memory() const { return spare.take(); }

private:
  BlockedPlan() = default;
  KeptRange range(int64_t block) const { return {blocks->begin(block), blocks->end(block)}; }
  const BlockKernels &kernelsOf(int64_t block) const {
    return narrower && block == blocks->count() - 1 ? *narrower : *kernels;
  }

  /// What a call reads and writes of data.
  int64_t bytes = 0;
  std::optional<KeptBlocks> blocks;
  /// For all blocks, and for the last one where it is narrower.
  std::optional<BlockKernels> kernels, narrower;
  std::optional<WholeCalls> calls;
  mutable Spare<BlockedMemory> spare;
};

} // namespace norma

#endif // NORMA_RUNTIME_BLOCKEDPLAN_H
