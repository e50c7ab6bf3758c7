//===- Main.cpp - The norma program ---------------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Command.h"
#include "Interrupt.h"

#include <fmt/format.h>

using namespace norma;
using namespace norma::tool;

namespace {

constexpr int kFailure = 1;
constexpr int kWrongUsage = 2;

constexpr const char *kExamples = R"(
A data set is normalized in two steps: learn its statistics, then use them.

  norma adapt --data train.npy -o train.safetensors
  norma apply --state train.safetensors --data test.npy -o test-normalized.npy
  norma inspect train.safetensors

"norma COMMAND --help" shows the options and examples of a command.
Exit codes: 0 success, 1 failure, 2 wrong usage.)";

/// Splits what CLI11 says into our one line.
int reportUsage(const CLI::App &app, const CLI::ParseError &error) {
  const CLI::App *command = &app;
  for (const CLI::App *subcommand : app.get_subcommands())
    command = subcommand;
  std::string name = command == &app ? "norma" : "norma " + command->get_name();
  fmt::print(stderr, "norma: error: {}\nTry \"{} --help\".\n", error.what(), name);
  return kWrongUsage;
}

int runMain(int argc, char **argv) {
  CLI::App app("Normalizes the features of data files with kernels compiled for their shape.",
               "norma");
  app.footer(kExamples);
  app.require_subcommand(1);
  app.set_version_flag("--version", "norma " NORMA_VERSION);
  app.get_formatter()->column_width(34);

  std::unique_ptr<Command> commands[] = {createAdaptCommand(app), createApplyCommand(app),
                                         createMergeCommand(app), createInspectCommand(app),
                                         createRunCommand(app)};
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success &request) {
    // --help and --version.
    return app.exit(request);
  } catch (const CLI::ParseError &error) {
    return reportUsage(app, error);
  }

  installSignalHandlers();
  for (const auto &command : commands) {
    if (!command->app()->parsed())
      continue;
    Expected<void> result = command->run();
    if (!result) {
      fmt::print(stderr, "norma: error: {}\n", result.error().message());
      return kFailure;
    }
  }
  // Output that did not arrive (a full disk behind a redirection) is a failure too.
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
    fmt::print(stderr, "norma: error: writing to standard output failed\n");
    return kFailure;
  }
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  try {
    return runMain(argc, argv);
  } catch (const std::bad_alloc &) {
    fmt::print(stderr, "norma: error: out of memory\n");
  } catch (const std::exception &error) {
    fmt::print(stderr, "norma: error: {}\n", error.what());
  }
  return kFailure;
}
