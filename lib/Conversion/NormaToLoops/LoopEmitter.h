//===- LoopEmitter.h - Loops, vectors and conversions -----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The vocabulary the kernel lowerings are written in: loops over indices, walks
// along a contiguous axis in vectors with a masked tail, and loads and stores
// that convert between the type in memory and the type of the arithmetic.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_CONVERSION_NORMATOLOOPS_LOOPEMITTER_H
#define NORMA_CONVERSION_NORMATOLOOPS_LOOPEMITTER_H

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace norma {

class LoopEmitter : public mlir::ImplicitLocOpBuilder {
public:
  using Value = mlir::Value;
  using Values = llvm::SmallVector<mlir::Value>;

  /// Vectors have `width` elements. A width of one stands for scalar accesses,
  /// which may have any stride.
  LoopEmitter(mlir::Location loc, mlir::OpBuilder &builder, int64_t width)
      : ImplicitLocOpBuilder(loc, builder), width(width) {}

  int64_t width;
  /// Emits `body` with vectors of `lanes` elements.
  void withWidth(int64_t lanes, llvm::function_ref<void()> body);

  // Indices.

  Value index(int64_t value);
  /// The extent of an axis; a constant when it is static.
  Value extent(Value memref, int64_t axis);
  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  /// For a not negative and b positive.
  Value floorDiv(Value a, Value b);
  Value rem(Value a, Value b);
  Value min(Value a, Value b);
  Value less(Value a, Value b);
  /// The largest multiple of `step` that is not above `value`.
  Value roundDown(Value value, int64_t step);

  // Loops.

  void forEach(Value begin, Value end, int64_t step, llvm::function_ref<void(Value)> body);
  /// A loop that carries values from iteration to iteration.
  Values carry(Value begin, Value end, int64_t step, mlir::ValueRange initial,
               llvm::function_ref<Values(Value, mlir::ValueRange)> body);
  /// A nest over [0, extent) of every listed axis of `memref`, outermost first.
  /// `body` gets one index per axis of the memref, 0 for those not listed.
  void nest(Value memref, llvm::ArrayRef<int64_t> axes, llvm::function_ref<void(Values)> body);
  /// Emits `body`, whose loops go from their ends to their beginnings where `backwards`, an i1, is
  /// set; null is never. Those that carry values do not.
  void inDirection(Value backwards, llvm::function_ref<void()> body);
  /// How a walk ends where the extent is no whole vectors.
  enum class Tail {
    /// With a mask, which is null for whole vectors.
    Masked,
    /// Where the extent is known, and more than one element is left, with a vector that begins
    /// within the last whole one. The body gets both at once.
    Overlapping
  };
  /// [0, extent) in vectors: `unroll` at a time, then one at a time (what is left at once where
  /// the extent is known), then a tail. `body` gets the indices of all vectors of an iteration.
  void walk(Value extent, int64_t unroll, Tail tail,
            llvm::function_ref<void(llvm::ArrayRef<Value> indices, Value mask)> body);
  /// [begin, extent) one vector at a time in a single loop, with a mask where not all vectors
  /// are whole: half the code of a walk, for what runs seldom. `begin` is whole vectors.
  void walkMasked(Value begin, Value extent,
                  llvm::function_ref<void(Value index, Value mask)> body);
  /// The lanes of the vector at `index` before `extent`; null where all vectors are whole.
  Value maskOf(Value index, Value extent);
  void ifTrue(Value condition, llvm::function_ref<void()> body);
  void ifElse(Value condition, llvm::function_ref<void()> then, llvm::function_ref<void()> other);

  // Memory.

  /// A vector at `indices`, converted to `element`. Lanes off the mask hold zero.
  Value load(Value memref, mlir::ValueRange indices, mlir::Type element, bool isUnsigned = false,
             Value mask = {});
  /// The same for a single element, repeated in every lane.
  Value loadBroadcast(Value memref, mlir::ValueRange indices, mlir::Type element,
                      bool isUnsigned = false);
  /// The same from a memref that repeats along its axes of extent 1, at the indices
  /// of a memref of type `like`.
  Value loadRepeating(Value memref, mlir::MemRefType like, mlir::ValueRange indices,
                      mlir::Type element, bool isUnsigned = false, Value mask = {});
  /// Converts to the element type in memory and stores; lanes off the mask keep
  /// what memory holds.
  void store(Value vector, Value memref, mlir::ValueRange indices, Value mask = {},
             bool nontemporal = false);
  /// Asks for the cache line of an element, which need not be within the memref, in all caches or,
  /// where it is not wanted soon, in the second level.
  void prefetch(Value memref, mlir::ValueRange indices, bool soon);
  /// Whether all that is asked for so many elements `ahead`, in each of some streams, and not read
  /// yet, finds room in a first level.
  static bool isSoon(mlir::ValueRange memrefs, int64_t ahead, int64_t streams);
  Value loadScalar(Value memref, mlir::ValueRange indices);
  void storeScalar(Value value, Value memref, mlir::ValueRange indices);
  /// Scratch memory: on the stack of the enclosing function where it is static and
  /// small; else on the heap, given back by release().
  Value scratch(llvm::ArrayRef<Value> sizes, mlir::Type element);
  void release(Value scratch);
  /// All axes of a contiguous memref as one.
  Value flatten(Value memref);
  /// All axes but the outermost as one, where hasDenseRows().
  Value flattenRows(Value memref);

  // Arithmetic, on scalars and vectors alike.

  Value constant(double value, mlir::Type type);
  /// Of floats or integers.
  Value plus(Value a, Value b);
  Value addf(Value a, Value b);
  Value subf(Value a, Value b);
  Value mulf(Value a, Value b);
  Value divf(Value a, Value b);
  /// a * b + c, fused where the target can.
  Value fma(Value a, Value b, Value c);
  // The same for a sum: one that begins, from the constant 0, is just what is added. That differs
  // in the sign of a zero at most.
  Value addTo(Value sum, Value term);
  Value addProductTo(Value sum, Value a, Value b);
  /// NaN where a is; b is a number. a where both are zeros: as x86 has it.
  Value maxf(Value a, Value b);
  Value absf(Value a);
  Value select(Value condition, Value a, Value b);
  Value both(Value a, Value b);
  Value either(Value a, Value b);
  Value negate(Value condition);
  Value lessEqual(Value a, Value b);
  Value notNan(Value a);
  Value notZero(Value a);
  Value isFinite(Value a);
  /// One comparison, of integers, to which -0 is negative.
  Value isFiniteNonNegative(Value a);
  /// The lower half of the lanes plus the upper, of floats or integers.
  Value addHalves(Value vector);
  /// The sum of all lanes, as a tree; plus `start` where there is one.
  Value sumLanes(Value vector, Value start = {});
  /// The same in every lane.
  Value sumToEveryLane(Value vector);
  /// The sums of all lanes of as many vectors as one has lanes, in their order, as trees.
  Value sumLanesOfEach(Values vectors);
  Value anyLane(Value vector);
  /// The largest of the lanes on the mask; 0 when there is none, or it is not finite.
  Value largestLane(Value vector, Value mask);
  /// `value`, or 0 where it is not finite.
  Value finiteOrZero(Value value);
  Value broadcast(Value scalar);
  /// Between element types of scalars or vectors; integers only become wider. Floats to f16 and
  /// bf16 go through f32.
  Value convert(Value value, mlir::Type element, bool isUnsigned = false);
  Value indexToF64(Value index);

  mlir::VectorType vectorOf(mlir::Type element) { return mlir::VectorType::get({width}, element); }

private:
  /// See inDirection().
  Value isBackwards;
};

} // namespace norma

#endif // NORMA_CONVERSION_NORMATOLOOPS_LOOPEMITTER_H
