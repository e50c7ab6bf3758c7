//===- Schedule.cpp - Puts a schedule on every kernel op ------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Dialect/ShapeRules.h"
#include "norma/Transforms/Passes.h"
#include "norma/Transforms/ScheduleRules.h"

#include "llvm/ADT/TypeSwitch.h"

namespace norma {
#define GEN_PASS_DEF_SCHEDULEPASS
#include "norma/Transforms/Passes.h.inc"
} // namespace norma

using namespace mlir;
using namespace norma;

/// Whether a map finds registers for its coefficients beside the sums and the pivot of a reduction.
template <typename Map>
static bool findsRegisters(Map map, Operation *reduction, const TargetDescription &target) {
  constexpr int64_t kSums = 2, kPivots = 1, kWorking = 4;
  int64_t coefficients = 4;
  if constexpr (std::is_same_v<Map, AffineOp>)
    coefficients = int64_t(map.getCoefficients().size());
  auto sums = reduction->getAttrOfType<ScheduleAttr>("schedule");
  return sums.getUnroll() * kSums + kPivots + coefficients + kWorking <= target.vectorRegisters;
}

/// The schedule of a map beside a reduction, which reads what would be asked for.
static ScheduleAttr interleaved(ScheduleAttr map) {
  return ScheduleAttr::get(map.getContext(), map.getTraversal(), map.getVector(), map.getUnroll(),
                           map.getGroup(), map.getLine(), map.getAccumulate(), map.getBlock(),
                           map.getNontemporal(), /*prefetch=*/0, /*parts=*/0, /*streams=*/0,
                           /*interleave=*/true);
}

namespace {

struct SchedulePass : norma::impl::SchedulePassBase<SchedulePass> {
  using SchedulePassBase::SchedulePassBase;

  void runOnOperation() override {
    FailureOr<TargetDescription> target = readTarget(getOperation());
    if (failed(target))
      return signalPassFailure();
    SmallVector<Operation *> maps;
    getOperation().walk([&](Operation *op) {
      TypeSwitch<Operation *>(op)
          .Case<AffineOp, GradMapOp>([&](auto map) {
            if (map.getSchedule())
              return;
            map.setScheduleAttr(chooseSchedule(
                map, *target,
                {.streaming = streaming, .ahead = ahead && !interleave, .interleave = interleave}));
            maps.push_back(map);
          })
          .Case<MomentsOp, GradSumsOp>([&](auto reduction) {
            if (!reduction.getSchedule())
              reduction.setScheduleAttr(
                  chooseSchedule(reduction, *target,
                                 {.streaming = interleave ? ahead : streaming, .ahead = ahead}));
          });
    });
    if (!interleave)
      return;
    for (Operation *op : maps)
      TypeSwitch<Operation *>(op).Case<AffineOp, GradMapOp>([&](auto map) {
        Operation *reduction = reductionBeside(map);
        const bool fits = reduction && findsRegisters(map, reduction, *target);
        map.setScheduleAttr(fits ? interleaved(map.getScheduleAttr())
                                 : chooseSchedule(map, *target, {.streaming = streaming}));
      });
  }
};

} // namespace
