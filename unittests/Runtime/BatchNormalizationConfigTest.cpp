//===- BatchNormalizationConfigTest.cpp - The layer as JSON ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchNormLayerTest.h"

using namespace norma;
using namespace norma::test;

namespace {

class BatchNormConfig : public BatchNormLayerTest {
protected:
  static Expected<BatchNormalization> read(const std::string &json) {
    return BatchNormalization::fromConfig(engine(), json);
  }
  static Options readOptions(const std::string &json) {
    Expected<BatchNormalization> layer = read(json);
    EXPECT_TRUE(layer) << layer.error().message();
    return layer ? layer->options() : Options();
  }
  /// The initializer read from a text, as it is written again.
  static std::string rewrite(const std::string &key, const std::string &value) {
    Expected<BatchNormalization> layer = read("{\"" + key + "\":" + value + "}");
    EXPECT_TRUE(layer) << layer.error().message();
    if (!layer)
      return "";
    const std::string config = layer->getConfig();
    const size_t begin = config.find("\"" + key + "\":") + key.size() + 3;
    // Objects of initializers and their like end with two braces.
    return config.substr(begin, config.find("}}", begin) + 2 - begin);
  }
};

TEST_F(BatchNormConfig, OfADefaultLayer) {
  EXPECT_EQ(
      make().getConfig(),
      R"({"name":"batch_normalization","trainable":true,"dtype":"f32","axis":[-1],)"
      R"("momentum":0.99,"epsilon":0.001,"center":true,"scale":true,)"
      R"("beta_initializer":{"class_name":"Zeros","config":{}},)"
      R"("gamma_initializer":{"class_name":"Ones","config":{}},)"
      R"("moving_mean_initializer":{"class_name":"Zeros","config":{}},)"
      R"("moving_variance_initializer":{"class_name":"Ones","config":{}},)"
      R"("beta_regularizer":null,"gamma_regularizer":null,"beta_constraint":null,)"
      R"("gamma_constraint":null,"renorm":false,"renorm_clipping":{},"renorm_momentum":0.99,)"
      R"("fused":null,"virtual_batch_size":null,"ghost_grouping":"strided",)"
      R"("ghost_remainder":"error","output_dtype":null,"frozen_is_inference":true,)"
      R"("moving_variance":null,"momentum_weighs_new":false,"fused_impossible_is_error":true,)"
      R"("fused_conventions":true,"fused_epsilon_floor":1.001e-05,"one_axis":false})");
}

TEST_F(BatchNormConfig, RoundTrips) {
  const Options options = {
      .axis = {2, -3},
      .momentum = 0.75,
      .epsilon = 1e-300,
      .center = false,
      .scale = false,
      .betaInitializer = Initializer::randomUniform(-0.25, 0.1, ~uint64_t(0)),
      .gammaInitializer = Initializer::varianceScaling(
          0.3, Initializer::FanMode::FanOut, Initializer::Distribution::UntruncatedNormal, 3),
      .movingMeanInitializer = Initializer::truncatedNormal(0.1, 0.2, 4),
      .movingVarianceInitializer = Initializer::constant(0.7),
      .betaRegularizer = Regularizer{.l1 = 0.1},
      .gammaRegularizer = Regularizer{.l1 = 0.2, .l2 = 0.3},
      .betaConstraint = Constraint::maxNorm(3.5, -1),
      .gammaConstraint = Constraint::minMaxNorm(0.1, 0.9, 0.5, 1),
      .renorm = true,
      .renormClipping = {{"dmax", 5}, {"rmax", kInf}, {"rmin", 0.3}},
      .renormMomentum = 0.6,
      .fused = false,
      .trainable = false,
      .virtualBatchSize = 16,
      .ghostGrouping = GhostGrouping::Contiguous,
      .ghostRemainder = GhostRemainder::Merge,
      .name = "a \"name\"",
      .compute = DType::F64,
      .output = DType::BF16,
      .frozenIsInference = false,
      .movingVariance = MovingVariance::Sample,
      .momentumWeighsNew = true,
      .fusedImpossibleIsError = false,
      .fusedConventions = false,
      .fusedEpsilonFloor = 2e-6,
  };
  const std::string json = make(options).getConfig();
  EXPECT_EQ(read(json)->getConfig(), json);
  const Options again = readOptions(json);
  EXPECT_EQ(again.axis, options.axis);
  EXPECT_EQ(again.momentum, 0.75);
  EXPECT_EQ(again.epsilon, 1e-300);
  EXPECT_FALSE(again.center || again.scale);
  EXPECT_EQ(again.betaInitializer.kind, Initializer::Kind::RandomUniform);
  EXPECT_EQ(again.betaInitializer.minimum, -0.25);
  EXPECT_EQ(again.betaInitializer.maximum, 0.1);
  EXPECT_EQ(again.betaInitializer.seed, ~uint64_t(0));
  EXPECT_EQ(again.gammaInitializer.kind, Initializer::Kind::VarianceScaling);
  EXPECT_EQ(again.gammaInitializer.scale, 0.3);
  EXPECT_EQ(again.gammaInitializer.mode, Initializer::FanMode::FanOut);
  EXPECT_EQ(again.gammaInitializer.distribution, Initializer::Distribution::UntruncatedNormal);
  EXPECT_EQ(again.gammaInitializer.seed, 3u);
  EXPECT_EQ(again.movingMeanInitializer.kind, Initializer::Kind::TruncatedNormal);
  EXPECT_EQ(again.movingMeanInitializer.mean, 0.1);
  EXPECT_EQ(again.movingMeanInitializer.stddev, 0.2);
  EXPECT_EQ(again.movingVarianceInitializer.kind, Initializer::Kind::Constant);
  EXPECT_EQ(again.movingVarianceInitializer.value, 0.7);
  EXPECT_EQ(again.betaRegularizer->l1, 0.1);
  EXPECT_EQ(again.betaRegularizer->l2, 0);
  EXPECT_EQ(again.gammaRegularizer->l1, 0.2);
  EXPECT_EQ(again.gammaRegularizer->l2, 0.3);
  EXPECT_EQ(again.betaConstraint->kind, Constraint::Kind::MaxNorm);
  EXPECT_EQ(again.betaConstraint->maximum, 3.5);
  EXPECT_EQ(again.betaConstraint->axis, -1);
  EXPECT_EQ(again.gammaConstraint->kind, Constraint::Kind::MinMaxNorm);
  EXPECT_EQ(again.gammaConstraint->minimum, 0.1);
  EXPECT_EQ(again.gammaConstraint->maximum, 0.9);
  EXPECT_EQ(again.gammaConstraint->rate, 0.5);
  EXPECT_EQ(again.gammaConstraint->axis, 1);
  EXPECT_TRUE(again.renorm);
  EXPECT_EQ(again.renormClipping, options.renormClipping);
  EXPECT_EQ(again.renormMomentum, 0.6);
  EXPECT_EQ(again.fused, false);
  EXPECT_FALSE(again.trainable);
  EXPECT_EQ(again.virtualBatchSize, 16);
  EXPECT_EQ(again.ghostGrouping, GhostGrouping::Contiguous);
  EXPECT_EQ(again.ghostRemainder, GhostRemainder::Merge);
  EXPECT_EQ(again.name, "a \"name\"");
  EXPECT_EQ(again.compute, DType::F64);
  EXPECT_EQ(again.output, DType::BF16);
  EXPECT_FALSE(again.frozenIsInference);
  EXPECT_EQ(again.movingVariance, MovingVariance::Sample);
  EXPECT_TRUE(again.momentumWeighsNew);
  EXPECT_EQ(again.fusedEpsilonFloor, 2e-6);
  EXPECT_FALSE(again.fusedImpossibleIsError || again.fusedConventions || again.oneAxis);
}

TEST_F(BatchNormConfig, OfThePresets) {
  for (Options options : {Options::kerasV1(), Options::kerasV2(), Options::keras3(),
                          Options::pytorch(), Options::onnx()}) {
    const std::string json = make(options).getConfig();
    EXPECT_EQ(read(json)->getConfig(), json);
    options.momentum = {};
    const std::string cumulative = make(options).getConfig();
    EXPECT_NE(cumulative.find("\"momentum\":null"), std::string::npos);
    EXPECT_FALSE(readOptions(cumulative).momentum);
  }
  EXPECT_TRUE(readOptions(make(Options::keras3()).getConfig()).oneAxis);
}

TEST_F(BatchNormConfig, ReadsWhatKerasWrites) {
  const Options options = readOptions(R"({
    "name": "bn", "trainable": true, "axis": 3, "momentum": 0.9, "epsilon": 0.001,
    "dtype": {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"},
              "registered_name": null},
    "center": true, "scale": true,
    "beta_initializer": {"module": "keras.initializers", "class_name": "Zeros", "config": {},
                         "registered_name": null},
    "gamma_initializer": {"module": "keras.initializers", "class_name": "RandomNormal",
                          "config": {"mean": 1.0, "stddev": 0.5, "seed": null}},
    "beta_regularizer": {"class_name": "L2", "config": {"l2": 0.25}},
    "gamma_regularizer": {"class_name": "L1", "config": {"l1": 0.5}},
    "beta_constraint": {"class_name": "NonNeg", "config": {}},
    "gamma_constraint": {"class_name": "UnitNorm", "config": {"axis": 0}},
    "synchronized": false, "renorm": true, "renorm_clipping": null, "renorm_momentum": 0.9})");
  EXPECT_EQ(options.name, "bn");
  EXPECT_EQ(options.axis, (Dims{3}));
  EXPECT_EQ(options.compute, DType::F32);
  EXPECT_EQ(options.gammaInitializer.stddev, 0.5);
  EXPECT_EQ(options.gammaInitializer.seed, 0u);
  EXPECT_EQ(options.betaRegularizer->l2, 0.25);
  EXPECT_EQ(options.betaRegularizer->l1, 0);
  EXPECT_EQ(options.gammaRegularizer->l1, 0.5);
  EXPECT_EQ(options.betaConstraint->kind, Constraint::Kind::NonNeg);
  EXPECT_EQ(options.gammaConstraint->kind, Constraint::Kind::UnitNorm);
  EXPECT_TRUE(options.renormClipping.empty());
  EXPECT_EQ(readOptions(R"({"renorm_clipping": {"rmax": 3, "dmax": 5}})").renormClipping,
            (std::map<std::string, double>{{"rmax", 3}, {"dmax", 5}}));
}

TEST_F(BatchNormConfig, InitializersAndTheirLike) {
  const auto same = [](const std::string &key, const std::string &text) {
    EXPECT_EQ(rewrite(key, text), text);
  };
  same("gamma_initializer", R"({"class_name":"Zeros","config":{}})");
  same("gamma_initializer", R"({"class_name":"Ones","config":{}})");
  same("gamma_initializer", R"({"class_name":"Constant","config":{"value":2.5}})");
  same("gamma_initializer",
       R"({"class_name":"RandomUniform","config":{"minval":-1.0,"maxval":2.0,"seed":7}})");
  same("gamma_initializer",
       R"({"class_name":"RandomNormal","config":{"mean":1.0,"stddev":2.0,"seed":7}})");
  same("gamma_initializer",
       R"({"class_name":"TruncatedNormal","config":{"mean":1.0,"stddev":2.0,"seed":7}})");
  for (const char *mode : {"fan_in", "fan_out", "fan_avg"})
    for (const char *distribution : {"truncated_normal", "untruncated_normal", "uniform"})
      same("gamma_initializer",
           std::string(R"({"class_name":"VarianceScaling","config":{"scale":2.0,"mode":")") + mode +
               R"(","distribution":")" + distribution + R"(","seed":7}})");
  same("gamma_regularizer", R"({"class_name":"L1L2","config":{"l1":0.5,"l2":2.0}})");
  same("gamma_constraint", R"({"class_name":"NonNeg","config":{}})");
  same("gamma_constraint", R"({"class_name":"MaxNorm","config":{"max_value":3.0,"axis":0}})");
  same("gamma_constraint", R"({"class_name":"UnitNorm","config":{"axis":-1}})");
  same("gamma_constraint", R"({"class_name":"MinMaxNorm","config":{"min_value":0.5,)"
                           R"("max_value":1.5,"rate":0.25,"axis":0}})");
  // Cases of VarianceScaling, and its older name of a distribution.
  const auto scaling = [](const char *scale, const char *mode, const char *distribution) {
    return std::string(R"({"class_name":"VarianceScaling","config":{"scale":)") + scale +
           R"(,"mode":")" + mode + R"(","distribution":")" + distribution + R"(","seed":5}})";
  };
  for (const auto &[name, expected] :
       {std::pair("GlorotUniform", scaling("1.0", "fan_avg", "uniform")),
        std::pair("GlorotNormal", scaling("1.0", "fan_avg", "truncated_normal")),
        std::pair("HeUniform", scaling("2.0", "fan_in", "uniform")),
        std::pair("HeNormal", scaling("2.0", "fan_in", "truncated_normal")),
        std::pair("LecunUniform", scaling("1.0", "fan_in", "uniform")),
        std::pair("LecunNormal", scaling("1.0", "fan_in", "truncated_normal"))})
    EXPECT_EQ(rewrite("gamma_initializer",
                      std::string(R"({"class_name":")") + name + R"(","config":{"seed":5}})"),
              expected);
  EXPECT_EQ(rewrite("gamma_initializer", scaling("1.0", "fan_in", "normal")),
            scaling("1.0", "fan_in", "truncated_normal"));
}

TEST_F(BatchNormConfig, NamesTheBadKey) {
  const auto error = [](const std::string &text) { return errorOf(read(text)); };
  EXPECT_EQ(error("{"), "config: not valid JSON");
  EXPECT_EQ(error("[]"), "config: []; expected an object");
  EXPECT_EQ(error(R"({"axes": 1})"), "config: the key 'axes' is not known");
  EXPECT_EQ(error(R"({"name": 1})"), "config: name: 1; expected a string");
  EXPECT_EQ(error(R"({"trainable": 1})"), "config: trainable: 1; expected true or false");
  EXPECT_EQ(error(R"({"axis": "x"})"), "config: axis: \"x\"; expected a list of integers");
  EXPECT_EQ(error(R"({"axis": null})"), "config: axis: (), expected at least one axis");
  EXPECT_EQ(error(R"({"momentum": "x"})"), "config: momentum: \"x\"; expected a number");
  EXPECT_EQ(error(R"({"epsilon": null})"), "config: epsilon: null; expected a number");
  EXPECT_EQ(error(R"({"epsilon": -1})"),
            "config: epsilon: -1, expected a finite number not below 0");
  EXPECT_EQ(error(R"({"center": null})"), "config: center: null; expected true or false");
  EXPECT_EQ(error(R"({"renorm_clipping": 1})"), "config: renorm_clipping: 1; expected an object");
  EXPECT_EQ(error(R"({"renorm_clipping": {"max": 1}})"),
            "config: renorm_clipping: unknown key 'max', expected rmax, rmin or dmax");
  EXPECT_EQ(error(R"({"renorm_clipping": {"rmax": []}})"),
            "config: renorm_clipping: rmax: []; expected a number, \"NaN\", \"Infinity\" or "
            "\"-Infinity\"");
  EXPECT_EQ(error(R"({"virtual_batch_size": 1.5})"),
            "config: virtual_batch_size: 1.5; expected an integer");
  EXPECT_EQ(error(R"({"virtual_batch_size": 0})"),
            "config: virtual_batch_size: 0, expected at least 1");
  EXPECT_EQ(error(R"({"fused": "yes"})"), "config: fused: \"yes\"; expected true or false");
  EXPECT_EQ(error(R"({"ghost_grouping": "x"})"),
            "config: ghost_grouping: \"x\"; expected strided or contiguous");
  EXPECT_EQ(error(R"({"ghost_remainder": 1})"),
            "config: ghost_remainder: 1; expected error or smaller or merge");
  EXPECT_EQ(error(R"({"moving_variance": "x"})"),
            "config: moving_variance: \"x\"; expected population or sample");
  EXPECT_EQ(error(R"({"dtype": "f16"})"), "config: dtype: f16, expected f32 or f64");
  EXPECT_EQ(error(R"({"dtype": {}})"), "config: dtype: {}; expected a string");
  EXPECT_EQ(error(R"({"synchronized": true})"),
            "config: synchronized: true; expected false; give the layer an all-reduce instead");
  EXPECT_EQ(error(R"({"build_config": {"input_shape": [3, null]}})"),
            "config: build_config: axis: the extent of the kept axis 1 is unknown in shape (3, ?); "
            "expected a number");
}

TEST_F(BatchNormConfig, NamesTheBadPart) {
  const auto error = [](const std::string &value) {
    return errorOf(read(R"({"gamma_initializer":)" + value + "}"));
  };
  const std::string prefix = "config: gamma_initializer: ";
  EXPECT_EQ(error(R"("zeros")"), prefix + "\"zeros\"; expected an object with a class_name");
  EXPECT_EQ(error("null"), prefix + "null; expected an object with a class_name");
  EXPECT_EQ(error("{}"), prefix + "{}; expected an object with a class_name");
  EXPECT_EQ(error(R"({"class_name": "Identity"})"),
            prefix + "class_name: \"Identity\"; expected one of Zeros, Ones, Constant, "
                     "RandomUniform, RandomNormal, TruncatedNormal, VarianceScaling, "
                     "GlorotUniform, GlorotNormal, HeUniform, HeNormal, LecunUniform, LecunNormal");
  EXPECT_EQ(error(R"({"class_name": "Ones", "config": 3})"), prefix + "3; expected an object");
  EXPECT_EQ(error(R"({"class_name": "Ones", "value": 3})"),
            prefix + "the key 'value' is not known");
  EXPECT_EQ(error(R"({"class_name": "Ones", "config": {"value": 3}})"),
            prefix + "the key 'value' is not known");
  EXPECT_EQ(error(R"({"class_name": "Constant", "config": {"value": "3"}})"),
            prefix + "value: \"3\"; expected a number");
  EXPECT_EQ(error(R"({"class_name": "HeNormal", "config": {"seed": -1}})"),
            prefix + "seed: -1; expected an integer, 0 or more");
  EXPECT_EQ(error(R"({"class_name": "VarianceScaling", "config": {"mode": "fan"}})"),
            prefix + "mode: \"fan\"; expected fan_in or fan_out or fan_avg");
  EXPECT_EQ(error(R"({"class_name": "RandomNormal", "config": {"stddev": -1}})"),
            prefix + "stddev is -1, expected a finite number, 0 or more");
  EXPECT_EQ(errorOf(read(R"({"beta_constraint": {"class_name": "L1"}})")),
            "config: beta_constraint: class_name: \"L1\"; expected one of NonNeg, MaxNorm, "
            "UnitNorm, MinMaxNorm");
  EXPECT_EQ(errorOf(read(R"({"beta_regularizer": {"class_name": "L1", "config": {"l2": 1}}})")),
            "config: beta_regularizer: the key 'l2' is not known");
}

TEST_F(BatchNormConfig, MakesLayers) {
  BatchNormalization layer = makeBuilt({.axis = {1}}, {-1, 3, 4, 4});
  const std::string json = layer.getConfig();
  EXPECT_NE(json.find(R"("build_config":{"input_shape":[null,3,4,4]})"), std::string::npos);
  // As the user wrote it, built or not.
  EXPECT_NE(json.find(R"("axis":[1])"), std::string::npos);
  Expected<BatchNormalization> again = read(json);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_TRUE(again->isBuilt());
  EXPECT_TRUE(again->isFused());
  EXPECT_EQ(again->getConfig(), json);
}

TEST_F(BatchNormConfig, FunctionsAreNotWrittenButWhatTheyMean) {
  Options options;
  options.adjustment = [](const Dims &) -> Expected<Adjustment> { return Adjustment(); };
  EXPECT_EQ(readOptions(make(options).getConfig()).fused, false);
  Options synchronized;
  synchronized.allReduce = [](std::span<double>) -> Expected<void> { return {}; };
  Expected<BatchNormalization> again = read(makeBuilt(synchronized, {2, 3, 4, 5}).getConfig());
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->isFused());
  EXPECT_TRUE(again->setAllReduce(synchronized.allReduce));
  // Where fused is no notion, nothing is to be kept.
  Options torch = Options::pytorch();
  torch.allReduce = synchronized.allReduce;
  EXPECT_FALSE(readOptions(make(torch).getConfig()).fused);
}

} // namespace
