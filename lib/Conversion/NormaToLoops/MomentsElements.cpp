//===- MomentsElements.cpp - What an element adds to the moments ----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MomentsLoops.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace norma;

Element MomentsLoops::loadElement(const Place &place, Type type) {
  auto [at, indices, tail, lines] = place;
  Element element;
  element.x = e.load(at.front(), indices, type, op.getUnsignedData(), tail);
  auto require = [&](Value condition) {
    element.valid = element.valid ? e.both(element.valid, condition) : condition;
  };
  // The flat array comes without mask and weights.
  if (mask && !lines)
    require(e.notZero(e.loadRepeating(mask, dataType, indices, type, /*isUnsigned=*/true, tail)));
  if (weights && !lines) {
    element.weight = e.loadRepeating(weights, dataType, indices, type, false, tail);
    require(e.notZero(element.weight));
  }
  if (omitsNan)
    require(e.notNan(element.x));
  if (tail)
    require(tail);
  return element;
}

Values MomentsLoops::addElements(const Place &place, Value pivot, ValueRange carried) {
  Sums sums = Sums::of(carried);
  Type type = sums.first.getType();
  Element element = loadElement(place, getElementTypeOrSelf(type));
  Value d = pivot ? e.subf(element.x, pivot) : element.x;
  if (!element.valid)
    return Sums{sums.weight, e.addTo(sums.first, d), e.addProductTo(sums.second, d, d)}.list();
  Value zero = e.constant(0, type);
  d = e.select(element.valid, d, zero);
  Value weight = element.weight ? e.select(element.valid, element.weight, zero)
                 : sums.weight  ? e.select(element.valid, e.constant(1, type), zero)
                                : Value();
  Value weighted = element.weight ? e.mulf(weight, d) : d;
  return Sums{sums.weight ? e.addTo(sums.weight, weight) : Value(), e.addTo(sums.first, weighted),
              e.addProductTo(sums.second, weighted, d)}
      .list();
}
