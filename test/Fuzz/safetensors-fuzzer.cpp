//===- safetensors-fuzzer.cpp - Any bytes as a safetensors file -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Bytes and a file of them are read alike, and what is read can be written and read again.
//
//===----------------------------------------------------------------------===//

#include "SafetensorsMutator.h"

#include "norma/IO/Safetensors.h"

#include <algorithm>
#include <cstring>

using namespace norma;
using namespace norma::fuzz;

static bool isSame(const io::Safetensors &a, const io::Safetensors &b) {
  return a.metadata == b.metadata &&
         std::equal(a.tensors.begin(), a.tensors.end(), b.tensors.begin(), b.tensors.end(),
                    [](const auto &left, const auto &right) {
                      const Tensor &x = left.second, &y = right.second;
                      return left.first == right.first && x.dtype == y.dtype &&
                             x.shape == y.shape &&
                             std::memcmp(x.data, y.data, left.second.sizeInBytes()) == 0;
                    });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static MemoryFile file;
  static ScratchDirectory scratch;
  const Expected<io::Safetensors> parsed =
      io::parseSafetensors(std::as_bytes(std::span(data, size)), file.path());
  file.replace(textOf(data, size));
  const Expected<io::Safetensors> read = io::readSafetensors(file.path());
  require(parsed.hasValue() == read.hasValue(), "memory and file are read alike");
  if (!parsed) {
    requireMessage(parsed);
    require(parsed.error().message() == read.error().message(), "both give the same error");
    return 0;
  }
  require(isSame(*parsed, *read), "memory and file hold the same");
  std::map<std::string, Tensor> tensors(parsed->tensors.begin(), parsed->tensors.end());
  for (const auto &[name, tensor] : tensors)
    if (!isUsable(tensor))
      return 0;
  const std::string path = scratch.file("again.safetensors");
  requireSuccess(io::writeSafetensors(path, parsed->metadata, tensors), "what was read is written");
  const Expected<io::Safetensors> again = io::readSafetensors(path);
  requireSuccess(again, "what norma writes it reads");
  require(isSame(*parsed, *again), "what norma writes holds the same");
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize, unsigned int seed) {
  return mutateSafetensors(data, size, maxSize, seed);
}
