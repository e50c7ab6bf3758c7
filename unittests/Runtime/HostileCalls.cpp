//===- HostileCalls.cpp - Every public call that takes tensors ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "HostileCalls.h"

#include "norma/Runtime/BatchNorm.h"
#include "norma/Runtime/Layers/BatchNormalization.h"
#include "norma/Runtime/Layers/Normalization.h"

using namespace norma;
using namespace norma::test;

template <typename T>
static std::optional<Error> errorOf(Expected<T> result) {
  return result ? std::nullopt : std::optional(result.takeError());
}

std::vector<TensorCall> norma::test::tensorCalls(const std::shared_ptr<Engine> &shared) {
  Engine &engine = *shared;
  const auto layer = [shared](const NormalizationOptions &options = {}) {
    return std::make_shared<Normalization>(*Normalization::create(shared, options));
  };
  const auto batchNorm = [shared](const BatchNormalizationOptions &options = {}) {
    return std::make_shared<BatchNormalization>(*BatchNormalization::create(shared, options));
  };
  const std::vector<double> three(kColumns, 1);
  const Coefficients coefficients{{kColumns}, three, three, three};
  const GradientCoefficients gradient{{kColumns}, three, three, three, three};
  const Engine::MakeCoefficients make = [](int64_t begin, int64_t end,
                                           const Statistics &statistics) {
    const auto mean = statistics.mean.begin();
    return Coefficients{{end - begin}, {mean + begin, mean + end}, {}, {}};
  };
  const Engine::MakeGradientCoefficients makeGradient = [](int64_t begin, int64_t end,
                                                           const GradientSums &sums) {
    const std::vector<double> part(sums.sum.begin() + begin, sums.sum.begin() + end);
    return GradientCoefficients{{end - begin}, part, part, part, part};
  };
  const MovingStatistics moving{.mean = three, .variance = three};
  const BatchNormParameters parameters{three, three};
  const BatchNormForward forward = batchNormForward({}, {{kColumns}, three, three, three}, moving);
  using Tensors = std::span<const Tensor>;
  return {
      {"moments", {"x"}, {}, [&](Tensors t) { return errorOf(engine.moments(t[0], Dims{1})); }},
      {"moments with operands",
       {"x", "mask", "weights"},
       {},
       [&](Tensors t) {
         return errorOf(engine.moments(t[0], Dims{1}, {.mask = t[1], .weights = t[2]}));
       }},
      {"moments of batches",
       {"x", "x"},
       {},
       [&](Tensors t) { return errorOf(engine.moments(t, Dims{1})); }},
      {"momentsKernel",
       {"x", "mask"},
       {},
       [&](Tensors t) { return errorOf(engine.momentsKernel(t[0], Dims{1}, {.mask = t[1]})); }},
      {"affine",
       {"x"},
       {"y"},
       [&, coefficients](Tensors t) {
         return errorOf(engine.affine(t[0], Dims{1}, coefficients, DType::F32, t[1]));
       }},
      {"affineKernel",
       {"x"},
       {"y"},
       [&, coefficients](Tensors t) {
         return errorOf(engine.affineKernel(t[0], Dims{1}, coefficients, DType::F32, t[1]));
       }},
      {"momentsThenAffine",
       {"x", "mask", "weights"},
       {"y"},
       [&, make](Tensors t) {
         return errorOf(engine.momentsThenAffine(t[0], Dims{1}, {.mask = t[1], .weights = t[2]},
                                                 make, DType::F32, t[3]));
       }},
      {"gradientSums",
       {"x", "dy", "mask", "weights"},
       {},
       [&, three](Tensors t) {
         return errorOf(
             engine.gradientSums(t[0], t[1], Dims{1}, three, {.mask = t[2], .weights = t[3]}));
       }},
      {"gradientMap",
       {"x", "dy", "mask", "weights"},
       {"dx"},
       [&, gradient](Tensors t) {
         return errorOf(engine.gradientMap(t[0], t[1], Dims{1}, gradient, DType::F32, t[4],
                                           {.mask = t[2], .weights = t[3]}));
       }},
      {"gradientSumsThenMap",
       {"x", "dy", "mask", "weights"},
       {"dx"},
       [&, three, makeGradient](Tensors t) {
         return errorOf(engine.gradientSumsThenMap(t[0], t[1], Dims{1}, three,
                                                   {.mask = t[2], .weights = t[3]}, makeGradient,
                                                   DType::F32, t[4]));
       }},
      {"batchNormTraining",
       {"x", "mask", "weights", "adjust_scale", "adjust_bias"},
       {"y"},
       [&, moving, parameters](Tensors t) {
         return errorOf(batchNormTraining(
             engine, t[0], Dims{1}, {.ghosts = {.size = 2}}, parameters, moving,
             {.mask = t[1], .weights = t[2], .adjustScale = t[3], .adjustBias = t[4]}, DType::F32,
             t[5]));
       }},
      {"batchNormInference",
       {"x"},
       {"y"},
       [&, three, parameters](Tensors t) {
         return errorOf(batchNormInference(engine, t[0], Dims{1}, three, three, 1e-3, parameters,
                                           DType::F32, t[1]));
       }},
      {"batchNormGradient",
       {"x", "dy", "mask", "weights"},
       {"dx"},
       [&, forward, parameters](Tensors t) {
         return errorOf(batchNormGradient(engine, t[0], t[1], Dims{1}, {}, parameters, forward,
                                          {.mask = t[2], .weights = t[3]}, DType::F32, t[4]));
       }},
      {"Normalization::adapt",
       {"data", "mask", "weights"},
       {},
       [=](Tensors t) { return errorOf(layer()->adapt(t[0], {.mask = t[1], .weights = t[2]})); }},
      {"Normalization::adapt in batches",
       {"data", "mask"},
       {},
       [=](Tensors t) { return errorOf(layer()->adapt(t[0], {.batchSize = 2, .mask = t[1]})); }},
      {"Normalization::adapt to a stream",
       {"batch 0", "mask", "weights"},
       {},
       [=](Tensors t) {
         const BatchSource source = [=]() -> Expected<std::optional<Batch>> {
           return std::optional(Batch{t[0], t[1], t[2]});
         };
         return errorOf(layer()->adapt(source, {.steps = 1}));
       }},
      {"Normalization::updateState",
       {"data", "mask", "weights"},
       {},
       [=](Tensors t) { return errorOf(layer()->updateState({t[0], t[1], t[2]})); }},
      {"Normalization::apply",
       {"x"},
       {"y"},
       [=](Tensors t) { return errorOf(layer()->apply(t[0], t[1])); }},
      {"Normalization::apply to an array",
       {"x"},
       {},
       [=](Tensors t) { return errorOf(layer()->apply(t[0])); }},
      {"eager Normalization::adapt",
       {"data", "mask", "weights"},
       {},
       [=](Tensors t) {
         return errorOf(layer({.runEagerly = true})->adapt(t[0], {.mask = t[1], .weights = t[2]}));
       }},
      {"eager Normalization::apply",
       {"x"},
       {"y"},
       [=](Tensors t) { return errorOf(layer({.runEagerly = true})->apply(t[0], t[1])); }},
      {"BatchNormalization::train",
       {"x", "mask", "weights"},
       {"y"},
       [=](Tensors t) {
         return errorOf(batchNorm()->train(t[0], t[3], {.mask = t[1], .weights = t[2]}));
       }},
      {"BatchNormalization::apply",
       {"x"},
       {"y"},
       [=](Tensors t) { return errorOf(batchNorm()->apply(t[0], t[1])); }},
      {"BatchNormalization::applyAndSave",
       {"x"},
       {"y"},
       [=](Tensors t) { return errorOf(batchNorm()->applyAndSave(t[0], t[1])); }},
      {"Array::copyOf", {"tensor"}, {}, [](Tensors t) { return errorOf(Array::copyOf(t[0])); }},
  };
}
