//===- BatchAverages.h - What a batch does to the moving statistics -*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_TRANSFORMS_BATCHAVERAGES_H
#define NORMA_LIB_TRANSFORMS_BATCHAVERAGES_H

#include "Formula.h"

#include "norma/Dialect/Norma.h"

#include <utility>

namespace norma {

/// The statistics of groups come as three tensors, in this order.
enum GroupStatistic { Count, Mean, M2 };

/// What the groups of a kept index come to, f64.
struct BatchAverage {
  /// 0 where nothing was counted.
  mlir::Value counted;
  mlir::Value mean, variance;
  /// The variance that moves.
  mlir::Value movingVariance;
};

/// `groups` are those of the whole batch. Ghosts in which nothing was counted are
/// left out of the average.
BatchAverage averageGroups(mlir::OpBuilder &b, BatchNormTrainingOp op,
                           llvm::ArrayRef<mlir::Value> groups, bool haveGhosts);

/// The `count` sums of what `body` returns, over the ghosts in front.
llvm::SmallVector<mlir::Value> sumGhosts(mlir::OpBuilder &b, mlir::Location loc,
                                         mlir::ValueRange groups, unsigned count, FormulaBody body);

/// Renorm's r and d; 1 and 0 where nothing was counted.
std::pair<mlir::Value, mlir::Value> renormCorrections(mlir::OpBuilder &b, BatchNormTrainingOp op,
                                                      const BatchAverage &batch);

/// The moving statistics after the batch, then those of renorm.
llvm::SmallVector<mlir::Value> updatedStatistics(mlir::OpBuilder &b, BatchNormTrainingOp op,
                                                 const BatchAverage &batch);

} // namespace norma

#endif // NORMA_LIB_TRANSFORMS_BATCHAVERAGES_H
