//===- Bfloats.h - Pieces of bf16 conversions -------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_BFLOATS_H
#define NORMA_RUNTIME_CPU_BFLOATS_H

#include "llvm/IR/IRBuilder.h"

namespace llvm {
class TargetMachine;
} // namespace llvm

namespace norma {

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
