//===- BlockKernel.h - A kernel for blocks of one width ---------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_BLOCKKERNEL_H
#define NORMA_RUNTIME_BLOCKKERNEL_H

#include "BlockedCall.h"

namespace norma {

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

} // namespace norma

#endif // NORMA_RUNTIME_BLOCKKERNEL_H
