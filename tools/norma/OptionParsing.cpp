//===- OptionParsing.cpp - Values of command line options -----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OptionParsing.h"
#include "Command.h"
#include "Text.h"
#include "norma/IO/Npy.h"

#include <charconv>
#include <filesystem>
#include <fmt/format.h>

using namespace norma;
using namespace norma::tool;

enum class Parsed { Number, NoNumber, OutOfRange };

template <typename T>
static Parsed tryParse(std::string_view text, T &value) {
  const char *end = text.data() + text.size();
  // from_chars knows no plus sign.
  if (text.size() > 1 && text.front() == '+' && text[1] != '-')
    text.remove_prefix(1);
  auto result = std::from_chars(text.data(), end, value);
  if (text.empty() || result.ptr != end || result.ec == std::errc::invalid_argument)
    return Parsed::NoNumber;
  return result.ec == std::errc() ? Parsed::Number : Parsed::OutOfRange;
}

template <typename T>
static bool parseNumber(std::string_view text, T &value) {
  return tryParse(text, value) == Parsed::Number;
}

/// A whole number from `least` to `most`. `note` says more about the least one.
template <typename T>
static Expected<T> parseWhole(const std::string &text, T least, T most, const char *note = "") {
  T value = 0;
  const Parsed parsed = tryParse(text, value);
  if (parsed == Parsed::Number && value >= least && value <= most)
    return value;
  const bool tooLarge = parsed == Parsed::OutOfRange ? !text.starts_with('-') : value > most;
  return invalidArgument(fmt::format("'{}'; expected a whole number of at least {}{}{}", text,
                                     least, note,
                                     tooLarge ? fmt::format(", at most {}", most) : ""));
}

/// The parts of `text` between commas, without blanks around them.
static std::vector<std::string_view> splitAtCommas(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    size_t comma = text.find(',');
    std::string_view part = text.substr(0, comma);
    while (!part.empty() && part.front() == ' ')
      part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ')
      part.remove_suffix(1);
    parts.push_back(part);
    if (comma == std::string_view::npos)
      return parts;
    text.remove_prefix(comma + 1);
  }
}

Expected<Dims> tool::parseAxis(const std::string &text) {
  if (text == "none")
    return Dims();
  Dims axes;
  std::vector<std::string_view> parts = splitAtCommas(text);
  if (!Dims::fits(parts.size()))
    return invalidArgument(
        fmt::format("'{}' has {} axes; at most {} are possible", text, parts.size(), kMaxRank));
  for (std::string_view part : parts) {
    int64_t axis;
    const Parsed parsed = tryParse(part, axis);
    if (parsed == Parsed::OutOfRange)
      return invalidArgument(fmt::format("'{}' names axis {}; expected axes from {} to {}", text,
                                         part, -kMaxRank, kMaxRank - 1));
    if (parsed == Parsed::NoNumber)
      return invalidArgument(
          fmt::format("'{}' is not an axis; expected 'none', a number, or numbers with commas "
                      "between them, as in -1 or 1,2",
                      text));
    if (std::find(axes.begin(), axes.end(), axis) != axes.end())
      return invalidArgument(fmt::format("'{}' names axis {} twice", text, axis));
    axes.push_back(axis);
  }
  return axes;
}

Expected<int64_t> tool::parsePositive(const std::string &text) {
  return parseWhole<int64_t>(text, 1, INT64_MAX);
}

Expected<int64_t> tool::parseRows(const std::string &text) {
  return parseWhole<int64_t>(text, 2, INT64_MAX);
}

Expected<uint64_t> tool::parseSize(const std::string &text) {
  return parseWhole<uint64_t>(text, 0, UINT64_MAX);
}

Expected<double> tool::parseDays(const std::string &text) {
  double value;
  // Not a NaN, either.
  if (!parseNumber(text, value) || !(value >= 0))
    return invalidArgument(fmt::format("'{}'; expected a number of at least 0", text));
  return value;
}

Expected<int> tool::parseThreads(const std::string &text) {
  return parseWhole<int>(text, 0, EngineOptions::kMostThreads, " (0: all cores)");
}

Expected<DType> tool::parseOutputDType(const std::string &text) {
  Expected<DType> dtype = parseDType(text);
  if (!dtype || !isFloat(*dtype))
    return invalidArgument(fmt::format("'{}'; expected f32, f64, f16 or bf16", text));
  return dtype;
}

Expected<DType> tool::parseComputeDType(const std::string &text) {
  Expected<DType> dtype = parseDType(text);
  if (!dtype || (*dtype != DType::F32 && *dtype != DType::F64))
    return invalidArgument(fmt::format("'{}'; expected f32 or f64", text));
  return dtype;
}

Expected<CompilePolicy> tool::parseCompilePolicy(const std::string &text) {
  if (text == "optimized")
    return CompilePolicy::Optimized;
  if (text == "tiered")
    return CompilePolicy::Tiered;
  return invalidArgument(fmt::format("'{}'; expected optimized or tiered", text));
}

Expected<NanPolicy> tool::parseNan(const std::string &text) { return parseNanPolicy(text); }

Expected<ZeroVariance> tool::parseZeroVarianceOption(const std::string &text) {
  return parseZeroVariance(text);
}

Expected<GivenStatistic> tool::readGivenStatistic(const std::string &text,
                                                  const std::string &option) {
  GivenStatistic given;
  std::vector<std::string_view> parts = splitAtCommas(text);
  for (std::string_view part : parts) {
    double value;
    if (!parseNumber(part, value))
      break;
    given.values.push_back(value);
  }
  if (given.values.size() == parts.size()) {
    // One number is a scalar, which broadcasts to every shape.
    if (given.values.size() > 1)
      given.shape = {int64_t(given.values.size())};
    return given;
  }
  if (!given.values.empty())
    return invalidArgument(fmt::format("{} is '{}', where '{}' is not a number", option, text,
                                       parts[given.values.size()]));

  Expected<io::NpyReader> reader = io::NpyReader::open(text);
  if (!reader)
    return reader.takeError().within(option);
  Expected<Tensor> mapped = reader->map();
  if (!mapped)
    return mapped.takeError().within(option);
  // Statistics are small; a copy makes the values contiguous.
  Expected<Array> values = Array::copyOf(*mapped);
  if (!values)
    return values.takeError().within(option);
  const Tensor &view = values->view();
  given.shape = view.shape;
  given.values.reserve(view.size());
  for (int64_t i = 0; i < view.size(); ++i)
    given.values.push_back(loadAsDouble(
        static_cast<const char *>(view.data) + size_t(i) * sizeOf(view.dtype), view.dtype));
  return given;
}

Expected<void> tool::checkIsNoInput(const std::string &output, const std::string &input,
                                    const std::string &what, const std::string &option) {
  // A file that is not there is no failure here; opening it says so.
  std::error_code ignored;
  if (std::filesystem::equivalent(output, input, ignored))
    return invalidArgument(
        fmt::format("{}: {} is the file of {}, which it would replace; expected another name",
                    option, output, what));
  return {};
}

Expected<void> tool::checkIsOther(const std::string &output, const std::string &option,
                                  const std::string &other, const std::string &otherOption) {
  // Neither need be there, so names are compared, behind links.
  std::error_code ignored;
  const auto canonical = [&](const std::string &path) {
    return std::filesystem::weakly_canonical(std::filesystem::absolute(path, ignored), ignored);
  };
  if (canonical(output) == canonical(other))
    return invalidArgument(fmt::format("{}: {} is the file of {}, too; expected another name",
                                       option, output, otherOption));
  return {};
}

std::string tool::formatAxis(const Dims &axis) {
  if (axis.empty())
    return "none";
  return fmt::format("{}", fmt::join(axis.begin(), axis.end(), ","));
}

CLI::Option *tool::addRepeatedOption(CLI::App &app, const std::string &name,
                                     std::vector<std::string> &target,
                                     const std::string &description) {
  // Without this, "--data a.npy b.npy" would swallow the words that follow.
  return app.add_option(name, target, description)->allow_extra_args(false)->type_name("FILE");
}

CLI::Option *tool::addCacheOption(CLI::App &app, std::optional<std::string> &target) {
  return app
      .add_option("--cache", target,
                  "Directory of compiled kernels, or off; default: NORMA_CACHE_DIR, else "
                  "$XDG_CACHE_HOME/norma, else ~/.cache/norma")
      ->type_name("DIR");
}

Command::Command(Plain, CLI::App &parent, const std::string &name, const std::string &description,
                 const std::string &examples)
    : parser(parent.add_subcommand(name, description)) {
  parser->footer("\nExamples:\n" + examples);
  parser->get_formatter()->column_width(34);
}

Command::Command(CLI::App &parent, const std::string &name, const std::string &description,
                 const std::string &examples)
    : Command(Plain(), parent, name, description, examples) {
  addParsedOption<int>(
      *parser, "--threads", common.engine.threads, parseThreads,
      "Threads to use; 0 (the default) uses all cores. Results do not depend on it")
      ->type_name("N");
  parser
      ->add_option(
          "--target-cpu", common.engine.targetCpu,
          "Processor to compile for, as LLVM names it (x86-64-v3); default: this machine's")
      ->type_name("CPU");
  addCacheOption(*parser, common.engine.cacheDirectory);
  addParsedOption<CompilePolicy>(
      *parser, "--compile-policy", common.engine.compilePolicy, parseCompilePolicy,
      "optimized (the default), or tiered: start with code that is made faster, with the same "
      "results")
      ->type_name("POLICY");
  parser->add_flag("--explain", common.explain,
                   "Say on standard error what was compiled and how fast it ran");
  common.engine.log = [this](std::string_view message) {
    if (common.explain)
      printNote(fmt::format("{}\n", message));
  };
}

static Expected<ProgressMode> parseProgress(const std::string &text) {
  if (text == "auto")
    return ProgressMode::Auto;
  if (text == "always")
    return ProgressMode::Always;
  if (text == "never")
    return ProgressMode::Never;
  return invalidArgument(fmt::format("'{}'; expected auto, always or never", text));
}

void Command::addProgressOption() {
  addParsedOption<ProgressMode>(
      *parser, "--progress", common.progress, parseProgress,
      "Progress bar on standard error: auto (on a terminal), always or never")
      ->type_name("WHEN");
}
