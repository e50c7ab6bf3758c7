//===- MapScheduleRules.cpp - Which schedule a map gets -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ScheduleForm.h"

#include "norma/Dialect/ShapeRules.h"
#include "norma/Transforms/ScheduleRules.h"

#include "mlir/IR/TypeUtilities.h"

#include <numeric>

using namespace mlir;
using namespace norma;

namespace {

/// What the rules know of a map.
struct Map {
  /// Vectors need a unit innermost stride of every one.
  OperandRange operands;
  /// The tensors of the data's shape: data first, the result last.
  SmallVector<Value, 3> tensors;
  Value mask, weights;
  ArrayRef<int64_t> kept;
  Type compute;
  int64_t coefficients;
  /// As many vectors of a line may have their coefficients in registers.
  int64_t inRegisters;
};

/// A walk by lines over which coefficients repeat.
struct Lines {
  /// Elements of a line.
  int64_t line;
  /// Vectors of an iteration, in each of so many lines.
  int64_t unroll, abreast = 1;
};

} // namespace

/// Registers of data in an iteration where coefficients come from memory. With fewer, the loop
/// shows in the time of data from the last level; more take longer to compile.
static constexpr int64_t kMapRegisters = 4;

/// Beside so many vectors what is left over of a row, or a head up to an aligned address, is
/// little.
static constexpr int64_t kManyVectors = 16;

static constexpr int64_t kPageBytes = 4096;

/// Parts of the data that are read side by side: processors look ahead in each.
static constexpr int64_t kStreams = 4;

/// Vectors of an iteration along a line: about as many as usual, and so many that none is left
/// over, where that can be: the loop has no other body then.
static int64_t unrollOfLine(int64_t vectors, int64_t usual) {
  // A body for one that is left over takes longer to compile than it saves.
  if (usual == 2 && vectors % 2 != 0)
    return 1;
  const int64_t most = std::max<int64_t>(std::min(usual, vectors / 2), 1);
  for (int64_t other : {most, most - 1, most + 1})
    if (most > 2 && vectors % other == 0 && other <= vectors / 2)
      return other;
  return most;
}

/// Lines of dense rows that lie apart: as many whole runs as are whole vectors, and have their
/// coefficients in half the L1. Runs of whole vectors need none.
static std::optional<Lines> chooseLinesOfRows(const ScheduleForm &form, int64_t vector,
                                              int64_t unroll, int64_t elementBytes,
                                              const TargetDescription &target) {
  int64_t period = std::lcm(form.extents.back(), vector);
  if (form.kinds != "RKR" || period == form.extents.back() || form.row() % period != 0)
    return std::nullopt;
  int64_t line = 0;
  for (int64_t next = period; next * elementBytes <= target.l1Bytes / 2; next += period)
    if (form.row() % next == 0)
      line = next;
  if (line > 0)
    return Lines{line, unrollOfLine(line / vector, unroll)};
  if (period * elementBytes <= target.l2Bytes / 4)
    return Lines{period, 2, 4};
  return std::nullopt;
}

/// The shortest part of a row that is whole runs, whole vectors and at least `least` elements, and
/// that goes evenly into it; 0 if `most` elements are none.
static int64_t partOfRow(int64_t row, int64_t inner, int64_t vector, int64_t least, int64_t most) {
  const int64_t unit = std::lcm(inner, vector);
  for (int64_t part = unit; part <= std::min(row, most); part += unit)
    if (part >= least && row % part == 0)
      return part;
  return 0;
}

/// Whether the coefficients of a row leave little room for data in the first level, which drives
/// them out before the next row.
static bool crowdsFirstLevel(const Map &map, const ScheduleForm &form,
                             const TargetDescription &target) {
  const int64_t computeBytes = map.compute.getIntOrFloatBitWidth() / 8;
  return form.row() * map.coefficients * computeBytes > target.l1Bytes / 8 * 5;
}

/// Lines abreast, which share what they read of the coefficients, if there is a line.
static std::optional<Lines> linesAbreast(int64_t line, int64_t abreast = kStreams) {
  return line > 0 ? std::optional(Lines{line, 1, abreast}) : std::nullopt;
}

/// The least elements of a line that goes abreast of others.
static constexpr int64_t kLeastAbreast = 512;

/// Lines of contiguous data that is written past the caches, four of them abreast or eight: so many
/// streams of reads at once get more from memory than one does. Where a row's coefficients do not
/// fit the first level, lines are parts of it that do.
static std::optional<Lines> chooseLinesAbreast(const Map &map, const ScheduleForm &form,
                                               int64_t vector, int64_t elementBytes,
                                               const TargetDescription &target, const MapUse &use) {
  const int64_t dataBytes = bytesOf(map.tensors.front());
  const int64_t most = target.l1Bytes * 2 / 3 / elementBytes;
  const int64_t row = form.kinds == "R" ? 1 : form.row();
  if (form.kinds == "RKR") {
    const int64_t inner = form.extents.back();
    // Runs that are whole vectors have their coefficients in registers, which counts where these
    // are many or what is read is near.
    if (inner % vector == 0 && (inner >= kManyVectors * vector || !use.ahead || dataBytes < 4))
      return std::nullopt;
    // From the second level they come as slowly as the data, so more rows share them. Bytes, bf16
    // and f64 take longer that way.
    const bool areFar = row * elementBytes > target.l1Bytes && dataBytes == 4;
    return linesAbreast(partOfRow(row, inner, vector, kLeastAbreast, most),
                        areFar ? 2 * kStreams : kStreams);
  }
  // Reads of single bytes are few beside what is written.
  if (dataBytes < 2)
    return std::nullopt;
  const int64_t period = std::lcm(row, vector);
  if (period > most)
    return linesAbreast(partOfRow(row, 1, vector, kPageBytes / dataBytes, most));
  // To write out coefficients that would be in registers pays where memory is waited for.
  if (!use.ahead && period * dataBytes < kPageBytes)
    return std::nullopt;
  return linesAbreast(llvm::alignTo(std::min(kLeastAbreast, most), period));
}

/// Lines, where they are better than rows or runs.
static std::optional<Lines> chooseLines(const Map &map, const ScheduleForm &form, int64_t vector,
                                        int64_t unroll, const TargetDescription &target,
                                        bool contiguous, const MapUse &use) {
  bool flattens =
      (form.kinds == "R" || form.kinds == "RK" || form.kinds == "RKR") && !map.mask && !map.weights;
  if (!flattens || form.row() == 0)
    return std::nullopt;
  int64_t computeBytes = map.compute.getIntOrFloatBitWidth() / 8;
  int64_t elementBytes = computeBytes * std::max<int64_t>(map.coefficients, 1);
  if (!contiguous)
    return chooseLinesOfRows(form, vector, unroll, elementBytes, target);
  if (use.streaming && !use.interleave)
    if (std::optional<Lines> streams =
            chooseLinesAbreast(map, form, vector, elementBytes, target, use))
      return streams;
  // The period of the coefficients in whole vectors, long enough to unroll.
  int64_t period = std::lcm(form.kinds == "R" ? 1 : form.row(), vector);
  while (period / vector < unroll)
    period *= 2;
  int64_t vectors = period / vector;
  int64_t lineBytes = period * elementBytes;
  // Parts of rows go abreast where a row's coefficients would be read anew for each row.
  if (form.kinds == "RK" && !use.streaming && crowdsFirstLevel(map, form, target))
    return linesAbreast(
        partOfRow(form.row(), 1, vector, kLeastAbreast, target.l1Bytes / 2 / elementBytes));
  // Rows of many whole vectors are lines as they are. So are others, if they may begin anywhere: to
  // write out their coefficients for a period would cost more than what is left over of each.
  if (form.kinds == "RK" &&
      (period == form.row() ? vectors > 8 : !use.streaming && form.row() >= kManyVectors * vector))
    return std::nullopt;
  // Short enough that one line of every coefficient stays in half the L1.
  if (lineBytes <= target.l1Bytes / 2) {
    // A line that is unrolled as a whole has its coefficients in registers.
    int64_t registers = std::max<int64_t>(vector * computeBytes * 8 / target.vectorBits, 1);
    if (vectors * registers <= map.inRegisters)
      return Lines{period, vectors};
    return Lines{period, unrollOfLine(vectors, unroll)};
  }
  // Runs that are not whole vectors cannot be written past the caches. Where that is wanted,
  // coefficients from the second level, shared by lines, cost less than what it saves.
  if (use.streaming && form.kinds == "RKR" && form.extents.back() % vector != 0 &&
      lineBytes <= target.l2Bytes / 2)
    return Lines{period, 2, 4};
  return std::nullopt;
}

/// Threads take any number of blocks of a map as one: these are so short that all have about as
/// much.
static constexpr int64_t kMapBlockBytes = 16 * 1024;

/// How many elements ahead a map of contiguous data in memory asks for more. Processors do so by
/// themselves in several streams, and in one to the end of a page; but not far where there are many
/// instructions for a byte: for narrow elements. A `line` that is part of a row has the next ones
/// in the next rows. Behind a near last level less is enough, which finds room in the first.
static int64_t aheadOf(const Map &map, const ScheduleForm &form, int64_t line, int64_t abreast,
                       int64_t streams, const TargetDescription &target) {
  constexpr int64_t kAheadBytes = 16 * 1024, kAheadOfStream = 8 * 1024, kNearBytes = 2 * 1024;
  const int64_t bytes = bytesOf(map.tensors.front());
  if (bytes >= 4 && (line > 0 || streams > 0))
    return 0;
  const bool areSeveral = abreast > 1 || streams > 0;
  if (areSeveral && target.readsInOrder())
    return kNearBytes / bytes;
  if (line > 0 && line < form.row())
    return abreast * form.row();
  return (areSeveral ? kAheadOfStream : kAheadBytes) / bytes;
}

/// How many rows or runs go side by side, which are far apart: memory gives more to several streams
/// of reads, and rows share what they load of coefficients. Runs have those in registers of their
/// own. 0 for one.
static int64_t chooseStreams(const Map &map, const ScheduleForm &form, Traversal traversal,
                             int64_t registers, const TargetDescription &target) {
  if (traversal == Traversal::Flat || form.extents.size() < 2)
    return 0;
  const int64_t beside = form.extents[form.extents.size() - 2];
  const int64_t perStream = registers * (1 + (traversal == Traversal::Runs ? map.coefficients : 0));
  int64_t streams = kStreams;
  while (streams > 1 && ((!ShapedType::isDynamic(beside) && beside < streams) ||
                         streams * perStream > target.vectorRegisters - 4))
    streams /= 2;
  return streams > 1 ? streams : 0;
}

static ScheduleAttr chooseMap(const Map &map, const TargetDescription &target, const MapUse &use) {
  auto data = cast<ShapedType>(map.tensors.front().getType());
  ScheduleForm form(data, map.kept);
  bool contiguous = llvm::all_of(map.tensors, isContiguous);
  int64_t computeBytes = map.compute.getIntOrFloatBitWidth() / 8;
  int64_t outBytes = bytesOf(map.tensors.back());
  int64_t vector = target.vectorBits / 8 / computeBytes;
  // Past the caches goes what fills a register in memory, too: parts of a cache line wait for
  // each other. So does bf16, of which two vectors are rounded by one instruction. Beside a
  // reduction vectors are those of its sums.
  int64_t widest = use.interleave ? vector : vector * std::max<int64_t>(computeBytes / outBytes, 1);
  // A block of kept indices of larger tensors, beside which the next one lies.
  bool isBlock = !contiguous && haveDenseRows(map.tensors);
  bool goesPast = use.streaming &&
                  (contiguous || beginAtVectors(map.tensors.back(), widest) ||
                   (isBlock && denseRowsBeginAtVectors(map.tensors.back(), form.row(), widest)));
  if (goesPast || (contiguous && getElementTypeOrSelf(map.tensors.back()).isBF16()))
    vector = widest;
  if (data.getRank() == 0 || !llvm::all_of(map.operands, hasUnitInnerStride) ||
      !allowsVectors(map.mask) || !allowsVectors(map.weights))
    vector = 1;

  Traversal traversal = form.innermostKept() ? Traversal::Rows : Traversal::Runs;
  int64_t registers = std::max<int64_t>(vector * computeBytes * 8 / target.vectorBits, 1);
  int64_t unroll = vector == 1 ? 1 : kMapRegisters / registers, abreast = 1, line = 0;
  // Beside a reduction by runs, runs that are not whole vectors go as these do.
  if (use.interleave && isBlock && vector > 1 && !map.mask && !map.weights)
    line = rowOfRuns(form, vector);
  if (line == 0 && vector > 1 && (contiguous || isBlock))
    if (std::optional<Lines> lines =
            chooseLines(map, form, vector, unroll, target, contiguous, use)) {
      traversal = Traversal::Flat;
      line = lines->line;
      unroll = lines->unroll;
      abreast = lines->abreast;
    }

  // A non-temporal store needs an address that is a multiple of the vector. Rows and runs
  // begin with a head up to there.
  int64_t innermost = form.extents.empty() ? 1 : form.extents.back();
  bool aligned =
      line > 0 || data.getRank() == 1 ||
      (form.row() > 0 && (innermost % vector == 0 || innermost >= kManyVectors * vector));
  bool nontemporal = goesPast && vector > 1 && vector * outBytes >= 16 && aligned;

  int64_t rowBytes = 0;
  for (Value tensor : map.tensors)
    rowBytes += form.row() * bytesOf(tensor);
  // What a line is written out for is its use, line after line; the more so in the second level.
  int64_t lines = abreast > 1 && !(contiguous && line < form.row()) ? 16 : 4;
  int64_t atLeast =
      form.row() == 0 || line == 0 ? 1 : lines * std::max<int64_t>(line / form.row(), 1);
  // Rows and runs that are not whole vectors begin anywhere; only what goes past the caches
  // minds where blocks do.
  const bool startsAnywhere = traversal != Traversal::Flat && !nontemporal;
  // While writes past the caches wait for memory, reads of it cost nothing. The next block of kept
  // indices must find room beside this one.
  int64_t prefetch = 0;
  if (nontemporal && isBlock && rowBytes <= target.l2Bytes / 2)
    prefetch = form.row();
  int64_t streams = 0;
  if (nontemporal && contiguous && use.ahead) {
    // Reads of single bytes are few beside what is written.
    if (innermost >= 2 * vector && bytesOf(map.tensors.front()) >= 2)
      streams = chooseStreams(map, form, traversal, registers, target);
    if (streams > 0)
      unroll = std::max<int64_t>(kMapRegisters / registers / streams, 1);
    prefetch = aheadOf(map, form, line, abreast, streams, target);
  }
  // Rows that no line divides share what they read of such coefficients, too.
  if (form.kinds == "RK" && traversal == Traversal::Rows && contiguous && vector > 1 &&
      !nontemporal && crowdsFirstLevel(map, form, target))
    streams = chooseStreams(map, form, traversal, registers, target);
  int64_t block =
      blockOf(form.row(), rowBytes, startsAnywhere ? 1 : vector, kMapBlockBytes, atLeast);
  // No line of those that go abreast is left over, but for the last block.
  if (abreast > 1 && contiguous && block > 0)
    block = llvm::alignTo(block, abreast * std::max<int64_t>(line / form.row(), 1));
  return ScheduleAttr::get(data.getContext(), traversal, vector, unroll,
                           /*group=*/abreast > 1 ? abreast : 0, line, Type(), block, nontemporal,
                           prefetch, /*parts=*/0, streams, /*interleave=*/false);
}

ScheduleAttr norma::chooseSchedule(AffineOp op, const TargetDescription &target,
                                   const MapUse &use) {
  return chooseMap({.operands = op->getOperands(),
                    .tensors = {op.getData(), op.getOut()},
                    .mask = {},
                    .weights = {},
                    .kept = op.getKept(),
                    .compute = op.getComputeType(),
                    .coefficients = int64_t(op.getCoefficients().size()),
                    .inRegisters = 8},
                   target, use);
}

ScheduleAttr norma::chooseSchedule(GradMapOp op, const TargetDescription &target,
                                   const MapUse &use) {
  // Four coefficients of a vector, and four registers to work with.
  return chooseMap({.operands = op->getOperands(),
                    .tensors = {op.getData(), op.getDy(), op.getOut()},
                    .mask = op.getMask(),
                    .weights = op.getWeights(),
                    .kept = op.getKept(),
                    .compute = op.getComputeType(),
                    .coefficients = 4,
                    .inRegisters = (target.vectorRegisters - 4) / 4},
                   target, use);
}
