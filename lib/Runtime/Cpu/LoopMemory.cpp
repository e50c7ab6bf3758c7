//===- LoopMemory.cpp - Memrefs and their accesses as LLVM IR -------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LoopTranslator.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace norma {

// Of descriptors most is known, or nothing to add or multiply with.

static bool isKnown(llvm::Value *value, uint64_t constant) {
  auto *known = llvm::dyn_cast<llvm::ConstantInt>(value);
  return known && known->equalsInt(constant);
}

llvm::Value *LoopTranslator::sum(llvm::Value *one, llvm::Value *other) {
  return isKnown(one, 0) ? other : isKnown(other, 0) ? one : b.CreateAdd(one, other);
}

llvm::Value *LoopTranslator::product(llvm::Value *one, llvm::Value *other) {
  return isKnown(one, 1) ? other : isKnown(other, 1) ? one : b.CreateMul(one, other);
}

llvm::Value *LoopTranslator::elementAt(llvm::Value *base, Type element, llvm::Value *offset) {
  return isKnown(offset, 0) ? base : b.CreateGEP(typeOf(element), base, offset);
}

/// What is static is known from the type: those fields stay unused.
View LoopTranslator::viewOf(MemRefType type, ArrayRef<llvm::Value *> fields) {
  auto [strides, offset] = type.getStridesAndOffset();
  auto known = [&](int64_t value, size_t field) -> llvm::Value * {
    return ShapedType::isDynamic(value) ? fields[field] : b.getInt64(uint64_t(value));
  };
  const size_t rank = strides.size();
  View view;
  view.base = fields[1];
  view.data = elementAt(view.base, type.getElementType(), known(offset, 2));
  for (size_t axis = 0; axis < rank; ++axis) {
    view.sizes.push_back(known(type.getDimSize(unsigned(axis)), 3 + axis));
    view.strides.push_back(known(strides[axis], 3 + rank + axis));
  }
  return view;
}

llvm::Value *LoopTranslator::address(Value memref, ValueRange at) {
  const View &view = views[memref];
  llvm::Value *offset = b.getInt64(0);
  for (auto [i, stride] : llvm::zip_equal(at, view.strides))
    offset = isKnown(values.lookup(i), 0) ? offset : sum(offset, product(values.lookup(i), stride));
  return elementAt(view.data, getElementTypeOrSelf(memref), offset);
}

/// Elements are aligned to their size where nothing else is said.
static llvm::Align alignmentOf(std::optional<uint64_t> said, Value memref) {
  return llvm::Align(said.value_or(getElementTypeOrSelf(memref).getIntOrFloatBitWidth() / 8));
}

void LoopTranslator::allocate(memref::AllocOp op) {
  const uint64_t alignment = op.getAlignment().value_or(1);
  MemRefType type = op.getType();
  View view;
  auto dynamic = op.getDynamicSizes().begin();
  for (int64_t size : type.getShape())
    view.sizes.push_back(ShapedType::isDynamic(size) ? values.lookup(*dynamic++)
                                                     : b.getInt64(uint64_t(size)));
  view.strides.resize(view.sizes.size());
  llvm::Value *bytes = b.getInt64(type.getElementTypeBitWidth() / 8);
  llvm::Value *elements = b.getInt64(1);
  for (size_t axis = view.sizes.size(); axis-- > 0;) {
    view.strides[axis] = elements;
    elements = product(elements, view.sizes[axis]);
  }
  bytes = sum(product(elements, bytes), b.getInt64(alignment - 1));
  view.base =
      b.CreateCall(module.getOrInsertFunction("malloc", b.getPtrTy(), b.getInt64Ty()), bytes);
  llvm::Value *before = b.CreateNeg(b.CreatePtrToInt(view.base, b.getInt64Ty()));
  view.data = b.CreatePtrAdd(view.base, b.CreateAnd(before, b.getInt64(alignment - 1)));
  views[op] = std::move(view);
}

static bool isOneLane(VectorType type) { return type.getNumElements() == 1; }

/// Whether the mask is known to leave the first lane alone.
static bool isFirstLane(const llvm::Value *mask) {
  const auto *known = llvm::dyn_cast<llvm::Constant>(mask);
  const auto lanes = llvm::cast<llvm::FixedVectorType>(mask->getType())->getNumElements();
  return known && known->getAggregateElement(0u)->isOneValue() &&
         (lanes == 1 || known->getAggregateElement(1)->isNullValue());
}

llvm::Value *LoopTranslator::maskedLoad(vector::MaskedLoadOp load) {
  llvm::Value *from = address(load.getBase(), load.getIndices());
  llvm::Value *mask = values.lookup(load.getMask()), *rest = values.lookup(load.getPassThru());
  llvm::Type *type = typeOf(load.getType());
  const llvm::Align alignment = alignmentOf(load.getAlignment(), load.getBase());
  if (!isFirstLane(mask))
    return b.CreateMaskedLoad(type, from, alignment, mask, rest);
  llvm::Value *first = b.CreateAlignedLoad(type->getScalarType(), from, alignment);
  return b.CreateInsertElement(rest, first, uint64_t(0));
}

void LoopTranslator::maskedStore(vector::MaskedStoreOp store) {
  llvm::Value *value = values.lookup(store.getValueToStore());
  llvm::Value *to = address(store.getBase(), store.getIndices());
  llvm::Value *mask = values.lookup(store.getMask());
  const llvm::Align alignment = alignmentOf(store.getAlignment(), store.getBase());
  if (isFirstLane(mask))
    b.CreateAlignedStore(b.CreateExtractElement(value, uint64_t(0)), to, alignment);
  else
    b.CreateMaskedStore(value, to, alignment, mask);
}

bool LoopTranslator::translateMemory(Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([&](memref::AllocaOp alloca) {
        MemRefType type = alloca.getType();
        if (!type.hasStaticShape())
          return false;
        llvm::AllocaInst *made = b.CreateAlloca(typeOf(type.getElementType()),
                                                b.getInt64(uint64_t(type.getNumElements())));
        made->setAlignment(llvm::Align(alloca.getAlignment().value_or(1)));
        Values fields(3 + 2 * size_t(type.getRank()), nullptr);
        fields[1] = made;
        views[alloca] = viewOf(type, fields);
        return true;
      })
      .Case([&](memref::AllocOp alloc) {
        allocate(alloc);
        return true;
      })
      .Case([&](memref::DeallocOp dealloc) {
        b.CreateCall(module.getOrInsertFunction("free", b.getVoidTy(), b.getPtrTy()),
                     views[dealloc.getMemref()].base);
        return true;
      })
      .Case([&](memref::ReinterpretCastOp cast) {
        const View source = views[cast.getSource()];
        View view{source.base, nullptr, indices(cast.getMixedSizes()),
                  indices(cast.getMixedStrides())};
        view.data = elementAt(view.base, cast.getType().getElementType(),
                              index(cast.getMixedOffsets().front()));
        views[cast] = std::move(view);
        return true;
      })
      .Case([&](memref::CollapseShapeOp collapse) {
        const View source = views[collapse.getSrc()];
        View view{source.base, source.data, {}, {}};
        for (const ReassociationIndices &axes : collapse.getReassociationIndices()) {
          llvm::Value *size = b.getInt64(1);
          for (int64_t axis : axes)
            size = product(size, source.sizes[size_t(axis)]);
          view.sizes.push_back(size);
          view.strides.push_back(source.strides[size_t(axes.back())]);
        }
        views[collapse] = std::move(view);
        return true;
      })
      .Case([&](memref::DimOp dim) {
        std::optional<int64_t> axis = dim.getConstantIndex();
        if (!axis)
          return false;
        values[dim] = views[dim.getSource()].sizes[size_t(*axis)];
        return true;
      })
      .Case([&](memref::ExtractAlignedPointerAsIndexOp extract) {
        values[extract] = b.CreatePtrToInt(views[extract.getSource()].base, b.getInt64Ty());
        return true;
      })
      .Case<memref::LoadOp, vector::LoadOp>([&](auto load) {
        Value memref = load->getOperand(0);
        values[load.getResult()] = b.CreateAlignedLoad(typeOf(load.getResult().getType()),
                                                       address(memref, load.getIndices()),
                                                       alignmentOf(load.getAlignment(), memref));
        return true;
      })
      .Case<memref::StoreOp, vector::StoreOp>([&](auto store) {
        Value memref = store->getOperand(1);
        llvm::StoreInst *made = b.CreateAlignedStore(values.lookup(store->getOperand(0)),
                                                     address(memref, store.getIndices()),
                                                     alignmentOf(store.getAlignment(), memref));
        if (store.getNontemporal())
          made->setMetadata(
              llvm::LLVMContext::MD_nontemporal,
              llvm::MDNode::get(b.getContext(), llvm::ConstantAsMetadata::get(b.getInt32(1))));
        return true;
      })
      .Case([&](vector::MaskedLoadOp load) {
        // Kernels have no masks for numbers.
        if (isOneLane(load.getMaskVectorType()))
          return false;
        values[load] = maskedLoad(load);
        return true;
      })
      .Case([&](vector::MaskedStoreOp store) {
        if (isOneLane(store.getMaskVectorType()))
          return false;
        maskedStore(store);
        return true;
      })
      .Case([&](memref::PrefetchOp prefetch) {
        b.CreateIntrinsic(llvm::Intrinsic::prefetch, {b.getPtrTy()},
                          {address(prefetch.getMemref(), prefetch.getIndices()),
                           b.getInt32(prefetch.getIsWrite()),
                           b.getInt32(prefetch.getLocalityHint()),
                           b.getInt32(prefetch.getIsDataCache())});
        return true;
      })
      .Case([&](LLVM::FenceOp) {
        b.CreateFence(llvm::AtomicOrdering::SequentiallyConsistent);
        return true;
      })
      .Default([](Operation *) { return false; });
}

} // namespace norma
