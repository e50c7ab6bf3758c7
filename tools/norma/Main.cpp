//===- Main.cpp - The norma program ---------------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Command.h"
#include "Interrupt.h"
#include "Text.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <iostream>
#include <unistd.h>

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
/// Where a standard stream is closed, the next file opened would get its number, and
/// what is printed would land in that file. The streams opened instead cannot be
/// used, so that reading and printing fail as they should.
void reserveStandardDescriptors() {
  for (int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(descriptor, F_GETFD) < 0 && errno == EBADF)
      // The lowest free number is this one.
      ::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/// CLI11 would take the next word for the value of "--axis=".
const char *findEmptyValue(int argc, char **argv) {
  for (int i = 1; i < argc; ++i) {
    std::string_view word = argv[i];
    if (word == "--")
      break;
    if (word.size() > 3 && word.starts_with("--") && word.find('=') == word.size() - 1)
      return argv[i];
  }
  return nullptr;
}

/// Output that did not arrive (a full disk behind a redirection) is a failure.
int finishOutput() {
  if (std::cout.flush() && std::fflush(stdout) == 0 && std::ferror(stdout) == 0)
    return 0;
  // A reader that has seen enough, such as head, needs no message.
  if (errno != EPIPE)
    printNote("norma: error: writing to standard output failed\n");
  return kFailure;
}

int reportUsage(const CLI::App &app, const CLI::ParseError &error) {
  const CLI::App *command = &app;
  std::string name = "norma";
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().back();
    name += " " + command->get_name();
  }
  printNote(fmt::format("norma: error: {}\nTry \"{} --help\".\n", error.what(), name));
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
                                         createRunCommand(app),   createCompileCommand(app),
                                         createCacheCommand(app), createTuneCommand(app)};
  try {
    if (const char *word = findEmptyValue(argc, argv))
      throw CLI::ArgumentMismatch(fmt::format("{} has no value after the '='", word));
    app.parse(argc, argv);
  } catch (const CLI::Success &request) {
    // --help and --version.
    app.exit(request);
    return finishOutput();
  } catch (const CLI::ParseError &error) {
    return reportUsage(app, error);
  }

  installSignalHandlers();
  for (const auto &command : commands) {
    if (!command->app()->parsed())
      continue;
    Expected<void> result = command->run();
    if (!result) {
      printNote(fmt::format("norma: error: {}\n", result.error().message()));
      return kFailure;
    }
  }
  return finishOutput();
}

} // namespace

int main(int argc, char **argv) {
  reserveStandardDescriptors();
  try {
    return runMain(argc, argv);
  } catch (const std::bad_alloc &) {
    printNote("norma: error: out of memory\n");
  } catch (const std::system_error &error) {
    // fmt::print throws where the output cannot be written.
    if (error.code() != std::errc::broken_pipe)
      printNote(fmt::format("norma: error: {}\n", error.what()));
  } catch (const std::exception &error) {
    printNote(fmt::format("norma: error: {}\n", error.what()));
  }
  return kFailure;
}
