//===- SavedForwardPool.cpp - What forward passes save --------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SavedForwardPool.h"

namespace norma {

std::shared_ptr<SavedForward::State>
SavedForwardPool::take(const std::shared_ptr<SavedForwardPool> &pool) {
  std::unique_ptr<SavedForward::State> state;
  {
    const std::lock_guard lock(pool->mutex);
    state = std::move(pool->unused);
  }
  if (!state)
    state = std::make_unique<SavedForward::State>();
  return {state.release(), [pool](SavedForward::State *used) {
            pool->giveBack(std::unique_ptr<SavedForward::State>(used));
          }};
}

void SavedForwardPool::giveBack(std::unique_ptr<SavedForward::State> state) {
  // Not the caller's arrays.
  state->adjustment.reset();
  const std::lock_guard lock(mutex);
  std::swap(unused, state);
}

} // namespace norma
