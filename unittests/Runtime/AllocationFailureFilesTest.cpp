//===- AllocationFailureFilesTest.cpp - Files and texts without memory ----===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AllocationFailure.h"
#include "LayerTest.h"

#include "../IO/IOTestSupport.h"

#include "norma/IO/Npy.h"
#include "norma/IO/Safetensors.h"
#include "norma/Runtime/KernelCache.h"
#include "norma/Runtime/Layers/BatchNormalization.h"

using namespace norma;
using namespace norma::test;

namespace {

class FilesWithoutMemory : public io::test::FolderTest {
protected:
  static std::shared_ptr<Engine> engine() {
    static const std::shared_ptr<Engine> instance = [] {
      Expected<std::shared_ptr<Engine>> created = Engine::create({.threads = 1});
      EXPECT_TRUE(created) << created.error().message();
      return *created;
    }();
    return instance;
  }

  /// Runs a call that leaves the folder as it is.
  template <typename Run>
  void expectReadSurvives(Run run) {
    expectAllFailuresSurvived([] { return 0; }, [&](int) { return run(); },
                              [&](int) { return contents(); });
  }

  /// Runs a call that writes `path` where there was something else, and where there was
  /// nothing.
  template <typename Run>
  void expectWriteSurvives(Run run) {
    for (bool isThere : {false, true})
      expectAllFailuresSurvived(
          [&] {
            std::filesystem::remove(path);
            if (isThere)
              spill(path, "what was there before");
            return 0;
          },
          [&](int) { return run(); }, [&](int) { return contents(); });
    std::filesystem::remove(path);
  }

  /// All names in the folder, and what the files hold.
  std::string contents() const {
    std::vector<std::string> names = entries();
    std::sort(names.begin(), names.end());
    std::string text;
    for (const std::string &name : names)
      text += name + ":" + slurp(in(name)) + "\n";
    return text;
  }

  void SetUp() override {
    FolderTest::SetUp();
    path = in("file with a name that is not short");
  }

  Data<float> x = ramp({16, 3}), y = ones({16, 3});
  std::string path;
};

TEST_F(FilesWithoutMemory, Npy) {
  expectWriteSurvives([&] { return io::writeNpy(path, x); });
  const Tensor strided(x.values.data(), DType::F32, {8, 3}, {6, 1});
  expectWriteSurvives([&] { return io::writeNpy(path, strided); });
  expectWriteSurvives([&]() -> Expected<void> {
    Expected<io::NpyWriter> writer = io::NpyWriter::create(path, DType::F32, x.shape);
    if (!writer)
      return writer.takeError();
    for (int half = 0; half < 2; ++half)
      if (Expected<void> done = writer->append(x.values.data() + 24 * half, 96); !done)
        return done;
    return writer->commit();
  });
  ASSERT_TRUE(io::writeNpy(path, x));
  expectReadSurvives([&]() -> Expected<Tensor> {
    Expected<io::NpyReader> reader = io::NpyReader::open(path);
    if (!reader)
      return reader.takeError();
    if (Expected<void> done = reader->read(0, y.values.data(), 48); !done)
      return done.takeError();
    return reader->map();
  });
  expectReadSurvives([&]() -> Expected<void> {
    Expected<io::NpyEditor> editor = io::NpyEditor::open(path);
    if (!editor)
      return editor.takeError();
    if (Expected<void> done = editor->write(0, x.values.data(), 48); !done)
      return done;
    return editor->sync();
  });
}

TEST_F(FilesWithoutMemory, MessagesNeedMemoryToo) {
  // Of every failure that an operation has on its way, a message is made.
  const std::string missing = in("missing/" + std::string(40, 'f'));
  const std::string damaged = in("damaged" + std::string(40, 'f'));
  spill(damaged, "\x93NUMPY no");
  const auto fails = [](const auto &result, ErrorCode code) -> Expected<void> {
    if (!result && result.error().code() == code)
      return {};
    return result ? Error(ErrorCode::Internal, "succeeded") : result.error();
  };
  expectReadSurvives([&] { return fails(io::NpyReader::open(missing), ErrorCode::NotFound); });
  expectReadSurvives([&] { return fails(io::NpyReader::open(damaged), ErrorCode::DataLoss); });
  expectReadSurvives([&] { return fails(io::writeNpy(missing, x), ErrorCode::NotFound); });
  expectReadSurvives([&] { return fails(io::readSafetensors(damaged), ErrorCode::DataLoss); });
  expectReadSurvives([&] { return fails(readNormalizationState(missing), ErrorCode::NotFound); });
  expectReadSurvives([&] {
    return fails(Normalization::fromConfig(engine(), R"({"axis": [[[1]]]})"),
                 ErrorCode::InvalidArgument);
  });
}

TEST_F(FilesWithoutMemory, Safetensors) {
  const std::map<std::string, std::string> metadata{{"a key of some length", "a value"},
                                                    {"format", "another one"}};
  const std::map<std::string, Tensor> tensors{{"a tensor with a name", x}, {"another tensor", y}};
  expectWriteSurvives([&] { return io::writeSafetensors(path, metadata, tensors); });
  ASSERT_TRUE(io::writeSafetensors(path, metadata, tensors));
  expectReadSurvives([&] { return io::readSafetensors(path); });
  const std::string bytes = slurp(path);
  expectReadSurvives([&] { return io::parseSafetensors(std::as_bytes(std::span(bytes)), path); });
}

TEST_F(FilesWithoutMemory, StatesOfNormalizations) {
  Expected<Normalization> layer = Normalization::create(engine());
  ASSERT_TRUE(layer);
  ASSERT_TRUE(layer->adapt(x));
  const NormalizationState state = *layer->toState();
  expectWriteSurvives([&] { return layer->save(path); });
  expectWriteSurvives([&] { return writeNormalizationState(path, state); });
  ASSERT_TRUE(layer->save(path));
  expectReadSurvives([&] { return Normalization::load(engine(), path); });
  expectReadSurvives([&] { return readNormalizationState(path); });
  const std::string config = layer->getConfig();
  const std::string given = R"({"mean": [[1, 2, 3]], "variance": [["Infinity", 2, 3]],
      "axis": [0, 1], "build_config": {"input_shape": [2, 3, null]}})";
  for (const std::string &text : {config, given})
    expectReadSurvives([&] { return Normalization::fromConfig(engine(), text); });
}

TEST_F(FilesWithoutMemory, StatesOfBatchNormalizations) {
  BatchNormalizationOptions options;
  options.renorm = true;
  options.renormClipping = {{"rmax", 2}};
  options.betaRegularizer = Regularizer{.l1 = 1};
  options.gammaConstraint = Constraint::maxNorm(1, 0);
  options.betaInitializer = Initializer::glorotUniform(3);
  Expected<BatchNormalization> layer = BatchNormalization::create(engine(), options);
  ASSERT_TRUE(layer);
  ASSERT_TRUE(layer->train(x, y));
  expectWriteSurvives([&] { return layer->save(path); });
  ASSERT_TRUE(layer->save(path));
  expectReadSurvives([&] { return BatchNormalization::load(engine(), path); });
  const std::string config = layer->getConfig();
  expectReadSurvives([&] { return BatchNormalization::fromConfig(engine(), config); });
}

TEST_F(FilesWithoutMemory, CachesOfKernels) {
  ASSERT_EQ(::chmod(folder.c_str(), 0700), 0);
  const std::string entry = in(std::string(64, 'a'));
  spill(entry, "not a kernel, but a file");
  ASSERT_EQ(::chmod(entry.c_str(), 0600), 0);
  const std::optional<std::string> choice = folder;
  expectReadSurvives([&] { return kernelCacheDirectory(choice); });
  expectReadSurvives([&] { return listKernelCache(folder); });
  const PruneOptions old = {.olderThanSeconds = 1e9, .maxBytes = 1 << 20};
  expectReadSurvives([&] { return pruneKernelCache(folder, old); });
}

} // namespace
