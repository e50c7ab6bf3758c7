//===- KernelModule.cpp - The IR a kernel starts from ---------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Codegen.h"

#include "norma/Dialect/Norma.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;

namespace norma {

static Type elementType(Builder &b, DType dtype) {
  switch (dtype) {
  case DType::F32:
    return b.getF32Type();
  case DType::F64:
    return b.getF64Type();
  case DType::F16:
    return b.getF16Type();
  case DType::BF16:
    return b.getBF16Type();
  case DType::I8:
  case DType::U8:
  case DType::Bool:
    return b.getI8Type();
  case DType::I16:
  case DType::U16:
    return b.getI16Type();
  case DType::I32:
    return b.getI32Type();
  case DType::I64:
    return b.getI64Type();
  }
  llvm_unreachable("dtype");
}

static bool isUnsigned(DType dtype) {
  return dtype == DType::U8 || dtype == DType::U16 || dtype == DType::Bool;
}

/// A memref over the groups of the spec; groups where it repeats have extent 1.
static MemRefType bufferType(Builder &b, const KernelSpec &spec, DType dtype, uint32_t repeats = 0,
                             bool alwaysStrided = false) {
  SmallVector<int64_t> shape;
  for (int group = 0; group < spec.extents.size(); ++group)
    shape.push_back(repeats >> group & 1 ? 1 : spec.extents[group]);
  Type element = elementType(b, dtype);
  if (spec.layout == Layout::Contiguous && !alwaysStrided)
    return MemRefType::get(shape, element);
  SmallVector<int64_t> strides(shape.size(), ShapedType::kDynamic);
  if (spec.layout != Layout::Strided)
    strides.back() = 1;
  return MemRefType::get(shape, element, StridedLayoutAttr::get(b.getContext(), 0, strides));
}

OwningOpRef<ModuleOp> buildKernelModule(MLIRContext *context, const KernelSpec &spec) {
  auto loc = UnknownLoc::get(context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  ImplicitLocOpBuilder b(loc, module->getBodyRegion());

  SmallVector<int64_t> kept, keptExtents;
  for (int group = 0; group < spec.extents.size(); ++group)
    if (spec.kinds[group] == 'K') {
      kept.push_back(group);
      keptExtents.push_back(spec.extents[group]);
    }
  auto perKept = [&](DType dtype) { return MemRefType::get(keptExtents, elementType(b, dtype)); };

  SmallVector<Type> types{bufferType(b, spec, spec.data)};
  if (spec.family == KernelFamily::Affine) {
    types.append(size_t(spec.center) + spec.scale + spec.shift, perKept(spec.compute));
    types.push_back(bufferType(b, spec, spec.out));
  } else {
    if (spec.mask)
      types.push_back(bufferType(b, spec, DType::U8, spec.maskRepeats, true));
    if (spec.weights)
      types.push_back(bufferType(b, spec, *spec.weights, spec.weightsRepeats, true));
    types.append(3, perKept(DType::F64));
  }
  auto function = func::FuncOp::create(b, "kernel", b.getFunctionType(types, {}));
  function->setAttr(LLVM::LLVMDialect::getEmitCWrapperAttrName(), b.getUnitAttr());
  Block *body = function.addEntryBlock();
  b.setInsertionPointToStart(body);
  auto next = body->args_begin();
  Value data = *next++;
  if (spec.family == KernelFamily::Affine) {
    Value center = spec.center ? *next++ : Value(), scale = spec.scale ? *next++ : Value(),
          shift = spec.shift ? *next++ : Value();
    AffineOp::create(b, TypeRange(), data, center, scale, shift, *next++, kept,
                     isUnsigned(spec.data), ScheduleAttr());
  } else {
    Value mask = spec.mask ? *next++ : Value(), weights = spec.weights ? *next++ : Value();
    Value count = *next++, mean = *next++, m2 = *next++;
    auto nan = spec.nan == NanPolicy::Omit ? NanHandling::Omit : NanHandling::Propagate;
    MomentsOp::create(b, TypeRange(), data, mask, weights, count, mean, m2, kept,
                      isUnsigned(spec.data), nan, ScheduleAttr());
  }
  func::ReturnOp::create(b);
  return module;
}

} // namespace norma
