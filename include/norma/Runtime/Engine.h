//===- Engine.h - Compiles, caches and runs kernels -------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An Engine owns everything that is needed to turn a normalization into machine
// code and run it: the MLIR context, the JIT, the cache of kernels and the
// threads. Nothing is global: engines with different options live side by side.
// All calls are safe from several threads at once.
//
//   auto engine = norma::Engine::create();
//   auto statistics = (*engine)->moments(x, {{1}});
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_ENGINE_H
#define NORMA_RUNTIME_ENGINE_H

#include "norma/Runtime/AffinePlan.h"
#include "norma/Support/BatchNorm.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>
#include <vector>

namespace norma {

/// What a call whose kernel is not there waits for.
enum class CompilePolicy {
  /// The best code.
  Optimized,
  /// Code that is there in a fraction of the time. The best code is made behind the call,
  /// and run by later ones. Results have the same bits (those of a NaN excepted).
  Tiered,
};

struct EngineOptions {
  static constexpr int kMostThreads = 4096;
  /// Threads a call may use, at most kMostThreads; 0 for all cores of the machine.
  int threads = 0;
  /// The processor to compile for, as LLVM names it ("x86-64-v3",
  /// "sapphirerapids"); empty for the machine's own.
  std::string targetCpu = {};
  /// Where compiled kernels are kept for later engines and other processes: a
  /// directory, or "off". Absent: NORMA_CACHE_DIR, then $XDG_CACHE_HOME/norma, then
  /// ~/.cache/norma. See docs/cache.md.
  std::optional<std::string> cacheDirectory = {};
  /// Bytes that the directory may grow to; the least recently used kernels go.
  uint64_t cacheBytes = uint64_t(256) << 20;
  /// Kernels kept in memory, at least 1.
  int64_t cachedKernels = 1024;
  CompilePolicy compilePolicy = CompilePolicy::Optimized;
  /// Tools that see kernels by name: "perf", "gdb", "perf,gdb", or "" for none. Absent:
  /// NORMA_TOOLS, else none. See docs/tools.md.
  std::optional<std::string> tools = {};
  /// Hears of everything that keeps the cache, or the compilation behind a call, from
  /// working, which is no error. May be called from any thread.
  std::function<void(std::string_view)> log = {};
};

/// Where a kernel came from.
enum class KernelSource {
  /// This engine compiled it.
  Compiler,
  /// An earlier engine, or another process, compiled it.
  Disk,
};

/// How well the code of a kernel was compiled.
enum class KernelTier {
  /// Fast, for the first calls under CompilePolicy::Tiered.
  Quick,
  /// As well as possible.
  Optimized,
};

/// What was compiled, and how it has been used since.
struct KernelInfo {
  /// "moments", "affine", "grad_sums" or "grad_map".
  std::string family;
  /// Kept and reduced axes after collapsing, outermost first: "RK", "RKR".
  std::string axisForm;
  /// The schedule attribute, as it stands in the IR.
  std::string schedule;
  /// Whether it was found by measuring, and not chosen by the rules; see Engine::tune().
  bool tuned = false;
  /// Everything the kernel is specialized on, and who made it.
  std::string key;
  KernelSource source = KernelSource::Compiler;
  /// The code that calls run from now on; this and the times below may change once.
  KernelTier tier = KernelTier::Optimized;
  /// Wall time of MLIR lowering and of LLVM, when it was compiled.
  double lowerMilliseconds = 0, codegenMilliseconds = 0;
  /// Wall time of linking, and of reading when it came from the disk.
  double loadMilliseconds = 0;
  /// Calls so far, bytes of tensors they read and wrote, and their wall time: of many
  /// small calls one in sixteen is measured, and stands for the others. (A block of
  /// momentsThenAffine is a call of each of its two kernels.)
  uint64_t calls = 0, bytes = 0;
  double runSeconds = 0;
};

/// A compiled kernel. A cheap handle: copies share the code, which lives as long as
/// the last of them, even without its engine.
class Kernel {
public:
  KernelInfo info() const;

  struct State;
  explicit Kernel(std::shared_ptr<const State> state) : state(std::move(state)) {}

private:
  std::shared_ptr<const State> state;
};

/// Who waits for a long call: hears how far it is, and may stop it. A call that was
/// stopped returns an error of the code Cancelled. The bits of a result do not depend on
/// whether, or how often, somebody looks.
struct CallWatch {
  /// Called with the number of elements that are finished, which never falls: about every
  /// `interval`, and when all are; false stops the call. Only the thread that made the
  /// call calls it, while no other works for the call, so that it should not take long.
  /// What it throws goes through to the caller.
  std::function<bool(int64_t elements)> progress = {};
  /// Time between two calls, and that to finish a block of data; 0: after every block.
  std::chrono::nanoseconds interval = std::chrono::milliseconds(50);
  /// Stops the call from any thread, after the blocks that are being worked on.
  std::stop_token stop = {};
};

/// What an engine had to do so far.
struct EngineStats {
  /// Kernels found in memory, found on the disk, and found in neither.
  uint64_t memoryHits = 0, diskHits = 0, misses = 0;
  /// Compilations of kernels and programs, and those that failed.
  uint64_t compiles = 0, failures = 0;
  /// Of these compilations, the quick ones; and kernels that got better code since.
  uint64_t quickCompiles = 0, swaps = 0;
  /// Wall time of compiling; of linking, and reading from the disk.
  double compileMilliseconds = 0, loadMilliseconds = 0;
  /// Object code that was linked.
  uint64_t objectBytes = 0;
};

/// How the kernel ops of a program are lowered.
enum class Lowering {
  /// Scheduled vector loops: what is meant to run.
  Loops,
  /// linalg and scalar loops: the executable specification, slow.
  Linalg,
};

/// A compiled function of an MLIR module: tensors in, tensors out.
class Program {
public:
  struct Options {
    /// The function to run; may be empty when the module has exactly one.
    std::string entry = {};
    /// Names of stages whose IR `stages` shall hold; see Engine::stageNames().
    std::vector<std::string> dumpStages = {};
    Lowering lowering = Lowering::Loops;
  };

  /// Runs the function. The inputs must match its argument types.
  Expected<std::vector<Array>> run(std::span<const Tensor> inputs) const;

  /// How many tensors it takes, and returns.
  size_t argumentCount() const;
  size_t resultCount() const;
  /// The text of the IR after the stages asked for, in pipeline order.
  const std::vector<std::pair<std::string, std::string>> &stages() const;
  const std::string &entry() const;
  double lowerMilliseconds() const;
  double codegenMilliseconds() const;

  struct State;
  explicit Program(std::shared_ptr<State> state) : state(std::move(state)) {}

private:
  std::shared_ptr<State> state;
};

struct TuningOptions;
struct TuningResult;
struct TuningWatch;

class Engine {
public:
  static Expected<std::shared_ptr<Engine>> create(const EngineOptions &options = {});
  ~Engine();
  Engine(const Engine &) = delete;
  Engine &operator=(const Engine &) = delete;

  /// Statistics of `x` for every index of the `kept` axes: ascending, each in
  /// [0, rank). The bits depend on the data alone, not on the threads.
  Expected<Statistics> moments(const Tensor &x, std::span<const int64_t> kept,
                               const MomentsOptions &options = {}, const CallWatch &watch = {});

  /// The statistics of several tensors taken as one data set, cut along axis 0;
  /// the tensors agree in everything but their extent of axis 0. (One call for
  /// many small batches.)
  Expected<Statistics> moments(std::span<const Tensor> batches, std::span<const int64_t> kept,
                               const MomentsOptions &options = {}, const CallWatch &watch = {});

  /// y = (x - center) * scale + shift, computed in `compute` (F32 or F64). `y`
  /// has x's shape, a floating dtype, and is either x itself (same memory, dtype
  /// and strides) or does not overlap it.
  Expected<void> affine(const Tensor &x, std::span<const int64_t> kept,
                        const Coefficients &coefficients, DType compute, const Tensor &y);

  /// affine() in two steps, for calls that are repeated: the plan runs on all tensors
  /// with the dtype, shape and strides of these. The coefficients are copied.
  Expected<AffinePlan> planAffine(const Tensor &x, std::span<const int64_t> kept,
                                  const Coefficients &coefficients, DType compute, const Tensor &y);

  /// Statistics of `x`, coefficients made of them, and the map into `y`, in blocks of
  /// kept indices whose data stays in the cache between the two reads where the
  /// shape allows it. `coefficients` is called once for every kept index range,
  /// possibly from several threads: with the flat range [begin, end) and `statistics`, of
  /// which only those of the range are there yet, it returns the range's coefficients, of
  /// shape (end - begin). Returns the statistics of all. As with the two calls one by one,
  /// the bits do not depend on the threads. Coefficients of another shape are an error that
  /// may leave a part of `y` written. The vectors of `memory`, of any size, may become those of the
  /// result: threads find what they wrote to before in their caches.
  using MakeCoefficients =
      std::function<Coefficients(int64_t begin, int64_t end, const Statistics &statistics)>;
  Expected<Statistics> momentsThenAffine(const Tensor &x, std::span<const int64_t> kept,
                                         const MomentsOptions &options,
                                         const MakeCoefficients &coefficients, DType compute,
                                         const Tensor &y, Statistics memory = {});

  /// sum(dy) and sum(dy * (x - center)) for every kept index; `center` has one value
  /// for each. `dy` is of a float type and x's shape. Where the mask or weights of
  /// `options` leave an element out whose data is not finite, it takes no part in the
  /// sums; otherwise they are not looked at, and neither is the NaN policy.
  Expected<GradientSums> gradientSums(const Tensor &x, const Tensor &dy,
                                      std::span<const int64_t> kept, std::span<const double> center,
                                      const MomentsOptions &options = {});

  /// dx = dy * scale + ((x - center) * slope + offset) * w, computed in `compute` (F32 or
  /// F64), w the product of the mask (0 or 1) and weights of `options`; where it is 0
  /// the second term is, too. `dx` has x's shape, a floating dtype, and is x itself,
  /// dy itself (same memory, dtype and strides) or overlaps neither.
  Expected<void> gradientMap(const Tensor &x, const Tensor &dy, std::span<const int64_t> kept,
                             const GradientCoefficients &coefficients, DType compute,
                             const Tensor &dx, const MomentsOptions &options = {});

  /// Both, with coefficients made of the sums, in blocks of kept indices whose data stays
  /// in the cache between the two where the shape allows it. `coefficients` is called once
  /// for every kept index range, possibly from several threads: with the flat range
  /// [begin, end) and `sums`, of which only those of the range are there yet, it returns
  /// the range's coefficients, of shape (end - begin). Returns the sums of all. The bits
  /// do not depend on the threads. Coefficients of another shape are an error that may
  /// leave a part of `dx` written.
  using MakeGradientCoefficients =
      std::function<GradientCoefficients(int64_t begin, int64_t end, const GradientSums &sums)>;
  Expected<GradientSums> gradientSumsThenMap(const Tensor &x, const Tensor &dy,
                                             std::span<const int64_t> kept,
                                             std::span<const double> center,
                                             const MomentsOptions &options,
                                             const MakeGradientCoefficients &coefficients,
                                             DType compute, const Tensor &dx);

  /// The kernel that the call of the same arguments runs, compiled now, not at the
  /// first call: for warming up, and for looking at what was chosen. Data without
  /// elements needs no kernel and is an error.
  Expected<Kernel> momentsKernel(const Tensor &x, std::span<const int64_t> kept,
                                 const MomentsOptions &options = {});
  Expected<Kernel> affineKernel(const Tensor &x, std::span<const int64_t> kept,
                                const Coefficients &coefficients, DType compute, const Tensor &y);

  /// Compiles a function of an MLIR module in text form.
  Expected<Program> compile(std::string_view source, const Program::Options &options);

  /// Measures other schedules of a kernel than that of the rules, on this machine and with the
  /// threads of this engine, and keeps the best one in the cache for later engines, if it is
  /// faster for certain; else the rules have it again. `spec` is what the kernel's key begins
  /// with ("affine;RK[?x13];f32;coefficients=cs"); see norma/Runtime/Tuning.h and docs/tuning.md.
  /// It takes seconds, and should have the machine to itself.
  Expected<TuningResult> tune(std::string_view spec, const TuningOptions &options,
                              const TuningWatch &watch);
  /// Has later engines use this schedule for a kernel, without measuring: that which tune() found
  /// on a machine like this one, say. `schedule` is as in KernelInfo; what is no schedule of the
  /// kernel is an error. Returns the file that holds it.
  Expected<std::string> useSchedule(std::string_view spec, std::string_view schedule);
  /// Gives a kernel back to the rules; whether it had another schedule.
  Expected<bool> forgetTuning(std::string_view spec);

  /// Waits until nothing is left to compile in the background: every kernel asked for
  /// so far runs its best code. Without it the end of the engine gives up on those that
  /// have not been begun.
  void finishCompiling();

  /// The stages of the pipeline, in order; see docs/architecture.md.
  static std::vector<std::string> stageNames();

  /// The kernels in memory, in order of their first use.
  std::vector<KernelInfo> kernels() const;
  EngineStats stats() const;

  int threads() const;
  /// The processor kernels are compiled for.
  const std::string &targetCpu() const;
  /// The directory compiled kernels are kept in; empty when there is none.
  const std::string &cacheDirectory() const;

private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
  friend class Program;
  friend State &stateOf(Engine &engine);
};

} // namespace norma

#endif // NORMA_RUNTIME_ENGINE_H
