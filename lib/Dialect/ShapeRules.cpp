//===- ShapeRules.cpp - Shape rules shared by verifiers and builders ------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Dialect/ShapeRules.h"

#include "norma/Support/BatchNorm.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace norma {

static bool agree(int64_t a, int64_t b) {
  return a == b || ShapedType::isDynamic(a) || ShapedType::isDynamic(b);
}

LogicalResult verifyKeptAxes(EmitError emit, ArrayRef<int64_t> kept, ShapedType data) {
  int64_t previous = -1;
  for (int64_t axis : kept) {
    if (axis < 0 || axis >= data.getRank())
      return emit() << "kept axis " << axis << " is out of range for data of rank "
                    << data.getRank();
    if (axis == previous)
      return emit() << "kept axis " << axis << " is given twice";
    if (axis < previous)
      return emit() << "kept axes must be ascending, but " << axis << " follows " << previous;
    previous = axis;
  }
  return success();
}

LogicalResult verifyKeptShape(EmitError emit, StringRef name, ShapedType type, ShapedType data,
                              ArrayRef<int64_t> kept) {
  if (type.getRank() != int64_t(kept.size()))
    return emit() << name << " has rank " << type.getRank() << ", expected " << kept.size()
                  << ", one axis for every kept axis";
  for (auto [i, axis] : llvm::enumerate(kept))
    if (!agree(type.getDimSize(i), data.getDimSize(axis)))
      return emit() << name << " has extent " << type.getDimSize(i) << " at axis " << i
                    << ", expected " << data.getDimSize(axis) << ", the extent of kept axis "
                    << axis << " of the data";
  return success();
}

LogicalResult verifyBroadcast(EmitError emit, StringRef name, ShapedType type, ShapedType data) {
  if (type.getRank() != data.getRank())
    return emit() << name << " has rank " << type.getRank() << ", expected " << data.getRank()
                  << ", the rank of the data";
  for (int64_t i = 0; i < data.getRank(); ++i)
    if (type.getDimSize(i) != 1 && !agree(type.getDimSize(i), data.getDimSize(i)))
      return emit() << name << " has extent " << type.getDimSize(i) << " at axis " << i
                    << ", expected 1 or " << data.getDimSize(i) << ", the extent of the data";
  return success();
}

LogicalResult verifySameShape(EmitError emit, StringRef name, ShapedType type, ShapedType data) {
  if (type.getRank() != data.getRank())
    return emit() << name << " has rank " << type.getRank() << ", expected " << data.getRank()
                  << ", the rank of the data";
  for (int64_t i = 0; i < data.getRank(); ++i)
    if (!agree(type.getDimSize(i), data.getDimSize(i)))
      return emit() << name << " has extent " << type.getDimSize(i) << " at axis " << i
                    << ", expected " << data.getDimSize(i) << ", the extent of the data";
  return success();
}

LogicalResult verifyKeptShapes(EmitError emit, ArrayRef<NamedValue> values, ShapedType data,
                               ArrayRef<int64_t> kept) {
  for (auto [name, value] : values)
    if (value && failed(verifyKeptShape(emit, name, cast<ShapedType>(value.getType()), data, kept)))
      return failure();
  return success();
}

LogicalResult verifyBroadcasts(EmitError emit, ArrayRef<NamedValue> values, ShapedType data) {
  for (auto [name, value] : values)
    if (value && failed(verifyBroadcast(emit, name, cast<ShapedType>(value.getType()), data)))
      return failure();
  return success();
}

LogicalResult verifyUnsigned(EmitError emit, bool isUnsigned, ShapedType data) {
  if (isUnsigned && isa<FloatType>(data.getElementType()))
    return emit() << "unsigned is for integer data, the data is of " << data.getElementType();
  return success();
}

FailureOr<RankedTensorType> resultType(EmitError emit, RankedTensorType data, Type own,
                                       TypeAttr to) {
  Type element = isa<FloatType>(own) ? own : Float32Type::get(data.getContext());
  if (to)
    element = to.getValue();
  if (!isa<FloatType>(element))
    return emit() << "the result is to be of " << element << ", expected a float type";
  return data.clone(element);
}

RankedTensorType keptType(ShapedType data, ArrayRef<int64_t> kept, Type element) {
  SmallVector<int64_t> shape;
  for (int64_t axis : kept)
    shape.push_back(data.getDimSize(axis));
  return RankedTensorType::get(shape, element);
}

//===----------------------------------------------------------------------===//
// Ghost batches
//===----------------------------------------------------------------------===//

static GhostRemainder toSupport(GhostRemainderKind remainder) {
  switch (remainder) {
  case GhostRemainderKind::Error:
    return GhostRemainder::Error;
  case GhostRemainderKind::Smaller:
    return GhostRemainder::Smaller;
  case GhostRemainderKind::Merge:
    return GhostRemainder::Merge;
  }
  llvm_unreachable("remainder");
}

/// The grouping does not matter to the extents.
static Expected<GhostPlan> planGhosts(int64_t samples, int64_t size, GhostRemainderKind remainder) {
  return planGhosts({.size = size, .remainder = toSupport(remainder)}, samples);
}

Value createGhostCount(OpBuilder &builder, Location loc, Value samples, int64_t size,
                       GhostRemainderKind remainder) {
  Value divisor = arith::ConstantIndexOp::create(builder, loc, size);
  if (remainder == GhostRemainderKind::Smaller)
    return arith::CeilDivUIOp::create(builder, loc, samples, divisor);
  // One ghost at least, but none of an empty batch.
  Value whole = arith::DivUIOp::create(builder, loc, samples, divisor);
  Value one = arith::ConstantIndexOp::create(builder, loc, 1);
  Value least = arith::MinUIOp::create(builder, loc, samples, one);
  return arith::MaxUIOp::create(builder, loc, whole, least);
}

RankedTensorType groupType(ShapedType data, ArrayRef<int64_t> kept,
                           std::optional<int64_t> virtualBatchSize, GhostRemainderKind remainder) {
  RankedTensorType type = keptType(data, kept, Float64Type::get(data.getContext()));
  if (!virtualBatchSize)
    return type;
  SmallVector<int64_t> shape(type.getShape());
  int64_t ghosts = ShapedType::kDynamic;
  if (data.getRank() > 0 && !data.isDynamicDim(0))
    if (Expected<GhostPlan> plan = planGhosts(data.getDimSize(0), *virtualBatchSize, remainder))
      ghosts = plan->ghosts;
  shape.insert(shape.begin(), ghosts);
  return type.clone(shape);
}

LogicalResult verifyGhosts(EmitError emit, ShapedType data, ArrayRef<int64_t> kept, int64_t size,
                           GhostRemainderKind remainder) {
  if (data.getRank() == 0)
    return emit() << "virtual_batch_size = " << size
                  << " cuts axis 0 of the data, which has rank 0";
  if (llvm::is_contained(kept, 0))
    return emit() << "virtual_batch_size = " << size << " cuts axis 0, which must not be kept";
  if (remainder != GhostRemainderKind::Error)
    return success();
  if (data.isDynamicDim(0))
    return emit() << "virtual_batch_size = " << size
                  << ", but the batch is dynamic, expected a static "
                  << "one or remainder 'smaller' or 'merge'";
  if (Expected<GhostPlan> plan = planGhosts(data.getDimSize(0), size, remainder); !plan)
    return emit() << plan.error().message();
  return success();
}

bool hasDenseRows(MemRefType type) {
  SmallVector<int64_t> strides;
  int64_t offset, dense = 1;
  if (type.getRank() < 2 || failed(type.getStridesAndOffset(strides, offset)))
    return false;
  for (int64_t axis = type.getRank() - 1; axis > 0; --axis)
    if (type.isDynamicDim(axis) || strides[axis] != dense ||
        llvm::MulOverflow(dense, type.getDimSize(axis), dense))
      return false;
  return true;
}

bool isBlockOfSamples(MemRefType type, ArrayRef<int64_t> kept) {
  return !llvm::is_contained(kept, 0) && !type.getLayout().isIdentity() && hasDenseRows(type);
}

namespace {

/// What decides whether two kernels go beside each other.
struct Steps {
  ScheduleAttr schedule;
  MemRefType data;
  ArrayRef<int64_t> kept;

  template <typename Op>
  explicit Steps(Op op)
      : schedule(op.getScheduleAttr()), data(dyn_cast<MemRefType>(op.getData().getType())),
        kept(op.getKept()) {}

  bool byRuns() const {
    return schedule && schedule.getTraversal() == Traversal::Runs && data && data.getRank() > 0;
  }
};

} // namespace

bool allowsStreams(Operation *kernel, ScheduleAttr schedule) {
  const int64_t streams = schedule.getStreams(), vector = schedule.getVector();
  if (streams == 0)
    return true;
  const auto inMap = [&](auto map) {
    const auto data = cast<ShapedType>(map.getData().getType());
    if (schedule.getTraversal() == Traversal::Flat)
      return false;
    // Behind its head, which is less than a vector, each has a whole one.
    return data.getRank() >= 2 && data.getShape().back() >= 2 * vector;
  };
  const auto inReduction = [&](auto reduction) {
    const auto type = cast<ShapedType>(reduction.getData().getType());
    const int64_t rowAxis = type.getRank() - 2;
    if (schedule.getTraversal() == Traversal::Rows &&
        (rowAxis < 0 || llvm::is_contained(reduction.getKept(), rowAxis)))
      return false;
    if (schedule.getTraversal() != Traversal::Runs)
      return schedule.getGroup() % streams == 0;
    const auto data = dyn_cast<MemRefType>(type);
    if (!data || !isBlockOfSamples(data, reduction.getKept()))
      return true;
    return schedule.getUnroll() % streams == 0 &&
           data.getShape().back() % (schedule.getUnroll() / streams * vector) == 0;
  };
  return TypeSwitch<Operation *, bool>(kernel)
      .Case<AffineOp, GradMapOp>(inMap)
      .Case<MomentsOp, GradSumsOp>(inReduction);
}

Operation *reductionBeside(Operation *map) {
  Operation *next = map->getNextNode();
  if (!isa<AffineOp, GradMapOp>(map) || !isa_and_nonnull<MomentsOp, GradSumsOp>(next))
    return nullptr;
  const auto stepsOf = [](Operation *op) -> Steps {
    return TypeSwitch<Operation *, Steps>(op).Case<AffineOp, GradMapOp, MomentsOp, GradSumsOp>(
        [](auto kernel) { return Steps(kernel); });
  };
  const Steps steps = stepsOf(map), other = stepsOf(next);
  if (!steps.byRuns() || !other.byRuns() || steps.kept != other.kept ||
      steps.data.getShape() != other.data.getShape() ||
      steps.schedule.getVector() != other.schedule.getVector() ||
      steps.schedule.getLine() != other.schedule.getLine())
    return nullptr;
  // One kept index at a time.
  if (other.schedule.getStreams() > 0 && !isBlockOfSamples(other.data, other.kept))
    return nullptr;
  const bool whole = steps.schedule.getLine() > 0 ||
                     steps.data.getShape().back() % steps.schedule.getVector() == 0;
  return whole || !steps.schedule.getNontemporal() ? next : nullptr;
}

FloatType defaultComputeType(Type data, Type result) {
  if (data.isF64() || result.isF64())
    return Float64Type::get(data.getContext());
  return Float32Type::get(data.getContext());
}

} // namespace norma
