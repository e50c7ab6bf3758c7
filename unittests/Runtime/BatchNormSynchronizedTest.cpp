//===- BatchNormSynchronizedTest.cpp - Batch normalization over participants ===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Threads stand for the participants; together they must do what one does with the
// whole batch.
//
//===----------------------------------------------------------------------===//

#include "BatchNormCall.h"

#include <barrier>
#include <thread>

using namespace norma;
using namespace norma::test;

namespace {

using Values = std::vector<double>;

/// Sums over threads, in the order of their ranks.
class Exchange {
public:
  explicit Exchange(size_t size) : barrier(std::ptrdiff_t(size)), parts(size) {}

  AllReduce allReduce(size_t rank) {
    return [this, rank](std::span<double> values) -> Expected<void> {
      parts[rank].assign(values.begin(), values.end());
      barrier.arrive_and_wait();
      std::fill(values.begin(), values.end(), 0);
      for (const Values &part : parts) {
        if (part.size() != values.size())
          return Error(ErrorCode::Internal, "participants sum up different things");
        for (size_t i = 0; i < part.size(); ++i)
          values[i] += part[i];
      }
      barrier.arrive_and_wait();
      return {};
    };
  }

private:
  std::barrier<> barrier;
  std::vector<Values> parts;
};

/// What one participant comes to.
struct Outcome {
  Values y, dx;
  BatchNormForward forward;
  BatchNormGradients gradients;
};

class BatchNormSynchronized : public EngineTest {
protected:
  static Outcome run(const BatchNormCall &call) {
    Outcome result;
    auto [y, forward] = call.train(*shared());
    auto [dx, gradients] = call.gradient(*shared(), forward);
    result.y = valuesOf(y);
    result.dx = valuesOf(dx);
    result.forward = std::move(forward);
    result.gradients = std::move(gradients);
    return result;
  }

  /// Runs `whole` cut along axis 0 into parts of the given sizes, one thread each.
  static std::vector<Outcome> runParts(const BatchNormCall &whole,
                                       const std::vector<int64_t> &sizes) {
    Exchange exchange(sizes.size());
    std::vector<Outcome> results(sizes.size());
    std::vector<std::thread> threads;
    int64_t begin = 0;
    for (size_t rank = 0; rank < sizes.size(); ++rank) {
      BatchNormCall call = whole;
      const int64_t end = begin + sizes[rank];
      for (Tensor *tensor : {&call.x, &call.dy})
        *tensor = tensor->rows(begin, end);
      for (std::optional<Tensor> *tensor :
           {&call.inputs.mask, &call.inputs.weights, &call.inputs.adjustScale})
        if (*tensor)
          *tensor = (*tensor)->rows(begin, end);
      call.inputs.allReduce = exchange.allReduce(rank);
      threads.emplace_back([&results, rank, call] { results[rank] = run(call); });
      begin = end;
    }
    for (std::thread &thread : threads)
      thread.join();
    return results;
  }

  static void expectNear(const Values &actual, const Values &expected, double bound) {
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i)
      ASSERT_NEAR(actual[i], expected[i], bound) << "value " << i;
  }

  static Values concatenated(const std::vector<Outcome> &parts, Values Outcome::*values) {
    Values result;
    for (const Outcome &part : parts)
      result.insert(result.end(), (part.*values).begin(), (part.*values).end());
    return result;
  }

  /// gamma's and beta's gradients are those of the parts, the rest that of the whole.
  static void expectTheWhole(const std::vector<Outcome> &parts, const Outcome &whole) {
    expectNear(concatenated(parts, &Outcome::y), whole.y, 1e-5);
    expectNear(concatenated(parts, &Outcome::dx), whole.dx, 1e-5);
    Values gamma(whole.gradients.gamma.size()), beta(gamma.size());
    for (const Outcome &part : parts) {
      expectNear(part.forward.count, whole.forward.count, 1e-9);
      expectNear(part.forward.mean, whole.forward.mean, 1e-5);
      expectNear(part.forward.invStd, whole.forward.invStd, 1e-5);
      expectNear(part.forward.updated.mean, whole.forward.updated.mean, 1e-5);
      expectNear(part.forward.updated.variance, whole.forward.updated.variance, 1e-5);
      EXPECT_EQ(part.forward.updated.batches, whole.forward.updated.batches);
      for (size_t k = 0; k < gamma.size(); ++k) {
        gamma[k] += part.gradients.gamma[k];
        beta[k] += part.gradients.beta[k];
      }
    }
    expectNear(gamma, whole.gradients.gamma, 1e-4);
    expectNear(beta, whole.gradients.beta, 1e-4);
  }
};

Array normal(const Dims &shape, uint64_t seed, double mean = 3) {
  Random random(seed);
  return arrayOf(DType::F32, shape, [&](int64_t) { return mean + 2 * random.normal(); });
}

TEST_F(BatchNormSynchronized, UnevenAndEmptyParts) {
  const Array x = normal({24, 3, 5}, 1), dy = normal({24, 3, 5}, 2, 0);
  BatchNormCall call{.x = x, .dy = dy};
  call.parameters = {.gamma = {1, -2, 0.5}, .beta = {0, 1, 2}};
  call.rules.movingVariance = MovingVariance::Sample;
  const Outcome whole = run(call);
  for (const std::vector<int64_t> &sizes :
       {std::vector<int64_t>{12, 12}, std::vector<int64_t>{23, 1}, std::vector<int64_t>{24, 0},
        std::vector<int64_t>{0, 17, 7}})
    expectTheWhole(runParts(call, sizes), whole);
}

TEST_F(BatchNormSynchronized, WithEverythingElse) {
  const Array x = normal({24, 3}, 3), dy = normal({24, 3}, 4, 0);
  const Array mask = arrayOf(DType::Bool, {24}, [](int64_t i) { return double(i % 3 != 0); });
  const Array weights = arrayOf(DType::F32, {24, 3}, [](int64_t i) { return double(i % 4) / 2; });
  const Array scale = normal({24, 1}, 5, 1);
  BatchNormCall call{.x = x, .dy = dy};
  call.rules.renorm = true;
  call.inputs.mask = mask.view();
  call.inputs.weights = weights.view();
  call.inputs.adjustScale = scale.view();
  const Outcome whole = run(call);
  const std::vector<Outcome> parts = runParts(call, {5, 10, 9});
  expectTheWhole(parts, whole);
  for (const Outcome &part : parts) {
    expectNear(part.forward.r, whole.forward.r, 1e-5);
    expectNear(part.forward.d, whole.forward.d, 1e-5);
  }
}

TEST_F(BatchNormSynchronized, GhostsOfOneNumberAreOneGroup) {
  // Two participants of two ghosts each: samples j, j + 2, ... of both are ghost j.
  const Array x = normal({20, 3}, 6), dy = normal({20, 3}, 7, 0);
  BatchNormCall call{.x = x, .dy = dy};
  call.rules.ghosts.size = 10;
  const Outcome whole = run(call);
  call.rules.ghosts.size = 5;
  expectTheWhole(runParts(call, {10, 10}), whole);
}

TEST_F(BatchNormSynchronized, Frozen) {
  const Array x = normal({20, 3}, 8), dy = normal({20, 3}, 9, 0);
  BatchNormCall call{.x = x, .dy = dy};
  call.rules.useBatchStatistics = false;
  for (bool update : {true, false}) {
    call.rules.updateMoving = update;
    expectTheWhole(runParts(call, {13, 7}), run(call));
  }
}

TEST_F(BatchNormSynchronized, LargeMeansAndConstants) {
  // In f64, 30 times 1e10 + 0.3 is rounded, and dividing by 30 does not make it good.
  for (DType dtype : {DType::F32, DType::F64}) {
    const Array x =
        arrayOf(dtype, {30, 2}, [](int64_t i) { return i % 2 ? 1e10 + 0.3 : 1e6 + double(i % 7); });
    BatchNormCall call{.x = x, .dy = x, .compute = dtype, .output = dtype};
    call.rules.epsilon = 1e-5;
    call.parameters.beta = {0, 0.25};
    const Values whole = run(call).y;
    const Values parts = concatenated(runParts(call, {11, 12, 7}), &Outcome::y);
    for (size_t i = 0; i < whole.size(); i += 2) {
      EXPECT_NEAR(parts[i], whole[i], 1e-4) << toString(dtype) << " " << i;
      EXPECT_EQ(parts[i + 1], 0.25) << toString(dtype) << " " << i;
    }
  }
}

TEST_F(BatchNormSynchronized, AFailedExchangeWritesNothing) {
  const Array x = normal({6, 3}, 10), dy = normal({6, 3}, 11);
  const Array out = arrayOf(DType::F32, {6, 3}, [](int64_t) { return -77; });
  BatchNormCall call{.x = x, .dy = dy};
  const BatchNormForward forward = call.train(*shared()).forward;
  for (int failing : {0, 1}) {
    int calls = 0;
    call.inputs.allReduce = [&](std::span<double>) -> Expected<void> {
      if (calls++ == failing)
        return Error(ErrorCode::IOError, "the cable is out");
      return {};
    };
    EXPECT_EQ(messageOf(call.tryTrain(*shared(), out)), "the cable is out");
    EXPECT_EQ(calls, failing + 1);
  }
  call.inputs.allReduce = [](std::span<double>) -> Expected<void> {
    return Error(ErrorCode::IOError, "the cable is out");
  };
  EXPECT_EQ(messageOf(call.tryGradient(*shared(), forward, out)), "the cable is out");
  EXPECT_EQ(valuesOf(out), Values(18, -77));
}

} // namespace
