//===- Merge.cpp - norma merge: statistics of parts into one --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Command.h"
#include "Explain.h"
#include "Text.h"
#include "norma/Runtime/Layers/NormalizationState.h"

#include <chrono>
#include <fmt/format.h>

using namespace norma;
using namespace norma::tool;

namespace {

constexpr const char *kExamples =
    R"(  norma merge monday.safetensors tuesday.safetensors -o week.safetensors
      the statistics that 'norma adapt' finds for the data of both days)";

class MergeCommand : public Command {
public:
  explicit MergeCommand(CLI::App &parent);
  Expected<void> run() override;

private:
  std::vector<std::string> inputs;
  std::string output;
};

MergeCommand::MergeCommand(CLI::App &parent)
    : Command(parent, "merge", "Merges the state files of parts of a data set", kExamples) {
  app()
      ->add_option("states", inputs, "State files with the same axis, kept extents and policies")
      ->required()
      ->type_name("STATE");
  app()
      ->add_option("-o,--output", output, "The state file to write")
      ->required()
      ->type_name("STATE");
}

/// An error when two states treat data or features differently.
Expected<void> checkPolicies(const NormalizationOptions &a, const NormalizationOptions &b,
                             const std::string &aPath, const std::string &bPath) {
  auto differ = [&](std::string_view what, std::string_view left, std::string_view right) {
    return invalidArgument(
        fmt::format("{} has the {} '{}', but {} has '{}'", bPath, what, right, aPath, left));
  };
  if (a.nan != b.nan)
    return differ("NaN policy", toString(a.nan), toString(b.nan));
  if (a.zeroVariance != b.zeroVariance)
    return differ("zero-variance policy", toString(a.zeroVariance), toString(b.zeroVariance));
  if (a.invert != b.invert)
    return differ("direction", a.invert ? "inverted" : "forward",
                  b.invert ? "inverted" : "forward");
  if (a.epsilon != b.epsilon)
    return differ("epsilon", fmt::format("{}", a.epsilon), fmt::format("{}", b.epsilon));
  return {};
}

Expected<void> MergeCommand::run() {
  auto start = std::chrono::steady_clock::now();
  Expected<NormalizationState> merged = readNormalizationState(inputs.front());
  if (!merged)
    return merged.takeError();
  for (size_t i = 1; i < inputs.size(); ++i) {
    Expected<NormalizationState> next = readNormalizationState(inputs[i]);
    if (!next)
      return next.takeError();
    Expected<void> same = checkPolicies(merged->options, next->options, inputs.front(), inputs[i]);
    if (!same)
      return same;
    Expected<void> done = mergeNormalizationStates(*merged, *next);
    if (!done)
      return done.takeError().within(fmt::format("{} into {}", inputs[i], inputs.front()));
  }
  Expected<void> written = writeNormalizationState(output, *merged);
  if (!written)
    return written;
  std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  fmt::print("merged {} with {}\nwrote {}\n", formatCount(int64_t(inputs.size()), "state"),
             formatCount(merged->statistics.size(), "feature"), output);
  if (common.explain)
    explainWithoutKernels(*merged, inputs.size() * uint64_t(merged->statistics.size()) * 24,
                          elapsed.count());
  return {};
}

} // namespace

std::unique_ptr<Command> tool::createMergeCommand(CLI::App &parent) {
  return std::make_unique<MergeCommand>(parent);
}
