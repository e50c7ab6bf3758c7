//===- LastPlan.cpp - The plan of a layer's last call ---------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LastPlan.h"

namespace norma {

static bool isLike(const Tensor &a, const Tensor &b) {
  return a.dtype == b.dtype && a.shape == b.shape && a.strides == b.strides;
}

static bool isAligned(const Tensor &tensor) {
  return reinterpret_cast<uintptr_t>(tensor.data) % 64 == 0;
}

std::shared_ptr<const LastPlan::Entry> LastPlan::find(uint64_t generation, const Tensor &x,
                                                      const Tensor &y) const {
  const std::lock_guard lock(mutex);
  // Of addresses it matters whether the map is in place, and whether the result is
  // aligned: both decide how it is written.
  if (last && last->generation == generation && isLike(last->x, x) && isLike(last->y, y) &&
      isAligned(last->y) == isAligned(y) && (last->x.data == last->y.data) == (x.data == y.data))
    return last;
  return nullptr;
}

std::shared_ptr<const LastPlan::Entry> LastPlan::keep(Entry entry) {
  auto made = std::make_shared<const Entry>(std::move(entry));
  const std::lock_guard lock(mutex);
  last = made;
  return made;
}

} // namespace norma
