//===- Adapt.cpp - Learning from data, from C -----------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Handles.h"
#include "Options.h"
#include "Tensor.h"

#include <fmt/format.h>

using namespace norma;
using namespace norma::capi;

static norma_adapt_options defaultAdaptOptions() {
  norma_adapt_options options{};
  options.struct_size = sizeof(options);
  options.progress_milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(AdaptOptions().progressInterval)
          .count();
  return options;
}

void norma_adapt_options_init_sized(norma_adapt_options *options, size_t structSize) {
  initOptions(defaultAdaptOptions(), options, structSize);
}

static Expected<AdaptOptions> toAdaptOptions(const norma_adapt_options &from) {
  AdaptOptions options;
  const Expected<MaskAndWeights> beside = toMaskAndWeights(from.mask, from.weights);
  if (!beside)
    return beside.error();
  options.mask = beside->mask;
  options.weights = beside->weights;
  options.batchSize = from.batch_size;
  options.steps = from.steps;
  if (!from.progress)
    return options;

  // A longer time overflows in nanoseconds, and a day is as good as never.
  constexpr int64_t kLongest = int64_t(24) * 60 * 60 * 1000;
  if (from.progress_milliseconds < 0)
    return invalidArgument(
        fmt::format("progress_milliseconds: {}, expected 0 or more", from.progress_milliseconds));
  options.progressInterval =
      std::chrono::milliseconds(std::min(from.progress_milliseconds, kLongest));
  options.progress = [hear = from.progress,
                      data = from.progress_user_data](const AdaptProgress &progress) {
    norma_adapt_progress report{};
    report.struct_size = sizeof(report);
    report.elements = progress.elements;
    report.total_elements = progress.totalElements.value_or(-1);
    report.batches = progress.batches;
    report.bytes = progress.bytes;
    return hear(&report, data) == 0;
  };
  return options;
}

norma_status norma_normalization_adapt(norma_normalization *layer, const norma_tensor *data,
                                       const norma_adapt_options *options) {
  return guarded({{"layer", layer}}, [&]() -> Expected<void> {
    const Expected<Tensor> view = toTensor(data, "data");
    if (!view)
      return view.error();
    const Expected<norma_adapt_options> read = readOptions(options, defaultAdaptOptions());
    if (!read)
      return read.error();
    const Expected<AdaptOptions> adapt = toAdaptOptions(*read);
    if (!adapt)
      return adapt.error();
    return layer->value.adapt(*view, *adapt);
  });
}
