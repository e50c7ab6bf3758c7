//===- BatchNormalizationCalls.cpp - How the layer is used ----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchNormalizationImpl.h"
#include "NormalizationImpl.h"

#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

namespace norma {

//===----------------------------------------------------------------------===//
// Building on the way
//===----------------------------------------------------------------------===//

std::shared_ptr<BuiltBatchNormalization> BatchNormalization::State::getBuilt() const {
  const std::lock_guard lock(mutex);
  return built;
}

Expected<std::shared_ptr<BuiltBatchNormalization>>
BatchNormalization::State::builtFor(const Tensor &x) const {
  if (Expected<void> valid = checkTensor(x, "x"); !valid)
    return valid.takeError();
  std::shared_ptr<BuiltBatchNormalization> current = getBuilt();
  if (!current)
    return buildBatchNormalization(options, batchShape(x, options.axis));
  if (Expected<void> valid = checkInputShape(current->shape, x.shape, "x"); !valid)
    return valid.takeError();
  return current;
}

std::shared_ptr<BuiltBatchNormalization>
BatchNormalization::State::keep(std::shared_ptr<BuiltBatchNormalization> candidate) const {
  const std::lock_guard lock(mutex);
  if (!built)
    built = std::move(candidate);
  return built;
}

//===----------------------------------------------------------------------===//
// Forward
//===----------------------------------------------------------------------===//

/// The inputs of a pass beside the data: those of the call, and what the layer adds.
static BatchNormInputs makeInputs(const BatchNormalizationOptions &options,
                                  const BatchNormalizationCall &call,
                                  const SavedForward::State &saved) {
  BatchNormInputs inputs{.mask = call.mask, .weights = call.weights};
  if (saved.adjustment && saved.adjustment->scale)
    inputs.adjustScale = saved.adjustment->scale->view();
  if (saved.adjustment && saved.adjustment->bias)
    inputs.adjustBias = saved.adjustment->bias->view();
  // Moving statistics are the same everywhere already.
  if (saved.rules.useBatchStatistics)
    inputs.allReduce = options.allReduce;
  inputs.cacheBlocked = options.fused.value_or(true);
  return inputs;
}

Expected<SavedForward> BatchNormalization::State::forward(const Tensor &x, const Tensor &y,
                                                          const BatchNormalizationCall &call,
                                                          bool isTraining) const {
  Expected<std::shared_ptr<BuiltBatchNormalization>> current = builtFor(x);
  if (!current)
    return current.takeError();
  const BuiltBatchNormalization &layer = **current;
  const std::shared_ptr<SavedForward::State> saved = takeSavedForward(savedForwards);
  saved->shape = x.shape;
  saved->rules = makeRules(options, layer.isFused, isTraining);
  saved->parameters = layer.weights.parameters(std::move(saved->parameters));
  if (isTraining && options.adjustment) {
    Expected<Adjustment> adjustment = options.adjustment(x.shape);
    if (!adjustment)
      return adjustment.takeError().within("adjustment");
    saved->adjustment = std::make_unique<const Adjustment>(std::move(*adjustment));
  }
  BatchNormForward &used = saved->forward;
  BatchNormMemory memory{std::move(used.count), std::move(used.mean), std::move(saved->m2),
                         std::move(used.invStd)};
  Expected<BatchNormForward> result =
      batchNormTraining(*engine, x, layer.shape.axis, saved->rules, saved->parameters,
                        layer.weights.moving(saved->rules.renorm, std::move(used.updated)),
                        makeInputs(options, call, *saved), options.compute, y, &memory);
  if (!result)
    return result.takeError();
  saved->forward = std::move(*result);
  saved->m2 = std::move(memory.m2);
  saved->layer = keep(std::move(*current));
  return SavedForward(saved);
}

Expected<SavedForward> BatchNormalization::train(const Tensor &x, const Tensor &y,
                                                 const BatchNormalizationCall &call) try {
  const BatchNormalizationOptions &options = state->options;
  const bool isTraining = options.trainable || !options.frozenIsInference;
  Expected<SavedForward> saved = state->forward(x, y, call, isTraining);
  if (saved && saved->state->rules.updateMoving)
    state->built->weights.setMoving(saved->state->forward.updated);
  return saved;
} catch (...) {
  return outOfMemory();
}

Expected<SavedForward> BatchNormalization::applyAndSave(const Tensor &x, const Tensor &y) const
    try {
  return state->forward(x, y, {}, /*isTraining=*/false);
} catch (...) {
  return outOfMemory();
}

Expected<void> BatchNormalization::apply(const Tensor &x, const Tensor &y) const try {
  std::shared_ptr<BuiltBatchNormalization> layer = state->getBuilt();
  const bool isNew = !layer;
  if (isNew) {
    Expected<std::shared_ptr<BuiltBatchNormalization>> candidate = state->builtFor(x);
    if (!candidate)
      return candidate.takeError();
    layer = std::move(*candidate);
  }
  auto makePlan = [&]() -> Expected<AffinePlan> {
    if (!isNew)
      if (auto checked = state->builtFor(x); !checked)
        return checked.takeError();
    const BatchNormRules rules = makeRules(state->options, layer->isFused, /*isTraining=*/false);
    const MovingStatistics moving = layer->weights.moving(/*withRenorm=*/false);
    return planBatchNormInference(*state->engine, x, layer->shape.axis, moving.mean,
                                  moving.variance, rules.effectiveEpsilon(),
                                  layer->weights.parameters(), state->options.compute, y);
  };
  Expected<void> done =
      state->lastPlan.run(state->weightsVersion.of(layer->weights), x, y, makePlan);
  if (done && isNew)
    state->keep(std::move(layer));
  return done;
} catch (...) {
  return outOfMemory();
}

Expected<Array> BatchNormalization::apply(const Tensor &x) const try {
  if (Expected<void> valid = checkTensor(x, "x"); !valid)
    return valid.takeError();
  const DType natural = isFloat(x.dtype) ? x.dtype : state->options.compute;
  Expected<Array> y = Array::create(state->options.output.value_or(natural), x.shape);
  if (!y)
    return y;
  if (Expected<void> done = apply(x, *y); !done)
    return done.takeError();
  return y;
} catch (...) {
  return outOfMemory();
}

const BatchNormForward &SavedForward::forward() const {
  static const BatchNormForward none{};
  return state ? state->forward : none;
}

//===----------------------------------------------------------------------===//
// Gradient
//===----------------------------------------------------------------------===//

Expected<BatchNormGradients>
BatchNormalization::gradient(const SavedForward &saved, const Tensor &x, const Tensor &dy,
                             const Tensor &dx, const BatchNormalizationCall &call) const try {
  if (saved.empty())
    return invalidArgument("saved: empty, expected what train() or applyAndSave() returned "
                           "(apply() keeps nothing for a gradient)");
  const SavedForward::State &from = *saved.state;
  const auto built = state->getBuilt();
  if (!built || from.layer.lock() != built)
    return invalidArgument("saved: of another layer, expected what train() or applyAndSave() of "
                           "this one returned");
  if (x.shape != from.shape)
    return invalidArgument(fmt::format("x: shape {}, expected {}, that of the forward call",
                                       toString(x.shape), toString(from.shape)));
  const BatchNormalizationOptions &options = state->options;
  Expected<BatchNormGradients> result =
      batchNormGradient(*state->engine, x, dy, built->shape.axis, from.rules, from.parameters,
                        from.forward, makeInputs(options, call, from), options.compute, dx);
  if (!result)
    return result;
  if (!options.trainable || !options.scale)
    result->gamma.clear();
  else if (options.gammaRegularizer)
    addRegularizationGradient(*options.gammaRegularizer, from.parameters.gamma, result->gamma);
  if (!options.trainable || !options.center)
    result->beta.clear();
  else if (options.betaRegularizer)
    addRegularizationGradient(*options.betaRegularizer, from.parameters.beta, result->beta);
  return result;
} catch (...) {
  return outOfMemory();
}

} // namespace norma
