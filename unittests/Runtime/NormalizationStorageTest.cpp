//===- NormalizationStorageTest.cpp - The layer as JSON and as a file -----===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/IO/Safetensors.h"
#include "norma/Runtime/Layers/NormalizationState.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <unistd.h>

using namespace norma;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNaN = std::numeric_limits<double>::quiet_NaN();

template <typename T>
std::string errorOf(const Expected<T> &result) {
  EXPECT_FALSE(result);
  return result ? std::string("no error") : result.error().message();
}

Normalization make(NormalizationOptions options = {}) {
  options.runEagerly = true;
  Expected<Normalization> layer = Normalization::create(nullptr, options);
  EXPECT_TRUE(layer) << layer.error().message();
  return std::move(*layer);
}

std::vector<float> apply(const Normalization &layer, std::vector<float> x, const Dims &shape) {
  Expected<Array> y = layer.apply(Tensor(x.data(), DType::F32, shape));
  EXPECT_TRUE(y) << y.error().message();
  return std::vector<float>(y->as<float>(), y->as<float>() + y->view().size());
}

Normalization adapted(const NormalizationOptions &options = {}) {
  Normalization layer = make(options);
  std::vector<float> x = {0, 7, 4, 2, 9, 6, 0, 7, 4, 2, 9, 6};
  EXPECT_TRUE(layer.adapt(Tensor(x.data(), DType::F32, {4, 3})));
  return layer;
}

//===----------------------------------------------------------------------===//
// Configuration
//===----------------------------------------------------------------------===//

TEST(NormalizationConfig, OfADefaultLayer) {
  EXPECT_EQ(formatNormalizationConfig({}),
            R"({"name":"normalization","axis":[-1],"mean":null,"variance":null,"invert":false,)"
            R"("epsilon":1e-07,"zero_variance":"clamp","nan_policy":"propagate","dtype":"f32",)"
            R"("output_dtype":null,"run_eagerly":false,"steps_per_execution":1})");
}

TEST(NormalizationConfig, RoundTrips) {
  const NormalizationOptions options = {
      .axis = {2, -3},
      .mean = GivenStatistic{{2, 3}, {0.1, kNaN, kInf, -kInf, 1e300, -0.0}},
      .variance = GivenStatistic{{2, 3}, {0.1, 1, kInf, 3, 4e-320, 0}},
      .invert = true,
      .epsilon = 0.001,
      .zeroVariance = ZeroVariance::Unit,
      .nan = NanPolicy::Omit,
      .compute = DType::F64,
      .output = DType::BF16,
      .runEagerly = true,
      .stepsPerExecution = 7,
      .name = "a \"name\"",
  };
  const std::string json = formatNormalizationConfig(options, Dims{-1, 2, 3});
  Expected<NormalizationConfig> config = parseNormalizationConfig(json);
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->options.axis, options.axis);
  EXPECT_EQ(config->options.mean->shape, (Dims{2, 3}));
  for (size_t i : {0, 2, 3, 4, 5})
    EXPECT_EQ(config->options.mean->values[i], options.mean->values[i]);
  EXPECT_TRUE(std::isnan(config->options.mean->values[1]));
  EXPECT_TRUE(std::signbit(config->options.mean->values[5]));
  EXPECT_EQ(config->options.variance->values, options.variance->values);
  EXPECT_TRUE(config->options.invert);
  EXPECT_EQ(config->options.epsilon, 0.001);
  EXPECT_EQ(config->options.zeroVariance, ZeroVariance::Unit);
  EXPECT_EQ(config->options.nan, NanPolicy::Omit);
  EXPECT_EQ(config->options.compute, DType::F64);
  EXPECT_EQ(config->options.output, DType::BF16);
  EXPECT_TRUE(config->options.runEagerly);
  EXPECT_EQ(config->options.stepsPerExecution, 7);
  EXPECT_EQ(config->options.name, "a \"name\"");
  EXPECT_EQ(config->buildShape, (Dims{-1, 2, 3}));
  EXPECT_EQ(formatNormalizationConfig(config->options, config->buildShape), json);
}

TEST(NormalizationConfig, AxisIsAnIntegerAListOrNull) {
  auto axis = [](const std::string &text) {
    Expected<NormalizationConfig> config = parseNormalizationConfig("{\"axis\":" + text + "}");
    EXPECT_TRUE(config) << text;
    return config->options.axis;
  };
  EXPECT_EQ(axis("null"), (Dims{}));
  EXPECT_EQ(axis("[]"), (Dims{}));
  EXPECT_EQ(axis("2"), (Dims{2}));
  EXPECT_EQ(axis("[2,-1]"), (Dims{2, -1}));
  EXPECT_NE(formatNormalizationConfig({.axis = {}}).find("\"axis\":null"), std::string::npos);
}

TEST(NormalizationConfig, NumbersAndTypesByOtherNames) {
  Expected<NormalizationConfig> config =
      parseNormalizationConfig(R"({"mean": 3, "variance": 2, "dtype": "float64"})");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->options.mean->shape, (Dims{}));
  EXPECT_EQ(config->options.mean->values, (std::vector<double>{3}));
  EXPECT_EQ(config->options.compute, DType::F64);
}

TEST(NormalizationConfig, NamesTheBadKey) {
  auto error = [](const std::string &text) {
    Expected<NormalizationConfig> config = parseNormalizationConfig(text);
    EXPECT_FALSE(config) << text;
    return config ? std::string() : config.error().message();
  };
  EXPECT_EQ(error("{"), "config: not valid JSON");
  EXPECT_EQ(error("[]"), "config: []; expected an object");
  EXPECT_EQ(error(R"({"axes": 1})"), "config: the key 'axes' is not known");
  EXPECT_EQ(error(R"({"name": 1})"), "config: name: 1; expected a string");
  EXPECT_EQ(error(R"({"axis": 1.5})"), "config: axis: 1.5; expected a list of integers");
  EXPECT_EQ(error(R"({"axis": [1, null]})"), "config: axis: [1,null]; expected a list of integers");
  EXPECT_EQ(error(R"({"axis": 18446744073709551615})"),
            "config: axis: 18446744073709551615; expected a list of integers");
  EXPECT_EQ(error(R"({"axis": [1, 1]})"), "config: axis: 1 is given twice in (1, 1)");
  EXPECT_EQ(error(R"({"axis": [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]})"),
            "config: axis: 17 entries; expected at most 16");
  EXPECT_EQ(error(R"({"mean": true})"),
            "config: mean: true; expected a number, \"NaN\", \"Infinity\" or \"-Infinity\"");
  EXPECT_EQ(error(R"({"mean": [[1, 2], [3]]})"),
            "config: mean: [3]; expected a list of 2 entries, as in the first of its kind");
  EXPECT_EQ(error(R"({"mean": [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]})"),
            "config: mean: nested more than 16 lists deep");
  EXPECT_EQ(error(R"({"mean": [], "variance": []})"), "config: mean: shape (0,) has no values");
  EXPECT_EQ(error(R"({"mean": 1})"),
            "config: variance: absent, but mean is given; expected both or neither");
  EXPECT_EQ(error(R"({"mean": 1, "variance": -2})"),
            "config: variance: the value is -2; expected 0 or more");
  EXPECT_EQ(error(R"({"invert": 1})"), "config: invert: 1; expected true or false");
  EXPECT_EQ(error(R"({"epsilon": "x"})"), "config: epsilon: \"x\"; expected a number");
  EXPECT_EQ(error(R"({"epsilon": -1})"),
            "config: epsilon: -1; expected a finite number, 0 or more");
  EXPECT_EQ(error(R"({"zero_variance": "one"})"),
            "config: zero_variance: zero-variance policy: 'one' is not known; expected clamp or "
            "unit");
  EXPECT_EQ(error(R"({"dtype": "f16"})"), "config: dtype: f16; expected f32 or f64");
  EXPECT_EQ(error(R"({"dtype": null})"), "config: dtype: null; expected a string");
  EXPECT_EQ(error(R"({"output_dtype": "u8"})"),
            "config: output_dtype: u8; expected one of f32, f64, f16, bf16");
  EXPECT_EQ(error(R"({"steps_per_execution": 0})"),
            "config: steps_per_execution: 0; expected 1 or more");
  EXPECT_EQ(error(R"({"steps_per_execution": 1.5})"),
            "config: steps_per_execution: 1.5; expected an integer");
  EXPECT_EQ(error(R"({"build_config": {"shape": []}})"),
            "config: build_config: the key 'shape' is not known; expected input_shape");
  EXPECT_EQ(error(R"({"build_config": {"input_shape": [-1]}})"),
            "config: build_config: input_shape: [-1]; expected a list of integers and nulls");
}

TEST(NormalizationConfig, MakesLayers) {
  Normalization layer = adapted({.axis = {1}, .invert = true});
  const std::string json = layer.getConfig();
  EXPECT_NE(json.find(R"("build_config":{"input_shape":[4,3]})"), std::string::npos);
  Expected<Normalization> again = Normalization::fromConfig(nullptr, json);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->getConfig(), json);
  EXPECT_TRUE(again->isBuilt());
  // Statistics are not part of the configuration.
  EXPECT_FALSE(again->isAdapted());
  EXPECT_EQ(make().getConfig().find("build_config"), std::string::npos);
  EXPECT_EQ(errorOf(Normalization::fromConfig(
                nullptr, R"({"run_eagerly":true,"build_config":{"input_shape":[3,null]}})")),
            "config: build_config: axis: the extent of the kept axis 1 is unknown in shape (3, ?); "
            "expected a number");
}

//===----------------------------------------------------------------------===//
// State files
//===----------------------------------------------------------------------===//

class StateFile : public ::testing::Test {
protected:
  void SetUp() override {
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    folder = std::filesystem::temp_directory_path() /
             ("norma-state-" + name + "-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    path = (folder / "state.safetensors").string();
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  /// The parts of a good file, for damaging.
  io::Safetensors parts(const Normalization &layer = adapted()) {
    EXPECT_TRUE(layer.save(path));
    Expected<io::Safetensors> file = io::readSafetensors(path);
    EXPECT_TRUE(file) << file.error().message();
    return std::move(*file);
  }
  /// Writes the parts back and reads them as a state.
  Expected<NormalizationState> reread(const io::Safetensors &file) {
    std::map<std::string, Tensor> tensors;
    for (const auto &[name, array] : file.tensors)
      tensors.emplace(name, array.view());
    EXPECT_TRUE(io::writeSafetensors(path, file.metadata, tensors));
    return readNormalizationState(path);
  }
  void expectError(const io::Safetensors &file, ErrorCode code, const std::string &message) {
    Expected<NormalizationState> state = reread(file);
    ASSERT_FALSE(state);
    EXPECT_EQ(state.error().code(), code);
    EXPECT_EQ(state.error().message(), path + ": " + message);
  }

  std::filesystem::path folder;
  std::string path;
};

TEST_F(StateFile, RoundTrips) {
  Normalization layer = adapted({.zeroVariance = ZeroVariance::Unit, .output = DType::F32});
  ASSERT_TRUE(layer.save(path));
  Expected<Normalization> again = Normalization::load(nullptr, path);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_TRUE(again->isAdapted());
  EXPECT_EQ(again->statistics().count, layer.statistics().count);
  EXPECT_EQ(again->statistics().mean, layer.statistics().mean);
  EXPECT_EQ(again->statistics().m2, layer.statistics().m2);
  EXPECT_EQ(again->getConfig(), layer.getConfig());
  EXPECT_EQ(apply(*again, {0, 7, 4}, {1, 3}), (std::vector<float>{-1, -1, -1}));
  // It learns on from there.
  std::vector<float> more = {1, 8, 5};
  ASSERT_TRUE(again->updateState({.data = Tensor(more.data(), DType::F32, {1, 3})}));
  EXPECT_EQ(again->statistics().count, (std::vector<double>{5, 5, 5}));
  EXPECT_EQ(again->statistics().mean, (std::vector<double>{1, 8, 5}));
}

TEST_F(StateFile, HoldsWhatTheDocumentationSays) {
  const io::Safetensors file = parts();
  EXPECT_EQ(file.metadata.at("format"), "norma.normalization");
  EXPECT_EQ(file.metadata.at("format_version"), "1");
  EXPECT_EQ(file.metadata.at("producer").substr(0, 6), "norma ");
  EXPECT_EQ(file.metadata.at("axis"), "[1]");
  EXPECT_EQ(file.metadata.at("shape"), "[4,3]");
  EXPECT_EQ(file.metadata.at("statistics"), "adapted");
  EXPECT_EQ(file.metadata.at("config"), adapted().getConfig());
  ASSERT_EQ(file.tensors.size(), 3u);
  for (const char *name : {"count", "mean", "m2"}) {
    EXPECT_EQ(file.tensors.at(name).view().dtype, DType::F64);
    EXPECT_EQ(file.tensors.at(name).view().shape, (Dims{3}));
  }
  EXPECT_EQ(file.tensors.at("mean").as<double>()[1], 8);
}

TEST_F(StateFile, OfEveryForm) {
  // No kept axes, unknown extents, kept extents of 0, rank 0, NaN.
  struct Case {
    Dims axis, shape;
  };
  for (const Case &c : {Case{{}, {5}}, Case{{}, {}}, Case{{-1}, {-1, -1, 3}}, Case{{1}, {4, 0}},
                        Case{{0, 2}, {2, -1, 3}}}) {
    Expected<NormalizationState> state = createNormalizationState({.axis = c.axis}, c.shape);
    ASSERT_TRUE(state);
    for (int64_t i = 0; i < state->statistics.size(); ++i) {
      state->statistics.count[i] = 2;
      state->statistics.mean[i] = i == 1 ? kNaN : kInf;
      state->statistics.m2[i] = i == 0 ? kNaN : 0.1;
    }
    ASSERT_TRUE(writeNormalizationState(path, *state));
    Expected<NormalizationState> again = readNormalizationState(path);
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(again->axis, state->axis);
    EXPECT_EQ(again->shape, c.shape);
    EXPECT_EQ(again->statistics.shape, state->statistics.shape);
    EXPECT_EQ(again->statistics.count, state->statistics.count);
    for (int64_t i = 0; i < state->statistics.size(); ++i) {
      EXPECT_EQ(std::isnan(again->statistics.mean[i]), i == 1);
      EXPECT_EQ(std::isnan(again->statistics.m2[i]), i == 0);
    }
  }
}

TEST_F(StateFile, OfAnUnadaptedLayer) {
  Normalization layer = make();
  EXPECT_EQ(errorOf(layer.save(path)),
            "save: the layer is not built; it has no statistics and no shape yet");
  EXPECT_FALSE(std::filesystem::exists(path));
  ASSERT_TRUE(layer.build(Dims{-1, 2}));
  ASSERT_TRUE(layer.save(path));
  Expected<Normalization> again = Normalization::load(nullptr, path);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->isAdapted());
  EXPECT_EQ(apply(*again, {5, 6}, {1, 2}), (std::vector<float>{5, 6}));
}

TEST_F(StateFile, OfGivenStatistics) {
  Normalization layer = make({.axis = {1, 2},
                              .mean = GivenStatistic{{2}, {kInf, 2}},
                              .variance = GivenStatistic{{2}, {0.1, 4}}});
  ASSERT_TRUE(layer.build(Dims{-1, 3, 2}));
  io::Safetensors file = parts(layer);
  EXPECT_EQ(file.metadata.at("statistics"), "given");
  EXPECT_EQ(file.tensors.at("count").as<double>()[5], 1);
  EXPECT_EQ(file.tensors.at("mean").as<double>()[4], kInf);
  EXPECT_EQ(file.tensors.at("m2").as<double>()[4], 0.1);
  Expected<Normalization> again = Normalization::load(nullptr, path);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->getConfig(), layer.getConfig());
  EXPECT_EQ(again->mean(), layer.mean());
  EXPECT_EQ(again->variance(), layer.variance());
  file.tensors.at("mean").as<double>()[5] = 7;
  expectError(file, ErrorCode::DataLoss,
              "the tensors differ from the mean and variance that 'config' gives");
}

TEST_F(StateFile, RefusesOtherFormats) {
  io::Safetensors file = parts();
  file.metadata["format_version"] = "2";
  expectError(file, ErrorCode::Unsupported,
              "the format version is '2'; this version of norma reads '1'");
  file.metadata["format"] = "pt";
  expectError(file, ErrorCode::Unsupported,
              "not a state of a normalization: the format is 'pt'; expected "
              "'norma.normalization'");
  file.metadata.erase("format");
  expectError(file, ErrorCode::Unsupported,
              "not a state of a normalization: the metadata have no 'format'; expected "
              "'norma.normalization'");
}

TEST_F(StateFile, RefusesDamagedMetadata) {
  for (const char *key : {"format_version", "axis", "shape", "statistics", "config"}) {
    io::Safetensors file = parts();
    file.metadata.erase(key);
    expectError(file, ErrorCode::DataLoss, std::string("the metadata have no '") + key + "'");
  }
  io::Safetensors given = parts();
  given.metadata["statistics"] = "given";
  expectError(given, ErrorCode::DataLoss,
              "the metadata 'statistics' is 'given'; expected 'adapted', by 'config'");
  io::Safetensors file = parts();
  file.metadata["axis"] = "[-1]";
  expectError(file, ErrorCode::DataLoss,
              "the metadata 'axis' is '[-1]'; expected a list of at most 16 axes");
  file.metadata["axis"] = "[0]";
  expectError(file, ErrorCode::DataLoss,
              "the metadata 'axis' is (0,); expected (1,), by 'config' and 'shape'");
  file.metadata["shape"] = "[4,3.5]";
  file.metadata["axis"] = "[1]";
  expectError(file, ErrorCode::DataLoss,
              "the metadata 'shape' is '[4,3.5]'; expected a list of at most 16 extents, null "
              "where unknown");
  file.metadata["shape"] = "[4,5]";
  expectError(file, ErrorCode::DataLoss,
              "the metadata 'shape' and the build shape of 'config' differ");
  file.metadata["config"] = R"({"axis":[1]})";
  expectError(file, ErrorCode::DataLoss,
              "the tensor 'count' has the shape (3,); expected the kept extents (5,)");
  // Terabytes that the metadata alone claim are not asked for.
  file.metadata["shape"] = "[null,1000000000000]";
  expectError(file, ErrorCode::DataLoss,
              "the tensor 'count' has the shape (3,); expected the kept extents (1000000000000,)");
  file.metadata["config"] = R"({"axis":[2]})";
  expectError(file, ErrorCode::DataLoss,
              "axis: 2 is out of range for rank 2; expected a value in [-2, 2)");
  file.metadata["config"] = R"({"what":[2]})";
  expectError(file, ErrorCode::DataLoss, "config: the key 'what' is not known");
}

TEST_F(StateFile, RefusesDamagedTensors) {
  for (const char *name : {"count", "mean", "m2"}) {
    io::Safetensors file = parts();
    file.tensors.erase(name);
    expectError(file, ErrorCode::DataLoss, std::string("there is no tensor '") + name + "'");
  }
  io::Safetensors file = parts();
  Expected<Array> narrow = Array::create(DType::F32, {3});
  ASSERT_TRUE(narrow);
  std::fill_n(narrow->as<float>(), 3, 1.0f);
  file.tensors["m2"] = std::move(*narrow);
  expectError(file, ErrorCode::DataLoss, "the tensor 'm2' has the type f32; expected f64");
  for (const auto &[value, text] :
       {std::pair(-1.0, "-1"), std::pair(kNaN, "nan"), std::pair(kInf, "inf")}) {
    io::Safetensors bad = parts();
    bad.tensors.at("count").as<double>()[2] = value;
    expectError(bad, ErrorCode::DataLoss,
                std::string("count: the value at (2,) is ") + text +
                    "; expected a finite number, 0 or more");
  }
  io::Safetensors bad = parts();
  bad.tensors.at("m2").as<double>()[0] = -0.5;
  expectError(bad, ErrorCode::DataLoss, "m2: the value at (0,) is -0.5; expected 0 or more");
}

TEST_F(StateFile, RefusesWhatIsNoFile) {
  Expected<Normalization> missing = Normalization::load(nullptr, path);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::NotFound);
  EXPECT_NE(missing.error().message().find(path), std::string::npos);
  std::ofstream(path) << "not safetensors at all";
  Expected<NormalizationState> damaged = readNormalizationState(path);
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().code(), ErrorCode::DataLoss);
  EXPECT_NE(damaged.error().message().find(path), std::string::npos);
}

TEST_F(StateFile, EditedStatesMakeLayers) {
  Expected<NormalizationState> state = adapted().toState();
  ASSERT_TRUE(state);
  state->options.invert = true;
  Expected<Normalization> layer = Normalization::fromState(nullptr, *state);
  ASSERT_TRUE(layer) << layer.error().message();
  EXPECT_EQ(apply(*layer, {1, 2, 3}, {1, 3}), (std::vector<float>{2, 10, 8}));
  state->statistics.count.pop_back();
  EXPECT_EQ(errorOf(Normalization::fromState(nullptr, *state)),
            "count: 2 values for the kept extents (3,); expected 3");
}

TEST(NormalizationState, Merges) {
  Expected<NormalizationState> a = adapted().toState(), b = adapted().toState();
  b->shape[0] = 9;
  ASSERT_TRUE(mergeNormalizationStates(*a, *b));
  EXPECT_EQ(a->statistics.count, (std::vector<double>{8, 8, 8}));
  EXPECT_EQ(a->statistics.m2, (std::vector<double>{8, 8, 8}));
  EXPECT_EQ(a->shape, (Dims{kUnknownExtent, 3}));
  EXPECT_TRUE(checkNormalizationState(*a));

  Expected<NormalizationState> wide = createNormalizationState({}, Dims{4, 5});
  EXPECT_EQ(errorOf(mergeNormalizationStates(*a, *wide)),
            "shape: shape (4, 5) has an extent of 5 along the kept axis 1; expected 3, as the "
            "build shape (?, 3)");
  Expected<NormalizationState> other = createNormalizationState({.axis = {0}}, Dims{4, 3});
  EXPECT_EQ(errorOf(mergeNormalizationStates(*a, *other)), "axis: kept axes (0,); expected (1,)");
  Expected<NormalizationState> deep = createNormalizationState({}, Dims{4, 4, 3});
  EXPECT_EQ(errorOf(mergeNormalizationStates(*a, *deep)),
            "shape: (4, 4, 3) has rank 3; expected rank 2, as (?, 3)");
  Expected<NormalizationState> given = createNormalizationState(
      {.mean = GivenStatistic{{}, {1}}, .variance = GivenStatistic{{}, {1}}}, Dims{4, 3});
  EXPECT_EQ(errorOf(mergeNormalizationStates(*a, *given)),
            "statistics: mean and variance were given, not learned from data; they cannot be "
            "merged");
  EXPECT_EQ(a->statistics.count, (std::vector<double>{8, 8, 8}));
}

} // namespace
