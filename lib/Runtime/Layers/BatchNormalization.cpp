//===- BatchNormalization.cpp - The batch normalization layer -------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchNormalizationImpl.h"

#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

namespace norma {

BatchNormalization::BatchNormalization(std::unique_ptr<State> state) : state(std::move(state)) {}
BatchNormalization::BatchNormalization(BatchNormalization &&) = default;
BatchNormalization &BatchNormalization::operator=(BatchNormalization &&) = default;
BatchNormalization::~BatchNormalization() = default;

Expected<BatchNormalization>
BatchNormalization::create(std::shared_ptr<Engine> engine,
                           const BatchNormalizationOptions &options) try {
  if (Expected<void> valid = checkBatchNormalizationOptions(options); !valid)
    return valid.takeError();
  if (!engine)
    return invalidArgument("engine: null, expected an engine");
  auto fresh = std::make_unique<State>();
  fresh->engine = std::move(engine);
  fresh->options = options;
  return BatchNormalization(std::move(fresh));
} catch (...) {
  return outOfMemory();
}

//===----------------------------------------------------------------------===//
// Building
//===----------------------------------------------------------------------===//

/// The shape to build for, with what the options have to say about it.
static Expected<BuildShape> makeBuildShape(const BatchNormalizationOptions &options,
                                           std::span<const int64_t> inputShape) {
  Expected<BuildShape> shape = makeBuildShape(options.axis, inputShape);
  if (shape && options.virtualBatchSize && shape->axis[0] == 0)
    return invalidArgument(fmt::format("axis: {} is axis 0 of rank {} with a virtual_batch_size, "
                                       "expected other axes: 0 is cut into virtual batches",
                                       toString(options.axis), inputShape.size()));
  return shape;
}

Expected<std::shared_ptr<BuiltBatchNormalization>>
buildBatchNormalization(const BatchNormalizationOptions &options,
                        std::span<const int64_t> inputShape) {
  auto built = std::make_shared<BuiltBatchNormalization>();
  Expected<BuildShape> shape = makeBuildShape(options, inputShape);
  if (!shape)
    return shape.takeError();
  Expected<bool> isFused = decideFused(options, *shape);
  if (!isFused)
    return isFused.takeError();
  Expected<BatchNormalizationWeights> weights =
      BatchNormalizationWeights::create(options, shape->kept);
  if (!weights)
    return weights.takeError();
  built->shape = *shape;
  built->isFused = *isFused;
  built->weights = std::move(*weights);
  return built;
}

Expected<void> BatchNormalization::build(std::span<const int64_t> inputShape) try {
  if (!isBuilt()) {
    Expected<std::shared_ptr<BuiltBatchNormalization>> built =
        buildBatchNormalization(state->options, inputShape);
    if (!built)
      return built.takeError();
    state->keep(std::move(*built));
    return {};
  }
  Expected<Dims> checked = computeOutputShape(inputShape);
  if (!checked)
    return checked.takeError();
  const std::lock_guard lock(state->mutex);
  state->built->shape.shape = *checked;
  return {};
} catch (...) {
  return outOfMemory();
}

Expected<Dims> BatchNormalization::computeOutputShape(std::span<const int64_t> inputShape) const
    try {
  // A shape that could be built for is checked even when the layer is built.
  if (Expected<BuildShape> shape = makeBuildShape(state->options, inputShape); !shape)
    return shape.takeError();
  if (const auto built = state->getBuilt())
    if (Expected<void> valid = checkInputShape(built->shape, inputShape, "shape"); !valid)
      return valid.takeError();
  return Dims(inputShape);
} catch (...) {
  return outOfMemory();
}

bool BatchNormalization::isBuilt() const { return state->getBuilt() != nullptr; }

bool BatchNormalization::isFused() const {
  const auto built = state->getBuilt();
  return built && built->isFused;
}

const BatchNormalizationOptions &BatchNormalization::options() const { return state->options; }

const Dims &BatchNormalization::keptAxes() const {
  static const Dims none{};
  const auto built = state->getBuilt();
  return built ? built->shape.axis : none;
}

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

static Error notBuilt() {
  return invalidArgument("the layer is not built; it has no weights and no shape yet");
}

std::vector<BatchNormalization::Weight> BatchNormalization::weights() const {
  std::vector<Weight> result;
  if (const auto built = state->getBuilt())
    for (const auto &entry : built->weights.entries())
      result.push_back({std::string(entry.name), entry.value.view(),
                        entry.isParameter && state->options.trainable});
  return result;
}

Expected<Tensor> BatchNormalization::weight(std::string_view name) const try {
  const auto built = state->getBuilt();
  if (!built)
    return notBuilt();
  if (const auto *entry = built->weights.find(name))
    return entry->value.view();
  std::string names;
  for (const auto &entry : built->weights.entries())
    names += (names.empty() ? "" : ", ") + std::string(entry.name);
  return Error(ErrorCode::NotFound,
               fmt::format("weight: the layer has no '{}', expected one of {}", name, names));
} catch (...) {
  return outOfMemory();
}

int64_t BatchNormalization::batchesSeen() const {
  const auto built = state->getBuilt();
  return built ? built->weights.batchesSeen : 0;
}

double BatchNormalization::regularizationLoss() const {
  const auto built = state->getBuilt();
  if (!built)
    return 0;
  const BatchNormParameters parameters = built->weights.parameters();
  const BatchNormalizationOptions &options = state->options;
  double loss = 0;
  if (options.gammaRegularizer)
    loss += norma::regularizationLoss(*options.gammaRegularizer, parameters.gamma);
  if (options.betaRegularizer)
    loss += norma::regularizationLoss(*options.betaRegularizer, parameters.beta);
  return loss;
}

Expected<void> BatchNormalization::applyConstraints() try {
  const auto built = state->getBuilt();
  if (!built)
    return notBuilt();
  const BatchNormalizationOptions &options = state->options;
  BatchNormParameters next = built->weights.parameters();
  for (const auto &[constraint, name, values] :
       {std::tuple(&options.gammaConstraint, "gamma", &next.gamma),
        std::tuple(&options.betaConstraint, "beta", &next.beta)})
    if (*constraint && built->weights.find(name))
      if (Expected<void> done = applyConstraint(**constraint, built->shape.kept, *values); !done)
        return done.takeError().within(name);
  // Both, or none where one of them fails.
  if (options.gammaConstraint && built->weights.find("gamma"))
    built->weights.set("gamma", next.gamma);
  if (options.betaConstraint && built->weights.find("beta"))
    built->weights.set("beta", next.beta);
  return {};
} catch (...) {
  return outOfMemory();
}

//===----------------------------------------------------------------------===//
// Changes of options
//===----------------------------------------------------------------------===//

void BatchNormalization::setTrainable(bool trainable) { state->options.trainable = trainable; }

Expected<void> BatchNormalization::setMomentum(std::optional<double> momentum) try {
  if (Expected<void> valid = checkBatchNormRules({.momentum = momentum}); !valid)
    return valid;
  state->options.momentum = momentum;
  return {};
} catch (...) {
  return outOfMemory();
}

Expected<void>
BatchNormalization::setRenormClipping(const std::map<std::string, double> &clipping) try {
  if (Expected<RenormClipping> valid = parseRenormClipping(clipping); !valid)
    return valid.takeError();
  std::map<std::string, double> next = clipping;
  state->options.renormClipping.swap(next);
  return {};
} catch (...) {
  return outOfMemory();
}

Expected<void> BatchNormalization::setAdjustment(
    std::function<Expected<Adjustment>(const Dims &shape)> adjustment) try {
  BatchNormalizationOptions next = state->options;
  next.adjustment = std::move(adjustment);
  return state->setHooks(std::move(next), "adjustment");
} catch (...) {
  return outOfMemory();
}

Expected<void> BatchNormalization::setAllReduce(AllReduce allReduce) try {
  BatchNormalizationOptions next = state->options;
  next.allReduce = std::move(allReduce);
  return state->setHooks(std::move(next), "all_reduce");
} catch (...) {
  return outOfMemory();
}

Expected<void> BatchNormalization::State::setHooks(BatchNormalizationOptions next,
                                                   const char *name) {
  // What a built layer's weights mean must not change.
  if (const auto current = getBuilt(); current && current->isFused)
    return invalidArgument(
        fmt::format("{}: given to a fused layer, expected one with fused = false", name));
  if (Expected<void> valid = checkBatchNormalizationOptions(next); !valid)
    return valid;
  options = std::move(next);
  return {};
}

} // namespace norma
