//===- BatchNormProgramPropertiesTest.cpp - What must hold of any batch ---===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchNormProgram.h"

#include "norma/Reference/BatchNorm.h"

#include <fmt/format.h>

using namespace norma;
using namespace norma::test;

namespace {

/// A test that runs with every lowering.
class BatchNormProgramWith : public ::testing::TestWithParam<Lowering> {
protected:
  void SetUp() override { engine = engineWith({.threads = 1}); }
  std::vector<Array> run(const std::string &text, const std::vector<Tensor> &arguments) const {
    return runProgram(*engine, text, arguments, GetParam());
  }
  std::shared_ptr<Engine> engine;
};
INSTANTIATE_TEST_SUITE_P(Lowerings, BatchNormProgramWith,
                         ::testing::Values(Lowering::Loops, Lowering::Linalg),
                         [](const auto &each) { return nameOf(each.param); });

Array randomArray(uint64_t seed, const Dims &shape, double mean = 0) {
  Random random(seed);
  return arrayOf(DType::F32, shape, [&](int64_t) { return mean + random.normal(); });
}

TEST_P(BatchNormProgramWith, OneProgramTakesBatchesOfEverySize) {
  for (const char *grouping : {"strided", "contiguous"})
    for (const char *remainder : {"smaller", "merge"}) {
      const std::string ghosts =
          fmt::format("virtual_batch_size = 3 : i64, grouping = #norma<grouping {}>, "
                      "remainder = #norma<remainder {}>",
                      grouping, remainder);
      const std::string text = fmt::format(
          R"(func.func @f(%x: tensor<?x4xf32>, %dy: tensor<?x4xf32>, %m: tensor<4xf64>, %v: tensor<4xf64>)
               -> (tensor<?x4xf32>, tensor<?x4xf64>, tensor<4xf64>, tensor<4xf64>, tensor<?x4xf32>, tensor<4xf32>) {{
             %y, %n, %mean, %inv, %m1, %v1 = norma.batch_norm_training %x
                 moving(%m, %v : tensor<4xf64>, tensor<4xf64>) kept [1] {{{0}}} : tensor<?x4xf32>
             %dx, %dgamma, %dbeta = norma.batch_norm_grad %dy, %x saved(%n, %mean, %inv : tensor<?x4xf64>)
                 kept [1] {{{0}}} : tensor<?x4xf32>, tensor<?x4xf32>
             return %y, %n, %m1, %v1, %dx, %dgamma
               : tensor<?x4xf32>, tensor<?x4xf64>, tensor<4xf64>, tensor<4xf64>, tensor<?x4xf32>, tensor<4xf32>
           }})",
          ghosts);
      Expected<Program> program =
          engine->compile(text, {.entry = {}, .dumpStages = {}, .lowering = GetParam()});
      ASSERT_TRUE(program) << program.error().message();
      BatchNormRules rules;
      rules.ghosts = {3, grouping[0] == 's' ? GhostGrouping::Strided : GhostGrouping::Contiguous,
                      remainder[0] == 's' ? GhostRemainder::Smaller : GhostRemainder::Merge};
      MovingStatistics moving;
      moving.mean = {0, 1, 2, 3};
      moving.variance = {1, 2, 3, 4};
      const Array m = rounded(DType::F64, {4}, moving.mean);
      const Array v = rounded(DType::F64, {4}, moving.variance);
      for (int64_t batch = 0; batch < 9; ++batch) {
        const Dims shape{batch, 4}, kept{1};
        const Array x = randomArray(uint64_t(batch) + 1, shape, 5);
        const Array dy = randomArray(uint64_t(batch) + 100, shape);
        Expected<std::vector<Array>> results = program->run(std::vector<Tensor>{x, dy, m, v});
        ASSERT_TRUE(results) << results.error().message();
        const reference::BatchNormResult expected =
            reference::batchNormTraining(valuesOf(x), shape, kept, rules, {}, moving, {});
        const reference::BatchNormGradientResult gradient = reference::batchNormGradient(
            valuesOf(x), valuesOf(dy), shape, kept, rules, {}, expected.forward, {});
        EXPECT_EQ(results->at(1).view().shape, expected.forward.groupShape);
        EXPECT_EQ(firstOf({difference("y", results->at(0), expected.y, 1e-4),
                           difference("count", results->at(1), expected.forward.count, 0),
                           difference("mean", results->at(2), expected.forward.updated.mean, 1e-6),
                           difference("variance", results->at(3), expected.forward.updated.variance,
                                      1e-6),
                           difference("dx", results->at(4), gradient.dx, 1e-3),
                           difference("dgamma", results->at(5), gradient.dgamma, 1e-4)}),
                  "")
            << batch << " samples, " << ghosts;
      }
    }
}

TEST_P(BatchNormProgramWith, AnEmptyBatchLeavesTheState) {
  const Array m = arrayOf(DType::F32, {3}, [](int64_t i) { return double(i) + 0.1; });
  const Array v = arrayOf(DType::F32, {3}, [](int64_t i) { return double(i) + 1.7; });
  const Array x = randomArray(1, {0, 3});
  for (const char *type : {"tensor<0x3xf32>", "tensor<?x3xf32>"})
    for (const char *rest : {"", ", sample_variance"}) {
      const std::string text = fmt::format(
          R"(func.func @f(%x: {0}, %m: tensor<3xf32>, %v: tensor<3xf32>)
               -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {{
             %y, %n, %mean, %inv, %m1, %v1 = norma.batch_norm_training %x
                 moving(%m, %v : tensor<3xf32>, tensor<3xf32>) kept [1] {{momentum = 0.5{1}}} : {0}
             %dx, %dgamma, %dbeta = norma.batch_norm_grad %x, %x saved(%n, %mean, %inv : tensor<3xf64>)
                 kept [1] : {0}, {0}
             return %m1, %v1, %dgamma, %dbeta : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
           }})",
          type, rest);
      const std::vector<Array> results = run(text, {x, m, v});
      EXPECT_EQ(valuesOf(results[0]), valuesOf(m));
      EXPECT_EQ(valuesOf(results[1]), valuesOf(v));
      EXPECT_EQ(valuesOf(results[2]), std::vector<double>(3, 0));
      EXPECT_EQ(valuesOf(results[3]), std::vector<double>(3, 0));
    }
}

TEST_P(BatchNormProgramWith, AGhostOfTheWholeBatchIsThePlainBatch) {
  const auto text = [](const std::string &ghosts, const char *data, const char *group) {
    return fmt::format(
        R"(func.func @f(%x: {1}, %dy: {1}, %m: tensor<6xf32>, %v: tensor<6xf32>)
               -> ({1}, {2}, {2}, {2}, tensor<6xf32>, tensor<6xf32>, {1}, tensor<6xf32>, tensor<6xf32>) {{
             %y, %n, %mean, %inv, %m1, %v1 = norma.batch_norm_training %x
                 moving(%m, %v : tensor<6xf32>, tensor<6xf32>) kept [1] {{sample_variance{0}}} : {1}
             %dx, %dgamma, %dbeta = norma.batch_norm_grad %dy, %x saved(%n, %mean, %inv : {2})
                 kept [1] {{use_batch_statistics = true{0}}} : {1}, {1}
             return %y, %n, %mean, %inv, %m1, %v1, %dx, %dgamma, %dbeta
               : {1}, {2}, {2}, {2}, tensor<6xf32>, tensor<6xf32>, {1}, tensor<6xf32>, tensor<6xf32>
           }})",
        ghosts, data, group);
  };
  const Array x = randomArray(5, {10, 6}, 3), dy = randomArray(10, {10, 6});
  const Array m = randomArray(11, {6}), v = randomArray(12, {6}, 5);
  const std::vector<Array> plain =
      run(text("", "tensor<10x6xf32>", "tensor<6xf64>"), {x, dy, m, v});
  for (const char *grouping : {"strided", "contiguous"}) {
    const std::string ghosts =
        fmt::format(", virtual_batch_size = 10 : i64, grouping = #norma<grouping {}>", grouping);
    // The axis of one ghost is dropped where that is known: the same kernels run.
    const std::vector<Array> same =
        run(text(ghosts, "tensor<10x6xf32>", "tensor<1x6xf64>"), {x, dy, m, v});
    // How many there are is known when it runs: sums may be in another order.
    const std::vector<Array> close = run(text(ghosts + ", remainder = #norma<remainder smaller>",
                                              "tensor<?x6xf32>", "tensor<?x6xf64>"),
                                         {x, dy, m, v});
    for (size_t i = 0; i < plain.size(); ++i) {
      EXPECT_EQ(valuesOf(same[i]), valuesOf(plain[i])) << grouping << ", result " << i;
      EXPECT_EQ(difference("it", close[i], valuesOf(plain[i]), 1e-5), "")
          << grouping << ", result " << i;
    }
  }
}

TEST_P(BatchNormProgramWith, TheResultDoesNotDependOnTheMomentum) {
  const Array x = randomArray(6, {7, 5}, 2);
  const Array state = arrayOf(DType::F64, {5}, [](int64_t) { return 2; });
  const auto call = [&](const char *momentum, const std::string &renorm) {
    const std::string text = fmt::format(
        R"(func.func @f(%x: tensor<7x5xf32>, %s: tensor<5xf64>)
               -> (tensor<7x5xf32>, tensor<5xf64>, tensor<5xf64>) {{
             %r:{2} = norma.batch_norm_training %x
                 moving(%s, %s : tensor<5xf64>, tensor<5xf64>) {1} kept [1]
                 {{momentum = {0}, renorm_momentum = {0}}} : tensor<7x5xf32>
             return %r#0, %r#2, %r#4 : tensor<7x5xf32>, tensor<5xf64>, tensor<5xf64>
           }})",
        momentum, renorm, renorm.empty() ? 6 : 11);
    return run(text, {x, state});
  };
  for (const char *renorm :
       {"", "renorm(%s, %s, %s : tensor<5xf64>, tensor<5xf64>, tensor<5xf64>)"}) {
    const std::vector<Array> all = call("0.0", renorm), half = call("0.5", renorm),
                             none = call("1.0", renorm);
    EXPECT_EQ(valuesOf(half[0]), valuesOf(all[0])) << renorm;
    EXPECT_EQ(valuesOf(none[0]), valuesOf(all[0])) << renorm;
    // What it decides is the state: of the batch, in the middle, as it was.
    std::vector<double> middle;
    for (double mean : valuesOf(all[1]))
      middle.push_back((mean + 2) / 2);
    EXPECT_EQ(valuesOf(all[2]), valuesOf(all[1])) << renorm;
    EXPECT_EQ(difference("moving mean", half[2], middle, 1e-15), "") << renorm;
    EXPECT_EQ(valuesOf(none[2]), valuesOf(state)) << renorm;
  }
}

TEST_P(BatchNormProgramWith, LargeMeansCostNoAccuracy) {
  // A constant gives exactly beta, whatever its size; 1e5 + noise keeps its noise.
  const Array x = arrayOf(DType::F32, {512, 2}, [random = Random(7)](int64_t i) mutable {
    return i % 2 == 0 ? 1e10 : 1e5 + random.normal();
  });
  const Array beta = arrayOf(DType::F32, {2}, [](int64_t i) { return i == 0 ? 0.7 : 0; });
  const std::vector<Array> results = run(
      R"(func.func @f(%x: tensor<512x2xf32>, %b: tensor<2xf32>) -> tensor<512x2xf32> {
           %y, %n, %mean, %inv = norma.batch_norm_training %x beta(%b : tensor<2xf32>) kept [1]
               : tensor<512x2xf32>
           return %y : tensor<512x2xf32>
         })",
      {x, beta});
  const std::vector<double> expected =
      reference::batchNormTraining(valuesOf(x), Dims{512, 2}, Dims{1}, {.updateMoving = false},
                                   {.gamma = {}, .beta = valuesOf(beta)}, {}, {})
          .y;
  EXPECT_EQ(difference("y", results[0], expected, 1e-4), "");
  const std::vector<double> y = valuesOf(results[0]);
  for (size_t i = 0; i < y.size(); i += 2)
    ASSERT_EQ(y[i], double(0.7f)) << i;
}

/// Two devices with half a batch each, and the whole batch on one.
TEST_P(BatchNormProgramWith, HalvesThatAreMergedAreTheWholeBatch) {
  const Array x = randomArray(8, {11, 3, 4}, 10), dy = randomArray(9, {11, 3, 4});
  const auto half = [](const Array &array, int64_t first, int64_t end) {
    const std::vector<double> values = valuesOf(array);
    return arrayOf(DType::F32, {end - first, 3, 4},
                   [&](int64_t i) { return values[size_t(first * 12 + i)]; });
  };
  const Array xs[] = {half(x, 0, 4), half(x, 4, 11)}, dys[] = {half(dy, 0, 4), half(dy, 4, 11)};
  const std::string moments =
      R"(func.func @f(%x: tensor<?x3x4xf32>, %n: tensor<3xf64>, %m: tensor<3xf64>, %s: tensor<3xf64>)
             -> (tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) {
           %a, %b, %c = norma.adapt %x into (%n, %m, %s) kept [1] : tensor<?x3x4xf32>, tensor<3xf64>
           return %a, %b, %c : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>
         })";
  const std::string forward =
      R"(func.func @f(%x: tensor<?x3x4xf32>, %n: tensor<3xf64>, %m: tensor<3xf64>, %s: tensor<3xf64>)
             -> (tensor<?x3x4xf32>, tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) {
           %y, %c, %mean, %inv = norma.batch_norm_training %x
               statistics(%n, %m, %s : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) kept [1]
               : tensor<?x3x4xf32>
           return %y, %c, %mean, %inv : tensor<?x3x4xf32>, tensor<3xf64>, tensor<3xf64>, tensor<3xf64>
         })";
  const std::string sums =
      R"(func.func @f(%x: tensor<?x3x4xf32>, %dy: tensor<?x3x4xf32>, %m: tensor<3xf64>)
             -> (tensor<3xf64>, tensor<3xf64>) {
           %init = tensor.empty() : tensor<3xf64>
           %s, %d = norma.grad_sums kept [1] ins(%x, %dy : tensor<?x3x4xf32>, tensor<?x3x4xf32>)
               center(%m : tensor<3xf64>) outs(%init, %init : tensor<3xf64>, tensor<3xf64>)
               -> tensor<3xf64>, tensor<3xf64>
           return %s, %d : tensor<3xf64>, tensor<3xf64>
         })";
  const std::string backward =
      R"(func.func @f(%x: tensor<?x3x4xf32>, %dy: tensor<?x3x4xf32>, %n: tensor<3xf64>, %m: tensor<3xf64>,
                      %i: tensor<3xf64>, %s1: tensor<3xf64>, %s2: tensor<3xf64>)
             -> (tensor<?x3x4xf32>, tensor<3xf32>, tensor<3xf32>) {
           %dx, %dgamma, %dbeta = norma.batch_norm_grad %dy, %x saved(%n, %m, %i : tensor<3xf64>)
               sums(%s1, %s2 : tensor<3xf64>, tensor<3xf64>) kept [1]
               : tensor<?x3x4xf32>, tensor<?x3x4xf32>
           return %dx, %dgamma, %dbeta : tensor<?x3x4xf32>, tensor<3xf32>, tensor<3xf32>
         })";

  const Array none = arrayOf(DType::F64, {3}, [](int64_t) { return 0; });
  const std::vector<Array> first = run(moments, {xs[0], none, none, none});
  const std::vector<Array> both = run(moments, {xs[1], first[0], first[1], first[2]});
  std::vector<Array> passes[2], ofHalf[2];
  for (int i = 0; i < 2; ++i) {
    passes[i] = run(forward, {xs[i], both[0], both[1], both[2]});
    ofHalf[i] = run(sums, {xs[i], dys[i], passes[i][2]});
  }
  const auto total = [&](size_t k) {
    const std::vector<double> a = valuesOf(ofHalf[0][k]), b = valuesOf(ofHalf[1][k]);
    return arrayOf(DType::F64, {3}, [&](int64_t i) { return a[size_t(i)] + b[size_t(i)]; });
  };
  const Array s1 = total(0), s2 = total(1);
  const BatchNormRules rules{.updateMoving = false};
  const reference::BatchNormResult whole =
      reference::batchNormTraining(valuesOf(x), Dims{11, 3, 4}, Dims{1}, rules, {}, {}, {});
  const reference::BatchNormGradientResult gradient = reference::batchNormGradient(
      valuesOf(x), valuesOf(dy), Dims{11, 3, 4}, Dims{1}, rules, {}, whole.forward, {});
  std::vector<double> dgamma(3, 0), dbeta(3, 0);
  for (int i = 0; i < 2; ++i) {
    const int64_t begin = i == 0 ? 0 : 4 * 12, end = i == 0 ? 4 * 12 : 11 * 12;
    const auto part = [&](const std::vector<double> &values) {
      return std::vector<double>(values.begin() + begin, values.begin() + end);
    };
    EXPECT_EQ(difference("y", passes[i][0], part(whole.y), 1e-5), "");
    EXPECT_EQ(difference("count", passes[i][1], whole.forward.count, 0), "");
    EXPECT_EQ(difference("mean", passes[i][2], whole.forward.mean, 1e-5), "");
    EXPECT_EQ(difference("inv_std", passes[i][3], whole.forward.invStd, 1e-6), "");
    const std::vector<Array> results =
        run(backward, {xs[i], dys[i], passes[i][1], passes[i][2], passes[i][3], s1, s2});
    EXPECT_EQ(difference("dx", results[0], part(gradient.dx), 1e-5), "");
    for (size_t k = 0; k < 3; ++k) {
      dgamma[k] += valuesOf(results[1])[k];
      dbeta[k] += valuesOf(results[2])[k];
    }
  }
  // Those of the devices add up.
  EXPECT_EQ(difference("dgamma", rounded(DType::F64, {3}, dgamma), gradient.dgamma, 1e-4), "");
  EXPECT_EQ(difference("dbeta", rounded(DType::F64, {3}, dbeta), gradient.dbeta, 1e-5), "");
}

} // namespace
