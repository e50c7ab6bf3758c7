//===- Schedule.cpp - Puts a schedule on every kernel op ------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Transforms/Passes.h"
#include "norma/Transforms/ScheduleRules.h"

#include "llvm/ADT/TypeSwitch.h"

namespace norma {
#define GEN_PASS_DEF_SCHEDULEPASS
#include "norma/Transforms/Passes.h.inc"
} // namespace norma

using namespace mlir;
using namespace norma;

namespace {

struct SchedulePass : norma::impl::SchedulePassBase<SchedulePass> {
  using SchedulePassBase::SchedulePassBase;

  void runOnOperation() override {
    FailureOr<TargetDescription> target = readTarget(getOperation());
    if (failed(target))
      return signalPassFailure();
    getOperation().walk([&](Operation *op) {
      TypeSwitch<Operation *>(op)
          .Case<AffineOp, GradMapOp>([&](auto map) {
            if (!map.getSchedule())
              map.setScheduleAttr(chooseSchedule(map, *target, streaming));
          })
          .Case<MomentsOp, GradSumsOp>([&](auto reduction) {
            if (!reduction.getSchedule())
              reduction.setScheduleAttr(chooseSchedule(reduction, *target, streaming));
          });
    });
  }
};

} // namespace
