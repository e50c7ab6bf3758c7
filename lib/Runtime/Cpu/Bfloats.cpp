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

/// To nearest even; NaN becomes the one that is quiet, positive and zero otherwise. Selections
/// of constants, since LLVM thinks long about bits that are shifted to the end and added.
static llvm::Value *truncate(llvm::IRBuilder<> &b, llvm::Value *value) {
  llvm::Type *from = value->getType(), *i32 = like(from, b.getInt32Ty());
  auto bits = [&](uint32_t of) { return llvm::ConstantInt::get(i32, of); };
  llvm::Value *all = b.CreateBitCast(value, i32);
  llvm::Value *isOdd = b.CreateICmpNE(b.CreateAnd(all, bits(0x10000)), bits(0));
  llvm::Value *number = b.CreateAdd(all, b.CreateSelect(isOdd, bits(0x8000), bits(0x7fff)));
  llvm::Value *result = b.CreateSelect(b.CreateFCmpUNO(value, value), bits(0x7fc00000), number);
  return b.CreateBitCast(b.CreateTrunc(b.CreateLShr(result, 16), like(from, b.getInt16Ty())),
                         like(from, b.getBFloatTy()));
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

static bool roundsToBfloat(const llvm::Instruction &instruction) {
  return llvm::isa<llvm::FPTruncInst>(instruction) &&
         instruction.getType()->getScalarType()->isBFloatTy() &&
         instruction.getOperand(0)->getType()->getScalarType()->isFloatTy();
}

/// Whether two ways are worth their instructions: in a block that rounds several times, as an
/// unrolled loop does (what stands alone is around those, and does not run for long), and not
/// on the way past the caches, where the branches cost more than the instruction saves.
static bool isWorthTwoWays(const llvm::Instruction &rounding) {
  auto isNontemporal = [](const llvm::User *user) {
    return llvm::cast<llvm::Instruction>(user)->hasMetadata(llvm::LLVMContext::MD_nontemporal);
  };
  return llvm::none_of(rounding.users(), isNontemporal) &&
         llvm::count_if(*rounding.getParent(), roundsToBfloat) > 1;
}

void expandBfloats(llvm::Module &module, const llvm::TargetMachine &machine) {
  const bool hasInstruction = machine.getTargetTriple().isX86() &&
                              machine.getMCSubtargetInfo()->checkFeatures("+avx512bf16") &&
                              machine.getMCSubtargetInfo()->checkFeatures("+avx512dq");
  struct Work {
    llvm::CastInst *cast;
    bool byInstruction;
  };
  llvm::SmallVector<Work> work;
  for (llvm::Function &function : module)
    for (llvm::BasicBlock &block : function)
      for (llvm::Instruction &instruction : block)
        if (auto *compare = llvm::dyn_cast<llvm::FCmpInst>(&instruction)) {
          // As f32, which every bf16 is.
          llvm::IRBuilder<> b(compare);
          if (compare->getOperand(0)->getType()->getScalarType()->isBFloatTy())
            for (llvm::Use &operand : compare->operands())
              operand.set(extend(b, operand.get()));
        } else if (auto *cast = llvm::dyn_cast<llvm::CastInst>(&instruction))
          work.push_back({cast, hasInstruction && roundsToBfloat(*cast) &&
                                    isWholeRegisters(cast->getSrcTy()) && isWorthTwoWays(*cast)});
  for (auto [cast, byInstruction] : work) {
    llvm::Type *from = cast->getSrcTy(), *to = cast->getDestTy();
    llvm::IRBuilder<> b(cast);
    llvm::Value *value = cast->getOperand(0), *result = nullptr;
    if (llvm::isa<llvm::FPExtInst>(cast) && from->getScalarType()->isBFloatTy()) {
      result = extend(b, value);
      if (result->getType() != to)
        result = b.CreateFPExt(result, to);
    } else if (roundsToBfloat(*cast)) {
      result = byInstruction ? truncateByInstruction(cast, value) : truncate(b, value);
    } else {
      continue;
    }
    cast->replaceAllUsesWith(result);
    cast->eraseFromParent();
  }
}

} // namespace norma
