//===- BatchNormalizationOptionsTest.cpp - What the layer is told ---------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchNormLayerTest.h"

using namespace norma;
using namespace norma::test;

namespace {

class BatchNormOptions : public BatchNormLayerTest {
protected:
  static std::string error(const Options &options) { return errorOf(tryMake(options)); }
};

Expected<Adjustment> noAdjustment(const Dims &) { return Adjustment(); }
Expected<void> noAllReduce(std::span<double>) { return {}; }

//===----------------------------------------------------------------------===//
// Defaults and presets
//===----------------------------------------------------------------------===//

TEST_F(BatchNormOptions, DefaultsAreThoseOfKeras) {
  const Options options = make().options();
  EXPECT_EQ(options.axis, (Dims{-1}));
  EXPECT_EQ(options.momentum, 0.99);
  EXPECT_EQ(options.epsilon, 1e-3);
  EXPECT_TRUE(options.center);
  EXPECT_TRUE(options.scale);
  EXPECT_EQ(options.betaInitializer.kind, Initializer::Kind::Zeros);
  EXPECT_EQ(options.gammaInitializer.kind, Initializer::Kind::Ones);
  EXPECT_EQ(options.movingMeanInitializer.kind, Initializer::Kind::Zeros);
  EXPECT_EQ(options.movingVarianceInitializer.kind, Initializer::Kind::Ones);
  EXPECT_FALSE(options.betaRegularizer || options.gammaRegularizer || options.betaConstraint ||
               options.gammaConstraint);
  EXPECT_FALSE(options.renorm);
  EXPECT_TRUE(options.renormClipping.empty());
  EXPECT_EQ(options.renormMomentum, 0.99);
  EXPECT_FALSE(options.fused || options.virtualBatchSize || options.adjustment ||
               options.allReduce);
  EXPECT_TRUE(options.trainable);
  EXPECT_EQ(options.name, "batch_normalization");
  EXPECT_EQ(options.compute, DType::F32);
}

TEST_F(BatchNormOptions, Presets) {
  const Options v1 = Options::kerasV1(), v2 = Options::kerasV2(), k3 = Options::keras3();
  EXPECT_FALSE(v1.frozenIsInference);
  EXPECT_FALSE(v1.fusedImpossibleIsError);
  EXPECT_TRUE(v1.fusedConventions);
  EXPECT_TRUE(v2.frozenIsInference && v2.fusedImpossibleIsError && v2.fusedConventions);
  EXPECT_FALSE(v1.movingVariance || v2.movingVariance);
  EXPECT_FALSE(v1.oneAxis || v2.oneAxis);
  EXPECT_TRUE(k3.frozenIsInference && k3.oneAxis);
  EXPECT_FALSE(k3.fusedConventions);
  EXPECT_EQ(k3.movingVariance, MovingVariance::Population);
  for (const Options &options : {v1, v2, k3}) {
    EXPECT_EQ(options.axis, (Dims{-1}));
    EXPECT_EQ(options.epsilon, 1e-3);
    EXPECT_EQ(options.momentum, 0.99);
    EXPECT_FALSE(options.momentumWeighsNew);
  }
  const Options torch = Options::pytorch(), onnx = Options::onnx();
  for (const Options &options : {torch, onnx}) {
    EXPECT_EQ(options.axis, (Dims{1}));
    EXPECT_EQ(options.epsilon, 1e-5);
    EXPECT_FALSE(options.fusedConventions || options.oneAxis);
  }
  EXPECT_EQ(torch.momentum, 0.1);
  EXPECT_TRUE(torch.momentumWeighsNew);
  EXPECT_EQ(torch.movingVariance, MovingVariance::Sample);
  EXPECT_EQ(onnx.momentum, 0.9);
  EXPECT_FALSE(onnx.momentumWeighsNew);
  EXPECT_EQ(onnx.movingVariance, MovingVariance::Population);
}

//===----------------------------------------------------------------------===//
// Refused options
//===----------------------------------------------------------------------===//

TEST_F(BatchNormOptions, RefusesBadAxes) {
  EXPECT_EQ(error({.axis = {}}), "axis: (), expected at least one axis");
  EXPECT_EQ(error({.axis = {1, 2, 1}}),
            "axis: 1 is given twice in (1, 2, 1), expected each axis once");
  Options k3 = Options::keras3();
  k3.axis = {1, 2};
  EXPECT_EQ(error(k3), "axis: (1, 2), expected exactly one axis");
  EXPECT_EQ(error({.axis = {1, 0}, .virtualBatchSize = 2}),
            "axis: (1, 0) with a virtual_batch_size, expected axes without 0, which is cut into "
            "virtual batches");
}

TEST_F(BatchNormOptions, RefusesBadNumbers) {
  EXPECT_EQ(error({.epsilon = -1}), "epsilon: -1, expected a finite number not below 0");
  EXPECT_EQ(error({.epsilon = kNaN}), "epsilon: nan, expected a finite number not below 0");
  EXPECT_EQ(error({.epsilon = kInf}), "epsilon: inf, expected a finite number not below 0");
  EXPECT_EQ(error({.fusedEpsilonFloor = -1}),
            "fused_epsilon_floor: -1, expected a finite number not below 0");
  EXPECT_EQ(error({.momentum = kNaN}), "momentum: nan, expected a finite number");
  Options torch = Options::pytorch();
  torch.momentum = kInf;
  EXPECT_EQ(error(torch), "momentum: inf, expected a finite number");
  EXPECT_EQ(error({.renormMomentum = -kInf}), "renorm_momentum: -inf, expected a finite number");
  for (int64_t size : {0, -3})
    EXPECT_EQ(error({.virtualBatchSize = size}),
              "virtual_batch_size: " + std::to_string(size) + ", expected at least 1");
  EXPECT_EQ(error({.compute = DType::F16}), "dtype: f16, expected f32 or f64");
  EXPECT_EQ(error({.compute = DType::I32}), "dtype: i32, expected f32 or f64");
  EXPECT_EQ(error({.output = DType::U8}), "output_dtype: u8, expected f32, f64, f16 or bf16");
  EXPECT_EQ(errorOf(BatchNormalization::create(nullptr)), "engine: null, expected an engine");
  // Unusual ones are allowed, as in Keras.
  for (double momentum : {0.0, 1.0, -0.5, 1.5})
    EXPECT_TRUE(tryMake({.momentum = momentum}));
  EXPECT_TRUE(tryMake({.epsilon = 0}));
  EXPECT_TRUE(tryMake({.momentum = {}}));
}

TEST_F(BatchNormOptions, RefusesBadClipping) {
  EXPECT_EQ(error({.renorm = true, .renormClipping = {{"rmaxx", 1}}}),
            "renorm_clipping: unknown key 'rmaxx', expected rmax, rmin or dmax");
  // Without renorm it has no effect, but is checked.
  EXPECT_EQ(error({.renormClipping = {{"rmin", 2}, {"rmax", 1}}}),
            "renorm_clipping: rmax 1 is below rmin 2, expected rmin <= rmax");
  EXPECT_EQ(error({.renormClipping = {{"dmax", -1}}}),
            "renorm_clipping: dmax -1, expected a number not below 0");
  EXPECT_EQ(error({.renormClipping = {{"rmin", kNaN}}}),
            "renorm_clipping: rmin nan, expected a number not below 0");
  EXPECT_TRUE(tryMake({.renormClipping = {{"rmin", 1}, {"rmax", 1}, {"dmax", 0}}}));
}

TEST_F(BatchNormOptions, RefusesBadParts) {
  const auto starts = [&](const Options &options, const std::string &prefix) {
    EXPECT_EQ(error(options).substr(0, prefix.size()), prefix);
  };
  const Initializer bad = Initializer::randomNormal(0, -1, 0);
  starts({.betaInitializer = bad}, "beta_initializer: stddev is -1");
  starts({.gammaInitializer = bad}, "gamma_initializer: stddev is -1");
  starts({.movingMeanInitializer = bad}, "moving_mean_initializer: stddev is -1");
  starts({.movingVarianceInitializer = bad}, "moving_variance_initializer: stddev is -1");
  starts({.betaRegularizer = Regularizer{.l1 = -1}}, "beta_regularizer: l1 is -1");
  starts({.gammaRegularizer = Regularizer{.l2 = -1}}, "gamma_regularizer: l2 is -1");
  starts({.betaConstraint = Constraint::maxNorm(-1)}, "beta_constraint: maximum is -1");
  starts({.gammaConstraint = Constraint::minMaxNorm(0, 1, 2)}, "gamma_constraint: rate is 2");
  // Parameters have as many axes as are kept.
  starts({.gammaConstraint = Constraint::maxNorm(1, 1)},
         "gamma_constraint: axis: 1 is out of range for rank 1");
  EXPECT_TRUE(tryMake({.axis = {1, 2}, .gammaConstraint = Constraint::maxNorm(1, 1)}));
}

//===----------------------------------------------------------------------===//
// Fused
//===----------------------------------------------------------------------===//

TEST_F(BatchNormOptions, FusedWhereTensorFlowIs) {
  struct Case {
    Dims shape;
    int64_t axis;
    bool possible;
  };
  for (const Case &c : {
           Case{{2, 3, 4, 5}, 1, true},
           Case{{2, 3, 4, 5}, 3, true},
           Case{{2, 3, 4, 5}, -1, true},
           Case{{2, 3, 4, 5}, -3, true},
           Case{{2, 3, 4, 5}, 2, false},
           Case{{2, 3, 4, 5}, 0, false},
           Case{{2, 3, 4, 5}, -4, false},
           Case{{2, 3, 4, 5, 6}, 1, true},
           Case{{2, 3, 4, 5, 6}, 4, true},
           Case{{2, 3, 4, 5, 6}, -1, true},
           Case{{2, 3, 4, 5, 6}, -4, true},
           Case{{2, 3, 4, 5, 6}, 3, false},
           Case{{2, 3, 4, 5, 6}, -3, false},
           Case{{2, 3}, 1, false},
           Case{{2, 3, 4}, 1, false},
           Case{{2, 3, 4, 5, 6, 7}, 1, false},
       }) {
    const std::string what = toString(c.shape) + " axis " + std::to_string(c.axis);
    for (Options options : {Options::kerasV1(), Options::kerasV2()}) {
      options.axis = {c.axis};
      EXPECT_EQ(makeBuilt(options, c.shape).isFused(), c.possible) << what;
      options.fused = false;
      EXPECT_FALSE(makeBuilt(options, c.shape).isFused()) << what;
      options.fused = true;
      Expected<BatchNormalization> layer = tryMake(options);
      const bool built = layer && layer->build(c.shape);
      EXPECT_EQ(built, c.possible || !options.fusedImpossibleIsError) << what;
      if (built)
        EXPECT_EQ(layer->isFused(), c.possible) << what;
      else
        EXPECT_NE(errorOf(layer ? layer->build(c.shape) : Expected<void>(layer.takeError()))
                      .find("fused: true, which is impossible as the "),
                  std::string::npos)
            << what;
    }
    for (Options options : {Options::keras3(), Options::pytorch(), Options::onnx()})
      for (std::optional<bool> fused : {std::optional<bool>(), {true}, {false}}) {
        options.axis = {c.axis};
        options.fused = fused;
        EXPECT_FALSE(makeBuilt(options, c.shape).isFused()) << what;
      }
  }
}

TEST_F(BatchNormOptions, FusedIsImpossibleWithOtherFeatures) {
  const Options image = {.axis = {3}};
  const auto check = [&](const std::function<void(Options &)> &change, const std::string &reason) {
    for (Options options : {Options::kerasV1(), Options::kerasV2()}) {
      options.axis = {3};
      change(options);
      EXPECT_FALSE(makeBuilt(options, {2, 3, 4, 5}).isFused()) << reason;
      options.fused = true;
      if (options.fusedImpossibleIsError)
        EXPECT_EQ(error(options),
                  "fused: true, which is impossible as " + reason + ", expected false or none");
      else
        EXPECT_FALSE(makeBuilt(options, {2, 3, 4, 5}).isFused()) << reason;
    }
  };
  EXPECT_TRUE(makeBuilt(image, {2, 3, 4, 5}).isFused());
  check([](Options &options) { options.renorm = true; }, "there is renorm");
  check([](Options &options) { options.virtualBatchSize = 2; }, "there is a virtual_batch_size");
  check([](Options &options) { options.adjustment = noAdjustment; }, "there is an adjustment");
  check([](Options &options) { options.allReduce = noAllReduce; },
        "the statistics are synchronized");
  check([](Options &options) { options.compute = DType::F64; }, "the dtype is f64");
  check([](Options &options) { options.axis = {1, 3}; }, "there are 2 kept axes");
  EXPECT_EQ(errorOf(make({.axis = {3}, .fused = true}).build(Dims{2, 3, 4, 5, 6})),
            "fused: true, which is impossible as the kept axis is 3 of rank 5, not 1 or 4, "
            "expected false or none");
  EXPECT_EQ(errorOf(make({.fused = true}).build(Dims{2, 3})),
            "fused: true, which is impossible as the input has rank 2, not 4 or 5, expected false "
            "or none");
  // 16-bit data is not a 16-bit layer.
  EXPECT_TRUE(makeBuilt({.output = DType::F16}, {2, 3, 4, 5}).isFused());
}

//===----------------------------------------------------------------------===//
// Building
//===----------------------------------------------------------------------===//

TEST_F(BatchNormOptions, BuildsForAShape) {
  BatchNormalization layer = make({.axis = {-1, 1}});
  EXPECT_FALSE(layer.isBuilt());
  EXPECT_FALSE(layer.isFused());
  EXPECT_TRUE(layer.keptAxes().empty());
  EXPECT_TRUE(layer.weights().empty());
  EXPECT_EQ(layer.batchesSeen(), 0);
  EXPECT_EQ(layer.regularizationLoss(), 0);
  EXPECT_EQ(errorOf(layer.weight("gamma")),
            "the layer is not built; it has no weights and no shape yet");
  EXPECT_EQ(errorOf(layer.applyConstraints()),
            "the layer is not built; it has no weights and no shape yet");
  ASSERT_TRUE(layer.build(Dims{-1, 2, -1, 3}));
  EXPECT_TRUE(layer.isBuilt());
  EXPECT_EQ(layer.keptAxes(), (Dims{1, 3}));
  EXPECT_EQ(layer.weight("gamma")->shape, (Dims{2, 3}));
  // Again, for the same kept extents.
  setWeight(layer, "gamma", {1, 2, 3, 4, 5, 6});
  EXPECT_TRUE(layer.build(Dims{7, 2, 5, 3}));
  EXPECT_EQ(weight(layer, "gamma"), (Doubles{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(errorOf(layer.build(Dims{7, 2, 5, 4})),
            "shape: shape (7, 2, 5, 4) has an extent of 4 along the kept axis 3; expected 3, as "
            "the build shape (7, 2, 5, 3)");
  EXPECT_EQ(errorOf(layer.build(Dims{2, 5, 3})),
            "shape: shape (2, 5, 3) has rank 3; expected rank 4, as the build shape (7, 2, 5, 3)");
  EXPECT_EQ(layer.keptAxes(), (Dims{1, 3}));
}

TEST_F(BatchNormOptions, RefusesToBuild) {
  const auto refused = [&](const Options &options, const Dims &shape) {
    BatchNormalization layer = make(options);
    const std::string message = errorOf(layer.build(shape));
    EXPECT_FALSE(layer.isBuilt());
    return message;
  };
  EXPECT_EQ(refused({}, {}), "axis: -1 is out of range for rank 0; a scalar has no axes");
  EXPECT_EQ(refused({.axis = {2}}, {2, 3}),
            "axis: 2 is out of range for rank 2; expected a value in [-2, 2)");
  EXPECT_EQ(refused({.axis = {1, -1}}, {2, 3}), "axis: axis 1 is given twice (as 1 and -1)");
  EXPECT_EQ(refused({}, {3, -1}),
            "axis: the extent of the kept axis 1 is unknown in shape (3, ?); expected a number");
  EXPECT_EQ(refused({}, {-2, 3}),
            "shape (-2, 3): an extent is -2; expected 0 or more, or -1 for unknown");
  EXPECT_EQ(refused({.axis = {0, 1}}, {int64_t(1) << 40, int64_t(1) << 40}).substr(0, 13),
            "kept extents:");
  EXPECT_EQ(refused({.axis = {-2}, .virtualBatchSize = 2}, {4, 3}),
            "axis: (-2,) is axis 0 of rank 2 with a virtual_batch_size, expected other axes: 0 is "
            "cut into virtual batches");
  EXPECT_EQ(refused({.movingVarianceInitializer = Initializer::constant(-1)}, {4, 3}),
            "moving_variance_initializer: a variance of -1, expected 0 or more");
  const std::vector<int64_t> deep(17, 1);
  EXPECT_EQ(errorOf(make().build(deep)), "shape: rank 17; expected at most 16");
}

TEST_F(BatchNormOptions, ComputesTheOutputShape) {
  BatchNormalization layer = make();
  EXPECT_EQ(*layer.computeOutputShape(Dims{-1, 3}), (Dims{-1, 3}));
  EXPECT_FALSE(layer.isBuilt());
  EXPECT_FALSE(layer.computeOutputShape(Dims{}));
  ASSERT_TRUE(layer.build(Dims{-1, 3}));
  EXPECT_EQ(*layer.computeOutputShape(Dims{9, 3}), (Dims{9, 3}));
  EXPECT_EQ(errorOf(layer.computeOutputShape(Dims{9, 4})),
            "shape: shape (9, 4) has an extent of 4 along the kept axis 1; expected 3, as the "
            "build shape (?, 3)");
  EXPECT_EQ(errorOf(layer.computeOutputShape(Dims{9, 9, 3})),
            "shape: shape (9, 9, 3) has rank 3; expected rank 2, as the build shape (?, 3)");
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

TEST_F(BatchNormOptions, WeightsComeInKerasOrder) {
  const auto names = [&](const Options &options) {
    BatchNormalization layer = makeBuilt(options, {-1, 3});
    std::string text;
    for (const BatchNormalization::Weight &weight : layer.weights()) {
      text += weight.name + (weight.trainable ? "* " : " ");
      EXPECT_EQ(weight.value.shape, (Dims{3}));
      EXPECT_EQ(weight.value.dtype, options.compute);
    }
    return text;
  };
  EXPECT_EQ(names({}), "gamma* beta* moving_mean moving_variance ");
  EXPECT_EQ(names({.center = false}), "gamma* moving_mean moving_variance ");
  EXPECT_EQ(names({.scale = false}), "beta* moving_mean moving_variance ");
  EXPECT_EQ(names({.center = false, .scale = false, .compute = DType::F64}),
            "moving_mean moving_variance ");
  EXPECT_EQ(names({.renorm = true}), "gamma* beta* moving_mean moving_variance moving_stddev "
                                     "renorm_mean renorm_stddev ");
  EXPECT_EQ(names({.trainable = false}), "gamma beta moving_mean moving_variance ");
  Expected<Tensor> missing = makeBuilt({.scale = false}, {-1, 3}).weight("gamma");
  EXPECT_EQ(errorOf(missing), "weight: the layer has no 'gamma', expected one of beta, "
                              "moving_mean, moving_variance");
  EXPECT_EQ(missing.error().code(), ErrorCode::NotFound);
}

TEST_F(BatchNormOptions, WeightsStartAsInitialized) {
  BatchNormalization plain = makeBuilt({.renorm = true}, {-1, 2});
  EXPECT_EQ(weight(plain, "gamma"), (Doubles{1, 1}));
  EXPECT_EQ(weight(plain, "beta"), (Doubles{0, 0}));
  EXPECT_EQ(weight(plain, "moving_mean"), (Doubles{0, 0}));
  EXPECT_EQ(weight(plain, "moving_variance"), (Doubles{1, 1}));
  EXPECT_EQ(weight(plain, "moving_stddev"), (Doubles{1, 1}));
  EXPECT_EQ(weight(plain, "renorm_mean"), (Doubles{0, 0}));
  EXPECT_EQ(weight(plain, "renorm_stddev"), (Doubles{1, 1}));

  BatchNormalization layer =
      makeBuilt({.axis = {1, 2},
                 .betaInitializer = Initializer::constant(-2),
                 .gammaInitializer = Initializer::randomUniform(1, 2, 11),
                 .movingMeanInitializer = Initializer::randomNormal(0, 1, 12),
                 .movingVarianceInitializer = Initializer::constant(6.25),
                 .renorm = true,
                 .compute = DType::F64},
                {-1, 2, 3});
  EXPECT_EQ(weight(layer, "beta"), Doubles(6, -2));
  EXPECT_EQ(weight(layer, "gamma"), initialValues(Initializer::randomUniform(1, 2, 11), {2, 3}));
  EXPECT_EQ(weight(layer, "moving_mean"),
            initialValues(Initializer::randomNormal(0, 1, 12), {2, 3}));
  EXPECT_EQ(weight(layer, "renorm_mean"), weight(layer, "moving_mean"));
  EXPECT_EQ(weight(layer, "moving_variance"), Doubles(6, 6.25));
  EXPECT_EQ(weight(layer, "moving_stddev"), Doubles(6, 2.5));
  EXPECT_EQ(weight(layer, "renorm_stddev"), Doubles(6, 2.5));
}

//===----------------------------------------------------------------------===//
// Changes
//===----------------------------------------------------------------------===//

TEST_F(BatchNormOptions, RefusedChangesChangeNothing) {
  BatchNormalization layer = make({.renormClipping = {{"rmax", 2}}});
  EXPECT_EQ(errorOf(layer.setMomentum(kNaN)), "momentum: nan, expected a finite number");
  EXPECT_EQ(layer.options().momentum, 0.99);
  EXPECT_EQ(errorOf(layer.setRenormClipping({{"max", 3}})),
            "renorm_clipping: unknown key 'max', expected rmax, rmin or dmax");
  EXPECT_EQ(errorOf(layer.setRenormClipping({{"rmax", 3}, {"rmin", 4}})),
            "renorm_clipping: rmax 3 is below rmin 4, expected rmin <= rmax");
  EXPECT_EQ(layer.options().renormClipping, (std::map<std::string, double>{{"rmax", 2}}));
  ASSERT_TRUE(layer.setMomentum({}));
  EXPECT_FALSE(layer.options().momentum);
  ASSERT_TRUE(layer.setRenormClipping({}));
  EXPECT_TRUE(layer.options().renormClipping.empty());
  layer.setTrainable(false);
  EXPECT_FALSE(layer.options().trainable);
}

TEST_F(BatchNormOptions, FusedLayersTakeNoHooks) {
  BatchNormalization image = makeBuilt({}, {2, 3, 4, 5});
  EXPECT_EQ(errorOf(image.setAdjustment(noAdjustment)),
            "adjustment: given to a fused layer, expected one with fused = false");
  EXPECT_EQ(errorOf(image.setAllReduce(noAllReduce)),
            "all_reduce: given to a fused layer, expected one with fused = false");
  EXPECT_FALSE(image.options().adjustment || image.options().allReduce);
  EXPECT_EQ(errorOf(make({.fused = true}).setAdjustment(noAdjustment)),
            "fused: true, which is impossible as there is an adjustment, expected false or none");
  BatchNormalization table = makeBuilt({}, {2, 3});
  ASSERT_TRUE(table.setAdjustment(noAdjustment));
  ASSERT_TRUE(table.setAllReduce(noAllReduce));
  EXPECT_TRUE(table.options().adjustment && table.options().allReduce);
}

} // namespace
