//===- NormalizationStatistics.cpp - How the layer learns -----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NormalizationImpl.h"

#include "norma/Reference/Reference.h"
#include "norma/Support/AxisForm.h"
#include "norma/Support/Checked.h"
#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

#include <algorithm>

namespace norma {

namespace {

/// Whether two batches are parts of one tensor cut along axis 0, but for where
/// they lie in memory.
bool canJoin(const Tensor &a, const Tensor &b) {
  return a.dtype == b.dtype && a.rank() == b.rank() && a.rank() > 0 &&
         std::equal(a.shape.begin() + 1, a.shape.end(), b.shape.begin() + 1) &&
         a.strides == b.strides;
}

/// Given statistics for a message, cut where they are long.
std::string formatGiven(const GivenStatistic &given) {
  std::string text;
  for (size_t i = 0; i < given.values.size() && i < 4; ++i)
    text += fmt::format("{}{}", i ? ", " : "", given.values[i]);
  if (given.values.size() > 4)
    text += ", ...";
  return given.shape.empty() ? text : "[" + text + "]";
}

/// Gathers statistics batch by batch, several to a call where that is possible. Those of
/// the state are of no data at first.
class Gatherer {
public:
  using Moments = std::function<Expected<Statistics>(std::span<const Tensor>,
                                                     const MomentsOptions &, const CallWatch &)>;

  Gatherer(NormalizationState &state, int64_t batchesPerCall, AdaptWatch &watch, Moments moments)
      : state(state), batchesPerCall(size_t(batchesPerCall)), watch(watch),
        moments(std::move(moments)) {}

  Expected<void> add(const Batch &batch) {
    if (batch.mask || batch.weights) {
      if (Expected<void> done = flush(); !done)
        return done;
      return merge({&batch.data, 1},
                   {.nan = state.options.nan, .mask = batch.mask, .weights = batch.weights});
    }
    // Batches that keep axis 0 are not parts of one longer tensor.
    const bool isCut = state.axis.empty() || state.axis[0] != 0;
    if (!pending.empty() && !(isCut && canJoin(pending.front(), batch.data)))
      if (Expected<void> done = flush(); !done)
        return done;
    pending.push_back(batch.data);
    return pending.size() < batchesPerCall ? Expected<void>() : flush();
  }

  Expected<void> flush() {
    if (pending.empty())
      return {};
    Expected<void> done = merge(pending, {.nan = state.options.nan});
    pending.clear();
    return done;
  }

private:
  Expected<void> merge(std::span<const Tensor> tensors, const MomentsOptions &options) {
    Expected<Statistics> part = moments(tensors, options, watch.begin(tensors));
    if (!part)
      return part.takeError();
    if (isFirst && part->shape == state.statistics.shape)
      state.statistics = std::move(*part); // The others are of no data.
    else if (Expected<void> merged = mergeStatistics(state.statistics, *part); !merged)
      return merged;
    isFirst = false;
    return watch.end();
  }

  NormalizationState &state;
  size_t batchesPerCall;
  AdaptWatch &watch;
  Moments moments;
  std::vector<Tensor> pending;
  bool isFirst = true;
};

} // namespace

Expected<void> Normalization::State::checkLearns(const char *call) const {
  if (!options.mean)
    return {};
  return invalidArgument(fmt::format("{}: the layer was given mean {} and variance {}; only a "
                                     "layer without them learns from data",
                                     call, formatGiven(*options.mean),
                                     formatGiven(*options.variance)));
}

Expected<Statistics> Normalization::State::moments(std::span<const Tensor> tensors,
                                                   const Dims &kept,
                                                   const MomentsOptions &momentsOptions,
                                                   const CallWatch &watch) const {
  if (!options.runEagerly)
    return engine->moments(tensors, kept, momentsOptions, watch);
  Statistics total = Statistics::zeros(keptShape(tensors[0].shape, kept));
  for (const Tensor &tensor : tensors) {
    Expected<Statistics> part = reference::moments(tensor, kept, momentsOptions);
    if (!part)
      return part;
    if (Expected<void> merged = mergeStatistics(total, *part); !merged)
      return merged.takeError();
  }
  return total;
}

Expected<NormalizationState> Normalization::State::learn(const BatchSource &source,
                                                         const AdaptOptions &adaptOptions,
                                                         const std::optional<Dims> &shape,
                                                         AdaptWatch &watch) const {
  std::optional<NormalizationState> next;
  if (built) {
    next = built;
    next->statistics = Statistics::zeros(built->statistics.shape);
  }
  std::optional<Gatherer> gatherer;
  int64_t count = 0;
  Checked elements = 0;
  for (; adaptOptions.steps == 0 || count < adaptOptions.steps; ++count) {
    Expected<std::optional<Batch>> batch = source();
    if (!batch)
      return batch.takeError();
    if (!*batch)
      break;
    const Tensor &data = (*batch)->data;
    // One whole array is "data"; parts have a number.
    const std::string name =
        shape && data.shape == *shape ? "data" : fmt::format("batch {}", count);
    if (Expected<void> valid = checkTensor(data, name); !valid)
      return valid.takeError();
    if (!next) {
      Expected<NormalizationState> fresh =
          createNormalizationState(options, shape ? *shape : batchShape(data, options.axis));
      if (!fresh)
        return fresh.takeError();
      next = std::move(*fresh);
    }
    if (Expected<void> valid = checkInputShape(*next, data.shape, name); !valid)
      return valid.takeError();
    if (!gatherer)
      gatherer.emplace(*next, options.stepsPerExecution, watch,
                       [this, &next](std::span<const Tensor> tensors,
                                     const MomentsOptions &momentsOptions,
                                     const CallWatch &callWatch) {
                         return moments(tensors, next->axis, momentsOptions, callWatch);
                       });
    elements += data.size();
    if (!elements.fits())
      return invalidArgument("the number of elements of all batches overflows 63 bits");
    if (Expected<void> done = gatherer->add(**batch); !done)
      return name == "data" ? done.takeError() : done.takeError().within(name);
  }
  if (count == 0)
    return invalidArgument("the source has no batches; expected at least one");
  if (Expected<void> done = gatherer->flush(); !done)
    return done.takeError();
  if (*elements == 0)
    return invalidArgument(fmt::format("the data have no elements ({} of none)",
                                       count == 1 ? "1 batch" : fmt::format("{} batches", count)));
  const std::vector<double> &counts = next->statistics.count;
  if (std::none_of(counts.begin(), counts.end(), [](double value) { return value > 0; }))
    return invalidArgument(fmt::format("none of the {} elements takes part: all are masked, of "
                                       "weight 0, or NaN and omitted",
                                       *elements));
  if (Expected<void> done = watch.finish(); !done)
    return done.takeError();
  return std::move(*next);
}

Expected<void> Normalization::adapt(const Tensor &data, const AdaptOptions &options) try {
  const auto fail = [](Error error) { return std::move(error).within("adapt"); };
  if (Expected<void> valid = state->checkLearns("adapt"); !valid)
    return valid;
  if (options.batchSize < 0)
    return invalidArgument(fmt::format("adapt: batch_size: {}; expected 1 or more, or 0 for the "
                                       "whole array",
                                       options.batchSize));
  if (options.steps < 0)
    return invalidArgument(
        fmt::format("adapt: steps: {}; expected 1 or more, or 0 for all", options.steps));
  if (Expected<void> valid = checkTensor(data, "data"); !valid)
    return fail(valid.takeError());
  for (const auto &[tensor, name] :
       {std::pair(&options.mask, "mask"), std::pair(&options.weights, "weights")}) {
    if (!*tensor)
      continue;
    if (Expected<void> valid = checkTensor(**tensor, name); !valid)
      return fail(valid.takeError());
    if (Expected<Tensor> view = broadcastFromLeft(**tensor, data.shape, name); !view)
      return fail(view.takeError());
  }

  const int64_t rows = data.rank() ? data.shape[0] : 1;
  const bool isWhole = options.batchSize == 0 || options.batchSize >= rows;
  if (!isWhole && batchShape(data, state->options.axis)[0] != kUnknownExtent)
    return invalidArgument(fmt::format("adapt: batch_size: {}; axis 0 is kept, so its {} entries "
                                       "cannot be cut into batches",
                                       options.batchSize, rows));
  const auto rowsOf = [&](const std::optional<Tensor> &tensor, int64_t begin, int64_t end) {
    const bool follows = tensor && tensor->rank() > 0 && tensor->shape[0] == rows;
    return follows ? std::optional(tensor->rows(begin, end)) : tensor;
  };
  int64_t next = 0;
  bool isDone = false;
  const BatchSource source = [&]() -> Expected<std::optional<Batch>> {
    if (isDone)
      return std::optional<Batch>();
    if (isWhole) {
      isDone = true;
      return std::optional(Batch{data, options.mask, options.weights});
    }
    const int64_t begin = next;
    next = rows - begin <= options.batchSize ? rows : begin + options.batchSize;
    isDone = next == rows;
    return std::optional(Batch{data.rows(begin, next), rowsOf(options.mask, begin, next),
                               rowsOf(options.weights, begin, next)});
  };
  const int64_t used = isWhole || options.steps == 0 || options.steps > rows / options.batchSize
                           ? rows
                           : options.steps * options.batchSize;
  AdaptWatch watch(options, rows == 0 ? 0 : data.size() / rows * used);
  Expected<NormalizationState> learned = state->learn(source, options, data.shape, watch);
  if (!learned)
    return fail(learned.takeError());
  state->set(std::move(*learned));
  return {};
} catch (...) {
  return outOfMemory();
}

Expected<void> Normalization::adapt(const BatchSource &source, const AdaptOptions &options) try {
  if (Expected<void> valid = state->checkLearns("adapt"); !valid)
    return valid;
  if (options.steps < 0)
    return invalidArgument(
        fmt::format("adapt: steps: {}; expected 1 or more, or 0 for all", options.steps));
  if (!source)
    return invalidArgument("adapt: source: empty; expected a function");
  AdaptWatch watch(options, std::nullopt);
  Expected<NormalizationState> learned = state->learn(source, options, std::nullopt, watch);
  if (!learned)
    return learned.takeError().within("adapt");
  state->set(std::move(*learned));
  return {};
} catch (...) {
  return outOfMemory();
}

Expected<void> Normalization::updateState(const Batch &batch) try {
  const auto fail = [](Error error) { return std::move(error).within("update_state"); };
  if (Expected<void> valid = state->checkLearns("update_state"); !valid)
    return valid;
  if (Expected<void> valid = checkTensor(batch.data, "data"); !valid)
    return fail(valid.takeError());
  std::optional<NormalizationState> fresh;
  if (!state->built) {
    Expected<NormalizationState> created =
        createNormalizationState(state->options, batchShape(batch.data, state->options.axis));
    if (!created)
      return fail(created.takeError());
    fresh = std::move(*created);
  }
  const NormalizationState &target = fresh ? *fresh : *state->built;
  if (Expected<void> valid = checkInputShape(target, batch.data.shape, "data"); !valid)
    return fail(valid.takeError());
  Expected<Statistics> part =
      state->moments({&batch.data, 1}, target.axis,
                     {.nan = state->options.nan, .mask = batch.mask, .weights = batch.weights});
  if (!part)
    return fail(part.takeError());
  if (fresh)
    state->set(std::move(*fresh));
  if (Expected<void> merged = mergeStatistics(state->built->statistics, *part); !merged)
    return fail(merged.takeError());
  return {};
} catch (...) {
  return outOfMemory();
}

Expected<void> Normalization::merge(const Statistics &other) try {
  if (Expected<void> valid = state->checkLearns("merge"); !valid)
    return valid;
  if (!state->built)
    return invalidArgument("merge: the layer is not built; statistics alone do not tell the rank "
                           "of the input");
  NormalizationState from;
  from.options = state->options;
  from.axis = state->built->axis;
  from.shape = state->built->shape;
  from.statistics = other;
  if (Expected<void> valid = checkNormalizationState(from); !valid)
    return valid.takeError().within("merge");
  if (Expected<void> merged = mergeStatistics(state->built->statistics, other); !merged)
    return merged.takeError().within("merge");
  return {};
} catch (...) {
  return outOfMemory();
}

Expected<void> Normalization::resetState() try {
  if (Expected<void> valid = state->checkLearns("reset_state"); !valid)
    return valid;
  if (!state->built)
    return {};
  NormalizationState next = *state->built;
  next.statistics = Statistics::zeros(next.statistics.shape);
  state->set(std::move(next));
  return {};
} catch (...) {
  return outOfMemory();
}

Expected<void> Normalization::finalizeState() try {
  if (Expected<void> valid = state->checkLearns("finalize_state"); !valid)
    return valid;
  if (!state->built)
    return {};
  auto fresh = std::make_shared<const PreparedNormalization>(prepare(*state->built));
  const std::lock_guard lock(state->mutex);
  state->setPrepared(std::move(fresh));
  return {};
} catch (...) {
  return outOfMemory();
}

bool Normalization::isAdapted() const {
  const std::lock_guard lock(state->mutex);
  return state->prepared && state->prepared->isAdapted;
}

} // namespace norma
