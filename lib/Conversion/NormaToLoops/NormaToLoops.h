//===- NormaToLoops.h - Kernel lowerings, one per op ------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_CONVERSION_NORMATOLOOPS_NORMATOLOOPS_H
#define NORMA_CONVERSION_NORMATOLOOPS_NORMATOLOOPS_H

#include "RunCompanion.h"

#include "norma/Dialect/Norma.h"

#include "mlir/IR/PatternMatch.h"

#include <memory>

namespace norma {

class MapLoops;

/// Each writes the loops of a scheduled op on memrefs before the op, and leaves
/// the op to the caller to erase.
void emitLoops(AffineOp op, mlir::RewriterBase &rewriter);
void emitLoops(GradMapOp op, mlir::RewriterBase &rewriter);
/// With a companion the schedule is by runs.
void emitLoops(MomentsOp op, mlir::RewriterBase &rewriter, RunCompanion *companion = nullptr);
void emitLoops(GradSumsOp op, mlir::RewriterBase &rewriter, RunCompanion *companion = nullptr);

/// The loops of a map, to go beside a reduction. `rewriter` is where that begins.
std::unique_ptr<MapLoops> createMapLoops(AffineOp op, mlir::RewriterBase &rewriter);
std::unique_ptr<MapLoops> createMapLoops(GradMapOp op, mlir::RewriterBase &rewriter);

} // namespace norma

#endif // NORMA_CONVERSION_NORMATOLOOPS_NORMATOLOOPS_H
