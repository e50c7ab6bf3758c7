//===- MapRows.cpp - Maps by rows and by runs -----------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MapLoops.h"

using namespace mlir;
using namespace norma;

/// Where the innermost axis is reduced, a run has one kept index, and so one coefficient.
MapLoops::Row MapLoops::rowAt(Values indices) {
  Row row{std::move(indices), {}};
  if (schedule.getTraversal() == Traversal::Runs)
    row.coefficients = broadcastCoefficients(row.indices);
  return row;
}

/// One vector of each row, at its column, and then the next ones.
void MapLoops::storeInRows(ArrayRef<Row> rows, ArrayRef<Value> columns, Value tail) {
  Values loadedAt, c;
  auto placeOf = [&](size_t i) {
    const Row &row = rows[i % rows.size()];
    Values indices = row.indices;
    if (dataType.getRank() > 0)
      indices.back() = columns[i];
    if (schedule.getTraversal() == Traversal::Runs)
      return Place{indices, row.coefficients};
    // Rows side by side share what they load.
    if (Values at = keptOf(indices); c.empty() || at != loadedAt) {
      c = loadVectors(coefficients, at, tail);
      loadedAt = std::move(at);
    }
    return Place{indices, c};
  };
  storeElements(inputs, out, columns.size(), placeOf, tail);
}

/// What is written past the caches must be aligned, and rows or runs that are not whole vectors
/// begin anywhere: the elements up to there, null for none. The tensor begins at a whole vector,
/// and is contiguous or of dense rows that do so, too: of 4097 elements and vectors of 16, row 3
/// begins in lane 3, and 13 elements are its head.
Value MapLoops::headOf(ArrayRef<Value> indices) {
  const int64_t innermost = dataType.getRank() - 1;
  if (!schedule.getNontemporal() || innermost <= 0 || dataType.getDimSize(innermost) % e.width == 0)
    return {};
  Value first = e.index(0);
  for (int64_t axis = 0; axis < innermost; ++axis)
    first = e.mul(e.add(first, indices[axis]), e.extent(inputs.front(), axis + 1));
  Value back = e.sub(e.index(0), first);
  return e.min(e.sub(back, e.roundDown(back, e.width)), e.extent(inputs.front(), innermost));
}

Value MapLoops::maskOfHead(Value head) {
  return vector::CreateMaskOp::create(e, e.vectorOf(e.getI1Type()), head);
}

/// All of it.
void MapLoops::emitRow(const Row &row) {
  if (dataType.getRank() == 0)
    return storeInRows(row, e.index(0), {});
  Value extent = e.extent(inputs.front(), dataType.getRank() - 1), head = headOf(row.indices);
  if (head)
    storeInRows(row, e.index(0), maskOfHead(head));
  const auto tail =
      schedule.getNontemporal() ? LoopEmitter::Tail::Masked : LoopEmitter::Tail::Overlapping;
  e.walk(head ? e.sub(extent, head) : extent, schedule.getUnroll(), tail,
         [&](ArrayRef<Value> vectors, Value mask) {
           Values columns(vectors);
           if (head)
             for (Value &column : columns)
               column = e.add(head, column);
           storeInRows(row, columns, mask);
         });
}

/// Those along an axis, in so many parts of it side by side: as many streams, each of pages of its
/// own, get more from memory than one.
void MapLoops::emitRowsAbreast(Values indices, int64_t count) {
  const int64_t innermost = dataType.getRank() - 1, axis = innermost - 1;
  const int64_t extent = dataType.getDimSize(innermost);
  Value all = e.extent(inputs.front(), axis), part = e.floorDiv(all, e.index(count));
  auto at = [&](Value i) {
    Values place = indices;
    place[axis] = i;
    return rowAt(place);
  };
  e.forEach(e.index(0), part, 1, [&](Value i) {
    SmallVector<Row> rows;
    Values heads;
    for (int64_t p = 0; p < count; ++p) {
      rows.push_back(at(e.add(i, e.mul(part, e.index(p)))));
      heads.push_back(headOf(rows.back().indices));
    }
    // As many whole vectors have all of them behind their heads.
    const int64_t fewer = heads.front() ? e.width - 1 : 0;
    const int64_t whole = (extent - fewer) / e.width * e.width;
    e.walk(e.index(whole), schedule.getUnroll(), LoopEmitter::Tail::Masked,
           [&](ArrayRef<Value> vectors, Value) {
             Values columns;
             for (Value column : vectors)
               for (Value head : heads)
                 columns.push_back(head ? e.add(head, column) : column);
             storeInRows(rows, columns, {});
           });
    if (whole == extent)
      return;
    // Their ends are little, and one after the other they are little code.
    e.forEach(e.index(0), e.index(count), 1, [&](Value p) {
      const Row row = at(e.add(i, e.mul(part, p)));
      Value head = headOf(row.indices), begin = e.index(whole);
      if (head) {
        storeInRows(row, e.index(0), maskOfHead(head));
        begin = e.add(head, begin);
      }
      e.walkMasked(begin, e.index(extent),
                   [&](Value column, Value mask) { storeInRows(row, column, mask); });
    });
  });
  if (ShapedType::isStatic(dataType.getDimSize(axis)) && dataType.getDimSize(axis) % count == 0)
    return;
  e.forEach(e.mul(part, e.index(count)), all, 1, [&](Value i) { emitRow(at(i)); });
}

void MapLoops::emitRows() {
  const int64_t streams = std::max<int64_t>(schedule.getStreams(), 1), rank = dataType.getRank();
  // What lies side by side is along the last of the outer axes.
  const int64_t nested = std::max<int64_t>(streams > 1 ? rank - 2 : rank - 1, 0);
  e.inDirection(isBackwards, [&] {
    e.nest(inputs.front(), llvm::to_vector(llvm::seq<int64_t>(0, nested)), [&](Values indices) {
      if (streams > 1)
        emitRowsAbreast(indices, streams);
      else
        emitRow(rowAt(indices));
    });
  });
}
