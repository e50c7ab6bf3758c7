//===- AdaptWatch.h - Who waits for an adapt() ------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_RUNTIME_LAYERS_ADAPTWATCH_H
#define NORMA_LIB_RUNTIME_LAYERS_ADAPTWATCH_H

#include "norma/Runtime/Layers/Normalization.h"

namespace norma {

/// Makes one report of an adapt() of the batches that it learns from, and of the calls
/// that it makes for them. Not copied: the calls have a pointer to it.
class AdaptWatch {
public:
  /// `total` elements will be seen, if that is known. The options must outlive the watch.
  AdaptWatch(const AdaptOptions &options, std::optional<int64_t> total);
  AdaptWatch(const AdaptWatch &) = delete;
  AdaptWatch &operator=(const AdaptWatch &) = delete;

  /// To hand to the one call that learns from these batches next.
  const CallWatch &begin(std::span<const Tensor> batches);
  /// The call has succeeded. An error when the caller wants to stop.
  Expected<void> end();
  /// All data were seen; the last chance to stop.
  Expected<void> finish();

private:
  using Clock = std::chrono::steady_clock;
  bool look(int64_t elementsOfCall);
  Expected<void> goOn(bool wanted) const;
  bool tell(int64_t elementsOfCall);

  const AdaptOptions &options;
  CallWatch call;
  AdaptProgress done;
  /// What the call that is on its way learns from.
  AdaptProgress next;
  /// What was told last, and when.
  AdaptProgress told;
  Clock::time_point lastTold;
};

} // namespace norma

#endif // NORMA_LIB_RUNTIME_LAYERS_ADAPTWATCH_H
