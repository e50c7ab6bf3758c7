//===- CodeGenerator.cpp - LLVM's code generator, kept --------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CodeGenerator.h"

#include "LlvmSteps.h"

#include "llvm/IR/Module.h"
#include "llvm/PassInfo.h"

#include <utility>

namespace norma {

static Error internal(llvm::Error error) {
  return Error(ErrorCode::Internal, "code generation: " + llvm::toString(std::move(error)));
}

static Error emitsNone() {
  return Error(ErrorCode::Internal, "code generation: the target emits no such files");
}

/// What is left out of LLVM's code generator, by the names of its passes. With the analyses
/// they ask for, these take a quarter of the time of a small kernel.
static constexpr llvm::StringLiteral kLeftOut[] = {
    // The slowest of all. SplitAddressesPass has done what there is to do.
    "loop-reduce", "canon-freeze",
    // The next: processors that reorder instructions do not need them in another order, and loops
    // whose vectors go one after the other need the fewest registers as they are.
    "machine-scheduler",
    // For what kernels do not have: exceptions, garbage collectors, calls to compare or format,
    // variables of threads, matrix tiles, instrumentation, debug info, hardening.
    "callbrprepare", "cfi-instr-inserter", "dwarf-eh-prepare", "expand-memcmp", "fentry-insert",
    "fixup-statepoint-caller-saved", "funclet-layout", "gc-analysis", "gc-lowering",
    "indirectbr-expand", "kcfi", "livedebugvalues", "lower-emutls", "machine-sanmd", "mergeicmps",
    "objc-arc-contract", "partially-inline-libcalls", "patchable-function",
    "post-inline-ee-instrument", "pseudo-probe-inserter", "regallocscoringpass",
    "remove-loads-into-fake-uses", "removeredundantdebugvalues", "replace-with-veclib",
    "safe-stack", "shadow-stack-gc-lowering", "stack-frame-layout", "stackmap-liveness",
    "tilepreconfig", "x86-lower-amx-intrinsics", "x86-lower-amx-type", "x86-lower-tile-copy",
    "x86-lvi-load", "x86-lvi-ret", "x86-return-thunks", "x86-seses", "x86-slh",
    "x86-suppress-apx-for-relocation", "x86-tile-config", "xray-instrumentation",
    // Optimizations that find nothing in loops such as ours.
    "break-false-deps", "consthoist", "early-ifcvt", "early-tailduplication", "interleaved-access",
    "localstackalloc", "lrshrink", "machine-combiner", "machine-cp", "machine-latecleanup",
    "machine-sink", "machinelicm", "opt-phis", "postra-machine-sink", "rename-independent-subregs",
    "shrink-wrap", "stack-coloring", "stack-slot-coloring", "tailduplication",
    "unreachableblockelim", "x86-avoid-sfb", "x86-cmov-conversion", "x86-domain-reassignment",
    "x86-execution-domain-fix", "x86-fixup-bw-insts", "x86-fixup-setcc",
    "x86-fixup-vector-constants", "x86-optimize-leas", "x86-partial-reduction"};

void CodegenPasses::add(llvm::Pass *pass) {
  const llvm::PassInfo *known = llvm::Pass::lookupPassInfo(pass->getPassID());
  const llvm::StringRef name = known ? known->getPassArgument() : "";
  if (llvm::is_contained(kLeftOut, name) || (name == "greedy" && std::exchange(forTiles, false))) {
    delete pass;
    return;
  }
  if (name == "x86-isel")
    PassManager::add(createPrepareFastSelectionPass(selectsFast));
  const bool schedules = name == "post-RA-sched";
  if (schedules)
    PassManager::add(createKeepOrderPass(selectsFast, /*begins=*/true));
  PassManager::add(pass);
  if (schedules)
    PassManager::add(createKeepOrderPass(selectsFast, /*begins=*/false));
}

Expected<std::unique_ptr<CodeGenerator>>
CodeGenerator::create(const llvm::orc::JITTargetMachineBuilder &builder) {
  // The builder is copied because making a machine is not const.
  llvm::orc::JITTargetMachineBuilder copy = builder;
  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> machine = copy.createTargetMachine();
  if (!machine)
    return internal(machine.takeError());
  return std::unique_ptr<CodeGenerator>(new CodeGenerator(std::move(*machine)));
}

Expected<void> CodeGenerator::optimize(llvm::Module &module, IrSource source) {
  if (!irPasses) {
    llvm::Expected<std::unique_ptr<IrPasses>> made = IrPasses::create(*owned);
    if (!made)
      return internal(made.takeError());
    irPasses = std::move(*made);
  }
  irPasses->run(module, source);
  return {};
}

void CodeGenerator::generate(CodegenPasses &passes, llvm::Module &module, IrSource source) {
  // Instructions may be taken one by one where LLVM knows how, and only the others by its best
  // selection: that takes half the time. For x86 it comes to the same code in loops such as ours,
  // where nearly everything is a vector, an address or a counter. The lowest level has a choice of
  // its own.
  if (owned->getOptLevel() != llvm::CodeGenOptLevel::None) {
    passes.selectsFast = source == IrSource::Loops && owned->getTargetTriple().isX86();
    owned->setFastISel(passes.selectsFast);
  }
  passes.run(module);
}

Expected<std::string> CodeGenerator::object(llvm::Module &module, IrSource source) {
  if (!objectPasses) {
    auto made = std::make_unique<CodegenPasses>(*owned);
    if (owned->addPassesToEmitFile(*made, stream, nullptr, llvm::CodeGenFileType::ObjectFile))
      return emitsNone();
    objectPasses = std::move(made);
  }
  bytes.clear();
  generate(*objectPasses, module, source);
  return std::string(bytes.begin(), bytes.end());
}

Expected<std::string> CodeGenerator::assembly(llvm::Module &module, IrSource source) {
  llvm::SmallVector<char, 0> text;
  llvm::raw_svector_ostream textStream(text);
  CodegenPasses passes(*owned);
  if (owned->addPassesToEmitFile(passes, textStream, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return emitsNone();
  generate(passes, module, source);
  return std::string(text.begin(), text.end());
}

Expected<CodeGeneratorPool::Handle>
CodeGeneratorPool::take(const llvm::orc::JITTargetMachineBuilder &builder) {
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (!idle.empty()) {
      Handle kept(idle.back().release(), GiveBack{this});
      idle.pop_back();
      return kept;
    }
  }
  Expected<std::unique_ptr<CodeGenerator>> made = CodeGenerator::create(builder);
  if (!made)
    return made.takeError();
  return Handle(made->release(), GiveBack{this});
}

void CodeGeneratorPool::giveBack(CodeGenerator *generator) {
  std::unique_ptr<CodeGenerator> owned(generator);
  std::lock_guard<std::mutex> lock(mutex);
  idle.push_back(std::move(owned));
}

} // namespace norma
