//===- BatchNormProgram.cpp - Functions of one op -------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchNormProgram.h"

#include "norma/Support/AxisForm.h"

#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace norma::test {

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

const char *elementText(DType dtype) {
  if (dtype == DType::U8)
    return "i8";
  return dtype == DType::Bool ? "i1" : norma::toString(dtype);
}

static std::string typeText(DType dtype, const Dims &extents, const std::vector<bool> &known) {
  std::string text = "tensor<";
  for (int axis = 0; axis < extents.size(); ++axis)
    text += (known[size_t(axis)] ? std::to_string(extents[axis]) : "?") + "x";
  return text + elementText(dtype) + ">";
}

Function::Function(Random &random, Dims shape, Dims kept, bool isBatchStatic)
    : random(random), shape(std::move(shape)), kept(std::move(kept)),
      dynamic(random.pick({0.0, 0.5, 1.0})) {
  for (int axis = 0; axis < this->shape.size(); ++axis)
    known.push_back(!random.chance(dynamic) || (axis == 0 && isBatchStatic));
}

std::string Function::dataType(DType dtype) const { return typeText(dtype, shape, known); }

std::string Function::keptType(DType dtype) const {
  return typeText(dtype, keptShape(shape, kept), keptKnown());
}

std::string Function::groupType(std::optional<int64_t> ghosts) const {
  const Dims extents = keptShape(shape, kept);
  std::vector<bool> extentsKnown = keptKnown();
  if (!ghosts)
    return typeText(DType::F64, extents, extentsKnown);
  Dims all{*ghosts};
  for (int64_t extent : extents)
    all.push_back(extent);
  extentsKnown.insert(extentsKnown.begin(), known[0]);
  return typeText(DType::F64, all, extentsKnown);
}

std::string Function::anyType(DType dtype, const Dims &extents) const {
  std::vector<bool> extentsKnown;
  for (int64_t extent : extents)
    extentsKnown.push_back(extent == 1 || !random.chance(dynamic));
  return typeText(dtype, extents, extentsKnown);
}

std::string Function::argument(Array array, const std::string &type) {
  arrays.push_back(std::move(array));
  parameters.push_back(fmt::format("%a{}: {}", arrays.size(), type));
  return fmt::format("%a{}", arrays.size());
}

void Function::operands(const std::string &word, std::vector<Array> values) {
  std::vector<std::string> names;
  lastTypes.clear();
  for (Array &value : values) {
    lastTypes.push_back(anyType(value.view().dtype, value.view().shape));
    names.push_back(argument(std::move(value), lastTypes.back()));
  }
  op += fmt::format(" {}({} : {})", word, fmt::join(names, ", "), fmt::join(lastTypes, ", "));
}

std::string Function::text(const std::vector<std::string> &types) const {
  std::vector<std::string> results;
  for (size_t i = 0; i < types.size(); ++i)
    results.push_back(fmt::format("%r{}", i));
  return fmt::format("func.func @f({}) -> ({}) {{\n  {} = {}\n  return {} : {}\n}}\n",
                     fmt::join(parameters, ", "), fmt::join(types, ", "), fmt::join(results, ", "),
                     op, fmt::join(results, ", "), fmt::join(types, ", "));
}

std::vector<Tensor> Function::arguments() const {
  std::vector<Tensor> result;
  for (const Array &array : arrays)
    result.push_back(array);
  return result;
}

std::vector<bool> Function::keptKnown() const {
  std::vector<bool> result;
  for (int64_t axis : kept)
    result.push_back(known[size_t(axis)]);
  return result;
}

//===----------------------------------------------------------------------===//
// Calls and results
//===----------------------------------------------------------------------===//

const char *nameOf(Lowering lowering) { return lowering == Lowering::Loops ? "loops" : "linalg"; }

std::vector<Array> runProgram(Engine &engine, const std::string &text,
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

Array rounded(DType to, const Dims &extents, const std::vector<double> &values) {
  return arrayOf(to, extents, [&](int64_t i) { return values[size_t(i)]; });
}

std::string difference(const std::string &name, const Array &actual,
                       const std::vector<double> &expected, double bound) {
  const std::vector<double> values = valuesOf(actual);
  if (values.size() != expected.size())
    return fmt::format("{}: {} values, expected {}", name, values.size(), expected.size());
  const DType dtype = actual.view().dtype;
  const double ulp = dtype == DType::F16    ? 0x1p-11
                     : dtype == DType::BF16 ? 0x1p-8
                     : dtype == DType::F32  ? 0x1p-23
                                            : 0x1p-52;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(expected[i]) ? std::isnan(values[i]) : values[i] == expected[i])
      continue;
    if (!(std::fabs(values[i] - expected[i]) <= bound + ulp * std::fabs(expected[i])))
      return fmt::format("{} at {}: {:.9g}, expected {:.9g} within {:.3g}", name, i, values[i],
                         expected[i], bound);
  }
  return "";
}

std::string firstOf(std::initializer_list<std::string> texts) {
  for (const std::string &text : texts)
    if (!text.empty())
      return text;
  return "";
}

} // namespace norma::test
