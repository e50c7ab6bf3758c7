//===- AotEmitter.cpp - From the LLVM dialect to object files -------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AotEmitter.h"

#include "../Aot/CHeader.h"
#include "LlvmSteps.h"
#include "LoopTranslation.h"

#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Linker/Linker.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Transforms/Utils/Cloning.h"

#include <fmt/format.h>

namespace norma {

static Error internal(llvm::Error error) {
  return Error(ErrorCode::Internal, "code generation: " + llvm::toString(std::move(error)));
}

Expected<AotEmitter> AotEmitter::create(std::shared_ptr<const CpuTarget> target) {
  AotEmitter emitter(std::move(target));
  Expected<std::unique_ptr<CodeGenerator>> generator =
      CodeGenerator::create(emitter.target->machine);
  if (!generator)
    return generator.takeError();
  emitter.generator = std::move(*generator);
  llvm::TargetMachine &machine = emitter.generator->machine();
  emitter.linked = std::make_unique<llvm::Module>("norma", *emitter.context);
  emitter.linked->setTargetTriple(machine.getTargetTriple());
  emitter.linked->setDataLayout(machine.createDataLayout());
  emitter.linked->setPICLevel(llvm::PICLevel::BigPIC);
  return emitter;
}

Expected<void> AotEmitter::add(mlir::ModuleOp module, llvm::ArrayRef<CFunctionBody> functions) {
  std::unique_ptr<llvm::Module> translated = mlir::translateModuleToLLVMIR(module, *context);
  if (!translated)
    return Error(ErrorCode::Internal, "code generation: translation to LLVM IR failed");
  source = IrSource::LlvmDialect;
  return link(std::move(translated), functions);
}

Expected<void> AotEmitter::addKernel(mlir::ModuleOp module, const CFunctionBody &function) {
  Expected<std::unique_ptr<llvm::Module>> translated = translateLoops(module, *context);
  if (!translated)
    return translated.takeError();
  return link(std::move(*translated), function);
}

Expected<void> AotEmitter::link(std::unique_ptr<llvm::Module> translated,
                                llvm::ArrayRef<CFunctionBody> functions) {
  translated->setTargetTriple(linked->getTargetTriple());
  translated->setDataLayout(linked->getDataLayout());
  for (llvm::Function &function : *translated)
    if (!function.isDeclaration())
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
  for (llvm::GlobalVariable &global : translated->globals()) {
    global.setLinkage(llvm::GlobalValue::InternalLinkage);
    if (!global.isConstant())
      return Error(ErrorCode::Unsupported,
                   fmt::format("the program can write to its global '{}'; expected constants, so "
                               "that functions keep no state",
                               global.getName().str()));
  }
  // Names may change while functions are added.
  llvm::SmallVector<llvm::Function *> callees;
  for (const CFunctionBody &each : functions)
    callees.push_back(translated->getFunction(each.callee));
  for (auto [each, callee] : llvm::zip(functions, callees))
    if (llvm::Error error = addCFunction(*translated, each.function, *callee))
      return internal(std::move(error));
  if (llvm::Linker::linkModules(*linked, std::move(translated)))
    return Error(ErrorCode::Internal, "code generation: linking modules failed");
  return {};
}

Expected<void> AotEmitter::finish() {
  const llvm::TargetMachine &machine = generator->machine();
  trapWithoutMemory(*linked);
  expandNarrowFloats(*linked, machine, source);
  for (llvm::Function &function : *linked) {
    function.addFnAttr("target-cpu", target->machine.getCPU());
    function.addFnAttr("target-features", target->machine.getFeatures().getString());
    // Nothing unwinds, so no tables for it.
    function.setDoesNotThrow();
  }
  return generator->optimize(*linked, source);
}

Expected<std::string> AotEmitter::object() const {
  // Code generation uses the module up.
  Expected<std::string> bytes = generator->object(*llvm::CloneModule(*linked), source);
  if (!bytes)
    return bytes;
  llvm::Expected<std::unique_ptr<llvm::object::ObjectFile>> file =
      llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(*bytes, "object"));
  if (!file)
    return internal(file.takeError());
  for (const llvm::object::SymbolRef &symbol : (*file)->symbols()) {
    llvm::Expected<uint32_t> flags = symbol.getFlags();
    llvm::Expected<llvm::StringRef> name = symbol.getName();
    if (!flags)
      return internal(flags.takeError());
    if (!name)
      return internal(name.takeError());
    if (*flags & llvm::object::SymbolRef::SF_Undefined && !name->empty() &&
        !isLibraryFunction({name->data(), name->size()}))
      return Error(ErrorCode::Unsupported,
                   fmt::format("the code needs '{}', which no C library has; expected functions of "
                               "<math.h> at most (for a processor with more instructions, code "
                               "may need fewer)",
                               name->str()));
  }
  return bytes;
}

Expected<std::string> AotEmitter::assembly() const {
  return generator->assembly(*llvm::CloneModule(*linked), source);
}

std::string AotEmitter::llvmIr() const { return textOf(*linked); }

} // namespace norma
