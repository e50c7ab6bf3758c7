//===- IrPasses.h - What is done to LLVM IR before codegen ------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_IRPASSES_H
#define NORMA_RUNTIME_CPU_IRPASSES_H

#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/Error.h"

#include <memory>

namespace norma {

/// Where LLVM IR comes from: from MLIR's LLVM dialect, with wrappers and descriptors as values, or
/// from loops (LoopTranslation.h), which leave less to do.
enum class IrSource { LlvmDialect, Loops };

/// The loops come out of MLIR vectorized and unrolled: what is left for LLVM is to
/// inline the wrapper, promote descriptors to registers, and clean up addresses.
/// The standard -O3 pipeline takes several times as long for the same code.
///
/// Made once and run on module after module, since the set-up takes as long as a small kernel.
class IrPasses {
public:
  /// The machine must outlive the passes.
  static llvm::Expected<std::unique_ptr<IrPasses>> create(llvm::TargetMachine &machine);
  void run(llvm::Module &module, IrSource source);

private:
  explicit IrPasses(llvm::TargetMachine &machine);
  llvm::Error addPasses(llvm::ModulePassManager &passes, llvm::StringRef first,
                        llvm::StringRef last);

  llvm::PassBuilder builder;
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager callGraph;
  llvm::ModuleAnalysisManager modules;
  llvm::ModulePassManager afterDialect, afterLoops;
};

} // namespace norma

#endif // NORMA_RUNTIME_CPU_IRPASSES_H
