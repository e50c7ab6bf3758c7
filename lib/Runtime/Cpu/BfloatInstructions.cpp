//===- BfloatInstructions.cpp - bf16 by instructions of x86 ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// AVX512-BF16 rounds two vectors to bf16 by one instruction, which takes subnormal numbers for
// zero. So what it wrote is looked at: where none of it is zero it is right. Where some is, and
// a subnormal number stands behind one, it is written once more, by integer operations.
//
//===----------------------------------------------------------------------===//

#include "Bfloats.h"

#include "llvm/Analysis/VectorUtils.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/IntrinsicsX86.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"

#include <numeric>

namespace norma {

/// Lanes of a register of f32.
static constexpr unsigned kLanes = 16;

static unsigned lanesOf(llvm::Type *type) {
  auto *vector = llvm::dyn_cast<llvm::FixedVectorType>(type);
  return vector ? vector->getNumElements() : 1;
}

static bool isRegisters(llvm::Type *type) {
  return lanesOf(type) == kLanes || lanesOf(type) == 2 * kLanes;
}

static bool has(const llvm::TargetMachine &machine, llvm::StringRef feature) {
  return machine.getTargetTriple().isX86() &&
         machine.getMCSubtargetInfo()->checkFeatures(feature.str());
}

/// `value`, of which LLVM does not see what it is, in a register of the kind `kind`.
static llvm::CallInst *hidden(llvm::IRBuilder<> &b, llvm::Value *value, llvm::StringRef kind) {
  auto *type = llvm::FunctionType::get(value->getType(), value->getType(), false);
  llvm::CallInst *result =
      b.CreateCall(llvm::InlineAsm::get(type, "", ("=" + kind + ",0").str(), false), value);
  result->setDoesNotAccessMemory();
  return result;
}

//===----------------------------------------------------------------------===//
// Widening
//===----------------------------------------------------------------------===//

bool widensBfloatsByInstruction(const llvm::TargetMachine &machine, llvm::Type *type) {
  return isRegisters(type) && has(machine, "+avx512bw") && has(machine, "+avx512vbmi");
}

/// The constant, of which LLVM does not see what it is, either: loaded once, before all.
static llvm::LoadInst *hidden(llvm::Function &function, llvm::Constant *known) {
  llvm::BasicBlock &entry = function.getEntryBlock();
  for (llvm::Instruction &instruction : entry)
    if (auto *made = llvm::dyn_cast<llvm::LoadInst>(&instruction))
      if (auto *from = llvm::dyn_cast<llvm::GlobalVariable>(made->getPointerOperand());
          from && from->hasInitializer() && from->getInitializer() == known)
        return made;
  llvm::Type *type = known->getType();
  auto *memory = new llvm::GlobalVariable(*function.getParent(), type, /*isConstant=*/true,
                                          llvm::GlobalValue::PrivateLinkage, known, "hidden");
  memory->setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
  memory->setAlignment(llvm::Align(type->getPrimitiveSizeInBits().getFixedValue() / 8));
  // For all that LLVM knows, something else has been written there.
  memory->setExternallyInitialized(true);
  llvm::LoadInst *loaded =
      llvm::IRBuilder<>(&*entry.begin()).CreateAlignedLoad(type, memory, memory->getAlign());
  loaded->setMetadata(llvm::LLVMContext::MD_invariant_load,
                      llvm::MDNode::get(function.getContext(), {}));
  return loaded;
}

/// One permutation of bytes for a register of f32, where to widen integers and to shift them
/// takes two instructions. LLVM would make a slower one, of two vectors, if it knew where zeros
/// go.
llvm::Value *widenBfloatsByInstruction(llvm::IRBuilder<> &b, llvm::Value *bfloats) {
  constexpr unsigned kBytes = 4 * kLanes;
  const unsigned lanes = lanesOf(bfloats->getType());
  llvm::Function &function = *b.GetInsertBlock()->getParent();
  llvm::Value *from =
      b.CreateBitCast(bfloats, llvm::FixedVectorType::get(b.getInt8Ty(), 2 * lanes));
  if (lanes == kLanes) {
    llvm::SmallVector<int> low(kBytes, llvm::PoisonMaskElem);
    std::iota(low.begin(), low.begin() + 2 * lanes, 0);
    from = b.CreateShuffleVector(from, low);
  }
  llvm::LoadInst *upper = hidden(function, b.getInt64(0xcccccccccccccccc));
  llvm::Value *mask = llvm::IRBuilder<>(upper->getNextNode())
                          .CreateBitCast(upper, llvm::FixedVectorType::get(b.getInt1Ty(), kBytes));
  llvm::SmallVector<llvm::Value *, 2> parts;
  for (unsigned part = 0; part < lanes; part += kLanes) {
    llvm::SmallVector<llvm::Constant *> at;
    for (unsigned i = 0; i < kBytes; ++i)
      at.push_back(b.getInt8(uint8_t(2 * part + i / 4 * 2 + i % 2)));
    llvm::Value *moved = b.CreateIntrinsic(llvm::Intrinsic::x86_avx512_permvar_qi_512, {},
                                           {from, hidden(function, llvm::ConstantVector::get(at))});
    moved = b.CreateSelect(mask, moved, llvm::Constant::getNullValue(moved->getType()));
    parts.push_back(b.CreateBitCast(moved, llvm::FixedVectorType::get(b.getFloatTy(), kLanes)));
  }
  return llvm::concatenateVectors(b, parts);
}

//===----------------------------------------------------------------------===//
// Rounding
//===----------------------------------------------------------------------===//

namespace {

/// A vector that is rounded and stored.
struct Rounding {
  llvm::CastInst *cast;
  llvm::Instruction *store;
  llvm::Value *address;
  /// The lanes that are stored; null for all.
  llvm::Value *mask;

  llvm::Value *value() const { return cast->getOperand(0); }
};

/// Roundings of one type that are looked at together.
struct Group {
  llvm::SmallVector<Rounding> roundings;
  /// Behind all of them, and before what could see what they store.
  llvm::Instruction *end;
};

} // namespace

/// The one that `instruction` stores, if that is all there is to it.
static std::optional<Rounding> roundingOf(llvm::Instruction &instruction) {
  llvm::Value *stored = nullptr, *address = nullptr, *mask = nullptr;
  if (auto *store = llvm::dyn_cast<llvm::StoreInst>(&instruction)) {
    stored = store->getValueOperand();
    address = store->getPointerOperand();
  } else if (auto *call = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction);
             call && call->getIntrinsicID() == llvm::Intrinsic::masked_store) {
    stored = call->getArgOperand(0);
    address = call->getArgOperand(1);
    mask = call->getArgOperand(2);
  }
  auto *cast = llvm::dyn_cast_or_null<llvm::FPTruncInst>(stored);
  if (!cast || !cast->hasOneUse() || cast->getParent() != instruction.getParent() ||
      !cast->getDestTy()->getScalarType()->isBFloatTy() ||
      !cast->getSrcTy()->getScalarType()->isFloatTy() || !isRegisters(cast->getDestTy()))
    return std::nullopt;
  return Rounding{cast, &instruction, address, mask};
}

static void findGroups(llvm::BasicBlock &block, bool resultsAreRead,
                       llvm::SmallVectorImpl<Group> &groups) {
  // What is rounded waits in registers for the end of its group.
  constexpr size_t kMost = 4;
  llvm::SmallVector<Rounding> roundings;
  for (llvm::Instruction &instruction : block) {
    std::optional<Rounding> rounding = roundingOf(instruction);
    const bool ends = roundings.size() == kMost || instruction.isTerminator() ||
                      (rounding ? !roundings.empty() && roundings.front().cast->getDestTy() !=
                                                            rounding->cast->getDestTy()
                                : resultsAreRead && instruction.mayReadOrWriteMemory());
    // What stands alone with a mask is the end of a loop: it does not run for long.
    const bool isTail = roundings.size() == 1 && roundings.front().mask;
    if (ends && !roundings.empty() && !isTail)
      groups.push_back({roundings, &instruction});
    if (ends)
      roundings.clear();
    if (rounding)
      roundings.push_back(*rounding);
  }
}

/// The registers of f32 of a vector, or the masks of their lanes.
static llvm::SmallVector<llvm::Value *, 2> registersOf(llvm::IRBuilder<> &b, llvm::Value *lanes) {
  if (lanesOf(lanes->getType()) == kLanes)
    return {lanes};
  llvm::SmallVector<int> low(kLanes), high(kLanes);
  std::iota(low.begin(), low.end(), 0);
  std::iota(high.begin(), high.end(), kLanes);
  return {b.CreateShuffleVector(lanes, low), b.CreateShuffleVector(lanes, high)};
}

/// Where a number is not zero.
static llvm::Value *isNotZero(llvm::IRBuilder<> &b, llvm::Value *bfloats) {
  auto *bits = llvm::FixedVectorType::get(b.getInt16Ty(), lanesOf(bfloats->getType()));
  llvm::Value *magnitude =
      b.CreateAnd(b.CreateBitCast(bfloats, bits), llvm::ConstantInt::get(bits, 0x7fff));
  return b.CreateICmpNE(magnitude, llvm::Constant::getNullValue(bits));
}

/// Rounds and stores by the instruction; returns where the results are right for certain.
static llvm::Value *roundAll(const Group &group) {
  llvm::Value *right = nullptr;
  for (const Rounding &rounding : group.roundings) {
    llvm::IRBuilder<> b(rounding.cast);
    llvm::SmallVector<llvm::Value *, 2> parts = registersOf(b, rounding.value());
    llvm::Value *rounded =
        parts.size() == 1
            ? b.CreateIntrinsic(llvm::Intrinsic::x86_avx512bf16_cvtneps2bf16_512, {}, parts)
            : b.CreateIntrinsic(llvm::Intrinsic::x86_avx512bf16_cvtne2ps2bf16_512, {},
                                {parts[1], parts[0]});
    llvm::Value *stored = rounded;
    // LLVM does not know how to store bf16 past the caches, and would store it as usual.
    if (rounding.store->hasMetadata(llvm::LLVMContext::MD_nontemporal)) {
      auto *words = llvm::FixedVectorType::get(b.getInt32Ty(), lanesOf(rounded->getType()) / 2);
      stored = b.CreateBitCast(hidden(b, b.CreateBitCast(rounded, words), "v"), rounded->getType());
    }
    rounding.cast->replaceAllUsesWith(stored);
    b.SetInsertPoint(rounding.store);
    llvm::Value *notZero = isNotZero(b, rounded);
    right = right ? b.CreateAnd(notZero, right) : notZero;
  }
  return right;
}

/// Before `b`, which then stands inside, an unlikely `if` of any lane.
static void enterIfAny(llvm::IRBuilder<> &b, llvm::Value *lanes) {
  auto *bits = b.getIntNTy(lanesOf(lanes->getType()));
  llvm::Value *any =
      b.CreateICmpNE(b.CreateBitCast(lanes, bits), llvm::Constant::getNullValue(bits));
  b.SetInsertPoint(llvm::SplitBlockAndInsertIfThen(
      any, b.GetInsertPoint(), /*Unreachable=*/false,
      llvm::MDBuilder(b.getContext()).createUnlikelyBranchWeights()));
}

namespace {

/// A register of a vector that is rounded and stored.
struct Part {
  llvm::Value *value, *address;
  /// Lanes to store once more.
  llvm::Value *isSubnormal;
};

} // namespace

static llvm::Value *findSubnormal(llvm::IRBuilder<> &b, llvm::Value *value) {
  return b.CreateIntrinsic(llvm::Intrinsic::x86_avx512_fpclass_ps_512, {},
                           {value, b.getInt32(0x20)});
}

/// Stores the rounded bits of subnormal numbers.
static void storeRounded(llvm::IRBuilder<> &b, const Part &part) {
  auto *i32 = llvm::FixedVectorType::get(b.getInt32Ty(), kLanes);
  llvm::Value *upper = b.CreateLShr(roundToUpperHalf(b, b.CreateBitCast(part.value, i32)), 16);
  b.CreateMaskedStore(b.CreateTrunc(upper, llvm::FixedVectorType::get(b.getInt16Ty(), kLanes)),
                      part.address, llvm::Align(2), part.isSubnormal);
}

/// The same of several parts, by a loop over copies of them: it hardly ever runs, and is there for
/// every group of stores.
static void storeEachRounded(llvm::IRBuilder<> &b, llvm::ArrayRef<Part> parts) {
  llvm::Type *value = parts.front().value->getType(), *address = b.getPtrTy();
  llvm::IRBuilder<> entry(&*b.GetInsertBlock()->getParent()->getEntryBlock().begin());
  llvm::Value *count = b.getInt64(parts.size());
  llvm::AllocaInst *values = entry.CreateAlloca(value, count);
  llvm::AllocaInst *addresses = entry.CreateAlloca(address, count);
  for (auto [i, part] : llvm::enumerate(parts)) {
    b.CreateStore(part.value, b.CreateConstGEP1_64(value, values, i));
    b.CreateStore(part.address, b.CreateConstGEP1_64(address, addresses, i));
  }
  auto [body, i] = llvm::SplitBlockAndInsertSimpleForLoop(count, b.GetInsertPoint());
  b.SetInsertPoint(body);
  llvm::Value *copy = b.CreateLoad(value, b.CreateGEP(value, values, i));
  storeRounded(
      b, {copy, b.CreateLoad(address, b.CreateGEP(address, addresses, i)), findSubnormal(b, copy)});
}

/// Behind the stores,
///
///   if (some result is zero)
///     if (some value is subnormal)
///       store its rounded bits
static void roundAgain(const Group &group, llvm::Value *right) {
  llvm::IRBuilder<> b(group.end);
  enterIfAny(b, b.CreateNot(right));
  bool hasMasks = false;
  llvm::SmallVector<Part> parts;
  llvm::SmallVector<uint64_t> firsts;
  llvm::Value *any = nullptr;
  for (const Rounding &rounding : group.roundings) {
    llvm::SmallVector<llvm::Value *, 2> masks;
    if (rounding.mask)
      masks = registersOf(b, rounding.mask);
    hasMasks |= rounding.mask != nullptr;
    for (auto [i, value] : llvm::enumerate(registersOf(b, rounding.value()))) {
      llvm::Value *isSubnormal = findSubnormal(b, value);
      if (rounding.mask)
        isSubnormal = b.CreateAnd(isSubnormal, masks[i]);
      parts.push_back({value, rounding.address, isSubnormal});
      any = any ? b.CreateOr(any, isSubnormal) : isSubnormal;
      firsts.push_back(i * kLanes);
    }
  }
  enterIfAny(b, any);
  for (auto [part, first] : llvm::zip_equal(parts, firsts))
    part.address = b.CreateConstGEP1_64(b.getInt16Ty(), part.address, first);
  if (!hasMasks && parts.size() > 2)
    return storeEachRounded(b, parts);
  for (const Part &part : parts)
    storeRounded(b, part);
}

void roundBfloatsByInstruction(llvm::Module &module, const llvm::TargetMachine &machine,
                               bool resultsAreRead) {
  if (!has(machine, "+avx512bf16") || !has(machine, "+avx512bw") || !has(machine, "+avx512dq"))
    return;
  llvm::SmallVector<Group> groups;
  for (llvm::Function &function : module)
    for (llvm::BasicBlock &block : function)
      findGroups(block, resultsAreRead, groups);
  for (const Group &group : groups) {
    roundAgain(group, roundAll(group));
    for (const Rounding &rounding : group.roundings)
      rounding.cast->eraseFromParent();
  }
}

} // namespace norma
