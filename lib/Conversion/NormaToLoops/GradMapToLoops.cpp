//===- GradMapToLoops.cpp - The gradient's map as loops -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MapLoops.h"
#include "NormaToLoops.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace norma;

namespace {

/// dx = dy * scale + ((x - center) * slope + offset) * w.
class GradMapLoops final : public MapLoops {
public:
  GradMapLoops(GradMapOp op, RewriterBase &rewriter)
      : MapLoops(op, rewriter, {op.getData(), op.getDy()},
                 {op.getCenter(), op.getSlope(), op.getOffset(), op.getScale()}),
        isUnsigned(op.getUnsignedData()), mask(op.getMask()), weights(op.getWeights()) {}

private:
  Value element(ValueRange from, ValueRange indices, ArrayRef<Value> c, Value tail) override {
    Value center = c[0], slope = c[1], offset = c[2], scale = c[3];
    Value x = e.load(from[0], indices, compute, isUnsigned, tail);
    Value dy = e.load(from[1], indices, compute, false, tail);
    Value v = e.fma(e.subf(x, center), slope, offset);
    // Only the elements that count: others add nothing, whatever they and their weights are.
    Value zero = e.constant(0, v.getType()), isIn;
    if (mask)
      // In the type in memory: it is 0 or 1 and needs no multiplication.
      isIn = e.notZero(
          e.loadRepeating(mask, dataType, indices, getElementTypeOrSelf(mask), false, tail));
    if (!weights)
      return e.fma(dy, scale, isIn ? e.select(isIn, v, zero) : v);
    Value w = e.loadRepeating(weights, dataType, indices, compute, false, tail);
    if (isIn)
      w = e.select(isIn, w, zero);
    v = e.select(e.notZero(w), v, zero);
    // The product that is rounded by itself is not the one that has been rounded before.
    Value scaled = e.mulf(dy, scale);
    return e.fma(v, w, scaled);
  }

  bool isUnsigned;
  /// Null where there is none.
  Value mask, weights;
};

} // namespace

void norma::emitLoops(GradMapOp op, RewriterBase &rewriter) { GradMapLoops(op, rewriter).emit(); }

std::unique_ptr<MapLoops> norma::createMapLoops(GradMapOp op, RewriterBase &rewriter) {
  return std::make_unique<GradMapLoops>(op, rewriter);
}
