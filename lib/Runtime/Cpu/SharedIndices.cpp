//===- SharedIndices.cpp - Indices that tensors share ---------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rows that go side by side have a pointer for every row of every tensor, which may be more than
// there are registers: of three tensors and four coefficients, where each of four rows begins at
// another lane, 28. Then rows at the same place of several tensors share an index, which counts on:
// three pointers, four more, and eight indices.
//
//===----------------------------------------------------------------------===//

#include "AddressSum.h"
#include "LlvmSteps.h"

#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/Transforms/Utils/Local.h"

#include <utility>

using namespace llvm::PatternMatch;

namespace norma {

namespace {

/// The addresses of a loop that are a pointer, plus what does not change, plus a counter of the
/// loop, plus a constant.
class CountedAddresses {
public:
  CountedAddresses(llvm::Loop &loop, llvm::ArrayRef<llvm::GetElementPtrInst *> addresses)
      : loop(loop), before(loop.getLoopPreheader()), latch(loop.getLoopLatch()) {
    for (llvm::GetElementPtrInst *address : addresses)
      if (!add(*address))
        ++others;
  }

  /// Registers for a pointer to every place.
  size_t pointerRegisters() const {
    llvm::SmallVector<std::pair<llvm::Value *, size_t>> places;
    for (const Access &access : accesses)
      if (const auto place = std::pair(access.address->getPointerOperand(), access.start);
          !llvm::is_contained(places, place))
        places.push_back(place);
    return places.size() + others + 1;
  }
  /// And for the pointers of tensors, and an index for every start.
  size_t indexRegisters() const {
    llvm::SmallPtrSet<llvm::Value *, 8> tensors;
    for (const Access &access : accesses)
      tensors.insert(access.address->getPointerOperand());
    return tensors.size() + starts.size() + others + 1;
  }

  /// A counter for every start.
  void shareIndices() {
    llvm::SmallVector<llvm::Value *> indices;
    for (const Start &start : starts)
      indices.push_back(start.offset.terms.empty() ? start.counter : countFrom(start));
    for (const Access &access : accesses) {
      llvm::GetElementPtrInst &address = *access.address;
      llvm::IRBuilder<> b(&address);
      llvm::Type *element = address.getSourceElementType();
      llvm::Value *pointer =
          b.CreateGEP(element, address.getPointerOperand(), indices[access.start]);
      if (access.constant)
        pointer = b.CreateGEP(element, pointer, b.getInt64(access.constant));
      llvm::Value *index = address.getOperand(1);
      address.replaceAllUsesWith(pointer);
      address.eraseFromParent();
      llvm::RecursivelyDeleteTriviallyDeadInstructions(index);
    }
  }

private:
  /// Where an index starts: a counter of the loop, plus what does not change.
  struct Start {
    llvm::PHINode *counter;
    AddressSum offset;
  };
  struct Access {
    llvm::GetElementPtrInst *address;
    /// Which of the starts.
    size_t start;
    uint64_t constant;
  };

  /// What every iteration adds to `value`; null if it is no counter.
  llvm::Value *stepOf(llvm::Value *value) const {
    auto *phi = llvm::dyn_cast<llvm::PHINode>(value);
    llvm::Value *step = nullptr;
    if (!phi || phi->getParent() != loop.getHeader() || !before || !latch ||
        !match(phi->getIncomingValueForBlock(latch), m_c_Add(m_Specific(phi), m_Value(step))))
      return nullptr;
    return loop.isLoopInvariant(step) ? step : nullptr;
  }

  /// Whether it is such an address.
  bool add(llvm::GetElementPtrInst &address) {
    if (address.getNumIndices() != 1 || !address.getOperand(1)->getType()->isIntegerTy(64) ||
        !loop.isLoopInvariant(address.getPointerOperand()))
      return false;
    Start start = {};
    start.offset.add(address.getOperand(1), 1);
    const uint64_t constant = std::exchange(start.offset.constant, 0);
    for (auto [value, factor] : start.offset.terms)
      if (factor == 1 && stepOf(value))
        start.counter = llvm::cast<llvm::PHINode>(value);
    start.offset.terms.remove_if(
        [&](const auto &term) { return term.first == start.counter || term.second == 0; });
    if (!start.counter ||
        !llvm::all_of(llvm::make_first_range(start.offset.terms),
                      [&](llvm::Value *value) { return loop.isLoopInvariant(value); }))
      return false;
    auto isSame = [&](const Start &other) {
      return other.counter == start.counter &&
             other.offset.terms.size() == start.offset.terms.size() &&
             llvm::all_of(start.offset.terms, [&](const auto &term) {
               return other.offset.terms.lookup(term.first) == term.second;
             });
    };
    const size_t known = llvm::find_if(starts, isSame) - starts.begin();
    if (known == starts.size())
      starts.push_back(std::move(start));
    accesses.push_back({&address, known, constant});
    return true;
  }

  llvm::Value *countFrom(const Start &start) {
    llvm::IRBuilder<> b(before->getTerminator());
    llvm::Value *first = start.counter->getIncomingValueForBlock(before);
    for (auto [value, factor] : start.offset.terms)
      first = b.CreateAdd(first, factor == 1 ? value : b.CreateMul(value, b.getInt64(factor)));
    b.SetInsertPoint(start.counter);
    llvm::PHINode *index = b.CreatePHI(start.counter->getType(), 2);
    b.SetInsertPoint(latch->getTerminator());
    index->addIncoming(first, before);
    index->addIncoming(b.CreateAdd(index, stepOf(start.counter)), latch);
    return index;
  }

  llvm::Loop &loop;
  llvm::BasicBlock *before, *latch;
  llvm::SmallVector<Access> accesses;
  llvm::SmallVector<Start, 4> starts;
  size_t others = 0;
};

} // namespace

/// Not of loops inside.
static llvm::SmallVector<llvm::GetElementPtrInst *> addressesIn(const llvm::Loop &loop,
                                                                const llvm::LoopInfo &loops) {
  llvm::SmallVector<llvm::GetElementPtrInst *> addresses;
  for (llvm::BasicBlock *block : loop.blocks())
    if (loops.getLoopFor(block) == &loop)
      for (llvm::Instruction &instruction : *block)
        if (auto *address = llvm::dyn_cast<llvm::GetElementPtrInst>(&instruction))
          addresses.push_back(address);
  return addresses;
}

/// Whether a loop writes numbers of 4 bytes and more past the caches. It gains nothing from fewer
/// instructions, and where rows begin anywhere it takes up to a fifth longer to read so far ahead.
static bool waitsForMemory(const llvm::Loop &loop) {
  return llvm::any_of(loop.blocks(), [](const llvm::BasicBlock *block) {
    return llvm::any_of(*block, [](const llvm::Instruction &instruction) {
      auto *store = llvm::dyn_cast<llvm::StoreInst>(&instruction);
      return store && store->hasMetadata(llvm::LLVMContext::MD_nontemporal) &&
             store->getValueOperand()->getType()->getScalarSizeInBits() >= 32;
    });
  });
}

llvm::PreservedAnalyses ShareIndicesPass::run(llvm::Function &function,
                                              llvm::FunctionAnalysisManager &analyses) {
  const llvm::LoopInfo &loops = analyses.getResult<llvm::LoopAnalysis>(function);
  // All but those that point to the stack and its frame, and one to work with.
  const auto &target = analyses.getResult<llvm::TargetIRAnalysis>(function);
  const size_t registers =
      target.getNumberOfRegisters(target.getRegisterClassForType(/*Vector=*/false)) - 3;
  for (llvm::Loop *loop : loops.getLoopsInPreorder()) {
    const llvm::SmallVector<llvm::GetElementPtrInst *> addresses = addressesIn(*loop, loops);
    if (addresses.size() <= registers)
      continue;
    CountedAddresses counted(*loop, addresses);
    const size_t before = counted.pointerRegisters(), after = counted.indexRegisters();
    // A counter that finds no register is stored, too, which takes longer than it saves where a
    // loop inside, for what is rare, needs registers besides.
    if (before > registers && after < before && (after <= registers || loop->isInnermost()) &&
        !waitsForMemory(*loop))
      counted.shareIndices();
  }
  llvm::PreservedAnalyses kept;
  kept.preserveSet<llvm::CFGAnalyses>();
  return kept;
}

} // namespace norma
