//===- Run.cpp - norma run: compiles and runs a function ------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Command.h"
#include "Explain.h"
#include "OptionParsing.h"
#include "SourceText.h"
#include "Text.h"
#include "norma/IO/Npy.h"

#include <chrono>
#include <cmath>
#include <fmt/format.h>
#include <sstream>

using namespace norma;
using namespace norma::tool;

namespace {

constexpr const char *kExamples =
    R"(  norma run standardize.mlir --arg x.npy -o y.npy
  norma run layers.mlir --entry=two_results --arg x.npy --arg mean.npy -o y.npy -o z.npy
      the n-th --arg is the n-th argument, the n-th -o the n-th result
  norma run standardize.mlir --arg x.npy
      without -o, shows the results
  norma run standardize.mlir --dump-stage=help
      lists the stages of the compiler
  norma run standardize.mlir --dump-stage=schedule
      prints the IR after a stage; without --arg and -o, nothing is run)";

/// The stage whose IR shows every decision about kernels.
constexpr const char *kScheduleStage = "schedule";

class RunCommand : public Command {
public:
  explicit RunCommand(CLI::App &parent);
  Expected<void> run() override;

private:
  void checkUsage() const;
  bool listStages() const;
  Expected<void> checkOutputs() const;
  Expected<void> execute(const Program &program) const;

  std::string path, entry;
  std::vector<std::string> arguments, outputs, dumpStages;
};

RunCommand::RunCommand(CLI::App &parent)
    : Command(parent, "run", "Compiles a function of an MLIR file and runs it on .npy files",
              kExamples) {
  CLI::App &options = *app();
  options.add_option("file", path, "The MLIR file; - reads standard input")->type_name("FILE.mlir");
  options.add_option("--entry", entry, "The function to run; not needed when there is only one")
      ->type_name("NAME");
  addRepeatedOption(options, "--arg", arguments, "A .npy file for the next argument");
  addRepeatedOption(options, "-o,--output", outputs, "A .npy file to write the next result to");
  addRepeatedOption(options, "--dump-stage", dumpStages,
                    "Print the IR after this stage; 'help' lists the stages")
      ->type_name("NAME");
  options.callback([this] { checkUsage(); });
}

bool RunCommand::listStages() const {
  return std::find(dumpStages.begin(), dumpStages.end(), "help") != dumpStages.end();
}

void RunCommand::checkUsage() const {
  if (listStages())
    return;
  if (path.empty())
    throw CLI::RequiredError("file");
  std::vector<std::string> names = Engine::stageNames();
  for (const std::string &stage : dumpStages)
    if (std::find(names.begin(), names.end(), stage) == names.end())
      throw CLI::ValidationError("--dump-stage", fmt::format("'{}' is no stage; expected one of {}",
                                                             stage, fmt::join(names, ", ")));
}

/// The kernel ops of a program, with the shapes in axis form and the schedule that
/// the IR shows.
void explainScheduledOps(const Program &program) {
  for (const auto &[name, text] : program.stages()) {
    if (name != kScheduleStage)
      continue;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
      if (line.find("norma.affine") != std::string::npos ||
          line.find("norma.moments") != std::string::npos)
        printNote(fmt::format("kernel      {}\n", line.substr(line.find_first_not_of(' '))));
    return;
  }
}

/// The first elements of a result that is not written to a file.
void printResult(size_t index, const Tensor &tensor) {
  constexpr int64_t shown = 16;
  std::string values;
  int64_t count = std::min(tensor.size(), shown);
  for (int64_t i = 0; i < count; ++i) {
    const char *element = static_cast<const char *>(tensor.data) + size_t(i) * sizeOf(tensor.dtype);
    double value = loadAsDouble(element, tensor.dtype);
    if (std::isnan(value))
      values += " nan";
    else
      values += tensor.dtype == DType::F64 || !isFloat(tensor.dtype)
                    ? fmt::format(" {}", value)
                    : fmt::format(" {}", float(value));
  }
  fmt::print("result {}: {} {}:{}{}\n", index, toString(tensor.dtype), toString(tensor.shape),
             values, tensor.size() > shown ? " ..." : "");
}

void printResults(const std::vector<Array> &results) {
  for (size_t i = 0; i < results.size(); ++i)
    printResult(i, results[i]);
}

/// Files appear when all are written, so that one that cannot be leaves none behind.
Expected<void> writeResults(const std::vector<Array> &results,
                            const std::vector<std::string> &paths) {
  std::vector<io::NpyWriter> files;
  for (size_t i = 0; i < results.size(); ++i) {
    const Tensor &result = results[i].view();
    Expected<io::NpyWriter> file = io::NpyWriter::create(paths[i], result.dtype, result.shape);
    if (!file)
      return file.takeError();
    files.push_back(std::move(*file));
    if (Expected<void> ok = files.back().append(result.data, results[i].sizeInBytes()); !ok)
      return ok;
  }
  for (io::NpyWriter &file : files)
    if (Expected<void> ok = file.commit(); !ok)
      return ok;
  return {};
}

/// No output may replace the program, or another output.
Expected<void> RunCommand::checkOutputs() const {
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (Expected<void> ok = checkIsNoInput(outputs[i], path, "the program"); !ok)
      return ok;
    for (size_t j = 0; j < i; ++j)
      if (Expected<void> ok = checkIsOther(outputs[i], "--output", outputs[j], "another --output");
          !ok)
        return ok;
  }
  return {};
}

Expected<void> RunCommand::execute(const Program &program) const {
  std::vector<Array> inputs;
  std::vector<Tensor> views;
  uint64_t bytes = 0;
  for (const std::string &argument : arguments) {
    Expected<io::NpyReader> reader = io::NpyReader::open(argument);
    if (!reader)
      return reader.takeError();
    Expected<Tensor> mapped = reader->map();
    if (!mapped)
      return mapped.takeError();
    // Programs may write to no argument, but may want it aligned and contiguous.
    Expected<Array> copy = Array::copyOf(*mapped);
    if (!copy)
      return copy.takeError().within(argument);
    bytes += copy->sizeInBytes();
    views.push_back(copy->view());
    inputs.push_back(std::move(*copy));
  }

  auto start = std::chrono::steady_clock::now();
  Expected<std::vector<Array>> results = program.run(views);
  if (!results)
    return results.takeError().within(fmt::format("{}: {}", path, program.entry()));
  std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  if (!outputs.empty() && outputs.size() != results->size())
    return invalidArgument(fmt::format("{} has {}, but -o was given {}", program.entry(),
                                       formatCount(int64_t(results->size()), "result"),
                                       formatCount(int64_t(outputs.size()), "time")));
  for (const Array &result : *results)
    bytes += result.sizeInBytes();
  if (outputs.empty())
    printResults(*results);
  else if (Expected<void> ok = writeResults(*results, outputs); !ok)
    return ok;
  if (common.explain)
    printNote(fmt::format("ran         {} once, {} of arguments and results in {:.3f} ms, {}\n",
                          program.entry(), formatBytes(double(bytes)), elapsed.count() * 1e3,
                          formatRate(double(bytes), elapsed.count())));
  return {};
}

Expected<void> RunCommand::run() {
  if (listStages()) {
    for (const std::string &name : Engine::stageNames())
      fmt::print("{}\n", name);
    return {};
  }
  if (Expected<void> valid = checkOutputs(); !valid)
    return valid;
  Expected<std::string> source = readSourceText(path);
  if (!source)
    return source.takeError();
  Expected<std::shared_ptr<Engine>> engine = Engine::create(common.engine);
  if (!engine)
    return engine.takeError();
  std::vector<std::string> stages = dumpStages;
  if (common.explain && std::find(stages.begin(), stages.end(), kScheduleStage) == stages.end())
    stages.emplace_back(kScheduleStage);
  Expected<Program> program = (*engine)->compile(*source, {entry, stages});
  if (!program)
    return program.takeError().within(path);
  for (const auto &[name, text] : program->stages())
    if (std::find(dumpStages.begin(), dumpStages.end(), name) != dumpStages.end())
      fmt::print("// ----- {} -----\n{}{}", name, text, text.ends_with('\n') ? "" : "\n");

  if (common.explain) {
    printNote(fmt::format(
        "program     {}, compiled in {:.2f} ms: {:.2f} ms lowering, {:.2f} ms code generation\n",
        program->entry(), program->lowerMilliseconds() + program->codegenMilliseconds(),
        program->lowerMilliseconds(), program->codegenMilliseconds()));
    explainScheduledOps(*program);
    explainKernels(**engine);
  }
  bool onlyDump = !dumpStages.empty() && arguments.empty() && outputs.empty();
  if (onlyDump)
    return {};
  return execute(*program);
}

} // namespace

std::unique_ptr<Command> tool::createRunCommand(CLI::App &parent) {
  return std::make_unique<RunCommand>(parent);
}
