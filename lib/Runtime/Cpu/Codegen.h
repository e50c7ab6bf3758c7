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

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <functional>

namespace norma {

/// The module of a kernel: one function that holds one kernel op on memrefs.
mlir::OwningOpRef<mlir::ModuleOp> buildKernelModule(mlir::MLIRContext *context,
                                                    const KernelSpec &spec);

/// Translates the LLVM dialect, adds the entry function around `function` (of
/// `descriptors` memref descriptors), optimizes and emits an object. The observer,
/// when there, sees the LLVM IR and the assembly as text.
using TextObserver = std::function<void(llvm::StringRef stage, const std::string &text)>;
Expected<std::string> emitObject(mlir::ModuleOp module, const CpuTarget &target,
                                 llvm::StringRef function, llvm::StringRef symbol,
                                 unsigned descriptors, const TextObserver &observer = {});

} // namespace norma

#endif // NORMA_RUNTIME_CPU_CODEGEN_H
