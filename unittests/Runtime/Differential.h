//===- Differential.h - Random calls against the reference ------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What tests on random calls share: the loop over cases, and tensors filled with
// what is hard on kernels. Every case runs twice, with the quick code of its kernel and
// with the best, which must give the same bits. Three environment variables make the tests longer
// or repeat a part of them:
//
//   NORMA_DIFFERENTIAL_CASES     calls of each kind
//   NORMA_DIFFERENTIAL_SEED      the seed of the first call; the next has the next
//   NORMA_DIFFERENTIAL_ELEMENTS  the most elements of a tensor
//
// A failure names its seed, so that CASES=1 and SEED=<it> runs that call alone.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_UNITTESTS_RUNTIME_DIFFERENTIAL_H
#define NORMA_UNITTESTS_RUNTIME_DIFFERENTIAL_H

#include "EngineTest.h"

#include <csignal>
#include <limits>

namespace norma::test {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

inline constexpr Arrangement kOutputArrangements[] = {
    Arrangement::Contiguous, Arrangement::Contiguous, Arrangement::Permuted, Arrangement::Sliced,
    Arrangement::Stepped,    Arrangement::Reversed,   Arrangement::Mixed};
inline constexpr Arrangement kInputArrangements[] = {
    Arrangement::Contiguous, Arrangement::Contiguous, Arrangement::Contiguous,
    Arrangement::Permuted,   Arrangement::Sliced,     Arrangement::Stepped,
    Arrangement::Reversed,   Arrangement::Broadcast,  Arrangement::Mixed};
inline constexpr DType kFloatDTypes[] = {DType::F32, DType::F64, DType::F16, DType::BF16};

class Differential : public ::testing::Test {
protected:
  void SetUp() override;
  void TearDown() override;

  /// Calls body(random, spec) for every case, and stops after a number of failures.
  /// The body returns what is wrong, and adds to `spec` what it calls.
  void forEachCase(const std::function<std::string(Random &random, std::string &spec)> &body);
  /// From now on, forEachCase() has this case only.
  void onlyCase(int64_t seed) {
    firstSeed = seed;
    cases = 1;
  }
  /// Says which call is running now, in case it leaves the memory of a tensor.
  static void announce(const std::string &spec);

  /// Compiles in two tiers.
  std::shared_ptr<Engine> engine;
  int64_t elements = 0;

private:
  int64_t firstSeed = 0, cases = 0;
  void (*previousHandler)(int) = nullptr;
};

/// One distribution per kept index, fit for the dtype.
void fillChannels(Random &random, const Tensor &x, const Dims &kept);
/// Integers of the whole range of their type.
void fillBits(Random &random, const Tensor &x);
/// Normal numbers, sometimes with zeros, NaN and infinities among them.
void fillValues(Random &random, const Tensor &x, double magnitude);
void scatter(Random &random, const Tensor &x, double value, double probability);

/// A mask and weights for the data of a call, each sometimes absent.
class RandomOperands {
public:
  RandomOperands(Random &random, const Tensor &x);

  std::optional<Tensor> mask() const { return viewOf(maskTensor); }
  std::optional<Tensor> weights() const { return viewOf(weightsTensor); }
  const std::string &describe() const { return text; }

private:
  static std::optional<Tensor> viewOf(const std::unique_ptr<RandomTensor> &tensor) {
    return tensor ? std::optional(tensor->view()) : std::nullopt;
  }

  std::unique_ptr<RandomTensor> maskTensor, weightsTensor;
  std::string text;
};

} // namespace norma::test

#endif // NORMA_UNITTESTS_RUNTIME_DIFFERENTIAL_H
