//===- ConstantValues.h - Float constants as doubles ------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Coefficients of constant statistics are made in f64 and rounded once.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_DIALECT_CONSTANTVALUES_H
#define NORMA_LIB_DIALECT_CONSTANTVALUES_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

#include <optional>

namespace norma {

/// Whether a constant is worth computing with element by element. A splat of a few
/// characters may have more elements than there is memory.
bool hasFewElements(mlir::ShapedType type);

/// The elements of a constant float tensor that has few; nothing for an absent value or
/// any other.
std::optional<llvm::SmallVector<double>> constantElements(mlir::Value value);

/// The element of a constant float tensor of one element.
std::optional<double> constantScalar(mlir::Value value);

/// A constant tensor of `values`, rounded to the float type `element`.
mlir::Value createRoundedConstant(mlir::OpBuilder &builder, mlir::Location loc,
                                  llvm::ArrayRef<int64_t> shape, mlir::FloatType element,
                                  llvm::ArrayRef<double> values);

} // namespace norma

#endif // NORMA_LIB_DIALECT_CONSTANTVALUES_H
