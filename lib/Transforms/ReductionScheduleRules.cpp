//===- ReductionScheduleRules.cpp - Which schedule a reduction gets -------===//
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

/// Vectors that a sum takes in f32, and in i32, which rounds nothing.
static constexpr int64_t kGroup = 32, kExactGroup = 256;

namespace {

/// What the rules know of a reduction.
struct Reduction {
  /// Vectors need a unit innermost stride of every one.
  OperandRange operands;
  /// The tensors of the data's shape, data first.
  SmallVector<Value, 2> tensors;
  Value mask, weights;
  ArrayRef<int64_t> kept;
  /// What sums have within a group.
  Type accumulate;
  /// The sums are around pivots that every block finds for itself.
  bool findsPivots;
  /// Sums of every vector.
  int64_t sums;
  /// Elements that are NaN are left out.
  bool omitsNan = false;

  /// Of the data, which is one tensor or two.
  ShapedType type() const { return cast<ShapedType>(tensors.front().getType()); }
  int64_t bytes() const { return bytesOf(tensors.front()); }
  /// What a row has of all tensors.
  int64_t rowBytes(const ScheduleForm &form) const {
    int64_t bytes = 0;
    for (Value tensor : tensors)
      bytes += form.row() * bytesOf(tensor);
    return bytes;
  }
  /// Whether sums are of integers, around nothing, so that they round nothing.
  bool isExact() const { return accumulate.isInteger(32); }
  int64_t group() const { return isExact() ? kExactGroup : kGroup; }
  /// The registers that hold what a vector is added to and, if there is one, its pivot.
  int64_t registersOfVector() const { return sums + (isExact() ? 0 : 1); }
  /// The vectors that are made of one of each tensor before sums take them. Code for conversions
  /// and masks goes before all else, so those of all rows side by side are there at once.
  int64_t vectorsMade() const {
    if (!isPlain() || omitsNan)
      return int64_t(tensors.size()) + (mask || omitsNan ? 1 : 0) + (weights ? 1 : 0);
    return llvm::count_if(tensors,
                          [&](Value tensor) { return getElementTypeOrSelf(tensor) != accumulate; });
  }
  /// Whether every element counts once.
  bool isPlain() const { return !mask && !weights; }
};

} // namespace

/// f32 holds every value of the narrow types.
static bool exceedsF32(Value value) {
  Type element = getElementTypeOrSelf(value);
  return element.getIntOrFloatBitWidth() > 32 || element.isInteger(32);
}

/// As many vectors with sums of their own hide the latency of additions.
static constexpr int64_t kUsualAbreast = 4;

/// How many vectors may go abreast, and how many do if nothing speaks for more.
struct Abreast {
  int64_t usual, most;
};

/// As many as have their sums and pivots in registers, with what is made of as many `rows`.
static Abreast limitAbreast(const Reduction &reduction, const TargetDescription &target,
                            int64_t rows) {
  // More vectors make a kernel longer; those of bytes are a quarter of a cache line each, and their
  // groups of lines are longer than the first level, so that what they skip is fetched twice.
  constexpr int64_t kMost = 6, kMostExact = 16, kWorking = 4;
  // Rows side by side hide as much, and with two tensors they are a long kernel.
  constexpr Abreast kOfTwoTensors = {2, 3};
  int64_t registers = reduction.registersOfVector() + rows * reduction.vectorsMade();
  int64_t most = std::clamp<int64_t>((target.vectorRegisters - kWorking) / registers, 1,
                                     reduction.isExact() ? kMostExact : kMost);
  if (rows > 0 && reduction.tensors.size() > 1)
    return {std::min(kOfTwoTensors.usual, most), std::min(kOfTwoTensors.most, most)};
  return {std::min(kUsualAbreast, most), most};
}

/// How many of the `vectors` of a row or a run go abreast (0 where that is not known):
/// enough to hide the latency of additions, and little beside whole steps: what is left over or,
/// where the last step overlaps the one before, what it gives once more.
static int64_t chooseAbreast(int64_t vectors, bool overlaps, Abreast limits) {
  auto [best, most] = limits;
  if (vectors > 0 && vectors <= best)
    return vectors;
  auto beside = [&](int64_t abreast) {
    return overlaps ? (abreast - vectors % abreast) % abreast : vectors % abreast;
  };
  for (int64_t other = best + 1; other <= most; ++other)
    if (beside(other) < beside(best))
      best = other;
  return best;
}

/// How far ahead memory is asked for, in elements: the processor itself looks no further
/// than the end of a page, and loses its way between the vectors of wide rows.
static int64_t choosePrefetch(const ScheduleForm &form, int64_t line, int64_t step, int64_t bytes) {
  // What is read in the meantime must leave room in the second-level cache.
  constexpr int64_t kMostBytes = 128 * 1024;
  if (!form.innermostKept() && line == 0)
    return kGroup * step;
  int64_t row = line ? line : form.row();
  int64_t rows = row > 0 ? std::min(kGroup, kMostBytes / (row * bytes)) : 0;
  // Where that is little of a group, the next step along the same rows comes sooner.
  return rows > kGroup / 4 ? rows * row : step;
}

/// The same for a block of kept indices, of which every row is a piece of memory by itself: as many
/// rows as hide the way to a last level that is far, and leave room for the blocks in the second;
/// or to memory, behind one that is near, and leave room in the first.
static int64_t choosePrefetchOfRows(int64_t row, int64_t rowBytes,
                                    const TargetDescription &target) {
  constexpr int64_t kAheadBytes = 32 * 1024, kNearBytes = 8 * 1024;
  const int64_t bytes = target.readsInOrder() ? kNearBytes : kAheadBytes;
  return std::max<int64_t>(bytes / rowBytes, 1) * row;
}

/// How many parts of a run of so many `vectors` are read side by side: where they are about a page,
/// a processor follows a stream of reads in each. Runs that are not longer than a group have none.
static int64_t chooseParts(int64_t vectors, int64_t vectorBytes, int64_t abreast, int64_t group) {
  constexpr int64_t kLeastBytes = 3072;
  if (vectors / abreast <= group)
    return 0;
  int64_t parts = abreast;
  while (parts > 1 && (abreast % parts != 0 || vectors / parts * vectorBytes < kLeastBytes))
    --parts;
  return parts > 1 ? parts : 0;
}

/// How many runs of kept indices go side by side for data in memory, a vector of each, as streams
/// of reads; 0 where one goes alone. Short runs of several samples are as many streams anyway.
static int64_t chooseStreams(const Reduction &reduction, const ScheduleForm &form, int64_t vectors,
                             const TargetDescription &target) {
  constexpr int64_t kMost = 8, kWorking = 4;
  bool hasNeighbours = StringRef(form.kinds).ends_with("KR");
  bool areShort = form.kinds.size() > 2 && vectors > 0 && vectors < kGroup;
  if (!hasNeighbours || areShort || !reduction.isPlain() || reduction.tensors.size() > 1 ||
      !isa<FloatType>(reduction.accumulate))
    return 0;
  int64_t most = std::min(
      {(target.vectorRegisters - kWorking) / (1 + reduction.sums), target.readStreams, kMost});
  return most > 1 ? int64_t(llvm::bit_floor(uint64_t(most))) : 0;
}

/// The line of a flat traversal, of whole rows and whole vectors; 0 where one is not worth having.
static int64_t chooseLine(const Reduction &reduction, const ScheduleForm &form, int64_t vector,
                          const TargetDescription &target, const ReductionUse &use) {
  if (vector == 1 || !reduction.isPlain() || !llvm::all_of(reduction.tensors, isContiguous) ||
      form.row() <= 0)
    return 0;
  // The totals of a line, 16 bytes an element, are touched once a group.
  auto liesNearL1 = [&](int64_t line) { return line * 16 <= 2 * target.l1Bytes; };
  int64_t step = kUsualAbreast * vector, period = std::lcm(form.row(), vector), line = period;
  while (line < step)
    line *= 2;
  // A processor follows one stream of reads in a page. The lines of a group are gone through side
  // by side, so where they are pages they give more from memory. Two tensors are enough streams,
  // and integers, which have long groups, would be too many.
  constexpr int64_t kLongBytes = 8192;
  bool oneStream = form.kinds == "R" || form.kinds == "RK";
  if (use.streaming && !target.readsInOrder() && oneStream && reduction.tensors.size() == 1 &&
      isa<FloatType>(reduction.accumulate) && line * reduction.bytes() < kLongBytes) {
    auto elements = int64_t(llvm::divideCeil(kLongBytes, reduction.bytes()));
    if (int64_t longer = llvm::alignTo(elements, period); liesNearL1(longer))
      return longer;
  }
  // Rows that are not whole vectors, and short runs. The last step along a row that is not whole
  // steps gives some of it once more.
  int64_t again = (step - form.row() % step) % step;
  bool ragged = form.kinds == "RK" &&
                (form.row() < step || (form.row() % vector != 0 && again * 16 > form.row()));
  bool shortRuns = form.kinds == "RKR" && form.extents.back() < 4 * vector;
  return (ragged || shortRuns) && liesNearL1(line) ? line : 0;
}

namespace {

/// The way that vectors take through the data.
struct Steps {
  Traversal traversal;
  int64_t vector, line;
  /// Those of a row, a line or a run; 0 where that is not known.
  int64_t vectors;
  /// Whether the data is a block of kept indices by runs, whose samples lie apart.
  bool isBlock;

  bool byRuns() const { return traversal == Traversal::Runs && line == 0; }
};

/// What of the data is read at a time, and asked for in advance.
struct Reads {
  int64_t abreast = 1, prefetch = 0, parts = 0, streams = 0, group = 0;
};

} // namespace

static Steps chooseSteps(const Reduction &reduction, const ScheduleForm &form,
                         const TargetDescription &target, const ReductionUse &use) {
  Steps steps;
  steps.vector = target.vectorBits / reduction.accumulate.getIntOrFloatBitWidth();
  if (reduction.type().getRank() == 0 || !llvm::all_of(reduction.operands, hasUnitInnerStride) ||
      !allowsVectors(reduction.mask) || !allowsVectors(reduction.weights))
    steps.vector = 1;
  int64_t innermost = form.extents.empty() ? 1 : form.extents.back();
  steps.traversal = form.innermostKept() ? Traversal::Rows : Traversal::Runs;
  steps.line = chooseLine(reduction, form, steps.vector, target, use);
  if (steps.line > 0) {
    steps.traversal = Traversal::Flat;
    innermost = steps.line;
  }
  steps.vectors = ShapedType::isDynamic(innermost) ? 0 : innermost / steps.vector;
  steps.isBlock = steps.traversal == Traversal::Runs && form.kinds.starts_with("R") &&
                  form.row() > 0 && haveDenseRows(reduction.tensors) &&
                  !llvm::all_of(reduction.tensors, isContiguous);
  // Its runs are gone through as they are in memory. They begin and end within vectors, so that one
  // has fewer to itself.
  if (steps.isBlock && steps.vector > 1 && reduction.isPlain() && steps.vectors < kGroup) {
    steps.line = rowOfRuns(form, steps.vector);
    if (steps.line > 0)
      steps.vectors = std::max<int64_t>((innermost - steps.vector + 1) / steps.vector, 1);
  }
  return steps;
}

namespace {

/// Samples whose runs go side by side, and the vectors that go abreast.
struct Samples {
  int64_t streams, abreast;
};

} // namespace

/// As many as have a whole cache line each, and an address in registers for every tensor, if runs
/// are longer than a group: of short ones several are added up at a time. From memory two tensors
/// are enough for a processor that reads in order, unless elements are narrow.
static std::optional<Samples> chooseSamples(const Reduction &reduction, int64_t innermost,
                                            const Steps &steps, const TargetDescription &target,
                                            const ReductionUse &use) {
  if (target.readsInOrder() && use.ahead && reduction.tensors.size() > 1 && reduction.bytes() >= 4)
    return std::nullopt;
  constexpr int64_t kLineBytes = 64;
  int64_t ofLine = llvm::divideCeil(kLineBytes, steps.vector * reduction.bytes());
  int64_t streams =
      std::min<int64_t>(4 / int64_t(reduction.tensors.size()), kUsualAbreast / ofLine);
  if (streams < 2 || !reduction.isPlain() || !isa<FloatType>(reduction.accumulate) ||
      steps.vectors < kGroup || innermost % (ofLine * steps.vector) != 0)
    return std::nullopt;
  return Samples{streams, streams * ofLine};
}

/// Whether several vectors that go abreast would be of several samples, as those of short runs are.
static bool areFarApart(const ScheduleForm &form, const Steps &steps) {
  return steps.byRuns() && form.kinds.size() > 2 && steps.vectors < kGroup;
}

/// Samples of short runs that go side by side like rows, where a group has room for as many. Those
/// of narrow elements take longer to add than to read: several vectors go abreast, of twice as many
/// samples, unless runs are so many cache lines that the processor follows them. Others go one
/// vector after the other. Streams of a block are whole steps of its runs.
static std::optional<Samples> chooseShortSamples(const Reduction &reduction, int64_t innermost,
                                                 const Steps &steps, int64_t abreast) {
  constexpr int64_t kUsual = 4, kMost = 8, kFollowedBytes = 256;
  const bool isNarrow = reduction.bytes() < 4;
  if (steps.isBlock || !reduction.isPlain() || (isNarrow && reduction.tensors.size() > 1))
    return std::nullopt;
  const int64_t step = isNarrow ? abreast : 1, whole = innermost / steps.vector;
  const int64_t vectorsOfSum = whole / step + whole % step + (innermost % steps.vector != 0);
  const bool areMany = isNarrow && innermost * reduction.bytes() < kFollowedBytes;
  for (int64_t streams = areMany ? kMost : kUsual; streams >= kUsual; streams /= 2)
    if (streams * vectorsOfSum <= reduction.group())
      return Samples{streams, step};
  return std::nullopt;
}

/// How many rows or lines go side by side, each with loads of its own, where what lies together is
/// best read in order: such a processor looks ahead of every load by itself, and one that goes from
/// row to row hides the way along them. In the caches, what is one step has its sums in registers
/// from row to row, and narrow elements take longer to add than to read: one alone is as good.
static int64_t chooseRowsAbreast(const Reduction &reduction, const ScheduleForm &form,
                                 const Steps &steps, const TargetDescription &target,
                                 const ReductionUse &use) {
  constexpr int64_t kUsual = 4, kMost = 8;
  const bool alongRows = steps.traversal == Traversal::Flat ||
                         (steps.traversal == Traversal::Rows &&
                          StringRef(form.kinds).ends_with("RK") && form.row() > 0);
  if (!target.readsInOrder() || !alongRows || reduction.isExact())
    return 0;
  const bool isNarrow = reduction.bytes() < 4;
  const bool isOneStep =
      steps.vectors > 0 && steps.vectors <= limitAbreast(reduction, target, /*rows=*/0).most;
  if (!use.streaming && (isNarrow || isOneStep))
    return 0;
  // Two tensors are twice as many, and what is made of eight rows would fill the registers.
  const bool isSimple = reduction.tensors.size() == 1 && reduction.vectorsMade() == 0;
  return use.streaming && isSimple ? kMost : kUsual;
}

static Reads chooseReads(const Reduction &reduction, const ScheduleForm &form, const Steps &steps,
                         const TargetDescription &target, const ReductionUse &use) {
  Reads reads{.group = reduction.group()};
  if (steps.vector == 1)
    return reads;
  const int64_t innermost = form.extents.back(), bytes = reduction.bytes();
  if (use.streaming && steps.byRuns() && !steps.isBlock)
    reads.streams = chooseStreams(reduction, form, steps.vectors, target);
  if (reads.streams > 0) {
    constexpr int64_t kFurther = 1024;
    reads.abreast = 1;
    reads.prefetch = use.ahead ? kFurther : 0;
    return reads;
  }
  // A processor that reads in order looks ahead itself, but less far where there are many
  // instructions for a byte.
  const bool inOrder = target.readsInOrder(), mustAsk = inOrder && use.ahead && bytes < 4;
  constexpr int64_t kAheadOfSample = 2048, kAheadOfNarrow = 8192, kAheadOfPiece = 512;
  if (steps.isBlock && steps.byRuns())
    if (std::optional<Samples> samples = chooseSamples(reduction, innermost, steps, target, use)) {
      reads.streams = samples->streams;
      reads.abreast = samples->abreast;
      reads.prefetch = inOrder && use.ahead ? kAheadOfSample / bytes : 0;
      return reads;
    }
  bool isRagged = steps.traversal == Traversal::Rows && innermost % steps.vector != 0;
  const int64_t rows = chooseRowsAbreast(reduction, form, steps, target, use);
  reads.abreast = chooseAbreast(steps.vectors, isRagged, limitAbreast(reduction, target, rows));
  if (rows > 0) {
    reads.streams = reads.group = rows;
    // The rows hide the latency of additions, and what is near is not waited for: short code. Wide
    // rows gain from a second vector.
    if (!use.streaming)
      reads.abreast = std::min<int64_t>(reads.abreast, steps.traversal == Traversal::Rows ? 2 : 1);
    reads.prefetch = mustAsk ? kAheadOfSample / bytes : 0;
    return reads;
  }
  if (inOrder && use.ahead && areFarApart(form, steps)) {
    if (std::optional<Samples> samples =
            chooseShortSamples(reduction, innermost, steps, reads.abreast)) {
      reads.streams = samples->streams;
      reads.abreast = samples->abreast;
      reads.prefetch = kAheadOfSample / bytes;
      return reads;
    }
    if (!reduction.isExact())
      reads.abreast = 1;
  }
  if (steps.byRuns() && !inOrder)
    reads.parts =
        chooseParts(steps.vectors, steps.vector * bytes, reads.abreast, reduction.group());
  // Along pieces of wide rows and long runs of two tensors, such a processor itself looks ahead.
  const bool isPiece = steps.traversal == Traversal::Rows && reads.abreast < steps.vectors;
  const bool isLongRun = steps.isBlock && steps.byRuns() && steps.vectors >= kGroup;
  if (inOrder && (isPiece || (isLongRun && reduction.tensors.size() > 1 && bytes >= 4))) {
    reads.prefetch = mustAsk ? kAheadOfPiece / bytes : 0;
    return reads;
  }
  if (use.ahead && steps.isBlock)
    reads.prefetch = choosePrefetchOfRows(form.row(), reduction.rowBytes(form), target);
  else if (mustAsk)
    reads.prefetch = kAheadOfNarrow / bytes;
  else if (use.ahead)
    reads.prefetch = choosePrefetch(form, steps.traversal == Traversal::Flat ? steps.line : 0,
                                    reads.abreast * steps.vector, bytes);
  return reads;
}

static ScheduleAttr chooseReduction(const Reduction &reduction, const TargetDescription &target,
                                    const ReductionUse &use) {
  ScheduleForm form(reduction.type(), reduction.kept);
  Steps steps = chooseSteps(reduction, form, target, use);
  Reads reads = chooseReads(reduction, form, steps, target, use);

  // What a block costs by itself, its call, pivots, and the totals of a line, is little beside its
  // sums, and so is what it costs for each of its kept indices. Rows have many of these. Where
  // there is none of it, small blocks keep more threads at work, and leave short runs in a cache.
  const bool hasSamples = reads.streams > 0 && areFarApart(form, steps);
  bool costs = reduction.findsPivots || steps.traversal == Traversal::Flat ||
               (hasSamples && reduction.isExact());
  constexpr int64_t kKiB = 1024;
  int64_t blockBytes = (costs ? 2048 : steps.traversal == Traversal::Rows ? 1024 : 256) * kKiB;
  int64_t ofKept = costs ? 1024 : 256;
  int64_t each = std::max<int64_t>(form.elementsPerKeptOfRow(), 1);
  int64_t atLeast = llvm::divideCeil(ofKept, each);
  int64_t block = blockOf(form.row(), reduction.rowBytes(form), steps.vector, blockBytes, atLeast);
  // No sample is left over but in the last block.
  if (hasSamples)
    block = llvm::alignTo(block, reads.streams);
  return ScheduleAttr::get(reduction.type().getContext(), steps.traversal, steps.vector,
                           reads.abreast, reads.group, steps.line, reduction.accumulate, block,
                           /*nontemporal=*/false, reads.prefetch, reads.parts, reads.streams,
                           /*interleave=*/false);
}

/// f32, or f64 where the sums need it even within a group.
static Type floatSums(MLIRContext *context, bool wide) {
  return wide ? Type(Float64Type::get(context)) : Type(Float32Type::get(context));
}

ScheduleAttr norma::chooseSchedule(MomentsOp op, const TargetDescription &target,
                                   const ReductionUse &use) {
  MLIRContext *context = op->getContext();
  // Weights need f64 to be counted exactly.
  Type accumulate = floatSums(context, exceedsF32(op.getData()) || op.getWeights());
  bool exact = getElementTypeOrSelf(op.getData()).isInteger(8) && !op.getWeights();
  if (exact)
    accumulate = IntegerType::get(context, 32);
  return chooseReduction({.operands = op->getOperands(),
                          .tensors = {op.getData()},
                          .mask = op.getMask(),
                          .weights = op.getWeights(),
                          .kept = op.getKept(),
                          .accumulate = accumulate,
                          .findsPivots = !exact,
                          .sums = op.getMask() || op.getWeights() ? 3 : 2,
                          .omitsNan = op.getNan() == NanHandling::Omit && !exact},
                         target, use);
}

ScheduleAttr norma::chooseSchedule(GradSumsOp op, const TargetDescription &target,
                                   const ReductionUse &use) {
  return chooseReduction({.operands = op->getOperands(),
                          .tensors = {op.getData(), op.getDy()},
                          .mask = op.getMask(),
                          .weights = op.getWeights(),
                          .kept = op.getKept(),
                          .accumulate = floatSums(op->getContext(), exceedsF32(op.getData()) ||
                                                                        exceedsF32(op.getDy())),
                          .findsPivots = false,
                          .sums = 2},
                         target, use);
}
