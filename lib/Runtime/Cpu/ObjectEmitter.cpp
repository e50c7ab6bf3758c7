//===- ObjectEmitter.cpp - From the LLVM dialect to machine code ----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Codegen.h"
#include "KernelScratch.h"
#include "LlvmSteps.h"
#include "LoopTranslation.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Module.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Utils/Cloning.h"

namespace norma {

/// `void symbol(ptr arguments)`: loads the descriptor pointers and calls the C
/// interface of the function. One signature for every kernel.
static llvm::Error addEntry(llvm::Module &module, llvm::StringRef function, llvm::StringRef symbol,
                            unsigned descriptors) {
  llvm::Function *target = module.getFunction(("_mlir_ciface_" + function).str());
  if (!target || target->arg_size() != descriptors)
    return llvm::createStringError("the function has no C interface of memrefs");
  llvm::IRBuilder<> b(module.getContext());
  auto *type = llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy()}, false);
  auto *entry = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, symbol, module);
  b.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "", entry));
  llvm::SmallVector<llvm::Value *> arguments;
  for (unsigned i = 0; i < descriptors; ++i)
    arguments.push_back(
        b.CreateLoad(b.getPtrTy(), b.CreateConstGEP1_32(b.getPtrTy(), entry->getArg(0), i)));
  b.CreateCall(target, arguments);
  b.CreateRetVoid();
  for (llvm::Function &other : module)
    if (!other.isDeclaration() && &other != entry)
      other.setLinkage(llvm::GlobalValue::InternalLinkage);
  return llvm::Error::success();
}

/// The same around a kernel, whose parameters are the fields of descriptors of these types: loads
/// those that it uses, and calls it.
static void addKernelEntry(llvm::Function &kernel, mlir::TypeRange types, llvm::StringRef symbol) {
  llvm::IRBuilder<> b(kernel.getContext());
  auto *type = llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy()}, false);
  auto *entry =
      llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, symbol, *kernel.getParent());
  b.SetInsertPoint(llvm::BasicBlock::Create(kernel.getContext(), "", entry));
  llvm::SmallVector<llvm::Value *> arguments;
  for (auto [i, descriptor] : llvm::enumerate(types)) {
    llvm::Value *fields =
        b.CreateLoad(b.getPtrTy(), b.CreateConstGEP1_64(b.getPtrTy(), entry->getArg(0), i));
    const auto count = 3 + 2 * unsigned(mlir::cast<mlir::MemRefType>(descriptor).getRank());
    for (unsigned field = 0; field < count; ++field) {
      const llvm::Argument &parameter = *kernel.getArg(unsigned(arguments.size()));
      llvm::Value *value = llvm::PoisonValue::get(parameter.getType());
      if (!parameter.use_empty())
        value =
            b.CreateLoad(parameter.getType(), b.CreateConstGEP1_64(b.getInt64Ty(), fields, field));
      arguments.push_back(value);
    }
  }
  b.CreateCall(&kernel, arguments);
  b.CreateRetVoid();
  kernel.setLinkage(llvm::GlobalValue::InternalLinkage);
}

std::string textOf(const llvm::Module &module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, nullptr);
  return text;
}

static Error internal(llvm::Error error) {
  return Error(ErrorCode::Internal, "code generation: " + llvm::toString(std::move(error)));
}

Expected<LlvmKernel> LlvmKernel::create(mlir::ModuleOp module,
                                        std::shared_ptr<const CpuTarget> target,
                                        llvm::StringRef function, llvm::StringRef symbol,
                                        unsigned descriptors) {
  LlvmKernel kernel(std::move(target), symbol, IrSource::LlvmDialect);
  kernel.module = mlir::translateModuleToLLVMIR(module, *kernel.context);
  if (!kernel.module)
    return Error(ErrorCode::Internal, "code generation: translation to LLVM IR failed");
  if (llvm::Error error = addEntry(*kernel.module, function, symbol, descriptors))
    return internal(std::move(error));
  return kernel;
}

Expected<LlvmKernel> LlvmKernel::createFromLoops(mlir::ModuleOp module,
                                                 std::shared_ptr<const CpuTarget> target,
                                                 llvm::StringRef symbol) {
  LlvmKernel kernel(std::move(target), symbol, IrSource::Loops);
  Expected<std::unique_ptr<llvm::Module>> translated = translateLoops(module, *kernel.context);
  if (!translated)
    return translated.takeError();
  kernel.module = std::move(*translated);
  useScratch(*kernel.module);
  auto function = *module.getOps<mlir::func::FuncOp>().begin();
  addKernelEntry(*kernel.module->getFunction(function.getName()), function.getArgumentTypes(),
                 symbol);
  return kernel;
}

LlvmKernel::LlvmKernel(std::shared_ptr<const CpuTarget> target, llvm::StringRef symbol,
                       IrSource source)
    : target(std::move(target)), symbol(symbol), source(source),
      context(std::make_unique<llvm::LLVMContext>()) {}

Expected<CodeGeneratorPool::Handle> LlvmKernel::takeGenerator(KernelTier tier) const {
  if (tier == KernelTier::Optimized)
    return target->best->take(target->machine);
  llvm::orc::JITTargetMachineBuilder builder = target->machine;
  builder.setCodeGenOptLevel(llvm::CodeGenOptLevel::None);
  return target->quick->take(builder);
}

Expected<void> LlvmKernel::optimize() {
  auto generator = takeGenerator(KernelTier::Optimized);
  if (!generator)
    return generator.takeError();
  llvm::TargetMachine &machine = (*generator)->machine();
  module->setTargetTriple(machine.getTargetTriple());
  module->setDataLayout(machine.createDataLayout());
  const std::string features = target->machine.getFeatures().getString();
  for (llvm::Function &each : *module) {
    // Nothing unwinds, so no tables for it.
    each.setDoesNotThrow();
    if (each.isDeclaration())
      continue;
    each.addFnAttr("target-cpu", target->machine.getCPU());
    each.addFnAttr("target-features", features);
  }
  expandNarrowFloats(*module, machine, source);
  return (*generator)->optimize(*module, source);
}

std::string LlvmKernel::text() const { return textOf(*module); }

Expected<std::string> LlvmKernel::assembly() const {
  auto generator = takeGenerator(KernelTier::Optimized);
  if (!generator)
    return generator.takeError();
  return (*generator)->assembly(*llvm::CloneModule(*module), source);
}

Expected<std::string> LlvmKernel::quickObject(llvm::StringRef name) const {
  auto generator = takeGenerator(KernelTier::Quick);
  if (!generator)
    return generator.takeError();
  std::unique_ptr<llvm::Module> copy = llvm::CloneModule(*module);
  copy->getFunction(symbol)->setName(name);
  return (*generator)->object(*copy, source);
}

Expected<std::string> LlvmKernel::object() && {
  auto generator = takeGenerator(KernelTier::Optimized);
  if (!generator)
    return generator.takeError();
  return (*generator)->object(*module, source);
}

} // namespace norma
