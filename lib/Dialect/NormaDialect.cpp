//===- NormaDialect.cpp - Registration, attributes ------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Dialect/Norma.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Transforms/InliningUtils.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

#include "norma/Dialect/NormaDialect.cpp.inc"
#include "norma/Dialect/NormaEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "norma/Dialect/NormaAttributes.cpp.inc"

namespace {

/// Calls of functions that hold norma ops may be inlined anywhere.
struct NormaInlinerInterface : DialectInlinerInterface {
  using DialectInlinerInterface::DialectInlinerInterface;
  bool isLegalToInline(Operation *, Region *, bool, IRMapping &) const final { return true; }
  bool isLegalToInline(Region *, Region *, bool, IRMapping &) const final { return true; }
};

} // namespace

void norma::NormaDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "norma/Dialect/NormaAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "norma/Dialect/NormaOps.cpp.inc"
      >();
  addInterfaces<NormaInlinerInterface>();
}

Operation *norma::NormaDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type,
                                                    Location location) {
  return arith::ConstantOp::materialize(builder, value, type, location);
}

LogicalResult norma::ScheduleAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError,
                                          Traversal traversal, int64_t vector, int64_t unroll,
                                          int64_t group, int64_t line, Type accumulate,
                                          int64_t block, bool, int64_t prefetch, int64_t parts,
                                          int64_t streams, bool interleave) {
  if (vector < 1 || vector > 64 || (vector & (vector - 1)))
    return emitError() << "schedule: vector = " << vector
                       << ", expected a power of two from 1 to 64";
  if (unroll < 1 || unroll > 64)
    return emitError() << "schedule: unroll = " << unroll << ", expected 1 to 64";
  if (group < 0 || group > 1024)
    return emitError() << "schedule: group = " << group << ", expected 1 to 1024";
  const bool lineFits = traversal == Traversal::Flat   ? line > 0 && line % vector == 0
                        : traversal == Traversal::Runs ? line >= 0 && line % vector == 0
                                                       : line == 0;
  if (!lineFits)
    return emitError() << "schedule: line = " << line
                       << ", expected a positive multiple of vector for a flat traversal, one or "
                          "none for runs, and none for rows";
  if (accumulate && !isa<Float32Type, Float64Type>(accumulate) && !accumulate.isSignlessInteger(32))
    return emitError() << "schedule: accumulate = " << accumulate << ", expected f32, f64 or i32";
  // What i32 holds of the squares of 8-bit integers: a group of every vector that goes abreast,
  // and of both halves of their lanes.
  constexpr int64_t kMostSquares = (int64_t(1) << 31) / (255 * 255) / 2;
  if (accumulate && accumulate.isInteger(32) && (group == 0 || group * unroll > kMostSquares))
    return emitError() << "schedule: group = " << group << " and unroll = " << unroll
                       << ", expected a product from 1 to " << kMostSquares
                       << " where accumulate = i32";
  if (block < 0)
    return emitError() << "schedule: block = " << block << ", expected a positive number";
  // Far more than the caches that it is read into hold; sums of extents stay in range.
  constexpr int64_t kMostPrefetch = int64_t(1) << 30;
  if (prefetch < 0 || prefetch > kMostPrefetch)
    return emitError() << "schedule: prefetch = " << prefetch << ", expected 1 to "
                       << kMostPrefetch;
  if (parts < 0 || (parts > 0 && unroll % parts != 0))
    return emitError() << "schedule: parts = " << parts
                       << ", expected what divides unroll = " << unroll;
  if (streams < 0 || streams > 16 || (streams & (streams - 1)))
    return emitError() << "schedule: streams = " << streams
                       << ", expected a power of two from 1 to 16";
  const bool isAlone = line == 0 && !interleave;
  if (parts > 0 && (traversal != Traversal::Runs || !isAlone))
    return emitError() << "schedule: parts is for traversals by runs, without line or interleave";
  if (streams > 0 && traversal == Traversal::Runs && !isAlone)
    return emitError() << "schedule: streams is for traversals by rows, lines or runs, for these "
                          "without line or interleave";
  if (interleave && traversal != Traversal::Runs)
    return emitError() << "schedule: interleave is for traversals by runs";
  return success();
}
