//===- Tour.cpp - What docs/guide.md shows of C++ -------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Runtime/Layers/BatchNormalization.h"
#include "norma/Runtime/Layers/Normalization.h"

#include <cstdio>
#include <cstdlib>
#include <vector>

using namespace norma;

namespace {

/// The value, or the end of the program with the message.
template <typename T>
T check(Expected<T> value) {
  if (value)
    return std::move(*value);
  std::fprintf(stderr, "error: %s\n", value.error().message().c_str());
  std::exit(EXIT_FAILURE);
}

void check(const Expected<void> &done) {
  if (done)
    return;
  std::fprintf(stderr, "error: %s\n", done.error().message().c_str());
  std::exit(EXIT_FAILURE);
}

std::shared_ptr<Engine> makeEngine() {
  EngineOptions options;
  options.threads = 2;
  options.cacheDirectory = "off";
  options.log = [](std::string_view message) {
    std::fprintf(stderr, "%.*s\n", int(message.size()), message.data());
  };
  return check(Engine::create(options));
}

void showErrors(const std::shared_ptr<Engine> &engine) {
  Expected<Normalization> layer = Normalization::create(engine, {.epsilon = -1});
  if (!layer)
    std::printf("%s: %s\n", toString(layer.error().code()), layer.error().message().c_str());
}

void showTensors() {
  std::vector<float> pixels(4 * 6 * 3);
  // Dense and row-major: strides follow from the shape.
  Tensor image(pixels.data(), DType::F32, {4, 6, 3});
  // Every other column, by strides, in elements. Nothing is copied.
  Tensor half(pixels.data(), DType::F32, {4, 3, 3}, {18, 6, 1});
  Array copy = check(Array::copyOf(half));
  std::printf("%s of %s, and %s\n", toString(image.shape).c_str(), toString(image.dtype),
              toString(copy.view().shape).c_str());
}

void showAdapt(const std::shared_ptr<Engine> &engine, const Tensor &data, const Tensor &valid) {
  NormalizationOptions options;
  options.axis = {-1};
  options.zeroVariance = ZeroVariance::Unit;
  Normalization layer = check(Normalization::create(engine, options));

  AdaptOptions adapt;
  adapt.mask = valid; // one number per row; 0 leaves it out
  adapt.progress = [](const AdaptProgress &progress) {
    std::printf("%lld of %lld elements\n", (long long)progress.elements,
                (long long)progress.totalElements.value_or(0));
    return true; // false cancels
  };
  check(layer.adapt(data, adapt));

  check(layer.apply(data, data)); // in place
  std::printf("feature 0: mean %.6g, variance %.6g\n", layer.mean()[0], layer.variance()[0]);
}

void showState(const std::shared_ptr<Engine> &engine, const Tensor &data, const std::string &path) {
  Normalization layer = check(Normalization::create(engine));
  check(layer.adapt(data));
  check(layer.save(path));
  Normalization same = check(Normalization::load(engine, path));
  std::printf("loaded: %s\n", same.mean() == layer.mean() ? "the same" : "others");
}

void showBatchNormalization(const std::shared_ptr<Engine> &engine, const Tensor &x) {
  auto options = BatchNormalizationOptions::pytorch();
  BatchNormalization layer = check(BatchNormalization::create(engine, options));
  Array y = check(Array::create(DType::F32, x.shape));
  Array dx = check(Array::create(DType::F32, x.shape));

  SavedForward saved = check(layer.train(x, y));
  BatchNormGradients gradients = check(layer.gradient(saved, x, /*dy=*/y, dx));
  check(layer.apply(x, y));
  std::printf("%zu gradients of gamma\n", gradients.gamma.size());
}

void showPlan(Engine &engine, const Tensor &x, const Tensor &y) {
  Coefficients coefficients{.shape = {3}, .center = {1, 2, 3}, .scale = {2, 2, 2}, .shift = {}};
  AffinePlan plan = check(engine.planAffine(x, {{1}}, coefficients, DType::F32, y));
  for (int step = 0; step < 1000; ++step)
    check(plan.run(x.data, y.data));
}

void showStats(const Engine &engine) {
  const EngineStats stats = engine.stats();
  std::printf("%llu compiled, %llu found in memory\n", (unsigned long long)stats.compiles,
              (unsigned long long)stats.memoryHits);
  for (const KernelInfo &kernel : engine.kernels())
    std::printf("%s %s\n", kernel.family.c_str(), kernel.axisForm.c_str());
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s STATE-FILE\n", argv[0]);
    return EXIT_FAILURE;
  }
  std::shared_ptr<Engine> engine = makeEngine();
  showErrors(engine);
  showTensors();
  float table[4][3] = {{0, 7, 4}, {2, 9, 6}, {0, 7, 4}, {90, 90, 90}};
  uint8_t valid[4] = {1, 1, 1, 0};
  showAdapt(engine, Tensor(table, DType::F32, {4, 3}), Tensor(valid, DType::U8, {4}));
  showState(engine, Tensor(table, DType::F32, {4, 3}), argv[1]);
  std::vector<float> images(2 * 3 * 5 * 5, 1);
  showBatchNormalization(engine, Tensor(images.data(), DType::F32, {2, 3, 5, 5}));
  float result[4][3];
  showPlan(*engine, Tensor(table, DType::F32, {4, 3}), Tensor(result, DType::F32, {4, 3}));
  showStats(*engine);
  return EXIT_SUCCESS;
}
