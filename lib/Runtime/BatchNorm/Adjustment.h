//===- Adjustment.h - Scale and bias between normalization and gamma -*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An adjustment is no operand of a kernel: it is made part of the coefficients, which
// then belong to the indices of more axes, those that are kept and those that the
// adjustment varies along.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_BATCHNORM_ADJUSTMENT_H
#define NORMA_RUNTIME_BATCHNORM_ADJUSTMENT_H

#include "Groups.h"

#include "norma/Runtime/BatchNorm.h"

namespace norma {

/// Errors: an adjustment that is not of a float type, or that does not broadcast to the
/// data's shape from the right.
Expected<void> checkAdjustment(const BatchNormInputs &inputs, const Dims &shape);

/// The indices that the coefficients of a piece belong to, and their adjustment.
struct PieceAdjustment {
  /// Axes of the piece's view, and their extents: those of its groups where there is no
  /// adjustment.
  Dims kept, shape;
  /// Whether there is an adjustment. If not, the indices are the groups.
  bool present = false;
  /// The group of every index, counted from the first of the piece; of an adjustment.
  std::vector<int64_t> group;
  /// Values for every index; empty stands for 1 and 0.
  std::vector<double> scale, bias;

  /// `inputs` have been checked.
  PieceAdjustment(const BatchPiece &piece, const BatchNormInputs &inputs, const Tensor &x);

  int64_t groupOf(int64_t index) const { return present ? group[index] : index; }
  double scaleOf(int64_t index) const { return scale.empty() ? 1 : scale[index]; }
  double biasOf(int64_t index) const { return bias.empty() ? 0 : bias[index]; }

  /// Values per group, one for every index.
  std::vector<double> spread(std::span<const double> perGroup) const;
  /// The coefficients of the map of the piece; as batchNormCoefficients, but that
  /// `parameters` and forward.r and .d are per group, counted from `first`.
  Coefficients coefficients(const BatchNormForward &forward, int64_t first, const Dims &groupShape,
                            const BatchNormParameters &parameters, DType compute) const;
  /// The coefficients of a gradient's map, from those per group.
  GradientCoefficients adjusted(const GradientCoefficients &perGroup) const;
};

} // namespace norma

#endif // NORMA_RUNTIME_BATCHNORM_ADJUSTMENT_H
