//===- BatchNormProblem.cpp - What a random op is given -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchNormProblem.h"

#include "BatchNormCase.h"

#include "norma/Support/AxisForm.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace norma::test {

static constexpr DType kDataDTypes[] = {DType::F32,  DType::F32, DType::F64, DType::F16,
                                        DType::BF16, DType::U8,  DType::I32};
static constexpr DType kParameterDTypes[] = {DType::F32, DType::F64};

static Array copyOf(const Array &array) { return std::move(*Array::copyOf(array)); }

static std::vector<Array> copies(const std::vector<Array> &from, size_t begin, size_t end) {
  std::vector<Array> result;
  for (size_t i = begin; i < end; ++i)
    result.push_back(copyOf(from[i]));
  return result;
}

std::vector<Array> listOf(const Array &array) {
  std::vector<Array> result;
  result.push_back(copyOf(array));
  return result;
}

//===----------------------------------------------------------------------===//
// Drawing
//===----------------------------------------------------------------------===//

BatchNormProblem::BatchNormProblem(Random &random)
    : random(random), dtype(random.pick(kDataDTypes)) {
  drawShape();
  drawRules();
  drawInputs();
  drawData();
  if (random.chance(0.7))
    gamma = parameter([&](int64_t) { return random.between(-1.5, 1.5); });
  if (random.chance(0.7))
    beta = parameter([&](int64_t) { return random.normal(); });
  drawState();
}

void BatchNormProblem::drawShape() {
  shape = randomShape(random, 5, 1'500);
  kept = randomKept(random, shape.size());
  perKept = keptShape(shape, kept);
  if (shape.empty() || (!kept.empty() && kept[0] == 0) || random.chance(0.4))
    return;
  GhostBatches &cut = rules.ghosts;
  cut.grouping = random.pick({GhostGrouping::Strided, GhostGrouping::Contiguous});
  cut.remainder = random.pick({GhostRemainder::Smaller, GhostRemainder::Merge});
  cut.size = 1 + random.below(shape[0] + 2);
  if (shape[0] % cut.size == 0 && random.chance(0.5))
    cut.remainder = GhostRemainder::Error;
}

void BatchNormProblem::drawRules() {
  rules.epsilon = random.pick({1e-3, 1e-2});
  rules.epsilonFloor = random.pick({0.0, 5e-3});
  rules.momentum = random.pick({0.99, 0.5, 0.0, 1.0});
  rules.renormMomentum = random.pick({0.9, 0.25});
  hasMoving = random.chance(0.7);
  if (random.chance(0.3))
    rules.movingVariance = MovingVariance::Sample;
  if (!hasMoving) {
    rules.updateMoving = false;
    return;
  }
  rules.renorm = random.chance(0.4);
  rules.useBatchStatistics = random.chance(0.8);
  rules.updateMoving = random.chance(0.8);
  if (random.chance(0.25))
    rules.momentum = std::nullopt;
  if (!rules.renorm)
    return;
  if (random.chance(0.5))
    rules.clipping.rmin = 0.5;
  if (random.chance(0.5))
    rules.clipping.rmax = 1.25;
  if (random.chance(0.5))
    rules.clipping.dmax = 0.75;
}

Array BatchNormProblem::broadcast(DType type, const std::function<double()> &value,
                                  std::vector<double> &elements) {
  Dims extents = shape;
  for (int64_t &extent : extents)
    if (random.chance(0.4))
      extent = 1;
  Array array = arrayOf(type, extents, [&](int64_t) { return value(); });
  elements = valuesAt(*broadcastFromLeft(array, shape, "operand"));
  return array;
}

void BatchNormProblem::drawInputs() {
  if (random.chance(0.3))
    mask = broadcast(
        random.pick({DType::Bool, DType::I8}), [&] { return random.chance(0.7) ? 1 : 0; },
        inputs.mask);
  if (random.chance(0.3))
    weights = broadcast(
        random.pick({DType::F32, DType::F64, DType::F16, DType::I8}),
        [&] { return random.chance(0.2) ? 0 : 1 + random.below(3); }, inputs.weights);
  if (random.chance(0.3))
    adjustScale = broadcast(
        random.pick(kFloatDTypes), [&] { return random.between(0.5, 2); }, inputs.adjustScale);
  if (random.chance(0.3))
    adjustBias =
        broadcast(random.pick(kFloatDTypes), [&] { return random.normal(); }, inputs.adjustBias);
}

/// What is left out may be anything.
void BatchNormProblem::drawData() {
  const bool hasHoles = isFloat(dtype) && random.chance(0.3);
  const double mean = 3 * random.normal(), deviation = random.pick({0.5, 1.0, 4.0});
  const double base = isFloat(dtype) ? 0 : 100;
  x = arrayOf(dtype, shape, [&](int64_t i) {
    if (hasHoles && isLeftOut(size_t(i)))
      return random.pick({kNotANumber, kInfinity});
    return base + mean + deviation * random.normal();
  });
}

void BatchNormProblem::drawState() {
  moving.batches = random.below(5);
  const auto draw = [&](std::vector<double> &values, const std::function<double()> &value) {
    state.push_back(parameter([&](int64_t) { return value(); }));
    values = valuesOf(state.back());
  };
  if (!hasMoving)
    return;
  draw(moving.mean, [&] { return random.normal(); });
  draw(moving.variance, [&] { return random.between(0.1, 4); });
  if (!rules.renorm)
    return;
  draw(moving.stddev, [&] { return random.between(0.5, 2); });
  draw(moving.renormMean, [&] { return random.normal(); });
  draw(moving.renormStddev, [&] { return random.between(0, 2); });
}

//===----------------------------------------------------------------------===//
// What was drawn
//===----------------------------------------------------------------------===//

Function BatchNormProblem::function() const {
  return Function(random, shape, kept,
                  hasGhosts() && rules.ghosts.remainder == GhostRemainder::Error);
}

Array BatchNormProblem::copyOfX() const { return copyOf(x); }

Array BatchNormProblem::parameter(const std::function<double(int64_t)> &value) const {
  return arrayOf(random.pick(kParameterDTypes), perKept, value);
}

BatchNormParameters BatchNormProblem::parameters() const {
  const auto given = [](const std::optional<Array> &array) {
    return array ? valuesOf(*array) : std::vector<double>();
  };
  return {given(gamma), given(beta)};
}

std::vector<Array> BatchNormProblem::movingState() const { return copies(state, 0, 2); }
std::vector<Array> BatchNormProblem::renormState() const { return copies(state, 2, 5); }

std::optional<int64_t> BatchNormProblem::ghosts() const {
  if (!hasGhosts() || !rules.useBatchStatistics)
    return std::nullopt;
  return planGhosts(rules.ghosts, shape[0])->ghosts;
}

size_t BatchNormProblem::groupOf(const Dims &index) const {
  const auto position = size_t(keptPosition(index, shape, kept));
  if (!ghosts())
    return position;
  const GhostPlan plan = *planGhosts(rules.ghosts, shape[0]);
  const int64_t sample = index[0], size = rules.ghosts.size;
  const int64_t ghost = sample >= plan.whole * size                       ? plan.tailGhost
                        : rules.ghosts.grouping == GhostGrouping::Strided ? sample % plan.whole
                                                                          : sample / size;
  return size_t(ghost * *numElements(perKept)) + position;
}

bool BatchNormProblem::isLeftOut(size_t element) const {
  return (!inputs.mask.empty() && inputs.mask[element] == 0) ||
         (!inputs.weights.empty() && inputs.weights[element] == 0);
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static void writeOperand(Function &function, const char *word, const std::optional<Array> &array) {
  if (array)
    function.operands(word, listOf(*array));
}

void BatchNormProblem::writeGamma(Function &function) const {
  writeOperand(function, "gamma", gamma);
}
void BatchNormProblem::writeBeta(Function &function) const { writeOperand(function, "beta", beta); }
void BatchNormProblem::writeMask(Function &function) const {
  writeOperand(function, "mask", mask);
  writeOperand(function, "weights", weights);
}
void BatchNormProblem::writeAdjustment(Function &function) const {
  writeOperand(function, "adjust_scale", adjustScale);
  writeOperand(function, "adjust_bias", adjustBias);
}

std::string BatchNormProblem::keptText(std::optional<DType> to) const {
  return fmt::format(" kept [{}]{}{}", fmt::join(kept.begin(), kept.end(), ", "),
                     dtype == DType::U8 ? " unsigned" : "",
                     to ? fmt::format(" to {}", elementText(*to)) : "");
}

std::string BatchNormProblem::ghostText() const {
  if (!hasGhosts())
    return "";
  return fmt::format(", virtual_batch_size = {} : i64, grouping = #norma<grouping {}>, remainder "
                     "= #norma<remainder {}>",
                     rules.ghosts.size, norma::toString(rules.ghosts.grouping),
                     norma::toString(rules.ghosts.remainder));
}

} // namespace norma::test
