//===- AotWrapper.cpp - From C arguments to memref descriptors ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AotEmitter.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"

namespace norma {

namespace {

class WrapperBuilder {
public:
  WrapperBuilder(llvm::Module &module, const CFunction &function, llvm::Function &callee)
      : module(module), function(function), callee(callee), b(module.getContext()) {}

  llvm::Error build();

private:
  /// Creates the function, and `arguments` of what its parameters are called.
  llvm::Function *declare();
  llvm::Value *valueOf(const CSize &size) {
    return size.isArgument() ? arguments[size.argument] : b.getInt64(uint64_t(size.value));
  }
  void pushDescriptor(const CBuffer &buffer);
  /// Writes the fields of the descriptor `result` to what the caller's pointer is to.
  void storeResult(const CBuffer &buffer, llvm::Value *result);

  llvm::Module &module;
  const CFunction &function;
  llvm::Function &callee;
  llvm::IRBuilder<> b;
  llvm::StringMap<llvm::Value *> arguments;
  llvm::SmallVector<llvm::Value *> operands;
};

llvm::Function *WrapperBuilder::declare() {
  llvm::SmallVector<llvm::Type *> types;
  llvm::SmallVector<llvm::StringRef> names;
  for (const std::string &extent : function.extents) {
    types.push_back(b.getInt64Ty());
    names.push_back(extent);
  }
  for (const CBuffer &buffer : function.buffers) {
    types.push_back(b.getPtrTy());
    names.push_back(buffer.name);
    for (const CSize &stride : buffer.strides)
      if (stride.isArgument()) {
        types.push_back(b.getInt64Ty());
        names.push_back(stride.argument);
      }
  }
  auto *type = llvm::FunctionType::get(b.getVoidTy(), types, false);
  // A function that this one only shares its name with gives way.
  if (llvm::Function *other = module.getFunction(function.symbol))
    other->setName(function.symbol + ".internal");
  auto *wrapper =
      llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage, function.symbol, module);
  for (auto [argument, name] : llvm::zip(wrapper->args(), names)) {
    argument.setName(name);
    arguments[name] = &argument;
  }
  return wrapper;
}

void WrapperBuilder::pushDescriptor(const CBuffer &buffer) {
  llvm::Value *pointer = arguments[buffer.name];
  operands.append({pointer, pointer, b.getInt64(0)});
  llvm::SmallVector<llvm::Value *> strides(buffer.extents.size());
  llvm::Value *dense = b.getInt64(1);
  for (size_t axis = buffer.extents.size(); axis-- > 0;) {
    strides[axis] = buffer.strides.empty() ? dense : valueOf(buffer.strides[axis]);
    dense = b.CreateMul(dense, valueOf(buffer.extents[axis]));
  }
  for (const CSize &extent : buffer.extents)
    operands.push_back(valueOf(extent));
  operands.append(strides);
}

void WrapperBuilder::storeResult(const CBuffer &buffer, llvm::Value *result) {
  llvm::Value *to = arguments[buffer.name];
  auto field = [&](unsigned index) { return b.CreateExtractValue(result, index); };
  llvm::Value *offset = b.CreateMul(field(2), b.getInt64(sizeOf(buffer.dtype)));
  const unsigned pointerBytes = module.getDataLayout().getPointerSize();
  auto store = [&](llvm::Value *value, unsigned at) {
    b.CreateStore(value, b.CreateConstInBoundsGEP1_64(b.getInt8Ty(), to, at));
  };
  store(field(0), 0);
  store(b.CreatePtrAdd(field(1), offset), pointerBytes);
  for (unsigned axis = 0; axis < buffer.extents.size(); ++axis)
    store(b.CreateExtractValue(result, {3, axis}), 2 * pointerBytes + 8 * axis);
}

llvm::Error WrapperBuilder::build() {
  llvm::Function *wrapper = declare();
  b.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "", wrapper));
  llvm::SmallVector<const CBuffer *> results;
  for (const CBuffer &buffer : function.buffers)
    if (buffer.role == CBuffer::Role::Allocated)
      results.push_back(&buffer);
    else
      pushDescriptor(buffer);
  if (callee.arg_size() != operands.size())
    return llvm::createStringError("the function does not take what its C function passes");
  // Nobody else calls it, and descriptors have too many fields for registers.
  callee.addFnAttr(llvm::Attribute::AlwaysInline);
  llvm::Value *returned = b.CreateCall(&callee, operands);
  for (auto [i, buffer] : llvm::enumerate(results))
    // Several descriptors are one structure of them.
    storeResult(*buffer,
                results.size() == 1 ? returned : b.CreateExtractValue(returned, unsigned(i)));
  b.CreateRetVoid();
  return llvm::Error::success();
}

} // namespace

llvm::Error addCFunction(llvm::Module &module, const CFunction &function, llvm::Function &callee) {
  return WrapperBuilder(module, function, callee).build();
}

void trapWithoutMemory(llvm::Module &module) {
  llvm::Function *allocate = module.getFunction("malloc");
  if (!allocate)
    return;
  llvm::SmallVector<llvm::CallInst *> calls;
  for (llvm::User *user : allocate->users())
    if (auto *call = llvm::dyn_cast<llvm::CallInst>(user))
      calls.push_back(call);
  for (llvm::CallInst *call : calls) {
    llvm::Instruction *next = call->getNextNode();
    llvm::IRBuilder<> b(next);
    // Of no bytes, no memory is an answer, too.
    llvm::Value *failed =
        b.CreateAnd(b.CreateIsNull(call), b.CreateIsNotNull(call->getArgOperand(0)));
    llvm::Instruction *end =
        llvm::SplitBlockAndInsertIfThen(failed, next->getIterator(), /*Unreachable=*/true);
    llvm::IRBuilder<>(end).CreateIntrinsic(llvm::Intrinsic::trap, {});
  }
}

} // namespace norma
