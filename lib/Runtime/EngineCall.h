//===- EngineCall.h - A call of a kernel, cut into blocks -------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What all calls have in common: the outermost axis is cut into blocks whose bounds
// depend on the shape and the schedule alone. Maps write each block; reductions merge
// them (Reduction.h).
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_ENGINECALL_H
#define NORMA_RUNTIME_ENGINECALL_H

#include "EngineImpl.h"

#include <chrono>

namespace norma {

/// A range of the outermost group.
struct Block {
  int64_t begin, end;
  Slice slice;
  /// The first kept index of the range among all; 0 where blocks share them.
  int64_t firstKept;
};

/// A kernel and the tensors it is called on: the data, other inputs, the result of a
/// map, then mask and weights.
struct KernelCall {
  Problem problem;
  std::shared_ptr<Kernel::State> kernel;
  /// The kernel's code when the call began.
  EntryPoint entry;

  int64_t blocks() const;
  Block block(int64_t b) const;
  /// Pushes tensor `t` of the problem, and those of mask and weights.
  void pushTensor(KernelArguments &arguments, const Block &block, size_t t) const;
  void pushOperands(KernelArguments &arguments, const Block &block) const;
};

/// `tensors` as makeProblem() takes them, with the operands behind.
Problem makeProblem(std::vector<Tensor> tensors, const Operands &operands,
                    std::span<const int64_t> kept);

/// The spec of a kernel as far as the tensors say it.
KernelSpec specOf(KernelFamily family, const Problem &problem, const Operands &operands);

/// Whether the result of a map, the last tensor that does not repeat, has memory of its
/// own, and more than stays in the caches that matter.
bool isLargeResult(const Problem &problem);
/// Whether it is written past the caches: it must be contiguous and aligned, too.
bool writesPastCaches(const Problem &problem, Layout layout);

/// Values per kept index in the type and order of a kernel; empty where absent.
std::vector<std::byte> rounded(const Problem &problem, std::span<const double> values,
                               DType compute);

/// Runs a map with these coefficients, present ones in the order of the kernel.
void runMap(const KernelCall &call, std::span<const std::vector<std::byte>> coefficients,
            DType compute, const ThreadPool &threads, BlockOrder order);

/// The wall time of a call, not of the compilation that may have come first.
class CallTimer {
public:
  explicit CallTimer(const std::shared_ptr<Kernel::State> &kernel) : kernel(kernel) {}
  /// The call has read and written this much.
  void stop(uint64_t bytes) const {
    kernel->count(bytes, uint64_t(std::chrono::nanoseconds(Clock::now() - start).count()));
  }

private:
  using Clock = std::chrono::steady_clock;
  std::shared_ptr<Kernel::State> kernel;
  Clock::time_point start = Clock::now();
};

} // namespace norma

#endif // NORMA_RUNTIME_ENGINECALL_H
