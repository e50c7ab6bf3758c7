//===- KernelFunction.cpp - The C function of a kernel --------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelFunction.h"

#include <fmt/format.h>
#include <set>

namespace norma {

static std::vector<std::string> fieldsOf(const KernelSpec &spec) {
  std::vector<std::string> fields{""};
  for (char letter : spec.key())
    if (letter == ';')
      fields.emplace_back();
    else
      fields.back() += letter;
  return fields;
}

/// "_to_f16" of "to=f16", "_mask_u8_6" of "mask=u8/6", "_cs" of "coefficients=cs".
static std::string nameOfField(std::string field) {
  constexpr std::string_view coefficients = "coefficients=";
  if (field.starts_with(coefficients))
    field = field.size() > coefficients.size() ? field.substr(coefficients.size()) : "copy";
  for (char &letter : field)
    if (letter == '=' || letter == '/' || letter == '-')
      letter = '_';
  return "_" + field;
}

std::string kernelName(const KernelSpec &spec) {
  std::string name = fmt::format("{}_{}", toString(spec.family), spec.kinds);
  for (int axis = 1; axis < spec.extents.size(); ++axis) {
    const int64_t extent = spec.extents[axis];
    name += (axis > 1 ? "x" : "") + (extent == kDynamic ? "n" : std::to_string(extent));
  }
  name += fmt::format("_{}", toString(spec.data));
  const std::string shortest =
      fmt::format("{};{}[?];{}{}", toString(spec.family), spec.kinds.substr(0, 1),
                  toString(spec.data), spec.family == KernelFamily::Affine ? ";coefficients=" : "");
  const std::vector<std::string> usual = fieldsOf(*parseKernelSpec(shortest));
  const std::set<std::string> leftOut(usual.begin(), usual.end());
  const std::vector<std::string> fields = fieldsOf(spec);
  for (size_t i = 3; i < fields.size(); ++i)
    if (!leftOut.contains(fields[i]) || fields[i].ends_with('='))
      name += nameOfField(fields[i]);
  return name;
}

namespace {

/// Adds the buffers of a kernel, in the order of its arguments.
class FunctionBuilder {
public:
  FunctionBuilder(const KernelSpec &spec, const std::string &symbol) : spec(spec) {
    function.symbol = symbol;
    for (int axis = 0; axis < spec.extents.size(); ++axis) {
      const bool isStatic = spec.extents[axis] != kDynamic;
      std::string argument = isStatic ? "" : axis == 0 ? "n" : fmt::format("n{}", axis);
      if (!isStatic)
        function.extents.push_back(argument);
      extents.push_back({argument, isStatic ? spec.extents[axis] : 0});
    }
  }

  CFunction build();

private:
  /// A buffer with the shape of the data, but for the axes along which it repeats.
  CBuffer &addLikeData(const char *name, DType dtype, CBuffer::Role role);
  void addOperand(const char *name, std::optional<DType> dtype, uint32_t repeats);
  void addPerKept(const char *name, DType dtype, CBuffer::Role role);
  void addInputs(std::initializer_list<const char *> names, DType dtype) {
    for (const char *name : names)
      addPerKept(name, dtype, CBuffer::Role::Input);
  }
  /// An int64_t argument for every stride that the layout leaves open.
  void addStrides(CBuffer &buffer, Layout layout, uint32_t repeats);
  void addReductionBeside();
  void describe();

  const KernelSpec &spec;
  CFunction function;
  std::vector<CSize> extents;
};

CBuffer &FunctionBuilder::addLikeData(const char *name, DType dtype, CBuffer::Role role) {
  CBuffer &buffer = function.buffers.emplace_back(CBuffer{name, dtype, role, extents, {}});
  if (spec.layout != Layout::Contiguous)
    addStrides(buffer, spec.layout, 0);
  return buffer;
}

void FunctionBuilder::addStrides(CBuffer &buffer, Layout layout, uint32_t repeats) {
  const size_t rank = buffer.extents.size();
  buffer.strides.resize(rank);
  int64_t dense = 1;
  for (size_t axis = rank; axis-- > 0;) {
    const bool isFixed = repeats >> axis & 1 || (layout != Layout::Strided && axis + 1 == rank) ||
                         (layout == Layout::DenseRows && axis > 0);
    if (isFixed)
      buffer.strides[axis].value = dense;
    else
      buffer.strides[axis].argument = fmt::format("{}_stride{}", buffer.name, axis);
    if (layout == Layout::DenseRows)
      dense *= buffer.extents[axis].value;
  }
}

void FunctionBuilder::addOperand(const char *name, std::optional<DType> dtype, uint32_t repeats) {
  if (!dtype)
    return;
  CBuffer &buffer =
      function.buffers.emplace_back(CBuffer{name, *dtype, CBuffer::Role::Input, extents, {}});
  for (size_t axis = 0; axis < extents.size(); ++axis)
    if (repeats >> axis & 1)
      buffer.extents[axis] = {"", 1};
  addStrides(buffer, spec.layout == Layout::Strided ? Layout::Strided : Layout::UnitInner, repeats);
}

void FunctionBuilder::addPerKept(const char *name, DType dtype, CBuffer::Role role) {
  CBuffer &buffer = function.buffers.emplace_back(CBuffer{name, dtype, role, {}, {}});
  for (size_t axis = 0; axis < extents.size(); ++axis)
    if (spec.kinds[axis] == 'K')
      buffer.extents.push_back(extents[axis]);
}

/// The sentences of the header. The lines about each argument are the header's.
void FunctionBuilder::describe() {
  std::vector<std::string> &lines = function.description;
  const char *compute = toString(spec.compute);
  const char *zeros = spec.mask && spec.weights ? "mask or weights are"
                      : spec.mask               ? "mask is"
                      : spec.weights            ? "weights are"
                                                : "";
  switch (spec.family) {
  case KernelFamily::Affine: {
    std::string formula = spec.center ? "(x - center)" : "x";
    formula += spec.scale ? " * scale" : "";
    formula += spec.shift ? " + shift" : "";
    // Without coefficients there is nothing but a conversion.
    lines.push_back(spec.center || spec.scale || spec.shift
                        ? fmt::format("y = {}, computed in {}.", formula, compute)
                        : "y = x, converted.");
    lines.push_back("y may be x; otherwise no two buffers overlap.");
    break;
  }
  case KernelFamily::Moments:
    lines.push_back("The number of elements of every kept index, their mean, and the sum of their");
    lines.push_back("squared deviations from it (the variance is m2 / count), in f64. All are 0 "
                    "where");
    lines.push_back("nothing is counted.");
    if (spec.nan == NanPolicy::Omit)
      lines.push_back("NaN is left out.");
    if (spec.mask)
      lines.push_back("Elements are left out where the mask is 0.");
    if (spec.weights)
      lines.push_back("Elements count as their weight, a finite number not below 0.");
    break;
  case KernelFamily::GradSums:
    lines.push_back("sum = sum(dy) and dot = sum(dy * (x - center)) of every kept index, in f64.");
    if (!*zeros)
      break;
    lines.push_back(fmt::format("Elements whose x is not finite take no part where {} 0.", zeros));
    break;
  case KernelFamily::GradMap:
    lines.push_back(fmt::format("dx = dy * scale + ((x - center) * slope + offset){}, computed in "
                                "{}.",
                                spec.weights ? " * weights" : "", compute));
    if (*zeros)
      lines.push_back(fmt::format("The second term is 0 where {} 0.", zeros));
    lines.push_back("dx may be x or dy; otherwise no two buffers overlap.");
    break;
  }
  if (spec.interleaved && spec.family == KernelFamily::Affine)
    lines.push_back("Beside it count, mean and m2 of next_x, in f64.");
  if (spec.interleaved && spec.family == KernelFamily::GradMap)
    lines.push_back("Beside it sum = sum(next_dy) and dot = sum(next_dy * (next_x - next_center)), "
                    "in f64.");
  std::string kept, reduced;
  for (size_t axis = 0; axis < spec.kinds.size(); ++axis)
    (spec.kinds[axis] == 'K' ? kept : reduced) += fmt::format(" {}", axis);
  lines.push_back(fmt::format("Kept axes of x:{}. Reduced axes:{}.", kept.empty() ? " none" : kept,
                              reduced.empty() ? " none" : reduced));
  lines.push_back("Kernel spec: " + spec.key());
}

/// The reduction of an interleaved map.
void FunctionBuilder::addReductionBeside() {
  using Role = CBuffer::Role;
  addLikeData("next_x", spec.data, Role::Input);
  if (spec.family == KernelFamily::GradMap) {
    addLikeData("next_dy", spec.dy, Role::Input);
    addPerKept("next_center", DType::F64, Role::Input);
    for (const char *name : {"sum", "dot"})
      addPerKept(name, DType::F64, Role::Output);
    return;
  }
  for (const char *name : {"count", "mean", "m2"})
    addPerKept(name, DType::F64, Role::Output);
}

CFunction FunctionBuilder::build() {
  using Role = CBuffer::Role;
  const bool gradient =
      spec.family == KernelFamily::GradSums || spec.family == KernelFamily::GradMap;
  const bool map = spec.family == KernelFamily::Affine || spec.family == KernelFamily::GradMap;
  addLikeData("x", spec.data, Role::Input).restricted = !map;
  if (gradient)
    addLikeData("dy", spec.dy, Role::Input).restricted = !map;
  switch (spec.family) {
  case KernelFamily::Affine:
    if (spec.center)
      addInputs({"center"}, spec.compute);
    if (spec.scale)
      addInputs({"scale"}, spec.compute);
    if (spec.shift)
      addInputs({"shift"}, spec.compute);
    break;
  case KernelFamily::GradSums:
    addInputs({"center"}, DType::F64);
    break;
  case KernelFamily::GradMap:
    addInputs({"center", "slope", "offset", "scale"}, spec.compute);
    break;
  case KernelFamily::Moments:
    break;
  }
  addOperand("mask", spec.mask, spec.maskRepeats);
  addOperand("weights", spec.weights, spec.weightsRepeats);
  if (spec.family == KernelFamily::Moments)
    for (const char *name : {"count", "mean", "m2"})
      addPerKept(name, DType::F64, Role::Output);
  if (spec.family == KernelFamily::GradSums)
    for (const char *name : {"sum", "dot"})
      addPerKept(name, DType::F64, Role::Output);
  if (map) {
    CBuffer &out = addLikeData(gradient ? "dx" : "y", spec.out, Role::Output);
    out.restricted = false;
    out.aligned = spec.streaming;
  }
  if (spec.interleaved)
    addReductionBeside();
  describe();
  return std::move(function);
}

} // namespace

CFunction kernelFunction(const KernelSpec &spec, const std::string &symbol) {
  return FunctionBuilder(spec, symbol).build();
}

} // namespace norma
