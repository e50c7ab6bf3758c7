//===- Tune.cpp - norma tune: schedules found by measuring ----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Command.h"
#include "Interrupt.h"
#include "OptionParsing.h"
#include "Text.h"
#include "norma/Runtime/Tuning.h"

#include <algorithm>
#include <fmt/format.h>
#include <unistd.h>

using namespace norma;
using namespace norma::tool;

namespace {

constexpr const char *kExamples =
    R"(  norma tune 'affine;RK[?x13];f32;coefficients=cs'
      measures other schedules of (x - center) * scale of rows of 13 features
  norma tune 'moments;RK[?x1000];f32;streaming' --rows=100000 --rows=1000000
      of the statistics of tables that no cache holds, at these numbers of rows
  norma tune 'grad_map;RKR[?x64x3136];f32' --dry-run
      only shows what would be gained
  norma tune --forget 'affine;RK[?x13];f32;coefficients=cs'
      back to the rules
  norma tune 'moments;RK[?x13];f32' --use '#norma.schedule<rows, ...>'
      what was found on a machine like this one, without measuring

  SPEC is what the key of a kernel begins with (--explain shows it). Maps give the same bits with
  every schedule. Statistics may differ in their last bits, within the accuracy that is promised.)";

Expected<double> parseSeconds(const std::string &text) {
  Expected<double> seconds = parseDays(text);
  if (!seconds || *seconds == 0)
    return invalidArgument(fmt::format("'{}'; expected a number of more than 0", text));
  return seconds;
}

class TuneCommand : public Command {
public:
  explicit TuneCommand(CLI::App &parent);
  Expected<void> run() override;

private:
  Expected<void> tune(Engine &engine);
  void print(const Engine &engine, const TuningResult &result) const;

  std::string spec, given;
  EngineOptions engineOptions;
  TuningOptions options;
  bool dryRun = false, forget = false;
};

TuneCommand::TuneCommand(CLI::App &parent)
    : Command(Plain(), parent, "tune",
              "Finds a faster schedule for a kernel by measuring, and keeps it in the cache",
              kExamples) {
  CLI::App &parser = *app();
  parser.add_option("spec", spec, "The kernel: family;axis form;data type;...")
      ->required()
      ->type_name("SPEC");
  parser
      .add_option_function<std::vector<std::string>>(
          "--rows",
          [this](const std::vector<std::string> &texts) {
            for (const std::string &text : texts) {
              Expected<int64_t> rows = parseRows(text);
              if (!rows)
                throw CLI::ValidationError("--rows", rows.error().message());
              options.rows.push_back(*rows);
            }
          },
          "An extent of the outermost axis to measure at; may be repeated; default: two to four "
          "for which calls run this kernel, from the sizes of the caches")
      ->allow_extra_args(false)
      ->type_name("N");
  addParsedOption(parser, "--seconds", options.seconds, parseSeconds,
                  "After so long no more schedules are tried; default: 20")
      ->type_name("S");
  addParsedOption(parser, "--threads", engineOptions.threads, parseThreads,
                  "Threads to measure with; 0 (the default) uses all cores")
      ->type_name("N");
  addCacheOption(parser, engineOptions.cacheDirectory);
  CLI::Option *dry = parser.add_flag("--dry-run", dryRun, "Keep nothing");
  CLI::Option *back =
      parser.add_flag("--forget", forget, "Give the kernel back to the rules, without measuring")
          ->excludes(dry);
  parser.add_option("--use", given, "Keep this schedule, without measuring")
      ->excludes(dry)
      ->excludes(back)
      ->type_name("SCHEDULE");
}

/// How many schedules were measured, on a line that is drawn over itself, if somebody watches.
class TriedLine {
public:
  TriedLine() : enabled(::isatty(STDERR_FILENO) == 1) {}
  TriedLine(const TriedLine &) = delete;
  TriedLine &operator=(const TriedLine &) = delete;
  ~TriedLine() {
    if (drawn > 0)
      printNote("\r\x1b[K");
  }

  void draw(const TuningProgress &progress) {
    if (!enabled || progress.seconds < drawn + 0.1)
      return;
    drawn = progress.seconds;
    printNote(fmt::format("\rtune  {}, {}\x1b[K", formatCount(int64_t(progress.tried), "schedule"),
                          formatDuration(progress.seconds)));
  }

private:
  bool enabled;
  double drawn = 0;
};

/// "1.23 us", "45.6 ms".
std::string formatTime(double seconds) {
  if (seconds < 1e-3)
    return fmt::format("{:.3g} us", seconds * 1e6);
  return fmt::format("{:.3g} ms", seconds * 1e3);
}

/// "#norma.schedule<rows, vector = 16>" without what all have in common.
std::string shortened(const std::string &schedule) {
  const size_t begin = schedule.find('<');
  if (begin == std::string::npos || !schedule.ends_with('>'))
    return schedule;
  return schedule.substr(begin + 1, schedule.size() - begin - 2);
}

std::string formatRatios(const TriedSchedule &schedule) {
  std::string text;
  for (double ratio : schedule.ratios)
    text += fmt::format("{}{:.3f}", text.empty() ? "" : ", ", ratio);
  return text;
}

void TuneCommand::print(const Engine &engine, const TuningResult &result) const {
  fmt::print("{}\n{}, {}; the time of a call over that with the schedule of the rules\n\n",
             result.spec, formatCount(engine.threads(), "thread"), engine.targetCpu());
  std::vector<std::string> heading;
  heading.reserve(result.sizes.size() + 2);
  for (const TuningSize &size : result.sizes)
    heading.push_back(formatCount(size.rows, "row"));
  heading.insert(heading.end(), {"mean", "schedule"});
  Table table(heading, {int(heading.size()) - 1});
  std::vector<std::string> cells;
  cells.reserve(result.sizes.size() + 2);
  for (const TuningSize &size : result.sizes)
    cells.push_back(formatTime(size.seconds));
  cells.insert(cells.end(), {"", shortened(result.tried.front().schedule) + "  (rules)"});
  table.add(cells);
  std::vector<const TriedSchedule *> others;
  others.reserve(result.tried.size());
  for (const TriedSchedule &schedule : std::span(result.tried).subspan(1))
    others.push_back(&schedule);
  std::ranges::sort(others, {}, [](const TriedSchedule *each) { return each->ratio(); });
  for (const TriedSchedule *schedule : others) {
    cells.clear();
    for (double ratio : schedule->ratios)
      cells.push_back(fmt::format("{:.3f}", ratio));
    cells.insert(cells.end(), {fmt::format("{:.3f}", schedule->ratio()),
                               shortened(schedule->schedule) +
                                   (schedule == &result.tried[result.best] ? "  (best)" : "")});
    table.add(cells);
  }
  fmt::print("{}\n", table.format());
  if (result.ranOutOfTime)
    fmt::print("not everything was tried within {}; see --seconds\n",
               formatDuration(options.seconds));
  for (const TriedSchedule &again : result.confirmations)
    fmt::print("measured again: {:.3f} ({})\n", again.ratio(), formatRatios(again));
  if (!result.faster) {
    fmt::print("the rules stay: {}\n",
               result.best == 0 ? "nothing else is faster" : "nothing else is faster for certain");
    return;
  }
  fmt::print("winner: {}\n", result.tried[result.best].schedule);
  if (result.file.empty())
    fmt::print("nothing was stored\n");
  else
    fmt::print("stored in {}\n", result.file);
}

Expected<void> TuneCommand::tune(Engine &engine) {
  Expected<TuningResult> result = [&] {
    TriedLine line;
    return engine.tune(spec, options, {.progress = [&](const TuningProgress &progress) {
                         line.draw(progress);
                         return bool(checkInterrupt());
                       }});
  }();
  if (Expected<void> ok = checkInterrupt(); !ok)
    return ok;
  if (!result)
    return result.takeError();
  print(engine, *result);
  return {};
}

Expected<void> TuneCommand::run() {
  options.store = !dryRun;
  engineOptions.log = [](std::string_view message) { printNote(fmt::format("{}\n", message)); };
  Expected<std::shared_ptr<Engine>> engine = Engine::create(engineOptions);
  if (!engine)
    return engine.takeError();
  if (!dryRun && (*engine)->cacheDirectory().empty())
    return invalidArgument(fmt::format("the cache is off; expected a directory in --cache or "
                                       "NORMA_CACHE_DIR{}",
                                       forget || !given.empty() ? "" : ", or --dry-run"));
  if (!given.empty()) {
    Expected<std::string> file = (*engine)->useSchedule(spec, given);
    if (!file)
      return file.takeError();
    fmt::print("stored in {}\n", *file);
    return {};
  }
  if (!forget)
    return tune(**engine);
  Expected<bool> forgotten = (*engine)->forgetTuning(spec);
  if (!forgotten)
    return forgotten.takeError();
  fmt::print("{}\n", *forgotten ? "forgotten: the rules choose its schedule again"
                                : "the rules choose its schedule already");
  return {};
}

} // namespace

std::unique_ptr<Command> tool::createTuneCommand(CLI::App &parent) {
  return std::make_unique<TuneCommand>(parent);
}
