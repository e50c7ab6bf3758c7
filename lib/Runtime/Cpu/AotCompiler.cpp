//===- AotCompiler.cpp - Kernels and programs to object files -------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AotCompiler.h"

#include "AotProgram.h"
#include "Codegen.h"
#include "Diagnostics.h"

#include "norma/Pipeline/Pipeline.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

using namespace mlir;

namespace norma {

/// Kernels are born as one op on memrefs in axis form: all they lack is a schedule.
static constexpr StringRef kFirstKernelStage = "schedule";

std::vector<std::string> aotStageNames() {
  std::vector<std::string> names{"input"};
  for (const Stage &stage : cpuStages())
    names.push_back(stage.name.str());
  return names;
}

struct AotCompiler::State {
  State(std::shared_ptr<const CpuTarget> cpu, AotEmitter aotEmitter, std::string kept)
      : target(std::move(cpu)), emitter(std::move(aotEmitter)), stage(std::move(kept)),
        context(MLIRContext::Threading::DISABLED) {
    DialectRegistry registry;
    registerPipelineDialects(registry);
    registerAotInterfaces(registry);
    registerBuiltinDialectTranslation(registry);
    registerLLVMDialectTranslation(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  /// Runs the stages from `first` to `last`; `after` may change the module behind each.
  LogicalResult run(ModuleOp module, StringRef first, StringRef last,
                    const PipelineOptions &options, function_ref<void(StringRef)> after);
  /// Keeps the text of the module where this is the stage for it.
  void keep(ModuleOp module, StringRef name);

  std::shared_ptr<const CpuTarget> target;
  AotEmitter emitter;
  std::string stage, text;
  MLIRContext context;
};

void AotCompiler::State::keep(ModuleOp module, StringRef name) {
  if (name != stage)
    return;
  llvm::raw_string_ostream stream(text);
  if (!text.empty())
    stream << "// -----\n";
  stream << module << "\n";
}

LogicalResult AotCompiler::State::run(ModuleOp module, StringRef first, StringRef last,
                                      const PipelineOptions &options,
                                      function_ref<void(StringRef)> after) {
  auto find = [](StringRef name) {
    return llvm::find_if(cpuStages(), [&](const Stage &each) { return each.name == name; });
  };
  for (const Stage &each : llvm::make_range(find(first), std::next(find(last)))) {
    PassManager pm(&context);
    each.build(pm, options);
    if (failed(pm.run(module)))
      return failure();
    if (each.name == "bufferize")
      orderConstants(module);
    keep(module, each.name);
    after(each.name);
    if (each.name == "schedule")
      lowerStridedCopies(module);
  }
  return success();
}

Expected<AotCompiler> AotCompiler::create(std::shared_ptr<const CpuTarget> target,
                                          const std::string &stage) {
  const std::vector<std::string> known = aotStageNames();
  if (!stage.empty() && !llvm::is_contained(known, stage))
    return invalidArgument(
        fmt::format("stage: no stage '{}'; expected one of {}", stage, fmt::join(known, ", ")));
  Expected<AotEmitter> emitter = AotEmitter::create(target);
  if (!emitter)
    return emitter.takeError();
  return AotCompiler(std::make_unique<State>(std::move(target), std::move(*emitter), stage));
}

AotCompiler::AotCompiler(std::unique_ptr<State> state) : state(std::move(state)) {}
AotCompiler::AotCompiler(AotCompiler &&) noexcept = default;
AotCompiler::~AotCompiler() = default;

Expected<void> AotCompiler::addKernel(const KernelSpec &spec, const CFunction &function) {
  const std::vector<Stage> stages(cpuStages().begin(), cpuStages().end());
  const auto isNamed = [&](StringRef name) {
    return [=](const Stage &each) { return each.name == name; };
  };
  if (llvm::find_if(stages, isNamed(state->stage)) <
      llvm::find_if(stages, isNamed(kFirstKernelStage)))
    return invalidArgument(
        fmt::format("stage: a kernel has no stage '{}'; expected 'input', '{}' or "
                    "one after it",
                    state->stage, kFirstKernelStage.str()));
  Diagnostics diagnostics(&state->context);
  OwningOpRef<ModuleOp> module = buildKernelModule(&state->context, spec, MomentsPart::All);
  writeTarget(*module, state->target->description);
  PipelineOptions options;
  options.keepBfloats = true;
  options.streaming = spec.streaming;
  options.interleave = spec.interleaved;
  options.ahead = spec.ahead;
  auto run = [&](StringRef first, StringRef last) -> Expected<void> {
    if (failed(state->run(*module, first, last, options, [](StringRef) {})))
      return Error(ErrorCode::Internal,
                   fmt::format("kernel {}: lowering failed: {}", spec.key(), diagnostics.text));
    return {};
  };
  state->keep(*module, "input");
  if (Expected<void> ok = run(kFirstKernelStage, "loops"); !ok)
    return ok;
  if (Expected<void> ok = state->emitter.addKernel(*module, {function, "kernel"}); !ok)
    return ok.takeError().within("kernel " + spec.key());
  // Kernels do without this stage, but it can be looked at.
  if (state->stage == "llvm")
    return run("llvm", "llvm");
  return {};
}

Expected<std::vector<CFunction>> AotCompiler::addProgram(std::string_view source,
                                                         const std::string &prefix) {
  Diagnostics diagnostics(&state->context);
  auto failed = [&](const char *what) {
    return invalidArgument(fmt::format(
        "the program {}: {}", what, diagnostics.text.empty() ? "a pass failed" : diagnostics.text));
  };
  ProgramNamesOf names;
  OwningOpRef<ModuleOp> module = parseProgram(&state->context, source, names);
  if (!module)
    return failed("does not parse");
  Expected<std::vector<ProgramFunction>> functions = prepareFunctions(*module, names, prefix);
  if (!functions)
    return functions.takeError();
  PassManager cleanup(&state->context);
  cleanup.addPass(createSymbolDCEPass());
  if (mlir::failed(cleanup.run(*module)))
    return failed("cannot be compiled");
  if (!(*module)->hasAttr("dlti.target_system_spec"))
    writeTarget(*module, state->target->description);

  auto after = [&](StringRef stage) {
    // Here all shapes are there to be compared, and nothing is in memory yet.
    if (stage == "decompose")
      for (ProgramFunction &each : *functions) {
        each.function = module->lookupSymbol<func::FuncOp>(each.name);
        passDestinations(each, names.lookup(each.original));
      }
  };
  PipelineOptions options;
  options.keepBfloats = true;
  state->keep(*module, "input");
  if (mlir::failed(
          state->run(*module, cpuStages().front().name, cpuStages().back().name, options, after)))
    return failed("cannot be compiled");
  std::vector<CFunction> result;
  SmallVector<CFunctionBody> bodies;
  for (ProgramFunction &each : *functions) {
    result.push_back(each.c);
    bodies.push_back({each.c, each.name});
  }
  if (Expected<void> ok = state->emitter.add(*module, bodies); !ok)
    return ok.takeError();
  return result;
}

Expected<std::string> AotCompiler::object() {
  if (Expected<void> ok = state->emitter.finish(); !ok)
    return ok.takeError();
  return state->emitter.object();
}

Expected<std::string> AotCompiler::assembly() const { return state->emitter.assembly(); }
std::string AotCompiler::llvmIr() const { return state->emitter.llvmIr(); }
const std::string &AotCompiler::stageText() const { return state->text; }

std::string AotCompiler::targetText() const {
  return fmt::format("{}, {}", state->target->machine.getTargetTriple().str(), state->target->cpu);
}

} // namespace norma
