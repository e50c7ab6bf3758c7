//===- ShapeRules.h - Shape rules shared by verifiers and builders *- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Free functions that take types, not ops, so that verifiers, builders, importers
// and the runtime apply one rule. `emit` reports; its messages name the offending
// axis or operand.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_DIALECT_SHAPERULES_H
#define NORMA_DIALECT_SHAPERULES_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Diagnostics.h"

namespace norma {

using EmitError = llvm::function_ref<mlir::InFlightDiagnostic()>;

/// `kept` is ascending, without repetition, and within the rank of `data`.
mlir::LogicalResult verifyKeptAxes(EmitError emit, llvm::ArrayRef<int64_t> kept,
                                   mlir::ShapedType data);

/// `type` has the extents of the kept axes of `data`, in axis order. A dynamic
/// extent agrees with any.
mlir::LogicalResult verifyKeptShape(EmitError emit, llvm::StringRef name, mlir::ShapedType type,
                                    mlir::ShapedType data, llvm::ArrayRef<int64_t> kept);

/// `type` has the rank of `data` and every extent is the data's or 1.
mlir::LogicalResult verifyBroadcast(EmitError emit, llvm::StringRef name, mlir::ShapedType type,
                                    mlir::ShapedType data);

/// `type` has the shape of `data`.
mlir::LogicalResult verifySameShape(EmitError emit, llvm::StringRef name, mlir::ShapedType type,
                                    mlir::ShapedType data);

/// The float type a formula is evaluated in when nobody says otherwise: f64 when
/// one of the types is, f32 in all other cases.
mlir::FloatType defaultComputeType(mlir::Type data, mlir::Type result);

} // namespace norma

#endif // NORMA_DIALECT_SHAPERULES_H
