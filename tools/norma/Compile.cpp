//===- Compile.cpp - norma compile: object files and C headers ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Command.h"
#include "OptionParsing.h"
#include "SourceText.h"
#include "norma/IO/AtomicFile.h"
#include "norma/Runtime/AheadOfTime.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

using namespace norma;
using namespace norma::tool;

namespace {

constexpr const char *kExamples =
    R"(  norma compile standardize.mlir -o standardize.o --header standardize.h
      a C function for every public function of the file
  norma compile --spec 'affine;RK[?x13];f32;coefficients=cs' -o kernels.o --header kernels.h
      a C function for a kernel: (x - center) * scale of rows of 13 features
  norma compile --spec 'scale_wine=affine;RK[?x13];f32;coefficients=cs' --emit=header
      with a name of its own; text goes to standard output where there is no -o
  norma compile standardize.mlir --target-triple=aarch64-linux-gnu -o standardize.o
      for other machines
  norma compile standardize.mlir --emit=asm --target-cpu=x86-64-v4
  norma compile standardize.mlir --emit=mlir --stage=loops
      what the compiler makes of it)";

enum class Emit { Object, Assembly, LlvmIr, Mlir, Header };

constexpr std::pair<const char *, Emit> kEmits[] = {{"obj", Emit::Object},
                                                    {"asm", Emit::Assembly},
                                                    {"llvm", Emit::LlvmIr},
                                                    {"mlir", Emit::Mlir},
                                                    {"header", Emit::Header}};

Expected<Emit> parseEmit(const std::string &text) {
  std::vector<std::string> names;
  for (const auto &[name, emit] : kEmits) {
    if (text == name)
      return emit;
    names.emplace_back(name);
  }
  return invalidArgument(
      fmt::format("'{}' is not known; expected one of {}", text, fmt::join(names, ", ")));
}

/// "NAME=SPEC" or "SPEC", whose first '=' comes after a ';'.
AheadOfTimeKernel parseKernel(const std::string &text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || text.find(';') < equals)
    return {text};
  return {text.substr(equals + 1), text.substr(0, equals)};
}

class CompileCommand : public Command {
public:
  explicit CompileCommand(CLI::App &parent);
  Expected<void> run() override;

private:
  void checkUsage() const;
  Expected<void> checkOutputs() const;
  Expected<AheadOfTimeObject> compile() const;

  std::string path, output, header, stage;
  std::vector<std::string> specs;
  Emit emit = Emit::Object;
  AheadOfTimeOptions options;
};

CompileCommand::CompileCommand(CLI::App &parent)
    : Command(Plain(), parent, "compile",
              "Compiles to an object file and a C header, for programs without norma", kExamples) {
  CLI::App &parser = *app();
  parser.add_option("file", path, "The MLIR file; - reads standard input")->type_name("FILE.mlir");
  addRepeatedOption(parser, "--spec", specs,
                    "A kernel instead of a file: family;axis form;data type;...")
      ->type_name("[NAME=]SPEC");
  addParsedOption(parser, "--emit", emit, parseEmit, "obj (the default), asm, llvm, mlir or header")
      ->type_name("KIND");
  parser.add_option("-o,--output", output, "Where to; - is standard output, the default for text")
      ->type_name("FILE");
  parser.add_option("--header", header, "Where the C header goes, too")->type_name("FILE.h");
  parser
      .add_option("--target-cpu", options.targetCpu,
                  "Processor to compile for, as LLVM names it, or native; default: x86-64-v2 or "
                  "generic (Armv8-A)")
      ->type_name("CPU");
  parser
      .add_option("--target-triple", options.targetTriple,
                  "Machine to compile for (aarch64-linux-gnu); default: this one")
      ->type_name("TRIPLE");
  parser
      .add_option("--prefix", options.prefix,
                  "The names of C functions begin with it; default: norma_")
      ->type_name("PREFIX");
  parser
      .add_option("--stage", stage,
                  "With --emit=mlir, the stage after which to print the IR; default: schedule")
      ->type_name("NAME");
  parser.callback([this] { checkUsage(); });
}

void CompileCommand::checkUsage() const {
  if (path.empty() == specs.empty())
    throw CLI::ValidationError(path.empty() ? "expected a file or --spec"
                                            : "expected a file or --spec, not both");
  if (emit == Emit::Object && output.empty())
    throw CLI::RequiredError("--output");
  if (emit == Emit::Object && output == "-" && ::isatty(STDOUT_FILENO))
    throw CLI::ValidationError("--output", "an object file is nothing for a terminal; expected the "
                                           "name of a file");
  if (output == "-" && header == "-")
    throw CLI::ValidationError("--header", "standard output takes --output already; expected the "
                                           "name of a file");
  if (stage.empty())
    return;
  if (emit != Emit::Mlir)
    throw CLI::ValidationError("--stage", "expected only with --emit=mlir");
  const std::vector<std::string> names = aheadOfTimeStages();
  if (std::find(names.begin(), names.end(), stage) == names.end())
    throw CLI::ValidationError("--stage", fmt::format("'{}' is no stage; expected one of {}", stage,
                                                      fmt::join(names, ", ")));
}

Expected<AheadOfTimeObject> CompileCommand::compile() const {
  AheadOfTimeOptions what = options;
  what.assembly = emit == Emit::Assembly;
  what.llvmIr = emit == Emit::LlvmIr;
  if (emit == Emit::Mlir)
    what.stage = stage.empty() ? "schedule" : stage;
  if (path.empty()) {
    std::vector<AheadOfTimeKernel> kernels;
    kernels.reserve(specs.size());
    for (const std::string &spec : specs)
      kernels.push_back(parseKernel(spec));
    return compileKernels(kernels, what);
  }
  Expected<std::string> source = readSourceText(path);
  if (!source)
    return source.takeError();
  Expected<AheadOfTimeObject> result = compileModule(*source, what);
  if (!result)
    return result.takeError().within(path);
  return result;
}

/// Files appear when all are written, so that one that cannot be leaves none behind.
class Outputs {
public:
  Expected<void> write(const std::string &to, const std::string &bytes) {
    if (to.empty() || to == "-") {
      // What did not arrive is noticed at the end of the program.
      std::fwrite(bytes.data(), 1, bytes.size(), stdout);
      return {};
    }
    Expected<io::AtomicFile> file = io::AtomicFile::create(to);
    if (!file)
      return file.takeError();
    files.push_back(std::move(*file));
    return files.back().write(bytes.data(), bytes.size());
  }

  Expected<void> commit() {
    for (io::AtomicFile &file : files)
      if (Expected<void> ok = file.commit(); !ok)
        return ok;
    return {};
  }

private:
  std::vector<io::AtomicFile> files;
};

Expected<void> CompileCommand::checkOutputs() const {
  for (auto [option, to] : {std::pair("--output", &output), std::pair("--header", &header)})
    if (!path.empty() && !to->empty())
      if (Expected<void> ok = checkIsNoInput(*to, path, "the program", option); !ok)
        return ok;
  return output.empty() || header.empty() ? Expected<void>()
                                          : checkIsOther(header, "--header", output, "--output");
}

Expected<void> CompileCommand::run() {
  if (Expected<void> valid = checkOutputs(); !valid)
    return valid;
  Expected<AheadOfTimeObject> result = compile();
  if (!result)
    return result.takeError();
  const std::string &wanted = emit == Emit::Object     ? result->object
                              : emit == Emit::Assembly ? result->assembly
                              : emit == Emit::LlvmIr   ? result->llvmIr
                              : emit == Emit::Mlir     ? result->stage
                                                       : result->header;
  Outputs outputs;
  if (Expected<void> ok = outputs.write(output, wanted); !ok)
    return ok;
  if (!header.empty())
    if (Expected<void> ok = outputs.write(header, result->header); !ok)
      return ok;
  return outputs.commit();
}

} // namespace

std::unique_ptr<Command> tool::createCompileCommand(CLI::App &parent) {
  return std::make_unique<CompileCommand>(parent);
}
