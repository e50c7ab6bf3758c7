//===- TargetDescription.cpp - What a module says of its processor --------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Transforms/ScheduleRules.h"

#include "mlir/Dialect/DLTI/DLTI.h"

using namespace mlir;
using namespace norma;

static constexpr StringLiteral kDevice = "CPU";

namespace {

/// An entry of the device specification.
struct Entry {
  StringRef key;
  int64_t TargetDescription::*field;
  /// Generous bounds of what processors have; the rules are right within them.
  int64_t least, most;
  bool powerOfTwo;
};

} // namespace

static constexpr Entry kEntries[] = {
    {"norma.vector_bits", &TargetDescription::vectorBits, 64, 2048, true},
    {"norma.l1_bytes", &TargetDescription::l1Bytes, 1024, 1024 * 1024, false},
    {"norma.l2_bytes", &TargetDescription::l2Bytes, 32 * 1024, int64_t(1) << 30, false},
    {"norma.vector_registers", &TargetDescription::vectorRegisters, 1, 1024, false},
    {"norma.read_streams", &TargetDescription::readStreams, 1, 64, false},
};

static LogicalResult readEntry(ModuleOp module, const Entry &entry, Attribute value,
                               int64_t &field) {
  auto integer = dyn_cast<IntegerAttr>(value);
  std::optional<int64_t> number = integer ? integer.getValue().trySExtValue() : std::nullopt;
  if (!number || *number < entry.least || *number > entry.most ||
      (entry.powerOfTwo && !llvm::isPowerOf2_64(uint64_t(*number))))
    return module.emitError() << entry.key << " is " << value << ", expected "
                              << (entry.powerOfTwo ? "a power of two" : "an integer") << " from "
                              << entry.least << " to " << entry.most;
  field = *number;
  return success();
}

FailureOr<TargetDescription> norma::readTarget(ModuleOp module) {
  TargetDescription target;
  auto system =
      module->getAttrOfType<TargetSystemSpecInterface>(DLTIDialect::kTargetSystemDescAttrName);
  if (!system)
    return target;
  std::optional<TargetDeviceSpecInterface> device =
      system.getDeviceSpecForDeviceID(StringAttr::get(module.getContext(), kDevice));
  if (!device)
    return target;
  for (const Entry &entry : kEntries) {
    FailureOr<Attribute> value =
        device->queryHelper(StringAttr::get(module.getContext(), entry.key));
    if (succeeded(value) && failed(readEntry(module, entry, *value, target.*entry.field)))
      return failure();
  }
  return target;
}

void norma::writeTarget(ModuleOp module, const TargetDescription &target) {
  Builder b(module.getContext());
  SmallVector<DataLayoutEntryInterface> entries;
  for (const Entry &entry : kEntries)
    entries.push_back(DataLayoutEntryAttr::get(b.getStringAttr(entry.key),
                                               b.getI64IntegerAttr(target.*entry.field)));
  auto device = TargetDeviceSpecAttr::get(module.getContext(), entries);
  DataLayoutEntryInterface entry = DataLayoutEntryAttr::get(b.getStringAttr(kDevice), device);
  module->setAttr(DLTIDialect::kTargetSystemDescAttrName,
                  TargetSystemSpecAttr::get(module.getContext(), {entry}));
}
