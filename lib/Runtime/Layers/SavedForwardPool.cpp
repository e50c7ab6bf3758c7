//===- SavedForwardPool.cpp - What forward passes save --------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SavedForwardPool.h"

namespace norma {

std::shared_ptr<SavedForward::State>
takeSavedForward(const std::shared_ptr<SavedForwardPool> &pool) {
  return {pool->take().release(), [pool](SavedForward::State *used) {
            // Not the caller's arrays.
            used->adjustment.reset();
            pool->giveBack(used);
          }};
}

} // namespace norma
