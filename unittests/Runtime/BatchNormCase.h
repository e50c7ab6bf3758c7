//===- BatchNormCase.h - A random call of batch normalization ---*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_BATCHNORMCASE_H
#define NORMA_UNITTESTS_RUNTIME_BATCHNORMCASE_H

#include "Differential.h"

#include "norma/Reference/BatchNorm.h"
#include "norma/Runtime/BatchNorm.h"

namespace norma::test {

/// All values of a tensor, row-major.
std::vector<double> valuesAt(const Tensor &tensor);

/// The arguments of a training pass and its gradient, every option at random.
struct BatchNormCase {
  Dims shape, kept;
  DType compute = DType::F32;
  BatchNormRules rules;
  BatchNormParameters parameters;
  MovingStatistics moving;
  BatchNormInputs inputs;
  /// The same for the oracle.
  reference::BatchNormInputs oracleInputs;
  std::unique_ptr<RandomTensor> x, y, dy, dx;
  /// Whether y takes x's place, and dx dy's.
  bool inPlace = false;
  std::string text;

  BatchNormCase(Random &random, int64_t elements);

  const RandomTensor &forwardResult() const { return inPlace ? *x : *y; }
  const RandomTensor &gradientResult() const { return inPlace ? *dy : *dx; }
  int64_t keptSize() const;
  /// What mask and weights make of an element, by its row-major position.
  double weightOf(size_t element) const;

private:
  std::unique_ptr<RandomTensor> scale, bias;
  std::unique_ptr<RandomOperands> operands;

  std::unique_ptr<RandomTensor> input(Random &random, DType dtype) const;
  std::unique_ptr<RandomTensor> output(Random &random) const;
  void fill(Random &random) const;
  void drawRules(Random &random);
  void drawValues(Random &random);
  void drawAdjustment(Random &random);
  void drawOracleInputs();
  void scatterNonFinite(Random &random) const;
  std::string describe() const;
};

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_BATCHNORMCASE_H
