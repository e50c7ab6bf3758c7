//===- Pipeline.h - The ordered stages of the compiler ----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The compiler is a list of named stages, each a few passes. Running them one by
// one is what the runtime does, and how the IR of any stage can be dumped, timed
// or replaced; adding them all to one pass manager is what norma-opt does.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_PIPELINE_PIPELINE_H
#define NORMA_PIPELINE_PIPELINE_H

#include "mlir/Pass/PassManager.h"

namespace norma {

/// How kernel ops leave the dialect.
enum class KernelLowering {
  /// Scheduled vector loops.
  Loops,
  /// linalg on tensors and scalar loops: the executable specification.
  Linalg,
};

struct PipelineOptions {
  KernelLowering lowering = KernelLowering::Loops;
  /// See norma-schedule.
  bool streaming = false, interleave = false, ahead = false;
  /// Conversions of bf16 stay what they are, for a code generator that knows how the target
  /// does them exactly; else they become integer operations.
  bool keepBfloats = false;
  /// Loops are canonicalized and freed of common subexpressions. A code generator that does
  /// this itself needs a fraction of the time.
  bool cleanUpLoops = true;
};

struct Stage {
  llvm::StringRef name;
  /// What is alive after the stage.
  llvm::StringRef description;
  void (*build)(mlir::OpPassManager &, const PipelineOptions &);
};

/// From any IR that holds norma ops down to the LLVM dialect, in order.
llvm::ArrayRef<Stage> cpuStages();

/// All of cpuStages() after each other.
void buildCpuPipeline(mlir::OpPassManager &pm, const PipelineOptions &options);

/// The dialects that a program may use or the stages create, with the interface
/// models they need.
void registerPipelineDialects(mlir::DialectRegistry &registry);

/// norma's passes, and the pipelines norma-cpu and norma-cpu-linalg, for drivers
/// with a command line.
void registerPassesAndPipelines();

} // namespace norma

#endif // NORMA_PIPELINE_PIPELINE_H
