//===- Cache.cpp - norma cache: the compiled kernels on the disk ----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Command.h"
#include "OptionParsing.h"
#include "Text.h"
#include "norma/Runtime/KernelCache.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace norma;
using namespace norma::tool;

namespace {

constexpr const char *kExamples =
    R"(  norma cache list
  norma cache list --json | jq '.kernels[].key'
  norma cache verify
      reads every kernel and says which are damaged, and why
  norma cache prune --older-than=30
      removes kernels that were not used for 30 days; without options, all of them
  norma cache path
      where they are)";

constexpr double kSecondsPerDay = 24 * 60 * 60;

class CacheCommand : public Command {
public:
  explicit CacheCommand(CLI::App &parent);
  Expected<void> run() override;

private:
  Expected<void> list() const;
  Expected<void> verify() const;
  Expected<void> prune() const;

  CLI::App *listParser, *verifyParser, *pruneParser, *pathParser;
  std::optional<std::string> choice;
  std::string directory;
  bool json = false;
  std::optional<double> days;
  std::optional<uint64_t> maxBytes;
};

CacheCommand::CacheCommand(CLI::App &parent)
    : Command(Plain(), parent, "cache", "Shows, checks and empties the cache of compiled kernels",
              kExamples) {
  CLI::App &options = *app();
  options.require_subcommand(1);
  addCacheOption(options, choice);
  listParser = options.add_subcommand("list", "Shows the kernels, the most recently used last");
  listParser->add_flag("--json", json, "Machine-readable: one JSON object with all kernels");
  verifyParser = options.add_subcommand("verify", "Checks every kernel; fails if one is damaged");
  pruneParser = options.add_subcommand("prune", "Removes kernels; without options, all of them");
  addParsedOption(*pruneParser, "--older-than", days, parseOptional<double, parseDays>,
                  "Only kernels that were not used for so many days")
      ->type_name("DAYS");
  addParsedOption(*pruneParser, "--max-bytes", maxBytes, parseOptional<uint64_t, parseSize>,
                  "Only the least recently used ones, until the others have no more bytes")
      ->type_name("N");
  pathParser = options.add_subcommand("path", "Prints the directory, or off");
  // So that --cache may stand behind them, too.
  for (CLI::App *parser : {listParser, verifyParser, pruneParser, pathParser})
    parser->fallthrough();
}

/// "12 s", "5 min", "3 h", "40 days": the largest unit that fits.
std::string formatAge(double seconds) {
  // A clock that was set back makes files of the future.
  const auto whole = int64_t(std::max(seconds, 0.0));
  if (whole < 60)
    return fmt::format("{} s", whole);
  if (whole < 60 * 60)
    return fmt::format("{} min", whole / 60);
  if (whole < 2 * int64_t(kSecondsPerDay))
    return fmt::format("{} h", whole / (60 * 60));
  return fmt::format("{} days", whole / int64_t(kSecondsPerDay));
}

/// Its key, or what is wrong with it. A schedule that was found by measuring is all there is in its
/// file.
std::string describe(const StoredKernel &kernel) {
  if (!kernel.problem.empty())
    return fmt::format("{}: {}", kernel.file, kernel.problem);
  return kernel.tuned ? fmt::format("{} {}", kernel.key, kernel.schedule) : kernel.key;
}

std::string formatKernels(uint64_t count, uint64_t bytes) {
  return fmt::format("{}, {}", formatCount(int64_t(count), "kernel"), formatBytes(double(bytes)));
}

Expected<void> CacheCommand::list() const {
  Expected<std::vector<StoredKernel>> kernels = listKernelCache(directory);
  if (!kernels)
    return kernels.takeError();
  uint64_t bytes = 0;
  for (const StoredKernel &kernel : *kernels)
    bytes += kernel.bytes;
  if (json) {
    using Json = nlohmann::ordered_json;
    Json items = Json::array();
    for (const StoredKernel &kernel : *kernels)
      items.push_back({{"file", kernel.file},
                       {"bytes", kernel.bytes},
                       {"age_seconds", kernel.ageSeconds},
                       {"problem", kernel.problem.empty() ? Json() : Json(kernel.problem)},
                       {"key", kernel.key},
                       {"schedule", kernel.schedule},
                       {"tuned", kernel.tuned},
                       {"norma", kernel.normaVersion},
                       {"llvm", kernel.llvmVersion},
                       {"cpu", kernel.targetCpu},
                       {"compile_ms", kernel.compileMilliseconds}});
    const Json document = {{"directory", directory}, {"bytes", bytes}, {"kernels", items}};
    fmt::print("{}\n", document.dump(2, ' ', false, Json::error_handler_t::replace));
    return {};
  }
  Table table({"size", "used", "kernel"}, {2});
  for (const StoredKernel &kernel : *kernels)
    table.add({formatBytes(double(kernel.bytes)), formatAge(kernel.ageSeconds), describe(kernel)});
  if (!kernels->empty())
    fmt::print("{}", table.format());
  fmt::print("{} in {}\n", formatKernels(kernels->size(), bytes), directory);
  return {};
}

Expected<void> CacheCommand::verify() const {
  Expected<std::vector<StoredKernel>> kernels = listKernelCache(directory);
  if (!kernels)
    return kernels.takeError();
  int64_t damaged = 0;
  for (const StoredKernel &kernel : *kernels)
    if (!kernel.problem.empty()) {
      ++damaged;
      fmt::print("{}/{}: {}\n", directory, kernel.file, kernel.problem);
    }
  if (damaged > 0)
    return Error(ErrorCode::DataLoss,
                 fmt::format("{} of {} cannot be used; they are replaced when they are asked for",
                             damaged, formatCount(int64_t(kernels->size()), "kernel")));
  fmt::print("{}, all whole\n", formatCount(int64_t(kernels->size()), "kernel"));
  return {};
}

Expected<void> CacheCommand::prune() const {
  PruneOptions options;
  if (days)
    options.olderThanSeconds = *days * kSecondsPerDay;
  options.maxBytes = maxBytes;
  Expected<PruneResult> pruned = pruneKernelCache(directory, options);
  if (!pruned)
    return pruned.takeError();
  fmt::print("removed {} from {}\n", formatKernels(pruned->kernels, pruned->bytes), directory);
  return {};
}

Expected<void> CacheCommand::run() {
  Expected<std::string> path = kernelCacheDirectory(choice);
  if (!path)
    return path.takeError().within("--cache");
  directory = std::move(*path);
  if (pathParser->parsed()) {
    fmt::print("{}\n", directory.empty() ? "off" : directory);
    return {};
  }
  if (directory.empty())
    return invalidArgument("the cache is off; expected a directory in --cache or NORMA_CACHE_DIR");
  if (listParser->parsed())
    return list();
  return verifyParser->parsed() ? verify() : prune();
}

} // namespace

std::unique_ptr<Command> tool::createCacheCommand(CLI::App &parent) {
  return std::make_unique<CacheCommand>(parent);
}
