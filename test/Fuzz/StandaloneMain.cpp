//===- StandaloneMain.cpp - Runs a fuzz target on files -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Stands in for libFuzzer, which only clang has, where the files of a corpus are run and
// nothing is searched. Arguments are files and directories of files; libFuzzer's options are
// taken and mean nothing.
//
//===----------------------------------------------------------------------===//

#include "FuzzTarget.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <vector>

namespace fs = std::filesystem;

/// Only libFuzzer mutates.
size_t LLVMFuzzerMutate(uint8_t *, size_t size, size_t) { return size; }

static void run(const fs::path &file) {
  // Before it is run, so that the last line names the one that ends the process.
  std::printf("%s\n", file.c_str());
  std::fflush(stdout);
  const std::string bytes = norma::fuzz::readFile(file.string());
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size());
}

int main(int argc, char **argv) {
  std::vector<fs::path> files;
  for (const std::string_view argument : std::vector<std::string_view>(argv + 1, argv + argc)) {
    if (argument.starts_with('-'))
      continue;
    std::error_code error;
    if (!fs::is_directory(argument, error)) {
      files.emplace_back(argument);
      continue;
    }
    for (const fs::directory_entry &entry : fs::directory_iterator(argument))
      files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const fs::path &file : files)
    run(file);
  std::printf("%zu inputs\n", files.size());
  return files.empty() ? 1 : 0;
}
