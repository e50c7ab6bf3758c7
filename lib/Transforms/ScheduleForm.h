//===- ScheduleForm.h - What schedule rules look at -------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_TRANSFORMS_SCHEDULEFORM_H
#define NORMA_TRANSFORMS_SCHEDULEFORM_H

#include "mlir/IR/BuiltinTypeInterfaces.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <string>

namespace norma {

/// The shape of the work, as the rules look at it.
struct ScheduleForm {
  std::string kinds;
  llvm::ArrayRef<int64_t> extents;

  ScheduleForm(mlir::ShapedType data, llvm::ArrayRef<int64_t> kept) : extents(data.getShape()) {
    for (int64_t axis = 0; axis < data.getRank(); ++axis)
      kinds.push_back(llvm::is_contained(kept, axis) ? 'K' : 'R');
  }

  bool innermostKept() const { return !kinds.empty() && kinds.back() == 'K'; }

  /// Elements of one index of the outermost axis; 0 when that is not known.
  int64_t row() const { return innerElements("KR"); }

  /// Of those, the elements of one kept index: all reduced extents but the
  /// outermost. 0 when that is not known.
  int64_t elementsPerKeptOfRow() const { return innerElements("R"); }

private:
  /// The product of the extents of these kinds, but for the outermost. What is not static
  /// is not known, nor what no memory holds: the rules may multiply by small numbers.
  int64_t innerElements(llvm::StringRef ofKinds) const {
    constexpr int64_t kMost = int64_t(1) << 48;
    int64_t product = 1;
    for (size_t axis = 1; axis < extents.size(); ++axis)
      if (ofKinds.contains(kinds[axis]) &&
          (mlir::ShapedType::isDynamic(extents[axis]) ||
           llvm::MulOverflow(product, extents[axis], product) || product > kMost))
        return 0;
    return product;
  }
};

/// Neighbouring elements of the innermost axis are neighbours in memory.
bool hasUnitInnerStride(mlir::Value value);
bool isContiguous(mlir::Value value);
/// Rows or runs that lie apart are whole vectors and, as far as is known, begin where a vector
/// does if the first of them does.
bool beginAtVectors(mlir::Value value, int64_t vector);
/// Whether all are known to have dense rows.
bool haveDenseRows(llvm::ArrayRef<mlir::Value> tensors);
/// Dense rows are whole vectors and, as far as is known, begin where a vector does if the first
/// of them does.
bool denseRowsBeginAtVectors(mlir::Value value, int64_t row, int64_t vector);
/// The elements of a row of RKR that is whole vectors, though its runs, which are longer than one,
/// are not; else 0.
int64_t rowOfRuns(const ScheduleForm &form, int64_t vector);
int64_t bytesOf(mlir::Value value);
/// Outermost extents that make about `bytes`. Blocks of any element type start
/// vector-aligned when the whole does: non-temporal stores rely on it.
int64_t blockOf(int64_t row, int64_t rowBytes, int64_t vector, int64_t bytes, int64_t atLeast);
/// Whether mask or weights allow vectors of elements.
bool allowsVectors(mlir::Value repeating);

} // namespace norma

#endif // NORMA_TRANSFORMS_SCHEDULEFORM_H
