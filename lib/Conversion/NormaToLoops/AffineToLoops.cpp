//===- AffineToLoops.cpp - The map kernel as loops ------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LoopEmitter.h"
#include "NormaToLoops.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace norma;

namespace {

/// A value for each of center, scale and shift; null for those that are absent.
using Coefficients = std::array<Value, 3>;

class AffineLoops {
public:
  AffineLoops(AffineOp op, RewriterBase &rewriter)
      : op(op), schedule(op.getScheduleAttr()),
        e(op.getLoc(), rewriter, op.getScheduleAttr().getVector()), compute(op.getComputeType()),
        operands{op.getCenter(), op.getScale(), op.getShift()} {}

  void emit() {
    switch (schedule.getTraversal()) {
    case Traversal::Flat:
      flat();
      break;
    case Traversal::Rows:
      rows();
      break;
    case Traversal::Runs:
      runs();
      break;
    }
    // Non-temporal stores are not ordered with those that tell other threads that
    // the output is there.
    if (schedule.getNontemporal())
      LLVM::FenceOp::create(e, LLVM::AtomicOrdering::seq_cst, StringRef());
  }

private:
  /// y[indices] = (x[indices] - center) * scale + shift for one vector.
  void element(Value x, Value y, ValueRange indices, const Coefficients &c, Value mask) {
    Value v = e.load(x, indices, compute, op.getUnsignedData(), mask);
    auto [center, scale, shift] = c;
    if (center)
      v = e.subf(v, center);
    if (scale && shift)
      v = e.fma(v, scale, shift);
    else if (scale)
      v = e.mulf(v, scale);
    else if (shift)
      v = e.addf(v, shift);
    e.store(v, y, indices, mask, schedule.getNontemporal() && !mask);
  }

  template <typename F>
  Coefficients eachCoefficient(const Coefficients &from, F make) {
    Coefficients result;
    for (int i = 0; i < 3; ++i)
      if (from[i])
        result[i] = make(from[i]);
    return result;
  }

  Coefficients loadVectors(const Coefficients &from, ValueRange indices, Value mask) {
    return eachCoefficient(
        from, [&](Value memref) { return e.load(memref, indices, compute, false, mask); });
  }

  SmallVector<Value> keptOf(ValueRange indices) {
    SmallVector<Value> result;
    for (int64_t axis : op.getKept())
      result.push_back(indices[axis]);
    return result;
  }

  /// Whatever the rows are, the flat array is a sequence of lines over which the
  /// coefficients repeat: they are written out for one line, once.
  void flat() {
    Value x = e.flatten(op.getData()), y = e.flatten(op.getOut());
    int64_t line = schedule.getLine(), vectors = line / e.width;
    Coefficients lines = eachCoefficient(operands, [&](Value memref) { return expand(memref); });

    Value total = e.extent(x, 0);
    Value whole = e.roundDown(total, line);
    if (vectors <= schedule.getUnroll()) {
      // The line is short: its coefficients stay in registers.
      SmallVector<Coefficients> registers;
      for (int64_t v = 0; v < vectors; ++v)
        registers.push_back(loadVectors(lines, e.index(v * e.width), {}));
      e.forEach(e.index(0), whole, line, [&](Value base) {
        for (int64_t v = 0; v < vectors; ++v)
          element(x, y, e.add(base, e.index(v * e.width)), registers[v], {});
      });
    } else {
      e.forEach(e.index(0), whole, line, [&](Value base) {
        e.walk(e.index(line), schedule.getUnroll(), [&](Value i, Value mask) {
          element(x, y, e.add(base, i), loadVectors(lines, i, mask), mask);
        });
      });
    }
    e.walk(e.sub(total, whole), 1, [&](Value i, Value mask) {
      element(x, y, e.add(whole, i), loadVectors(lines, i, mask), mask);
    });
  }

  /// One line of a coefficient: element i belongs to kept index (i / inner) % C.
  Value expand(Value memref) {
    auto shape = cast<MemRefType>(op.getData().getType()).getShape();
    bool scalar = op.getKept().empty();
    int64_t features = scalar ? 1 : shape[1];
    int64_t inner = shape.size() > 2 ? shape[2] : 1;
    int64_t row = features * inner;
    Value buffer = e.scratch({e.index(schedule.getLine())}, compute);
    e.forEach(e.index(0), e.index(features), 1, [&](Value k) {
      Value value = e.loadScalar(memref, scalar ? ValueRange() : ValueRange(k));
      e.forEach(e.index(0), e.index(schedule.getLine()), row, [&](Value start) {
        Value first = e.add(start, e.mul(k, e.index(inner)));
        e.forEach(e.index(0), e.index(inner), 1,
                  [&](Value i) { e.storeScalar(value, buffer, e.add(first, i)); });
      });
    });
    return buffer;
  }

  /// The innermost axis is kept: coefficients are vectors along it.
  void rows() {
    int64_t rank = cast<MemRefType>(op.getData().getType()).getRank();
    auto outer = llvm::to_vector(llvm::seq<int64_t>(0, rank - 1));
    e.nest(op.getData(), outer, [&](SmallVector<Value> indices) {
      e.walk(e.extent(op.getData(), rank - 1), schedule.getUnroll(), [&](Value i, Value mask) {
        indices.back() = i;
        element(op.getData(), op.getOut(), indices, loadVectors(operands, keptOf(indices), mask),
                mask);
      });
    });
  }

  /// The innermost axis is reduced: one kept index, and so one coefficient, for a
  /// whole run.
  void runs() {
    int64_t rank = cast<MemRefType>(op.getData().getType()).getRank();
    auto outer = llvm::to_vector(llvm::seq<int64_t>(0, std::max<int64_t>(rank - 1, 0)));
    e.nest(op.getData(), outer, [&](SmallVector<Value> indices) {
      Coefficients c = eachCoefficient(operands, [&](Value memref) {
        return e.loadBroadcast(memref, keptOf(indices), compute);
      });
      if (rank == 0)
        return element(op.getData(), op.getOut(), {}, c, {});
      e.walk(e.extent(op.getData(), rank - 1), schedule.getUnroll(), [&](Value i, Value mask) {
        indices.back() = i;
        element(op.getData(), op.getOut(), indices, c, mask);
      });
    });
  }

  AffineOp op;
  ScheduleAttr schedule;
  LoopEmitter e;
  Type compute;
  Coefficients operands;
};

} // namespace

void norma::emitAffineLoops(AffineOp op, RewriterBase &rewriter) {
  AffineLoops(op, rewriter).emit();
}
