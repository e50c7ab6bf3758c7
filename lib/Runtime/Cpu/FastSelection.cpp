//===- FastSelection.cpp - What LLVM's fast selection takes ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// LLVM's fast selection of instructions goes from the end of a block to its beginning. What it
// does not know it leaves to the best selection, which takes ten times as long for an
// instruction: calls alone, and anything else with all that stands before it. So what it does
// not know is moved to the beginning. Blocks of which the best selection makes something better
// are left to that as a whole.
//
//===----------------------------------------------------------------------===//

#include "LlvmSteps.h"

#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/PatternMatch.h"
#include "llvm/IR/ProfDataUtils.h"
#include "llvm/Pass.h"

using namespace llvm::PatternMatch;

namespace norma {

//===----------------------------------------------------------------------===//
// Blocks for the best selection
//===----------------------------------------------------------------------===//

static const llvm::Value *withoutBitCast(const llvm::Value *value) {
  const auto *cast = llvm::dyn_cast<llvm::BitCastInst>(value);
  return cast ? cast->getOperand(0) : value;
}

/// Whether LLVM's best selection of instructions finds a better one than its fast selection.
static bool isWorthAThought(const llvm::Instruction &instruction) {
  // A branch on a vector: it goes from the mask to the flags.
  if (const auto *branch = llvm::dyn_cast<llvm::BranchInst>(&instruction)) {
    const llvm::Value *asked = nullptr;
    if (!branch->isConditional())
      return false;
    if (!match(branch->getCondition(), m_Cmp(m_Value(asked), m_Value())))
      return true;
    asked = withoutBitCast(asked);
    return asked->getType()->isVectorTy() || llvm::isa<llvm::IntrinsicInst>(asked);
  }
  // Narrower integers past the caches: it shortens and stores at once, in the caches. To do so
  // for some, and store others past them, would write lines in parts.
  if (const auto *store = llvm::dyn_cast<llvm::StoreInst>(&instruction))
    return store->hasMetadata(llvm::LLVMContext::MD_nontemporal) &&
           llvm::isa<llvm::TruncInst>(withoutBitCast(store->getValueOperand()));
  // A product of integers: it multiplies and adds at once.
  return instruction.getOpcode() == llvm::Instruction::Mul && instruction.getType()->isVectorTy();
}

/// Its branch becomes a switch, which fast selection does not know: it leaves all of the block to
/// the best, for which they are the same.
static void leaveToBest(llvm::BasicBlock &block) {
  auto *branch = llvm::dyn_cast<llvm::BranchInst>(block.getTerminator());
  if (!branch)
    return;
  auto *yes = llvm::ConstantInt::getTrue(block.getContext());
  if (branch->isConditional()) {
    auto *made = llvm::SwitchInst::Create(branch->getCondition(), branch->getSuccessor(1),
                                          /*NumCases=*/1, branch->getIterator());
    made->addCase(yes, branch->getSuccessor(0));
    uint64_t taken = 0, other = 0;
    if (llvm::extractBranchWeights(*branch, taken, other))
      llvm::setBranchWeights(*made, {uint32_t(other), uint32_t(taken)}, /*IsExpected=*/false);
  } else {
    llvm::SwitchInst::Create(yes, branch->getSuccessor(0), /*NumCases=*/0, branch->getIterator());
  }
  branch->eraseFromParent();
}

//===----------------------------------------------------------------------===//
// Order in the others
//===----------------------------------------------------------------------===//

/// Whether fast selection knows loads, stores and arithmetic of the type.
static bool isRegister(const llvm::Type *type) {
  const llvm::Type *element = type->getScalarType();
  if (!element->isFloatTy() && !element->isDoubleTy() && !element->isIntegerTy(8) &&
      !element->isIntegerTy(16) && !element->isIntegerTy(32) && !element->isIntegerTy(64))
    return type->isPointerTy();
  if (!type->isVectorTy())
    return true;
  const uint64_t bits = type->getPrimitiveSizeInBits().getKnownMinValue();
  return bits == 128 || bits == 256 || bits == 512;
}

/// Whether fast selection goes on before `instruction`.
static bool goesOnBefore(const llvm::Instruction &instruction) {
  using llvm::Instruction;
  if (isArithmeticOfRegisters(instruction))
    return isRegister(instruction.getType());
  switch (instruction.getOpcode()) {
  case Instruction::Call:
  case Instruction::GetElementPtr:
  case Instruction::Br:
  case Instruction::Ret:
    return true;
  case Instruction::Load:
    return isRegister(instruction.getType());
  case Instruction::Store:
    return isRegister(instruction.getOperand(0)->getType()) &&
           !(instruction.getOperand(0)->getType()->isVectorTy() &&
             llvm::isa<llvm::Constant>(instruction.getOperand(0)));
  case Instruction::Mul:
  case Instruction::Shl:
  case Instruction::ZExt:
  case Instruction::Trunc:
    return !instruction.getType()->isVectorTy();
  case Instruction::ICmp:
    return !instruction.getOperand(0)->getType()->isVectorTy();
  case Instruction::URem:
    // Others it divides.
    return match(instruction.getOperand(1), m_Power2()) && !instruction.getType()->isVectorTy();
  default:
    return false;
  }
}

/// Moves the others, and what they depend on, before all instructions that need not be there.
/// Nothing that writes to memory changes places with what reads or writes.
static void moveOthersFirst(llvm::BasicBlock &block) {
  // A block with another end is not selected fast.
  if (!goesOnBefore(*block.getTerminator()))
    return;
  llvm::Instruction *lastOther = nullptr;
  llvm::SmallPtrSet<const llvm::Instruction *, 32> needed;
  llvm::SmallVector<llvm::Instruction *, 32> later;
  bool othersRead = false, othersWrite = false;
  for (llvm::Instruction &instruction : llvm::reverse(block)) {
    if (llvm::isa<llvm::PHINode, llvm::AllocaInst>(instruction))
      continue;
    const bool goesOn = goesOnBefore(instruction);
    if (!lastOther) {
      if (goesOn)
        continue;
      lastOther = &instruction;
    }
    const bool conflicts = instruction.mayWriteToMemory()
                               ? othersRead || othersWrite
                               : instruction.mayReadFromMemory() && othersWrite;
    if (goesOn && !conflicts && !needed.contains(&instruction)) {
      later.push_back(&instruction);
      continue;
    }
    othersRead |= instruction.mayReadFromMemory();
    othersWrite |= instruction.mayWriteToMemory();
    for (const llvm::Value *operand : instruction.operand_values())
      if (const auto *made = llvm::dyn_cast<llvm::Instruction>(operand))
        needed.insert(made);
  }
  for (llvm::Instruction *instruction : later)
    instruction->moveAfter(lastOther);
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

static void prepare(llvm::Function &function) {
  llvm::SmallVector<llvm::BasicBlock *> forBest, forFast;
  for (llvm::BasicBlock &block : function)
    (llvm::any_of(block, isWorthAThought) ? forBest : forFast).push_back(&block);
  llvm::for_each(forBest, [](llvm::BasicBlock *block) { leaveToBest(*block); });
  loadConstants(function);
  llvm::for_each(forFast, [](llvm::BasicBlock *block) { moveOthersFirst(*block); });
}

namespace {

class PrepareFastSelection : public llvm::FunctionPass {
public:
  static char id;

  explicit PrepareFastSelection(const bool &selectsFast)
      : llvm::FunctionPass(id), selectsFast(selectsFast) {}

  bool runOnFunction(llvm::Function &function) override {
    if (selectsFast)
      prepare(function);
    return selectsFast;
  }
  void getAnalysisUsage(llvm::AnalysisUsage &usage) const override { usage.setPreservesAll(); }

private:
  const bool &selectsFast;
};

char PrepareFastSelection::id = 0;

} // namespace

llvm::FunctionPass *createPrepareFastSelectionPass(const bool &selectsFast) {
  return new PrepareFastSelection(selectsFast);
}

} // namespace norma
