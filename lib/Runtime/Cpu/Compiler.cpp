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
#include "norma/Transforms/ScheduleCandidates.h"

#include "mlir/AsmParser/AsmParser.h"
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
#include <map>
#include <tuple>

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

  /// Runs the stages from `first` to `last`, one after the other; `after` sees the module behind
  /// each.
  LogicalResult run(ModuleOp module, StringRef first, StringRef last,
                    const PipelineOptions &options, bool verify,
                    function_ref<void(StringRef)> after) {
    auto find = [](StringRef name) {
      return llvm::find_if(cpuStages(), [&](const Stage &stage) { return stage.name == name; }) -
             cpuStages().begin();
    };
    for (size_t i = find(first), end = find(last) + 1; i < end; ++i) {
      if (failed(passesOf(i, options, verify).run(module)))
        return failure();
      after(cpuStages()[i].name);
    }
    return success();
  }

  /// The passes of a stage, made once: they keep their patterns from module to module,
  /// and to gather those takes longer than to lower a kernel.
  PassManager &passesOf(size_t stage, const PipelineOptions &options, bool verify) {
    std::unique_ptr<PassManager> &passes =
        kept[{stage, options.lowering, options.streaming, options.interleave, options.ahead,
              options.cleanUpLoops, verify}];
    if (!passes) {
      passes = std::make_unique<PassManager>(&context);
      passes->enableVerifier(verify);
      cpuStages()[stage].build(*passes, options);
    }
    return *passes;
  }

  std::shared_ptr<const CpuTarget> target;
  MLIRContext context;
  std::map<std::tuple<size_t, KernelLowering, bool, bool, bool, bool, bool>,
           std::unique_ptr<PassManager>>
      kept;
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

struct LoweredKernel::State {
  LlvmKernel llvm;
  /// Without the object.
  CompiledObject compiled;
  std::string schedule;
  int64_t block;
};

LoweredKernel::LoweredKernel(std::unique_ptr<State> state) : state(std::move(state)) {}
LoweredKernel::LoweredKernel(LoweredKernel &&) noexcept = default;
LoweredKernel &LoweredKernel::operator=(LoweredKernel &&) noexcept = default;
LoweredKernel::~LoweredKernel() = default;

const std::string &LoweredKernel::schedule() const { return state->schedule; }
int64_t LoweredKernel::block() const { return state->block; }

/// The op of a kernel that is not interleaved.
static Operation *kernelOpOf(ModuleOp module) {
  Operation *kernel = nullptr;
  module->walk([&](Operation *op) {
    if (isa<AffineOp, MomentsOp, GradSumsOp, GradMapOp>(op))
      kernel = op;
  });
  return kernel;
}

/// Parses `text`, and puts it on the op.
static Expected<ScheduleAttr> setSchedule(Operation *op, std::string_view text, bool streaming,
                                          const Diagnostics &diagnostics) {
  auto schedule = dyn_cast_or_null<ScheduleAttr>(
      parseAttribute(StringRef(text.data(), text.size()), op->getContext()));
  if (schedule) {
    op->setAttr("schedule", schedule);
    if (succeeded(verify(op)) && storesAreAligned(op, schedule, streaming))
      return schedule;
  }
  return invalidArgument(
      fmt::format("schedule: '{}', expected a schedule that the kernel can have, such as "
                  "#norma.schedule<rows, vector = 8, unroll = 2>{}{}",
                  text, diagnostics.text.empty() ? "" : ": ", diagnostics.text));
}

Expected<LoweredKernel> Compiler::lowerKernel(const KernelSpec &spec, std::string_view given) {
  const std::string symbol = symbolOf(spec);
  std::string schedule;
  int64_t block = 0;
  double lowerMilliseconds = 0;
  Expected<LlvmKernel> llvm = [&]() -> Expected<LlvmKernel> {
    std::lock_guard<std::mutex> lock(mutex);
    Stopwatch lowering;
    Diagnostics diagnostics(&state->context);
    OwningOpRef<ModuleOp> module = buildKernelModule(&state->context, spec,
                                                     // The engine sees to the rest.
                                                     MomentsPart::Fast);
    if (!given.empty())
      if (Expected<ScheduleAttr> ok =
              setSchedule(kernelOpOf(*module), given, spec.streaming, diagnostics);
          !ok)
        return ok.takeError();
    writeTarget(*module, state->target->description);
    PipelineOptions options;
    options.keepBfloats = true;
    options.streaming = spec.streaming;
    options.interleave = spec.interleaved;
    options.ahead = spec.ahead;
    options.cleanUpLoops = false;
    auto readSchedule = [&](StringRef stage) {
      if (stage != "schedule")
        return;
      module->walk([&](Operation *op) {
        auto attribute = op->getAttrOfType<ScheduleAttr>("schedule");
        if (!attribute)
          return;
        // Of an interleaved kernel that of the map, then that of the reduction.
        llvm::raw_string_ostream(schedule) << (schedule.empty() ? "" : ", ") << attribute;
        block = attribute.getBlock();
      });
    };
    // A kernel is born as one op on memrefs in axis form: all it lacks is a schedule.
    if (failed(state->run(*module, "schedule", "loops", options, /*verify=*/false, readSchedule)))
      return Error(given.empty() ? ErrorCode::Internal : ErrorCode::InvalidArgument,
                   "lowering failed: " + diagnostics.text);
    Expected<LlvmKernel> translated = LlvmKernel::createFromLoops(*module, state->target, symbol);
    lowerMilliseconds = lowering.milliseconds();
    return translated;
  }();
  if (!llvm)
    return llvm.takeError().within("kernel " + spec.key());
  Stopwatch codegen;
  if (Expected<void> optimized = llvm->optimize(); !optimized)
    return optimized.takeError().within("kernel " + spec.key());
  return LoweredKernel(std::make_unique<LoweredKernel::State>(
      LoweredKernel::State{std::move(*llvm),
                           {.object = {},
                            .symbol = symbol,
                            .lowerMilliseconds = lowerMilliseconds,
                            .codegenMilliseconds = codegen.milliseconds()},
                           std::move(schedule),
                           block}));
}

Expected<std::vector<ScheduleAlternatives>> Compiler::schedulesBeside(const KernelSpec &spec,
                                                                      std::string_view schedule) {
  std::lock_guard<std::mutex> lock(mutex);
  Diagnostics diagnostics(&state->context);
  OwningOpRef<ModuleOp> module = buildKernelModule(&state->context, spec, MomentsPart::Fast);
  Operation *op = kernelOpOf(*module);
  Expected<ScheduleAttr> current = setSchedule(op, schedule, spec.streaming, diagnostics);
  if (!current)
    return current.takeError().within("kernel " + spec.key());
  std::vector<ScheduleAlternatives> all;
  for (ScheduleChoice choice : kScheduleChoices) {
    ScheduleAlternatives &others = all.emplace_back(toString(choice).str());
    for (ScheduleAttr other :
         norma::schedulesBeside(op, *current, choice, state->target->description, spec.streaming))
      llvm::raw_string_ostream(others.schedules.emplace_back()) << other;
  }
  return all;
}

Expected<CompiledObject> LoweredKernel::generate(KernelTier tier) {
  Stopwatch codegen;
  CompiledObject result = state->compiled;
  if (tier == KernelTier::Quick)
    result.symbol += "_quick";
  Expected<std::string> object = tier == KernelTier::Quick ? state->llvm.quickObject(result.symbol)
                                                           : std::move(state->llvm).object();
  if (!object)
    return object.takeError().within("kernel " + state->compiled.symbol);
  result.object = std::move(*object);
  result.codegenMilliseconds += codegen.milliseconds();
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
  options.keepBfloats = true;
  if (program.lowering == Lowering::Linalg)
    options.lowering = KernelLowering::Linalg;
  LogicalResult lowered = state->run(
      *module, cpuStages().front().name, cpuStages().back().name, options,
      /*verify=*/true, [&](StringRef stage) { dump(stage, [&] { return textOf(*module); }); });
  if (failed(lowered))
    return invalidArgument(
        fmt::format("entry '{}': the program cannot be compiled: {}", result.entry,
                    diagnostics.text.empty() ? "a pass failed" : diagnostics.text));
  result.compiled.lowerMilliseconds = lowering.milliseconds();

  Stopwatch codegen;
  result.compiled.symbol = "norma_program_" + result.entry;
  unsigned descriptors = result.arguments.size() + (result.results.empty() ? 0 : 1);
  Expected<std::string> object = [&]() -> Expected<std::string> {
    Expected<LlvmKernel> llvm = LlvmKernel::create(*module, state->target, result.entry,
                                                   result.compiled.symbol, descriptors);
    if (!llvm)
      return llvm.takeError();
    if (Expected<void> optimized = llvm->optimize(); !optimized)
      return optimized.takeError();
    dump("llvm-ir", [&] { return llvm->text(); });
    if (llvm::is_contained(dumpStages, "assembly")) {
      Expected<std::string> assembly = llvm->assembly();
      if (!assembly)
        return assembly;
      dump("assembly", [&] { return *assembly; });
    }
    return std::move(*llvm).object();
  }();
  if (!object)
    return object.takeError().within("entry '" + result.entry + "'");
  result.compiled.object = std::move(*object);
  result.compiled.codegenMilliseconds = codegen.milliseconds();
  return result;
}

} // namespace norma
