//===- PipelineCheck.h - The pipeline, with all its verifiers ---*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_FUZZ_PIPELINECHECK_H
#define NORMA_FUZZ_PIPELINECHECK_H

#include "norma/Pipeline/Pipeline.h"

#include "mlir/IR/BuiltinOps.h"

namespace norma::fuzz {

/// Runs the stages from the one named `first` on. Every pass must leave valid IR or
/// say why it cannot, and the last one nothing but the LLVM dialect. Whether the module got
/// that far.
bool lowers(mlir::ModuleOp module, llvm::StringRef first, const PipelineOptions &options);

} // namespace norma::fuzz

#endif // NORMA_FUZZ_PIPELINECHECK_H
