//===- MapRules.h - What the rules of maps share ----------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_TRANSFORMS_MAPRULES_H
#define NORMA_TRANSFORMS_MAPRULES_H

#include "ScheduleForm.h"

#include "norma/Transforms/ScheduleRules.h"

#include <optional>

namespace norma {

/// Beside so many vectors what is left over of a row, or a head up to an aligned address, is
/// little.
inline constexpr int64_t kManyVectors = 16;

/// Parts of the data that are read side by side: processors look ahead in each.
inline constexpr int64_t kStreams = 4;

/// What the rules know of a map.
struct Map {
  /// Vectors need a unit innermost stride of every one.
  mlir::OperandRange operands;
  /// The tensors of the data's shape: data first, the result last.
  llvm::SmallVector<mlir::Value, 3> tensors;
  mlir::Value mask, weights;
  ScheduleForm form;
  mlir::Type compute;
  int64_t coefficients;
  /// As many vectors of a line may have their coefficients in registers.
  int64_t inRegisters;
  const TargetDescription &target;
  MapUse use;

  /// Of an element of the data.
  int64_t bytes() const { return bytesOf(tensors.front()); }
  int64_t computeBytes() const { return compute.getIntOrFloatBitWidth() / 8; }
  mlir::Value result() const { return tensors.back(); }
  bool isContiguous() const { return llvm::all_of(tensors, norma::isContiguous); }
  /// Whether it is a block of kept indices of larger tensors, beside which the next one lies.
  bool isBlock() const { return !isContiguous() && haveDenseRows(tensors); }
  /// What a row has of all tensors.
  int64_t rowBytes() const {
    int64_t bytes = 0;
    for (mlir::Value tensor : tensors)
      bytes += form.row() * bytesOf(tensor);
    return bytes;
  }
  /// Of a row that is innermost, or of a run.
  int64_t innermost() const { return form.extents.empty() ? 1 : form.extents.back(); }
  /// Whether vectors are so short that to load coefficients for each takes longer than data comes
  /// from a cache, unless rows share them. Where results are rounded, that takes longer still, but
  /// for the shortest.
  bool isBoundByLoads() const {
    const int64_t most = bytesOf(result()) < computeBytes() ? 128 : 256;
    return target.vectorBits <= most && coefficients > 0;
  }
  /// Whether the coefficients of a row leave little room for data in the first level, which drives
  /// them out before the next row.
  bool crowdsFirstLevel() const {
    return form.row() * coefficients * computeBytes() > target.l1Bytes / 8 * 5;
  }
};

/// A walk by lines over which coefficients repeat.
struct MapLines {
  /// Elements of a line.
  int64_t line;
  /// Vectors of an iteration, in each of so many lines.
  int64_t unroll, abreast = 1;
};

/// Lines, where they are better than rows or runs. `unroll` vectors are usual in an iteration.
std::optional<MapLines> chooseLines(const Map &map, int64_t vector, int64_t unroll);

} // namespace norma

#endif // NORMA_TRANSFORMS_MAPRULES_H
