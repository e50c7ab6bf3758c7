//===- Normalization.cpp - Feature-wise normalization layer ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NormalizationImpl.h"

#include "norma/Reference/Reference.h"
#include "norma/Support/Arguments.h"
#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

#include <algorithm>

namespace norma {

Dims batchShape(const Tensor &data, const Dims &axis) {
  Dims shape = data.shape;
  const bool isKept = std::any_of(axis.begin(), axis.end(), [&](int64_t value) {
    return value == 0 || value == -int64_t(shape.size());
  });
  if (!shape.empty() && !isKept)
    shape[0] = kUnknownExtent;
  return shape;
}

static std::shared_ptr<const PreparedNormalization> makePrepared(const NormalizationState &state) {
  return std::make_shared<const PreparedNormalization>(state.options, state.axis, state.statistics);
}

void Normalization::State::set(NormalizationState next) {
  const std::lock_guard lock(mutex);
  built = std::move(next);
  finalize();
}

void Normalization::State::setStatistics(Statistics learned) {
  const std::lock_guard lock(mutex);
  std::swap(built->statistics, learned);
  finalize();
  learning.giveBack(std::move(learned));
}

void Normalization::State::finalize() {
  prepared.reset();
  ++generation;
}

const std::shared_ptr<const PreparedNormalization> &Normalization::State::preparedNow() const {
  if (!prepared && built)
    prepared = makePrepared(*built);
  return prepared;
}

Expected<void> Normalization::State::gather(const Statistics &more) {
  const std::lock_guard lock(mutex);
  // It is to be made of the statistics that there were.
  preparedNow();
  return mergeStatistics(built->statistics, more);
}

Expected<std::shared_ptr<const PreparedNormalization>>
Normalization::State::preparedFor(const Tensor &x, std::optional<NormalizationState> &fresh) const {
  const std::lock_guard lock(mutex);
  if (!built) {
    Expected<NormalizationState> created =
        createNormalizationState(options, batchShape(x, options.axis));
    if (!created)
      return created.takeError();
    fresh = std::move(*created);
  }
  if (Expected<void> valid = checkInputShape(fresh ? *fresh : *built, x.shape, "x"); !valid)
    return valid.takeError();
  return fresh ? makePrepared(*fresh) : preparedNow();
}

void Normalization::State::keep(NormalizationState fresh,
                                std::shared_ptr<const PreparedNormalization> coefficients) {
  const std::lock_guard lock(mutex);
  if (built)
    return;
  built = std::move(fresh);
  finalize();
  prepared = std::move(coefficients);
}

static Expected<void> checkEngine(const std::shared_ptr<Engine> &engine,
                                  const NormalizationOptions &options) {
  if (!engine && !options.runEagerly)
    return invalidArgument("engine: null; expected an engine, or the option to run eagerly");
  return {};
}

Normalization::Normalization(std::unique_ptr<State> state) : state(std::move(state)) {}
Normalization::Normalization(Normalization &&) = default;
Normalization &Normalization::operator=(Normalization &&) = default;
Normalization::~Normalization() = default;

Expected<Normalization> Normalization::create(std::shared_ptr<Engine> engine,
                                              const NormalizationOptions &options) try {
  if (Expected<void> valid = checkNormalizationOptions(options); !valid)
    return valid.takeError();
  if (Expected<void> valid = checkEngine(engine, options); !valid)
    return valid.takeError();
  auto fresh = std::make_unique<State>();
  fresh->engine = std::move(engine);
  fresh->options = options;
  return Normalization(std::move(fresh));
} catch (...) {
  return outOfMemory();
}

Expected<void> Normalization::build(std::span<const int64_t> inputShape) try {
  Expected<NormalizationState> fresh = createNormalizationState(state->options, inputShape);
  if (!fresh)
    return fresh.takeError();
  if (!state->built) {
    state->set(std::move(*fresh));
    return {};
  }
  if (Expected<void> valid = checkInputShape(*state->built, inputShape, "shape"); !valid)
    return valid;
  state->built->shape = fresh->shape;
  return {};
} catch (...) {
  return outOfMemory();
}

bool Normalization::isBuilt() const {
  const std::lock_guard lock(state->mutex);
  return state->built.has_value();
}

//===----------------------------------------------------------------------===//
// Use
//===----------------------------------------------------------------------===//

Expected<void> Normalization::apply(const Tensor &x, const Tensor &y) const try {
  if (const auto last = state->lastPlan.find(state->generation, x, y))
    return last->plan.run(x.data, y.data);
  return state->applyAnew(x, y);
} catch (...) {
  return outOfMemory();
}

Expected<void> Normalization::State::applyAnew(const Tensor &x, const Tensor &y) {
  std::shared_ptr<const PreparedNormalization> use;
  std::optional<NormalizationState> fresh;
  auto prepareFor = [&]() -> Expected<void> {
    if (Expected<void> valid = checkTensor(x, "x"); !valid)
      return valid;
    if (Expected<void> valid = checkOutput(x, y); !valid)
      return valid;
    Expected<std::shared_ptr<const PreparedNormalization>> found = preparedFor(x, fresh);
    if (!found)
      return found.takeError();
    use = std::move(*found);
    return {};
  };
  auto runEagerly = [&]() -> Expected<void> {
    if (Expected<void> ready = prepareFor(); !ready)
      return ready;
    return reference::affine(x, use->axis, use->coefficients, options.compute, y);
  };
  auto makePlan = [&]() -> Expected<AffinePlan> {
    if (Expected<void> ready = prepareFor(); !ready)
      return ready.takeError();
    return engine->planAffine(x, use->axis, use->coefficients, options.compute, y);
  };
  Expected<void> done =
      options.runEagerly ? runEagerly() : lastPlan.run(generation, x, y, makePlan);
  if (done && fresh)
    keep(std::move(*fresh), std::move(use));
  return done;
}

Expected<Array> Normalization::apply(const Tensor &x) const try {
  if (Expected<void> valid = checkTensor(x, "x"); !valid)
    return valid.takeError();
  Expected<Array> y =
      Array::create(state->options.output.value_or(state->options.compute), x.shape);
  if (!y)
    return y;
  if (Expected<void> done = apply(x, *y); !done)
    return done.takeError();
  return y;
} catch (...) {
  return outOfMemory();
}

Expected<Dims> Normalization::computeOutputShape(std::span<const int64_t> inputShape) const try {
  const std::lock_guard lock(state->mutex);
  // A shape that could be built for is checked even when the layer is built.
  Expected<NormalizationState> created = createNormalizationState(state->options, inputShape);
  if (!created)
    return created.takeError();
  if (state->built)
    if (Expected<void> valid = checkInputShape(*state->built, inputShape, "shape"); !valid)
      return valid.takeError();
  return Dims(inputShape);
} catch (...) {
  return outOfMemory();
}

//===----------------------------------------------------------------------===//
// What it knows
//===----------------------------------------------------------------------===//

const NormalizationOptions &Normalization::options() const { return state->options; }

const Dims &Normalization::keptAxes() const {
  static const Dims none{};
  return state->built ? state->built->axis : none;
}

const Statistics &Normalization::statistics() const {
  static const Statistics none{};
  return state->built ? state->built->statistics : none;
}

std::vector<double> Normalization::mean() const {
  const std::lock_guard lock(state->mutex);
  const auto &prepared = state->preparedNow();
  return prepared ? prepared->mean() : std::vector<double>();
}

std::vector<double> Normalization::variance() const {
  const std::lock_guard lock(state->mutex);
  const auto &prepared = state->preparedNow();
  return prepared ? prepared->variance : std::vector<double>();
}

const std::vector<int64_t> &Normalization::constantFeatures() const {
  static const std::vector<int64_t> none;
  const std::lock_guard lock(state->mutex);
  const auto &prepared = state->preparedNow();
  return prepared ? prepared->constant : none;
}

//===----------------------------------------------------------------------===//
// Storage
//===----------------------------------------------------------------------===//

Expected<NormalizationState> Normalization::toState() const try {
  const std::lock_guard lock(state->mutex);
  if (!state->built)
    return invalidArgument("the layer is not built; it has no statistics and no shape yet");
  return *state->built;
} catch (...) {
  return outOfMemory();
}

Expected<Normalization> Normalization::fromState(std::shared_ptr<Engine> engine,
                                                 const NormalizationState &from) try {
  if (Expected<void> valid = checkNormalizationState(from); !valid)
    return valid.takeError();
  Expected<Normalization> layer = create(std::move(engine), from.options);
  if (!layer)
    return layer;
  // Given statistics follow the options, which the caller may have edited.
  if (from.isGiven()) {
    if (Expected<void> built = layer->build(from.shape); !built)
      return built.takeError();
    return layer;
  }
  layer->state->set(from);
  return layer;
} catch (...) {
  return outOfMemory();
}

} // namespace norma
