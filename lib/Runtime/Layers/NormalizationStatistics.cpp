//===- NormalizationStatistics.cpp - How the layer learns -----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../EngineCall.h"
#include "../Pace.h"
#include "NormalizationImpl.h"

#include "norma/Reference/Reference.h"
#include "norma/Support/AxisForm.h"
#include "norma/Support/Checked.h"
#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

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

} // namespace

/// Learns from batch after batch, several to a call where that is possible. The layer changes at
/// the end of all.
class Normalization::State::Learner {
public:
  /// A layer that is not built will be for `shape` or, without one, for the first batch. Everything
  /// given must outlive the learner.
  Learner(State &layer, const Dims *shape, AdaptWatch &watch)
      : layer(layer), shape(shape), watch(watch), target(layer.built ? &*layer.built : nullptr) {}

  Expected<void> add(const Tensor &data, const std::optional<Tensor> &mask,
                     const std::optional<Tensor> &weights);
  /// Makes the statistics of the batches those of the layer.
  Expected<void> finish();

private:
  Expected<void> take(const Tensor &data, const std::optional<Tensor> &mask,
                      const std::optional<Tensor> &weights);
  Expected<void> flush();
  Expected<void> merge(std::span<const Tensor> tensors, const MomentsOptions &momentsOptions);

  State &layer;
  const Dims *shape;
  AdaptWatch &watch;
  /// What the layer is built as, or will be.
  const NormalizationState *target;
  std::optional<NormalizationState> fresh;
  /// Batches that wait for others.
  std::vector<Tensor> pending;
  /// Of those before; absent before the first.
  std::optional<Statistics> learned;
  int64_t batches = 0;
  Checked elements = 0;
};

Expected<void> Normalization::State::Learner::add(const Tensor &data,
                                                  const std::optional<Tensor> &mask,
                                                  const std::optional<Tensor> &weights) {
  // One whole array is "data"; parts have a number.
  const bool isWhole = shape && data.shape == *shape;
  const std::string name = isWhole ? "data" : fmt::format("batch {}", batches);
  ++batches;
  if (Expected<void> valid = checkTensor(data, name); !valid)
    return valid;
  if (!target) {
    Expected<NormalizationState> created = createNormalizationState(
        layer.options, shape ? *shape : batchShape(data, layer.options.axis));
    if (!created)
      return created.takeError();
    target = &fresh.emplace(std::move(*created));
  }
  if (Expected<void> valid = checkInputShape(*target, data.shape, name); !valid)
    return valid;
  elements += data.size();
  if (!elements.fits())
    return invalidArgument("the number of elements of all batches overflows 63 bits");
  if (Expected<void> done = take(data, mask, weights); !done)
    return isWhole ? std::move(done) : done.takeError().within(name);
  return {};
}

Expected<void> Normalization::State::Learner::take(const Tensor &data,
                                                   const std::optional<Tensor> &mask,
                                                   const std::optional<Tensor> &weights) {
  // Batches that keep axis 0 are not parts of one longer tensor.
  const bool isCut = target->axis.empty() || target->axis[0] != 0;
  const bool isAlone = mask || weights || layer.options.stepsPerExecution == 1;
  if (!pending.empty() && (isAlone || !isCut || !canJoin(pending.front(), data)))
    if (Expected<void> done = flush(); !done)
      return done;
  if (isAlone)
    return merge({&data, 1}, {.nan = layer.options.nan, .mask = mask, .weights = weights});
  pending.push_back(data);
  return int64_t(pending.size()) < layer.options.stepsPerExecution ? Expected<void>() : flush();
}

Expected<void> Normalization::State::Learner::flush() {
  if (pending.empty())
    return {};
  Expected<void> done = merge(pending, {.nan = layer.options.nan});
  pending.clear();
  return done;
}

Expected<void> Normalization::State::Learner::merge(std::span<const Tensor> tensors,
                                                    const MomentsOptions &momentsOptions) {
  Expected<Statistics> part =
      layer.moments(tensors, target->axis, momentsOptions, watch.begin(tensors));
  if (!part)
    return part.takeError();
  if (!learned)
    learned = std::move(*part);
  else if (Expected<void> merged = mergeStatistics(*learned, *part); !merged)
    return merged;
  return watch.end();
}

Expected<void> Normalization::State::Learner::finish() {
  if (batches == 0)
    return invalidArgument("the source has no batches; expected at least one");
  if (Expected<void> done = flush(); !done)
    return done;
  if (*elements == 0)
    return invalidArgument(
        fmt::format("the data have no elements ({} of none)",
                    batches == 1 ? "1 batch" : fmt::format("{} batches", batches)));
  const std::vector<double> &counts = learned->count;
  if (std::none_of(counts.begin(), counts.end(), [](double value) { return value > 0; }))
    return invalidArgument(fmt::format("none of the {} elements takes part: all are masked, of "
                                       "weight 0, or NaN and omitted",
                                       *elements));
  if (Expected<void> done = watch.finish(); !done)
    return done;
  if (!fresh) {
    layer.setStatistics(std::move(*learned));
    return {};
  }
  fresh->statistics = std::move(*learned);
  layer.set(std::move(*fresh));
  return {};
}

Expected<void> Normalization::State::checkLearns(const char *call) const {
  if (!options.mean)
    return {};
  return invalidArgument(fmt::format("{}: the layer was given mean {} and variance {}; only a "
                                     "layer without them learns from data",
                                     call, formatGiven(*options.mean),
                                     formatGiven(*options.variance)));
}

bool LearningCall::isFor(const Tensor &x, const Dims &kept, NanPolicy nan) const {
  return prepared && like.dtype == x.dtype && like.shape == x.shape && like.strides == x.strides &&
         axes == kept && prepared->spec.nan == nan;
}

Expected<Statistics> LearningCall::run(Engine &engine, const Tensor &x, const Dims &kept,
                                       NanPolicy nan, const CallWatch &watch) {
  auto &state = stateOf(engine);
  if (!isFor(x, kept, nan)) {
    Expected<ReductionCall> call = state.momentsCall(x, kept, nan, {});
    if (!call)
      return call.takeError();
    prepared = std::make_shared<const ReductionCall>(std::move(*call));
    like = x;
    axes = kept;
  }
  Pace pace(watch, x.size());
  return state.moments(*prepared, prepared->call, static_cast<char *>(x.data), *state.pool, pace,
                       &memory);
}

Expected<Statistics> Normalization::State::moments(std::span<const Tensor> tensors,
                                                   const Dims &kept,
                                                   const MomentsOptions &momentsOptions,
                                                   const CallWatch &watch) {
  const bool isPlain = !momentsOptions.mask && !momentsOptions.weights;
  if (!options.runEagerly && tensors.size() == 1 && isPlain && tensors[0].size() > 0)
    return learning.run(*engine, tensors[0], kept, momentsOptions.nan, watch);
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
  const int64_t step = isWhole ? std::max(rows, int64_t(1)) : options.batchSize;
  const int64_t used =
      isWhole || options.steps == 0 || options.steps > rows / step ? rows : options.steps * step;
  AdaptWatch watch(options, rows == 0 ? 0 : data.size() / rows * used);
  State::Learner learner(*state, &data.shape, watch);
  if (isWhole)
    if (Expected<void> done = learner.add(data, options.mask, options.weights); !done)
      return fail(done.takeError());
  for (int64_t begin = 0; !isWhole && begin < used;) {
    const int64_t end = rows - begin <= step ? rows : begin + step;
    if (Expected<void> done = learner.add(data.rows(begin, end), rowsOf(options.mask, begin, end),
                                          rowsOf(options.weights, begin, end));
        !done)
      return fail(done.takeError());
    begin = end;
  }
  if (Expected<void> done = learner.finish(); !done)
    return fail(done.takeError());
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
  const auto fail = [](Error error) { return std::move(error).within("adapt"); };
  AdaptWatch watch(options, std::nullopt);
  State::Learner learner(*state, nullptr, watch);
  for (int64_t count = 0; options.steps == 0 || count < options.steps; ++count) {
    Expected<std::optional<Batch>> batch = source();
    if (!batch)
      return fail(batch.takeError());
    if (!*batch)
      break;
    if (Expected<void> done = learner.add((*batch)->data, (*batch)->mask, (*batch)->weights); !done)
      return fail(done.takeError());
  }
  if (Expected<void> done = learner.finish(); !done)
    return fail(done.takeError());
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
  if (fresh) {
    // Made before the layer changes, since memory may run out.
    auto identity = std::make_shared<const PreparedNormalization>(fresh->options, fresh->axis,
                                                                  fresh->statistics);
    state->keep(std::move(*fresh), std::move(identity));
  }
  if (Expected<void> merged = state->gather(*part); !merged)
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
  if (Expected<void> merged = state->gather(other); !merged)
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
  const std::lock_guard lock(state->mutex);
  if (state->built)
    state->finalize();
  return {};
} catch (...) {
  return outOfMemory();
}

bool Normalization::isAdapted() const {
  const std::lock_guard lock(state->mutex);
  if (state->prepared || !state->built)
    return state->prepared && state->prepared->isAdapted;
  return isAdaptedFrom(state->options, state->built->statistics);
}

} // namespace norma
