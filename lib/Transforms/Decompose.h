//===- Decompose.h - Parts of norma-decompose -------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_TRANSFORMS_DECOMPOSE_H
#define NORMA_LIB_TRANSFORMS_DECOMPOSE_H

namespace mlir {
class RewritePatternSet;
} // namespace mlir

namespace norma {

/// Inference.
void populateDecomposeBatchNormPatterns(mlir::RewritePatternSet &patterns);
void populateDecomposeBatchNormTrainingPatterns(mlir::RewritePatternSet &patterns);
void populateDecomposeBatchNormGradPatterns(mlir::RewritePatternSet &patterns);

} // namespace norma

#endif // NORMA_LIB_TRANSFORMS_DECOMPOSE_H
