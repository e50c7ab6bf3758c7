//===- MapLoops.cpp - The traversals of map kernels -----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MapLoops.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace norma;

void MapLoops::emit() {
  isBackwards = chooseDirection();
  switch (schedule.getTraversal()) {
  case Traversal::Flat:
    emitFlat();
    break;
  case Traversal::Rows:
  case Traversal::Runs:
    emitRows();
    break;
  }
  emitFence();
}

//===----------------------------------------------------------------------===//
// The order of reads and stores
//===----------------------------------------------------------------------===//

// To see whether a read is of what an earlier store writes, a processor compares the lower bits of
// the two addresses: 12 on x86-64. Where these are the same by chance, the read waits until the
// store is done, and a map from the second level takes up to six times as long. So several vectors
// are read before the first of them is stored; where the result lies a little behind the data in
// these bits, what is read next must not, and the map goes backwards; and since a store with a mask
// counts as whole, rows and runs end with a vector that overlaps the one before.

/// As many vectors are read first.
static constexpr size_t kReadsFirst = 4;
/// What differs in more than the lower bits.
static constexpr int64_t kAliasBytes = 4096;
/// A store that is so far behind is done.
static constexpr int64_t kNearBytes = 1024;

static unsigned bytesOfElement(Value memref) {
  return getElementTypeOrSelf(memref).getIntOrFloatBitWidth() / 8;
}

/// Whether to go backwards, as an i1; null where it does not matter.
Value MapLoops::chooseDirection() {
  // Stores past the caches wait for memory.
  if (schedule.getNontemporal() || e.width == 1)
    return {};
  auto address = [&](Value memref) -> Value {
    return memref::ExtractAlignedPointerAsIndexOp::create(e, memref);
  };
  // 0 is in place, or as good as that.
  auto isNear = [&](Value bytes) -> Value {
    return arith::CmpIOp::create(e, arith::CmpIPredicate::ult, e.sub(bytes, e.index(1)),
                                 e.index(kNearBytes));
  };
  Value to = address(out), behind, before;
  for (Value input : inputs) {
    // Others come no closer for long.
    if (bytesOfElement(input) != bytesOfElement(out))
      continue;
    Value from = address(input);
    auto distance = [&](Value a, Value b) {
      return arith::AndIOp::create(e, e.sub(a, b), e.index(kAliasBytes - 1));
    };
    Value next = isNear(distance(to, from)), last = isNear(distance(from, to));
    behind = behind ? e.either(behind, next) : next;
    before = before ? e.either(before, last) : last;
  }
  // With two inputs each direction may be wrong for one.
  return inputs.size() == 1 || !behind ? behind : e.both(behind, e.negate(before));
}

/// Non-temporal stores are not ordered with those that tell other threads that the output is
/// there.
void MapLoops::emitFence() {
  if (schedule.getNontemporal())
    LLVM::FenceOp::create(e, LLVM::AtomicOrdering::seq_cst, StringRef());
}

//===----------------------------------------------------------------------===//
// Elements and coefficients
//===----------------------------------------------------------------------===//

void MapLoops::storeElements(ValueRange from, Value to, size_t count,
                             function_ref<Place(size_t)> placeOf, Value tail) {
  for (size_t first = 0, together; first < count; first += together) {
    // The last two may overlap, and the data may be mapped in place.
    const size_t left = count - first;
    together = left == kReadsFirst + 1 ? left : std::min(left, kReadsFirst);
    SmallVector<std::pair<Values, Value>> results;
    for (size_t i = first; i < first + together; ++i) {
      auto [indices, c] = placeOf(i);
      if (!tail)
        prefetch(from, indices);
      results.emplace_back(indices, element(from, indices, c, tail));
    }
    for (auto &[indices, result] : results)
      e.store(result, to, indices, tail, schedule.getNontemporal() && !tail);
  }
}

/// Asks for what follows what is at `indices` or, in a block of kept indices, what the next block
/// has there, whose turn comes when this one is done.
void MapLoops::prefetch(ValueRange from, ValueRange indices) {
  const int64_t ahead = schedule.getPrefetch();
  if (ahead == 0 || indices.empty())
    return;
  Values next(indices);
  next.back() = e.add(next.back(), e.index(ahead));
  const bool isBlock = !cast<MemRefType>(inputs.front().getType()).getLayout().isIdentity();
  const int64_t abreast = std::max(schedule.getGroup(), schedule.getStreams());
  const bool soon = !isBlock && LoopEmitter::isSoon(from, ahead, abreast);
  for (Value input : from)
    e.prefetch(input, next, soon);
}

Values MapLoops::eachCoefficient(ArrayRef<Value> from, function_ref<Value(Value)> make) {
  Values result;
  for (Value coefficient : from)
    result.push_back(coefficient ? make(coefficient) : Value());
  return result;
}

Values MapLoops::loadVectors(ArrayRef<Value> from, ValueRange indices, Value tail) {
  return eachCoefficient(
      from, [&](Value memref) { return e.load(memref, indices, compute, false, tail); });
}

/// For a run: in every lane those of its kept index.
Values MapLoops::broadcastCoefficients(ValueRange indices) {
  return eachCoefficient(coefficients, [&](Value memref) {
    return e.loadBroadcast(memref, keptOf(indices), compute);
  });
}

Values MapLoops::keptOf(ValueRange indices) {
  Values result;
  for (int64_t axis : kept)
    result.push_back(indices[axis]);
  return result;
}

//===----------------------------------------------------------------------===//
// Traversals
//===----------------------------------------------------------------------===//

/// As many as fill a register in the compute type, where vectors of the schedule fill one with
/// results: those that go past the caches, and bf16.
int64_t MapLoops::lanesOfArithmetic() const {
  const int64_t bytes = bytesOfElement(out), computed = compute.getIntOrFloatBitWidth() / 8;
  if (bytes >= computed || !(schedule.getNontemporal() || getElementTypeOrSelf(out).isBF16()))
    return e.width;
  return std::max<int64_t>(e.width * bytes / computed, 1);
}

/// Whatever the rows are, the flat array is a sequence of lines over which the
/// coefficients repeat: they are written out for one line, once. Lines that are parts of rows
/// go as those of rows that lie apart.
void MapLoops::emitFlat() {
  auto isApart = [](Value value) {
    return !cast<MemRefType>(value.getType()).getLayout().isIdentity();
  };
  if (schedule.getLine() < rowElements() || llvm::any_of(inputs, isApart) || isApart(out))
    return emitFlatRows();
  Values from;
  for (Value input : inputs)
    from.push_back(e.flatten(input));
  Value to = e.flatten(out);
  int64_t line = schedule.getLine(), vectors = line / e.width;
  Values lines = expandCoefficients();

  Value total = e.extent(from.front(), 0);
  // Lines that end where rows do leave nothing.
  const bool endWithRows = dataType.getRank() > 1 && rowElements() % line == 0;
  Value whole = endWithRows ? total : e.roundDown(total, line), together = whole;
  if (vectors <= schedule.getUnroll()) {
    // The line is short: its coefficients stay in registers.
    SmallVector<Values> registers;
    for (int64_t v = 0; v < vectors; ++v)
      registers.push_back(loadVectors(lines, e.index(v * e.width), {}));
    e.inDirection(isBackwards, [&] {
      e.forEach(e.index(0), whole, line, [&](Value base) {
        auto placeOf = [&](size_t v) {
          return Place{{e.add(base, e.index(int64_t(v) * e.width))}, registers[v]};
        };
        storeElements(from, to, registers.size(), placeOf, {});
      });
    });
  } else {
    // Lines that go abreast share what they load, and each is in a part of its own.
    const int64_t abreast = std::max<int64_t>(schedule.getGroup(), 1);
    Value part = whole;
    auto walkLines = [&](Value begin, Value end, int64_t count) {
      e.forEach(begin, end, line, [&](Value base) {
        e.walk(e.index(line), schedule.getUnroll(), LoopEmitter::Tail::Masked,
               [&](ArrayRef<Value> indices, Value tail) {
                 storeAbreast(from, to, lines, indices, count, tail, [&](Value i, int64_t l) {
                   return Values{e.add(e.add(base, i), e.mul(part, e.index(l)))};
                 });
               });
      });
    };
    if (abreast > 1) {
      part = e.roundDown(e.floorDiv(whole, e.index(abreast)), line);
      together = e.mul(part, e.index(abreast));
    }
    e.inDirection(isBackwards, [&] {
      walkLines(e.index(0), part, abreast);
      if (abreast > 1 && endWithRows)
        walkLines(together, whole, 1);
    });
  }
  // What is left, once, of a line or of lines that go abreast: in vectors of which the arithmetic
  // fills a register, which is half the code where the result is narrower.
  if (!endWithRows)
    e.withWidth(lanesOfArithmetic(), [&] {
      auto walkLine = [&](Value base, Value extent) {
        e.walkMasked(e.index(0), extent, [&](Value i, Value tail) {
          storeElement(from, to, {{e.add(base, i)}, loadVectors(lines, i, {})}, tail);
        });
      };
      if (together == whole)
        return walkLine(whole, e.sub(total, whole));
      e.forEach(together, total, line,
                [&](Value base) { walkLine(base, e.min(e.index(line), e.sub(total, base))); });
    });
  for (Value expanded : lines)
    if (expanded)
      e.release(expanded);
}

/// The same for rows of several lines, which may lie apart: a line of all rows goes before the
/// next, so that its coefficients are written out once.
void MapLoops::emitFlatRows() {
  Values from;
  for (Value input : inputs)
    from.push_back(e.flattenRows(input));
  Value to = e.flattenRows(out), rows = e.extent(to, 0);
  const int64_t line = schedule.getLine(), row = cast<MemRefType>(to.getType()).getDimSize(1);
  const int64_t inner = dataType.getRank() > 2 ? dataType.getDimSize(2) : 1;
  const int64_t abreast = std::max<int64_t>(schedule.getGroup(), 1);
  Values lines = lineScratch();
  // Counted in kept indices, of which a line has whole ones.
  e.forEach(e.index(0), e.index(row / inner), line / inner, [&](Value firstKept) {
    fillLines(lines, firstKept, line / inner, inner);
    Value first = e.mul(firstKept, e.index(inner));
    auto walkRows = [&](Value begin, Value end, int64_t count) {
      e.forEach(begin, end, count, [&](Value r) {
        e.walk(e.index(line), schedule.getUnroll(), LoopEmitter::Tail::Masked,
               [&](ArrayRef<Value> indices, Value tail) {
                 storeAbreast(from, to, lines, indices, count, tail, [&](Value i, int64_t l) {
                   return Values{e.add(r, e.index(l)), e.add(first, i)};
                 });
               });
      });
    };
    Value together = e.roundDown(rows, abreast);
    e.inDirection(isBackwards, [&] {
      walkRows(e.index(0), together, abreast);
      if (abreast > 1)
        walkRows(together, rows, 1);
    });
  });
  for (Value buffer : lines)
    if (buffer)
      e.release(buffer);
}

/// `count` lines go abreast, which share what is loaded of the coefficients: vector `i` of line `l`
/// is at at(i, l).
void MapLoops::storeAbreast(ValueRange from, Value to, ArrayRef<Value> lines,
                            ArrayRef<Value> indices, int64_t count, Value tail,
                            function_ref<Values(Value i, int64_t l)> at) {
  Values c;
  auto placeOf = [&](size_t next) {
    Value i = indices[next / size_t(count)];
    const int64_t l = int64_t(next) % count;
    if (l == 0)
      c = loadVectors(lines, i, tail);
    return Place{at(i, l), c};
  };
  storeElements(from, to, indices.size() * size_t(count), placeOf, tail);
}

/// Room for a line of every coefficient. Whole vectors everywhere: what one writes too much the
/// next one corrects, and behind the line there is room.
Values MapLoops::lineScratch() {
  return eachCoefficient(coefficients, [&](Value) {
    return e.scratch({e.index(schedule.getLine() + e.width)}, compute);
  });
}

void MapLoops::storeCoefficients(ArrayRef<Value> vectors, ArrayRef<Value> lines, Value at) {
  for (auto [vector, buffer] : llvm::zip(vectors, lines))
    if (vector)
      e.store(vector, buffer, at, {}, false);
}

/// Writes out the coefficients of `features` kept indices from `firstKept` on, `inner` elements
/// for each.
void MapLoops::fillLines(ArrayRef<Value> lines, Value firstKept, int64_t features, int64_t inner) {
  if (inner == 1)
    return e.walk(
        e.index(features), 1, LoopEmitter::Tail::Masked, [&](ArrayRef<Value> indices, Value tail) {
          for (Value k : indices)
            storeCoefficients(loadVectors(coefficients, e.add(firstKept, k), tail), lines, k);
        });
  e.forEach(e.index(0), e.index(features), 1, [&](Value k) {
    Value at = e.add(firstKept, k), first = e.mul(k, e.index(inner));
    Values values = eachCoefficient(coefficients, [&](Value memref) {
      return e.loadBroadcast(memref, kept.empty() ? ValueRange() : ValueRange(at), compute);
    });
    e.forEach(e.index(0), e.index(inner), e.width,
              [&](Value i) { storeCoefficients(values, lines, e.add(first, i)); });
  });
}

/// Elements of one index of the outermost axis, all others being static.
int64_t MapLoops::rowElements() const {
  return ShapedType::getNumElements(dataType.getShape().drop_front());
}

/// One line of every coefficient: element i belongs to kept index (i / inner) % C.
Values MapLoops::expandCoefficients() {
  const int64_t line = schedule.getLine();
  ArrayRef<int64_t> shape = dataType.getShape();
  const bool scalar = kept.empty();
  const int64_t features = scalar ? 1 : shape[1];
  const int64_t inner = scalar ? line : shape.size() > 2 ? shape[2] : 1;
  const int64_t row = scalar ? line : rowElements();
  Values lines = lineScratch();
  fillLines(lines, e.index(0), features, inner);
  e.forEach(e.index(row), e.index(line), row, [&](Value start) {
    e.forEach(e.index(0), e.index(row), e.width, [&](Value i) {
      storeCoefficients(loadVectors(lines, i, {}), lines, e.add(start, i));
    });
  });
  return lines;
}

//===----------------------------------------------------------------------===//
// Beside a reduction
//===----------------------------------------------------------------------===//

void MapLoops::enterRows(OpBuilder::InsertPoint at) {
  OpBuilder::InsertionGuard guard(e);
  e.restoreInsertionPoint(at);
  for (Value &input : inputs)
    input = e.flattenRows(input);
  out = e.flattenRows(out);
}

void MapLoops::enterRun(OpBuilder::InsertPoint at, ValueRange indices) {
  OpBuilder::InsertionGuard guard(e);
  e.restoreInsertionPoint(at);
  runCoefficients = broadcastCoefficients(indices);
}

void MapLoops::visit(OpBuilder::InsertPoint at, ValueRange indices, Value tail) {
  OpBuilder::InsertionGuard guard(e);
  e.restoreInsertionPoint(at);
  storeElement(inputs, out, {Values(indices), runCoefficients}, tail);
}

void MapLoops::visitBoth(OpBuilder::InsertPoint at, ValueRange indices, Value mask,
                         ValueRange next) {
  OpBuilder::InsertionGuard guard(e);
  e.restoreInsertionPoint(at);
  Values both = broadcastCoefficients(next);
  for (auto [mine, other] : llvm::zip(runCoefficients, both))
    if (other)
      other = e.select(mask, mine, other);
  storeElement(inputs, out, {Values(indices), both}, {});
}

void MapLoops::finish(OpBuilder::InsertPoint at) {
  OpBuilder::InsertionGuard guard(e);
  e.restoreInsertionPoint(at);
  emitFence();
}
