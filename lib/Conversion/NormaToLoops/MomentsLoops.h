//===- MomentsLoops.h - The statistics kernel as loops ----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// How the statistics of a block are made (f32 data; n elements per kept index):
//
// 1. pivots    c = a value near the mean, from a few samples spread over the data.
// 2. totals    s1 = sum(x - c), s2 = sum((x - c)^2), in f32 within groups and in f64
//              beyond (ReductionLoops.h).
// 3. finish    mean = c + s1/n, m2 = s2 - s1^2/n.
//
// Step 3 loses digits by the factor 1 + (c - mean)^2/variance. The factor is
// known then: where it exceeds 5 (of up to 512 elements 3), or where squares may have left the
// range of f32, m2 is marked, and steps 2 and 3 are done again in f64 with c = mean (corrected
// two-pass; Chan, Golub, LeVeque 1983), by this op or another: see MomentsPart. So the
// common case reads the data once, and every case is accurate. A constant kept index
// has x - c = 0 and m2 = 0 exactly; so has one whose squares underflow, which is why
// zeros look as if theirs did. The caller of the first part can tell (see MomentsPart).
//
// 8-bit integers are summed as integers, without pivots: s1 and s2 are exact, and so is what
// step 3 makes of them first, sums around the rounded mean.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_CONVERSION_NORMATOLOOPS_MOMENTSLOOPS_H
#define NORMA_CONVERSION_NORMATOLOOPS_MOMENTSLOOPS_H

#include "ReductionLoops.h"

namespace norma {

/// The sums of a vector of kept indices, or of a run: of weights (null where every
/// element counts once), of deviations, of their squares.
struct Sums {
  mlir::Value weight, first, second;

  Values list() const { return weight ? Values{weight, first, second} : Values{first, second}; }
  static Sums of(mlir::ValueRange values) {
    return values.size() == 3 ? Sums{values[0], values[1], values[2]}
                              : Sums{{}, values[0], values[1]};
  }
};

/// An element of the data on its way into the sums. `valid` and `weight` are null
/// where every element counts once.
struct Element {
  mlir::Value x, valid, weight;
};

class MomentsLoops final : private ReductionLoops {
public:
  MomentsLoops(MomentsOp op, mlir::RewriterBase &rewriter, RunCompanion *beside)
      : ReductionLoops(op, rewriter), op(op), count(withAxis(op.getCount())),
        mean(withAxis(op.getMean())), m2(withAxis(op.getM2())),
        omitsNan(op.getNan() == NanHandling::Omit &&
                 mlir::isa<mlir::FloatType>(dataType.getElementType())),
        partial(mask || weights || omitsNan),
        sumsExactly(isa<mlir::IntegerType>(accumulate) && op.getPart() != MomentsPart::Exact) {
    keptLike = mean;
    companion = beside;
  }

  void emit();

private:
  // The steps, in the order they are described above.

  // MomentsPivots.cpp
  /// Pivots, and totals of zero.
  void emitPivots(mlir::Value pivots);
  void emitPivotOfRun(Values indices, mlir::Value pivots) override;
  struct Spread {
    mlir::Value step, further;
  };
  Spread spreadOf(mlir::Value extent, int64_t samples);
  mlir::Value wrapped(mlir::Value place, mlir::Value extent, int64_t samples);
  mlir::Value sampleAlong(mlir::Value extent, mlir::Value s, int64_t samples);
  Values samplePlace(mlir::Value s);
  Values vectorPlace(int64_t s, int64_t samples);
  mlir::Value samplePivot(Values indices, mlir::Value tail);
  int64_t lanesOfSample() const;
  bool samplesVectors() const;
  mlir::Value vectorPivot(Values indices);
  mlir::Value countedPivot(const Values &indices, mlir::Value tail);
  mlir::Value finished(mlir::Value pivot);

  // MomentsElements.cpp
  Element loadElement(const Place &place, mlir::Type type);
  Values addElements(const Place &place, mlir::Value pivot, mlir::ValueRange sums) override;

  // MomentsToLoops.cpp
  void emitKernel();
  void emitFast();
  void emitExact();
  mlir::Value anySuspect();
  /// `pivots` are null where there are none.
  void emitFinish(mlir::Value pivots, bool marks);
  mlir::Value perElement(mlir::Value sum, mlir::Value n);
  mlir::Value marked(mlir::Value n, mlir::Value counted, mlir::Value pivot, mlir::Value correction,
                     mlir::Value squares);

  MomentsOp op;
  /// The outputs, with one axis of extent 1 where no axis is kept.
  mlir::Value count, mean, m2;
  /// NaN elements are left out; elements may be left out, or weighted.
  bool omitsNan, partial;
  /// The sums are those of 8-bit integers and of their squares: i32 holds them within a group,
  /// and f64 beyond.
  bool sumsExactly;
  /// Elements per kept index, as index and as f64.
  mlir::Value elements, elementsF64;
};

} // namespace norma

#endif // NORMA_CONVERSION_NORMATOLOOPS_MOMENTSLOOPS_H
