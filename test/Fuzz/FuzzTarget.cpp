//===- FuzzTarget.cpp - What fuzz targets share ---------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FuzzTarget.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sys/mman.h>
#include <unistd.h>

// LLVM's allocators poison memory in our half of an instrumented build, which its own
// libraries know nothing of. The name is the sanitizer's.
// NOLINTNEXTLINE(bugprone-reserved-identifier,readability-identifier-naming)
extern "C" const char *__asan_default_options() { return "allow_user_poisoning=0"; }

namespace norma::fuzz {

void require(bool holds, std::string_view property) {
  if (holds)
    return;
  std::fprintf(stderr, "property violated: %.*s\n", int(property.size()), property.data());
  std::abort();
}

bool isUsable(const Tensor &tensor) {
  const Expected<void> valid = checkTensor(tensor, "read");
  if (!valid && tensor.size() != 0)
    requireSuccess(valid, "what was read is a tensor");
  return valid.hasValue();
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

MemoryFile::MemoryFile()
    : descriptor(::memfd_create("norma-fuzz", MFD_CLOEXEC)),
      name("/proc/self/fd/" + std::to_string(descriptor)) {
  require(descriptor >= 0, "the system has files in memory");
}

MemoryFile::~MemoryFile() { ::close(descriptor); }

void MemoryFile::replace(std::string_view bytes) {
  const bool written = ::ftruncate(descriptor, 0) == 0 &&
                       ::pwrite(descriptor, bytes.data(), bytes.size(), 0) == ssize_t(bytes.size());
  require(written, "a file in memory takes the input");
}

ScratchDirectory::ScratchDirectory()
    : path((std::filesystem::temp_directory_path() / "norma-fuzz-XXXXXX").string()) {
  require(::mkdtemp(path.data()) != nullptr, "a directory can be made in $TMPDIR");
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

std::string ScratchDirectory::file(std::string_view called) const {
  return path + "/" + std::string(called);
}

std::string readFile(const std::string &path) {
  std::ifstream stream(path, std::ios::binary);
  require(stream.good(), "a file that was written can be read");
  return {std::istreambuf_iterator<char>(stream), {}};
}

//===----------------------------------------------------------------------===//
// Mutators
//===----------------------------------------------------------------------===//

std::string mutated(std::string text, size_t maxSize) {
  const size_t size = std::min(text.size(), maxSize);
  text.resize(maxSize);
  text.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t *>(text.data()), size, maxSize));
  return text;
}

size_t putInto(uint8_t *data, size_t maxSize, std::string_view text) {
  const size_t size = std::min(text.size(), maxSize);
  if (size > 0)
    std::memcpy(data, text.data(), size);
  return size;
}

} // namespace norma::fuzz
