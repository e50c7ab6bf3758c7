//===- BatchNormalizationStorageTest.cpp - The layer as a file ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchNormLayerTest.h"

#include "norma/IO/Safetensors.h"

#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace norma;
using namespace norma::test;

namespace {

class BatchNormFile : public BatchNormLayerTest {
protected:
  void SetUp() override {
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    folder = std::filesystem::temp_directory_path() /
             ("norma-batchnorm-" + name + "-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    path = (folder / "layer.safetensors").string();
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  static BatchNormalization trained(const Options &options = {.renorm = true}) {
    BatchNormalization layer = make(options);
    train(layer, f32({0, 7, 4, 2, 9, 6, 1, 7, 3, 2, 8, 6}, {4, 3}));
    return layer;
  }
  Expected<BatchNormalization> load() { return BatchNormalization::load(engine(), path); }

  /// The parts of a good file, for damaging.
  io::Safetensors parts(const BatchNormalization &layer) {
    EXPECT_TRUE(layer.save(path));
    Expected<io::Safetensors> file = io::readSafetensors(path);
    EXPECT_TRUE(file) << file.error().message();
    return std::move(*file);
  }
  io::Safetensors parts() { return parts(trained()); }
  void expectError(const io::Safetensors &file, ErrorCode code, const std::string &message) {
    std::map<std::string, Tensor> tensors;
    for (const auto &[name, array] : file.tensors)
      tensors.emplace(name, array.view());
    EXPECT_TRUE(io::writeSafetensors(path, file.metadata, tensors));
    Expected<BatchNormalization> layer = load();
    ASSERT_FALSE(layer);
    EXPECT_EQ(layer.error().code(), code);
    EXPECT_EQ(layer.error().message(), path + ": " + message);
  }

  std::filesystem::path folder;
  std::string path;
};

TEST_F(BatchNormFile, RoundTripsAndLearnsOn) {
  for (Options options : {Options{}, Options{.renorm = true}, Options{.compute = DType::F64},
                          Options{.center = false, .scale = false}, Options::pytorch()}) {
    options.name = "kept";
    BatchNormalization layer = trained(options);
    ASSERT_TRUE(layer.save(path));
    Expected<BatchNormalization> again = load();
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(again->getConfig(), layer.getConfig());
    EXPECT_EQ(again->batchesSeen(), 1);
    EXPECT_EQ(again->keptAxes(), (Dims{1}));
    ASSERT_EQ(again->weights().size(), layer.weights().size());
    Data<float> x = f32({3, 1, 4, 1, 5, 9}, {2, 3});
    EXPECT_EQ(apply(*again, x), apply(layer, x));
    EXPECT_EQ(train(*again, x), train(layer, x));
    for (const BatchNormalization::Weight &kept : layer.weights())
      EXPECT_EQ(weight(*again, kept.name.c_str()), weight(layer, kept.name.c_str())) << kept.name;
    EXPECT_EQ(again->batchesSeen(), 2);
  }
}

TEST_F(BatchNormFile, HoldsWhatTheDocumentationSays) {
  BatchNormalization layer = trained();
  const io::Safetensors file = parts(layer);
  EXPECT_EQ(file.metadata.at("format"), "norma.batch_normalization");
  EXPECT_EQ(file.metadata.at("format_version"), "1");
  EXPECT_EQ(file.metadata.at("producer").substr(0, 6), "norma ");
  EXPECT_EQ(file.metadata.at("axis"), "[1]");
  EXPECT_EQ(file.metadata.at("shape"), "[null,3]");
  EXPECT_EQ(file.metadata.at("batches_seen"), "1");
  EXPECT_EQ(file.metadata.at("config"), layer.getConfig());
  ASSERT_EQ(file.tensors.size(), 7u);
  for (const BatchNormalization::Weight &kept : layer.weights()) {
    const Array &stored = file.tensors.at(kept.name);
    EXPECT_EQ(stored.view().dtype, DType::F32);
    EXPECT_EQ(stored.view().shape, (Dims{3}));
    EXPECT_EQ(doubles(stored), weight(layer, kept.name.c_str()));
  }
}

TEST_F(BatchNormFile, OfEveryForm) {
  // Several kept axes, unknown extents, a kept axis 0, kept extents of 0, NaN.
  struct Case {
    Dims axis, shape;
  };
  for (const Case &c : {Case{{2, 1}, {-1, 2, 3, -1}}, Case{{0}, {3, -1}}, Case{{1}, {4, 0}},
                        Case{{-1}, {2, 4, 4, 3}}, Case{{0}, {5}}}) {
    BatchNormalization layer = makeBuilt({.axis = c.axis}, c.shape);
    Doubles mean = weight(layer, "moving_mean"), variance = mean;
    if (!mean.empty()) {
      mean[0] = kNaN;
      variance[0] = kInf;
    }
    setWeight(layer, "moving_mean", mean);
    setWeight(layer, "moving_variance", variance);
    ASSERT_TRUE(layer.save(path));
    Expected<BatchNormalization> again = load();
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(again->keptAxes(), layer.keptAxes());
    EXPECT_EQ(again->isFused(), layer.isFused());
    EXPECT_EQ(again->weight("gamma")->shape, layer.weight("gamma")->shape);
    EXPECT_EQ(weight(*again, "moving_variance"), variance);
    if (!mean.empty()) {
      EXPECT_TRUE(std::isnan(weight(*again, "moving_mean")[0]));
    }
  }
}

TEST_F(BatchNormFile, OfALayerThatCannotBeSaved) {
  EXPECT_EQ(errorOf(make().save(path)),
            "save: the layer is not built; it has no weights and no shape yet");
  EXPECT_FALSE(std::filesystem::exists(path));
  // An older file survives.
  ASSERT_TRUE(trained().save(path));
  EXPECT_FALSE(make().save(path));
  EXPECT_TRUE(load());
  EXPECT_FALSE(trained().save((folder / "missing" / "file").string()));
}

TEST_F(BatchNormFile, RefusesOtherFormats) {
  io::Safetensors file = parts();
  file.metadata["format_version"] = "2";
  expectError(file, ErrorCode::Unsupported,
              "the format version is '2'; this version of norma reads '1'");
  file.metadata["format"] = "norma.normalization";
  expectError(file, ErrorCode::Unsupported,
              "not a state of a batch normalization: the format is 'norma.normalization'; expected "
              "'norma.batch_normalization'");
  file.metadata.erase("format");
  expectError(file, ErrorCode::Unsupported,
              "not a state of a batch normalization: the metadata have no 'format'; expected "
              "'norma.batch_normalization'");
}

TEST_F(BatchNormFile, RefusesDamagedMetadata) {
  for (const char *key : {"format_version", "axis", "shape", "batches_seen", "config"}) {
    io::Safetensors file = parts();
    file.metadata.erase(key);
    expectError(file, ErrorCode::DataLoss, std::string("the metadata have no '") + key + "'");
  }
  for (const char *count : {"-1", "", "1x", "1.5", "99999999999999999999"}) {
    io::Safetensors file = parts();
    file.metadata["batches_seen"] = count;
    expectError(file, ErrorCode::DataLoss,
                std::string("the metadata 'batches_seen' is '") + count +
                    "'; expected an integer, 0 or more");
  }
  io::Safetensors file = parts();
  file.metadata["axis"] = "[0]";
  expectError(file, ErrorCode::DataLoss,
              "the metadata 'axis' is (0,); expected (1,), by 'config' and 'shape'");
  file.metadata["axis"] = "[1]";
  file.metadata["shape"] = "[null,4]";
  expectError(file, ErrorCode::DataLoss,
              "the metadata 'shape' and the build shape of 'config' differ");
  // Kept extents that no tensor has are not believed.
  file.metadata["config"] = R"({"axis":[1]})";
  file.metadata["shape"] = "[null,1000000000000000]";
  expectError(file, ErrorCode::DataLoss,
              "the tensor 'moving_mean' has the shape (3,); expected the kept extents "
              "(1000000000000000,)");
  file.metadata["config"] = R"({"what":[2]})";
  expectError(file, ErrorCode::DataLoss, "config: the key 'what' is not known");
  file.metadata["shape"] = "[4,3]";
  file.metadata["config"] = R"({"fused":true})";
  expectError(
      file, ErrorCode::DataLoss,
      "fused: true, which is impossible as the input has rank 2, not 4 or 5, expected false "
      "or none");
}

TEST_F(BatchNormFile, RefusesDamagedTensors) {
  for (const char *name : {"gamma", "beta", "moving_mean", "moving_variance", "moving_stddev",
                           "renorm_mean", "renorm_stddev"}) {
    io::Safetensors file = parts();
    file.tensors.erase(name);
    expectError(file, ErrorCode::DataLoss, std::string("there is no tensor '") + name + "'");
    for (const auto &[dtype, shape, text] :
         {std::tuple(DType::F64, Dims{3}, "type f64; expected f32"),
          std::tuple(DType::F32, Dims{3, 1}, "shape (3, 1); expected the kept extents (3,)")}) {
      Expected<Array> other = Array::create(dtype, shape);
      ASSERT_TRUE(other);
      std::fill_n(other->as<char>(), other->sizeInBytes(), char(0));
      file.tensors[name] = std::move(*other);
      expectError(file, ErrorCode::DataLoss,
                  std::string("the tensor '") + name + "' has the " + text);
    }
  }
  for (const char *name : {"moving_variance", "moving_stddev", "renorm_stddev"}) {
    io::Safetensors file = parts();
    file.tensors.at(name).as<float>()[1] = -0.5;
    expectError(file, ErrorCode::DataLoss,
                std::string("the tensor '") + name +
                    "' has the value -0.5 at flat index 1; expected 0 or more");
  }
}

TEST_F(BatchNormFile, RefusesWhatIsNoFile) {
  Expected<BatchNormalization> missing = load();
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::NotFound);
  std::ofstream(path) << "not safetensors at all";
  Expected<BatchNormalization> damaged = load();
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().code(), ErrorCode::DataLoss);
  EXPECT_NE(damaged.error().message().find(path), std::string::npos);
  ASSERT_TRUE(trained().save(path));
  EXPECT_EQ(errorOf(BatchNormalization::load(nullptr, path)), "engine: null, expected an engine");
}

} // namespace
