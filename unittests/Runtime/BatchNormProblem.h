//===- BatchNormProblem.h - What a random op is given -----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_BATCHNORMPROBLEM_H
#define NORMA_UNITTESTS_RUNTIME_BATCHNORMPROBLEM_H

#include "BatchNormProgram.h"

#include "norma/Reference/BatchNorm.h"

namespace norma::test {

std::vector<Array> listOf(const Array &array);

/// Everything a batch normalization op may be given, drawn at random; what is absent
/// is empty.
class BatchNormProblem {
public:
  explicit BatchNormProblem(Random &random);

  /// A function of an op on this data.
  Function function() const;
  Array copyOfX() const;
  /// Numbers of the kept extents, of a type parameters may have.
  Array parameter(const std::function<double(int64_t)> &value) const;
  BatchNormParameters parameters() const;
  /// The state before the batch, in the order of the op.
  std::vector<Array> movingState() const;
  std::vector<Array> renormState() const;

  bool hasGhosts() const { return rules.ghosts.size > 0; }
  /// How many ghosts the groups have; none where the batch is whole or not asked.
  std::optional<int64_t> ghosts() const;
  /// The statistics group of an element: (ghost, kept index).
  size_t groupOf(const Dims &index) const;
  /// Mask or weight leave an element out.
  bool isLeftOut(size_t element) const;

  /// Operands that training and gradient have in common.
  void writeGamma(Function &function) const;
  void writeBeta(Function &function) const;
  void writeMask(Function &function) const;
  void writeAdjustment(Function &function) const;
  /// Kept axes, signedness and result type.
  std::string keptText(std::optional<DType> to) const;
  /// Attributes; empty where the batch is whole.
  std::string ghostText() const;

  Random &random;
  Dims shape, kept, perKept;
  DType dtype;
  BatchNormRules rules;
  bool hasMoving = false;
  Array x;
  std::optional<Array> gamma, beta;
  MovingStatistics moving;
  /// The optional operands as the oracle takes them.
  reference::BatchNormInputs inputs;

private:
  void drawShape();
  void drawRules();
  void drawInputs();
  void drawData();
  void drawState();
  /// An operand that broadcasts to the data, and its elements there.
  Array broadcast(DType type, const std::function<double()> &value, std::vector<double> &elements);

  std::optional<Array> mask, weights, adjustScale, adjustBias;
  std::vector<Array> state;
};

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_BATCHNORMPROBLEM_H
