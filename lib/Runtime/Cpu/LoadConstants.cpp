//===- LoadConstants.cpp - Vectors of constants from memory ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// LLVM's fast selection makes numbers, but no vectors of them: at the first that it meets, from
// the end of a block, it leaves the rest of the block to the best selection, which takes ten
// times as long for an instruction. It does know loads.
//
//===----------------------------------------------------------------------===//

#include "LlvmSteps.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"

namespace norma {

bool isArithmeticOfRegisters(const llvm::Instruction &instruction) {
  using llvm::Instruction;
  switch (instruction.getOpcode()) {
  case Instruction::FAdd:
  case Instruction::FSub:
  case Instruction::FMul:
  case Instruction::FDiv:
  case Instruction::Add:
  case Instruction::Sub:
  case Instruction::And:
  case Instruction::Or:
  case Instruction::Xor:
    return true;
  default:
    return false;
  }
}

/// Whether fast selection knows `instruction`, once its operands are in registers.
static bool isSelectedFast(const llvm::Instruction &instruction) {
  return isArithmeticOfRegisters(instruction) ||
         llvm::isa<llvm::StoreInst, llvm::PHINode>(instruction);
}

/// A vector register of numbers that are all known.
static bool isRegister(const llvm::Value *value) {
  const auto *type = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
  if (!type || !llvm::isa<llvm::Constant>(value) || llvm::isa<llvm::UndefValue>(value))
    return false;
  const llvm::Type *element = type->getElementType();
  const uint64_t bits = type->getPrimitiveSizeInBits().getFixedValue();
  return (element->isFloatTy() || element->isDoubleTy() || element->isIntegerTy(32) ||
          element->isIntegerTy(64)) &&
         (bits == 128 || bits == 256 || bits == 512);
}

/// The constant, loaded at the beginning of the function. From there, the register allocator
/// loads it again where registers are scarce: it is told that this may be done anywhere.
static llvm::Value *load(llvm::Function &function, llvm::Constant *known) {
  auto *memory = new llvm::GlobalVariable(*function.getParent(), known->getType(),
                                          /*isConstant=*/true, llvm::GlobalValue::PrivateLinkage,
                                          known, "constant");
  memory->setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
  const llvm::Align alignment(known->getType()->getPrimitiveSizeInBits().getFixedValue() / 8);
  memory->setAlignment(alignment);
  auto *loaded = new llvm::LoadInst(known->getType(), memory, "", /*isVolatile=*/false, alignment,
                                    function.getEntryBlock().getFirstNonPHIOrDbgOrAlloca());
  // Fast selection does not see it from the address, as the best does, but asks for these.
  llvm::MDNode *yes = llvm::MDNode::get(function.getContext(), {});
  loaded->setMetadata(llvm::LLVMContext::MD_invariant_load, yes);
  loaded->setMetadata(llvm::LLVMContext::MD_dereferenceable, yes);
  return loaded;
}

void loadConstants(llvm::Function &function) {
  llvm::SmallMapVector<llvm::Constant *, llvm::SmallVector<llvm::Use *>, 8> uses;
  for (llvm::BasicBlock &block : function)
    for (llvm::Instruction &instruction : block)
      if (isSelectedFast(instruction))
        for (llvm::Use &operand : instruction.operands())
          if (isRegister(operand))
            uses[llvm::cast<llvm::Constant>(operand)].push_back(&operand);
  for (auto &[known, of] : uses) {
    llvm::Value *loaded = load(function, known);
    for (llvm::Use *use : of)
      use->set(loaded);
  }
}

} // namespace norma
