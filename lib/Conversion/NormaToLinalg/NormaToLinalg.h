//===- NormaToLinalg.h - What kernels as linalg share -----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_CONVERSION_NORMATOLINALG_H
#define NORMA_LIB_CONVERSION_NORMATOLINALG_H

#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"

namespace mlir {
class RewritePatternSet;
} // namespace mlir

namespace norma {

/// An element of any data type as the float type `to`.
mlir::Value toFloat(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value, mlir::FloatType to,
                    bool isUnsigned);

/// A result in the compute type as the element type of the output; f16 and bf16
/// go through f32.
mlir::Value toOutput(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value, mlir::FloatType to);

/// Whether an element of a mask, or a weight, is not 0.
mlir::Value isNotZero(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value);

/// Loops over the data, of which operands with one element for every kept index
/// see the kept ones only.
mlir::AffineMap keptMap(mlir::Builder &b, int64_t rank, llvm::ArrayRef<int64_t> kept);

/// An operand of the data's rank that repeats along its extents of 1. An extent
/// that is not static is the data's.
mlir::AffineMap broadcastMap(mlir::Builder &b, mlir::ShapedType operand, mlir::ShapedType data);

llvm::SmallVector<mlir::utils::IteratorType> reductionIterators(int64_t rank,
                                                                llvm::ArrayRef<int64_t> kept);

/// norma.grad_sums and norma.grad_map.
void populateGradToLinalgPatterns(mlir::RewritePatternSet &patterns);

} // namespace norma

#endif // NORMA_LIB_CONVERSION_NORMATOLINALG_H
