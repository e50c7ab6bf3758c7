//===- Passes.h - Tensor to tensor passes -----------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_TRANSFORMS_PASSES_H
#define NORMA_TRANSFORMS_PASSES_H

#include "mlir/Pass/Pass.h"

namespace mlir {
class RewritePatternSet;
} // namespace mlir

namespace norma {

#define GEN_PASS_DECL
#include "norma/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "norma/Transforms/Passes.h.inc"

/// The patterns of norma-decompose.
void populateDecomposePatterns(mlir::RewritePatternSet &patterns);
/// The patterns of norma-collapse-axes.
void populateCollapseAxesPatterns(mlir::RewritePatternSet &patterns);

} // namespace norma

#endif // NORMA_TRANSFORMS_PASSES_H
