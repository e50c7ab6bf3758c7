//===- FuzzTarget.h - What fuzz targets share -------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A target is a source file with LLVMFuzzerTestOneInput(), which takes any bytes, and
// whose process ends when something is wrong. It is linked with libFuzzer, or with
// StandaloneMain.cpp to run files that are there: see docs/fuzzing.md.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_FUZZ_FUZZTARGET_H
#define NORMA_FUZZ_FUZZTARGET_H

#include "norma/Support/Error.h"
#include "norma/Support/Tensor.h"

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/// libFuzzer's hooks: the first is a target's own way to change an input of `size` bytes in
/// place, to at most `maxSize`, and returns the new size; the second is libFuzzer's.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize,
                                          unsigned int seed);
extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

namespace norma::fuzz {

inline std::string_view textOf(const uint8_t *data, size_t size) {
  return {reinterpret_cast<const char *>(data), size};
}

/// Ends the process with a message unless a property holds.
void require(bool holds, std::string_view property);

/// That a call succeeded; the message of its error stands in the finding.
template <typename T>
void requireSuccess(const Expected<T> &result, std::string_view property) {
  if (!result)
    require(false, std::string(property) + ": " + result.error().message());
}

/// That an error says something.
template <typename T>
void requireMessage(const Expected<T> &result) {
  require(!result && !result.error().message().empty(), "an error has a message");
}

/// Whether the library takes a tensor that it read: it does when there are elements. Extents
/// like 2^62 beside one of 0 are no damage, but have strides that it refuses.
bool isUsable(const Tensor &tensor);

/// A regular file that lies in memory alone.
class MemoryFile {
public:
  MemoryFile();
  MemoryFile(const MemoryFile &) = delete;
  MemoryFile &operator=(const MemoryFile &) = delete;
  ~MemoryFile();

  const std::string &path() const { return name; }
  void replace(std::string_view bytes);

private:
  int descriptor;
  std::string name;
};

/// A directory of this process below $TMPDIR, removed at its end.
class ScratchDirectory {
public:
  ScratchDirectory();
  ScratchDirectory(const ScratchDirectory &) = delete;
  ScratchDirectory &operator=(const ScratchDirectory &) = delete;
  ~ScratchDirectory();

  std::string file(std::string_view called) const;

private:
  std::string path;
};

std::string readFile(const std::string &path);

//===----------------------------------------------------------------------===//
// Mutators
//===----------------------------------------------------------------------===//

/// The choices of one mutation.
class Choices {
public:
  explicit Choices(unsigned int seed) : engine(seed) {}
  /// 0 ... count - 1.
  size_t below(size_t count) { return engine() % count; }
  bool oneIn(size_t count) { return below(count) == 0; }
  template <typename T, size_t N>
  const T &from(const T (&table)[N]) {
    return table[below(N)];
  }

private:
  std::minstd_rand engine;
};

/// `text` after one of libFuzzer's own mutations.
std::string mutated(std::string text, size_t maxSize);

/// Puts a mutant into libFuzzer's buffer; what does not fit is cut off.
size_t putInto(uint8_t *data, size_t maxSize, std::string_view text);

} // namespace norma::fuzz

#endif // NORMA_FUZZ_FUZZTARGET_H
