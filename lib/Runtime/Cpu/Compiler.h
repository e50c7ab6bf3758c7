//===- Compiler.h - MLIR in, object bytes out -------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs the stages of the pipeline on a module and compiles what comes out. Bytes
// leave this room, not LLVM objects.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_COMPILER_H
#define NORMA_RUNTIME_CPU_COMPILER_H

#include "../KernelSpec.h"
#include "Target.h"

#include "norma/Runtime/Engine.h"

#include <mutex>
#include <string_view>
#include <vector>

namespace norma {

/// The function every object exports: `void norma_entry(void **arguments)`, each
/// argument a pointer to a memref descriptor. Its name carries the kernel's.
struct CompiledObject {
  std::string object;
  std::string symbol;
  double lowerMilliseconds = 0, codegenMilliseconds = 0;
};

/// A kernel of which everything is decided that its results depend on: what is left is
/// to generate code, which needs no compiler and no lock.
class LoweredKernel {
public:
  struct State;
  explicit LoweredKernel(std::unique_ptr<State> state);
  LoweredKernel(LoweredKernel &&) noexcept;
  LoweredKernel &operator=(LoweredKernel &&) noexcept;
  ~LoweredKernel();

  /// The schedule, as it stands in the IR, and its parallel block.
  const std::string &schedule() const;
  int64_t block() const;

  /// The best code comes last: nothing is left to generate other code from.
  Expected<CompiledObject> generate(KernelTier tier);

private:
  std::unique_ptr<State> state;
};

/// One argument or result of a program.
struct ProgramValue {
  DType dtype;
  /// kDynamic where any extent goes.
  Dims shape;
};

struct CompiledProgramObject {
  CompiledObject compiled;
  std::string entry;
  std::vector<ProgramValue> arguments, results;
  std::vector<std::pair<std::string, std::string>> stages;
};

/// Schedules, as text, that differ in one thing.
struct ScheduleAlternatives {
  /// "unroll", "line": what they differ in.
  std::string choice;
  std::vector<std::string> schedules;
};

class Compiler {
public:
  explicit Compiler(std::shared_ptr<const CpuTarget> target);
  ~Compiler();

  /// With a schedule given as text ("#norma.schedule<rows, vector = 8, unroll = 2>"), or that of
  /// the rules where it is empty. InvalidArgument where the kernel cannot have it.
  Expected<LoweredKernel> lowerKernel(const KernelSpec &spec, std::string_view schedule = {});
  /// The schedules beside one of a tunable kernel: for everything that it chooses those with
  /// another choice. Not all of them can be lowered.
  Expected<std::vector<ScheduleAlternatives>> schedulesBeside(const KernelSpec &spec,
                                                              std::string_view schedule);
  Expected<CompiledProgramObject> compileProgram(std::string_view source,
                                                 const Program::Options &program);

private:
  struct State;
  std::unique_ptr<State> state;
  /// MLIR contexts are not for several threads that change them.
  std::mutex mutex;
};

/// The names of all stages, including those after the LLVM dialect.
std::vector<std::string> allStageNames();

} // namespace norma

#endif // NORMA_RUNTIME_CPU_COMPILER_H
