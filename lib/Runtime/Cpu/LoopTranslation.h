//===- LoopTranslation.h - Kernels to LLVM IR, in one step ------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_LOOPTRANSLATION_H
#define NORMA_RUNTIME_CPU_LOOPTRANSLATION_H

#include "norma/Support/Error.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/IR/Module.h"

#include <memory>

namespace norma {

/// The LLVM IR of a kernel's module after the stage `loops`: what the stage `llvm` and MLIR's
/// translation make of it, in a tenth of their time. A memref is as many parameters as its
/// descriptor has fields, as there. The error names an op that no kernel consists of.
Expected<std::unique_ptr<llvm::Module>> translateLoops(mlir::ModuleOp module,
                                                       llvm::LLVMContext &context);

} // namespace norma

#endif // NORMA_RUNTIME_CPU_LOOPTRANSLATION_H
