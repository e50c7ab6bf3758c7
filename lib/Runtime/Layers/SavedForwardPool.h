//===- SavedForwardPool.h - What forward passes save ------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A training pass leaves ten numbers for every kept index, and as a rule those of the pass
// before are given up by then. In the same memory each thread finds what it wrote to in its
// cache; fresh memory is cleared by one thread, and fetched from there by the others.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_RUNTIME_LAYERS_SAVEDFORWARDPOOL_H
#define NORMA_LIB_RUNTIME_LAYERS_SAVEDFORWARDPOOL_H

#include "norma/Runtime/Layers/BatchNormalization.h"

#include <memory>
#include <mutex>

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

/// Keeps the last one that was given up. Safe from several threads.
class SavedForwardPool {
public:
  /// With vectors that hold anything. It goes back into the pool, which it keeps alive.
  static std::shared_ptr<SavedForward::State> take(const std::shared_ptr<SavedForwardPool> &pool);

private:
  void giveBack(std::unique_ptr<SavedForward::State> state);

  std::mutex mutex;
  std::unique_ptr<SavedForward::State> unused;
};

} // namespace norma

#endif // NORMA_LIB_RUNTIME_LAYERS_SAVEDFORWARDPOOL_H
