//===- BlockedCall.h - A reduction and a map, block by block ----*- C++ -*-===//
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
// Of many blocks that are written past the caches a thread takes several, one beside the other,
// and makes the sums of each while it maps the one before: a map waits for memory, sums do not.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_BLOCKEDCALL_H
#define NORMA_RUNTIME_BLOCKEDCALL_H

#include "BlockedKey.h"
#include "EngineCall.h"
#include "KeptBlocks.h"
#include "Spare.h"

namespace norma {

/// A reduction and a map of the same data. Arguments have been checked.
struct BlockedCall {
  /// `data` are the inputs and the result of the map.
  BlockedCall(std::vector<Tensor> data, const Operands &operands, std::span<const int64_t> kept,
              NanPolicy nan, DType compute);

  BlockedKey key() const;
  /// Of statistics of x, or of sums over x and dy.
  bool isGradient() const { return inputs > 1; }
  const Tensor &result() const { return tensors[inputs]; }
  /// Whether the result begins so little behind an input, in the lower bits by which processors
  /// compare addresses, that what a map reads next seems to be what it has just stored.
  bool resultFollowsInput() const;

  /// The data, then mask and weights.
  std::vector<Tensor> tensors;
  size_t inputs;
  const Operands &operands;
  std::span<const int64_t> kept;
  NanPolicy nan;
  DType compute;
};

/// A tensor of a call: which one it is, and the bytes from a kept index to the next.
struct MovingTensor {
  size_t source;
  int64_t step;
};

/// A kernel for blocks of one width.
class BlockKernel {
public:
  /// `call` is on the first block, of a kernel of this spec; `tensors` are those of its problem.
  /// A map may go through the samples `backwards`.
  BlockKernel(const KernelCall &call, KernelSpec spec, std::span<const MovingTensor> tensors,
              bool backwards);

  /// Calls it on the block that begins at kept index `begin`, with arrays of one value per
  /// kept index: those that it reads, then those that it writes. An interleaved reduction is on
  /// the block that begins at `next`, and its arrays follow.
  void run(const BlockedCall &call, int64_t begin, std::initializer_list<const void *> arrays,
           int64_t next = 0) const {
    run(*kernel, call, begin, arrays, next);
  }
  /// The same of another kernel that takes these arguments.
  void run(Kernel::State &other, const BlockedCall &call, int64_t begin,
           std::initializer_list<const void *> arrays, int64_t next = 0) const;

  const KernelSpec &kernelSpec() const { return spec; }

private:
  /// A tensor among the arguments, which is that of the next block or of this one.
  struct TensorArgument {
    int position;
    MovingTensor tensor;
    /// The bytes from where the tensor begins to the sample that comes first.
    int64_t offset;
    bool ofNext;
  };

  void pushArguments(const KernelCall &call, KernelFamily family,
                     std::span<const MovingTensor> tensors, bool backwards, bool ofNext);

  std::shared_ptr<Kernel::State> kernel;
  KernelSpec spec;
  /// What a call reads and writes of data.
  uint64_t bytes = 0;
  /// The arguments for the first block, but for addresses.
  KernelArguments first;
  std::vector<TensorArgument> tensorArguments;
  std::vector<int> arrayArguments;
};

/// The kernels of a block.
struct BlockKernels {
  BlockKernel reduce, map;
  /// The map, interleaved with the reduction of another block, where that is of use.
  std::optional<BlockKernel> mapAndReduce;
};

/// Kept indices [begin, end).
struct KeptRange {
  int64_t begin, end;
};

/// What is done with a block, by one thread.
struct BlockBody {
  std::function<Expected<void>(const BlockKernels &kernels, KeptRange block)> reduce;
  /// The map, after the reduction; beside it the reduction of `next`, where there is one.
  std::function<Expected<void>(const BlockKernels &kernels, KeptRange block,
                               std::optional<KeptRange> next)>
      map;
};

/// What calls with the same key share. Safe from several threads.
class BlockedPlan {
public:
  /// Finds the kernel of a spec, to be called on the tensors of a problem.
  using FindKernel = std::function<Expected<KernelCall>(Problem problem, const KernelSpec &spec)>;
  /// For a second-level cache of so many bytes. Kernels are found by `threads`.
  static Expected<std::shared_ptr<const BlockedPlan>> create(const BlockedCall &call,
                                                             int64_t l2Bytes,
                                                             const ThreadPool &threads,
                                                             const FindKernel &findKernel);

  /// Whether there are blocks; otherwise the whole is reduced, then mapped.
  bool hasBlocks() const { return blocks.has_value(); }

  /// Runs `body` for all blocks. Returns the error of the first block that has one.
  Expected<void> run(const ThreadPool &threads, const BlockBody &body) const;

  /// Memory for the coefficients of a call, as the last one left it.
  Spare<RoundedValues>::Loan coefficients() const { return spare.take(); }

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
  mutable Spare<RoundedValues> spare;
};

} // namespace norma

#endif // NORMA_RUNTIME_BLOCKEDCALL_H
