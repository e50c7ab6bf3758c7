//===- Bfloats.cpp - bf16 by integer operations, or instructions ----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A bf16 is the upper half of an f32. To round to one takes nine integer operations for a
// vector; processors with AVX512-BF16 have an instruction for two vectors, which takes
// subnormal numbers for zero and keeps a part of NaN. So those that hold either, of which there
// are hardly any, take the integer operations, and results are the same bits everywhere.
//
//===----------------------------------------------------------------------===//

#include "LlvmSteps.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicsX86.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"

namespace norma {

/// `type`, in as many lanes as there are in `lanes`.
static llvm::Type *like(llvm::Type *lanes, llvm::Type *type) {
  auto *vector = llvm::dyn_cast<llvm::VectorType>(lanes);
  return vector ? llvm::VectorType::get(type, vector->getElementCount()) : type;
}

static llvm::Value *extend(llvm::IRBuilder<> &b, llvm::Value *bfloat) {
  llvm::Type *from = bfloat->getType(), *i32 = like(from, b.getInt32Ty());
  llvm::Value *bits = b.CreateZExt(b.CreateBitCast(bfloat, like(from, b.getInt16Ty())), i32);
  return b.CreateBitCast(b.CreateShl(bits, 16), like(from, b.getFloatTy()));
}

/// To nearest even; NaN becomes the one that is quiet, positive and zero otherwise.
static llvm::Value *truncate(llvm::IRBuilder<> &b, llvm::Value *value) {
  llvm::Type *from = value->getType(), *i16 = like(from, b.getInt16Ty());
  llvm::Type *i32 = like(from, b.getInt32Ty());
  llvm::Value *all = b.CreateBitCast(value, i32);
  llvm::Value *odd = b.CreateAnd(b.CreateLShr(all, 16), llvm::ConstantInt::get(i32, 1));
  llvm::Value *rounded = b.CreateAdd(all, b.CreateAdd(odd, llvm::ConstantInt::get(i32, 0x7fff)));
  llvm::Value *number = b.CreateTrunc(b.CreateLShr(rounded, 16), i16);
  llvm::Value *result =
      b.CreateSelect(b.CreateFCmpUNO(value, value), llvm::ConstantInt::get(i16, 0x7fc0), number);
  return b.CreateBitCast(result, like(from, b.getBFloatTy()));
}

/// Lanes of a register of the instruction.
static constexpr unsigned kLanes = 16;

static bool isWholeRegisters(llvm::Type *type) {
  auto *vector = llvm::dyn_cast<llvm::FixedVectorType>(type);
  return vector && (vector->getNumElements() == kLanes || vector->getNumElements() == 2 * kLanes);
}

/// One or two registers of f32, before `at`: the instruction's result where it is right,
///
///   fast = vcvtneps2bf16 value
///   if (some lane of value is NaN or subnormal)
///     slow = truncate value
///   phi fast, slow
static llvm::Value *truncateByInstruction(llvm::Instruction *at, llvm::Value *value) {
  llvm::IRBuilder<> b(at);
  const unsigned lanes = llvm::cast<llvm::FixedVectorType>(value->getType())->getNumElements();
  llvm::SmallVector<llvm::Value *, 2> parts;
  llvm::Value *rare = nullptr;
  for (unsigned first = 0; first < lanes; first += kLanes) {
    llvm::SmallVector<int> of;
    for (unsigned lane = first; lane < first + kLanes; ++lane)
      of.push_back(int(lane));
    parts.push_back(lanes == kLanes ? value : b.CreateShuffleVector(value, of));
    // Quiet NaN, subnormal, signaling NaN.
    llvm::Value *isRare = b.CreateIntrinsic(llvm::Intrinsic::x86_avx512_fpclass_ps_512, {},
                                            {parts.back(), b.getInt32(0x01 | 0x20 | 0x80)});
    rare = rare ? b.CreateOr(rare, isRare) : isRare;
  }
  llvm::Value *fast =
      lanes == kLanes
          ? b.CreateIntrinsic(llvm::Intrinsic::x86_avx512bf16_cvtneps2bf16_512, {}, {value})
          : b.CreateIntrinsic(llvm::Intrinsic::x86_avx512bf16_cvtne2ps2bf16_512, {},
                              {parts[1], parts[0]});
  llvm::Value *any =
      b.CreateICmpNE(b.CreateBitCast(rare, b.getIntNTy(kLanes)), b.getIntN(kLanes, 0));
  llvm::BasicBlock *before = at->getParent();
  llvm::Instruction *end = llvm::SplitBlockAndInsertIfThen(
      any, at->getIterator(), /*Unreachable=*/false,
      llvm::MDBuilder(at->getContext()).createUnlikelyBranchWeights());
  b.SetInsertPoint(end);
  llvm::Value *slow = truncate(b, value);
  b.SetInsertPoint(at);
  llvm::PHINode *result = b.CreatePHI(fast->getType(), 2);
  result->addIncoming(fast, before);
  result->addIncoming(slow, end->getParent());
  return result;
}

void expandBfloats(llvm::Module &module, const llvm::TargetMachine &machine) {
  const bool hasInstruction = machine.getTargetTriple().isX86() &&
                              machine.getMCSubtargetInfo()->checkFeatures("+avx512bf16") &&
                              machine.getMCSubtargetInfo()->checkFeatures("+avx512dq");
  llvm::SmallVector<llvm::CastInst *> work;
  for (llvm::Function &function : module)
    for (llvm::BasicBlock &block : function)
      for (llvm::Instruction &instruction : block)
        if (llvm::isa<llvm::FPExtInst, llvm::FPTruncInst>(instruction))
          work.push_back(llvm::cast<llvm::CastInst>(&instruction));
  for (llvm::CastInst *cast : work) {
    llvm::Type *from = cast->getSrcTy(), *to = cast->getDestTy();
    llvm::IRBuilder<> b(cast);
    llvm::Value *value = cast->getOperand(0), *result = nullptr;
    if (from->getScalarType()->isBFloatTy()) {
      result = extend(b, value);
      if (result->getType() != to)
        result = b.CreateFPExt(result, to);
    } else if (to->getScalarType()->isBFloatTy() && from->getScalarType()->isFloatTy()) {
      result = hasInstruction && isWholeRegisters(from) ? truncateByInstruction(cast, value)
                                                        : truncate(b, value);
    } else {
      continue;
    }
    cast->replaceAllUsesWith(result);
    cast->eraseFromParent();
  }
}

} // namespace norma
