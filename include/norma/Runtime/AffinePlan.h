//===- AffinePlan.h - A map that is prepared once and run often -*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Engine::affine checks its arguments, brings them to the axis form, finds the
// kernel and rounds the coefficients. On a few rows that takes longer than the
// kernel. A plan does it once, for every pair of tensors with the same types,
// shape and strides:
//
//   auto plan = engine->planAffine(x, {{1}}, coefficients, DType::F32, y);
//   for (...)
//     (void)plan->run(rows, normalized);
//
// The layers keep a plan for the tensors they saw last.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_AFFINEPLAN_H
#define NORMA_RUNTIME_AFFINEPLAN_H

#include "norma/Support/Error.h"

#include <memory>

namespace norma {

/// A cheap handle: copies share the plan, which may outlive its engine. Safe from
/// several threads at once.
class AffinePlan {
public:
  /// Maps the tensor at `x` to the tensor at `y`: addresses of their elements with all
  /// indices zero. They are the same address where the plan was made for one tensor,
  /// and do not overlap where it was made for two. An error where they do, where one of
  /// them is null, and where the plan writes past the caches (only large results do)
  /// and y is not aligned to 64 bytes, as that of the plan was; nothing is written then.
  Expected<void> run(const void *x, void *y) const;

  struct State;
  explicit AffinePlan(std::shared_ptr<const State> state) : state(std::move(state)) {}

private:
  std::shared_ptr<const State> state;
};

} // namespace norma

#endif // NORMA_RUNTIME_AFFINEPLAN_H
