//===- ProgramTypes.cpp - The signature of a program ----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ProgramTypes.h"

#include "mlir/IR/BuiltinTypes.h"

#include <fmt/format.h>

using namespace mlir;

namespace norma {

static std::optional<DType> dtypeOf(Type type) {
  if (type.isF32())
    return DType::F32;
  if (type.isF64())
    return DType::F64;
  if (type.isF16())
    return DType::F16;
  if (type.isBF16())
    return DType::BF16;
  if (type.isInteger(1))
    return DType::Bool;
  if (type.isInteger(8))
    return DType::I8;
  if (type.isInteger(16))
    return DType::I16;
  if (type.isInteger(32))
    return DType::I32;
  if (type.isInteger(64))
    return DType::I64;
  return std::nullopt;
}

static std::string textOf(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

Expected<std::vector<ProgramValue>> describeTensors(TypeRange types, const std::string &entry,
                                                    const char *what) {
  std::vector<ProgramValue> values;
  for (auto [i, type] : llvm::enumerate(types)) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    std::optional<DType> dtype = tensor ? dtypeOf(tensor.getElementType()) : std::nullopt;
    if (!dtype || !Dims::fits(tensor.getRank()))
      return invalidArgument(fmt::format(
          "entry '{}': {} {} is a {}; expected a tensor of f16, bf16, f32, f64, i1, i8, i16, i32 "
          "or i64 with at most {} axes",
          entry, what, i, textOf(type), kMaxRank));
    values.push_back({*dtype, Dims(std::span<const int64_t>(tensor.getShape()))});
  }
  return values;
}

} // namespace norma
