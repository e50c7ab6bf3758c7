//===- ScheduleCandidates.h - Other schedules of a kernel -------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The rules choose one schedule for a kernel. These are those beside it, for whoever measures
// which is fastest on a machine. None changes what the sums of a reduction are made of in f32: its
// `group` and `accumulate` stay.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_TRANSFORMS_SCHEDULECANDIDATES_H
#define NORMA_TRANSFORMS_SCHEDULECANDIDATES_H

#include "norma/Transforms/ScheduleRules.h"

namespace norma {

/// What a schedule says of one thing, which can be changed by itself.
enum class ScheduleChoice {
  /// `flat`, or by `rows` or `runs`.
  Traversal,
  Vector,
  Unroll,
  Line,
  /// Lines side by side in flat maps.
  Abreast,
  Block,
  /// Whether a map for data that no cache holds stores past the caches.
  Nontemporal,
  /// How far ahead a kernel for such data asks for memory.
  Prefetch,
  /// Parts of a run side by side in reductions, and runs.
  Parts,
  Streams,
};

/// All of them; what decides most comes first.
inline constexpr ScheduleChoice kScheduleChoices[] = {
    ScheduleChoice::Traversal,   ScheduleChoice::Vector,  ScheduleChoice::Unroll,
    ScheduleChoice::Line,        ScheduleChoice::Abreast, ScheduleChoice::Prefetch,
    ScheduleChoice::Parts,       ScheduleChoice::Streams, ScheduleChoice::Block,
    ScheduleChoice::Nontemporal,
};

/// The name of `choice`, as it stands in a schedule where it does.
llvm::StringRef toString(ScheduleChoice choice);

/// The schedules that differ from `schedule` in one choice, and in what must follow from it. `op`
/// is a kernel op on contiguous memrefs in axis form, without mask or weights; `schedule` is that
/// of the rules for it, given `streaming` as these were, or a result of this function. None where
/// there is nothing to choose.
llvm::SmallVector<ScheduleAttr> schedulesBeside(mlir::Operation *op, ScheduleAttr schedule,
                                                ScheduleChoice choice,
                                                const TargetDescription &target, bool streaming);

/// Whether the stores of a schedule find the addresses that they need, whoever wrote it: those that
/// go past the caches need results which begin where cache lines do, as the kernels for `streaming`
/// data have them, and blocks that begin at whole vectors. `op` is as above.
bool storesAreAligned(mlir::Operation *op, ScheduleAttr schedule, bool streaming);

} // namespace norma

#endif // NORMA_TRANSFORMS_SCHEDULECANDIDATES_H
