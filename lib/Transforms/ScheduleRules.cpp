//===- ScheduleRules.cpp - Which schedule a kernel gets -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Transforms/ScheduleRules.h"

#include "norma/Dialect/ShapeRules.h"

#include "mlir/IR/TypeUtilities.h"

#include <numeric>

using namespace mlir;
using namespace norma;

//===----------------------------------------------------------------------===//
// Facts about an op
//===----------------------------------------------------------------------===//

namespace {

/// The shape of the work, as the rules look at it.
struct Form {
  std::string kinds;
  ArrayRef<int64_t> extents;

  Form(ShapedType data, ArrayRef<int64_t> kept) : extents(data.getShape()) {
    for (int64_t axis = 0; axis < data.getRank(); ++axis)
      kinds.push_back(llvm::is_contained(kept, axis) ? 'K' : 'R');
  }

  bool innermostKept() const { return !kinds.empty() && kinds.back() == 'K'; }

  /// Elements of one index of the outermost axis; 0 when that is not known.
  int64_t row() const { return innerElements("KR"); }

  /// Of those, the elements of one kept index: all reduced extents but the
  /// outermost. 0 when that is not known.
  int64_t elementsPerKeptOfRow() const { return innerElements("R"); }

private:
  /// The product of the extents of these kinds, but for the outermost. What is not static
  /// is not known, nor what no memory holds: the rules may multiply by small numbers.
  int64_t innerElements(StringRef ofKinds) const {
    constexpr int64_t kMost = int64_t(1) << 48;
    int64_t product = 1;
    for (size_t axis = 1; axis < extents.size(); ++axis)
      if (ofKinds.contains(kinds[axis]) &&
          (ShapedType::isDynamic(extents[axis]) ||
           llvm::MulOverflow(product, extents[axis], product) || product > kMost))
        return 0;
    return product;
  }
};

} // namespace

/// Neighbouring elements of the innermost axis are neighbours in memory.
static bool hasUnitInnerStride(Value value) {
  auto type = dyn_cast<MemRefType>(value.getType());
  return !type || type.getRank() == 0 || type.isLastDimUnitStride();
}

static bool isContiguous(Value value) {
  auto type = dyn_cast<MemRefType>(value.getType());
  return !type || type.getLayout().isIdentity();
}

/// Rows or runs that lie apart are whole vectors and, as far as is known, begin where a vector
/// does if the first of them does.
static bool beginAtVectors(Value value, int64_t vector) {
  auto type = dyn_cast<MemRefType>(value.getType());
  if (!type || type.getRank() == 0 || !type.isLastDimUnitStride())
    return false;
  SmallVector<int64_t> strides = type.getStridesAndOffset().first;
  strides.back() = type.getShape().back();
  if (ShapedType::isDynamic(strides.back()))
    return false;
  return llvm::all_of(strides, [&](int64_t stride) {
    return ShapedType::isDynamic(stride) || stride % vector == 0;
  });
}

/// Whether all are known to have dense rows.
static bool haveDenseRows(ArrayRef<Value> tensors) {
  return llvm::all_of(tensors, [](Value tensor) {
    auto type = dyn_cast<MemRefType>(tensor.getType());
    return type && hasDenseRows(type);
  });
}

/// Dense rows are whole vectors and, as far as is known, begin where a vector does if the first
/// of them does.
static bool denseRowsBeginAtVectors(Value value, int64_t row, int64_t vector) {
  const int64_t stride = cast<MemRefType>(value.getType()).getStridesAndOffset().first.front();
  return row % vector == 0 && (ShapedType::isDynamic(stride) || stride % vector == 0);
}

/// The elements of a row of RKR that is whole vectors, though its runs, which are longer than one,
/// are not; else 0.
static int64_t rowOfRuns(const Form &form, int64_t vector) {
  const bool fits = form.kinds == "RKR" && form.row() > 0 && form.row() % vector == 0 &&
                    form.extents.back() > vector && form.extents.back() % vector != 0;
  return fits ? form.row() : 0;
}

/// Vectors of i1 are packed in memory, scalars are not.
static bool isBit(Value value) { return getElementTypeOrSelf(value).isInteger(1); }

static int64_t bytesOf(Value value) {
  return (getElementTypeOrSelf(value).getIntOrFloatBitWidth() + 7) / 8;
}

/// Outermost extents that make about `bytes`. Blocks of any element type start
/// vector-aligned when the whole does: non-temporal stores rely on it.
static int64_t blockOf(int64_t row, int64_t rowBytes, int64_t vector, int64_t bytes,
                       int64_t atLeast) {
  if (rowBytes == 0)
    return 0;
  int64_t block = std::max(bytes / rowBytes, atLeast);
  int64_t multiple = block < 64 ? std::max<int64_t>(vector / std::gcd(row, vector), 1) : 64;
  return (block + multiple - 1) / multiple * multiple;
}

/// Mask or weights allow vectors of elements.
static bool allowsVectors(Value repeating) { return !repeating || !isBit(repeating); }

//===----------------------------------------------------------------------===//
// Maps
//===----------------------------------------------------------------------===//

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

} // namespace

namespace {

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
static std::optional<Lines> chooseLinesOfRows(const Form &form, int64_t vector, int64_t unroll,
                                              int64_t elementBytes,
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

/// Lines, where they are better than rows or runs.
static std::optional<Lines> chooseLines(const Map &map, const Form &form, int64_t vector,
                                        int64_t unroll, const TargetDescription &target,
                                        bool contiguous, bool streaming) {
  bool flattens =
      (form.kinds == "R" || form.kinds == "RK" || form.kinds == "RKR") && !map.mask && !map.weights;
  if (!flattens || form.row() == 0)
    return std::nullopt;
  int64_t computeBytes = map.compute.getIntOrFloatBitWidth() / 8;
  int64_t elementBytes = computeBytes * std::max<int64_t>(map.coefficients, 1);
  if (!contiguous)
    return chooseLinesOfRows(form, vector, unroll, elementBytes, target);
  // The period of the coefficients in whole vectors, long enough to unroll.
  int64_t period = std::lcm(form.kinds == "R" ? 1 : form.row(), vector);
  while (period / vector < unroll)
    period *= 2;
  int64_t vectors = period / vector;
  int64_t lineBytes = period * elementBytes;
  // Rows of many whole vectors are lines as they are. So are others, if they may begin anywhere: to
  // write out their coefficients for a period would cost more than what is left over of each.
  if (form.kinds == "RK" &&
      (period == form.row() ? vectors > 8 : !streaming && form.row() >= kManyVectors * vector))
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
  if (streaming && form.kinds == "RKR" && form.extents.back() % vector != 0 &&
      lineBytes <= target.l2Bytes / 2)
    return Lines{period, 2, 4};
  return std::nullopt;
}

/// What one thread takes of a map at least: beside it, to call the kernel costs little.
static constexpr int64_t kMapBlockBytes = 64 * 1024;

static ScheduleAttr chooseMap(const Map &map, const TargetDescription &target, bool streaming,
                              bool interleave) {
  auto data = cast<ShapedType>(map.tensors.front().getType());
  Form form(data, map.kept);
  bool contiguous = llvm::all_of(map.tensors, isContiguous);
  int64_t computeBytes = map.compute.getIntOrFloatBitWidth() / 8;
  int64_t outBytes = bytesOf(map.tensors.back());
  int64_t vector = target.vectorBits / 8 / computeBytes;
  // Past the caches goes what fills a register in memory, too: parts of a cache line wait for
  // each other. So does bf16, of which two vectors are rounded by one instruction. Beside a
  // reduction vectors are those of its sums.
  int64_t widest = interleave ? vector : vector * std::max<int64_t>(computeBytes / outBytes, 1);
  // A block of kept indices of larger tensors, beside which the next one lies.
  bool isBlock = !contiguous && haveDenseRows(map.tensors);
  bool streams =
      streaming && (contiguous || beginAtVectors(map.tensors.back(), widest) ||
                    (isBlock && denseRowsBeginAtVectors(map.tensors.back(), form.row(), widest)));
  if (streams || (contiguous && getElementTypeOrSelf(map.tensors.back()).isBF16()))
    vector = widest;
  if (data.getRank() == 0 || !llvm::all_of(map.operands, hasUnitInnerStride) ||
      !allowsVectors(map.mask) || !allowsVectors(map.weights))
    vector = 1;

  Traversal traversal = form.innermostKept() ? Traversal::Rows : Traversal::Runs;
  int64_t registers = std::max<int64_t>(vector * computeBytes * 8 / target.vectorBits, 1);
  int64_t unroll = vector == 1 ? 1 : kMapRegisters / registers, abreast = 1, line = 0;
  // Beside a reduction by runs, runs that are not whole vectors go as these do.
  if (interleave && isBlock && vector > 1 && !map.mask && !map.weights)
    line = rowOfRuns(form, vector);
  if (line == 0 && vector > 1 && (contiguous || isBlock))
    if (std::optional<Lines> lines =
            chooseLines(map, form, vector, unroll, target, contiguous, streaming)) {
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
  bool nontemporal = streams && vector > 1 && vector * outBytes >= 16 && aligned;

  int64_t rowBytes = 0;
  for (Value tensor : map.tensors)
    rowBytes += form.row() * bytesOf(tensor);
  // What a line is written out for is its use, line after line; the more so in the second level.
  int64_t lines = abreast > 1 ? 16 : 4;
  int64_t atLeast = form.row() == 0 || line == 0 ? 1
                    : contiguous                 ? std::max<int64_t>(lines * line / form.row(), 1)
                                                 : lines;
  // Rows and runs that are not whole vectors begin anywhere; only what goes past the caches
  // minds where blocks do.
  const bool startsAnywhere = traversal != Traversal::Flat && !nontemporal;
  // While writes past the caches wait for memory, reads of it cost nothing. What is asked for
  // must find room beside this block.
  const bool asks = nontemporal && isBlock && rowBytes <= target.l2Bytes / 2;
  const int64_t prefetch = asks ? form.row() : 0;
  return ScheduleAttr::get(
      data.getContext(), traversal, vector, unroll,
      /*group=*/abreast > 1 ? abreast : 0, line, Type(),
      blockOf(form.row(), rowBytes, startsAnywhere ? 1 : vector, kMapBlockBytes, atLeast),
      nontemporal, prefetch, /*interleave=*/false);
}

ScheduleAttr norma::chooseSchedule(AffineOp op, const TargetDescription &target, bool streaming,
                                   bool interleave) {
  return chooseMap({.operands = op->getOperands(),
                    .tensors = {op.getData(), op.getOut()},
                    .mask = {},
                    .weights = {},
                    .kept = op.getKept(),
                    .compute = op.getComputeType(),
                    .coefficients = int64_t(op.getCoefficients().size()),
                    .inRegisters = 8},
                   target, streaming, interleave);
}

ScheduleAttr norma::chooseSchedule(GradMapOp op, const TargetDescription &target, bool streaming,
                                   bool interleave) {
  // Four coefficients of a vector, and four registers to work with.
  return chooseMap({.operands = op->getOperands(),
                    .tensors = {op.getData(), op.getDy(), op.getOut()},
                    .mask = op.getMask(),
                    .weights = op.getWeights(),
                    .kept = op.getKept(),
                    .compute = op.getComputeType(),
                    .coefficients = 4,
                    .inRegisters = (target.vectorRegisters - 4) / 4},
                   target, streaming, interleave);
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

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
};

} // namespace

/// f32 holds every value of the narrow types.
static bool exceedsF32(Value value) {
  Type element = getElementTypeOrSelf(value);
  return element.getIntOrFloatBitWidth() > 32 || element.isInteger(32);
}

/// As many vectors with sums of their own hide the latency of additions.
static constexpr int64_t kUsualAbreast = 4;

/// How many of the `vectors` of a row or a run go abreast (0 where that is not known):
/// enough to hide the latency of additions, as many as have their sums and pivots in
/// registers, and little beside whole steps: what is left over or, where the last step overlaps
/// the one before, what it gives once more.
static int64_t chooseAbreast(int64_t vectors, bool overlaps, int64_t sums,
                             const TargetDescription &target) {
  constexpr int64_t kMost = 6, kWorking = 4;
  int64_t most = std::clamp<int64_t>((target.vectorRegisters - kWorking) / (sums + 1), 1, kMost);
  int64_t best = std::min(kUsualAbreast, most);
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

/// Vectors that a sum takes in f32, and in i32, which rounds nothing.
static constexpr int64_t kGroup = 32, kExactGroup = 256;

/// How far ahead memory is asked for, in elements: the processor itself looks no further
/// than the end of a page, and loses its way between the vectors of wide rows.
static int64_t choosePrefetch(const Form &form, int64_t line, int64_t step, int64_t bytes) {
  // What is read in the meantime must leave room in the second-level cache.
  constexpr int64_t kMostBytes = 128 * 1024;
  if (!form.innermostKept() && line == 0)
    return kGroup * step;
  int64_t row = line ? line : form.row();
  int64_t rows = row > 0 ? std::min(kGroup, kMostBytes / (row * bytes)) : 0;
  return rows > 0 ? rows * row : step;
}

static ScheduleAttr chooseReduction(const Reduction &reduction, const TargetDescription &target,
                                    bool streaming) {
  auto data = cast<ShapedType>(reduction.tensors.front().getType());
  MLIRContext *context = data.getContext();
  Form form(data, reduction.kept);
  int64_t vector = target.vectorBits / reduction.accumulate.getIntOrFloatBitWidth();
  bool plain = !reduction.mask && !reduction.weights;
  if (data.getRank() == 0 || !llvm::all_of(reduction.operands, hasUnitInnerStride) ||
      !allowsVectors(reduction.mask) || !allowsVectors(reduction.weights))
    vector = 1;

  Traversal traversal = form.innermostKept() ? Traversal::Rows : Traversal::Runs;
  int64_t line = 0, innermost = form.extents.empty() ? 1 : form.extents.back();
  if (vector > 1 && plain && llvm::all_of(reduction.tensors, isContiguous) && form.row() > 0) {
    // Rows that are not whole vectors, and short runs, go by lines, as long as the
    // totals of a line (16 bytes an element, touched once a group) fit near L1.
    int64_t period = std::lcm(form.row(), vector);
    // The last step along a row that is not whole steps gives some of it once more.
    int64_t step = kUsualAbreast * vector, again = (step - form.row() % step) % step;
    bool ragged = form.kinds == "RK" &&
                  (form.row() < step || (form.row() % vector != 0 && again * 16 > form.row()));
    while (period < kUsualAbreast * vector)
      period *= 2;
    bool shortRuns = form.kinds == "RKR" && form.extents.back() < 4 * vector;
    if ((ragged || shortRuns) && period * 16 <= 2 * target.l1Bytes) {
      traversal = Traversal::Flat;
      line = innermost = period;
    }
  }
  int64_t vectors = ShapedType::isDynamic(innermost) ? 0 : innermost / vector;
  // Runs of a block of kept indices are gone through as they are in memory. They begin and end
  // within vectors, so that one has fewer to itself.
  if (traversal == Traversal::Runs && vector > 1 && plain && haveDenseRows(reduction.tensors) &&
      !llvm::all_of(reduction.tensors, isContiguous) && vectors < kGroup) {
    line = rowOfRuns(form, vector);
    if (line > 0)
      vectors = std::max<int64_t>((innermost - vector + 1) / vector, 1);
  }

  // A block sees at least 256 elements of each of its kept indices, so that pivots
  // and merges cost little beside the sums.
  int64_t rowBytes = 0;
  for (Value tensor : reduction.tensors)
    rowBytes += form.row() * bytesOf(tensor);
  int64_t each = std::max<int64_t>(form.elementsPerKeptOfRow(), 1);
  int64_t atLeast = (256 + each - 1) / each;
  // What a block costs by itself, pivots and the totals of a line, is little beside its
  // sums. Where there is neither, small blocks keep more threads at work.
  int64_t blockBytes =
      reduction.findsPivots || traversal == Traversal::Flat ? 1024 * 1024 : 256 * 1024;
  int64_t abreast =
      vector == 1 ? 1
                  : chooseAbreast(vectors, traversal == Traversal::Rows && innermost % vector != 0,
                                  reduction.sums, target);
  int64_t prefetch = streaming && vector > 1
                         ? choosePrefetch(form, traversal == Traversal::Flat ? line : 0,
                                          abreast * vector, bytesOf(reduction.tensors.front()))
                         : 0;
  return ScheduleAttr::get(context, traversal, vector, abreast,
                           reduction.accumulate.isInteger(32) ? kExactGroup : kGroup, line,
                           reduction.accumulate,
                           blockOf(form.row(), rowBytes, vector, blockBytes, atLeast),
                           /*nontemporal=*/false, prefetch, /*interleave=*/false);
}

/// f32, or f64 where the sums need it even within a group.
static Type floatSums(MLIRContext *context, bool wide) {
  return wide ? Type(Float64Type::get(context)) : Type(Float32Type::get(context));
}

ScheduleAttr norma::chooseSchedule(MomentsOp op, const TargetDescription &target, bool streaming) {
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
                          .sums = op.getMask() || op.getWeights() ? 3 : 2},
                         target, streaming);
}

ScheduleAttr norma::chooseSchedule(GradSumsOp op, const TargetDescription &target, bool streaming) {
  return chooseReduction({.operands = op->getOperands(),
                          .tensors = {op.getData(), op.getDy()},
                          .mask = op.getMask(),
                          .weights = op.getWeights(),
                          .kept = op.getKept(),
                          .accumulate = floatSums(op->getContext(), exceedsF32(op.getData()) ||
                                                                        exceedsF32(op.getDy())),
                          .findsPivots = false,
                          .sums = 2},
                         target, streaming);
}
