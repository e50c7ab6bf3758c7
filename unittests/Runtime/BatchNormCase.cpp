//===- BatchNormCase.cpp - A random call of batch normalization -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchNormCase.h"

#include "norma/Support/AxisForm.h"

#include <fmt/format.h>

namespace norma::test {

std::vector<double> valuesAt(const Tensor &tensor) {
  std::vector<double> result;
  forEachIndex(tensor.shape, [&](const Dims &index) { result.push_back(valueAt(tensor, index)); });
  return result;
}

/// The view with the data's shape by NumPy's rule: from the right, as from the left
/// after axes of 1 were put in front.
static std::vector<double> valuesFromRight(Tensor tensor, const Dims &shape) {
  Dims extents, strides;
  for (int axis = tensor.rank(); axis < shape.size(); ++axis) {
    extents.push_back(1);
    strides.push_back(0);
  }
  for (int axis = 0; axis < tensor.rank(); ++axis) {
    extents.push_back(tensor.shape[axis]);
    strides.push_back(tensor.strides[axis]);
  }
  tensor.shape = extents;
  tensor.strides = strides;
  return valuesAt(*broadcastFromLeft(tensor, shape, "adjustment"));
}

BatchNormCase::BatchNormCase(Random &random, int64_t elements)
    : shape(randomShape(random, 5, elements)), kept(randomKept(random, shape.size())),
      compute(random.chance(0.65) ? DType::F32 : DType::F64) {
  x = input(random, random.pick(kAllDTypes));
  y = output(random);
  dy = input(random, random.pick(kFloatDTypes));
  dx = output(random);
  fill(random);
  operands = std::make_unique<RandomOperands>(random, x->view());
  inputs.mask = operands->mask();
  inputs.weights = operands->weights();
  inputs.cacheBlocked = random.chance(0.3);
  drawRules(random);
  drawValues(random);
  if (random.chance(0.3))
    drawAdjustment(random);
  drawOracleInputs();
  scatterNonFinite(random);
  const auto writable = [](const RandomTensor &tensor) {
    return isFloat(tensor.view().dtype) && !tensor.repeats();
  };
  inPlace = random.chance(0.3) && writable(*x) && writable(*dy);
  text = describe();
}

int64_t BatchNormCase::keptSize() const { return *numElements(keptShape(shape, kept)); }

double BatchNormCase::weightOf(size_t element) const {
  const bool counts = oracleInputs.mask.empty() || oracleInputs.mask[element] != 0;
  return !counts ? 0 : oracleInputs.weights.empty() ? 1 : oracleInputs.weights[element];
}

std::unique_ptr<RandomTensor> BatchNormCase::input(Random &random, DType dtype) const {
  return std::make_unique<RandomTensor>(random, dtype, shape, random.pick(kInputArrangements),
                                        random.chance(0.2));
}
std::unique_ptr<RandomTensor> BatchNormCase::output(Random &random) const {
  return std::make_unique<RandomTensor>(random, random.pick(kFloatDTypes), shape,
                                        random.pick(kOutputArrangements), random.chance(0.2));
}

void BatchNormCase::fill(Random &random) const {
  std::vector<std::pair<double, double>> channels;
  for (int64_t i = 0; i < keptSize(); ++i) {
    const double deviation = random.chance(0.1) ? 0 : std::pow(10, random.between(-2, 2));
    const double ratio = random.chance(0.4) ? 0 : std::pow(10, random.between(-1, 2.5));
    channels.emplace_back((random.chance(0.5) ? -1 : 1) * ratio * std::max(deviation, 0.01),
                          deviation);
  }
  forEachIndex(shape, [&](const Dims &index) {
    const auto [mean, deviation] = channels[size_t(keptPosition(index, shape, kept))];
    storeValue(mean + deviation * random.normal(), addressOf(x->view(), index), x->view().dtype);
    storeValue(random.normal(), addressOf(dy->view(), index), dy->view().dtype);
  });
}

void BatchNormCase::drawRules(Random &random) {
  rules.epsilon = random.pick({1e-5, 1e-3, 0.1});
  rules.epsilonFloor = random.chance(0.2) ? 1.001e-5 : 0;
  if (random.chance(0.2))
    rules.momentum = std::nullopt;
  else
    rules.momentum = random.pick({0.0, 0.5, 0.99, 1.0});
  rules.movingVariance = random.pick({MovingVariance::Population, MovingVariance::Sample});
  rules.renorm = random.chance(0.4);
  rules.renormMomentum = random.between(0, 1);
  if (random.chance(0.4))
    rules.clipping = {.rmin = random.between(0, 1), .rmax = random.between(1, 3)};
  if (random.chance(0.4))
    rules.clipping.dmax = random.between(0, 5);
  rules.useBatchStatistics = random.chance(0.85);
  rules.updateMoving = random.chance(0.85);
  if (shape.empty() || (!kept.empty() && kept[0] == 0) || random.chance(0.4))
    return;
  rules.ghosts.size = 1 + random.below(shape[0] + 1);
  rules.ghosts.grouping = random.pick({GhostGrouping::Strided, GhostGrouping::Contiguous});
  rules.ghosts.remainder = random.pick({GhostRemainder::Smaller, GhostRemainder::Merge});
  if (shape[0] % rules.ghosts.size == 0 && random.chance(0.5))
    rules.ghosts.remainder = GhostRemainder::Error;
}

void BatchNormCase::drawValues(Random &random) {
  const auto draw = [&](double low, double high) {
    std::vector<double> values;
    for (int64_t i = 0; i < keptSize(); ++i)
      values.push_back(random.between(low, high));
    return values;
  };
  if (random.chance(0.7))
    parameters.gamma = draw(-2, 2);
  if (random.chance(0.7))
    parameters.beta = draw(-2, 2);
  moving = {.mean = draw(-3, 3), .variance = draw(0.1, 3), .batches = random.below(4)};
  if (!rules.renorm)
    return;
  moving.stddev = draw(0.1, 2);
  moving.renormMean = draw(-3, 3);
  moving.renormStddev = draw(0, 2);
}

void BatchNormCase::drawAdjustment(Random &random) {
  const auto draw = [&](std::unique_ptr<RandomTensor> &tensor, double low, double high) {
    Dims extents;
    for (int axis = int(random.below(shape.size() + 1)); axis < shape.size(); ++axis)
      extents.push_back(random.chance(0.5) ? 1 : shape[axis]);
    tensor = std::make_unique<RandomTensor>(random, random.pick(kFloatDTypes), extents,
                                            random.pick(kInputArrangements), random.chance(0.2));
    forEachIndex(extents, [&](const Dims &index) {
      storeValue(random.between(low, high), addressOf(tensor->view(), index), tensor->view().dtype);
    });
    return tensor->view();
  };
  if (random.chance(0.8))
    inputs.adjustScale = draw(scale, 0.5, 1.5);
  if (random.chance(0.8))
    inputs.adjustBias = draw(bias, -1, 1);
}

void BatchNormCase::drawOracleInputs() {
  if (inputs.mask)
    oracleInputs.mask = valuesAt(*broadcastFromLeft(*inputs.mask, shape, "mask"));
  if (inputs.weights)
    oracleInputs.weights = valuesAt(*broadcastFromLeft(*inputs.weights, shape, "weights"));
  if (inputs.adjustScale)
    oracleInputs.adjustScale = valuesFromRight(*inputs.adjustScale, shape);
  if (inputs.adjustBias)
    oracleInputs.adjustBias = valuesFromRight(*inputs.adjustBias, shape);
}

/// What is left out may be anything; now and then, so may be what is not.
void BatchNormCase::scatterNonFinite(Random &random) const {
  if (!isFloat(x->view().dtype))
    return;
  const double leftOut = random.chance(0.5) ? 0.5 : 0, counted = random.chance(0.05) ? 0.01 : 0;
  size_t element = 0;
  forEachIndex(shape, [&](const Dims &index) {
    const bool counts = weightOf(element++) != 0;
    if (random.chance(counts ? counted : leftOut))
      storeFromDouble(counts ? kNotANumber : random.pick({kNotANumber, kInfinity}),
                      addressOf(x->view(), index), x->view().dtype);
  });
}

std::string BatchNormCase::describe() const {
  std::string result = fmt::format(
      "{} to {}, dy {} to {}, kept {}, in {}{}, momentum {}, moving {}, renorm {}, frozen {}, "
      "update {}{}",
      x->describe(), y->describe(), dy->describe(), dx->describe(), norma::toString(kept),
      norma::toString(compute), inPlace ? " in place" : "",
      rules.momentum ? fmt::format("{}", *rules.momentum) : "cumulative",
      norma::toString(rules.movingVariance), rules.renorm, !rules.useBatchStatistics,
      rules.updateMoving, operands->describe());
  if (rules.ghosts.size)
    result += fmt::format(", ghosts of {} {} {}", rules.ghosts.size,
                          norma::toString(rules.ghosts.grouping),
                          norma::toString(rules.ghosts.remainder));
  for (const auto &[tensor, name] : {std::pair(&scale, "scale"), std::pair(&bias, "bias")})
    if (*tensor)
      result += fmt::format(", adjusted by {} {}", name, (*tensor)->describe());
  return result;
}

} // namespace norma::test
