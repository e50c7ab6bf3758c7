//===- Bfloats.h - Pieces of bf16 conversions -------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_BFLOATS_H
#define NORMA_RUNTIME_CPU_BFLOATS_H

#include "IrPasses.h"

#include "llvm/IR/IRBuilder.h"

namespace llvm {
class TargetMachine;
} // namespace llvm

namespace norma {

/// Widens bf16 and rounds f32 to it.
void expandBfloats(llvm::Module &module, const llvm::TargetMachine &machine, IrSource source);

/// Moves bf16 numbers as the 16-bit integers they are: LLVM would, for processors
/// without bf16 instructions, widen every element and narrow it by a library call.
void moveBfloatAsInteger(llvm::Module &module);

/// Rounds the bits of f32 that is not NaN to the upper half, to nearest even. What is below
/// stays undefined.
llvm::Value *roundToUpperHalf(llvm::IRBuilder<> &b, llvm::Value *bits);

/// Whether there is an instruction to widen vectors of type `type`.
bool widensBfloatsByInstruction(const llvm::TargetMachine &machine, llvm::Type *type);
/// To f32.
llvm::Value *widenBfloatsByInstruction(llvm::IRBuilder<> &b, llvm::Value *bfloats);

/// Rounds by instructions what is stored next, where there are some. Other roundings stay.
/// Kernels do not read what they store; where it may be read, it is right before that.
void roundBfloatsByInstruction(llvm::Module &module, const llvm::TargetMachine &machine,
                               bool resultsAreRead);

} // namespace norma

#endif // NORMA_RUNTIME_CPU_BFLOATS_H
