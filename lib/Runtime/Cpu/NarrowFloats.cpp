//===- NarrowFloats.cpp - f16 and bf16 by integer operations --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Exact for every number, subnormal ones included, rounding to nearest even, in the
// lanes of a vector as for one number, and without a branch. NaN stays NaN. No operand of
// arithmetic whose digits count is subnormal: that takes long, or is set to zero where a program
// asks for it.
//
//===----------------------------------------------------------------------===//

#include "Bfloats.h"
#include "LlvmSteps.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/Target/TargetMachine.h"

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
  llvm::Value *number(double value) { return llvm::ConstantFP::get(f32, value); }
  /// `other` if one of them is NaN: one instruction of x86.
  llvm::Value *least(llvm::Value *one, llvm::Value *other) {
    return b.CreateSelect(b.CreateFCmpOLT(one, other), one, other);
  }
  llvm::Value *greatest(llvm::Value *one, llvm::Value *other) {
    return b.CreateSelect(b.CreateFCmpOGT(one, other), one, other);
  }

  llvm::IRBuilder<> b;
  llvm::Type *i16, *i32, *f16, *bf16, *f32;
};

/// With the exponent rebased, a normal number is what it shall be, and a subnormal one, m * 2^-24,
/// is the normal number n = 2^-15 + m * 2^-25 below 2^-14, to which n - 2^-14 is added.
llvm::Value *NarrowConversion::extend(llvm::Value *half) {
  llvm::Value *upper = b.CreateShl(b.CreateZExt(b.CreateBitCast(half, i16), i32), bits(16));
  llvm::Value *sign = b.CreateAnd(upper, bits(0x80000000));
  llvm::Value *magnitude = b.CreateLShr(b.CreateAnd(upper, bits(0x7fff0000)), bits(3));
  llvm::Value *normal = b.CreateBitCast(b.CreateAdd(magnitude, bits(112u << 23)), f32);
  llvm::Value *beyond = b.CreateFSub(normal, number(0x1p-14));
  llvm::Value *result = b.CreateBitCast(b.CreateFAdd(normal, least(beyond, number(0))), i32);
  // Infinity and NaN have all bits of the exponent.
  llvm::Value *isSpecial = b.CreateICmpSGE(magnitude, bits(0x7c00u << 13));
  result = b.CreateOr(result, b.CreateSelect(isSpecial, bits(0x7f800000), bits(0)));
  return b.CreateBitCast(b.CreateOr(result, sign), f32);
}

/// A power of two, 2^13 times that of the number's own exponent or of the least, is added, which
/// rounds to as many bits as the result has: to nearest even, and a carry correctly raises the
/// exponent, up to infinity.
llvm::Value *NarrowConversion::truncateToHalf(llvm::Value *value) {
  constexpr unsigned kLeastExponent = 113;
  llvm::Value *all = b.CreateBitCast(value, i32);
  llvm::Value *sign = b.CreateLShr(b.CreateAnd(all, bits(0x80000000)), bits(16));
  llvm::Value *positive = b.CreateBitCast(b.CreateAnd(all, bits(0x7fffffff)), f32);
  // Whatever is larger becomes infinity, too, as 2^16 does, and so does NaN for now.
  llvm::Value *magnitude = least(positive, number(0x1p16));
  llvm::Value *own =
      b.CreateBitCast(b.CreateAnd(b.CreateBitCast(magnitude, i32), bits(0x7f800000)), f32);
  llvm::Value *power = b.CreateBitCast(greatest(own, number(0x1p-14)), i32);
  llvm::Value *addend = b.CreateAdd(power, bits(13u << 23));
  llvm::Value *sum = b.CreateFAdd(magnitude, b.CreateBitCast(addend, f32));
  llvm::Value *digits = b.CreateSub(b.CreateBitCast(sum, i32), addend);
  llvm::Value *exponent = b.CreateSub(b.CreateLShr(power, bits(13)), bits(kLeastExponent << 10));
  llvm::Value *result = b.CreateAdd(digits, exponent);
  llvm::Value *isNan = b.CreateFCmpUNO(value, value);
  result = b.CreateOr(result, b.CreateSelect(isNan, bits(0x200), bits(0)));
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

/// Whether the processor converts between f16 and f32.
static bool convertsHalves(const llvm::TargetMachine &machine) {
  return !machine.getTargetTriple().isX86() || machine.getMCSubtargetInfo()->checkFeatures("+f16c");
}

void expandNarrowFloats(llvm::Module &module, const llvm::TargetMachine &machine, IrSource source) {
  expandBfloats(module, machine, source);
  moveBfloatAsInteger(module);
  const bool halves = !convertsHalves(machine);
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
