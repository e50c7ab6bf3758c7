//===- SavedForwardPool.h - What forward passes save ------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A training pass leaves ten numbers for every kept index, which its gradient or the next pass
// gives up.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_RUNTIME_LAYERS_SAVEDFORWARDPOOL_H
#define NORMA_LIB_RUNTIME_LAYERS_SAVEDFORWARDPOOL_H

#include "../Spare.h"

#include "norma/Runtime/Layers/BatchNormalization.h"

#include <memory>

namespace norma {

struct BuiltBatchNormalization;

struct SavedForward::State {
  /// What the layer was built as: tells layers apart, even after one is gone.
  std::weak_ptr<const BuiltBatchNormalization> layer;
  Dims shape;
  BatchNormRules rules;
  BatchNormParameters parameters;
  /// Null for most calls, which shall not need memory for what they do not have: so little is
  /// given out and taken back fast.
  std::unique_ptr<const Adjustment> adjustment;
  BatchNormForward forward;
  /// Of no pass: memory for the next one.
  std::vector<double> m2;
};

/// What was given up, for later passes.
using SavedForwardPool = Spare<SavedForward::State>;

/// With vectors that hold anything. It goes back into the pool, which it keeps alive.
std::shared_ptr<SavedForward::State>
takeSavedForward(const std::shared_ptr<SavedForwardPool> &pool);

} // namespace norma

#endif // NORMA_LIB_RUNTIME_LAYERS_SAVEDFORWARDPOOL_H
