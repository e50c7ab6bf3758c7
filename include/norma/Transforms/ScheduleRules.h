//===- ScheduleRules.h - Which schedule a kernel gets -----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_TRANSFORMS_SCHEDULERULES_H
#define NORMA_TRANSFORMS_SCHEDULERULES_H

#include "norma/Dialect/Norma.h"

#include "mlir/IR/BuiltinOps.h"

namespace norma {

/// What the rules know of a processor. The defaults are the least any x86-64 or
/// AArch64 machine has.
struct TargetDescription {
  int64_t vectorBits = 128;
  int64_t l1Bytes = 32 * 1024;
  /// The second-level cache of one core.
  int64_t l2Bytes = 1024 * 1024;
  /// Vector registers.
  int64_t vectorRegisters = 16;
  /// A thread reads the most from beyond its second level where it follows so many streams, each in
  /// pages of its own.
  int64_t readStreams = 8;
  /// What lies together is best read one after the other.
  bool readsInOrder() const { return readStreams == 1; }
};

/// Reads the "CPU" device of the module's DLTI target system specification;
/// entries that are missing keep their defaults. Those that no processor has are
/// errors of the module.
llvm::FailureOr<TargetDescription> readTarget(mlir::ModuleOp module);

/// Writes it there.
void writeTarget(mlir::ModuleOp module, const TargetDescription &target);

/// What a map is for.
struct MapUse {
  /// Data that no cache near holds: it may write past the caches.
  bool streaming = false;
  /// Streaming, and what it reads is in memory: it may ask for it in advance.
  bool ahead = false;
  /// It may go beside a reduction.
  bool interleave = false;
};

/// What a reduction reads.
struct ReductionUse {
  /// Data that caches near do not hold: it may be read in several streams.
  bool streaming = false;
  /// Data in memory: it may be asked for in advance.
  bool ahead = false;
};

/// The schedule of an op in axis form.
ScheduleAttr chooseSchedule(AffineOp op, const TargetDescription &target, const MapUse &use);
ScheduleAttr chooseSchedule(GradMapOp op, const TargetDescription &target, const MapUse &use);
ScheduleAttr chooseSchedule(MomentsOp op, const TargetDescription &target, const ReductionUse &use);
ScheduleAttr chooseSchedule(GradSumsOp op, const TargetDescription &target,
                            const ReductionUse &use);

} // namespace norma

#endif // NORMA_TRANSFORMS_SCHEDULERULES_H
