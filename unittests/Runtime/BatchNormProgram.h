//===- BatchNormProgram.h - Functions of batch normalization ops *- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_BATCHNORMPROGRAM_H
#define NORMA_UNITTESTS_RUNTIME_BATCHNORMPROGRAM_H

#include "EngineTest.h"

#include "norma/Support/AxisForm.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <list>

namespace norma::test {

inline const char *elementText(DType dtype) {
  if (dtype == DType::U8)
    return "i8";
  return dtype == DType::Bool ? "i1" : norma::toString(dtype);
}

/// A function of one op, and what it is called with.
class Function {
public:
  /// Every extent of the data is static or dynamic by chance.
  Function(Random &random, Dims shape, Dims kept)
      : random(random), shape(std::move(shape)), kept(std::move(kept)) {
    dynamic = random.pick({0.0, 0.5, 1.0});
    for (int axis = 0; axis < this->shape.size(); ++axis)
      known.push_back(!random.chance(dynamic));
  }

  std::string dataType(DType dtype) const { return type(dtype, shape, known); }
  std::string keptType(DType dtype) const {
    return type(dtype, keptShape(shape, kept), keptKnown());
  }
  /// The type of numbers for every group, of `ghosts` ghosts or of none.
  std::string groupType(std::optional<int64_t> ghosts) const {
    Dims extents = keptShape(shape, kept);
    std::vector<bool> extentsKnown = keptKnown();
    if (!ghosts)
      return type(DType::F64, extents, extentsKnown);
    Dims all{*ghosts};
    for (int64_t extent : extents)
      all.push_back(extent);
    extentsKnown.insert(extentsKnown.begin(), known[0]);
    return type(DType::F64, all, extentsKnown);
  }

  /// Adds an argument; returns its name.
  std::string argument(Array array, const std::string &typeText) {
    arrays.push_back(std::move(array));
    parameters.push_back(fmt::format("%a{}: {}", arrays.size(), typeText));
    return fmt::format("%a{}", arrays.size());
  }
  /// Adds operands `word(%a, %b : type, type)` to the op; extents of 1 are static,
  /// so that they repeat, others by chance.
  void operands(const std::string &word, std::vector<Array> values) {
    std::vector<std::string> names, types;
    for (Array &value : values) {
      types.push_back(anyType(value.view().dtype, value.view().shape));
      names.push_back(argument(std::move(value), types.back()));
    }
    op += fmt::format(" {}({} : {})", word, fmt::join(names, ", "), fmt::join(types, ", "));
    lastTypes = types;
  }
  std::string anyType(DType dtype, const Dims &extents) const {
    std::vector<bool> extentsKnown;
    for (int64_t extent : extents)
      extentsKnown.push_back(extent == 1 || !random.chance(dynamic));
    return type(dtype, extents, extentsKnown);
  }

  /// The function, when the op has these results.
  std::string text(const std::vector<std::string> &types) const {
    std::vector<std::string> results;
    for (size_t i = 0; i < types.size(); ++i)
      results.push_back(fmt::format("%r{}", i));
    return fmt::format("func.func @f({}) -> ({}) {{\n  {} = {}\n  return {} : {}\n}}\n",
                       fmt::join(parameters, ", "), fmt::join(types, ", "),
                       fmt::join(results, ", "), op, fmt::join(results, ", "),
                       fmt::join(types, ", "));
  }
  std::vector<Tensor> arguments() const {
    std::vector<Tensor> result;
    for (const Array &array : arrays)
      result.push_back(array);
    return result;
  }

  std::string op;
  /// The types of the operands added last.
  std::vector<std::string> lastTypes;

private:
  static std::string type(DType dtype, const Dims &extents, const std::vector<bool> &extentsKnown) {
    std::string text = "tensor<";
    for (int axis = 0; axis < extents.size(); ++axis)
      text += (extentsKnown[size_t(axis)] ? std::to_string(extents[axis]) : "?") + "x";
    return text + elementText(dtype) + ">";
  }
  std::vector<bool> keptKnown() const {
    std::vector<bool> result;
    for (int64_t axis : kept)
      result.push_back(known[size_t(axis)]);
    return result;
  }

  Random &random;
  Dims shape, kept;
  /// How likely an extent is to be dynamic.
  double dynamic;
  std::vector<bool> known;
  std::list<Array> arrays;
  std::vector<std::string> parameters;
};

/// A program and the judgement of its results: empty, or what is wrong.
struct ProgramCase {
  /// The data, for messages.
  std::string what;
  Function function;
  std::string text;
  std::function<std::string(const std::vector<Array> &)> check;
  /// What `check` refers to.
  std::shared_ptr<const void> owner;
};

inline Array rounded(DType to, const Dims &extents, const std::vector<double> &values) {
  return arrayOf(to, extents, [&](int64_t i) { return values[size_t(i)]; });
}

/// How far results may be off, relative to the numbers they are made of.
inline constexpr double kTolerance = 2e-6;

/// What is wrong with a result; empty when every element is within `bound` and the
/// rounding of its type of what is expected.
std::string difference(const std::string &name, const Array &actual,
                       const std::vector<double> &expected, double bound);

/// The first text that is not empty.
inline std::string firstOf(std::initializer_list<std::string> texts) {
  for (const std::string &text : texts)
    if (!text.empty())
      return text;
  return "";
}

/// One of the three ops with everything it may be given, drawn at random, and the oracle's
/// results. `random` is used by the case, too.
ProgramCase drawBatchNormProgram(Random &random);

inline const char *nameOf(Lowering lowering) {
  return lowering == Lowering::Loops ? "loops" : "linalg";
}

/// Runs a program; throws where it cannot be compiled or run.
inline std::vector<Array> runProgram(Engine &engine, const std::string &text,
                                     const std::vector<Tensor> &arguments, Lowering lowering) {
  Expected<Program> program =
      engine.compile(text, {.entry = {}, .dumpStages = {}, .lowering = lowering});
  if (!program)
    throw std::runtime_error(program.error().message());
  Expected<std::vector<Array>> results = program->run(arguments);
  if (!results)
    throw std::runtime_error(results.error().message());
  return std::move(*results);
}

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_BATCHNORMPROGRAM_H
