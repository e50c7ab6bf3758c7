//===- Passes.h - Passes that leave the dialect -----------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_CONVERSION_PASSES_H
#define NORMA_CONVERSION_PASSES_H

#include "mlir/Pass/Pass.h"

namespace mlir {
class RewritePatternSet;
} // namespace mlir

namespace norma {

#define GEN_PASS_DECL
#include "norma/Conversion/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "norma/Conversion/Passes.h.inc"

/// What convert-norma-to-loops leaves on the function of a reduction that reads more than two
/// vectors of each of several rows: a code generator does well to load early in its loops.
inline constexpr llvm::StringLiteral kLoadsEarlyAttr = "norma.loads_early";

/// The patterns of convert-norma-to-linalg.
void populateNormaToLinalgPatterns(mlir::RewritePatternSet &patterns);

} // namespace norma

#endif // NORMA_CONVERSION_PASSES_H
