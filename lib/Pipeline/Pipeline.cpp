//===- Pipeline.cpp - The ordered stages of the compiler ------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Pipeline/Pipeline.h"

#include "norma/Conversion/Passes.h"
#include "norma/Dialect/Norma.h"
#include "norma/Transforms/Passes.h"

#include "mlir/Conversion/BufferizationToMemRef/BufferizationToMemRef.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Pipelines/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace norma;

/// norma's layer and kernel ops on tensors, simplified.
static void buildCanonicalize(OpPassManager &pm, const PipelineOptions &) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

/// Kernel ops and linalg.generic on tensors.
static void buildDecompose(OpPassManager &pm, const PipelineOptions &) {
  pm.addPass(createDecomposePass());
  // Arithmetic on whole tensors, which bufferization does not take.
  pm.addPass(createConvertElementwiseToLinalgPass());
}

/// Kernel ops on memrefs, or none (linalg lowering); linalg on memrefs; bufferized
/// function boundaries, and every allocation freed.
static void buildBufferize(OpPassManager &pm, const PipelineOptions &options) {
  if (options.lowering == KernelLowering::Linalg)
    pm.addPass(createConvertNormaToLinalgPass());
  pm.addPass(bufferization::createEmptyTensorEliminationPass());
  bufferization::OneShotBufferizePassOptions bufferize;
  bufferize.bufferizeFunctionBoundaries = true;
  bufferize.functionBoundaryTypeConversion = bufferization::LayoutMapOption::IdentityLayoutMap;
  pm.addPass(bufferization::createOneShotBufferizePass(bufferize));
  bufferization::BufferDeallocationPipelineOptions deallocate;
  bufferization::buildBufferDeallocationPipeline(pm, deallocate);
  // Deallocation clones what is returned but not owned.
  pm.addPass(createConvertBufferizationToMemRefPass());
  pm.addPass(createCanonicalizerPass());
}

/// The same, every kernel op in axis form. After bufferization, since collapsing a
/// tensor on its way into a given buffer would cost a copy.
static void buildCollapseAxes(OpPassManager &pm, const PipelineOptions &) {
  pm.addPass(createCollapseAxesPass());
}

/// The same with a schedule on every kernel op.
static void buildSchedule(OpPassManager &pm, const PipelineOptions &options) {
  SchedulePassOptions schedule;
  schedule.streaming = options.streaming;
  schedule.interleave = options.interleave;
  schedule.ahead = options.ahead;
  pm.addPass(createSchedulePass(schedule));
}

/// scf, vector, memref, arith, math.
static void buildLoops(OpPassManager &pm, const PipelineOptions &options) {
  // First, while there are few ops: it looks at every one several times.
  pm.addNestedPass<func::FuncOp>(createConvertLinalgToLoopsPass());
  pm.addPass(createConvertNormaToLoopsPass());
  if (options.cleanUpLoops) {
    // There are no branches yet whose blocks could be simplified.
    pm.addPass(createCanonicalizerPass(
        GreedyRewriteConfig().setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled)));
    pm.addPass(createCSEPass());
  }
  pm.addPass(createLoopInvariantCodeMotionPass());
}

/// The LLVM dialect.
static void buildLlvm(OpPassManager &pm, const PipelineOptions &options) {
  // bf16 conversions as integer operations, exact for every number: processors
  // that have instructions for them take subnormal numbers for zero, and for the
  // others LLVM would call a library, element by element.
  if (!options.keepBfloats) {
    arith::ArithExpandOpsPassOptions expand;
    expand.includeBf16 = true;
    pm.addPass(arith::createArithExpandOpsPass(expand));
  }
  pm.addPass(createConvertLoopsToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}

ArrayRef<Stage> norma::cpuStages() {
  static const Stage stages[] = {
      {"canonicalize", "the input, simplified", buildCanonicalize},
      {"decompose", "kernel ops and linalg on tensors", buildDecompose},
      {"bufferize", "kernel ops and linalg on memrefs", buildBufferize},
      {"collapse-axes", "kernel ops in axis form", buildCollapseAxes},
      {"schedule", "a schedule on every kernel op", buildSchedule},
      {"loops", "scf, vector, memref, arith, math", buildLoops},
      {"llvm", "the LLVM dialect", buildLlvm},
  };
  return stages;
}

void norma::buildCpuPipeline(OpPassManager &pm, const PipelineOptions &options) {
  for (const Stage &stage : cpuStages())
    stage.build(pm, options);
}

void norma::registerPassesAndPipelines() {
  registerNormaTransformsPasses();
  registerNormaConversionPasses();
  PassPipelineRegistration<> cpu("norma-cpu",
                                 "norma ops to the LLVM dialect, as scheduled vector loops",
                                 [](OpPassManager &pm) { buildCpuPipeline(pm, {}); });
  PassPipelineRegistration<> linalg(
      "norma-cpu-linalg", "norma ops to the LLVM dialect, through linalg and scalar loops",
      [](OpPassManager &pm) { buildCpuPipeline(pm, {KernelLowering::Linalg, false}); });
}
