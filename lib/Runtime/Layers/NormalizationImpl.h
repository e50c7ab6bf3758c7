//===- NormalizationImpl.h - Inside of a normalization ----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_RUNTIME_LAYERS_NORMALIZATIONIMPL_H
#define NORMA_LIB_RUNTIME_LAYERS_NORMALIZATIONIMPL_H

#include "AdaptWatch.h"
#include "LastPlan.h"
#include "PreparedNormalization.h"

#include "norma/Runtime/Layers/NormalizationState.h"

#include <atomic>
#include <mutex>

namespace norma {

struct ReductionCall;

/// The build shape that a batch implies: how many rows it has is chance, unless
/// axis 0 is kept.
Dims batchShape(const Tensor &data, const Dims &axis);

/// The call that a layer makes to learn from a batch. As a rule, the next batch is like the one
/// before, and to prepare a call takes as long as a small kernel.
class LearningCall {
public:
  /// The engine must be the same in every call. `x` has elements, and has been checked.
  Expected<Statistics> run(Engine &engine, const Tensor &x, const Dims &kept, NanPolicy nan,
                           const CallWatch &watch);
  /// Gives memory for the next result, if there is a call that will use it.
  void giveBack(Statistics statistics) noexcept {
    if (!memory.empty())
      memory[0] = std::move(statistics);
  }

private:
  bool isFor(const Tensor &x, const Dims &kept, NanPolicy nan) const;

  /// What it was prepared for: addresses do not matter.
  Tensor like;
  Dims axes;
  std::shared_ptr<const ReductionCall> prepared;
  /// For the result, then for its parts.
  std::vector<Statistics> memory;
};

struct Normalization::State {
  std::shared_ptr<Engine> engine;
  NormalizationOptions options;
  /// Guards `built` and `prepared`, which even a const apply() may create.
  mutable std::mutex mutex;
  std::optional<NormalizationState> built;
  /// What apply() uses. Null until somebody asks what that is: it may cost more than learning.
  mutable std::shared_ptr<const PreparedNormalization> prepared;
  /// Grows whenever apply() is to use something else.
  std::atomic<uint64_t> generation{0};
  mutable LastPlan lastPlan;
  /// Not for const calls: those that learn are made one at a time.
  LearningCall learning;

  /// Replaces what the layer knows.
  void set(NormalizationState next);
  /// The same for a built layer that has learned: what is not statistics stays.
  void setStatistics(Statistics learned);
  /// Makes the gathered statistics of a built layer what apply() uses; called with the mutex held.
  void finalize();
  /// What apply() uses; null for a layer that is not built. Called with the mutex held.
  const std::shared_ptr<const PreparedNormalization> &preparedNow() const;
  /// Adds to the gathered statistics of a built layer, but not to what apply() uses.
  Expected<void> gather(const Statistics &more);

  /// The coefficients for an input. What a layer that is not built would be for it goes to
  /// `fresh`, for a call to keep() when it has succeeded.
  Expected<std::shared_ptr<const PreparedNormalization>>
  preparedFor(const Tensor &x, std::optional<NormalizationState> &fresh) const;
  /// apply() where no plan is kept: of tensors unlike those before, or eagerly.
  Expected<void> applyAnew(const Tensor &x, const Tensor &y);
  /// Builds the layer; another thread may have been first.
  void keep(NormalizationState fresh, std::shared_ptr<const PreparedNormalization> coefficients);

  /// An error for a layer with given statistics; `call` is what it cannot do.
  Expected<void> checkLearns(const char *call) const;

  /// The statistics of tensors that were cut along axis 0, on the engine or the
  /// reference.
  Expected<Statistics> moments(std::span<const Tensor> tensors, const Dims &kept,
                               const MomentsOptions &momentsOptions, const CallWatch &watch = {});

  /// Learns from the batches of one adapt().
  class Learner;
};

} // namespace norma

#endif // NORMA_LIB_RUNTIME_LAYERS_NORMALIZATIONIMPL_H
