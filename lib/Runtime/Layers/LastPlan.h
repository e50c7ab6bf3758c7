//===- LastPlan.h - The plan of a layer's last call -------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_RUNTIME_LAYERS_LASTPLAN_H
#define NORMA_LIB_RUNTIME_LAYERS_LASTPLAN_H

#include "norma/Runtime/Engine.h"

#include <mutex>

namespace norma {

/// A layer that is applied again and again mostly sees tensors of one shape, and its
/// coefficients stay. Both are checked, and the plan is used again. Safe from several
/// threads.
class LastPlan {
  struct Entry {
    uint64_t generation;
    Tensor x, y;
    AffinePlan plan;
  };

public:
  /// The plan that is kept, if it is for tensors like these. It is all that most calls need.
  std::shared_ptr<const Entry> find(uint64_t generation, const Tensor &x, const Tensor &y) const;
  /// Runs the plan for these tensors: the one kept, or the one that `make` (returning
  /// Expected<AffinePlan>) makes, after it has checked them. `generation` is another
  /// number whenever the coefficients are others.
  template <typename Make>
  Expected<void> run(uint64_t generation, const Tensor &x, const Tensor &y, Make make) {
    if (const std::shared_ptr<const Entry> found = find(generation, x, y))
      return found->plan.run(x.data, y.data);
    Expected<AffinePlan> plan = make();
    if (!plan)
      return plan.takeError();
    const std::shared_ptr<const Entry> made = keep({generation, x, y, std::move(*plan)});
    return made->plan.run(x.data, y.data);
  }

private:
  std::shared_ptr<const Entry> keep(Entry entry);

  mutable std::mutex mutex;
  std::shared_ptr<const Entry> last;
};

} // namespace norma

#endif // NORMA_LIB_RUNTIME_LAYERS_LASTPLAN_H
