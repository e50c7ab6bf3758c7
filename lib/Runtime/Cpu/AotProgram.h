//===- AotProgram.h - Functions on tensors, for C callers -------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// C callers bring the memory of results whose extents they know: those that are
// static, or an extent of an argument. The program then writes there, without a copy
// where bufferization finds that it can.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_AOTPROGRAM_H
#define NORMA_RUNTIME_CPU_AOTPROGRAM_H

#include "AotEmitter.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace norma {

/// What the program text calls the arguments and results of its functions, where it says
/// so and C takes it ("x" of %x), by the name of the function.
struct ProgramNames {
  std::vector<std::string> arguments, results;
};
using ProgramNamesOf = llvm::StringMap<ProgramNames>;

/// Parses a module; null where it does not parse, which the context's handler hears of.
mlir::OwningOpRef<mlir::ModuleOp> parseProgram(mlir::MLIRContext *context, std::string_view source,
                                               ProgramNamesOf &names);

/// A function of the module, to be a C function: all of it but its results is known.
struct ProgramFunction {
  mlir::func::FuncOp function;
  /// Its name, which it keeps in the LLVM dialect, and that of the function it copies.
  std::string name, original;
  CFunction c;
};

/// A copy of every public function, named as the C function, that may not write to its
/// arguments; the originals become private.
Expected<std::vector<ProgramFunction>>
prepareFunctions(mlir::ModuleOp module, const ProgramNamesOf &names, const std::string &prefix);

/// Gives a function on tensors an argument for every result that its caller can allocate,
/// and describes all results. Kernel ops and linalg must show the shapes.
void passDestinations(ProgramFunction &function, const ProgramNames &names);

/// Puts constants in the order of their use, and names them after it: bufferization makes
/// them in an order that is another one every time.
void orderConstants(mlir::ModuleOp module);

/// Copies between buffers that are not dense, as loops; MLIR would call its runtime.
void lowerStridedCopies(mlir::ModuleOp module);

/// What passDestinations needs to compare extents.
void registerAotInterfaces(mlir::DialectRegistry &registry);

} // namespace norma

#endif // NORMA_RUNTIME_CPU_AOTPROGRAM_H
