//===- LoopTranslator.h - Kernels to LLVM IR, op by op ----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_LOOPTRANSLATOR_H
#define NORMA_RUNTIME_CPU_LOOPTRANSLATOR_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

namespace norma {

/// A memref: the address of its allocation, that of its first element, extents and strides.
struct View {
  llvm::Value *base = nullptr, *data = nullptr;
  llvm::SmallVector<llvm::Value *> sizes, strides;
};

/// Of one function.
class LoopTranslator {
public:
  explicit LoopTranslator(llvm::Module &module) : module(module), b(module.getContext()) {}

  /// The op that could not be translated, if any.
  mlir::Operation *run(mlir::func::FuncOp source);

private:
  using Values = llvm::SmallVector<llvm::Value *>;

  // LoopTranslation.cpp
  llvm::Type *typeOf(mlir::Type type);
  llvm::Constant *constant(mlir::TypedAttr value);
  llvm::Value *index(mlir::OpFoldResult value);
  Values indices(llvm::ArrayRef<mlir::OpFoldResult> of);

  void declareArguments(mlir::func::FuncOp source);
  bool translate(mlir::Operation *op);
  bool translateBlock(mlir::Block &block);
  bool translateLoop(mlir::scf::ForOp loop);
  bool translateIf(mlir::scf::IfOp op);

  // LoopMemory.cpp
  llvm::Value *sum(llvm::Value *one, llvm::Value *other);
  llvm::Value *product(llvm::Value *one, llvm::Value *other);
  llvm::Value *elementAt(llvm::Value *base, mlir::Type element, llvm::Value *offset);
  View viewOf(mlir::MemRefType type, llvm::ArrayRef<llvm::Value *> fields);
  llvm::Value *address(mlir::Value memref, mlir::ValueRange at);
  void allocate(mlir::memref::AllocOp op);
  llvm::Value *maskedLoad(mlir::vector::MaskedLoadOp load);
  void maskedStore(mlir::vector::MaskedStoreOp store);
  bool translateMemory(mlir::Operation *op);

  // LoopArithmetic.cpp
  /// Also where it is one lane, which is a number elsewhere.
  llvm::Value *asVector(llvm::Value *lanes);
  llvm::Value *shuffle(mlir::vector::ShuffleOp op);
  llvm::Value *reduce(mlir::vector::ReductionOp op);
  llvm::Value *lanesBefore(mlir::VectorType type, llvm::Value *count);
  /// Null where the op is none.
  llvm::Value *arithmetic(mlir::Operation *op);

  llvm::Module &module;
  llvm::Function *function = nullptr;
  llvm::IRBuilder<> b;
  llvm::DenseMap<mlir::Value, llvm::Value *> values;
  llvm::DenseMap<mlir::Value, View> views;
  mlir::Operation *unknown = nullptr;
};

} // namespace norma

#endif // NORMA_RUNTIME_CPU_LOOPTRANSLATOR_H
