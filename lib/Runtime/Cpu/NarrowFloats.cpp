//===- NarrowFloats.cpp - f16 and bf16 by integer operations --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Exact for every number, subnormal ones and NaN included, rounding to nearest even,
// in the lanes of a vector as for one number, and without a branch.
//
//===----------------------------------------------------------------------===//

#include "LlvmSteps.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

namespace norma {

namespace {

/// Types with the lanes of one conversion, and integers to work with.
class NarrowConversion {
public:
  NarrowConversion(llvm::Instruction *at, llvm::Type *lanes) : b(at) {
    auto like = [&](llvm::Type *type) -> llvm::Type * {
      auto *vector = llvm::dyn_cast<llvm::VectorType>(lanes);
      return vector ? llvm::VectorType::get(type, vector->getElementCount()) : type;
    };
    i16 = like(b.getInt16Ty());
    i32 = like(b.getInt32Ty());
    f16 = like(b.getHalfTy());
    bf16 = like(b.getBFloatTy());
    f32 = like(b.getFloatTy());
  }

  llvm::Value *extend(llvm::Value *half);
  llvm::Value *truncateToHalf(llvm::Value *value);
  /// Of a number that is not NaN.
  llvm::Value *truncateToBfloat(llvm::Value *value);
  /// An integer as f32.
  llvm::Value *toFloat(llvm::Value *integer, bool isSigned) {
    return isSigned ? b.CreateSIToFP(integer, f32) : b.CreateUIToFP(integer, f32);
  }

private:
  llvm::Value *bits(uint32_t value) { return llvm::ConstantInt::get(i32, value); }

  llvm::IRBuilder<> b;
  llvm::Type *i16, *i32, *f16, *bf16, *f32;
};

llvm::Value *NarrowConversion::extend(llvm::Value *half) {
  llvm::Value *all = b.CreateZExt(b.CreateBitCast(half, i16), i32);
  llvm::Value *magnitude = b.CreateAnd(all, bits(0x7fff));
  llvm::Value *sign = b.CreateShl(b.CreateAnd(all, bits(0x8000)), bits(16));
  // Normal: the exponent rebased. Subnormal: a multiple of 2^-24.
  llvm::Value *shifted = b.CreateShl(magnitude, bits(13));
  llvm::Value *normal = b.CreateAdd(shifted, bits(112u << 23));
  llvm::Value *small =
      b.CreateFMul(b.CreateSIToFP(magnitude, f32), llvm::ConstantFP::get(f32, 0x1p-24));
  llvm::Value *result =
      b.CreateSelect(b.CreateICmpULT(magnitude, bits(0x400)), b.CreateBitCast(small, i32), normal);
  // Infinity and NaN, which becomes quiet.
  llvm::Value *quiet =
      b.CreateSelect(b.CreateICmpUGT(magnitude, bits(0x7c00)), bits(0x400000), bits(0));
  llvm::Value *special = b.CreateOr(b.CreateOr(shifted, bits(0x7f800000)), quiet);
  result = b.CreateSelect(b.CreateICmpUGE(magnitude, bits(0x7c00)), special, result);
  return b.CreateBitCast(b.CreateOr(result, sign), f32);
}

llvm::Value *NarrowConversion::truncateToHalf(llvm::Value *value) {
  llvm::Value *all = b.CreateBitCast(value, i32);
  llvm::Value *magnitude = b.CreateAnd(all, bits(0x7fffffff));
  llvm::Value *sign = b.CreateLShr(b.CreateAnd(all, bits(0x80000000)), bits(16));
  // Normal: to nearest even, where a carry correctly raises the exponent, up to infinity.
  llvm::Value *odd = b.CreateAnd(b.CreateLShr(magnitude, bits(13)), bits(1));
  llvm::Value *rounded =
      b.CreateAdd(b.CreateAdd(b.CreateSub(magnitude, bits(112u << 23)), bits(0xfff)), odd);
  llvm::Value *result = b.CreateLShr(rounded, bits(13));
  // Subnormal: the addition of 0.5 rounds to multiples of 2^-24.
  llvm::Value *half = llvm::ConstantFP::get(f32, 0.5);
  llvm::Value *sum = b.CreateFAdd(b.CreateBitCast(magnitude, f32), half);
  llvm::Value *small = b.CreateSub(b.CreateBitCast(sum, i32), b.CreateBitCast(half, i32));
  result = b.CreateSelect(b.CreateICmpULT(magnitude, bits(0x38800000)), small, result);
  // From 2^16 on infinity; NaN keeps the top of its payload and becomes quiet.
  result = b.CreateSelect(b.CreateICmpUGE(magnitude, bits(0x47800000)), bits(0x7c00), result);
  llvm::Value *payload = b.CreateAnd(b.CreateLShr(magnitude, bits(13)), bits(0x3ff));
  llvm::Value *nan = b.CreateOr(payload, bits(0x7e00));
  result = b.CreateSelect(b.CreateICmpUGT(magnitude, bits(0x7f800000)), nan, result);
  return b.CreateBitCast(b.CreateTrunc(b.CreateOr(result, sign), i16), f16);
}

llvm::Value *NarrowConversion::truncateToBfloat(llvm::Value *value) {
  llvm::Value *all = b.CreateBitCast(value, i32);
  llvm::Value *odd = b.CreateAnd(b.CreateLShr(all, bits(16)), bits(1));
  llvm::Value *rounded = b.CreateAdd(b.CreateAdd(all, bits(0x7fff)), odd);
  return b.CreateBitCast(b.CreateTrunc(b.CreateLShr(rounded, bits(16)), i16), bf16);
}

/// What takes the place of `instruction`, put before it; null where it is none of these.
llvm::Value *expandHalf(llvm::Instruction &instruction) {
  llvm::Type *from = instruction.getNumOperands() ? instruction.getOperand(0)->getType() : nullptr;
  llvm::Type *to = instruction.getType();
  if (auto *compare = llvm::dyn_cast<llvm::FCmpInst>(&instruction)) {
    if (!from->getScalarType()->isHalfTy())
      return nullptr;
    NarrowConversion conversion(compare, from);
    llvm::Value *a = conversion.extend(compare->getOperand(0));
    llvm::Value *b = conversion.extend(compare->getOperand(1));
    return llvm::IRBuilder<>(compare).CreateFCmp(compare->getPredicate(), a, b);
  }
  if (llvm::isa<llvm::FPExtInst>(instruction) && from->getScalarType()->isHalfTy()) {
    llvm::Value *wide = NarrowConversion(&instruction, from).extend(instruction.getOperand(0));
    return to->getScalarType()->isDoubleTy() ? llvm::IRBuilder<>(&instruction).CreateFPExt(wide, to)
                                             : wide;
  }
  if (llvm::isa<llvm::FPTruncInst>(instruction) && to->getScalarType()->isHalfTy() &&
      from->getScalarType()->isFloatTy())
    return NarrowConversion(&instruction, from).truncateToHalf(instruction.getOperand(0));
  return nullptr;
}

/// The same for an integer that becomes f16 or bf16, which goes through f32.
llvm::Value *expandInteger(llvm::Instruction &instruction, bool halves) {
  llvm::Type *to = instruction.getType()->getScalarType();
  const bool isSigned = llvm::isa<llvm::SIToFPInst>(instruction);
  if ((!isSigned && !llvm::isa<llvm::UIToFPInst>(instruction)) ||
      !(to->isBFloatTy() || (halves && to->isHalfTy())))
    return nullptr;
  NarrowConversion conversion(&instruction, instruction.getType());
  llvm::Value *value = conversion.toFloat(instruction.getOperand(0), isSigned);
  return to->isBFloatTy() ? conversion.truncateToBfloat(value) : conversion.truncateToHalf(value);
}

} // namespace

void expandNarrowFloats(llvm::Module &module, bool halves) {
  llvm::SmallVector<llvm::Instruction *> work;
  for (llvm::Function &function : module)
    for (llvm::BasicBlock &block : function)
      for (llvm::Instruction &instruction : block)
        work.push_back(&instruction);
  for (llvm::Instruction *instruction : work) {
    llvm::Value *result = expandInteger(*instruction, halves);
    if (!result && halves)
      result = expandHalf(*instruction);
    if (!result)
      continue;
    instruction->replaceAllUsesWith(result);
    instruction->eraseFromParent();
  }
}

} // namespace norma
