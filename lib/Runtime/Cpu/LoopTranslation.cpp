//===- LoopTranslation.cpp - Kernels to LLVM IR, in one step --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A program may hold any op, so it goes to the LLVM dialect and from there to LLVM IR.
// Kernels consist of few ops, which have counterparts in LLVM IR; a descriptor is nothing
// but the values of its fields. So each op is written out once, in order.
//
//===----------------------------------------------------------------------===//

#include "LoopTranslation.h"

#include "LlvmSteps.h"
#include "LoopTranslator.h"

#include "norma/Conversion/Passes.h"

#include <fmt/format.h>

using namespace mlir;

namespace norma {

//===----------------------------------------------------------------------===//
// Types and values
//===----------------------------------------------------------------------===//

// A vector of one lane is a number: LLVM would take it apart again.
llvm::Type *LoopTranslator::typeOf(Type type) {
  if (auto vector = dyn_cast<VectorType>(type)) {
    llvm::Type *element = typeOf(vector.getElementType());
    const auto lanes = unsigned(vector.getNumElements());
    return lanes == 1 ? element : llvm::FixedVectorType::get(element, lanes);
  }
  if (type.isIndex())
    return b.getInt64Ty();
  if (type.isBF16())
    return b.getBFloatTy();
  if (type.isF16())
    return b.getHalfTy();
  if (type.isF32())
    return b.getFloatTy();
  if (type.isF64())
    return b.getDoubleTy();
  return b.getIntNTy(type.getIntOrFloatBitWidth());
}

llvm::Constant *LoopTranslator::constant(TypedAttr value) {
  llvm::Type *type = typeOf(value.getType());
  if (auto splat = dyn_cast<SplatElementsAttr>(value)) {
    llvm::Constant *lane = constant(cast<TypedAttr>(splat.getSplatValue<Attribute>()));
    auto *vector = llvm::dyn_cast<llvm::VectorType>(type);
    return vector ? llvm::ConstantVector::getSplat(vector->getElementCount(), lane) : lane;
  }
  if (auto number = dyn_cast<FloatAttr>(value))
    return llvm::ConstantFP::get(type, number.getValue());
  if (auto number = dyn_cast<IntegerAttr>(value))
    return llvm::ConstantInt::get(type, number.getValue());
  return nullptr;
}

llvm::Value *LoopTranslator::index(OpFoldResult value) {
  if (auto known = dyn_cast<Attribute>(value))
    return b.getInt64(uint64_t(cast<IntegerAttr>(known).getInt()));
  return values.lookup(cast<Value>(value));
}

LoopTranslator::Values LoopTranslator::indices(ArrayRef<OpFoldResult> of) {
  Values result;
  for (OpFoldResult each : of)
    result.push_back(index(each));
  return result;
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

/// All but the terminator, which belongs to the op around the block.
bool LoopTranslator::translateBlock(Block &block) {
  for (Operation &op : block.without_terminator())
    if (!translate(&op)) {
      unknown = unknown ? unknown : &op;
      return false;
    }
  return true;
}

/// What is known to run is asked for its end behind its body, and is a single block; other
/// loops are asked before.
bool LoopTranslator::translateLoop(scf::ForOp loop) {
  llvm::Value *begin = values.lookup(loop.getLowerBound());
  llvm::Value *end = values.lookup(loop.getUpperBound());
  const auto *first = llvm::dyn_cast<llvm::ConstantInt>(begin);
  const auto *last = llvm::dyn_cast<llvm::ConstantInt>(end);
  const bool runs = first && last && first->getSExtValue() < last->getSExtValue();

  llvm::BasicBlock *before = b.GetInsertBlock();
  auto *head = llvm::BasicBlock::Create(b.getContext(), "", function);
  auto *exit = llvm::BasicBlock::Create(b.getContext());
  b.CreateBr(head);
  b.SetInsertPoint(head);
  llvm::SmallVector<llvm::PHINode *> phis;
  auto addPhi = [&](Value carried, llvm::Value *initial) {
    phis.push_back(b.CreatePHI(initial->getType(), 2));
    phis.back()->addIncoming(initial, before);
    values[carried] = phis.back();
  };
  addPhi(loop.getInductionVar(), begin);
  for (auto [carried, initial] : llvm::zip_equal(loop.getRegionIterArgs(), loop.getInitArgs()))
    addPhi(carried, values.lookup(initial));
  if (!runs) {
    auto *body = llvm::BasicBlock::Create(b.getContext(), "", function);
    b.CreateCondBr(b.CreateICmpSLT(phis.front(), end), body, exit);
    b.SetInsertPoint(body);
  }
  if (!translateBlock(*loop.getBody())) {
    delete exit;
    return false;
  }
  Values next{b.CreateAdd(phis.front(), values.lookup(loop.getStep()))};
  for (Value yielded : loop.getYieldedValues())
    next.push_back(values.lookup(yielded));
  for (auto [phi, value] : llvm::zip_equal(phis, next))
    phi->addIncoming(value, b.GetInsertBlock());
  for (auto [result, phi, value] :
       llvm::zip_equal(loop.getResults(), llvm::drop_begin(phis), llvm::drop_begin(next)))
    values[result] = runs ? value : phi;
  if (runs)
    b.CreateCondBr(b.CreateICmpSLT(next.front(), end), head, exit);
  else
    b.CreateBr(head);
  exit->insertInto(function);
  b.SetInsertPoint(exit);
  return true;
}

bool LoopTranslator::translateIf(scf::IfOp op) {
  auto *then = llvm::BasicBlock::Create(b.getContext(), "", function);
  auto *merge = llvm::BasicBlock::Create(b.getContext(), "", function);
  auto *otherwise =
      op.elseBlock() ? llvm::BasicBlock::Create(b.getContext(), "", function, merge) : merge;
  b.CreateCondBr(values.lookup(op.getCondition()), then, otherwise);
  llvm::SmallVector<llvm::PHINode *> phis;
  for (Type type : op.getResultTypes())
    phis.push_back(llvm::PHINode::Create(typeOf(type), 2, "", merge));
  auto translateBranch = [&](llvm::BasicBlock *to, Block &from) {
    b.SetInsertPoint(to);
    if (!translateBlock(from))
      return false;
    for (auto [phi, yielded] : llvm::zip_equal(phis, from.getTerminator()->getOperands()))
      phi->addIncoming(values.lookup(yielded), b.GetInsertBlock());
    b.CreateBr(merge);
    return true;
  };
  if (!translateBranch(then, *op.thenBlock()) ||
      (op.elseBlock() && !translateBranch(otherwise, *op.elseBlock())))
    return false;
  for (auto [result, phi] : llvm::zip_equal(op.getResults(), phis))
    values[result] = phi;
  merge->moveAfter(b.GetInsertBlock());
  b.SetInsertPoint(merge);
  return true;
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

void LoopTranslator::declareArguments(func::FuncOp source) {
  llvm::SmallVector<llvm::Type *> types;
  for (Type type : source.getArgumentTypes()) {
    types.append(2, b.getPtrTy());
    types.append(1 + 2 * size_t(cast<MemRefType>(type).getRank()), b.getInt64Ty());
  }
  function = llvm::Function::Create(llvm::FunctionType::get(b.getVoidTy(), types, false),
                                    llvm::GlobalValue::ExternalLinkage, source.getName(), module);
  if (source->hasAttr(kLoadsEarlyAttr))
    markAsLoadingEarly(*function);
  b.SetInsertPoint(llvm::BasicBlock::Create(b.getContext(), "", function));
  unsigned next = 0;
  for (BlockArgument argument : source.getArguments()) {
    auto type = cast<MemRefType>(argument.getType());
    Values fields;
    for (int64_t field = 0; field < 3 + 2 * type.getRank(); ++field)
      fields.push_back(function->getArg(next++));
    views[argument] = viewOf(type, fields);
  }
}

bool LoopTranslator::translate(Operation *op) {
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return translateLoop(loop);
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return translateIf(branch);
  if (translateMemory(op))
    return true;
  if (op->getNumResults() != 1)
    return false;
  llvm::Value *value = arithmetic(op);
  values[op->getResult(0)] = value;
  return value;
}

Operation *LoopTranslator::run(func::FuncOp source) {
  declareArguments(source);
  if (translateBlock(source.front()))
    b.CreateRetVoid();
  return unknown;
}

Expected<std::unique_ptr<llvm::Module>> translateLoops(ModuleOp module,
                                                       llvm::LLVMContext &context) {
  auto result = std::make_unique<llvm::Module>("norma", context);
  for (auto function : module.getOps<func::FuncOp>())
    if (Operation *unknown = LoopTranslator(*result).run(function))
      return Error(ErrorCode::Internal, fmt::format("code generation: no kernel consists of '{}'",
                                                    unknown->getName().getStringRef().str()));
  return result;
}

} // namespace norma
