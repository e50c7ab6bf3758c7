//===- dialect-fuzzer.cpp - Any text as a program -------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Text that parses is printed as text that parses to the same. Every pass of the pipeline
// leaves valid IR or says why it cannot, and what comes out of the last one is the LLVM dialect.
//
// Programs are functions of func, arith and norma ops in one module. Other dialects are the
// business of their owners: a program that asks for one does not parse here.
//
//===----------------------------------------------------------------------===//

#include "DialectMutator.h"
#include "PipelineCheck.h"

#include "Runtime/Cpu/Diagnostics.h"
#include "norma/Dialect/Norma.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/DLTI/DLTI.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/xxhash.h"

#include <cstdio>

using namespace mlir;
using namespace norma;
using namespace norma::fuzz;

namespace {

/// Contexts keep every type and attribute they have seen, so they are made anew now and
/// then. The first knows what a program may hold, the second what the passes need.
struct Contexts {
  Contexts() : input(MLIRContext::Threading::DISABLED), full(MLIRContext::Threading::DISABLED) {
    DialectRegistry inputs, all;
    inputs.insert<arith::ArithDialect, DLTIDialect, func::FuncDialect, NormaDialect>();
    registerPipelineDialects(all);
    input.appendDialectRegistry(inputs);
    full.appendDialectRegistry(all);
  }

  MLIRContext input, full;
};

/// How far inputs got; printed at the end.
struct Progress {
  ~Progress() {
    std::printf("%zu programs: %zu parse, %zu of them reach the LLVM dialect\n", programs, parsed,
                lowered);
  }
  size_t programs = 0, parsed = 0, lowered = 0;
};

} // namespace

static std::string textOf(ModuleOp module, const OpPrintingFlags &flags = {}) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, flags);
  return text;
}

/// Whether the text is a program; it is, too, after it was printed.
static bool parses(MLIRContext *context, StringRef text) {
  Diagnostics diagnostics(context);
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, ParserConfig(context));
  if (!module) {
    require(!diagnostics.text.empty(), "text that does not parse is told why");
    return false;
  }
  for (bool generic : {false, true}) {
    OpPrintingFlags flags;
    flags.printGenericOpForm(generic);
    const std::string printed = textOf(*module, flags);
    OwningOpRef<ModuleOp> again = parseSourceString<ModuleOp>(printed, ParserConfig(context));
    require(bool(again), "a program that was printed parses: " + diagnostics.text + printed);
    require(textOf(*again, flags) == printed, "a program is printed the same each time");
  }
  // The stages look at the functions of the module they are run on.
  return module->getOps<ModuleOp>().empty();
}

/// Whether the program, which parses, reaches the LLVM dialect.
static bool lower(MLIRContext *context, StringRef text, KernelLowering lowering) {
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, ParserConfig(context));
  require(bool(module), "a program parses again");
  PipelineOptions options;
  options.lowering = lowering;
  return lowers(*module, cpuStages().front().name, options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static Progress progress;
  static std::unique_ptr<Contexts> contexts;
  constexpr size_t kProgramsPerContext = 1024;
  if (progress.programs++ % kProgramsPerContext == 0)
    contexts = std::make_unique<Contexts>();
  // The parser takes a zero byte for the end of the text.
  const std::string text(norma::fuzz::textOf(data, size));
  // What does not parse was tried, but is no program to begin with: libFuzzer does not keep it.
  if (!parses(&contexts->input, text))
    return -1;
  ++progress.parsed;
  // One of the two, for speed; the same for the same text. The loops have more to get wrong.
  const bool linalg = llvm::xxh3_64bits(text) % 4 == 0;
  progress.lowered +=
      lower(&contexts->full, text, linalg ? KernelLowering::Linalg : KernelLowering::Loops);
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize, unsigned int seed) {
  return mutateProgram(data, size, maxSize, seed);
}
