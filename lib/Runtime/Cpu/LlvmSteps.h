//===- LlvmSteps.h - What is done to LLVM IR --------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_LLVMSTEPS_H
#define NORMA_RUNTIME_CPU_LLVMSTEPS_H

#include "IrPasses.h"

#include "llvm/IR/PassManager.h"

#include <string>

namespace llvm {
class Function;
class FunctionPass;
class Instruction;
class Module;
class TargetMachine;
} // namespace llvm

namespace norma {

/// Widens f16 and bf16 and rounds f32 to them, exactly for every number, in the lanes of a vector
/// as for one number: by instructions where the processor has them, else by integer operations.
/// Integers become bf16, and f16 where there are no instructions, by way of f32. LLVM by itself
/// would call a library for every element, which not every program has.
void expandNarrowFloats(llvm::Module &module, const llvm::TargetMachine &machine, IrSource source);

/// Has tensors share indices in loops with more pointers than the processor has registers. Before
/// addresses are split.
struct ShareIndicesPass : llvm::PassInfoMixin<ShareIndicesPass> {
  llvm::PreservedAnalyses run(llvm::Function &function, llvm::FunctionAnalysisManager &analyses);
};

/// Moves the parts of addresses that a loop does not change out of it, and the constant
/// parts to the end, where instructions have a place for them.
struct SplitAddressesPass : llvm::PassInfoMixin<SplitAddressesPass> {
  llvm::PreservedAnalyses run(llvm::Function &function, llvm::FunctionAnalysisManager &analyses);
};

/// Whether LLVM's fast selection of instructions knows the operation of numbers and of vectors
/// that a register holds.
bool isArithmeticOfRegisters(const llvm::Instruction &instruction);

/// Loads vectors of constants from memory, where LLVM's fast selection of instructions needs
/// them in registers. For immediate code generation: the loads say more than LLVM's verifier
/// allows.
void loadConstants(llvm::Function &function);

/// For the pipeline of a code generator, immediately before it selects instructions: where
/// `selectsFast` is true when it runs, brings functions into a form of which LLVM's fast selection
/// takes as much as it can, and leaves to the best selection the blocks of which that makes
/// something better. Loads constants, too.
llvm::FunctionPass *createPrepareFastSelectionPass(const bool &selectsFast);

/// Says of a kernel that its loops gain from loads that go early.
void markAsLoadingEarly(llvm::Function &function);
bool loadsEarly(const llvm::Function &function);

/// For the pipeline of a code generator, immediately before and behind LLVM's scheduler of
/// instructions in registers: where `applies` is true when they run, it has only the kernels that
/// are marked.
llvm::FunctionPass *createKeepOrderPass(const bool &applies, bool begins);

std::string textOf(const llvm::Module &module);

} // namespace norma

#endif // NORMA_RUNTIME_CPU_LLVMSTEPS_H
