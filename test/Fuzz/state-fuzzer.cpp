//===- state-fuzzer.cpp - Any bytes as the state of a layer ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A state that is read can be written, and what is written once and read is written the
// same a second time. States of one shape can be merged.
//
//===----------------------------------------------------------------------===//

#include "SafetensorsMutator.h"

#include "norma/Runtime/Engine.h"
#include "norma/Runtime/Layers/BatchNormalization.h"
#include "norma/Runtime/Layers/NormalizationState.h"

using namespace norma;
using namespace norma::fuzz;

/// Loading needs an engine, but compiles nothing. Never destroyed, as LLVM is torn down
/// before static objects are.
static const std::shared_ptr<Engine> &engine() {
  static const auto *const engine = [] {
    EngineOptions options;
    options.cacheDirectory = "off";
    options.threads = 1;
    Expected<std::shared_ptr<Engine>> created = Engine::create(options);
    requireSuccess(created, "an engine can be created");
    return new std::shared_ptr<Engine>(*created);
  }();
  return *engine;
}

/// `read` returns a layer, or what it knows, from a path; `write` puts it there. Whether `input`
/// could be read.
template <typename Read, typename Write>
static bool roundTrip(const std::string &input, Read read, Write write) {
  static ScratchDirectory scratch;
  auto layer = read(input);
  if (!layer) {
    requireMessage(layer);
    return false;
  }
  const std::string first = scratch.file("first"), second = scratch.file("second");
  requireSuccess(write(first, *layer), "a state that was read can be written");
  auto again = read(first);
  requireSuccess(again, "a state that norma wrote can be read");
  requireSuccess(write(second, *again), "a state that norma wrote can be written again");
  require(readFile(first) == readFile(second), "a state is written the same each time");
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static MemoryFile file;
  file.replace(textOf(data, size));
  const bool isNormalization =
      roundTrip(file.path(), readNormalizationState, writeNormalizationState);
  if (isNormalization) {
    NormalizationState state = *readNormalizationState(file.path());
    const NormalizationState same = state;
    const Expected<void> merged = mergeNormalizationStates(state, same);
    require(merged.hasValue() != same.isGiven(), "what was learned can be merged");
    require(state.statistics.shape == same.statistics.shape, "merging keeps the kept extents");
  }
  const bool isBatchNormalization = roundTrip(
      file.path(), [](const std::string &path) { return BatchNormalization::load(engine(), path); },
      [](const std::string &path, const BatchNormalization &layer) { return layer.save(path); });
  require(!(isNormalization && isBatchNormalization), "a file is the state of one layer");
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize, unsigned int seed) {
  return mutateSafetensors(data, size, maxSize, seed);
}
