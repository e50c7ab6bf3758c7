//===- BlockedCall.h - A reduction and a map, block by block ----*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a block of kept indices needs is prepared once: it is two plain calls of kernels,
// by the thread that took it. So x is read once from memory, threads are handed their
// work once, and little data, which is one block, costs little beside it.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_BLOCKEDCALL_H
#define NORMA_RUNTIME_BLOCKEDCALL_H

#include "EngineCall.h"
#include "KeptBlocks.h"

namespace norma {

/// A kernel for blocks of one width.
class BlockKernel {
public:
  /// `call` is on the first block; `steps` lead from a kept index to the next, in bytes, in
  /// each of its tensors.
  BlockKernel(KernelCall call, KernelFamily family, const std::vector<int64_t> &steps);

  /// Calls it on the block that begins at kept index `begin`, with arrays of one value per
  /// kept index: those that it reads, then those that it writes.
  void run(int64_t begin, std::initializer_list<const void *> arrays) const;

private:
  struct MovingTensor {
    int argument;
    char *data;
    int64_t step;
  };

  std::shared_ptr<Kernel::State> kernel;
  EntryPoint entry;
  /// What a call reads and writes of data.
  uint64_t bytes = 0;
  /// The arguments for the first block, the addresses of arrays aside.
  KernelArguments first;
  std::vector<MovingTensor> tensors;
  std::vector<int> arrayArguments;
};

/// Both kernels of a block.
struct BlockKernels {
  BlockKernel reduce, map;
};

/// A call that is cut into blocks.
struct Engine::State::BlockedCall {
  Engine::State &engine;
  /// Of the inputs, the result of the map, mask and weights.
  const Problem &problem;
  const Operands &operands;
  KeptBlocks blocks;

  /// Both passes over kept indices [begin, end), on this thread.
  using Body =
      std::function<Expected<void>(const BlockKernels &kernels, int64_t begin, int64_t end)>;
  /// Runs `body` for all blocks. The specs are what tensors do not say of the kernels.
  /// Returns the error of the first block that has one.
  Expected<void> run(const KernelSpec &reduce, const KernelSpec &map, const Body &body) const;

private:
  Expected<BlockKernels> prepare(const KernelSpec &reduce, const KernelSpec &map,
                                 int64_t width) const;
  Expected<BlockKernel> prepare(const KernelSpec &chosen, int64_t width) const;
};

} // namespace norma

#endif // NORMA_RUNTIME_BLOCKEDCALL_H
