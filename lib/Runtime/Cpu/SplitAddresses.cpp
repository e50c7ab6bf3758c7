//===- SplitAddresses.cpp - Parts of addresses outside of loops -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An access at (start + i + 3) * 13 in a loop over i becomes one at a pointer that is
// computed once for every start, plus i * 13, plus a constant that is a part of the
// instruction. In our loops, whose bounds and steps are plain, that is what Loop Strength
// Reduction comes to; but it, and the analysis of loops that it is based on, takes up to a
// fifth of all code generation.
//
//===----------------------------------------------------------------------===//

#include "AddressSum.h"
#include "LlvmSteps.h"

#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/PatternMatch.h"
#include "llvm/Transforms/Utils/Local.h"

using namespace llvm::PatternMatch;

namespace norma {

/// Where what changes with none but the `depth` outermost loops around the address is
/// computed: before the loop that is one deeper, or else where it was.
static llvm::Instruction *placeAt(unsigned depth, llvm::Instruction *address,
                                  const llvm::LoopInfo &loops) {
  llvm::Loop *loop = loops.getLoopFor(address->getParent());
  while (loop && loop->getLoopDepth() > depth + 1)
    loop = loop->getParentLoop();
  llvm::BasicBlock *before =
      loop && loop->getLoopDepth() == depth + 1 ? loop->getLoopPreheader() : nullptr;
  return before ? before->getTerminator() : address;
}

static void splitAddress(llvm::GetElementPtrInst &address, const llvm::LoopInfo &loops) {
  if (address.getNumIndices() != 1 || !address.getOperand(1)->getType()->isIntegerTy(64))
    return;
  AddressSum sum;
  sum.add(address.getOperand(1), 1);
  // Of the innermost loop around both: what another loop ended with does not change here.
  auto depthOf = [&](llvm::Value *value) -> unsigned {
    auto *instruction = llvm::dyn_cast<llvm::Instruction>(value);
    llvm::Loop *loop = instruction ? loops.getLoopFor(instruction->getParent()) : nullptr;
    while (loop && !loop->contains(&address))
      loop = loop->getParentLoop();
    return loop ? loop->getLoopDepth() : 0;
  };
  // A product with a stride stands beside the access, but changes with its factors only.
  auto depthOfTerm = [&](llvm::Value *value) {
    llvm::Value *a = nullptr, *b = nullptr;
    return match(value, m_Mul(m_Value(a), m_Value(b))) ? std::max(depthOf(a), depthOf(b))
                                                       : depthOf(value);
  };
  llvm::Type *element = address.getSourceElementType();
  const uint64_t bytes = address.getDataLayout().getTypeAllocSize(element);
  llvm::Value *pointer = address.getPointerOperand();
  const unsigned innermost = loops.getLoopDepth(address.getParent());
  const unsigned first = depthOf(pointer);
  llvm::Instruction *at = nullptr;
  for (unsigned depth = first; depth <= innermost; ++depth) {
    // Not before what it adds to.
    if (at != &address || depth == first)
      at = placeAt(depth, &address, loops);
    llvm::SmallVector<std::pair<llvm::Value *, uint64_t>, 4> terms;
    for (auto [value, factor] : sum.terms)
      if (factor != 0 && std::max(depthOfTerm(value), first) == depth)
        terms.emplace_back(value, factor);
    if (terms.empty())
      continue;
    // An access multiplies an index by the size of an element; products are as well bytes.
    const bool scales = llvm::is_contained(llvm::make_second_range(terms), uint64_t(1));
    const uint64_t unit = scales ? 1 : bytes;
    llvm::IRBuilder<> b(at);
    llvm::Value *offset = nullptr;
    for (auto [value, factor] : terms) {
      if (depthOf(value) > depth && at != &address)
        llvm::cast<llvm::Instruction>(value)->moveBefore(at->getIterator());
      llvm::Value *term =
          factor * unit == 1 ? value : b.CreateMul(value, b.getInt64(factor * unit));
      offset = offset ? b.CreateAdd(offset, term) : term;
    }
    pointer = b.CreateGEP(scales ? element : b.getInt8Ty(), pointer, offset);
  }
  if (sum.constant)
    pointer = llvm::IRBuilder<>(&address).CreateGEP(
        element, pointer, llvm::ConstantInt::get(address.getOperand(1)->getType(), sum.constant));
  llvm::Value *index = address.getOperand(1);
  address.replaceAllUsesWith(pointer);
  address.eraseFromParent();
  // Its sums serve nothing any more, unless another address has them.
  llvm::RecursivelyDeleteTriviallyDeadInstructions(index);
}

llvm::PreservedAnalyses SplitAddressesPass::run(llvm::Function &function,
                                                llvm::FunctionAnalysisManager &analyses) {
  const llvm::LoopInfo &loops = analyses.getResult<llvm::LoopAnalysis>(function);
  llvm::SmallVector<llvm::GetElementPtrInst *> addresses;
  for (llvm::Loop *loop : loops.getLoopsInPreorder())
    for (llvm::BasicBlock *block : loop->blocks())
      if (loops.getLoopFor(block) == loop)
        for (llvm::Instruction &instruction : *block)
          if (auto *address = llvm::dyn_cast<llvm::GetElementPtrInst>(&instruction))
            addresses.push_back(address);
  for (llvm::GetElementPtrInst *address : addresses)
    splitAddress(*address, loops);
  llvm::PreservedAnalyses kept;
  kept.preserveSet<llvm::CFGAnalyses>();
  return kept;
}

} // namespace norma
