//===- Program.cpp - Functions of MLIR modules, on tensors ----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineImpl.h"

#include "norma/Support/OutOfMemory.h"

#include <cstdlib>
#include <fmt/format.h>

namespace norma {

Program::State::~State() = default;

Expected<Program> Engine::compile(std::string_view source, const Program::Options &options) try {
  Expected<CompiledProgramObject> object = state->compileProgram(source, options);
  if (!object)
    return object.takeError();
  auto program = std::make_shared<Program::State>();
  Expected<std::unique_ptr<LoadedCode>> code =
      state->load(object->compiled.object, object->compiled.symbol);
  if (!code)
    return code.takeError();
  program->code = std::move(*code);
  program->object = std::make_unique<CompiledProgramObject>(std::move(*object));
  return Program(std::move(program));
} catch (...) {
  return outOfMemory();
}

const std::vector<std::pair<std::string, std::string>> &Program::stages() const {
  return state->object->stages;
}
size_t Program::argumentCount() const { return state->object->arguments.size(); }
size_t Program::resultCount() const { return state->object->results.size(); }
const std::string &Program::entry() const { return state->object->entry; }
double Program::lowerMilliseconds() const { return state->object->compiled.lowerMilliseconds; }
double Program::codegenMilliseconds() const { return state->object->compiled.codegenMilliseconds; }

static std::string shapeText(const Dims &shape) {
  std::string text;
  for (int64_t extent : shape)
    text += (text.empty() ? "" : "x") + (extent == kDynamic ? "?" : std::to_string(extent));
  return text.empty() ? "scalar" : text;
}

/// Signless integers of the program take either signedness.
static bool accepts(DType parameter, DType argument) {
  return parameter == argument ||
         (!isFloat(parameter) && !isFloat(argument) && parameter != DType::Bool &&
          sizeOf(parameter) == sizeOf(argument));
}

static Expected<void> checkArgument(const Tensor &argument, const ProgramValue &parameter,
                                    size_t index) {
  std::string name = fmt::format("argument {}", index);
  if (Expected<void> ok = checkTensor(argument, name); !ok)
    return ok;
  bool fits = accepts(parameter.dtype, argument.dtype) && argument.rank() == parameter.shape.size();
  for (int axis = 0; fits && axis < argument.rank(); ++axis)
    fits = parameter.shape[axis] == kDynamic || parameter.shape[axis] == argument.shape[axis];
  if (fits)
    return {};
  return invalidArgument(fmt::format("{}: a {} of shape {}, expected {} of {}", name,
                                     toString(argument.dtype), toString(argument.shape),
                                     toString(parameter.dtype), shapeText(parameter.shape)));
}

namespace {

struct Free {
  void operator()(void *memory) const { std::free(memory); }
};

} // namespace

Expected<std::vector<Array>> Program::run(std::span<const Tensor> inputs) const try {
  const CompiledProgramObject &object = *state->object;
  if (inputs.size() != object.arguments.size())
    return invalidArgument(fmt::format("entry '{}': {} arguments, expected {}", object.entry,
                                       inputs.size(), object.arguments.size()));
  std::vector<Array> copies;
  std::vector<Tensor> views;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (Expected<void> ok = checkArgument(inputs[i], object.arguments[i], i); !ok)
      return ok.takeError();
    views.push_back(inputs[i]);
    // Programs take dense, row-major buffers.
    if (!inputs[i].isContiguous()) {
      Expected<Array> copy = Array::copyOf(inputs[i]);
      if (!copy)
        return copy.takeError().within(fmt::format("argument {}", i));
      views.back() = copy->view();
      copies.push_back(std::move(*copy));
    }
  }

  // The results come back as memref descriptors, one after the other.
  size_t words = 0;
  for (const ProgramValue &result : object.results)
    words += 3 + 2 * size_t(result.shape.size());
  std::vector<int64_t> returned(words);
  std::vector<Descriptor> descriptors;
  descriptors.reserve(views.size());
  std::vector<void *> arguments;
  if (!object.results.empty())
    arguments.push_back(returned.data());
  for (const Tensor &view : views)
    arguments.push_back(
        descriptors.emplace_back(view.data, view.shape, contiguousStrides(view.shape)).address());
  // Every result is an allocation of its own that belongs to the caller.
  std::vector<std::unique_ptr<void, Free>> allocated;
  allocated.reserve(object.results.size());
  state->code->entry(arguments.data());
  const int64_t *words64 = returned.data();
  for (const ProgramValue &result : object.results) {
    allocated.emplace_back(reinterpret_cast<void *>(words64[0]));
    words64 += 3 + 2 * result.shape.size();
  }

  std::vector<Array> results;
  words64 = returned.data();
  for (const ProgramValue &result : object.results) {
    const int rank = result.shape.size();
    Dims shape(std::span(words64 + 3, size_t(rank)));
    Dims strides(std::span(words64 + 3 + rank, size_t(rank)));
    char *data = reinterpret_cast<char *>(words64[1]) + words64[2] * int64_t(sizeOf(result.dtype));
    Expected<Array> copy = Array::copyOf(Tensor(data, result.dtype, shape, strides));
    if (!copy)
      return copy.takeError().within("results");
    results.push_back(std::move(*copy));
    words64 += 3 + 2 * rank;
  }
  return results;
} catch (...) {
  return outOfMemory();
}

} // namespace norma
