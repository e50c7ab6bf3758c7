//===- AdaptWatch.cpp - Who waits for an adapt() --------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AdaptWatch.h"

#include <fmt/format.h>

namespace norma {

AdaptWatch::AdaptWatch(const AdaptOptions &given, std::optional<int64_t> total) : options(given) {
  done.totalElements = total;
  call.interval = options.progressInterval;
  call.stop = options.stop;
  if (!options.progress)
    return;
  call.progress = [this](int64_t elements) { return look(elements); };
  lastTold = Clock::now();
}

const CallWatch &AdaptWatch::begin(std::span<const Tensor> batches) {
  next = {};
  for (const Tensor &batch : batches) {
    next.elements += batch.size();
    next.bytes += uint64_t(batch.size()) * sizeOf(batch.dtype);
    ++next.batches;
  }
  return call;
}

/// A call ends with a look, too; end() tells of it, with its batches.
bool AdaptWatch::look(int64_t elements) {
  return elements == next.elements || Clock::now() - lastTold < options.progressInterval ||
         tell(elements);
}

bool AdaptWatch::tell(int64_t elements) {
  told = done;
  told.elements += elements;
  if (elements > 0)
    told.bytes += next.bytes / uint64_t(next.elements) * uint64_t(elements);
  const bool wanted = options.progress(told);
  lastTold = Clock::now();
  return wanted;
}

Expected<void> AdaptWatch::goOn(bool wanted) const {
  const bool isStopped = options.stop.stop_requested();
  if (wanted && !isStopped)
    return {};
  return Error(ErrorCode::Cancelled,
               fmt::format("stopped by {} after {} elements",
                           isStopped ? "a request" : "its progress callback", done.elements));
}

Expected<void> AdaptWatch::end() {
  done.elements += next.elements;
  done.bytes += next.bytes;
  done.batches += next.batches;
  next = {};
  if (!options.progress || Clock::now() - lastTold < options.progressInterval)
    return goOn(true);
  return goOn(tell(0));
}

Expected<void> AdaptWatch::finish() {
  const bool isTold = told.batches == done.batches && told.elements == done.elements;
  return goOn(!options.progress || isTold || tell(0));
}

} // namespace norma
