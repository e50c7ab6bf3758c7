//===- LoopArithmetic.cpp - Arithmetic of kernels as LLVM IR --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LoopTranslator.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace norma {

static std::optional<llvm::Instruction::BinaryOps> binaryOf(Operation *op) {
  using Result = std::optional<llvm::Instruction::BinaryOps>;
  using llvm::Instruction;
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([](arith::AddIOp) { return Instruction::Add; })
      .Case([](arith::SubIOp) { return Instruction::Sub; })
      .Case([](arith::MulIOp) { return Instruction::Mul; })
      .Case([](arith::DivUIOp) { return Instruction::UDiv; })
      .Case([](arith::RemUIOp) { return Instruction::URem; })
      .Case([](arith::AndIOp) { return Instruction::And; })
      .Case([](arith::OrIOp) { return Instruction::Or; })
      .Case([](arith::XOrIOp) { return Instruction::Xor; })
      .Case([](arith::AddFOp) { return Instruction::FAdd; })
      .Case([](arith::SubFOp) { return Instruction::FSub; })
      .Case([](arith::MulFOp) { return Instruction::FMul; })
      .Case([](arith::DivFOp) { return Instruction::FDiv; })
      .Default([](Operation *) { return std::nullopt; });
}

static std::optional<llvm::Instruction::CastOps> castOf(Operation *op) {
  using Result = std::optional<llvm::Instruction::CastOps>;
  using llvm::Instruction;
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([](arith::ExtUIOp) { return Instruction::ZExt; })
      .Case([](arith::ExtSIOp) { return Instruction::SExt; })
      .Case([](arith::ExtFOp) { return Instruction::FPExt; })
      .Case([](arith::TruncFOp) { return Instruction::FPTrunc; })
      .Case([](arith::BitcastOp) { return Instruction::BitCast; })
      .Case([](arith::SIToFPOp) { return Instruction::SIToFP; })
      .Case([](arith::UIToFPOp) { return Instruction::UIToFP; })
      .Default([](Operation *) { return std::nullopt; });
}

static llvm::CmpInst::Predicate predicateOf(arith::CmpIPredicate predicate) {
  using llvm::CmpInst;
  switch (predicate) {
  case arith::CmpIPredicate::eq:
    return CmpInst::ICMP_EQ;
  case arith::CmpIPredicate::ne:
    return CmpInst::ICMP_NE;
  case arith::CmpIPredicate::slt:
    return CmpInst::ICMP_SLT;
  case arith::CmpIPredicate::sle:
    return CmpInst::ICMP_SLE;
  case arith::CmpIPredicate::sgt:
    return CmpInst::ICMP_SGT;
  case arith::CmpIPredicate::sge:
    return CmpInst::ICMP_SGE;
  case arith::CmpIPredicate::ult:
    return CmpInst::ICMP_ULT;
  case arith::CmpIPredicate::ule:
    return CmpInst::ICMP_ULE;
  case arith::CmpIPredicate::ugt:
    return CmpInst::ICMP_UGT;
  case arith::CmpIPredicate::uge:
    return CmpInst::ICMP_UGE;
  }
  llvm_unreachable("predicate");
}

static llvm::CmpInst::Predicate predicateOf(arith::CmpFPredicate predicate) {
  // The same names, in another order.
  using llvm::CmpInst;
  static constexpr CmpInst::Predicate kPredicates[] = {
      CmpInst::FCMP_FALSE, CmpInst::FCMP_OEQ, CmpInst::FCMP_OGT, CmpInst::FCMP_OGE,
      CmpInst::FCMP_OLT,   CmpInst::FCMP_OLE, CmpInst::FCMP_ONE, CmpInst::FCMP_ORD,
      CmpInst::FCMP_UEQ,   CmpInst::FCMP_UGT, CmpInst::FCMP_UGE, CmpInst::FCMP_ULT,
      CmpInst::FCMP_ULE,   CmpInst::FCMP_UNE, CmpInst::FCMP_UNO, CmpInst::FCMP_TRUE};
  return kPredicates[size_t(predicate)];
}

llvm::Value *LoopTranslator::asVector(llvm::Value *lanes) {
  llvm::Type *type = lanes->getType();
  return type->isVectorTy() ? lanes : b.CreateVectorSplat(1, lanes);
}

llvm::Value *LoopTranslator::shuffle(vector::ShuffleOp op) {
  llvm::SmallVector<int> from(op.getMask());
  llvm::Value *lanes = b.CreateShuffleVector(asVector(values.lookup(op.getV1())),
                                             asVector(values.lookup(op.getV2())), from);
  return from.size() == 1 ? b.CreateExtractElement(lanes, uint64_t(0)) : lanes;
}

/// The sum of lanes and the like, plus what there was before.
llvm::Value *LoopTranslator::reduce(vector::ReductionOp op) {
  llvm::Value *lanes = asVector(values.lookup(op.getVector()));
  llvm::Value *before = op.getAcc() ? values.lookup(op.getAcc()) : nullptr;
  switch (op.getKind()) {
  case vector::CombiningKind::ADD: {
    if (!isa<FloatType>(op.getType()))
      return before ? b.CreateAdd(b.CreateAddReduce(lanes), before) : b.CreateAddReduce(lanes);
    llvm::IRBuilderBase::FastMathFlagGuard guard(b);
    llvm::FastMathFlags flags;
    flags.setAllowReassoc(
        arith::bitEnumContainsAll(op.getFastmath(), arith::FastMathFlags::reassoc));
    b.setFastMathFlags(flags);
    return b.CreateFAddReduce(before ? before : llvm::ConstantFP::get(typeOf(op.getType()), 0),
                              lanes);
  }
  case vector::CombiningKind::OR:
    return before ? nullptr : b.CreateOrReduce(lanes);
  case vector::CombiningKind::MAXIMUMF:
    return before ? nullptr : b.CreateFPMaximumReduce(lanes);
  default:
    return nullptr;
  }
}

/// A mask of the first `count` lanes.
llvm::Value *LoopTranslator::lanesBefore(VectorType type, llvm::Value *count) {
  if (type.getNumElements() == 1)
    return b.CreateICmpSGT(count, llvm::Constant::getNullValue(count->getType()));
  llvm::SmallVector<llvm::Constant *> lanes;
  for (int64_t lane = 0; lane < type.getNumElements(); ++lane)
    lanes.push_back(b.getInt32(uint32_t(lane)));
  llvm::Value *end =
      b.CreateVectorSplat(unsigned(lanes.size()), b.CreateTrunc(count, b.getInt32Ty()));
  return b.CreateICmpSGT(end, llvm::ConstantVector::get(lanes));
}

llvm::Value *LoopTranslator::arithmetic(Operation *op) {
  auto operand = [&](unsigned i) { return values.lookup(op->getOperand(i)); };
  if (auto binary = binaryOf(op))
    return b.CreateBinOp(*binary, operand(0), operand(1));
  if (auto cast = castOf(op))
    return b.CreateCast(*cast, operand(0), typeOf(op->getResult(0).getType()));
  return llvm::TypeSwitch<Operation *, llvm::Value *>(op)
      .Case([&](arith::ConstantOp each) { return constant(each.getValue()); })
      .Case([&](arith::IndexCastOp each) {
        return b.CreateSExtOrTrunc(operand(0), typeOf(each.getType()));
      })
      .Case([&](arith::MinUIOp) {
        return b.CreateBinaryIntrinsic(llvm::Intrinsic::umin, operand(0), operand(1));
      })
      .Case([&](arith::CmpIOp each) {
        return b.CreateICmp(predicateOf(each.getPredicate()), operand(0), operand(1));
      })
      .Case([&](arith::CmpFOp each) {
        return b.CreateFCmp(predicateOf(each.getPredicate()), operand(0), operand(1));
      })
      .Case([&](arith::SelectOp) { return b.CreateSelect(operand(0), operand(1), operand(2)); })
      .Case([&](math::AbsFOp) { return b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, operand(0)); })
      .Case([&](math::RoundEvenOp) {
        return b.CreateUnaryIntrinsic(llvm::Intrinsic::roundeven, operand(0));
      })
      // Fused where the target can.
      .Case([&](vector::FMAOp) {
        return b.CreateIntrinsic(llvm::Intrinsic::fmuladd, {operand(0)->getType()},
                                 {operand(0), operand(1), operand(2)});
      })
      .Case([&](vector::BroadcastOp each) -> llvm::Value * {
        if (isa<VectorType>(each.getSourceType()))
          return nullptr;
        const auto lanes = unsigned(each.getResultVectorType().getNumElements());
        return lanes == 1 ? operand(0) : b.CreateVectorSplat(lanes, operand(0));
      })
      .Case([&](vector::ExtractOp each) -> llvm::Value * {
        if (each.hasDynamicPosition() || each.getNumIndices() != 1)
          return nullptr;
        if (!operand(0)->getType()->isVectorTy())
          return operand(0);
        return b.CreateExtractElement(operand(0), uint64_t(each.getStaticPosition().front()));
      })
      .Case([&](vector::ShuffleOp each) { return shuffle(each); })
      .Case([&](vector::ReductionOp each) { return reduce(each); })
      .Case([&](vector::CreateMaskOp each) { return lanesBefore(each.getType(), operand(0)); })
      .Case([&](vector::ConstantMaskOp each) {
        return lanesBefore(each.getType(), b.getInt64(uint64_t(each.getMaskDimSizes().front())));
      })
      .Default([](Operation *) { return nullptr; });
}

} // namespace norma
