//===- CpuTarget.h - The processor, as LLVM sees it -------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_CPUTARGET_H
#define NORMA_RUNTIME_CPU_CPUTARGET_H

#include "CodeGenerator.h"
#include "Target.h"

#include "norma/Transforms/ScheduleRules.h"

namespace llvm {
class MCSubtargetInfo;
} // namespace llvm

namespace norma {

/// A processor: how LLVM names it, and what the schedule rules and the engine know of
/// it.
struct CpuTarget {
  std::string cpu;
  llvm::orc::JITTargetMachineBuilder machine;
  TargetDescription description;
  /// For the best code, and for code that is made fast.
  std::unique_ptr<CodeGeneratorPool> best = std::make_unique<CodeGeneratorPool>(),
                                     quick = std::make_unique<CodeGeneratorPool>();
};

/// Makes the names of all targets that norma knows known to LLVM, and this machine's backend
/// usable. Must precede every other use of targets.
void initializeLlvm();

/// Leaves out instructions that compute in f16: kernels compute in f32, and where LLVM knows
/// vectors of f16 it forgets to write them past the caches.
void leaveOutHalfArithmetic(CpuTarget &target);

/// The vectors that the features of a processor amount to. Of AArch64 these are NEON's:
/// kernels make no use of vectors whose length is not known.
void describeVectors(TargetDescription &description, const llvm::MCSubtargetInfo &info);

/// What schedules know of caches and reads; sizes that are not known keep their defaults.
void describeMemory(TargetDescription &description, const MemorySystem &memory);

} // namespace norma

#endif // NORMA_RUNTIME_CPU_CPUTARGET_H
