//===- LoopsToLLVM.cpp - Vector loops to the LLVM dialect, in one step ----===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// MLIR has a conversion for every dialect, each of which gathers patterns, walks the
// module and leaves casts for the next. A kernel spends more time in those than in its
// own lowering. Here the patterns of all are gathered once, and applied together.
//
//===----------------------------------------------------------------------===//

#include "norma/Conversion/Passes.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"
#include "mlir/Dialect/Vector/Transforms/VectorRewritePatterns.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/DialectConversion.h"
#include "llvm/ADT/TypeSwitch.h"

namespace norma {
#define GEN_PASS_DEF_CONVERTLOOPSTOLLVMPASS
#include "norma/Conversion/Passes.h.inc"
} // namespace norma

using namespace mlir;

namespace {

/// Says of accesses that elements are aligned to their size, where nothing is said. It
/// goes without saying; but to find out, the conversion makes an LLVM context for every
/// single access.
void alignAccesses(Operation *root) {
  auto align = [](auto access, Type element) {
    if (access.getAlignment() || !element.isIntOrFloat())
      return;
    if (unsigned bits = element.getIntOrFloatBitWidth();
        bits >= 8 && bits <= 64 && llvm::isPowerOf2_32(bits))
      access.setAlignment(bits / 8);
  };
  root->walk([&](Operation *op) {
    llvm::TypeSwitch<Operation *>(op)
        .Case<vector::LoadOp, vector::StoreOp, vector::MaskedLoadOp, vector::MaskedStoreOp>(
            [&](auto access) { align(access, access.getMemRefType().getElementType()); });
  });
}

/// Whether the patterns below convert the op at once: all that kernels consist of.
bool isConvertedAtOnce(Operation *op) {
  auto isFlat = [](Type type) {
    auto vector = dyn_cast<VectorType>(type);
    return !vector || (vector.getRank() == 1 && !vector.isScalable());
  };
  Dialect *dialect = op->getDialect();
  if (isa_and_nonnull<vector::VectorDialect>(dialect))
    return isa<vector::LoadOp, vector::StoreOp, vector::MaskedLoadOp, vector::MaskedStoreOp,
               vector::BroadcastOp, vector::ExtractOp, vector::InsertOp, vector::ShuffleOp,
               vector::FMAOp, vector::ReductionOp, vector::CreateMaskOp, vector::ConstantMaskOp>(
               op) &&
           llvm::all_of(op->getOperandTypes(), isFlat) &&
           llvm::all_of(op->getResultTypes(), isFlat);
  if (isa_and_nonnull<memref::MemRefDialect>(dialect))
    return isa<memref::LoadOp, memref::StoreOp, memref::DimOp, memref::AllocOp, memref::AllocaOp,
               memref::DeallocOp, memref::PrefetchOp, memref::ReinterpretCastOp>(op);
  if (isa_and_nonnull<arith::ArithDialect>(dialect))
    return isa<arith::ConstantOp, arith::AddIOp, arith::SubIOp, arith::MulIOp, arith::DivUIOp,
               arith::RemUIOp, arith::MinUIOp, arith::AndIOp, arith::OrIOp, arith::XOrIOp,
               arith::ExtUIOp, arith::IndexCastOp, arith::CmpIOp, arith::CmpFOp, arith::SelectOp,
               arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp, arith::ExtFOp,
               arith::TruncFOp, arith::SIToFPOp, arith::UIToFPOp, arith::BitcastOp>(op);
  return !isa_and_nonnull<affine::AffineDialect>(dialect);
}

struct ConvertLoopsToLLVMPass : norma::impl::ConvertLoopsToLLVMPassBase<ConvertLoopsToLLVMPass> {
  ConvertLoopsToLLVMPass()
      : branches(ModuleOp::getOperationName()), several(ModuleOp::getOperationName()) {
    branches.addPass(createSCFToControlFlowPass());
    several.addPass(arith::createArithExpandOpsPass());
    several.addPass(memref::createExpandStridedMetadataPass());
    several.addPass(createLowerAffinePass());
    several.addPass(createSCFToControlFlowPass());
    ConvertVectorToLLVMPassOptions options;
    options.reassociateFPReductions = true;
    several.addPass(createConvertVectorToLLVMPass(options));
  }

  void getDependentDialects(DialectRegistry &registry) const override {
    ConvertLoopsToLLVMPassBase::getDependentDialects(registry);
    several.getDependentDialects(registry);
  }

  LogicalResult initialize(MLIRContext *context) override {
    converter = std::make_shared<LLVMTypeConverter>(context);
    RewritePatternSet set(context);
    arith::populateArithToLLVMConversionPatterns(*converter, set);
    cf::populateControlFlowToLLVMConversionPatterns(*converter, set);
    cf::populateAssertToLLVMConversionPattern(*converter, set);
    populateFuncToLLVMConversionPatterns(*converter, set);
    populateMathToLLVMConversionPatterns(*converter, set);
    populateFinalizeMemRefToLLVMConversionPatterns(*converter, set);
    ub::populateUBToLLVMConversionPatterns(*converter, set);
    vector::populateVectorMaskOpLoweringPatterns(set);
    vector::populateVectorMaskMaterializationPatterns(set, /*force32BitVectorIndices=*/true);
    populateVectorToLLVMConversionPatterns(*converter, set, /*reassociateFPReductions=*/true,
                                           /*force32BitVectorIndices=*/true);
    patterns = std::make_shared<FrozenRewritePatternSet>(std::move(set));
    return success();
  }

  void runOnOperation() override {
    // No kernel has others, but a program may.
    WalkResult others = getOperation()->walk([](Operation *op) {
      return isConvertedAtOnce(op) ? WalkResult::advance() : WalkResult::interrupt();
    });
    if (failed(runPipeline(others.wasInterrupted() ? several : branches, getOperation())))
      return signalPassFailure();
    alignAccesses(getOperation());
    LLVMConversionTarget target(getContext());
    if (failed(applyPartialConversion(getOperation(), target, *patterns)))
      signalPassFailure();
  }

  /// What comes before: loops to branches, and that with ops that take several steps.
  OpPassManager branches, several;
  // Shared by the copies of the pass.
  std::shared_ptr<const LLVMTypeConverter> converter;
  std::shared_ptr<const FrozenRewritePatternSet> patterns;
};

} // namespace
