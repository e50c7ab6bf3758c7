//===- EngineImpl.h - What an engine is made of -----------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_ENGINEIMPL_H
#define NORMA_RUNTIME_ENGINEIMPL_H

#include "BackgroundQueue.h"
#include "BlockedKey.h"
#include "Cache/DiskCache.h"
#include "Cache/MemoryCache.h"
#include "Cpu/Compiler.h"
#include "Cpu/Loader.h"
#include "Cpu/MemorySystem.h"
#include "Cpu/Origin.h"
#include "EngineOperands.h"
#include "KernelSpec.h"
#include "Problem.h"

#include "norma/Runtime/Tuning.h"
#include "norma/Support/Arguments.h"
#include "norma/Support/CoefficientArrays.h"

#include <atomic>
#include <functional>
#include <mutex>

namespace norma {

/// A memref descriptor as compiled code reads it: allocated and aligned pointer,
/// offset, sizes, strides.
class Descriptor {
public:
  Descriptor() = default;
  Descriptor(const void *data, std::span<const int64_t> sizes, std::span<const int64_t> strides);
  /// Copies what there is, not the room for higher ranks.
  Descriptor(const Descriptor &other) { *this = other; }
  Descriptor &operator=(const Descriptor &other) {
    used = other.used;
    std::copy_n(other.words.begin(), used, words.begin());
    return *this;
  }
  void setData(const void *data) { words[0] = words[1] = reinterpret_cast<int64_t>(data); }
  void *address() { return words.data(); }

private:
  // Left as they are in those that nothing was put into yet.
  std::array<int64_t, 3 + 2 * kMaxRank> words;
  int used;
};

/// The arguments of one call of a kernel, in order.
class KernelArguments {
public:
  KernelArguments() = default;
  KernelArguments(const KernelArguments &other) {
    for (int i = 0; i < other.used; ++i)
      push(other.descriptors[i]);
  }
  KernelArguments &operator=(const KernelArguments &) = delete;

  void push(const Descriptor &descriptor) {
    assert(used < kMost && "more arguments than any kernel has");
    descriptors[used] = descriptor;
    pointers[used] = descriptors[used].address();
    ++used;
  }
  void push(const void *data, std::span<const int64_t> sizes, std::span<const int64_t> strides) {
    push(Descriptor(data, sizes, strides));
  }
  int size() const { return used; }
  /// Another address for an argument.
  void setData(int argument, const void *data) { descriptors[argument].setData(data); }
  void call(EntryPoint entry) { entry(pointers.data()); }

private:
  // Data, dy, four coefficients and dx of a map, beside it data, dy, center and two sums.
  static constexpr int kMost = 12;
  std::array<Descriptor, kMost> descriptors;
  std::array<void *, kMost> pointers;
  int used = 0;
};

/// Code of one tier, and how it was had.
struct KernelCode {
  std::unique_ptr<LoadedCode> loaded;
  KernelTier tier;
  KernelSource source;
  double lowerMilliseconds = 0, codegenMilliseconds = 0, loadMilliseconds = 0;
};

/// A kernel that can be called, and how often it was.
struct Kernel::State {
  std::string key, family, axisForm, schedule;
  /// The schedule was found by measuring.
  bool tuned = false;
  /// Extents of the outermost axis in a block of parallel work; 0 when the rules
  /// gave none.
  int64_t block = 0;
  std::atomic<uint64_t> calls{0}, bytes{0}, nanoseconds{0};

  /// What a call that begins now runs, to its end.
  const KernelCode &code() const { return *current.load(std::memory_order_acquire); }
  /// Makes it the code of later calls: once before others see the kernel, and once
  /// when there is better code.
  void publish(KernelCode code);

  KernelInfo info() const;

private:
  // All code stays until the kernel goes, so that nobody has to know who still runs it.
  std::unique_ptr<const KernelCode> first, better;
  std::atomic<const KernelCode *> current{nullptr};
};

/// Threads, as oneTBB gives them; the header is kept out of everybody's way.
class ThreadPool {
public:
  /// To read so many takes longer than to wake a thread up, even from a cache.
  static constexpr int64_t kManyBytes = 2 * 1024 * 1024;

  explicit ThreadPool(int threads);
  ~ThreadPool();
  int size() const { return threads; }
  /// How many parts work on so many bytes is best cut into: one where another thread
  /// would not make it faster.
  int64_t partsOf(int64_t bytes) const;
  /// Calls body(i) for every i in [0, count), on this thread alone when there is
  /// only one task or one thread. Which thread runs what is not defined. `bytes` are those that
  /// all tasks read and write: for many, threads that sleep are woken before it begins.
  void forEach(int64_t count, int64_t bytes, const std::function<void(int64_t)> &body) const;

private:
  struct Arena;
  std::unique_ptr<Arena> arena;
  int threads;
};

/// Which coefficients a map has.
struct CoefficientKinds {
  bool center = true, scale = true, shift = true;
};

/// In which order a map goes through its blocks, as far as threads have one.
enum class BlockOrder : uint8_t {
  Forwards,
  /// What a pass over the same data read last comes first: it may be in a cache.
  Backwards,
};

/// A kernel to be made.
struct KernelOrder {
  const KernelSpec &spec;
  std::string key;
  /// That which was found by measuring; empty for that of the rules.
  std::string schedule = {};
};

struct BlockCaches;
struct BlockedCall;
struct FindWhole;
class BlockedPlan;
struct KernelCall;
struct ReductionCall;
class Pace;
class RoundedValues;
class TuningCase;

/// What stats() shows. Times are kept in nanoseconds.
struct EngineCounters {
  std::atomic<uint64_t> diskHits{0}, misses{0}, compiles{0}, failures{0};
  std::atomic<uint64_t> quickCompiles{0}, swaps{0};
  std::atomic<uint64_t> compileNanoseconds{0}, loadNanoseconds{0}, objectBytes{0};
};

struct Engine::State {
  State(int threads, size_t cachedKernels)
      : kernels(cachedKernels), plans(std::min(cachedKernels, kMostPlans)),
        pool(std::make_shared<ThreadPool>(threads)) {}

  /// Engine::create, as on a machine with such memory.
  static Expected<std::shared_ptr<Engine>> create(const EngineOptions &options,
                                                  const MemorySystem &memory);

  CodeOrigin origin;
  CompilePolicy policy = CompilePolicy::Optimized;
  std::string cacheDirectory;
  CacheLog log;
  std::shared_ptr<const CpuTarget> target;
  // Declared before the kernels, which are unloaded first.
  std::unique_ptr<Loader> loader;
  std::unique_ptr<Compiler> compiler;
  /// Programs may take long, and kernels do not wait for them. Made for the first one.
  std::once_flag firstProgram;
  std::unique_ptr<Compiler> programCompiler;
  /// Null when the cache is off.
  std::unique_ptr<DiskCache> disk;
  MemoryCache<KernelSpec, Kernel::State> kernels;
  /// Of blocked calls. They keep their kernels.
  static constexpr size_t kMostPlans = 256;
  MemoryCache<BlockedKey, const BlockedPlan> plans;
  EngineCounters counters;
  /// Shared with plans, which may outlive the engine.
  std::shared_ptr<const ThreadPool> pool;
  /// The second-level cache of one core.
  int64_t l2Bytes = 0;
  MemorySystem machine;
  /// The data of a map of blocks that is larger is not kept in caches. Beyond the second level,
  /// which each thread has to itself, a store through the caches costs a read and a write between
  /// them, while other data waits for the same way, unless the last level is near, too. One thread
  /// that reads two tensors has nothing left of that way; several that read one keep half as much
  /// again there, since they may write to memory no faster than one does.
  int64_t keptOfBlocks(bool isGradient) const {
    const int64_t half = machine.keptInLastLevel;
    const int64_t ofOne = isGradient ? 0 : half, ofSeveral = isGradient ? half : half / 2 * 3;
    return std::max(pool->size() * l2Bytes, pool->size() > 1 ? ofSeveral : ofOne);
  }
  /// The same of a map of the whole. Several threads get more from all of that level than from
  /// memory.
  int64_t keptBytes(bool isGradient) const {
    return pool->size() > 1 ? std::max(pool->size() * l2Bytes, 2 * machine.keptInLastLevel)
                            : keptOfBlocks(isGradient);
  }
  /// All that blocks are cut, summed and mapped by.
  BlockCaches cachesOfBlocks(bool isGradient) const;
  int64_t lastLevelBytes() const { return machine.caches.lastLevel; }
  /// Data that is larger comes from memory, mostly: others use that cache, too. Reductions add in
  /// another order then, so the number of threads has no say in it.
  int64_t farBytes() const { return std::max(lastLevelBytes() / 4, 2 * l2Bytes); }
  /// So little of data that is larger is still there that sums gain a fifth by asking for it in
  /// advance; what is there takes a tenth longer.
  int64_t memoryBytes() const { return std::max(lastLevelBytes() / 8 * 3, 2 * l2Bytes); }
  // Declared last, since its end waits for work on all of the above.
  BackgroundQueue background;

  /// From memory, from the disk, or compiled.
  Expected<std::shared_ptr<Kernel::State>> kernel(const KernelSpec &spec);
  Expected<CompiledProgramObject> compileProgram(std::string_view source,
                                                 const Program::Options &options);
  Expected<std::unique_ptr<LoadedCode>> load(const std::string &object, const std::string &symbol);
  /// The kernel of a spec, to be called on the tensors of a problem.
  Expected<KernelCall> call(Problem problem, const KernelSpec &spec);
  /// That of a reduction, `chosen`, of a problem of such operands.
  Expected<ReductionCall> reductionCall(const KernelSpec &chosen, Problem problem,
                                        const Operands &operands, const Dims &shape);
  /// Sets `streaming` and `ahead` of a spec: of a map, whether its result goes past the caches and
  /// its data comes from memory; of a reduction, whether some of its data does, and most.
  void setStreaming(KernelSpec &spec, const Problem &problem) const;

  // Calls on data with elements whose arguments have been checked: first their
  // kernels, then run by `threads`. Results are in the caller's order of kept indices.
  Expected<ReductionCall> momentsCall(const Tensor &x, std::span<const int64_t> kept, NanPolicy nan,
                                      const Operands &operands);
  Expected<KernelCall> affineCall(const Tensor &x, std::span<const int64_t> kept,
                                  CoefficientKinds kinds, DType compute, const Tensor &y);
  Expected<ReductionCall> gradientSumsCall(const Tensor &x, const Tensor &dy,
                                           std::span<const int64_t> kept, const Operands &operands);
  Expected<KernelCall> gradientMapCall(const Tensor &x, const Tensor &dy,
                                       std::span<const int64_t> kept, DType compute,
                                       const Tensor &dx, const Operands &operands);
  Expected<Statistics> moments(const Tensor &x, std::span<const int64_t> kept, NanPolicy nan,
                               const Operands &operands, const ThreadPool &threads, Pace &pace);
  /// Of `call`, that which was prepared or the same elsewhere, with data at `data`. The result has
  /// the memory of the first in `memory`, as far as there are some; the others are for its parts,
  /// and are there again when it is over.
  static Expected<Statistics> moments(const ReductionCall &prepared, const KernelCall &call,
                                      char *data, const ThreadPool &threads, Pace &pace,
                                      std::vector<Statistics> *memory = nullptr);
  /// Coefficients are in the caller's order. Returns their memory.
  RoundedValues map(KernelCall prepared, RoundedValues coefficients, BlockOrder order) const;

  Expected<GradientSums> gradientSums(const Tensor &x, const Tensor &dy,
                                      std::span<const int64_t> kept, std::span<const double> center,
                                      const Operands &operands);
  /// Of `call`, that which was prepared or the same elsewhere; with memory as moments() has it.
  static GradientSums gradientSums(const ReductionCall &prepared, const KernelCall &call,
                                   std::span<const double> center, const ThreadPool &threads,
                                   std::vector<GradientSums> *memory = nullptr);

  // EngineBlocked.cpp: a reduction, then a map.
  /// Write the coefficients of kept indices [begin, end), of which what was reduced is there; what
  /// was reduced may then be made into something else.
  using WriteCoefficients = std::function<Expected<void>(
      int64_t begin, int64_t end, const Statistics &all, const CoefficientArrays &into)>;
  using WriteGradientCoefficients = std::function<Expected<void>(
      int64_t begin, int64_t end, GradientSums &all, const GradientCoefficientArrays &into)>;
  /// Engine's calls of these names, but what is written are the coefficients as the map reads them.
  Expected<Statistics> momentsThenAffine(const Tensor &x, std::span<const int64_t> kept,
                                         const MomentsOptions &options,
                                         const WriteCoefficients &write, DType compute,
                                         const Tensor &y, Statistics memory);
  Expected<GradientSums>
  gradientSumsThenMap(const Tensor &x, const Tensor &dy, std::span<const int64_t> kept,
                      std::span<const double> center, const MomentsOptions &options,
                      const WriteGradientCoefficients &write, DType compute, const Tensor &dx);

  /// That of an earlier call with the same key, or a new one.
  Expected<std::shared_ptr<const BlockedPlan>> blockedPlan(const BlockedCall &blocked,
                                                           const FindWhole &findWhole);

  // EngineTuning.cpp
  Expected<TuningResult> tune(const KernelSpec &spec, const TuningOptions &options,
                              const TuningWatch &watch);
  /// Returns the file.
  Expected<std::string> storeTuning(const KernelSpec &spec, std::string_view schedule);
  Expected<std::string> useSchedule(const KernelSpec &spec, std::string_view schedule);
  bool forgetTuning(const KernelSpec &spec);

private:
  // EngineBlocked.cpp: by the plan of a call, each block is reduced, then mapped, or the whole.
  Expected<Statistics> momentsThenAffineInBlocks(const BlockedPlan &plan, const BlockedCall &call,
                                                 const Dims &shape, const WriteCoefficients &write,
                                                 Statistics memory);
  Expected<Statistics> momentsThenAffineOfWhole(const BlockedPlan &plan, const BlockedCall &call,
                                                const WriteCoefficients &write, Statistics memory);
  Expected<GradientSums> gradientSumsThenMapInBlocks(const BlockedPlan &plan,
                                                     const BlockedCall &call, const Dims &shape,
                                                     std::span<const double> center,
                                                     const WriteGradientCoefficients &write);
  Expected<GradientSums> gradientSumsThenMapOfWhole(const BlockedPlan &plan,
                                                    const BlockedCall &call,
                                                    std::span<const double> center,
                                                    const WriteGradientCoefficients &write);

  // EngineKernels.cpp
  /// The key of a kernel with the schedule of the rules.
  std::string keyOf(const KernelSpec &spec) const;
  Expected<std::shared_ptr<Kernel::State>> makeKernel(const KernelSpec &spec);
  Expected<std::shared_ptr<Kernel::State>> makeKernel(const KernelOrder &order);
  /// The schedule that was found by measuring; empty where none was.
  std::string tunedSchedule(const KernelOrder &order);
  /// Null when the disk has none that can be used.
  std::shared_ptr<Kernel::State> loadKernel(const KernelOrder &order);
  Expected<std::shared_ptr<Kernel::State>> compileKernel(const KernelOrder &order);
  static std::shared_ptr<Kernel::State> newKernel(const KernelOrder &order, std::string schedule,
                                                  int64_t block, KernelCode code);
  std::optional<KernelCode> loadCode(const std::string &key, std::string &schedule, int64_t &block);
  Expected<LoweredKernel> lower(const KernelOrder &order);
  Expected<CompiledObject> generate(LoweredKernel &lowered, KernelTier tier);
  /// The best code, which is stored, too.
  Expected<KernelCode> compileBest(LoweredKernel &lowered, const std::string &key);
  Expected<KernelCode> linkCompiled(const CompiledObject &compiled, KernelTier tier);
  Expected<std::unique_ptr<LoadedCode>> link(const std::string &object, const std::string &symbol);

  // EngineTiers.cpp
  Expected<std::shared_ptr<Kernel::State>> compileQuickly(const KernelOrder &order);
  Expected<void> improve(Kernel::State &kernel, LoweredKernel &lowered,
                         const std::stop_token &stop);

  // EngineTuning.cpp
  /// Neither in memory nor on the disk, where nobody else would look for it.
  Expected<std::shared_ptr<Kernel::State>> makeCandidate(const KernelSpec &spec,
                                                         const std::string &schedule);
  Expected<std::vector<int64_t>> tuningRows(const KernelSpec &spec, const TuningOptions &options);
  std::function<void()> callOf(const TuningCase &data, std::shared_ptr<Kernel::State> kernel);
};

/// For what is made of an engine's calls.
inline Engine::State &stateOf(Engine &engine) { return *engine.state; }

struct Program::State {
  ~State();
  std::shared_ptr<Engine> engine;
  std::unique_ptr<CompiledProgramObject> object;
  std::unique_ptr<LoadedCode> code;
};

} // namespace norma

#endif // NORMA_RUNTIME_ENGINEIMPL_H
