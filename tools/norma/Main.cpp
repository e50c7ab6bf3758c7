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
#include <fmt/ranges.h>
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

/// Where a standard stream is closed, the next file opened would get its number, and
/// what is printed would land in that file. The streams opened instead cannot be
/// used, so that reading and printing fail as they should.
void reserveStandardDescriptors() {
  for (int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(descriptor, F_GETFD) < 0 && errno == EBADF)
      // The lowest free number is this one.
      ::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int reportLostOutput(int cause) {
  // A reader that has seen enough, such as head, needs no message.
  if (cause != EPIPE)
    printNote("norma: error: writing to standard output failed\n");
  return kFailure;
}

/// Output that did not arrive (a full disk behind a redirection) is a failure.
int finishOutput() {
  if (std::cout.flush() && std::fflush(stdout) == 0 && std::ferror(stdout) == 0)
    return 0;
  return reportLostOutput(errno);
}

/// CLI11 only says that a command is missing, and not which word is none.
std::string describe(const CLI::App &command, const CLI::ParseError &error) {
  const std::vector<std::string> words = command.remaining();
  if (command.get_require_subcommand_min() == 0 || words.empty() || words.front().starts_with('-'))
    return error.what();
  std::vector<std::string> names;
  for (const CLI::App *known : command.get_subcommands([](const CLI::App *) { return true; }))
    names.push_back(known->get_name());
  return fmt::format("'{}' is not a command; expected one of {}", words.front(),
                     fmt::join(names, ", "));
}

int reportUsage(const CLI::App &command, const std::string &message) {
  std::string name = command.get_name();
  for (const CLI::App *parent = command.get_parent(); parent; parent = parent->get_parent())
    name = parent->get_name() + " " + name;
  printNote(fmt::format("norma: error: {}\nTry \"{} --help\".\n", message, name));
  return kWrongUsage;
}

int reportUsage(const CLI::App &app, const CLI::ParseError &error) {
  const CLI::App *command = &app;
  while (!command->get_subcommands().empty())
    command = command->get_subcommands().back();
  return reportUsage(*command, describe(*command, error));
}

/// CLI11 would take the next word for the value of "--axis=". The exit code where there is one.
std::optional<int> checkEmptyValues(const CLI::App &app, std::span<char *const> words) {
  const CLI::App *command = &app;
  for (const std::string word : words) {
    if (word == "--")
      break;
    if (word.size() > 3 && word.starts_with("--") && word.find('=') == word.size() - 1)
      return reportUsage(*command, fmt::format("{} has no value after the '='", word));
    const auto named =
        command->get_subcommands([&](const CLI::App *each) { return each->get_name() == word; });
    if (!named.empty())
      command = named.front();
  }
  return std::nullopt;
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
    if (const auto code = checkEmptyValues(app, {argv + 1, argv + argc}))
      return *code;
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
    if (std::ferror(stdout) != 0)
      return reportLostOutput(error.code().value());
    printNote(fmt::format("norma: error: {}\n", error.what()));
  } catch (const std::exception &error) {
    printNote(fmt::format("norma: error: {}\n", error.what()));
  }
  return kFailure;
}
