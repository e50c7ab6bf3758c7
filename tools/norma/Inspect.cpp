//===- Inspect.cpp - norma inspect: what a state file holds ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Command.h"
#include "Explain.h"
#include "OptionParsing.h"
#include "Text.h"
#include "norma/Runtime/Layers/NormalizationState.h"

#include <chrono>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace norma;
using namespace norma::tool;

namespace {

constexpr const char *kExamples =
    R"(  norma inspect wine.safetensors
  norma inspect wine.safetensors --all
      every feature, however many there are
  norma inspect wine.safetensors --json | jq '.features[0].mean')";

/// Tables with more rows show this many at either end.
constexpr int64_t kEnds = 16;

class InspectCommand : public Command {
public:
  explicit InspectCommand(CLI::App &parent);
  Expected<void> run() override;

private:
  void printText(const NormalizationState &state) const;
  void printJson(const NormalizationState &state) const;

  std::string path;
  bool json = false, all = false;
};

InspectCommand::InspectCommand(CLI::App &parent)
    : Command(parent, "inspect", "Shows the statistics and settings of a state file", kExamples) {
  app()->add_option("state", path, "The state file")->required()->type_name("STATE");
  app()->add_flag("--json", json, "Machine-readable: one JSON object with all features");
  app()->add_flag("--all", all, "Do not shorten the table");
}

/// The index on every kept axis of the flat kept index `flat`.
Dims unflatten(int64_t flat, const Dims &shape) {
  Dims index = shape;
  for (int axis = shape.size() - 1; axis >= 0; --axis) {
    index[axis] = flat % shape[axis];
    flat /= shape[axis];
  }
  return index;
}

std::string formatIndex(int64_t flat, const Dims &shape) {
  if (shape.size() == 1)
    return std::to_string(flat);
  return shape.empty() ? "all" : toString(unflatten(flat, shape));
}

/// The build shape with "?" for what is not fixed.
std::string formatBuildShape(const Dims &shape) {
  std::string text;
  for (int64_t extent : shape) {
    if (!text.empty())
      text += ", ";
    text += extent == kUnknownExtent ? "?" : std::to_string(extent);
  }
  return fmt::format("({}{})", text, shape.size() == 1 ? "," : "");
}

void InspectCommand::printText(const NormalizationState &state) const {
  const Statistics &statistics = state.statistics;
  const NormalizationOptions &options = state.options;
  std::vector<int64_t> constant = statistics.constantFeatures();
  fmt::print("{}\n", path);
  fmt::print("  axis           {} (kept axes {} of shape {})\n", formatAxis(options.axis),
             toString(state.axis), formatBuildShape(state.shape));
  fmt::print("  statistics     {}\n", state.isGiven() ? "given" : "learned from data");
  fmt::print("  direction      {}\n", options.invert ? "inverted" : "forward");
  fmt::print("  NaN            {}\n", toString(options.nan));
  fmt::print("  zero variance  {}\n", toString(options.zeroVariance));
  fmt::print("  types          computes in {}, writes {}\n", toString(options.compute),
             toString(options.output.value_or(options.compute)));
  fmt::print("  features       {}, {} constant\n\n", statistics.size(),
             state.isGiven() ? 0 : constant.size());

  Table table({"feature", "count", "mean", "std", "variance", ""}, {5});
  auto addRow = [&](int64_t i) {
    double variance = statistics.variance(i);
    bool isConstant = !state.isGiven() && std::binary_search(constant.begin(), constant.end(), i);
    table.add({formatIndex(i, statistics.shape),
               state.isGiven() ? "-" : fmt::format("{}", statistics.count[i]),
               formatNumber(statistics.mean[i]), formatNumber(std::sqrt(variance)),
               formatNumber(variance), isConstant ? "constant" : ""});
  };
  int64_t size = statistics.size();
  bool shorten = !all && size > 2 * kEnds + 1;
  for (int64_t i = 0; i < size; ++i) {
    if (shorten && i == kEnds) {
      table.addNote(fmt::format("... {} more; --all shows them ...", size - 2 * kEnds));
      i = size - kEnds;
    }
    addRow(i);
  }
  fmt::print("{}", table.format());
}

void InspectCommand::printJson(const NormalizationState &state) const {
  using Json = nlohmann::ordered_json;
  const Statistics &statistics = state.statistics;
  const NormalizationOptions &options = state.options;
  auto list = [](const Dims &dims) { return std::vector<int64_t>(dims.begin(), dims.end()); };

  Json document;
  document["path"] = path;
  document["axis"] = options.axis.empty() ? Json() : Json(list(options.axis));
  document["kept_axes"] = list(state.axis);
  Json shape = Json::array();
  for (int64_t extent : state.shape)
    shape.push_back(extent == kUnknownExtent ? Json() : Json(extent));
  document["shape"] = shape;
  document["kept_shape"] = list(statistics.shape);
  document["given"] = state.isGiven();
  document["invert"] = options.invert;
  document["epsilon"] = options.epsilon;
  document["nan"] = toString(options.nan);
  document["zero_variance"] = toString(options.zeroVariance);
  document["compute"] = toString(options.compute);
  document["output"] = toString(options.output.value_or(options.compute));
  Json features = Json::array();
  for (int64_t i = 0; i < statistics.size(); ++i) {
    double variance = statistics.variance(i);
    // JSON has neither NaN nor infinities: they become null.
    features.push_back(
        {{"index", list(unflatten(i, statistics.shape))},
         {"count", statistics.count[i]},
         {"mean", statistics.mean[i]},
         {"std", std::sqrt(variance)},
         {"variance", variance},
         {"constant", !state.isGiven() && statistics.count[i] > 0 && statistics.isConstant(i)}});
  }
  document["features"] = std::move(features);
  fmt::print("{}\n", document.dump(2, ' ', false, Json::error_handler_t::replace));
}

Expected<void> InspectCommand::run() {
  auto start = std::chrono::steady_clock::now();
  Expected<NormalizationState> state = readNormalizationState(path);
  if (!state)
    return state.takeError();
  std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  if (json)
    printJson(*state);
  else
    printText(*state);
  if (common.explain)
    explainWithoutKernels(*state, uint64_t(state->statistics.size()) * 24, elapsed.count());
  return {};
}

} // namespace

std::unique_ptr<Command> tool::createInspectCommand(CLI::App &parent) {
  return std::make_unique<InspectCommand>(parent);
}
