//===- NormaToLoops.cpp - Scheduled kernel ops to vector loops ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NormaToLoops.h"

#include "MapLoops.h"

#include "norma/Conversion/Passes.h"

#include "norma/Dialect/ShapeRules.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"

namespace norma {
#define GEN_PASS_DEF_CONVERTNORMATOLOOPSPASS
#include "norma/Conversion/Passes.h.inc"
} // namespace norma

using namespace mlir;
using namespace norma;

/// Runs with a line fill rows of whole vectors.
template <typename Op>
static LogicalResult checkFilledRows(Op op) {
  ScheduleAttr schedule = op.getScheduleAttr();
  auto data = cast<MemRefType>(op.getData().getType());
  auto isDense = [&](Value operand) {
    auto type = cast<MemRefType>(operand.getType());
    return type.getRank() < data.getRank() || hasDenseRows(type);
  };
  const int64_t vector = schedule.getVector();
  bool fits = data.getRank() == 3 && op.getKept() == ArrayRef<int64_t>{1} &&
              llvm::all_of(op->getOperands(), isDense);
  if (fits) {
    const int64_t inner = data.getDimSize(2);
    fits = inner > vector && inner % vector != 0 && schedule.getLine() % inner == 0 &&
           schedule.getLine() / inner == data.getDimSize(1);
  }
  if constexpr (!std::is_same_v<Op, AffineOp>)
    fits = fits && !op.getMask() && !op.getWeights();
  if constexpr (std::is_same_v<Op, AffineOp> || std::is_same_v<Op, GradMapOp>)
    fits = fits && schedule.getInterleave();
  else
    fits = fits && data.getDimSize(2) / vector < std::max<int64_t>(schedule.getGroup(), 1);
  if (fits)
    return success();
  return op.emitOpError("schedule: runs with a line need RKR of dense rows of so many elements, "
                        "and runs that are longer than a vector, not whole vectors and not longer "
                        "than a group; no mask and no weights; and maps to interleave");
}

/// What the lowerings rely on and no verifier can know: the op is on memrefs,
/// scheduled, and its buffers allow the schedule's accesses.
template <typename Op>
static LogicalResult checkLowerable(Op op) {
  auto dps = cast<DestinationStyleOpInterface>(op.getOperation());
  if (!dps.hasPureBufferSemantics())
    return op.emitOpError("is on tensors; bufferize before convert-norma-to-loops");
  ScheduleAttr schedule = op.getScheduleAttr();
  if (!schedule)
    return op.emitOpError("has no schedule; run norma-schedule before convert-norma-to-loops");
  auto data = cast<MemRefType>(op.getData().getType());
  bool rowsAreApart = false;
  if (schedule.getVector() > 1 && data.getRank() == 0)
    return op.emitOpError("schedule: vector = ")
           << schedule.getVector() << " on a scalar; expected vector = 1";
  for (Value operand : op->getOperands()) {
    auto type = cast<MemRefType>(operand.getType());
    if (schedule.getVector() > 1 && type.getRank() > 0 && !type.isLastDimUnitStride())
      return op.emitOpError("schedule: vector = ")
             << schedule.getVector() << " needs a unit innermost stride, " << type
             << " has another; expected vector = 1";
    if (schedule.getVector() > 1 && type.getElementType().isInteger(1))
      return op.emitOpError("schedule: i1 is loaded bit-packed in vectors; expected vector = 1");
    if (schedule.getTraversal() != Traversal::Flat || type.getLayout().isIdentity())
      continue;
    if (type.getShape() != data.getShape() || !hasDenseRows(type))
      return op.emitOpError("schedule: flat needs contiguous buffers or dense rows, ")
             << type << " has neither";
    rowsAreApart = true;
  }
  if (schedule.getAccumulate() && schedule.getAccumulate().isInteger(32)) {
    bool exact = false;
    if constexpr (std::is_same_v<Op, MomentsOp>)
      exact = data.getElementType().isInteger(8) && !op.getWeights();
    if (!exact)
      return op.emitOpError(
          "schedule: accumulate = i32 is for moments of 8-bit integers without weights");
  }
  if (schedule.getTraversal() == Traversal::Runs && schedule.getLine() > 0)
    return checkFilledRows(op);
  if (!allowsStreams(op, schedule))
    return op.emitOpError("schedule: streams = ")
           << schedule.getStreams()
           << " needs, in maps, rows or runs, two axes and two vectors at least in one; in "
              "reductions by rows or lines, reduced rows and a group that is as many of each; by "
              "runs of a block of kept indices, as many of the unroll vectors for each stream and "
              "runs that are a multiple of these";
  if (schedule.getTraversal() == Traversal::Flat) {
    if constexpr (!std::is_same_v<Op, AffineOp>)
      if (op.getMask() || op.getWeights())
        return op.emitOpError("schedule: flat takes no mask and no weights");
    int64_t row = 1;
    for (int64_t extent : data.getShape().drop_front(data.getRank() ? 1 : 0))
      if (ShapedType::isDynamic(extent) || llvm::MulOverflow(row, extent, row))
        row = 0;
    if (op.getKept().empty())
      row = 1;
    bool form = data.getRank() >= 1 && data.getRank() <= 3 && op.getKept().size() <= 1 &&
                (op.getKept().empty() ? data.getRank() == 1 : op.getKept()[0] == 1);
    // Rows that lie apart are lines of whole kept indices; those of maps may be so anyway.
    const int64_t line = schedule.getLine();
    const int64_t inner = data.getRank() == 3 ? data.getDimSize(2) : 1;
    constexpr bool isMap = std::is_same_v<Op, AffineOp> || std::is_same_v<Op, GradMapOp>;
    const bool isPart = row > 0 && row % line == 0 && line % inner == 0;
    const bool fits = row > 0 && (rowsAreApart ? isPart : line % row == 0 || (isMap && isPart));
    if (!form || !fits)
      return op.emitOpError("schedule: flat needs an axis form R, RK or RKR whose static row ")
             << (rowsAreApart ? "lies apart and is lines of whole kept indices, line = "
                 : isMap      ? "divides line or is lines of whole kept indices, line = "
                              : "divides line = ")
             << line;
  }
  return success();
}

static LogicalResult checkKernel(Operation *kernel) {
  return TypeSwitch<Operation *, LogicalResult>(kernel)
      .Case<AffineOp, GradMapOp>([](auto map) {
        if (failed(checkLowerable(map)))
          return failure();
        if (map.getScheduleAttr().getInterleave() && !reductionBeside(map))
          return LogicalResult(map.emitOpError(
              "schedule: interleave needs a reduction as the next op, by runs in the "
              "same vectors and without streams of kept indices, of data of the same shape "
              "and kept axes"));
        return success();
      })
      .Case<MomentsOp, GradSumsOp>([](auto reduction) { return checkLowerable(reduction); });
}

/// Whether the loops of a reduction read more than two vectors of each of several rows: a long
/// body, of which the last loads would wait for the arithmetic of the first.
static bool gainsFromEarlyLoads(ScheduleAttr schedule) {
  return schedule.getStreams() > 1 && schedule.getUnroll() > 2 &&
         schedule.getTraversal() != Traversal::Runs;
}

namespace {

struct ConvertNormaToLoopsPass : norma::impl::ConvertNormaToLoopsPassBase<ConvertNormaToLoopsPass> {
  void runOnOperation() override {
    SmallVector<Operation *> kernels;
    getOperation()->walk([&](Operation *op) {
      if (isa<AffineOp, MomentsOp, GradSumsOp, GradMapOp>(op))
        kernels.push_back(op);
    });
    // All of them first: what is said of the next op holds while it is there.
    for (Operation *kernel : kernels)
      if (failed(checkKernel(kernel)))
        return signalPassFailure();
    IRRewriter rewriter(&getContext());
    // The map that waits for the reduction behind it.
    std::unique_ptr<MapLoops> beside;
    for (Operation *kernel : kernels) {
      rewriter.setInsertionPoint(kernel);
      TypeSwitch<Operation *>(kernel)
          .Case<AffineOp, GradMapOp>([&](auto map) {
            if (map.getScheduleAttr().getInterleave())
              beside = createMapLoops(map, rewriter);
            else
              emitLoops(map, rewriter);
          })
          .Case<MomentsOp, GradSumsOp>([&](auto reduction) {
            if (gainsFromEarlyLoads(reduction.getScheduleAttr()))
              if (auto function = kernel->getParentOfType<FunctionOpInterface>())
                function->setAttr(kLoadsEarlyAttr, rewriter.getUnitAttr());
            emitLoops(reduction, rewriter, beside.get());
            if (beside)
              beside->finish(rewriter.saveInsertionPoint());
            beside.reset();
          });
    }
    for (Operation *kernel : kernels)
      rewriter.eraseOp(kernel);
  }
};

} // namespace
