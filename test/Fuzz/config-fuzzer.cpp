//===- config-fuzzer.cpp - Any text as the configuration of a layer -------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A configuration that is read is written as one that is read and written the same.
//
//===----------------------------------------------------------------------===//

#include "FuzzTarget.h"

#include "Runtime/Layers/BatchNormalizationImpl.h"
#include "norma/Runtime/Layers/NormalizationState.h"

using namespace norma;
using namespace norma::fuzz;

template <typename Parse, typename Format>
static void roundTrip(std::string_view text, Parse parse, Format format) {
  const auto config = parse(text);
  if (!config) {
    requireMessage(config);
    return;
  }
  const std::string written = format(config->options, config->buildShape);
  const auto again = parse(written);
  requireSuccess(again, "a configuration that norma wrote can be read");
  require(format(again->options, again->buildShape) == written,
          "a configuration is written the same each time");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  roundTrip(textOf(data, size), parseNormalizationConfig, formatNormalizationConfig);
  roundTrip(textOf(data, size), parseBatchNormalizationConfig, formatBatchNormalizationConfig);
  return 0;
}
