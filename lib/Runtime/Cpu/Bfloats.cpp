//===- Bfloats.cpp - bf16 by integer operations, or instructions ----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A bf16 is the upper half of an f32. To round to one takes seven integer operations for a
// vector, wherever there are no instructions for it, or the bits of theirs would be others.
//
//===----------------------------------------------------------------------===//

#include "Bfloats.h"

#include "LlvmSteps.h"

#include "llvm/IR/Module.h"
#include "llvm/Target/TargetMachine.h"

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

// A selection of constants, since LLVM thinks long about bits that are shifted to the end and
// added.
llvm::Value *roundToUpperHalf(llvm::IRBuilder<> &b, llvm::Value *bits) {
  auto constant = [&](uint32_t of) { return llvm::ConstantInt::get(bits->getType(), of); };
  llvm::Value *isOdd = b.CreateICmpNE(b.CreateAnd(bits, constant(0x10000)), constant(0));
  return b.CreateAdd(bits, b.CreateSelect(isOdd, constant(0x8000), constant(0x7fff)));
}

/// To nearest even; NaN keeps its upper half, and becomes quiet, as instructions have it.
static llvm::Value *truncate(llvm::IRBuilder<> &b, llvm::Value *value) {
  llvm::Type *from = value->getType(), *i32 = like(from, b.getInt32Ty());
  llvm::Value *bits = b.CreateBitCast(value, i32);
  llvm::Value *number = roundToUpperHalf(b, bits);
  llvm::Value *quiet = b.CreateOr(bits, llvm::ConstantInt::get(i32, 0x400000));
  llvm::Value *result = b.CreateSelect(b.CreateFCmpUNO(value, value), quiet, number);
  return b.CreateBitCast(b.CreateTrunc(b.CreateLShr(result, 16), like(from, b.getInt16Ty())),
                         like(from, b.getBFloatTy()));
}

static bool roundsToBfloat(const llvm::Instruction &instruction) {
  return llvm::isa<llvm::FPTruncInst>(instruction) &&
         instruction.getType()->getScalarType()->isBFloatTy() &&
         instruction.getOperand(0)->getType()->getScalarType()->isFloatTy();
}

void expandBfloats(llvm::Module &module, const llvm::TargetMachine &machine, IrSource source) {
  roundBfloatsByInstruction(module, machine, /*resultsAreRead=*/source != IrSource::Loops);
  llvm::SmallVector<llvm::CastInst *> work;
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
          work.push_back(cast);
  for (llvm::CastInst *cast : work) {
    llvm::Type *from = cast->getSrcTy(), *to = cast->getDestTy();
    llvm::IRBuilder<> b(cast);
    llvm::Value *value = cast->getOperand(0), *result = nullptr;
    if (llvm::isa<llvm::FPExtInst>(cast) && from->getScalarType()->isBFloatTy()) {
      result = widensBfloatsByInstruction(machine, from) ? widenBfloatsByInstruction(b, value)
                                                         : extend(b, value);
      if (result->getType() != to)
        result = b.CreateFPExt(result, to);
    } else if (roundsToBfloat(*cast)) {
      result = truncate(b, value);
    } else {
      continue;
    }
    cast->replaceAllUsesWith(result);
    cast->eraseFromParent();
  }
}

/// bf16 or a vector of it as integers of the same size; null for other types.
static llvm::Type *integerFor(llvm::Type *type) {
  if (!type->getScalarType()->isBFloatTy())
    return nullptr;
  llvm::Type *integer = llvm::Type::getInt16Ty(type->getContext());
  auto *vector = llvm::dyn_cast<llvm::VectorType>(type);
  return vector ? llvm::VectorType::get(integer, vector->getElementCount()) : integer;
}

void moveBfloatAsInteger(llvm::Module &module) {
  llvm::SmallVector<llvm::Instruction *> work;
  for (llvm::Function &function : module)
    for (llvm::BasicBlock &block : function)
      for (llvm::Instruction &instruction : block)
        work.push_back(&instruction);
  for (llvm::Instruction *instruction : work) {
    llvm::IRBuilder<> b(instruction);
    auto replace = [&](llvm::Value *loaded) {
      instruction->replaceAllUsesWith(b.CreateBitCast(loaded, instruction->getType()));
      instruction->eraseFromParent();
    };
    if (auto *load = llvm::dyn_cast<llvm::LoadInst>(instruction)) {
      if (llvm::Type *type = integerFor(load->getType()))
        replace(b.CreateAlignedLoad(type, load->getPointerOperand(), load->getAlign()));
    } else if (auto *store = llvm::dyn_cast<llvm::StoreInst>(instruction)) {
      if (llvm::Type *type = integerFor(store->getValueOperand()->getType()))
        store->setOperand(0, b.CreateBitCast(store->getValueOperand(), type));
    } else if (auto *call = llvm::dyn_cast<llvm::IntrinsicInst>(instruction)) {
      if (call->getIntrinsicID() == llvm::Intrinsic::masked_load) {
        if (llvm::Type *type = integerFor(call->getType()))
          replace(b.CreateMaskedLoad(type, call->getArgOperand(0),
                                     call->getParamAlign(0).valueOrOne(), call->getArgOperand(1),
                                     b.CreateBitCast(call->getArgOperand(2), type)));
      } else if (call->getIntrinsicID() == llvm::Intrinsic::masked_store) {
        if (llvm::Type *type = integerFor(call->getArgOperand(0)->getType())) {
          b.CreateMaskedStore(b.CreateBitCast(call->getArgOperand(0), type), call->getArgOperand(1),
                              call->getParamAlign(1).valueOrOne(), call->getArgOperand(2));
          call->eraseFromParent();
        }
      }
    }
  }
}

} // namespace norma
