//===- HostileTextTest.cpp - Configurations that nobody should read -------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "../IO/IOTestSupport.h"
#include "BatchNormLayerTest.h"

#include "norma/IO/Safetensors.h"

using namespace norma;
using namespace norma::test;
using namespace norma::io::test;

namespace {

/// `text`, so many times.
std::string times(size_t count, const std::string &text) {
  std::string result;
  result.reserve(count * text.size());
  for (size_t i = 0; i < count; ++i)
    result += text;
  return result;
}

class HostileText : public FolderTest {
protected:
  static Expected<Normalization> normalization(const std::string &text) {
    // It needs an engine only where it computes.
    return Normalization::fromConfig(nullptr, text);
  }
};

TEST_F(HostileText, NestedAsDeepAsATextCanSay) {
  const size_t deep = 1'000'000;
  for (const std::string &value :
       {times(deep, "["), times(deep, "[") + times(deep, "]"), times(deep, "{\"a\":"),
        times(deep, "{\"a\":") + "1" + times(deep, "}"), times(deep, "[{\"a\":")}) {
    for (const char *key : {"axis", "mean", "dtype", "build_config"})
      EXPECT_TRUE(failsWith(normalization(std::string("{\"") + key + "\":" + value + "}"),
                            ErrorCode::InvalidArgument, {"config: nested more than 64 deep"}));
    EXPECT_TRUE(failsWith(BatchNormalization::fromConfig(nullptr, "{\"dtype\":" + value + "}"),
                          ErrorCode::InvalidArgument, {"config: nested more than 64 deep"}));
  }
  // As deep as it may be, and in a message.
  EXPECT_TRUE(failsWith(normalization("{\"axis\":" + times(63, "[") + times(63, "]") + "}"),
                        ErrorCode::InvalidArgument, {"axis: [[[[["}));
}

TEST_F(HostileText, MoreKeysThanThereAre) {
  std::string many = "{";
  for (int i = 0; i < 100'000; ++i)
    many += "\"key" + std::to_string(i) + "\":0,";
  EXPECT_TRUE(failsWith(normalization(many), ErrorCode::InvalidArgument,
                        {"config: an object of more than 1000 keys"}));
}

TEST_F(HostileText, KeysThatAreThereTwice) {
  // The last one counts, as in Python.
  Expected<Normalization> layer =
      normalization(R"({"run_eagerly": true, "epsilon": 1, "epsilon": 0.5})");
  ASSERT_TRUE(succeeded(layer));
  EXPECT_EQ(layer->options().epsilon, 0.5);
}

TEST_F(HostileText, NoJson) {
  for (const char *text : {"", "{", "{]", "{\"a\"}", "{\"axis\":1,}", "nul", "{\"axis\":01}",
                           "{\"name\":\"\xff\"}", "{\"axis\":1}}"})
    EXPECT_TRUE(
        failsWith(normalization(text), ErrorCode::InvalidArgument, {"config: not valid JSON"}))
        << text;
  for (const char *text : {"null", "[]", "1", "\"text\"", "true", "-1e400"})
    EXPECT_TRUE(failsWith(normalization(text), ErrorCode::InvalidArgument, {"config: "})) << text;
}

TEST_F(HostileText, InAStateFile) {
  NormalizationOptions options;
  options.runEagerly = true;
  Expected<Normalization> layer = Normalization::create(nullptr, options);
  ASSERT_TRUE(layer);
  ASSERT_TRUE(layer->adapt(ramp({4, 3})));
  ASSERT_TRUE(layer->save(in("good")));
  Expected<io::Safetensors> file = io::readSafetensors(in("good"));
  ASSERT_TRUE(file);
  std::map<std::string, Tensor> tensors;
  for (const auto &[name, array] : file->tensors)
    tensors.emplace(name, array.view());
  for (const char *key : {"config", "axis", "shape"}) {
    std::map<std::string, std::string> metadata = file->metadata;
    metadata[key] = times(1'000'000, "[");
    ASSERT_TRUE(io::writeSafetensors(in("bad"), metadata, tensors));
    EXPECT_TRUE(failsWith(readNormalizationState(in("bad")), ErrorCode::DataLoss, {key}));
  }
}

} // namespace
