//===- ReductionLoops.h - What reduction kernels share ----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sums over all elements of every kept index, of terms that are formed around a
// pivot: up to `group` vectors are summed in the accumulate type, groups are summed
// in f64, so no f32 sum is longer than a group. `unroll` vectors of a row or a run go
// abreast, each with sums of its own. The traversals are here; a kernel
// says what an element adds, and what becomes of the totals.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_CONVERSION_NORMATOLOOPS_REDUCTIONLOOPS_H
#define NORMA_CONVERSION_NORMATOLOOPS_REDUCTIONLOOPS_H

#include "LoopEmitter.h"
#include "RunCompanion.h"

#include "norma/Dialect/Norma.h"

#include "mlir/IR/PatternMatch.h"

namespace norma {

using Values = LoopEmitter::Values;

/// Where a vector of elements is: at `indices` of every input, in the lanes of `tail`
/// (all where it is null). Inputs are the operands of the data's shape, data first, or
/// with `lines` the same as flat arrays cut into lines.
struct Place {
  mlir::ValueRange inputs, indices;
  mlir::Value tail;
  bool lines = false;
};

class ReductionLoops {
protected:
  template <typename Op>
  ReductionLoops(Op op, mlir::RewriterBase &rewriter)
      : schedule(op.getScheduleAttr()), kept(op.getKept()),
        e(op.getLoc(), rewriter, schedule.getVector()), data(op.getData()),
        dataType(mlir::cast<mlir::MemRefType>(data.getType())), mask(op.getMask()),
        weights(op.getWeights()), keptRank(std::max<int64_t>(kept.size(), 1)), f64(e.getF64Type()),
        accumulate(schedule.getAccumulate() ? schedule.getAccumulate() : e.getF32Type()),
        wideLanes(
            std::max<int64_t>(schedule.getVector() * accumulate.getIntOrFloatBitWidth() / 64, 1)),
        group(schedule.getGroup() ? schedule.getGroup() : 32),
        fillsRows(schedule.getTraversal() == Traversal::Runs && schedule.getLine() > 0),
        inputs{data} {
    for (int64_t axis = 0; axis < dataType.getRank(); ++axis)
      if (!llvm::is_contained(kept, axis))
        reduced.push_back(axis);
  }
  ~ReductionLoops() = default;

  /// The sums with one more vector of elements, which is read at `place`. The type
  /// of the arithmetic is that of the sums. The pivot is null where there are none.
  virtual Values addElements(const Place &place, mlir::Value pivot, mlir::ValueRange sums) = 0;
  /// Makes the pivot of the run at `indices`, which is about to be read, where runsAreAlone().
  virtual void emitPivotOfRun(Values indices, mlir::Value pivots) {}

  /// Adds all elements to the totals, in the traversal of the schedule, and emits the companion
  /// beside. The pivots are a buffer over the kept indices, of any float type, or null: then the
  /// elements themselves are summed.
  void emitScheduledTotals(mlir::Value pivots);
  /// The same in f64 throughout, in little code.
  void emitWideTotals(mlir::Value pivots);

  /// Every kept index, in vectors of `lanes` along the innermost kept axis. The last of them begins
  /// early where it can, so that some go twice, or has a mask.
  void walkKept(int64_t lanes, llvm::function_ref<void(mlir::ValueRange, mlir::Value)> body,
                bool masksLast = false);
  /// Scratch memory over the kept indices, padded to whole vectors along the innermost: no
  /// access needs a mask.
  mlir::Value keptScratch(mlir::Type element);
  /// Makes a vector of every buffer zeros.
  void clear(mlir::ValueRange buffers, mlir::ValueRange indices);
  /// The kept index, as pivots and totals are indexed with it.
  Values keptOf(mlir::ValueRange indices);
  /// A buffer of one kept index with an axis of extent 1.
  mlir::Value withAxis(mlir::Value memref);
  /// Whether every kept index has one run, which the scheduled totals visit once.
  bool runsAreAlone() const {
    return schedule.getTraversal() == Traversal::Runs && !kept.empty() && reduced.size() == 1 &&
           !lastIsKept();
  }
  bool lastIsKept() const { return !kept.empty() && kept.back() == dataType.getRank() - 1; }

  ScheduleAttr schedule;
  llvm::ArrayRef<int64_t> kept;
  LoopEmitter e;
  mlir::Value data;
  mlir::MemRefType dataType;
  /// Null where there is none.
  mlir::Value mask, weights;
  /// Axes of pivots and totals: at least one.
  int64_t keptRank;
  mlir::Type f64, accumulate;
  /// As many f64 fill what a vector of sums fills: arithmetic beside the sums goes in these,
  /// for others would be taken apart.
  int64_t wideLanes;
  int64_t group;
  /// Runs fill rows of whole vectors, which are gone through as they are in memory.
  bool fillsRows;
  llvm::SmallVector<int64_t> reduced;
  /// All operands that are read element by element, data first.
  Values inputs;
  /// An output: a buffer over the kept indices.
  mlir::Value keptLike;
  /// One keptScratch() for every sum.
  Values totals;
  /// How far on that is, in elements; 0 where nothing is asked for.
  int64_t ahead = 0;
  /// Goes beside the scheduled sums; null for none.
  RunCompanion *companion = nullptr;

private:
  /// Whether what is emitted are the sums that the companion goes beside.
  bool accompanied = false;
  void enterRun(mlir::ValueRange indices) {
    if (accompanied)
      companion->enterRun(e.saveInsertionPoint(), indices);
  }
  void visit(mlir::ValueRange indices, mlir::Value tail) {
    if (accompanied)
      companion->visit(e.saveInsertionPoint(), indices, tail);
  }

  void emitFlatTotals(mlir::Value pivots);
  std::pair<int64_t, int64_t> featuresOfRow() const;
  int64_t periodOfLine() const;
  void eachOfPeriod(llvm::function_ref<void(mlir::Value first, mlir::Value k)> body);
  void beginPeriod(mlir::Value pivots,
                   llvm::function_ref<void(mlir::Value i, mlir::Value pivot)> begin);
  mlir::Value sumOfRun(mlir::Value array, mlir::Value first, mlir::Value start);
  void addLineToTotals(mlir::ValueRange lineTotals);
  /// What is walked by rows: the inputs, or the same cut into lines, with totals for every
  /// column.
  struct Rows {
    mlir::ValueRange views;
    bool lines, rowAxisReduced;
    llvm::function_ref<Values(mlir::ValueRange)> keptIndices;
    mlir::Value pivots;
    mlir::ValueRange totals;
  };
  mlir::Value columnsOf(const Rows &rows) {
    mlir::Value view = rows.views.front();
    return e.extent(view, mlir::cast<mlir::MemRefType>(view.getType()).getRank() - 1);
  }
  void emitRowTotals(const Rows &rows);
  mlir::Value rowScratch(mlir::Value columns, mlir::Type element);
  void emitRows(const Rows &rows, mlir::ValueRange rowSums);
  int64_t stepOfRow() const { return schedule.getUnroll() * schedule.getVector(); }
  bool overlaps(mlir::Value columns) const;
  void emitSteps(mlir::Value columns, llvm::function_ref<void(mlir::Value first, int64_t vectors,
                                                              mlir::Value tail, mlir::Value offset)>
                                          emitStep);
  mlir::Value offsetOf(mlir::Value i, mlir::Value columns);
  /// Rows [begin, end), or `begin` alone where there is no end, and those so far apart in the other
  /// streams.
  struct RowRange {
    mlir::Value begin, end, apart = {};
    int64_t streams = 1;
  };
  void addRowSums(const Rows &rows, Values indices, mlir::ValueRange rowSums, const RowRange &rest);
  void emitPlainRows(const Rows &rows, mlir::Type type);
  void emitPlainRows(const Rows &rows, Values indices, const RowRange &range, mlir::Type type);
  void eachStretch(const Rows &rows, llvm::function_ref<void(Values, mlir::Value)> body);
  void eachPiece(mlir::Value begin, mlir::Value end, int64_t most,
                 llvm::function_ref<void(mlir::Value, mlir::Value)> body);
  Values addColumn(const Rows &rows, llvm::MutableArrayRef<Values> at, mlir::Value tail,
                   const RowRange &range, mlir::Type type);
  void addToTotals(const Rows &rows, mlir::ValueRange k, llvm::ArrayRef<Values> sets);
  mlir::Value padded(mlir::Value extent);
  Rows rowsOfInputs(llvm::function_ref<Values(mlir::ValueRange)> keptIndices, mlir::Value pivots);

  // ReductionRuns.cpp
  /// How the vectors of a run are read: at `indices` of every input, but for the last.
  struct Run {
    mlir::ValueRange inputs;
    Values indices;
    mlir::Value pivot;
    /// As of Place.
    bool lines = false;
  };
  using Runs = llvm::ArrayRef<Run>;
  /// Those whose runs share a group, [begin, end) along an axis, or as many as there are streams
  /// where there is no end; none is given where the axis is negative.
  struct Samples {
    int64_t axis = -1;
    mlir::Value begin = {}, end = {};
  };
  /// The vectors that go abreast of a kept index, as many in each stream: where streams lie, so
  /// many samples and elements apart, and how many elements each has.
  struct Spread {
    mlir::Value samples, elements, length;
  };
  /// Kept indices [first, end) whose lanes are added up together: those of every sum, in a buffer
  /// (sum, kept index, lane) of the accumulate type.
  struct Strip {
    mlir::Value first, end, lanes;
  };
  void emitRuns(mlir::Value pivots);
  void emitWideRuns(mlir::Value pivots);
  Run enterRunAt(const Values &indices, mlir::Value pivots);
  llvm::SmallVector<Run> enterRunsAt(llvm::ArrayRef<Values> places, mlir::Value pivots);
  void forRunsAbreast(
      Values indices, mlir::Value first, mlir::Value end,
      llvm::function_ref<void(llvm::ArrayRef<Values> places, mlir::ValueRange isThere)> body);
  mlir::Value lengthOfRun();
  Values sumsOfShortRuns(llvm::ArrayRef<Values> places, mlir::Value pivots, const Samples &samples);
  Values sumsOfLongRuns(llvm::ArrayRef<Values> places, mlir::Value pivots);
  /// The axis that runs lie along, but for the innermost: that of a run's kept index, if any.
  int64_t runAxis() const { return dataType.getRank() - 2; }
  /// How many vectors a sum takes of a run along the innermost axis, where that is not
  /// longer than a group; else 0.
  int64_t vectorsOfShortRun() const;
  int64_t samplesOfGroup() const;
  mlir::Value lanesOfStrips(int64_t most);
  void forEachStrip(mlir::Value lanes, int64_t most, Values indices,
                    llvm::function_ref<void(const Strip &strip, Values indices)> body);
  void emitStrips(int64_t axis, int64_t most,
                  llvm::function_ref<void(const Strip &strip, Values indices)> body);
  Values lanesAt(const Strip &strip, size_t sum, mlir::Value k);
  void storeTo(const Strip &strip, mlir::Value k, mlir::ValueRange sums);
  mlir::Value sumLanesOf(const Strip &strip, mlir::Value sum, mlir::Value k);
  void addTo(const Strip &strip, mlir::Value k, mlir::ValueRange sums);
  void addStripToTotals(const Strip &strip, Values indices);
  Values enterRows();
  void addRow(const Strip &strip, mlir::ValueRange rows, mlir::Value sample, mlir::Value pivots);

  // ReductionSamples.cpp
  void emitSamplesAbreast(mlir::Value pivots);
  Values sumsOfSamples(const Run &run, const Spread &spread);

  /// Whether the rows of the data are dense and lie apart, as those of a block of kept indices do.
  bool isBlock() const;
  /// Where what is `ahead` of a vector lies.
  Values placeAhead(Values indices);
  /// Asks for what will be read when vector `v` of those abreast is this far on.
  void prefetch(mlir::ValueRange views, Values indices, int64_t v);

  // Sums come in sets, one for each of the vectors abreast; those of a run lie together.
  Values noSums(int64_t sets, mlir::Type type);
  mlir::ValueRange setOf(mlir::ValueRange sums, size_t set) const {
    return sums.slice(set * totals.size(), totals.size());
  }
  mlir::ValueRange sumsOf(mlir::ValueRange sums, size_t run, size_t runs) const {
    return sums.slice(run * (sums.size() / runs), sums.size() / runs);
  }
  /// The pivot of a kept index in every lane.
  mlir::Value pivotOfRun(mlir::Value pivots, mlir::ValueRange k, mlir::Type type);
  Values addVectors(Runs runs, mlir::Value begin, mlir::Value end, mlir::ValueRange sums,
                    mlir::Value part = {});
  Values addRest(Runs runs, mlir::Value begin, mlir::Value extent, mlir::ValueRange sums);
  Values added(mlir::ValueRange sums);
  Values joined(mlir::ValueRange sums);
  void addLanes(mlir::ValueRange sums, mlir::ValueRange k);
};

} // namespace norma

#endif // NORMA_CONVERSION_NORMATOLOOPS_REDUCTIONLOOPS_H
