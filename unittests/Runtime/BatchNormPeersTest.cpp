//===- BatchNormPeersTest.cpp - Against what other systems return ---------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The layer, call by call, beside what TensorFlow, Keras, PyTorch and ONNX returned for
// the same inputs. The largest differences are properties of the tests, from which
// scripts/peers/summarize.py makes a table.
//
//===----------------------------------------------------------------------===//

#include "BatchNormPeers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <barrier>
#include <cmath>
#include <sstream>
#include <thread>

using namespace norma;
using namespace norma::test;

namespace {

//===----------------------------------------------------------------------===//
// Closeness
//===----------------------------------------------------------------------===//

double largest(const std::vector<double> &values) {
  double result = 0;
  for (double value : values)
    result = std::max(result, std::fabs(value));
  return result;
}

/// The distance of the 16-bit numbers at `value`, 0 for other types.
double ulpAt(DType dtype, double value) {
  if (dtype != DType::F16 && dtype != DType::BF16)
    return 0;
  const int digits = dtype == DType::F16 ? 10 : 7, lowest = dtype == DType::F16 ? -14 : -126;
  const int exponent = value == 0 ? lowest : std::max(std::ilogb(value), lowest);
  return std::ldexp(1.0, exponent - digits);
}

bool isWeight(const std::string &name) { return name.find('_') != std::string::npos; }

/// What is expected to be small beside the largest number of a tensor is small beside
/// what it is a difference of: y of 1, gradients of dy.
double scaleOf(const std::string &name, const std::vector<double> &expected, const PeerStep &step) {
  double scale = largest(expected);
  if (name == "y")
    scale = std::max(scale, 1.0);
  if (name.starts_with("d"))
    scale = std::max(scale, largest(step.inputs.at("dy")));
  return std::max(scale, 1e-30);
}

/// The library's own rounding, for the most part: it computes in the type of its
/// parameters, and norma's coefficients are f64.
double toleranceOf(const std::string &name, const PeerCase &peer) {
  double tolerance = peer.dtype == DType::F64 ? 1e-12 : 4e-6;
  if (peer.tolerance > 0)
    tolerance = peer.tolerance;
  return isWeight(name) ? std::min(tolerance, 1e-6) : tolerance;
}

/// Compares numbers of one name and returns the largest relative difference. One ulp of
/// a 16-bit result does not count: both sides round there.
double compare(const std::string &name, const std::vector<double> &expected,
               const std::vector<double> &actual, const PeerCase &peer, const PeerStep &step) {
  EXPECT_EQ(actual.size(), expected.size()) << name;
  if (actual.size() != expected.size())
    return 0;
  const double scale = scaleOf(name, expected, step), tolerance = toleranceOf(name, peer);
  double worst = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double ulp = name == "y" || name == "dx" ? ulpAt(peer.dtype, expected[i]) : 0;
    const double difference = std::max(std::fabs(actual[i] - expected[i]) - ulp, 0.0) / scale;
    // The comparison is false for NaN.
    const bool close = difference <= tolerance;
    EXPECT_TRUE(close) << name << "[" << i << "]: " << actual[i] << ", expected " << expected[i]
                       << " within " << tolerance * scale + ulp;
    if (!close)
      return difference;
    worst = std::max(worst, difference);
  }
  return worst;
}

//===----------------------------------------------------------------------===//
// Participants
//===----------------------------------------------------------------------===//

/// Adds up what the threads of a synchronized layer have.
class Participants {
public:
  explicit Participants(size_t count) : parts(count), barrier(std::ptrdiff_t(count)) {}

  AllReduce reduceFor(size_t self) {
    return [this, self](std::span<double> values) -> Expected<void> {
      parts[self].assign(values.begin(), values.end());
      barrier.arrive_and_wait();
      std::fill(values.begin(), values.end(), 0.0);
      bool alike = true;
      for (const std::vector<double> &part : parts) {
        alike &= part.size() == values.size();
        for (size_t i = 0; alike && i < values.size(); ++i)
          values[i] += part[i];
      }
      barrier.arrive_and_wait();
      return alike ? Expected<void>() : invalidArgument("participants have unlike numbers");
    };
  }
  /// A participant that failed does not keep the others waiting.
  void leave() { barrier.arrive_and_drop(); }

private:
  std::vector<std::vector<double>> parts;
  std::barrier<> barrier;
};

/// The layers of all participants of a case.
class Layers {
public:
  Layers(const std::shared_ptr<Engine> &engine, const PeerCase &peerCase)
      : peer(peerCase), participants(peerCase.participants.size()) {
    const bool alone = peer.participants.size() == 1;
    for (size_t i = 0; i < peer.participants.size(); ++i) {
      Expected<BatchNormalization> layer =
          makeLayer(engine, peer, alone ? AllReduce() : participants.reduceFor(i));
      EXPECT_TRUE(layer) << layer.error().message();
      if (layer)
        layers.push_back(std::move(*layer));
    }
  }
  bool complete() const { return layers.size() == peer.participants.size(); }

  /// What all of them return, one after the other; weights are those of the first.
  Numbers run(const PeerStep &step) {
    std::vector<Numbers> results(layers.size());
    std::vector<std::string> errors(layers.size());
    std::vector<std::thread> threads;
    int64_t begin = 0;
    for (size_t i = 0; i < layers.size(); ++i) {
      const int64_t end = begin + peer.participants[i];
      threads.emplace_back([&, i, begin, end] {
        Expected<Numbers> result = runStep(layers[i], peer, step, begin, end);
        if (result)
          results[i] = std::move(*result);
        else
          errors[i] = result.error().message(), participants.leave();
      });
      begin = end;
    }
    for (std::thread &thread : threads)
      thread.join();
    for (const std::string &error : errors)
      EXPECT_EQ(error, "");
    for (size_t i = 1; i < results.size(); ++i)
      for (const auto &[name, values] : results[i])
        if (isWeight(name))
          EXPECT_EQ(values, results[0][name]) << name << " of participant " << i;
        else if (name != "gamma" && name != "beta")
          results[0][name].insert(results[0][name].end(), values.begin(), values.end());
    return results[0];
  }

private:
  const PeerCase &peer;
  Participants participants;
  std::vector<BatchNormalization> layers;
};

std::shared_ptr<Engine> engine() {
  static const std::shared_ptr<Engine> instance = [] {
    Expected<std::shared_ptr<Engine>> created = Engine::create({});
    EXPECT_TRUE(created) << created.error().message();
    return created ? *created : nullptr;
  }();
  return instance;
}

/// What the layer returns at each step of a case.
std::vector<Numbers> run(const PeerCase &peer) {
  Layers layers(engine(), peer);
  std::vector<Numbers> results;
  if (layers.complete())
    for (const PeerStep &step : peer.steps)
      results.push_back(layers.run(step));
  return results;
}

/// Compares all steps, and keeps the largest differences as properties of the test.
void expectTheSame(const PeerCase &peer) {
  const std::vector<Numbers> results = run(peer);
  ASSERT_EQ(results.size(), peer.steps.size());
  std::map<std::string, double> worst;
  for (size_t i = 0; i < results.size(); ++i) {
    SCOPED_TRACE("step " + std::to_string(i));
    const PeerStep &step = peer.steps[i];
    for (const Numbers &expected : {step.expected, step.weights})
      for (const auto &[name, values] : expected) {
        const auto found = results[i].find(name);
        ASSERT_NE(found, results[i].end()) << name;
        double &most = worst[name == "y" ? "y" : name.starts_with("d") ? "gradients" : "state"];
        most = std::max(most, compare(name, values, found->second, peer, step));
      }
    // Parameters that are not trained have no gradients.
    for (const char *name : {"dgamma", "dbeta"})
      EXPECT_EQ(results[i].contains(name), step.expected.contains(name)) << name;
  }
  for (const auto &[what, difference] : worst)
    ::testing::Test::RecordProperty(what, (std::ostringstream() << difference).str());
}

//===----------------------------------------------------------------------===//
// Tests
//===----------------------------------------------------------------------===//

/// GoogleTest prints it by its name.
struct Named {
  const PeerCase *peer;
  friend std::ostream &operator<<(std::ostream &stream, const Named &named) {
    return stream << named.peer->peer << ": " << named.peer->name;
  }
};

std::vector<Named> alike() {
  std::vector<Named> result;
  for (const PeerCase &peer : peerCases())
    if (peer.difference.empty() && !peer.steps.empty())
      result.push_back({&peer});
  return result;
}

std::string nameOf(const ::testing::TestParamInfo<Named> &info) {
  return info.param.peer->peer + "_" + info.param.peer->name;
}

class BatchNormPeers : public ::testing::TestWithParam<Named> {};
INSTANTIATE_TEST_SUITE_P(Peers, BatchNormPeers, ::testing::ValuesIn(alike()), nameOf);

TEST_P(BatchNormPeers, ReturnTheSame) { expectTheSame(*GetParam().peer); }

TEST(BatchNormPeersData, IsThere) {
  std::map<std::string, int> count;
  for (const PeerCase &peer : peerCases()) {
    EXPECT_FALSE(peer.steps.empty()) << peer.peer << ".json: " << peer.name;
    ++count[peer.peer];
  }
  EXPECT_EQ(count.size(), 9u);
}

//===----------------------------------------------------------------------===//
// Differences on purpose
//===----------------------------------------------------------------------===//

/// The first step leaves norma's moving statistics as they were, and the library's not.
void expectStatisticsToStay(const PeerCase &peer) {
  const std::vector<Numbers> results = run(peer);
  ASSERT_FALSE(results.empty());
  for (const auto &[name, values] : peer.steps.at(0).weights) {
    SCOPED_TRACE(name);
    compare(name, peer.weights.at(name), results[0].at(name), peer, peer.steps[0]);
    EXPECT_NE(values, peer.weights.at(name)) << "the library no longer differs";
  }
}

TEST(BatchNormPeersDifferences, EmptyBatchesLeaveTheMovingStatistics) {
  for (const auto &[peer, name] : {std::pair("tf_keras", "empty_batch"),
                                   {"tf_keras", "empty_batch_fused"},
                                   {"keras_tensorflow", "empty_batch"}}) {
    SCOPED_TRACE(std::string(peer) + ": " + name);
    expectStatisticsToStay(peerCase(peer, name));
  }
}

TEST(BatchNormPeersDifferences, FullyMaskedBatchesLeaveTheMovingStatistics) {
  for (const char *name : {"tf_keras", "keras_tensorflow"}) {
    SCOPED_TRACE(name);
    const PeerCase peer = peerCase(name, "nothing_unmasked");
    expectStatisticsToStay(peer);
    // Mean and variance of nothing are 0 for the result of the batch on both sides.
    const std::vector<Numbers> results = run(peer);
    ASSERT_FALSE(results.empty());
    for (const char *result : {"y", "dx", "dgamma", "dbeta"})
      compare(result, peer.steps[0].expected.at(result), results[0].at(result), peer,
              peer.steps[0]);
  }
}

/// TensorFlow warns and ignores it: what it returns is what norma does without the mask.
TEST(BatchNormPeersDifferences, FusedLayersCountMasks) {
  PeerCase peer = peerCase("tf_keras", "masked_images_fused");
  ASSERT_FALSE(peer.steps.empty());
  const std::vector<Numbers> masked = run(peer);
  for (PeerStep &step : peer.steps)
    step.inputs.erase("mask");
  expectTheSame(peer);
  ASSERT_FALSE(masked.empty());
  EXPECT_GT(std::fabs(masked[0].at("y")[0] - peer.steps[0].expected.at("y")[0]), 1e-3);
}

/// TensorFlow no longer raises epsilon in its fused kernel since 2.12, which is an option.
/// The case small_epsilon_fused holds the layer to what it was before.
TEST(BatchNormPeersDifferences, FusedLayersRaiseEpsilon) {
  PeerCase peer = peerCase("tf_keras", "small_epsilon_fused_not_raised");
  ASSERT_FALSE(peer.steps.empty());
  const std::vector<Numbers> raised = run(peer);
  ASSERT_FALSE(raised.empty());
  EXPECT_GT(std::fabs(raised[0].at("y")[0] - peer.steps[0].expected.at("y")[0]), 1e-4);
  peer.options.fusedEpsilonFloor = 0;
  expectTheSame(peer);
}

} // namespace
