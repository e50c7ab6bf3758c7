//===- MapScheduleRules.cpp - Which schedule a map gets -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MapRules.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace norma;

namespace {

/// Elements of a vector, the registers that its computation fills, and whether the result may go
/// past the caches in such vectors.
struct MapVectors {
  int64_t elements, registers;
  bool goPast;
};

/// The way that vectors take through the data: as many in an iteration, in each of some lines, rows
/// or runs that go side by side.
struct MapSteps {
  Traversal traversal;
  int64_t line = 0, unroll = 1, abreast = 1, streams = 0;
};

} // namespace

/// Registers of data in an iteration where coefficients come from memory. With fewer, the loop
/// shows in the time of data from the last level; more take longer to compile.
static constexpr int64_t kMapRegisters = 4;

static MapVectors chooseVectors(const Map &map) {
  const int64_t outBytes = bytesOf(map.result());
  const bool isContiguous = map.isContiguous();
  int64_t vector = map.target.vectorBits / 8 / map.computeBytes();
  // Past the caches goes what fills a register in memory, too: parts of a cache line wait for
  // each other. So does bf16, of which two vectors are rounded by one instruction. Beside a
  // reduction vectors are those of its sums.
  const int64_t widest =
      map.use.interleave ? vector : vector * std::max<int64_t>(map.computeBytes() / outBytes, 1);
  const bool goPast =
      map.use.streaming &&
      (isContiguous || beginAtVectors(map.result(), widest) ||
       (map.isBlock() && denseRowsBeginAtVectors(map.result(), map.form.row(), widest)));
  if (goPast || (isContiguous && getElementTypeOrSelf(map.result()).isBF16()))
    vector = widest;
  if (map.form.extents.empty() || !llvm::all_of(map.operands, hasUnitInnerStride) ||
      !allowsVectors(map.mask) || !allowsVectors(map.weights))
    vector = 1;
  return {vector, std::max<int64_t>(vector * map.computeBytes() * 8 / map.target.vectorBits, 1),
          goPast};
}

static MapSteps chooseSteps(const Map &map, const MapVectors &vectors) {
  MapSteps steps{map.form.innermostKept() ? Traversal::Rows : Traversal::Runs};
  if (vectors.elements == 1)
    return steps;
  steps.unroll = kMapRegisters / vectors.registers;
  const bool isBlock = map.isBlock();
  // Beside a reduction by runs, runs that are not whole vectors go as these do.
  if (map.use.interleave && isBlock && !map.mask && !map.weights)
    steps.line = rowOfRuns(map.form, vectors.elements);
  if (steps.line == 0 && (isBlock || map.isContiguous()))
    if (std::optional<MapLines> lines = chooseLines(map, vectors.elements, steps.unroll))
      return {Traversal::Flat, lines->line, lines->unroll, lines->abreast};
  return steps;
}

/// Whether the result goes past the caches. Such a store needs an address that is a multiple of the
/// vector. Rows and runs begin with a head up to there.
static bool goesPast(const Map &map, const MapVectors &vectors, const MapSteps &steps) {
  const int64_t innermost = map.innermost(), vector = vectors.elements;
  const bool isAligned =
      steps.line > 0 || map.form.extents.size() == 1 ||
      (map.form.row() > 0 && (innermost % vector == 0 || innermost >= kManyVectors * vector));
  return vectors.goPast && vector > 1 && vector * bytesOf(map.result()) >= 16 && isAligned;
}

/// How many rows or runs go side by side, which are far apart: memory gives more to several streams
/// of reads, and rows share what they load of coefficients. Runs have those in registers of their
/// own. 0 for one.
static int64_t streamsOf(const Map &map, const MapVectors &vectors, Traversal traversal) {
  const ArrayRef<int64_t> extents = map.form.extents;
  if (traversal == Traversal::Flat || extents.size() < 2)
    return 0;
  const int64_t beside = extents[extents.size() - 2];
  const int64_t perStream =
      vectors.registers * (1 + (traversal == Traversal::Runs ? map.coefficients : 0));
  int64_t streams = kStreams;
  while (streams > 1 && ((!ShapedType::isDynamic(beside) && beside < streams) ||
                         streams * perStream > map.target.vectorRegisters - 4))
    streams /= 2;
  return streams > 1 ? streams : 0;
}

/// Puts rows or runs side by side where that gives more.
static void chooseStreams(const Map &map, const MapVectors &vectors, bool isPast, MapSteps &steps) {
  if (!map.isContiguous() || vectors.elements == 1)
    return;
  const bool isLong = map.innermost() >= 2 * vectors.elements;
  // Reads of single bytes are few beside what is written.
  const bool feedsStores = isPast && map.use.ahead && isLong && map.bytes() >= 2;
  const bool areRows = !isPast && map.form.kinds == "RK";
  // Rows that no line divides share what they read of such coefficients, too.
  const bool isCrowded = areRows && map.crowdsFirstLevel();
  // Those of three tensors have too many addresses.
  const bool isBound = areRows && isLong && map.isBoundByLoads() && map.tensors.size() == 2;
  if (feedsStores || isCrowded || isBound)
    steps.streams = streamsOf(map, vectors, steps.traversal);
  if (steps.streams > 0 && !isCrowded)
    steps.unroll = std::max<int64_t>(kMapRegisters / vectors.registers / steps.streams, 1);
}

/// How many elements ahead a map that writes past the caches asks for more, while its writes wait
/// for memory. Processors look ahead by themselves in several streams, and in one to the end of a
/// page; but not far where there are many instructions for a byte: for narrow elements.
static int64_t chooseAhead(const Map &map, const MapSteps &steps) {
  // The next block of kept indices must find room beside this one.
  if (map.isBlock())
    return map.rowBytes() <= map.target.l2Bytes / 2 ? map.form.row() : 0;
  constexpr int64_t kAheadBytes = 16 * 1024, kAheadOfStream = 8 * 1024, kNearBytes = 2 * 1024;
  if (!map.isContiguous() || !map.use.ahead ||
      (map.bytes() >= 4 && (steps.line > 0 || steps.streams > 0)))
    return 0;
  const bool areSeveral = steps.abreast > 1 || steps.streams > 0;
  // Behind a near last level less is enough, which finds room in the first.
  if (areSeveral && map.target.readsInOrder())
    return kNearBytes / map.bytes();
  // A line that is part of a row has the next ones in the next rows.
  if (steps.line > 0 && steps.line < map.form.row())
    return steps.abreast * map.form.row();
  return (areSeveral ? kAheadOfStream : kAheadBytes) / map.bytes();
}

/// How many rows are a block. Threads take any number of them as one: they are so short that all
/// threads have about as much.
static int64_t chooseBlock(const Map &map, const MapVectors &vectors, const MapSteps &steps,
                           bool isPast) {
  constexpr int64_t kBlockBytes = 16 * 1024;
  const int64_t row = map.form.row();
  const int64_t ofLine = row > 0 ? std::max<int64_t>(steps.line / row, 1) : 1;
  // What a line is written out for is its use, line after line; the more so in the second level.
  const bool isContiguous = map.isContiguous();
  const bool isFar = steps.abreast > 1 && !(isContiguous && steps.line < row);
  const int64_t atLeast = row == 0 || steps.line == 0 ? 1 : (isFar ? 16 : 4) * ofLine;
  // Rows and runs that are not whole vectors begin anywhere; only what goes past the caches
  // minds where blocks do.
  const bool startsAnywhere = steps.traversal != Traversal::Flat && !isPast;
  const int64_t block =
      blockOf(row, map.rowBytes(), startsAnywhere ? 1 : vectors.elements, kBlockBytes, atLeast);
  // No line of those that go abreast is left over, but for the last block.
  return steps.abreast > 1 && isContiguous && block > 0
             ? llvm::alignTo(block, steps.abreast * ofLine)
             : block;
}

static ScheduleAttr chooseMap(const Map &map) {
  const MapVectors vectors = chooseVectors(map);
  MapSteps steps = chooseSteps(map, vectors);
  const bool isPast = goesPast(map, vectors, steps);
  chooseStreams(map, vectors, isPast, steps);
  return ScheduleAttr::get(map.compute.getContext(), steps.traversal, vectors.elements,
                           steps.unroll, /*group=*/steps.abreast > 1 ? steps.abreast : 0,
                           steps.line, Type(), chooseBlock(map, vectors, steps, isPast), isPast,
                           isPast ? chooseAhead(map, steps) : 0, /*parts=*/0, steps.streams,
                           /*interleave=*/false);
}

ScheduleAttr norma::chooseSchedule(AffineOp op, const TargetDescription &target,
                                   const MapUse &use) {
  return chooseMap({.operands = op->getOperands(),
                    .tensors = {op.getData(), op.getOut()},
                    .mask = {},
                    .weights = {},
                    .form = {cast<ShapedType>(op.getData().getType()), op.getKept()},
                    .compute = op.getComputeType(),
                    .coefficients = int64_t(op.getCoefficients().size()),
                    .inRegisters = 8,
                    .target = target,
                    .use = use});
}

ScheduleAttr norma::chooseSchedule(GradMapOp op, const TargetDescription &target,
                                   const MapUse &use) {
  // Four coefficients of a vector, and four registers to work with.
  return chooseMap({.operands = op->getOperands(),
                    .tensors = {op.getData(), op.getDy(), op.getOut()},
                    .mask = op.getMask(),
                    .weights = op.getWeights(),
                    .form = {cast<ShapedType>(op.getData().getType()), op.getKept()},
                    .compute = op.getComputeType(),
                    .coefficients = 4,
                    .inRegisters = (target.vectorRegisters - 4) / 4,
                    .target = target,
                    .use = use});
}
