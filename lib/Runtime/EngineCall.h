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

#include "AlignedBytes.h"
#include "EngineImpl.h"
#include "KeptCuts.h"

#include <chrono>

namespace norma {

/// A part of a problem.
struct Block {
  /// Its first index of every group.
  Dims begin;
  Slice slice;
  /// The first of its kept indices among all; 0 where blocks share them.
  int64_t firstKept;
};

/// A kernel and the tensors it is called on: the data, other inputs, the result of a
/// map, then mask and weights.
struct KernelCall {
  Problem problem;
  std::shared_ptr<Kernel::State> kernel;
  /// Of a map: its result goes past the caches, so it must begin where a cache line does.
  bool writesPastCaches = false;

  /// The kernel's code, which may be better later: to be asked for once a call.
  EntryPoint entry() const { return kernel->code().loaded->entry; }
  int64_t blocks() const;
  /// Block `b`, or as many blocks from there on as there are, as one.
  Block block(int64_t b, int64_t count = 1) const;
  /// Any range of the outermost group.
  Block range(int64_t begin, int64_t end) const;
  /// Range `b` of kept indices, as they are cut.
  Block range(const KeptCuts &cuts, int64_t b) const;
  /// Indices [begin, end) of a block, of the only kept group.
  Block keptRange(const Block &block, int64_t begin, int64_t end) const;
  /// The same call of tensors like these, which lie elsewhere: the first ones, in the same order.
  KernelCall on(std::span<const Tensor> tensors) const;
  /// Pushes tensor `t` of the problem, and those of mask and weights.
  void pushTensor(KernelArguments &arguments, const Block &block, size_t t) const {
    pushTensor(arguments, block, t, problem.tensors[t].data);
  }
  /// The same of a tensor like it that lies at `data`.
  void pushTensor(KernelArguments &arguments, const Block &block, size_t t, char *data) const;
  void pushOperands(KernelArguments &arguments, const Block &block) const;
};

class CallTimer;

/// A kernel of a reduction, and what it was made for.
struct ReductionKernel {
  KernelSpec spec;
  std::shared_ptr<Kernel::State> state;
};

/// A call of a reduction, which can be made again for data elsewhere.
struct ReductionCall {
  /// With the kernel of all blocks, but for a last slice that is narrower.
  KernelCall call;
  KernelSpec spec;
  /// That of the caller's kept indices.
  Dims shape;
  /// See MemorySystem.
  int64_t leastPartBytes;
  /// How the kernel of moments is found that does blocks again.
  std::function<Expected<std::shared_ptr<Kernel::State>>(const KernelSpec &)> findKernel = {};
  /// Where kept indices are cut, if they are, and the kernel of a last slice that is narrower.
  std::optional<KeptCuts> cuts = {};
  std::optional<ReductionKernel> narrower = {};

  /// Gives the kernel of a narrower slice its share of a call.
  void shareOut(CallTimer &timer) const;
  bool isNarrower(const Block &block) const {
    return narrower && block.slice.extents[cuts->group] < cuts->width;
  }
};

/// The code of a reduction, which may be better later: to be asked for once a call.
class ReductionCode {
public:
  /// The call must outlive this.
  explicit ReductionCode(const ReductionCall &of)
      : reduction(&of), entry(of.call.entry()),
        narrower(of.narrower ? of.narrower->state->code().loaded->entry : EntryPoint()) {}

  EntryPoint of(const Block &block) const {
    return reduction->isNarrower(block) ? narrower : entry;
  }

private:
  const ReductionCall *reduction;
  EntryPoint entry, narrower;
};

/// A reduction of the whole, and a map of it.
struct WholeCalls {
  ReductionCall reduction;
  KernelCall map;
};

/// `tensors` as makeProblem() takes them, with the operands behind.
Problem makeProblem(std::vector<Tensor> tensors, const Operands &operands,
                    std::span<const int64_t> kept);

/// The spec of a kernel: `chosen` with what the tensors say of it.
KernelSpec specOf(KernelSpec chosen, const Problem &problem, const Operands &operands);

/// Whether the result of a map, the last tensor that does not repeat, has memory of its
/// own, and is not found in a cache again: with the inputs it exceeds `cacheBytes`.
bool isLargeResult(const Problem &problem, int64_t cacheBytes);
/// Stores past the caches need addresses that are multiples of this.
inline constexpr uintptr_t kStreamingAlignment = 64;
/// Whether it is written past the caches: it must be contiguous and aligned, too.
bool writesPastCaches(const Problem &problem, Layout layout, int64_t cacheBytes);

/// Whether a reduction asks for memory in advance: its data must be contiguous, too, and
/// more than `cacheBytes`, were its elements f32 at least.
bool readsFromMemory(const Problem &problem, Layout layout, int64_t cacheBytes);

/// Whether a map of the whole can write past the caches where one of blocks of kept indices
/// cannot. That saves the read of the result which a write through them begins with, as
/// much as the second read of an input costs.
bool streamsAsWhole(const Problem &problem);

/// Arrays of one value per kept index as kernels read them: in the type they compute in, each from
/// the begin of a cache line.
class RoundedValues {
public:
  /// Without arrays; resize() makes some.
  RoundedValues() = default;
  /// Those of `arrays` that are not empty.
  RoundedValues(std::initializer_list<std::span<const double>> arrays, DType compute);

  /// Makes room for `arrays` of `size` values, to be written where at() says, in the memory that
  /// there is as far as it goes.
  void resize(size_t arrays, int64_t size, DType compute);
  /// Moves values from the caller's order of kept indices to the kernel's.
  void toKernelOrder(const Problem &problem);

  size_t size() const { return count; }
  /// Value `first` of an array.
  const void *at(size_t array, int64_t first = 0) const {
    return bytes.data() + int64_t(array) * arrayBytes + first * int64_t(sizeOf(compute));
  }
  void *at(size_t array, int64_t first = 0) {
    return const_cast<void *>(std::as_const(*this).at(array, first));
  }

private:
  DType compute = DType::F32;
  size_t count = 0;
  int64_t arrayBytes = 0;
  AlignedBytes bytes;
};

/// A call of a map: the kernel and its coefficients, present ones in the order of the
/// kernel's arguments.
class MapCall {
public:
  /// Takes coefficients in the caller's order of kept indices.
  MapCall(KernelCall prepared, RoundedValues coefficients);

  const KernelCall &kernelCall() const { return call; }
  /// For the memory, when the call is over.
  RoundedValues takeCoefficients() { return std::move(coefficients); }
  /// What a call reads and writes, coefficients aside.
  int64_t bytes() const { return dataBytes; }
  /// How many parts a call has for the sake of threads, if there are as many blocks.
  int64_t mostParts(const ThreadPool &threads) const;

  void run(const ThreadPool &threads, BlockOrder order) const {
    run(data(), out(), threads, order);
  }
  /// On other data and another result: tensors like those of the problem, which lie at
  /// `data` and `out`.
  void run(char *data, char *out, const ThreadPool &threads, BlockOrder order) const;

private:
  char *data() const { return call.problem.tensors.front().data; }
  char *out() const { return call.problem.tensors[call.problem.broadcastFrom - 1].data; }
  void pushArguments(KernelArguments &arguments, const Block &block, char *data, char *out) const;

  KernelCall call;
  RoundedValues coefficients;
  int64_t dataBytes;
  /// What decides how many threads share a call.
  int64_t workBytes;
  /// Those of all blocks as one.
  KernelArguments whole;
};

/// Counts a call and measures its wall time, not that of the compilation that may have
/// come first. To read the clock takes as long as a small kernel, so of many small
/// calls one in sixteen is measured, and stands for the others.
class CallTimer {
public:
  /// Of a call that reads and writes so many bytes. The kernel must outlive the timer.
  CallTimer(Kernel::State &kernel, uint64_t bytes) : kernel(kernel), bytes(bytes) {
    const uint64_t earlier = kernel.calls.fetch_add(1, std::memory_order_relaxed);
    kernel.bytes.fetch_add(bytes, std::memory_order_relaxed);
    if (bytes < kSmallBytes && earlier >= kEvery)
      weight = earlier % kEvery == 0 ? kEvery : 0;
    if (weight)
      start = Clock::now();
  }
  CallTimer(const CallTimer &) = delete;
  CallTimer &operator=(const CallTimer &) = delete;
  ~CallTimer() {
    if (!weight)
      return;
    const uint64_t elapsed =
        weight * uint64_t(std::chrono::nanoseconds(Clock::now() - start).count());
    const auto ofOther = uint64_t(double(elapsed) * shareOfOther);
    kernel.nanoseconds.fetch_add(elapsed - ofOther, std::memory_order_relaxed);
    if (other)
      other->nanoseconds.fetch_add(ofOther, std::memory_order_relaxed);
  }
  /// So many of the bytes are another kernel's, which has as much of the time. It must outlive the
  /// timer.
  void share(Kernel::State &with, uint64_t part) {
    other = &with;
    shareOfOther = double(part) / double(bytes);
    other->calls.fetch_add(1, std::memory_order_relaxed);
    other->bytes.fetch_add(part, std::memory_order_relaxed);
    kernel.bytes.fetch_sub(part, std::memory_order_relaxed);
  }

private:
  using Clock = std::chrono::steady_clock;
  static constexpr uint64_t kSmallBytes = 1 << 20, kEvery = 16;
  Kernel::State &kernel;
  Kernel::State *other = nullptr;
  uint64_t bytes;
  double shareOfOther = 0;
  uint64_t weight = 1;
  Clock::time_point start;
};

} // namespace norma

#endif // NORMA_RUNTIME_ENGINECALL_H
