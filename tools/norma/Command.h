//===- Command.h - What the subcommands have in common ----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_TOOLS_NORMA_COMMAND_H
#define NORMA_TOOLS_NORMA_COMMAND_H

#include "Progress.h"
#include "norma/Runtime/Engine.h"

#include <CLI/CLI.hpp>
#include <memory>

namespace norma::tool {

/// Options of the subcommands that have an engine.
struct CommonOptions {
  EngineOptions engine;
  bool explain = false;
  ProgressMode progress = ProgressMode::Auto;
};

/// A subcommand: its constructor declares the options on `app`, run() does the
/// work after they were parsed. Wrong usage is reported by the parser (exit code
/// 2); what run() returns is a failure (exit code 1).
class Command {
public:
  virtual ~Command() = default;
  virtual Expected<void> run() = 0;

  CLI::App *app() const { return parser; }

protected:
  /// With the common options.
  Command(CLI::App &parent, const std::string &name, const std::string &description,
          const std::string &examples);
  /// Without them.
  struct Plain {};
  Command(Plain, CLI::App &parent, const std::string &name, const std::string &description,
          const std::string &examples);
  /// --progress, for commands that read whole data sets.
  void addProgressOption();

  CommonOptions common;

private:
  CLI::App *parser;
};

std::unique_ptr<Command> createAdaptCommand(CLI::App &parent);
std::unique_ptr<Command> createApplyCommand(CLI::App &parent);
std::unique_ptr<Command> createMergeCommand(CLI::App &parent);
std::unique_ptr<Command> createInspectCommand(CLI::App &parent);
std::unique_ptr<Command> createRunCommand(CLI::App &parent);
std::unique_ptr<Command> createCacheCommand(CLI::App &parent);
std::unique_ptr<Command> createCompileCommand(CLI::App &parent);
std::unique_ptr<Command> createTuneCommand(CLI::App &parent);

} // namespace norma::tool

#endif // NORMA_TOOLS_NORMA_COMMAND_H
