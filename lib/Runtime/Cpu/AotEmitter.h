//===- AotEmitter.h - From the LLVM dialect to object files -----*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_AOTEMITTER_H
#define NORMA_RUNTIME_CPU_AOTEMITTER_H

#include "../Aot/CFunction.h"
#include "CpuTarget.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

namespace norma {

/// A C function, and the function of the module that it calls.
struct CFunctionBody {
  CFunction function;
  std::string callee;
};

/// Gathers modules and emits one object file of them all.
class AotEmitter {
public:
  static Expected<AotEmitter> create(std::shared_ptr<const CpuTarget> target);

  /// Translates the LLVM dialect and adds the C functions, which are all that is visible
  /// from outside.
  Expected<void> add(mlir::ModuleOp module, llvm::ArrayRef<CFunctionBody> functions);

  /// The same of a kernel after the stage `loops`.
  Expected<void> addKernel(mlir::ModuleOp module, const CFunctionBody &function);

  /// What all that was added needs is done once, and first.
  Expected<void> finish();
  /// An error names what the object needs and a C library does not have.
  Expected<std::string> object() const;
  Expected<std::string> assembly() const;
  std::string llvmIr() const;

private:
  explicit AotEmitter(std::shared_ptr<const CpuTarget> target)
      : target(std::move(target)), context(std::make_unique<llvm::LLVMContext>()) {}

  Expected<void> link(std::unique_ptr<llvm::Module> translated,
                      llvm::ArrayRef<CFunctionBody> functions);

  std::shared_ptr<const CpuTarget> target;
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<CodeGenerator> generator;
  std::unique_ptr<llvm::Module> linked;
  /// Of all that was added.
  IrSource source = IrSource::Loops;
};

/// Adds `function` to a module in which `callee` takes and returns memrefs as MLIR's calling
/// convention has them: one argument for each field of a descriptor.
llvm::Error addCFunction(llvm::Module &module, const CFunction &function, llvm::Function &callee);

/// Ends the process (a trap, which needs no library) where malloc has no memory. What
/// MLIR makes would write to address 0 and beyond.
void trapWithoutMemory(llvm::Module &module);

} // namespace norma

#endif // NORMA_RUNTIME_CPU_AOTEMITTER_H
