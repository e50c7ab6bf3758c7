//===- LaneReductions.cpp - The lanes of vectors, together ----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LoopEmitter.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace norma;

Value LoopEmitter::addHalves(Value vector) {
  int64_t half = cast<VectorType>(vector.getType()).getNumElements() / 2;
  auto part = [&](int64_t first) {
    auto lanes = llvm::to_vector(llvm::seq<int64_t>(first, first + half));
    return vector::ShuffleOp::create(*this, vector, vector, lanes);
  };
  return plus(part(0), part(half));
}

Value LoopEmitter::sumLanes(Value vector, Value start) {
  // Reassociation is what makes the sum a tree; without it LLVM must add lane by
  // lane.
  return vector::ReductionOp::create(*this, vector::CombiningKind::ADD, vector, start,
                                     arith::FastMathFlags::reassoc);
}

Value LoopEmitter::sumToEveryLane(Value vector) {
  const int64_t lanes = cast<VectorType>(vector.getType()).getNumElements();
  for (int64_t half = lanes / 2; half > 0; half /= 2) {
    auto across = llvm::map_to_vector(llvm::seq(lanes), [&](int64_t lane) { return lane ^ half; });
    vector = plus(vector, vector::ShuffleOp::create(*this, vector, vector, across));
  }
  return vector;
}

Value LoopEmitter::sumLanesOfEach(Values vectors) {
  constexpr int64_t kPartBits = 128;
  const auto lanes = int64_t(vectors.size());
  Type element = getElementTypeOrSelf(vectors.front());
  const int64_t partLanes = std::min(lanes, kPartBits / element.getIntOrFloatBitWidth());
  // Adds the lanes of two that `low` names to those that `high` does: half as many of each are
  // left.
  using LaneOf = function_ref<int64_t(int64_t)>;
  auto joinNeighbours = [&](LaneOf low, LaneOf high) {
    Values joined;
    for (size_t i = 0; i < vectors.size(); i += 2) {
      auto part = [&](LaneOf laneOf) {
        auto from = llvm::to_vector(llvm::map_range(llvm::seq(lanes), laneOf));
        return vector::ShuffleOp::create(*this, vectors[i], vectors[i + 1], from);
      };
      Value lows = part(low), highs = part(high);
      joined.push_back(plus(lows, highs));
    }
    vectors = joined;
  };
  // Within parts, which processors interleave: the first half of one beside that of the other.
  for (int64_t each = 1; each < partLanes; each *= 2) {
    auto laneOf = [&](int64_t half, int64_t lane) {
      const int64_t at = lane % partLanes, piece = at / each;
      return piece % 2 * lanes + lane - at + half * (partLanes / 2) + piece / 2 * each + at % each;
    };
    joinNeighbours([&](int64_t lane) { return laneOf(0, lane); },
                   [&](int64_t lane) { return laneOf(1, lane); });
  }
  // Then whole parts: every second one of each.
  for (size_t left = vectors.size(); left > 1; left /= 2) {
    auto laneOf = [&](int64_t odd, int64_t lane) {
      return 2 * (lane / partLanes) * partLanes + odd * partLanes + lane % partLanes;
    };
    joinNeighbours([&](int64_t lane) { return laneOf(0, lane); },
                   [&](int64_t lane) { return laneOf(1, lane); });
  }
  return vectors.front();
}

Value LoopEmitter::anyLane(Value vector) {
  return vector::ReductionOp::create(*this, vector::CombiningKind::OR, vector);
}

Value LoopEmitter::largestLane(Value vector, Value mask) {
  Value lowest = constant(-std::numeric_limits<double>::infinity(), vector.getType());
  return finiteOrZero(vector::ReductionOp::create(*this, vector::CombiningKind::MAXIMUMF,
                                                  select(mask, vector, lowest)));
}
