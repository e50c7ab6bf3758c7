//===- ScheduleCandidates.cpp - Other schedules of a kernel ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Transforms/ScheduleCandidates.h"

#include "ScheduleForm.h"

#include "norma/Dialect/ShapeRules.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"

#include <numeric>

using namespace mlir;
using namespace norma;

StringRef norma::toString(ScheduleChoice choice) {
  switch (choice) {
  case ScheduleChoice::Traversal:
    return "traversal";
  case ScheduleChoice::Vector:
    return "vector";
  case ScheduleChoice::Unroll:
    return "unroll";
  case ScheduleChoice::Line:
    return "line";
  case ScheduleChoice::Abreast:
    return "group";
  case ScheduleChoice::Block:
    return "block";
  case ScheduleChoice::Nontemporal:
    return "nontemporal";
  case ScheduleChoice::Prefetch:
    return "prefetch";
  case ScheduleChoice::Parts:
    return "parts";
  case ScheduleChoice::Streams:
    return "streams";
  }
  return "";
}

namespace {

/// The parameters of a schedule, to be changed.
struct Parameters {
  Traversal traversal;
  int64_t vector, unroll, group, line;
  Type accumulate;
  int64_t block;
  bool nontemporal;
  int64_t prefetch, parts, streams;

  explicit Parameters(ScheduleAttr from)
      : traversal(from.getTraversal()), vector(from.getVector()), unroll(from.getUnroll()),
        group(from.getGroup()), line(from.getLine()), accumulate(from.getAccumulate()),
        block(from.getBlock()), nontemporal(from.getNontemporal()), prefetch(from.getPrefetch()),
        parts(from.getParts()), streams(from.getStreams()) {}
};

/// What is asked of a kernel to change its schedule.
class Neighbourhood {
public:
  Neighbourhood(Operation *op, ScheduleAttr schedule, const TargetDescription &target,
                bool streaming);

  SmallVector<ScheduleAttr> along(ScheduleChoice choice);

private:
  void add(Parameters changed);
  void addTraversals();
  void addVectors();
  void addUnrolls();
  void addLines();
  void addAbreast();
  void addBlocks();
  void addNontemporal();
  void addPrefetches();
  void addReads(int64_t Parameters::*choice, ArrayRef<int64_t> values);
  void addRowsAbreast();

  bool isFlat() const { return from.traversal == Traversal::Flat; }
  int64_t periodOf(int64_t vector) const;
  bool fitsCaches(int64_t line) const;

  Operation *op;
  ScheduleAttr schedule;
  const Parameters from;
  const TargetDescription &target;
  bool streaming;
  ScheduleForm form;
  bool isMap = false;
  /// Of one element of a line: coefficients, or totals of two sums in f64.
  int64_t lineBytes = 16;
  SmallVector<ScheduleAttr> found;
};

} // namespace

/// The sums of a reduction around pivots, none of which has a mask.
static constexpr int64_t kSums = 2;
static ScheduleForm formOf(Operation *op) {
  return TypeSwitch<Operation *, ScheduleForm>(op).Case<AffineOp, GradMapOp, MomentsOp, GradSumsOp>(
      [](auto kernel) {
        return ScheduleForm(cast<ShapedType>(kernel.getData().getType()), kernel.getKept());
      });
}

Neighbourhood::Neighbourhood(Operation *op, ScheduleAttr schedule, const TargetDescription &target,
                             bool streaming)
    : op(op), schedule(schedule), from(schedule), target(target), streaming(streaming),
      form(formOf(op)) {
  const auto describeMap = [&](auto map, int64_t coefficients) {
    isMap = true;
    lineBytes =
        map.getComputeType().getIntOrFloatBitWidth() / 8 * std::max<int64_t>(coefficients, 1);
  };
  TypeSwitch<Operation *>(op)
      .Case([&](AffineOp map) { describeMap(map, int64_t(map.getCoefficients().size())); })
      .Case([&](GradMapOp map) { describeMap(map, 4); });
}

/// Keeps it if it is another schedule, and one that an op may have.
void Neighbourhood::add(Parameters changed) {
  // No part of a line goes together with the next one.
  if (changed.traversal == Traversal::Flat)
    changed.unroll = std::min(changed.unroll, changed.line / changed.vector);
  // Blocks begin where vectors do.
  if (changed.nontemporal)
    changed.block = llvm::alignTo(
        changed.block,
        changed.block < 64
            ? std::max<int64_t>(changed.vector / std::gcd(form.row(), changed.vector), 1)
            : 64);
  ScheduleAttr made = ScheduleAttr::getChecked(
      [&] { return op->emitError(); }, op->getContext(), changed.traversal, changed.vector,
      changed.unroll, changed.group, changed.line, changed.accumulate, changed.block,
      changed.nontemporal, changed.prefetch, changed.parts, changed.streams, /*interleave=*/false);
  if (made && made != schedule && !llvm::is_contained(found, made) && allowsStreams(op, made) &&
      storesAreAligned(op, made, streaming))
    found.push_back(made);
}

/// The elements after which coefficients and vectors begin together again; 0 where lines cannot be.
int64_t Neighbourhood::periodOf(int64_t vector) const {
  if (form.kinds == "R")
    return vector;
  return form.kinds == "RK" || form.kinds == "RKR" ? std::lcm(form.row(), vector) : 0;
}

/// Whether what belongs to a line is found in a cache when the next line needs it.
bool Neighbourhood::fitsCaches(int64_t line) const {
  return line * lineBytes <= (isMap ? target.l2Bytes / 2 : 4 * target.l1Bytes);
}

void Neighbourhood::addTraversals() {
  Parameters changed = from;
  if (isFlat()) {
    changed.traversal = form.innermostKept() ? Traversal::Rows : Traversal::Runs;
    changed.line = 0;
    if (isMap)
      changed.group = 0;
    if (changed.traversal == Traversal::Runs)
      changed.streams = 0;
    return add(changed);
  }
  int64_t line = periodOf(from.vector);
  if (from.vector == 1 || line == 0)
    return;
  while (line < from.unroll * from.vector)
    line *= 2;
  if (!fitsCaches(line))
    return;
  changed.traversal = Traversal::Flat;
  changed.line = line;
  changed.parts = 0;
  if (isMap || from.traversal == Traversal::Runs)
    changed.streams = 0;
  add(changed);
}

void Neighbourhood::addVectors() {
  // Sums are never wider than a register.
  for (int64_t vector : {from.vector / 2, isMap ? from.vector * 2 : 0}) {
    Parameters changed = from;
    changed.vector = vector;
    if (vector < 4 || from.vector == 1)
      continue;
    if (isFlat())
      changed.line = std::lcm(from.line, vector);
    add(changed);
  }
}

void Neighbourhood::addUnrolls() {
  constexpr int64_t kWorking = 4;
  int64_t most = 8;
  if (!isMap)
    most = std::clamp<int64_t>((target.vectorRegisters - kWorking) / (kSums + 1), 1, most);
  for (int64_t unroll = 1; unroll <= most; ++unroll) {
    Parameters changed = from;
    changed.unroll = unroll;
    if (from.vector > 1)
      add(changed);
  }
}

void Neighbourhood::addLines() {
  const int64_t period = periodOf(from.vector), row = form.row();
  if (!isFlat() || period == 0)
    return;
  const int64_t inner = form.innermostKept() ? 1 : form.extents.back();
  for (int64_t line : {from.line / 2, from.line * 2, from.line * 4}) {
    Parameters changed = from;
    changed.line = line;
    // A line of a map may be part of a row.
    const bool isPart = isMap && line > 0 && row % line == 0 && line % inner == 0;
    if ((isPart || line % period == 0) && fitsCaches(line))
      add(changed);
  }
}

void Neighbourhood::addAbreast() {
  // Lines that have their coefficients in registers have nothing to share.
  if (!isMap || !isFlat() || from.line / from.vector <= from.unroll)
    return;
  for (int64_t lines : {0, 2, 4, 8}) {
    Parameters changed = from;
    changed.group = lines;
    add(changed);
  }
}

void Neighbourhood::addBlocks() {
  for (int64_t block : {from.block / 4, from.block / 2, from.block * 2, from.block * 4}) {
    Parameters changed = from;
    changed.block = block;
    if (block > 0)
      add(changed);
  }
}

void Neighbourhood::addNontemporal() {
  // The engine gives results that begin where cache lines do to kernels for such data alone.
  if (!isMap || !streaming || from.vector == 1 || form.row() == 0)
    return;
  Parameters changed = from;
  changed.nontemporal = !from.nontemporal;
  add(changed);
}

void Neighbourhood::addPrefetches() {
  if (!streaming || from.vector == 1)
    return;
  const int64_t some = 64 * from.vector;
  SmallVector<int64_t> distances{some, some * 4};
  if (from.prefetch > 0)
    distances = {0, from.prefetch / 2, from.prefetch * 2};
  for (int64_t distance : distances) {
    Parameters changed = from;
    changed.prefetch = distance;
    add(changed);
  }
}

void Neighbourhood::addReads(int64_t Parameters::*choice, ArrayRef<int64_t> values) {
  if (from.line > 0 || from.vector == 1)
    return;
  for (int64_t value : values) {
    Parameters changed = from;
    changed.*choice = value;
    add(changed);
  }
}

/// Rows or lines of a reduction side by side: their sums are in registers for as long as before, or
/// for one of each.
void Neighbourhood::addRowsAbreast() {
  if (from.vector == 1)
    return;
  for (int64_t rows : {0, 2, 4, 8})
    for (int64_t group : {from.group, rows}) {
      Parameters changed = from;
      changed.streams = rows;
      changed.group = group;
      if (group > 0 && group <= from.group)
        add(changed);
    }
}

SmallVector<ScheduleAttr> Neighbourhood::along(ScheduleChoice choice) {
  switch (choice) {
  case ScheduleChoice::Traversal:
    addTraversals();
    break;
  case ScheduleChoice::Vector:
    addVectors();
    break;
  case ScheduleChoice::Unroll:
    addUnrolls();
    break;
  case ScheduleChoice::Line:
    addLines();
    break;
  case ScheduleChoice::Abreast:
    addAbreast();
    break;
  case ScheduleChoice::Block:
    addBlocks();
    break;
  case ScheduleChoice::Nontemporal:
    addNontemporal();
    break;
  case ScheduleChoice::Prefetch:
    addPrefetches();
    break;
  case ScheduleChoice::Parts:
    if (!isMap && from.traversal == Traversal::Runs)
      addReads(&Parameters::parts, {0, 2, 4});
    break;
  case ScheduleChoice::Streams:
    if (!isMap && from.traversal != Traversal::Runs)
      addRowsAbreast();
    else
      addReads(&Parameters::streams, {0, 2, 4, 8});
    break;
  }
  return std::move(found);
}

bool norma::storesAreAligned(Operation *op, ScheduleAttr schedule, bool streaming) {
  // Of the instructions there are, and of what results are aligned to.
  constexpr int64_t kLeastStored = 16, kMostStored = 64;
  if (!schedule.getNontemporal())
    return true;
  const int64_t outBytes =
      TypeSwitch<Operation *, int64_t>(op)
          .Case<AffineOp, GradMapOp>([](auto map) { return bytesOf(map.getOut()); })
          .Default([](Operation *) { return int64_t(0); });
  const int64_t stored = schedule.getVector() * outBytes, row = formOf(op).row();
  return streaming && row > 0 && stored >= kLeastStored && stored <= kMostStored &&
         schedule.getBlock() % (schedule.getVector() / std::gcd(row, schedule.getVector())) == 0;
}

SmallVector<ScheduleAttr> norma::schedulesBeside(Operation *op, ScheduleAttr schedule,
                                                 ScheduleChoice choice,
                                                 const TargetDescription &target, bool streaming) {
  // What is wrong with those that no op may have nobody wants to know.
  const ScopedDiagnosticHandler ignored(op->getContext(), [](Diagnostic &) { return success(); });
  return Neighbourhood(op, schedule, target, streaming).along(choice);
}
