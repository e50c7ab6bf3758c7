//===- Compiler.cpp - MLIR in, object bytes out ---------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compiler.h"

#include "Codegen.h"
#include "Diagnostics.h"
#include "ProgramTypes.h"

#include "norma/Dialect/Norma.h"
#include "norma/Pipeline/Pipeline.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"

#include <chrono>
#include <fmt/format.h>

using namespace mlir;

namespace norma {

namespace {

class Stopwatch {
public:
  double milliseconds() const {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
        .count();
  }

private:
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
};

} // namespace

struct Compiler::State {
  explicit State(std::shared_ptr<const CpuTarget> target)
      : target(std::move(target)), context(MLIRContext::Threading::DISABLED) {
    DialectRegistry registry;
    registerPipelineDialects(registry);
    registerBuiltinDialectTranslation(registry);
    registerLLVMDialectTranslation(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  /// Runs the stages from the one named `first`, one after the other; `after` sees
  /// the module behind each.
  LogicalResult run(ModuleOp module, StringRef first, const PipelineOptions &options, bool verify,
                    function_ref<void(StringRef)> after) {
    auto isFirst = [&](const Stage &stage) { return stage.name == first; };
    for (const Stage &stage :
         llvm::make_range(llvm::find_if(cpuStages(), isFirst), cpuStages().end())) {
      PassManager pm(&context);
      pm.enableVerifier(verify);
      stage.build(pm, options);
      if (failed(pm.run(module)))
        return failure();
      after(stage.name);
    }
    return success();
  }

  std::shared_ptr<const CpuTarget> target;
  MLIRContext context;
};

Compiler::Compiler(std::shared_ptr<const CpuTarget> target)
    : state(std::make_unique<State>(std::move(target))) {}
Compiler::~Compiler() = default;

std::vector<std::string> allStageNames() {
  std::vector<std::string> names{"input"};
  for (const Stage &stage : cpuStages())
    names.push_back(stage.name.str());
  names.push_back("llvm-ir");
  names.push_back("assembly");
  return names;
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

Expected<CompiledKernelObject> Compiler::compileKernel(const KernelSpec &spec) {
  std::lock_guard<std::mutex> lock(mutex);
  Stopwatch lowering;
  Diagnostics diagnostics(&state->context);
  CompiledKernelObject result;
  OwningOpRef<ModuleOp> module = buildKernelModule(&state->context, spec);
  writeTarget(*module, state->target->description);
  PipelineOptions options;
  options.streaming = spec.streaming;
  auto readSchedule = [&](StringRef stage) {
    if (stage != "schedule")
      return;
    module->walk([&](Operation *op) {
      auto schedule = op->getAttrOfType<ScheduleAttr>("schedule");
      if (!schedule)
        return;
      llvm::raw_string_ostream(result.schedule) << schedule;
      result.block = schedule.getBlock();
    });
  };
  // A kernel is born as one op on memrefs in axis form: all it lacks is a schedule.
  if (failed(state->run(*module, "schedule", options, /*verify=*/false, readSchedule)))
    return Error(ErrorCode::Internal,
                 fmt::format("kernel {}: lowering failed: {}", spec.key(), diagnostics.text));
  result.compiled.lowerMilliseconds = lowering.milliseconds();

  Stopwatch codegen;
  result.compiled.symbol =
      fmt::format("norma_{}_{}_{}", toString(spec.family), spec.kinds, norma::toString(spec.data));
  auto wrapper = module->lookupSymbol<LLVM::LLVMFuncOp>("_mlir_ciface_kernel");
  unsigned descriptors = wrapper.getNumArguments();
  Expected<std::string> object =
      emitObject(*module, *state->target, "kernel", result.compiled.symbol, descriptors);
  if (!object)
    return object.takeError().within("kernel " + spec.key());
  result.compiled.object = std::move(*object);
  result.compiled.codegenMilliseconds = codegen.milliseconds();
  return result;
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

static Expected<func::FuncOp> findEntry(ModuleOp module, const std::string &name) {
  auto functions = llvm::to_vector(llvm::make_filter_range(
      module.getOps<func::FuncOp>(), [](func::FuncOp f) { return !f.isDeclaration(); }));
  std::string known;
  for (func::FuncOp function : functions) {
    if (name.empty() ? functions.size() == 1 : function.getName() == name)
      return function;
    known += (known.empty() ? "'" : ", '") + function.getName().str() + "'";
  }
  if (functions.empty())
    return invalidArgument("entry: the module has no function");
  if (name.empty())
    return invalidArgument("entry: the module has several functions, name one of " + known);
  return invalidArgument(
      fmt::format("entry: no function '{}' in the module, only {}", name, known));
}

static std::string textOf(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream(text) << module;
  return text;
}

Expected<CompiledProgramObject> Compiler::compileProgram(std::string_view source,
                                                         const Program::Options &program) {
  const std::vector<std::string> &dumpStages = program.dumpStages;
  std::vector<std::string> known = allStageNames();
  for (const std::string &stage : dumpStages)
    if (!llvm::is_contained(known, stage))
      return invalidArgument(fmt::format("dump-stage: no stage '{}'; expected one of {}", stage,
                                         fmt::join(known, ", ")));
  std::lock_guard<std::mutex> lock(mutex);
  Stopwatch lowering;
  Diagnostics diagnostics(&state->context);
  CompiledProgramObject result;
  auto dump = [&](StringRef stage, auto &&text) {
    if (llvm::is_contained(dumpStages, stage))
      result.stages.emplace_back(stage.str(), text());
  };

  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(
      StringRef(source.data(), source.size()), ParserConfig(&state->context));
  if (!module)
    return invalidArgument("the program does not parse: " + diagnostics.text);
  Expected<func::FuncOp> function = findEntry(*module, program.entry);
  if (!function)
    return function.takeError();
  result.entry = function->getName().str();
  Expected<std::vector<ProgramValue>> arguments =
      describeTensors(function->getArgumentTypes(), result.entry, "argument");
  if (!arguments)
    return arguments.takeError();
  Expected<std::vector<ProgramValue>> results =
      describeTensors(function->getResultTypes(), result.entry, "result");
  if (!results)
    return results.takeError();
  result.arguments = std::move(*arguments);
  result.results = std::move(*results);

  // The caller's tensors are only read.
  for (unsigned i = 0; i < function->getNumArguments(); ++i)
    function->setArgAttr(i, bufferization::BufferizationDialect::kWritableAttrName,
                         BoolAttr::get(&state->context, false));
  function->setPublic();
  (*function)->setAttr(LLVM::LLVMDialect::getEmitCWrapperAttrName(),
                       UnitAttr::get(&state->context));
  dump("input", [&] { return textOf(*module); });
  if (!(*module)->hasAttr("dlti.target_system_spec"))
    writeTarget(*module, state->target->description);

  PipelineOptions options;
  if (program.lowering == Lowering::Linalg)
    options.lowering = KernelLowering::Linalg;
  LogicalResult lowered =
      state->run(*module, cpuStages().front().name, options, /*verify=*/true,
                 [&](StringRef stage) { dump(stage, [&] { return textOf(*module); }); });
  if (failed(lowered))
    return invalidArgument(
        fmt::format("entry '{}': the program cannot be compiled: {}", result.entry,
                    diagnostics.text.empty() ? "a pass failed" : diagnostics.text));
  result.compiled.lowerMilliseconds = lowering.milliseconds();

  Stopwatch codegen;
  result.compiled.symbol = "norma_program_" + result.entry;
  unsigned descriptors = result.arguments.size() + (result.results.empty() ? 0 : 1);
  TextObserver observer;
  if (llvm::is_contained(dumpStages, "llvm-ir") || llvm::is_contained(dumpStages, "assembly"))
    observer = [&](StringRef stage, const std::string &text) { dump(stage, [&] { return text; }); };
  Expected<std::string> object = emitObject(*module, *state->target, result.entry,
                                            result.compiled.symbol, descriptors, observer);
  if (!object)
    return object.takeError().within("entry '" + result.entry + "'");
  result.compiled.object = std::move(*object);
  result.compiled.codegenMilliseconds = codegen.milliseconds();
  return result;
}

} // namespace norma
