//===- AffineToLoops.cpp - The map kernel as loops ------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MapLoops.h"
#include "NormaToLoops.h"

using namespace mlir;
using namespace norma;

namespace {

/// y = (x - center) * scale + shift; coefficients that are absent cost nothing.
class AffineLoops final : public MapLoops {
public:
  AffineLoops(AffineOp op, RewriterBase &rewriter)
      : MapLoops(op, rewriter, {op.getData()}, {op.getCenter(), op.getScale(), op.getShift()}),
        isUnsigned(op.getUnsignedData()) {}

private:
  Value element(ValueRange from, ValueRange indices, ArrayRef<Value> c, Value tail) override {
    Value v = e.load(from.front(), indices, compute, isUnsigned, tail);
    Value center = c[0], scale = c[1], shift = c[2];
    if (center)
      v = e.subf(v, center);
    if (scale && shift)
      v = e.fma(v, scale, shift);
    else if (scale)
      v = e.mulf(v, scale);
    else if (shift)
      v = e.addf(v, shift);
    return v;
  }

  bool isUnsigned;
};

} // namespace

void norma::emitLoops(AffineOp op, RewriterBase &rewriter) { AffineLoops(op, rewriter).emit(); }

std::unique_ptr<MapLoops> norma::createMapLoops(AffineOp op, RewriterBase &rewriter) {
  return std::make_unique<AffineLoops>(op, rewriter);
}
