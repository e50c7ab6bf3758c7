//===- HostileRandomTest.cpp - Tensors with anything wrong ----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineTest.h"
#include "HostileCalls.h"

#include "norma/Support/Checked.h"

#include <random>

using namespace norma;
using namespace norma::test;

namespace {

/// Extents and strides that are small, at a limit, or anything.
class RandomHostile {
public:
  explicit RandomHostile(uint64_t seed) : random(seed) {}

  Tensor tensor(const Tensor &good) {
    Tensor result = good;
    // Mostly with one thing wrong, so that checks behind the first are reached.
    for (int i = pick(3); i >= 0; --i)
      change(result);
    return result;
  }
  int pick(int choices) { return int(random() % uint64_t(choices)); }

private:
  int64_t number() {
    constexpr int64_t kLimits[] = {0,
                                   1,
                                   -1,
                                   2,
                                   3,
                                   kMost,
                                   kLeast,
                                   kHuge,
                                   -kHuge,
                                   kMost - 1,
                                   kLeast + 1,
                                   1 << 30,
                                   int64_t(1) << 31,
                                   int64_t(1) << 32,
                                   int64_t(1) << 47};
    switch (pick(3)) {
    case 0:
      return kLimits[pick(int(std::size(kLimits)))];
    case 1:
      return pick(7) - 2;
    default:
      return int64_t(random()) >> pick(64);
    }
  }

  void change(Tensor &tensor) {
    switch (pick(6)) {
    case 0:
      tensor.data = nullptr;
      break;
    case 1:
      if (tensor.rank() < kMaxRank) {
        tensor.shape.push_back(number());
        tensor.strides.push_back(number());
      }
      break;
    case 2:
      tensor.dtype = DType(pick(14));
      break;
    case 3:
      if (!tensor.shape.empty())
        tensor.shape[pick(tensor.shape.size())] = number();
      break;
    default:
      if (!tensor.strides.empty())
        tensor.strides[pick(tensor.strides.size())] = number();
    }
  }

  std::mt19937_64 random;
};

/// Whether all of a tensor lies within the 4 x 3 elements that there are, and it does not
/// say to have more of them than can be gone through.
bool isHarmless(const Tensor &tensor) {
  if (!checkTensor(tensor, ""))
    return true;
  Checked below = 0, above = 0, size = 1;
  for (int axis = 0; axis < tensor.rank(); ++axis) {
    const int64_t steps = std::max<int64_t>(tensor.shape[axis] - 1, 0);
    (tensor.strides[axis] < 0 ? below : above) += Checked(tensor.strides[axis]) * steps;
    size *= tensor.shape[axis];
  }
  return *size == 0 ? std::all_of(tensor.shape.begin(), tensor.shape.end(),
                                  [](int64_t extent) { return extent < 1000; })
                    : *below == 0 && *above < kRows * kColumns && *size < 1000;
}

using HostileRandom = EngineTest;

TEST_F(HostileRandom, NothingCrashes) {
  const auto trials = setting("NORMA_TEST_TRIALS", 120);
  const std::vector<TensorCall> all = tensorCalls(shared());
  RandomHostile random(20'240'501);
  int64_t refused = 0, taken = 0;
  for (int64_t trial = 0; trial < trials * int64_t(all.size()); ++trial) {
    const TensorCall &call = all[size_t(trial) % all.size()];
    CallMemory used(call);
    for (int i = random.pick(2); i >= 0; --i) {
      const auto place = size_t(random.pick(int(used.tensors.size())));
      const Tensor hostile = random.tensor(used.tensors[place]);
      if (isHarmless(hostile))
        used.tensors[place] = hostile;
    }
    const std::optional<Error> error = call.run(used.tensors);
    ++(error ? refused : taken);
    // Inputs always stay, and results where the call failed.
    for (size_t i = 0; i < (error ? used.memory.size() : call.inputs.size()); ++i)
      ASSERT_TRUE(used.memory[i].isUntouched()) << call.name << ", trial " << trial;
    ASSERT_FALSE(error && error->message().empty());
  }
  // Both happen often enough to say something.
  EXPECT_GT(refused, trials);
  EXPECT_GT(taken, trials);
}

} // namespace
