//===- Differential.cpp - Random calls against the reference --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Differential.h"

#include "norma/Support/AxisForm.h"

#include <cstring>
#include <fmt/format.h>
#include <unistd.h>

namespace norma::test {

//===----------------------------------------------------------------------===//
// Cases
//===----------------------------------------------------------------------===//

static constexpr int64_t kCasesPerEngine = 500;

/// What is running now, for the handler below.
static char currentCase[2048];

/// A kernel that leaves its memory ends here: says in which call.
static void reportCrash(int) {
  const ssize_t written = write(STDERR_FILENO, currentCase, std::strlen(currentCase));
  _exit(written < 0 ? 2 : 1);
}

void Differential::SetUp() {
  elements = setting("NORMA_DIFFERENTIAL_ELEMENTS", 20'000);
  firstSeed = setting("NORMA_DIFFERENTIAL_SEED", 20'240'601);
  cases = setting("NORMA_DIFFERENTIAL_CASES", 250);
  previousHandler = std::signal(SIGSEGV, reportCrash);
}

void Differential::TearDown() { std::signal(SIGSEGV, previousHandler); }

void Differential::forEachCase(
    const std::function<std::string(Random &random, std::string &spec)> &body) {
  int failures = 0;
  for (int64_t i = 0; i < cases && failures < 20; ++i) {
    if (i % kCasesPerEngine == 0) {
      Expected<std::shared_ptr<Engine>> created =
          Engine::create({.threads = 2, .compilePolicy = CompilePolicy::Tiered});
      ASSERT_TRUE(created) << created.error().message();
      engine = *created;
    }
    Random random{uint64_t(firstSeed + i)};
    std::string spec = fmt::format("NORMA_DIFFERENTIAL_SEED={}: ", firstSeed + i);
    std::string problem = body(random, spec);
    if (!problem.empty()) {
      ++failures;
      ADD_FAILURE() << spec << "\n  " << problem;
    }
  }
  engine->finishCompiling();
  const EngineStats stats = engine->stats();
  EXPECT_TRUE(stats.quickCompiles > 0 || cases == 1);
  EXPECT_EQ(stats.swaps, stats.quickCompiles);
}

void Differential::announce(const std::string &spec) {
  std::snprintf(currentCase, sizeof(currentCase), "the memory of a tensor was left: %s\n",
                spec.c_str());
}

//===----------------------------------------------------------------------===//
// Data
//===----------------------------------------------------------------------===//

void fillChannels(Random &random, const Tensor &x, const Dims &kept) {
  struct Channel {
    double mean, deviation;
  };
  std::vector<Channel> channels(size_t(*numElements(keptShape(x.shape, kept))));
  // Magnitudes whose squares leave the range of f32 are for the types that hold them.
  const bool wide = x.dtype == DType::F32 || x.dtype == DType::F64 || x.dtype == DType::BF16;
  const double scale = wide ? random.pick({1.0, 1.0, 1.0, 1.0, 1e25, 1e-25}) : 1.0;
  const double limit = x.dtype == DType::F16 ? 1e4 : 1e9;
  for (Channel &channel : channels) {
    channel.deviation = random.chance(0.1) ? 0 : std::pow(10, random.between(-3, 3));
    const double ratio = random.chance(0.3) ? 0 : std::pow(10, random.between(-1, 5));
    channel.mean = (random.chance(0.5) ? -1 : 1) * ratio * std::max(channel.deviation, 1e-3);
    channel.mean = std::clamp(channel.mean, -limit, limit);
  }
  forEachIndex(x.shape, [&](const Dims &index) {
    const Channel &channel = channels[size_t(keptPosition(index, x.shape, kept))];
    storeValue(scale * (channel.mean + channel.deviation * random.normal()), addressOf(x, index),
               x.dtype);
  });
}

void fillBits(Random &random, const Tensor &x) {
  forEachIndex(x.shape, [&](const Dims &index) {
    const uint64_t bits = random.bits();
    if (x.dtype == DType::Bool)
      storeValue(double(bits & 1), addressOf(x, index), x.dtype);
    else
      std::memcpy(addressOf(x, index), &bits, sizeOf(x.dtype));
  });
}

void scatter(Random &random, const Tensor &x, double value, double probability) {
  forEachIndex(x.shape, [&](const Dims &index) {
    if (random.chance(probability))
      storeFromDouble(value, addressOf(x, index), x.dtype);
  });
}

void fillValues(Random &random, const Tensor &x, double magnitude) {
  if (!isFloat(x.dtype) && random.chance(0.5))
    return fillBits(random, x);
  const bool special = isFloat(x.dtype) && random.chance(0.4);
  forEachIndex(x.shape, [&](const Dims &index) {
    double value = magnitude * random.normal();
    if (special && random.chance(0.05))
      value = random.pick({kInfinity, -kInfinity, kNotANumber, 0.0, -0.0});
    storeValue(value, addressOf(x, index), x.dtype);
  });
}

//===----------------------------------------------------------------------===//
// Mask and weights
//===----------------------------------------------------------------------===//

RandomOperands::RandomOperands(Random &random, const Tensor &x) {
  const auto operand = [&](const char *name) {
    auto tensor = std::make_unique<RandomTensor>(
        random, random.pick(kAllDTypes), randomBroadcastShape(random, x.shape),
        random.pick(kInputArrangements), random.chance(0.2));
    text += fmt::format(", {} {}", name, tensor->describe());
    return tensor;
  };
  const auto fill = [](const Tensor &tensor, const std::function<double()> &draw) {
    forEachIndex(tensor.shape, [&](const Dims &index) {
      storeValue(draw(), addressOf(tensor, index), tensor.dtype);
    });
  };
  if (random.chance(0.25)) {
    maskTensor = operand("mask");
    const double keep = random.pick({0.1, 0.5, 0.95});
    fill(maskTensor->view(), [&] { return random.chance(keep) ? 1 : 0; });
  }
  if (random.chance(0.25)) {
    weightsTensor = operand("weights");
    fill(weightsTensor->view(), [&] { return random.chance(0.1) ? 0 : random.between(0.01, 4); });
  }
}

} // namespace norma::test
