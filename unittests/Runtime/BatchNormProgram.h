//===- BatchNormProgram.h - Functions of one op -----------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_BATCHNORMPROGRAM_H
#define NORMA_UNITTESTS_RUNTIME_BATCHNORMPROGRAM_H

#include "EngineTest.h"

#include <list>

namespace norma::test {

const char *elementText(DType dtype);

/// A function of one op, and what it is called with.
class Function {
public:
  /// Every extent of the data is static or dynamic by chance; the outermost is static
  /// where `isBatchStatic`.
  Function(Random &random, Dims shape, Dims kept, bool isBatchStatic);

  std::string dataType(DType dtype) const;
  std::string keptType(DType dtype) const;
  /// The type of numbers for every group, of `ghosts` ghosts or of none.
  std::string groupType(std::optional<int64_t> ghosts) const;
  /// Extents of 1 are static, so that they repeat, others by chance.
  std::string anyType(DType dtype, const Dims &extents) const;

  /// Adds an argument; returns its name.
  std::string argument(Array array, const std::string &typeText);
  /// Adds operands `word(%a, %b : type, type)` of any type to the op.
  void operands(const std::string &word, std::vector<Array> values);

  /// The function, when the op has these results.
  std::string text(const std::vector<std::string> &types) const;
  std::vector<Tensor> arguments() const;

  std::string op;
  /// The types of the operands added last.
  std::vector<std::string> lastTypes;

private:
  std::vector<bool> keptKnown() const;

  Random &random;
  Dims shape, kept;
  /// How likely an extent is to be dynamic.
  double dynamic;
  std::vector<bool> known;
  std::list<Array> arrays;
  std::vector<std::string> parameters;
};

const char *nameOf(Lowering lowering);

/// Runs a program; throws where it cannot be compiled or run.
std::vector<Array> runProgram(Engine &engine, const std::string &text,
                              const std::vector<Tensor> &arguments, Lowering lowering);

Array rounded(DType to, const Dims &extents, const std::vector<double> &values);

/// What is wrong with a result; empty when every element is within `bound` and the
/// rounding of its type of what is expected.
std::string difference(const std::string &name, const Array &actual,
                       const std::vector<double> &expected, double bound);

/// The first text that is not empty.
std::string firstOf(std::initializer_list<std::string> texts);

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_BATCHNORMPROGRAM_H
