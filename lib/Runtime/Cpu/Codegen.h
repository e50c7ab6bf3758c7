//===- Codegen.h - The steps of the compiler --------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_CODEGEN_H
#define NORMA_RUNTIME_CPU_CODEGEN_H

#include "../KernelSpec.h"
#include "CpuTarget.h"

#include "norma/Dialect/Norma.h"
#include "norma/Runtime/Engine.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

namespace norma {

/// The module of a kernel: one function that holds one kernel op on memrefs, or two to be
/// interleaved. Of moments that are not `exact` it does this part.
mlir::OwningOpRef<mlir::ModuleOp> buildKernelModule(mlir::MLIRContext *context,
                                                    const KernelSpec &spec, MomentsPart part);

/// The LLVM IR of a function, in a context of its own: nothing of MLIR is needed any
/// more, so that any thread may go on with it while others use the MLIR context.
class LlvmKernel {
public:
  /// Translates the LLVM dialect, and adds an entry function of the name `symbol`
  /// around `function` (of `descriptors` memref descriptors).
  static Expected<LlvmKernel> create(mlir::ModuleOp module, std::shared_ptr<const CpuTarget> target,
                                     llvm::StringRef function, llvm::StringRef symbol,
                                     unsigned descriptors);

  /// The same of a kernel after the stage `loops`, its only function.
  static Expected<LlvmKernel> createFromLoops(mlir::ModuleOp module,
                                              std::shared_ptr<const CpuTarget> target,
                                              llvm::StringRef symbol);

  /// What comes before code generation, and is the same for every tier.
  Expected<void> optimize();

  /// The IR and the assembly as text.
  std::string text() const;
  Expected<std::string> assembly() const;

  /// An object made fast, whose entry is called `name`: instructions are selected one by
  /// one, and values live on the stack. It computes what the best one does, bit by bit,
  /// because every rounding is an operation of the IR.
  Expected<std::string> quickObject(llvm::StringRef name) const;
  /// The best object; the IR is used up.
  Expected<std::string> object() &&;

private:
  LlvmKernel(std::shared_ptr<const CpuTarget> target, llvm::StringRef symbol, IrSource source);
  Expected<CodeGeneratorPool::Handle> takeGenerator(KernelTier tier) const;

  std::shared_ptr<const CpuTarget> target;
  std::string symbol;
  IrSource source;
  // Declared before the module, which goes first.
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
};

} // namespace norma

#endif // NORMA_RUNTIME_CPU_CODEGEN_H
