//===- DLPack.cpp - Tensors from and for other libraries ------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Handles.h"
#include "Tensor.h"

#include <dlpack/dlpack.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

using namespace norma;
using namespace norma::capi;

/// kDLBool of DLPack 0.8 and later.
static constexpr uint8_t kBoolCode = 6;

namespace {

struct TypePair {
  DType dtype;
  uint8_t code, bits;
};

} // namespace

static constexpr TypePair kTypes[] = {
    {DType::F32, kDLFloat, 32},   {DType::F64, kDLFloat, 64},  {DType::F16, kDLFloat, 16},
    {DType::BF16, kDLBfloat, 16}, {DType::I8, kDLInt, 8},      {DType::U8, kDLUInt, 8},
    {DType::I16, kDLInt, 16},     {DType::U16, kDLUInt, 16},   {DType::I32, kDLInt, 32},
    {DType::I64, kDLInt, 64},     {DType::Bool, kBoolCode, 8},
};

static Expected<DType> fromDLPack(DLDataType type) {
  const auto *const found = std::find_if(std::begin(kTypes), std::end(kTypes), [&](TypePair pair) {
    return pair.code == type.code && pair.bits == type.bits && type.lanes == 1;
  });
  if (found == std::end(kTypes))
    return Error(ErrorCode::Unsupported,
                 fmt::format("managed: a type of code {}, {} bits and {} lanes, expected one of "
                             "norma's",
                             type.code, type.bits, type.lanes));
  return found->dtype;
}

static DLDataType toDLPack(DType dtype) {
  const auto *const found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                         [&](TypePair pair) { return pair.dtype == dtype; });
  return {found->code, found->bits, 1};
}

norma_status norma_tensor_from_dlpack(const struct DLManagedTensor *managed, norma_tensor *tensor) {
  return guarded({{"managed", managed}, {"tensor", tensor}}, [&]() -> Expected<void> {
    const DLTensor &from = managed->dl_tensor;
    // Not read as an enumerator: later versions have more of them.
    int device = 0;
    std::memcpy(&device, &from.device.device_type, sizeof(device));
    if (device != kDLCPU)
      return Error(ErrorCode::Unsupported,
                   fmt::format("managed: on a device of type {}, expected {}, the CPU", device,
                               int(kDLCPU)));
    const Expected<DType> dtype = fromDLPack(from.dtype);
    if (!dtype)
      return dtype.error();
    // An offset from nowhere is no address; checkTensor says what is wrong with null.
    uintptr_t address = reinterpret_cast<uintptr_t>(from.data);
    if (address && __builtin_add_overflow(address, from.byte_offset, &address))
      return invalidArgument(fmt::format("managed: byte_offset {} reaches out of the address space",
                                         from.byte_offset));
    const norma_tensor view = {reinterpret_cast<void *>(address), norma_dtype(*dtype), from.ndim,
                               from.shape, from.strides};
    if (Expected<Tensor> valid = toTensor(&view, "managed"); !valid)
      return valid.takeError();
    *tensor = view;
    return {};
  });
}

namespace {

/// An array on its way out: what the consumer sees, and what it keeps alive.
struct ExportedArray {
  DLManagedTensor managed;
  Array array;
  Dims shape, strides;
};

} // namespace

static void deleteExported(DLManagedTensor *managed) {
  delete static_cast<ExportedArray *>(managed->manager_ctx);
}

norma_status norma_array_to_dlpack(norma_array *array, struct DLManagedTensor **managed) {
  return guarded({{"array", array}, {"managed", managed}}, [&]() -> Expected<void> {
    auto exported = std::make_unique<ExportedArray>();
    exported->array = std::move(array->value);
    const Tensor &view = exported->array.view();
    exported->shape = view.shape;
    exported->strides = view.strides;
    exported->managed.dl_tensor = {.data = view.data,
                                   .device = {kDLCPU, 0},
                                   .ndim = view.rank(),
                                   .dtype = toDLPack(view.dtype),
                                   .shape = exported->shape.begin(),
                                   .strides = exported->strides.begin(),
                                   .byte_offset = 0};
    exported->managed.manager_ctx = exported.get();
    exported->managed.deleter = deleteExported;
    delete array;
    *managed = &exported.release()->managed;
    return {};
  });
}
