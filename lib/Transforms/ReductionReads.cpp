//===- ReductionReads.cpp - What a reduction reads at a time --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Vectors go abreast to hide the latency of additions; rows, runs or samples go side
// by side, with loads of their own, so that the processor looks ahead of each; and
// what it does not look ahead of by itself is asked for in advance.
//
//===----------------------------------------------------------------------===//

#include "ReductionRules.h"

using namespace mlir;
using namespace norma;

/// How far ahead a processor that reads in order is asked along rows or samples that go side by
/// side. It looks ahead by itself, too, but less far where there are many instructions for a byte:
/// for narrow elements.
static constexpr int64_t kAheadOfSample = 2048;

static bool mustAskInOrder(const Reduction &reduction) {
  return reduction.asksInOrder() && reduction.isNarrow();
}

//===----------------------------------------------------------------------===//
// Vectors abreast
//===----------------------------------------------------------------------===//

/// The registers that hold what a vector is added to and, if there is one, its pivot.
static int64_t registersOfVector(const Reduction &reduction) {
  return reduction.sums + (reduction.isExact() ? 0 : 1);
}

/// The vectors that are made of one of each tensor before sums take them. Code for conversions
/// and masks goes before all else, so those of all rows side by side are there at once.
static int64_t vectorsMade(const Reduction &reduction) {
  const bool omits = reduction.omitsNan;
  if (!reduction.isPlain() || omits)
    return int64_t(reduction.tensors.size()) + (reduction.mask || omits ? 1 : 0) +
           (reduction.weights ? 1 : 0);
  return llvm::count_if(reduction.tensors, [&](Value tensor) {
    return getElementTypeOrSelf(tensor) != reduction.accumulate;
  });
}

namespace {

/// How many vectors may go abreast, and how many do if nothing speaks for more.
struct Abreast {
  int64_t usual, most;
};

} // namespace

/// As many as have their sums and pivots in registers, with what is made of as many `rows`.
static Abreast limitAbreast(const Reduction &reduction, int64_t rows) {
  // More vectors make a kernel longer; those of bytes are a quarter of a cache line each, and their
  // groups of lines are longer than the first level, so that what they skip is fetched twice.
  constexpr int64_t kMost = 6, kMostExact = 16, kWorking = 4;
  // Rows side by side hide as much, and with two tensors they are a long kernel.
  constexpr Abreast kOfTwoTensors = {2, 3};
  const int64_t registers = registersOfVector(reduction) + rows * vectorsMade(reduction);
  const int64_t most =
      std::clamp<int64_t>((reduction.target.vectorRegisters - kWorking) / registers, 1,
                          reduction.isExact() ? kMostExact : kMost);
  if (rows > 0 && reduction.isOfTwo())
    return {std::min(kOfTwoTensors.usual, most), std::min(kOfTwoTensors.most, most)};
  return {std::min(kUsualAbreast, most), most};
}

/// How many of the vectors of a row or a run go abreast, if as many rows go side by side: enough to
/// hide the latency of additions, and little beside whole steps: what is left over or, where the
/// last step overlaps the one before, what it gives once more.
static int64_t chooseAbreast(const Reduction &reduction, const ReductionSteps &steps,
                             int64_t rows = 0) {
  const bool overlaps =
      steps.traversal == Traversal::Rows && reduction.form.extents.back() % steps.vector != 0;
  auto [best, most] = limitAbreast(reduction, rows);
  if (steps.vectors > 0 && steps.vectors <= best)
    return steps.vectors;
  auto beside = [&](int64_t abreast) {
    return overlaps ? (abreast - steps.vectors % abreast) % abreast : steps.vectors % abreast;
  };
  for (int64_t other = best + 1; other <= most; ++other)
    if (beside(other) < beside(best))
      best = other;
  return best;
}

//===----------------------------------------------------------------------===//
// Side by side
//===----------------------------------------------------------------------===//

/// Runs of kept indices that go side by side for data in memory, a vector of each, as streams of
/// reads. Short runs of several samples are as many streams anyway.
static std::optional<ReductionReads> readRunsAbreast(const Reduction &reduction,
                                                     const ReductionSteps &steps) {
  constexpr int64_t kMost = 8, kWorking = 4, kAhead = 1024;
  const bool hasNeighbours = StringRef(reduction.form.kinds).ends_with("KR");
  const bool areShort = steps.vectors > 0 && steps.areFarApart(reduction.form);
  if (!reduction.use.streaming || !steps.byRuns() || steps.isBlock || !hasNeighbours || areShort ||
      !reduction.isPlain() || reduction.isOfTwo() || !isa<FloatType>(reduction.accumulate))
    return std::nullopt;
  const TargetDescription &target = reduction.target;
  const int64_t most = std::min(
      {(target.vectorRegisters - kWorking) / (1 + reduction.sums), target.readStreams, kMost});
  if (most < 2)
    return std::nullopt;
  return ReductionReads{.abreast = 1,
                        .prefetch = reduction.use.ahead ? kAhead : 0,
                        .streams = int64_t(llvm::bit_floor(uint64_t(most))),
                        .group = reduction.group()};
}

/// The vectors of a cache line.
static int64_t vectorsOfLine(const Reduction &reduction, const ReductionSteps &steps) {
  constexpr int64_t kLineBytes = 64;
  return llvm::divideCeil(kLineBytes, steps.vector * reduction.bytes());
}

/// Samples of a block whose runs go side by side if these are longer than a group (of short ones
/// several are added up at a time): as many as have a whole cache line each, and an address in
/// registers for every tensor. From memory two tensors are enough for a processor that reads in
/// order, unless elements are narrow.
static std::optional<ReductionReads> readSamplesAbreast(const Reduction &reduction,
                                                        const ReductionSteps &steps) {
  if (!steps.isBlock || !steps.byRuns() || !reduction.isPlain() || steps.vectors < kGroup ||
      !isa<FloatType>(reduction.accumulate))
    return std::nullopt;
  if (reduction.asksInOrder() && reduction.isOfTwo() && !reduction.isNarrow())
    return std::nullopt;
  const int64_t ofLine = vectorsOfLine(reduction, steps);
  const int64_t streams =
      std::min<int64_t>(4 / int64_t(reduction.tensors.size()), kUsualAbreast / ofLine);
  if (streams < 2 || reduction.form.extents.back() % (ofLine * steps.vector) != 0)
    return std::nullopt;
  return ReductionReads{.abreast = streams * ofLine,
                        .prefetch =
                            reduction.asksInOrder() ? kAheadOfSample / reduction.bytes() : 0,
                        .streams = streams,
                        .group = reduction.group()};
}

/// Rows or lines that go side by side where what lies together is best read in order: such a
/// processor looks ahead of every load by itself, and one that goes from row to row hides the way
/// along them. In the caches, what is one step has its sums in registers from row to row, and
/// narrow elements take longer to add than to read: one alone is as good.
static std::optional<ReductionReads> readRowsAbreast(const Reduction &reduction,
                                                     const ReductionSteps &steps) {
  constexpr int64_t kUsual = 4, kMost = 8;
  const bool isStreaming = reduction.use.streaming;
  const bool alongRows =
      steps.traversal == Traversal::Flat ||
      (steps.traversal == Traversal::Rows && StringRef(reduction.form.kinds).ends_with("RK") &&
       reduction.form.row() > 0);
  if (!reduction.target.readsInOrder() || !alongRows || reduction.isExact())
    return std::nullopt;
  const bool isOneStep =
      steps.vectors > 0 && steps.vectors <= limitAbreast(reduction, /*rows=*/0).most;
  if (!isStreaming && (reduction.isNarrow() || isOneStep))
    return std::nullopt;
  // Two tensors are twice as many, and what is made of eight rows would fill the registers.
  const bool isSimple = !reduction.isOfTwo() && vectorsMade(reduction) == 0;
  const int64_t rows = isStreaming && isSimple ? kMost : kUsual;
  int64_t abreast = chooseAbreast(reduction, steps, rows);
  // The rows hide the latency of additions, and what is near is not waited for: short code. Wide
  // rows gain from a second vector.
  if (!isStreaming)
    abreast = std::min<int64_t>(abreast, steps.traversal == Traversal::Rows ? 2 : 1);
  return ReductionReads{.abreast = abreast,
                        .prefetch =
                            mustAskInOrder(reduction) ? kAheadOfSample / reduction.bytes() : 0,
                        .streams = rows,
                        .group = rows};
}

/// Whether one vector of sums after the other is as fast as memory is: those that are as long as a
/// cache line. The latency of additions shows with shorter ones, but beside conversions.
static bool areAsLongAsLines(const Reduction &reduction) {
  constexpr int64_t kLineBits = 512;
  return reduction.target.vectorBits >= kLineBits;
}

/// Samples of short runs that go side by side like rows, where a group has room for as many. Those
/// of narrow elements take longer to add than to read: several vectors go abreast, of twice as many
/// samples, unless runs are so many cache lines that the processor follows them. Others go one
/// vector after the other, if it is a long one. Streams of a block are whole steps of its runs.
static std::optional<ReductionReads> readShortSamplesAbreast(const Reduction &reduction,
                                                             const ReductionSteps &steps) {
  constexpr int64_t kUsual = 4, kMost = 8, kFollowedBytes = 256;
  const bool isNarrow = reduction.isNarrow();
  if (!reduction.asksInOrder() || !steps.areFarApart(reduction.form) || steps.isBlock ||
      !reduction.isPlain() || (isNarrow && reduction.isOfTwo()))
    return std::nullopt;
  const int64_t innermost = reduction.form.extents.back();
  const bool oneByOne = areAsLongAsLines(reduction) && !isNarrow;
  int64_t step = oneByOne ? 1 : chooseAbreast(reduction, steps);
  const int64_t whole = innermost / steps.vector;
  // Several that are left over of every run would be a loop of their own.
  if (whole % step > 1 && whole % (step - 1) == 0)
    --step;
  const int64_t vectorsOfSum = whole / step + whole % step + (innermost % steps.vector != 0);
  const bool areMany = isNarrow && innermost * reduction.bytes() < kFollowedBytes;
  for (int64_t streams = areMany ? kMost : kUsual; streams >= kUsual; streams /= 2)
    if (streams * vectorsOfSum <= reduction.group())
      return ReductionReads{.abreast = step,
                            .prefetch = kAheadOfSample / reduction.bytes(),
                            .streams = streams,
                            .group = reduction.group()};
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// One after the other
//===----------------------------------------------------------------------===//

/// How many parts of a run are read side by side: where they are about a page, a processor follows
/// a stream of reads in each. Runs that are not longer than a group have none.
static int64_t chooseParts(const Reduction &reduction, const ReductionSteps &steps,
                           int64_t abreast) {
  constexpr int64_t kLeastBytes = 3072;
  if (!steps.byRuns() || reduction.target.readsInOrder() ||
      steps.vectors / abreast <= reduction.group())
    return 0;
  const int64_t vectorBytes = steps.vector * reduction.bytes();
  int64_t parts = abreast;
  while (parts > 1 && (abreast % parts != 0 || steps.vectors / parts * vectorBytes < kLeastBytes))
    --parts;
  return parts > 1 ? parts : 0;
}

/// How far ahead memory is asked for: the processor itself looks no further than the end of a page,
/// and loses its way between the vectors of wide rows.
static int64_t aheadOfRows(const Reduction &reduction, const ReductionSteps &steps,
                           int64_t abreast) {
  // What is read in the meantime must leave room in the second-level cache.
  constexpr int64_t kMostBytes = 128 * 1024;
  const int64_t step = abreast * steps.vector;
  const bool isFlat = steps.traversal == Traversal::Flat;
  if (!isFlat && !reduction.form.innermostKept())
    return kGroup * step;
  const int64_t row = isFlat ? steps.line : reduction.form.row();
  const int64_t rows = row > 0 ? std::min(kGroup, kMostBytes / (row * reduction.bytes())) : 0;
  // Where that is little of a group, the next step along the same rows comes sooner.
  return rows > kGroup / 4 ? rows * row : step;
}

/// The same for a block of kept indices, of which every row is a piece of memory by itself: as many
/// rows as hide the way to a last level that is far, and leave room for the blocks in the second;
/// or to memory, behind one that is near, and leave room in the first.
static int64_t aheadOfBlock(const Reduction &reduction) {
  constexpr int64_t kAheadBytes = 32 * 1024, kNearBytes = 8 * 1024;
  const int64_t bytes = reduction.target.readsInOrder() ? kNearBytes : kAheadBytes;
  return std::max<int64_t>(bytes / reduction.rowBytes(), 1) * reduction.form.row();
}

/// How far ahead vectors of one row, run or sample at a time ask.
static int64_t chooseAhead(const Reduction &reduction, const ReductionSteps &steps,
                           int64_t abreast) {
  constexpr int64_t kAheadOfNarrow = 8192, kAheadOfPiece = 512;
  if (!reduction.use.ahead)
    return 0;
  const bool mustAsk = mustAskInOrder(reduction);
  // Along pieces of wide rows and long runs of two tensors, a processor that reads in order itself
  // looks ahead.
  const bool isPiece = steps.traversal == Traversal::Rows && abreast < steps.vectors;
  const bool isLongRun = steps.isBlock && steps.byRuns() && steps.vectors >= kGroup &&
                         reduction.isOfTwo() && !reduction.isNarrow();
  if (reduction.target.readsInOrder() && (isPiece || isLongRun))
    return mustAsk ? kAheadOfPiece / reduction.bytes() : 0;
  if (steps.isBlock)
    return aheadOfBlock(reduction);
  return mustAsk ? kAheadOfNarrow / reduction.bytes() : aheadOfRows(reduction, steps, abreast);
}

static ReductionReads readOneAfterTheOther(const Reduction &reduction,
                                           const ReductionSteps &steps) {
  ReductionReads reads{.group = reduction.group()};
  const bool isWaitedFor = reduction.asksInOrder() && steps.areFarApart(reduction.form);
  const bool hidesLatency = areAsLongAsLines(reduction) || reduction.isNarrow();
  const bool oneByOne = isWaitedFor && hidesLatency && !reduction.isExact();
  reads.abreast = oneByOne ? 1 : chooseAbreast(reduction, steps);
  reads.parts = chooseParts(reduction, steps, reads.abreast);
  reads.prefetch = chooseAhead(reduction, steps, reads.abreast);
  return reads;
}

ReductionReads norma::chooseReads(const Reduction &reduction, const ReductionSteps &steps) {
  if (steps.vector == 1)
    return {.group = reduction.group()};
  for (auto readAbreast :
       {readRunsAbreast, readSamplesAbreast, readRowsAbreast, readShortSamplesAbreast})
    if (std::optional<ReductionReads> reads = readAbreast(reduction, steps))
      return *reads;
  return readOneAfterTheOther(reduction, steps);
}
