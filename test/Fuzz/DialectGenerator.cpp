//===- DialectGenerator.cpp - Functions of norma ops ----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Operands have the types that the ops ask for; attributes and extents are drawn freely,
// so that some functions are refused by the verifiers.
//
//===----------------------------------------------------------------------===//

#include "DialectMutator.h"

#include <algorithm>
#include <map>
#include <vector>

namespace norma::fuzz {

namespace {

using Shape = std::vector<std::string>;

constexpr const char *kFloats[] = {"f32", "f64", "f16", "bf16"};
constexpr const char *kParameters[] = {"f32", "f64"};
constexpr const char *kData[] = {"f32",  "f32", "f32", "f64", "f16",
                                 "bf16", "i8",  "i16", "i32", "i64"};
constexpr const char *kMasks[] = {"i1", "i8"};
constexpr const char *kExtents[] = {"?", "?",  "1",  "2",  "3",  "3",    "4",
                                    "8", "13", "16", "49", "64", "1000", "0"};

class FunctionMaker {
public:
  explicit FunctionMaker(Choices &choose) : choose(choose), buffers(choose.oneIn(4)) {}

  std::string make() {
    do
      addOp();
    while (choose.oneIn(2));
    std::string text = "func.func @f" + std::to_string(choose.below(1000)) + "(" + arguments + ")";
    std::string values, types;
    for (const auto &[name, type] : results) {
      values += (values.empty() ? " " : ", ") + name;
      types += (types.empty() ? "" : ", ") + type;
    }
    if (!results.empty())
      text += " -> (" + types + ")";
    return text + " {\n" + body + "  return" + values + (types.empty() ? "" : " : " + types) +
           "\n}\n";
  }

private:
  //===--------------------------------------------------------------------===//
  // Types
  //===--------------------------------------------------------------------===//

  std::string type(const Shape &extents, const std::string &element) const {
    std::string text = buffers ? "memref<" : "tensor<";
    for (const std::string &extent : extents)
      text += extent + "x";
    return text + element + ">";
  }

  /// With the data's shape; buffers may have any strides.
  std::string dataType(const std::string &element) {
    std::string text = type(shape, element);
    if (!buffers || shape.empty() || !choose.oneIn(3))
      return text;
    text.pop_back();
    text += ", strided<[";
    for (size_t axis = 0; axis + 1 < shape.size(); ++axis)
      text += "?, ";
    return text + (choose.oneIn(2) ? "?" : "1") + "], offset: ?>>";
  }

  std::string keptType(const std::string &element, const std::string &ghosts = "") const {
    Shape extents;
    if (!ghosts.empty())
      extents.push_back(ghosts);
    for (const size_t axis : kept)
      extents.push_back(shape[axis]);
    return type(extents, element);
  }

  /// With some extents of the data's shape replaced by 1.
  std::string broadcastType(const std::string &element) {
    Shape extents = shape;
    for (std::string &extent : extents)
      if (choose.oneIn(3))
        extent = "1";
    return type(extents, element);
  }

  void drawShape() {
    shape.resize(choose.below(5));
    for (std::string &extent : shape)
      extent = choose.from(kExtents);
    kept.clear();
    for (size_t axis = 0; axis < shape.size(); ++axis)
      if (choose.oneIn(2))
        kept.push_back(axis);
    dataElement = choose.from(kData);
  }

  //===--------------------------------------------------------------------===//
  // Values
  //===--------------------------------------------------------------------===//

  std::string freshName() { return "%v" + std::to_string(names++); }

  std::string value(const std::string &wanted) {
    std::vector<std::string> &known = valuesOf[wanted];
    if (!known.empty() && !choose.oneIn(4))
      return known[choose.below(known.size())];
    const std::string name = freshName();
    if (!buffers && wanted.find('?') == std::string::npos && choose.oneIn(6)) {
      static constexpr const char *kNumbers[] = {"0.0", "1.0", "2.5", "-1.0"};
      const bool isFloat =
          wanted.ends_with("f16>") || wanted.ends_with("f32>") || wanted.ends_with("f64>");
      body += "  " + name + " = arith.constant dense<" +
              (isFloat           ? choose.from(kNumbers)
               : choose.oneIn(2) ? "0"
                                 : "1") +
              "> : " + wanted + "\n";
    } else {
      arguments += (arguments.empty() ? "" : ", ") + name + ": " + wanted;
    }
    known.push_back(name);
    return name;
  }

  /// "value, value" and "type, type" of operands.
  struct List {
    std::string values, types;
  };

  List list(const std::vector<std::string> &wanted) {
    List operands;
    for (const std::string &each : wanted) {
      operands.values += (operands.values.empty() ? "" : ", ") + value(each);
      operands.types += (operands.types.empty() ? "" : ", ") + each;
    }
    return operands;
  }

  /// " word(value, value : type, type)".
  std::string group(const std::string &word, const std::vector<std::string> &wanted) {
    const List operands = list(wanted);
    return " " + word + "(" + operands.values + " : " + operands.types + ")";
  }

  std::string groupIf(bool there, const std::string &word, const std::vector<std::string> &wanted) {
    return there ? group(word, wanted) : "";
  }

  /// Names for the results of an op, which the function returns.
  std::string define(const std::vector<std::string> &types) {
    if (types.empty())
      return "  ";
    const std::string name = freshName();
    for (size_t i = 0; i < types.size(); ++i) {
      const std::string result = types.size() == 1 ? name : name + "#" + std::to_string(i);
      valuesOf[types[i]].push_back(result);
      results.emplace_back(result, types[i]);
    }
    return "  " + name + (types.size() == 1 ? "" : ":" + std::to_string(types.size())) + " = ";
  }

  //===--------------------------------------------------------------------===//
  // Pieces of ops
  //===--------------------------------------------------------------------===//

  bool isFloatData() const { return dataElement[0] == 'f' || dataElement[0] == 'b'; }

  std::string keptText() const {
    std::string text;
    for (const size_t axis : kept)
      text += (text.empty() ? "" : ", ") + std::to_string(axis);
    return " kept [" + text + "]";
  }

  std::string isUnsigned() { return !isFloatData() && choose.oneIn(3) ? " unsigned" : ""; }

  /// " to f16", and the element type of the result.
  std::pair<std::string, std::string> resultElement(const std::string &without) {
    if (choose.oneIn(3)) {
      const std::string to = choose.from(kFloats);
      return {" to " + to, to};
    }
    return {"", without[0] == 'i' ? "f32" : without};
  }

  /// " {a, b}" of those that the dice choose.
  template <size_t N>
  std::string attributes(const char *const (&candidates)[N], std::string first = "") {
    for (const char *candidate : candidates)
      if (choose.oneIn(5))
        first += (first.empty() ? "" : ", ") + std::string(candidate);
    return first.empty() ? "" : " {" + first + "}";
  }

  std::string masks() {
    std::string text = groupIf(choose.oneIn(4), "mask", {broadcastType(choose.from(kMasks))});
    return text + groupIf(choose.oneIn(4), "weights", {broadcastType(choose.from(kData))});
  }

  std::string adjustments() {
    std::string text =
        groupIf(choose.oneIn(6), "adjust_scale", {broadcastType(choose.from(kFloats))});
    return text + groupIf(choose.oneIn(6), "adjust_bias", {broadcastType(choose.from(kFloats))});
  }

  /// The attributes of ghost batches, and how many there are; none of either where the
  /// first axis cannot be cut.
  std::pair<std::string, std::string> ghosts() {
    if (shape.empty() || (!kept.empty() && kept[0] == 0) || !choose.oneIn(3))
      return {};
    const size_t size = 1 + choose.below(4);
    std::string text = "virtual_batch_size = " + std::to_string(size);
    if (choose.oneIn(2))
      text += ", grouping = #norma<grouping contiguous>";
    if (shape[0] == "?")
      return {text + ", remainder = #norma<remainder merge>", "?"};
    const size_t samples = std::stoul(shape[0]);
    if (samples % size == 0)
      return {text, std::to_string(samples / size)};
    return {text + ", remainder = #norma<remainder smaller>", std::to_string(samples / size + 1)};
  }

  //===--------------------------------------------------------------------===//
  // Ops
  //===--------------------------------------------------------------------===//

  void addOp() {
    if (!choose.oneIn(3) || shape.empty())
      drawShape();
    if (buffers || choose.oneIn(3))
      return addKernelOp();
    switch (choose.below(6)) {
    case 0:
      return addNormalize();
    case 1:
      return addStatistics();
    case 2:
      return addBatchNorm();
    case 3:
    case 4:
      return addTraining();
    case 5:
      return addGradient();
    }
  }

  void addNormalize() {
    const List operands = list(
        {dataType(dataElement), keptType(choose.from(kFloats)), keptType(choose.from(kFloats))});
    const auto [to, result] = resultElement(dataElement);
    std::string flags = choose.oneIn(3) ? " inverse" : "";
    flags += isUnsigned() + to + (choose.oneIn(5) ? " compute f64" : "");
    static constexpr const char *kAttributes[] = {
        "epsilon = 1.0e-3", "epsilon_mode = #norma<epsilon_mode add_to_variance>",
        "zero_variance = #norma<zero_variance unit>"};
    const std::string rest = keptText() + flags + attributes(kAttributes) + " : " + operands.types;
    body += define({type(shape, result)}) + "norma.normalize " + operands.values + rest + "\n";
  }

  void addStatistics() {
    const std::string statistic = keptType("f64");
    const List three = list({statistic, statistic, statistic});
    if (choose.oneIn(3)) {
      const List other = list({statistic, statistic, statistic});
      body += define({statistic, statistic, statistic}) + "norma.merge (" + three.values + "), (" +
              other.values + ") : " + statistic + "\n";
    } else if (choose.oneIn(2)) {
      body += define({statistic, statistic}) + "norma.finalize " + three.values +
              (choose.oneIn(2) ? " sample" : "") + (choose.oneIn(2) ? " detect_constant" : "") +
              " : " + statistic + "\n";
    } else {
      const std::string data = dataType(dataElement);
      std::string text = "norma.adapt " + value(data) + " into (" + three.values + ")";
      for (const char *word : {"mask", "weights"})
        if (choose.oneIn(3)) {
          const std::string wanted = broadcastType(
              word == std::string_view("mask") ? choose.from(kMasks) : choose.from(kData));
          text += std::string(" ") + word + " " + value(wanted) + " : " + wanted;
        }
      static constexpr const char *kAttributes[] = {"nan = #norma<nan omit>"};
      text += keptText() + isUnsigned() + attributes(kAttributes) + " : " + data + ", " + statistic;
      body += define({statistic, statistic, statistic}) + text + "\n";
    }
  }

  void addBatchNorm() {
    const List operands = list(
        {dataType(dataElement), keptType(choose.from(kFloats)), keptType(choose.from(kFloats))});
    std::string rest = groupIf(choose.oneIn(2), "gamma", {keptType(choose.from(kFloats))});
    rest += groupIf(choose.oneIn(2), "beta", {keptType(choose.from(kFloats))});
    const auto [to, result] = resultElement(dataElement);
    static constexpr const char *kAttributes[] = {"epsilon = 1.0e-5", "epsilon_floor = 1.001e-5"};
    rest += keptText() + isUnsigned() + to + attributes(kAttributes) + " : " + operands.types;
    body += define({type(shape, result)}) + "norma.batch_norm " + operands.values + rest + "\n";
  }

  void addTraining() {
    const std::string data = dataType(dataElement), statistic = keptType("f64");
    std::string text = "norma.batch_norm_training " + value(data);
    text += groupIf(choose.oneIn(2), "gamma", {keptType(choose.from(kFloats))});
    text += groupIf(choose.oneIn(2), "beta", {keptType(choose.from(kFloats))});
    const bool hasMoving = choose.oneIn(2), hasRenorm = hasMoving && choose.oneIn(2);
    std::vector<std::string> updated;
    if (hasMoving) {
      updated.assign(2, keptType(choose.from(kParameters)));
      text += group("moving", updated);
    }
    if (hasRenorm) {
      const std::vector<std::string> renorm(3, keptType(choose.from(kParameters)));
      text += group("renorm", renorm);
      updated.insert(updated.end(), renorm.begin(), renorm.end());
      updated.insert(updated.end(), 2, statistic);
      for (const char *clip : {"rmin", "rmax", "dmax"})
        text += groupIf(choose.oneIn(2), clip, {type({}, choose.from(kParameters))});
    }
    text += groupIf(hasMoving && choose.oneIn(4), "step", {type({}, "i64")});
    text += masks() + adjustments();
    const auto [cut, count] = ghosts();
    const std::string saved = keptType("f64", count);
    text += groupIf(choose.oneIn(6), "statistics", {saved, saved, saved});
    const auto [to, result] = resultElement(dataElement);
    static constexpr const char *kAttributes[] = {"epsilon = 1.0e-5", "momentum = 0.5",
                                                  "sample_variance", "update_moving = false"};
    text += keptText() + isUnsigned() + to + attributes(kAttributes, cut) + " : " + data;
    std::vector<std::string> types{type(shape, result), saved, saved, saved};
    types.insert(types.end(), updated.begin(), updated.end());
    body += define(types) + text + "\n";
  }

  void addGradient() {
    const std::string dy = choose.from(kFloats), data = dataType(dataElement);
    const auto [cut, count] = ghosts();
    const std::string saved = keptType("f64", count), gamma = keptType(choose.from(kFloats));
    const List operands = list({type(shape, dy), data}), statistics = list({saved, saved, saved});
    std::string text = "norma.batch_norm_grad " + operands.values + " saved(" + statistics.values +
                       " : " + saved + ")";
    const bool hasGamma = choose.oneIn(2);
    text += groupIf(hasGamma, "gamma", {gamma});
    text += groupIf(choose.oneIn(5), "renorm", {keptType("f64"), keptType("f64")});
    text += masks() + adjustments();
    text += groupIf(choose.oneIn(6), "sums", {saved, saved});
    const auto [to, result] = resultElement(dy);
    std::vector<std::string> types{type(shape, result)};
    std::string switches = cut;
    if (choose.oneIn(4))
      switches += std::string(cut.empty() ? "" : ", ") + "trainable_affine = false";
    else
      types.insert(types.end(), 2,
                   hasGamma ? gamma
                            : keptType(dataElement == "f64" || dy == "f64" ? "f64" : "f32"));
    static constexpr const char *kNone[] = {"use_batch_statistics = true"};
    text += keptText() + isUnsigned() + to + attributes(kNone, switches) + " : " + operands.types;
    body += define(types) + text + "\n";
  }

  /// On tensors or memrefs: the destinations are operands.
  void addKernelOp() {
    const std::string data = dataType(dataElement), dy = dataType(choose.from(kFloats));
    const std::string compute = choose.from(kParameters), statistic = keptType("f64");
    const std::string coefficient = keptType(compute);
    const size_t family = choose.below(4);
    const bool isGradient = family >= 2;
    std::string text = " kept" + keptText().substr(5) +
                       (isGradient ? group("ins", {data, dy}) : group("ins", {data}));
    text += isUnsigned();
    std::vector<std::string> outs(1, dataType(choose.from(kFloats)));
    if (family == 0) {
      for (const char *word : {"center", "scale", "shift"})
        text += groupIf(choose.oneIn(2), word, {coefficient});
    } else if (family == 1) {
      text += masks();
      outs.assign(3, statistic);
    } else if (family == 2) {
      text += group("center", {statistic}) + masks();
      outs.assign(2, statistic);
    } else {
      for (const char *word : {"center", "slope", "offset", "scale"})
        text += group(word, {coefficient});
      text += masks();
    }
    text += group("outs", outs);
    static constexpr const char *kSchedules[] = {
        "schedule = #norma.schedule<rows, vector = 8, unroll = 2>",
        "schedule = #norma.schedule<runs, vector = 4, unroll = 2, group = 32, accumulate = f32>",
        "schedule = #norma.schedule<runs, vector = 4, unroll = 2, parts = 2, streams = 4>",
        "schedule = #norma.schedule<flat, vector = 4, unroll = 1, line = 52>"};
    if (choose.oneIn(3))
      text += std::string(" {") + choose.from(kSchedules) + "}";
    if (buffers)
      outs.clear();
    std::string types;
    for (const std::string &out : outs)
      types += (types.empty() ? " -> " : ", ") + out;
    static constexpr const char *kNames[] = {"affine", "moments", "grad_sums", "grad_map"};
    body += define(outs) + "norma." + kNames[family] + text + types + "\n";
  }

  Choices &choose;
  /// Whether the function is on memrefs.
  bool buffers;
  Shape shape;
  std::vector<size_t> kept;
  std::string dataElement;
  std::string arguments, body;
  std::map<std::string, std::vector<std::string>> valuesOf;
  std::vector<std::pair<std::string, std::string>> results;
  int names = 0;
};

} // namespace

std::string makeFunction(Choices &choose) { return FunctionMaker(choose).make(); }

} // namespace norma::fuzz
