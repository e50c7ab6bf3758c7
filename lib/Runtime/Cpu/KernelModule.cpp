//===- KernelModule.cpp - The IR a kernel starts from ---------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Codegen.h"

#include "norma/Dialect/Norma.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
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
  if (spec.layout == Layout::DenseRows && !alwaysStrided)
    for (size_t group = shape.size() - 1; group > 1; --group)
      strides[group - 1] = strides[group] * shape[group];
  return MemRefType::get(shape, element, StridedLayoutAttr::get(b.getContext(), 0, strides));
}

namespace {

/// The groups of a kernel that are kept, and their extents.
struct KeptGroups {
  SmallVector<int64_t> groups, extents;

  explicit KeptGroups(const KernelSpec &spec) {
    for (int group = 0; group < spec.extents.size(); ++group)
      if (spec.kinds[group] == 'K') {
        groups.push_back(group);
        extents.push_back(spec.extents[group]);
      }
  }
};

} // namespace

/// The arguments of a kernel, in the order of the operands of its op.
static SmallVector<Type> argumentTypes(Builder &b, const KernelSpec &spec, const KeptGroups &kept) {
  auto perKept = [&](DType dtype) { return MemRefType::get(kept.extents, elementType(b, dtype)); };
  const bool gradient =
      spec.family == KernelFamily::GradSums || spec.family == KernelFamily::GradMap;
  SmallVector<Type> types{bufferType(b, spec, spec.data)};
  if (gradient)
    types.push_back(bufferType(b, spec, spec.dy));
  if (spec.family == KernelFamily::Affine)
    types.append(size_t(spec.center) + spec.scale + spec.shift, perKept(spec.compute));
  if (spec.family == KernelFamily::GradSums)
    types.push_back(perKept(DType::F64));
  if (spec.family == KernelFamily::GradMap)
    types.append(4, perKept(spec.compute));
  if (spec.mask)
    types.push_back(bufferType(b, spec, *spec.mask, spec.maskRepeats, true));
  if (spec.weights)
    types.push_back(bufferType(b, spec, *spec.weights, spec.weightsRepeats, true));
  switch (spec.family) {
  case KernelFamily::Moments:
    types.append(3, perKept(DType::F64));
    break;
  case KernelFamily::GradSums:
    types.append(2, perKept(DType::F64));
    break;
  case KernelFamily::Affine:
  case KernelFamily::GradMap:
    types.push_back(bufferType(b, spec, spec.out));
    break;
  }
  return types;
}

/// The kernel op, on these arguments.
static void createKernelOp(ImplicitLocOpBuilder &b, const KernelSpec &spec, MomentsPart part,
                           ArrayRef<int64_t> kept, Block::BlockArgListType arguments) {
  auto at = arguments.begin();
  auto next = [&]() -> Value { return *at++; };
  auto nextIf = [&](bool there) { return there ? next() : Value(); };
  const bool unsignedData = isUnsigned(spec.data);
  Value data = next();
  switch (spec.family) {
  case KernelFamily::Affine: {
    Value center = nextIf(spec.center), scale = nextIf(spec.scale), shift = nextIf(spec.shift);
    AffineOp::create(b, TypeRange(), data, center, scale, shift, next(), kept, unsignedData,
                     ScheduleAttr());
    return;
  }
  case KernelFamily::Moments: {
    Value mask = nextIf(spec.mask.has_value()), weights = nextIf(spec.weights.has_value());
    Value count = next(), mean = next(), m2 = next();
    auto nan = spec.nan == NanPolicy::Omit ? NanHandling::Omit : NanHandling::Propagate;
    MomentsOp::create(b, TypeRange(), data, mask, weights, count, mean, m2, kept, unsignedData, nan,
                      spec.exact ? MomentsPart::Exact : part, ScheduleAttr());
    return;
  }
  case KernelFamily::GradSums: {
    Value dy = next(), center = next();
    Value mask = nextIf(spec.mask.has_value()), weights = nextIf(spec.weights.has_value());
    Value sum = next(), dot = next();
    GradSumsOp::create(b, TypeRange(), data, dy, center, mask, weights, sum, dot, kept,
                       unsignedData, ScheduleAttr());
    return;
  }
  case KernelFamily::GradMap: {
    Value dy = next(), center = next(), slope = next(), offset = next(), scale = next();
    Value mask = nextIf(spec.mask.has_value()), weights = nextIf(spec.weights.has_value());
    GradMapOp::create(b, TypeRange(), data, dy, center, slope, offset, scale, mask, weights, next(),
                      kept, unsignedData, ScheduleAttr());
    return;
  }
  }
}

/// The reduction that goes beside an interleaved map.
static KernelSpec reductionOf(KernelSpec map) {
  map.family = map.family == KernelFamily::GradMap ? KernelFamily::GradSums : KernelFamily::Moments;
  return map;
}

OwningOpRef<ModuleOp> buildKernelModule(MLIRContext *context, const KernelSpec &spec,
                                        MomentsPart part) {
  auto loc = UnknownLoc::get(context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  ImplicitLocOpBuilder b(loc, module->getBodyRegion());
  const KeptGroups kept(spec);
  SmallVector<Type> types = argumentTypes(b, spec, kept);
  const size_t own = types.size();
  if (spec.interleaved)
    types.append(argumentTypes(b, reductionOf(spec), kept));
  auto function = func::FuncOp::create(b, "kernel", b.getFunctionType(types, {}));
  Block *body = function.addEntryBlock();
  b.setInsertionPointToStart(body);
  createKernelOp(b, spec, part, kept.groups, body->getArguments().take_front(own));
  if (spec.interleaved)
    createKernelOp(b, reductionOf(spec), part, kept.groups, body->getArguments().drop_front(own));
  func::ReturnOp::create(b);
  return module;
}

} // namespace norma
