//===- BatchNormalizationGradientTest.cpp - Gradients through the layer ---===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchNormLayerTest.h"

using namespace norma;
using namespace norma::test;

namespace {

class BatchNormGradient : public BatchNormLayerTest {
protected:
  static Data<double> f64(Doubles values, const Dims &shape) {
    return {std::move(values), shape, DType::F64};
  }

  struct Result {
    Doubles dx;
    BatchNormGradients parameters;
  };
  static Result gradient(const BatchNormalization &layer, const SavedForward &saved,
                         const Tensor &x, const Tensor &dy,
                         const BatchNormalizationCall &call = {}) {
    Data<double> dx = f64(Doubles(size_t(x.size()), -7), x.shape);
    Expected<BatchNormGradients> result = layer.gradient(saved, x, dy, dx, call);
    EXPECT_TRUE(result) << result.error().message();
    return {dx.values, result ? *result : BatchNormGradients()};
  }

  /// Checks the gradient of sum(dy * y) plus the regularizers' loss by central
  /// differences of what `run` makes of data, with dy = 1, 2, 3, ...
  template <typename Run>
  static void checkBySlopes(const BatchNormalization &layer, Data<double> x, const Result &found,
                            const Run &run) {
    const auto loss = [&] {
      const Doubles y = run(x);
      double sum = layer.regularizationLoss();
      for (size_t i = 0; i < y.size(); ++i)
        sum += double(i + 1) * y[i];
      return sum;
    };
    const auto slope = [&](double &value) {
      const double middle = value, step = 1e-5;
      value = middle + step;
      const double up = loss();
      value = middle - step;
      const double down = loss();
      value = middle;
      return (up - down) / (2 * step);
    };
    for (size_t i = 0; i < x.values.size(); ++i)
      EXPECT_NEAR(found.dx[i], slope(x.values[i]), 1e-5) << "dx " << i;
    for (const auto &[name, values] :
         {std::pair("gamma", &found.parameters.gamma), std::pair("beta", &found.parameters.beta)})
      for (size_t i = 0; i < values->size(); ++i) {
        Expected<Tensor> weight = layer.weight(name);
        ASSERT_TRUE(weight);
        EXPECT_NEAR((*values)[i], slope(static_cast<double *>(weight->data)[i]), 1e-5)
            << name << " " << i;
      }
  }

  static Data<double> rising(const Dims &shape) {
    Data<double> result = f64(Doubles(size_t(*numElements(shape))), shape);
    std::iota(result.values.begin(), result.values.end(), 1.0);
    return result;
  }
  /// A layer in f64 whose statistics stay, with uneven parameters of two features.
  static BatchNormalization steady(Options options) {
    options.momentum = 1;
    options.renormMomentum = 1;
    options.compute = DType::F64;
    BatchNormalization layer = makeBuilt(options, {-1, 2});
    setWeight(layer, "gamma", {1.5, -0.5});
    setWeight(layer, "beta", {0.25, 2});
    setWeight(layer, "moving_mean", {1, 2});
    setWeight(layer, "moving_variance", {4, 0.25});
    return layer;
  }
  static Data<double> uneven() { return f64({0.5, 3, -1, 4.5, 2, 7, 0.25, -2}, {4, 2}); }
};

//===----------------------------------------------------------------------===//
// By central differences
//===----------------------------------------------------------------------===//

TEST_F(BatchNormGradient, OfTraining) {
  const Options plain;
  Options regularized;
  regularized.gammaRegularizer = Regularizer{.l1 = 0.5, .l2 = 0.25};
  regularized.betaRegularizer = Regularizer{.l2 = 2};
  Options ghosts;
  ghosts.virtualBatchSize = 2;
  for (const Options &options : {plain, regularized, ghosts}) {
    BatchNormalization layer = steady(options);
    Data<double> x = uneven(), y = x, dy = rising(x.shape);
    Expected<SavedForward> saved = layer.train(x, y);
    ASSERT_TRUE(saved) << saved.error().message();
    const Result found = gradient(layer, *saved, x, dy);
    ASSERT_EQ(found.parameters.gamma.size(), 2u);
    ASSERT_EQ(found.parameters.beta.size(), 2u);
    checkBySlopes(layer, x, found, [&](Data<double> &data) {
      EXPECT_TRUE(layer.train(data, y));
      return y.values;
    });
  }
}

TEST_F(BatchNormGradient, OfTheFrozenLayer) {
  BatchNormalization layer = steady({});
  Data<double> x = uneven(), y = x, dy = rising(x.shape);
  Expected<SavedForward> saved = layer.applyAndSave(x, y);
  ASSERT_TRUE(saved);
  EXPECT_EQ(layer.batchesSeen(), 0);
  EXPECT_EQ(y.values, doubles(*layer.apply(x)));
  const Result found = gradient(layer, *saved, x, dy);
  checkBySlopes(layer, x, found, [&](Data<double> &data) { return doubles(*layer.apply(data)); });
  // dx = gamma / sqrt(variance + epsilon) * dy
  EXPECT_NEAR(found.dx[0], 1.5 / std::sqrt(4.001), 1e-12);
  EXPECT_NEAR(found.dx[3], -0.5 / std::sqrt(0.251) * 4, 1e-12);
}

TEST_F(BatchNormGradient, OfAnAdjustment) {
  Options options;
  int calls = 0;
  options.adjustment = [&](const Dims &) -> Expected<Adjustment> {
    ++calls;
    Expected<Array> scale = Array::create(DType::F64, {4, 1}),
                    bias = Array::create(DType::F64, {2});
    if (!scale || !bias)
      return invalidArgument("no memory");
    for (int i = 0; i < 4; ++i)
      scale->as<double>()[i] = 0.5 + i;
    bias->as<double>()[0] = 1;
    bias->as<double>()[1] = -3;
    return Adjustment{std::move(*scale), std::move(*bias)};
  };
  BatchNormalization layer = steady(options);
  Data<double> x = uneven(), y = x, dy = rising(x.shape);
  Expected<SavedForward> saved = layer.train(x, y);
  ASSERT_TRUE(saved);
  // The one of the forward call is used, not another.
  EXPECT_EQ(calls, 1);
  const Result found = gradient(layer, *saved, x, dy);
  EXPECT_EQ(calls, 1);
  checkBySlopes(layer, x, found, [&](Data<double> &data) {
    EXPECT_TRUE(layer.train(data, y));
    return y.values;
  });
}

TEST_F(BatchNormGradient, TakesRenormAsConstant) {
  Options options;
  options.renorm = true;
  BatchNormalization layer = steady(options);
  setWeight(layer, "renorm_mean", {0.5, -1});
  setWeight(layer, "renorm_stddev", {2, 0.5});
  Data<double> x = uneven(), y = x, dy = rising(x.shape);
  Expected<SavedForward> saved = layer.train(x, y);
  ASSERT_TRUE(saved);
  const Result found = gradient(layer, *saved, x, dy);
  // dx is r times that without renorm; dgamma sums dy * (xh * r + d).
  BatchNormalization plain = steady({});
  Expected<SavedForward> plainSaved = plain.train(x, y);
  ASSERT_TRUE(plainSaved);
  const Result base = gradient(plain, *plainSaved, x, dy);
  const BatchNormForward &forward = saved->forward();
  ASSERT_EQ(forward.r.size(), 2u);
  for (size_t i = 0; i < found.dx.size(); ++i)
    EXPECT_NEAR(found.dx[i], base.dx[i] * forward.r[i % 2], 1e-12);
  for (size_t i = 0; i < 2; ++i)
    EXPECT_NEAR(found.parameters.gamma[i],
                base.parameters.gamma[i] * forward.r[i] + base.parameters.beta[i] * forward.d[i],
                1e-10);
  expectNear(found.parameters.beta, base.parameters.beta);
}

TEST_F(BatchNormGradient, OfMaskedTraining) {
  BatchNormalization layer = steady({});
  Data<uint8_t> mask{{1, 0, 1, 1}, {4}, DType::Bool};
  const BatchNormalizationCall call{.mask = mask};
  Data<double> x = uneven(), y = x, dy = rising(x.shape);
  Expected<SavedForward> saved = layer.train(x, y, call);
  ASSERT_TRUE(saved);
  checkBySlopes(layer, x, gradient(layer, *saved, x, dy, call), [&](Data<double> &data) {
    EXPECT_TRUE(layer.train(data, y, call));
    return y.values;
  });
}

//===----------------------------------------------------------------------===//
// Which gradients there are
//===----------------------------------------------------------------------===//

TEST_F(BatchNormGradient, OnlyOfParametersThatTheLayerHas) {
  for (bool center : {false, true})
    for (bool scale : {false, true}) {
      BatchNormalization layer = make({.center = center,
                                       .scale = scale,
                                       .betaRegularizer = Regularizer{.l2 = 1},
                                       .gammaRegularizer = Regularizer{.l2 = 1}});
      Data<double> x = uneven(), y = x, dy = rising(x.shape);
      Expected<SavedForward> saved = layer.train(x, y);
      ASSERT_TRUE(saved);
      const Result found = gradient(layer, *saved, x, dy);
      EXPECT_EQ(found.parameters.gamma.size(), scale ? 2u : 0u);
      EXPECT_EQ(found.parameters.beta.size(), center ? 2u : 0u);
      EXPECT_EQ(layer.regularizationLoss(), scale ? 2 : 0);
    }
}

TEST_F(BatchNormGradient, NotOfWhatIsNotTrainable) {
  for (const Options &preset : {Options::kerasV1(), Options::kerasV2()}) {
    BatchNormalization trainable = steady(preset);
    BatchNormalization layer = steady(preset);
    layer.setTrainable(false);
    Data<double> x = uneven(), y = x, dy = rising(x.shape);
    // V1 still trains on the batch, V2 infers.
    Expected<SavedForward> reference =
        preset.frozenIsInference ? trainable.applyAndSave(x, y) : trainable.train(x, y);
    Expected<SavedForward> saved = layer.train(x, y);
    ASSERT_TRUE(reference && saved);
    const Result found = gradient(layer, *saved, x, dy);
    EXPECT_TRUE(found.parameters.gamma.empty());
    EXPECT_TRUE(found.parameters.beta.empty());
    EXPECT_EQ(found.dx, gradient(trainable, *reference, x, dy).dx);
  }
}

TEST_F(BatchNormGradient, IsOfTheForwardCall) {
  BatchNormalization layer = steady({});
  Data<double> x = uneven(), y = x, dy = rising(x.shape);
  Expected<SavedForward> saved = layer.train(x, y);
  ASSERT_TRUE(saved);
  const Result before = gradient(layer, *saved, x, dy);
  // Neither an update of the parameters nor further batches matter, nor a move.
  setWeight(layer, "gamma", {9, 9});
  ASSERT_TRUE(layer.setMomentum(0));
  EXPECT_TRUE(layer.train(f64({5, 5, 7, 8}, {2, 2}), f64({0, 0, 0, 0}, {2, 2})));
  const BatchNormalization moved = std::move(layer);
  const Result after = gradient(moved, *saved, x, dy);
  EXPECT_EQ(after.dx, before.dx);
  EXPECT_EQ(after.parameters.gamma, before.parameters.gamma);
  EXPECT_EQ(after.parameters.beta, before.parameters.beta);
}

TEST_F(BatchNormGradient, MayOverwriteDy) {
  BatchNormalization layer = steady({});
  Data<double> x = uneven(), y = x, dy = rising(x.shape);
  Expected<SavedForward> saved = layer.train(x, y);
  ASSERT_TRUE(saved);
  const Result apart = gradient(layer, *saved, x, dy);
  ASSERT_TRUE(layer.gradient(*saved, x, dy, dy));
  EXPECT_EQ(dy.values, apart.dx);
}

TEST_F(BatchNormGradient, RefusesOtherCalls) {
  BatchNormalization layer = steady({}), other = steady({});
  Data<double> x = uneven(), y = x, dy = rising(x.shape), dx = dy;
  EXPECT_TRUE(SavedForward().empty());
  EXPECT_TRUE(SavedForward().forward().mean.empty());
  EXPECT_EQ(errorOf(layer.gradient({}, x, dy, dx)),
            "saved: empty, expected what train() or applyAndSave() returned (apply() keeps nothing "
            "for a gradient)");
  Expected<SavedForward> saved = layer.train(x, y);
  ASSERT_TRUE(saved);
  EXPECT_FALSE(saved->empty());
  EXPECT_EQ(saved->forward().mean.size(), 2u);
  const std::string foreign = "saved: of another layer, expected what train() or applyAndSave() of "
                              "this one returned";
  EXPECT_EQ(errorOf(other.gradient(*saved, x, dy, dx)), foreign);
  EXPECT_EQ(errorOf(make().gradient(*saved, x, dy, dx)), foreign);
  Data<double> small = rising({2, 2});
  EXPECT_EQ(errorOf(layer.gradient(*saved, small, small, small)),
            "x: shape (2, 2), expected (4, 2), that of the forward call");
  EXPECT_EQ(errorOf(layer.gradient(*saved, x, small, dx)).substr(0, 3), "dy:");
  EXPECT_EQ(errorOf(layer.gradient(*saved, x, dy, small)).substr(0, 3), "dx:");
  EXPECT_EQ(dx.values, rising(x.shape).values);
}

//===----------------------------------------------------------------------===//
// Regularizers and constraints
//===----------------------------------------------------------------------===//

TEST_F(BatchNormGradient, RegularizersOfTheLayer) {
  BatchNormalization layer = makeBuilt({.betaRegularizer = Regularizer{.l1 = 2},
                                        .gammaRegularizer = Regularizer{.l1 = 0.5, .l2 = 0.25}},
                                       {-1, 2});
  setWeight(layer, "gamma", {1, -2});
  setWeight(layer, "beta", {3, -4});
  EXPECT_EQ(layer.regularizationLoss(), 0.5 * 3 + 0.25 * 5 + 2 * 7);
  // Without any dy only the penalties are left.
  Data<double> x = uneven(), y = x, dy = f64(Doubles(8, 0.0), x.shape);
  Expected<SavedForward> saved = layer.train(x, y);
  ASSERT_TRUE(saved);
  const Result found = gradient(layer, *saved, x, dy);
  EXPECT_EQ(found.parameters.gamma, (Doubles{0.5 + 0.5, -0.5 - 1}));
  EXPECT_EQ(found.parameters.beta, (Doubles{2, -2}));
  EXPECT_EQ(found.dx, Doubles(8, 0.0));
}

TEST_F(BatchNormGradient, ConstraintsOfTheLayer) {
  BatchNormalization layer = makeBuilt(
      {.betaConstraint = Constraint::nonNeg(), .gammaConstraint = Constraint::maxNorm(1)}, {-1, 2});
  setWeight(layer, "gamma", {3, 4});
  setWeight(layer, "beta", {-1, 2});
  setWeight(layer, "moving_mean", {-5, 5});
  ASSERT_TRUE(layer.applyConstraints());
  expectNear(weight(layer, "gamma"), {0.6, 0.8});
  EXPECT_EQ(weight(layer, "beta"), (Doubles{0, 2}));
  EXPECT_EQ(weight(layer, "moving_mean"), (Doubles{-5, 5}));
  // Parameters that are not there need none.
  BatchNormalization bare = makeBuilt({.center = false,
                                       .scale = false,
                                       .betaConstraint = Constraint::nonNeg(),
                                       .gammaConstraint = Constraint::unitNorm()},
                                      {-1, 2});
  EXPECT_TRUE(bare.applyConstraints());
  // Norms along one of two kept axes.
  BatchNormalization matrix =
      makeBuilt({.axis = {1, 2}, .gammaConstraint = Constraint::unitNorm(-1)}, {-1, 2, 2});
  setWeight(matrix, "gamma", {3, 4, 0, 2});
  ASSERT_TRUE(matrix.applyConstraints());
  expectNear(weight(matrix, "gamma"), {0.6, 0.8, 0, 1});
}

} // namespace
