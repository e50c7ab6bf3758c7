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

#include "norma/Dialect/Norma.h"

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

/// An operand and the name its errors give it; a value that is absent has no errors.
using NamedValue = std::pair<llvm::StringRef, mlir::Value>;

/// verifyKeptShape of all `values`.
mlir::LogicalResult verifyKeptShapes(EmitError emit, llvm::ArrayRef<NamedValue> values,
                                     mlir::ShapedType data, llvm::ArrayRef<int64_t> kept);

/// verifyBroadcast of all `values`.
mlir::LogicalResult verifyBroadcasts(EmitError emit, llvm::ArrayRef<NamedValue> values,
                                     mlir::ShapedType data);

/// Only integers can be unsigned.
mlir::LogicalResult verifyUnsigned(EmitError emit, bool isUnsigned, mlir::ShapedType data);

/// The type of a result: the shape of `data`, the element type `to`, without it `own` when
/// that is a float, else f32. Types are inferred before attributes are verified, so `to`
/// may be any type.
mlir::FailureOr<mlir::RankedTensorType> resultType(EmitError emit, mlir::RankedTensorType data,
                                                   mlir::Type own, mlir::TypeAttr to);

/// The type of a tensor with one value for every kept index of `data`.
mlir::RankedTensorType keptType(mlir::ShapedType data, llvm::ArrayRef<int64_t> kept,
                                mlir::Type element);

/// The type of f64 statistics of `data`: the kept extents, with the ghosts in front
/// where `virtualBatchSize` cuts the batch into ghosts. Their number is static where
/// it can be known.
mlir::RankedTensorType groupType(mlir::ShapedType data, llvm::ArrayRef<int64_t> kept,
                                 std::optional<int64_t> virtualBatchSize,
                                 GhostRemainderKind remainder);

/// The number of ghosts of a batch of `samples`, which is an index known at run time;
/// `remainder` is not `error`.
mlir::Value createGhostCount(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value samples,
                             int64_t size, GhostRemainderKind remainder);

/// The batch can be cut: axis 0 is there and reduced, and `size` divides it where
/// `remainder` wants that.
mlir::LogicalResult verifyGhosts(EmitError emit, mlir::ShapedType data,
                                 llvm::ArrayRef<int64_t> kept, int64_t size,
                                 GhostRemainderKind remainder);

/// Whether there are several axes, and the elements of every index of the outermost one, whose
/// number is known, lie together in row-major order.
bool hasDenseRows(mlir::MemRefType type);

/// Whether these rows, of samples, lie apart, as those of a block of kept indices do.
bool isBlockOfSamples(mlir::MemRefType type, llvm::ArrayRef<int64_t> kept);

/// Whether rows or runs of a kernel op can go side by side in the `streams` of a schedule.
bool allowsStreams(mlir::Operation *kernel, ScheduleAttr schedule);

/// The reduction that a scheduled map can go beside, step by step: the next op, if it is on memrefs
/// of the same shape and kept axes, by runs as the map is, and in the same vectors. What the map
/// writes past the caches must be whole vectors: others begin with a head, which a reduction does
/// not step over. Null where there is none.
mlir::Operation *reductionBeside(mlir::Operation *map);

/// The float type a formula is evaluated in when nobody says otherwise: f64 when
/// one of the types is, f32 in all other cases.
mlir::FloatType defaultComputeType(mlir::Type data, mlir::Type result);

} // namespace norma

#endif // NORMA_DIALECT_SHAPERULES_H
