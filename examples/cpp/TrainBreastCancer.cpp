//===- TrainBreastCancer.cpp - Two batch normalizations around a linear layer ===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Trains a classifier of tumours (569 samples of 30 measurements, whose scales differ
// by 10^5) with stochastic gradient descent:
//
//   x -> batch norm -> linear 30 -> 1 -> batch norm -> logit
//
// then runs the same layers frozen, on their moving statistics, and writes what they
// learned, so that any other program can repeat the inference.
//
// usage: example-TrainBreastCancer DATA.npy LABELS.npy OUTPUT-FOLDER
//
//===----------------------------------------------------------------------===//

#include "norma/IO/Npy.h"
#include "norma/Runtime/Layers/BatchNormalization.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>

using namespace norma;
using namespace norma::io;

/// The value, or the end of the program with the message.
template <typename T>
static T check(Expected<T> value) {
  if (value)
    return std::move(*value);
  std::fprintf(stderr, "error: %s\n", value.error().message().c_str());
  std::exit(EXIT_FAILURE);
}

static void check(Expected<void> done) {
  if (done)
    return;
  std::fprintf(stderr, "error: %s\n", done.error().message().c_str());
  std::exit(EXIT_FAILURE);
}

/// values -= rate * velocity, with the velocity of a momentum of 0.9.
static void descend(std::span<float> values, std::span<const double> gradient,
                    std::vector<double> &velocity, double rate) {
  velocity.resize(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    velocity[i] = 0.9 * velocity[i] + gradient[i];
    values[i] -= float(rate * velocity[i]);
  }
}

static std::span<float> floats(const Tensor &tensor) {
  return {static_cast<float *>(tensor.data), size_t(tensor.size())};
}

/// A layer of one batch normalization and what its descent remembers.
struct TrainedNorm {
  BatchNormalization layer;
  std::vector<double> gammaVelocity, betaVelocity;

  void descend(const BatchNormGradients &gradient, double rate) {
    ::descend(floats(check(layer.weight("gamma"))), gradient.gamma, gammaVelocity, rate);
    ::descend(floats(check(layer.weight("beta"))), gradient.beta, betaVelocity, rate);
  }
};

/// logit = hidden . weights, for every sample. (No bias: the next layer takes it out.)
static void linear(std::span<const float> hidden, std::span<const float> weights,
                   std::span<float> logits) {
  for (size_t i = 0; i < logits.size(); ++i) {
    double sum = 0;
    for (size_t j = 0; j < weights.size(); ++j)
      sum += double(hidden[i * weights.size() + j]) * weights[j];
    logits[i] = float(sum);
  }
}

/// The mean logistic loss, and its gradient with respect to the logits.
static double logisticLoss(std::span<const float> logits, std::span<const uint8_t> labels,
                           std::span<float> gradient) {
  double loss = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double z = logits[i], label = labels[i];
    loss += std::max(z, 0.0) - z * label + std::log1p(std::exp(-std::abs(z)));
    gradient[i] = float((1 / (1 + std::exp(-z)) - label) / double(logits.size()));
  }
  return loss / double(logits.size());
}

int main(int argc, char **argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s DATA.npy LABELS.npy OUTPUT-FOLDER\n", argv[0]);
    return EXIT_FAILURE;
  }
  const std::string folder = argv[3];
  NpyReader dataFile = check(NpyReader::open(argv[1])), labelFile = check(NpyReader::open(argv[2]));
  const Tensor dataset = check(dataFile.map()), labels = check(labelFile.map());
  if (dataset.dtype != DType::F32 || dataset.rank() != 2 || !dataset.isContiguous() ||
      labels.dtype != DType::U8 || !(labels.shape == Dims{dataset.shape[0]})) {
    std::fprintf(stderr, "error: expected f32 data of shape (N, C) and u8 labels of shape (N,)\n");
    return EXIT_FAILURE;
  }
  const int64_t samples = dataset.shape[0], features = dataset.shape[1];
  const float *rows = static_cast<const float *>(dataset.data);
  const uint8_t *classes = static_cast<const uint8_t *>(labels.data);

  std::shared_ptr<Engine> engine = check(Engine::create());
  BatchNormalizationOptions options = BatchNormalizationOptions::kerasV2();
  options.momentum = 0.9;
  TrainedNorm input{check(BatchNormalization::create(engine, options)), {}, {}};
  TrainedNorm output{check(BatchNormalization::create(engine, options)), {}, {}};
  check(input.layer.build(Dims{-1, features}));
  check(output.layer.build(Dims{-1, 1}));
  std::vector<float> weights(features);
  std::vector<double> weightVelocity;
  std::mt19937 random(1);
  for (float &weight : weights)
    weight = float(random() % 2001) / 10000.0f - 0.1f;

  constexpr int64_t batch = 64;
  constexpr double rate = 0.1;
  std::vector<float> x(batch * features), hidden(batch * features), projected(batch), logits(batch),
      gradient(batch), hiddenGradient(batch * features);
  std::vector<uint8_t> y(batch);
  std::vector<int64_t> order(samples);
  for (int64_t i = 0; i < samples; ++i)
    order[i] = i;

  for (int epoch = 1; epoch <= 20; ++epoch) {
    for (int64_t i = samples - 1; i > 0; --i)
      std::swap(order[i], order[int64_t(random() % uint64_t(i + 1))]);
    double loss = 0;
    for (int64_t first = 0; first < samples; first += batch) {
      const int64_t count = std::min(batch, samples - first);
      for (int64_t i = 0; i < count; ++i) {
        std::copy_n(rows + order[first + i] * features, features, x.begin() + i * features);
        y[i] = classes[order[first + i]];
      }
      const Tensor xBatch(x.data(), DType::F32, {count, features});
      const Tensor hiddenBatch(hidden.data(), DType::F32, {count, features});
      const Tensor projectedBatch(projected.data(), DType::F32, {count, 1});
      const Tensor logitBatch(logits.data(), DType::F32, {count, 1});
      const Tensor gradientBatch(gradient.data(), DType::F32, {count, 1});
      const Tensor hiddenGradientBatch(hiddenGradient.data(), DType::F32, {count, features});

      const SavedForward savedInput = check(input.layer.train(xBatch, hiddenBatch));
      linear(std::span(hidden).first(count * features), weights, std::span(projected).first(count));
      const SavedForward savedOutput = check(output.layer.train(projectedBatch, logitBatch));
      loss += logisticLoss(std::span(logits).first(count), std::span(y).first(count), gradient) *
              double(count);

      // Back: in place over the gradient of the logits.
      const BatchNormGradients atOutput =
          check(output.layer.gradient(savedOutput, projectedBatch, gradientBatch, gradientBatch));
      std::vector<double> weightGradient(features);
      for (int64_t i = 0; i < count; ++i)
        for (int64_t j = 0; j < features; ++j) {
          weightGradient[j] += double(gradient[i]) * hidden[i * features + j];
          hiddenGradient[i * features + j] = gradient[i] * weights[j];
        }
      const BatchNormGradients atInput =
          check(input.layer.gradient(savedInput, xBatch, hiddenGradientBatch, hiddenGradientBatch));

      descend(weights, weightGradient, weightVelocity, rate);
      input.descend(atInput, rate);
      output.descend(atOutput, rate);
    }
    if (epoch == 1 || epoch % 5 == 0)
      std::printf("epoch %2d: loss %.4f\n", epoch, loss / double(samples));
  }

  // Frozen: the moving statistics, one sample at a time or all at once.
  const Array frozenHidden = check(input.layer.apply(dataset));
  Array frozenProjected = check(Array::create(DType::F32, {samples, 1}));
  linear(floats(frozenHidden), weights, floats(frozenProjected));
  const Array frozenLogits = check(output.layer.apply(frozenProjected));
  int64_t right = 0;
  for (int64_t i = 0; i < samples; ++i)
    right += (frozenLogits.as<float>()[i] > 0) == (classes[i] != 0);
  std::printf("frozen: %lld of %lld right\n", static_cast<long long>(right),
              static_cast<long long>(samples));

  check(input.layer.save(folder + "/input.safetensors"));
  check(output.layer.save(folder + "/output.safetensors"));
  check(writeNpy(folder + "/weights.npy", Tensor(weights.data(), DType::F32, {features})));
  check(writeNpy(folder + "/logits.npy", frozenLogits));
  return 0;
}
