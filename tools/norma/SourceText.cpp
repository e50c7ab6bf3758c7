//===- SourceText.cpp - The text of a program -----------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SourceText.h"

#include <array>
#include <cerrno>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iostream>

using namespace norma;

/// All of a stream. Inserting its buffer into another stream would take an error of
/// reading for the end.
static Expected<std::string> readAll(std::istream &stream, const std::string &name) {
  std::string text;
  std::array<char, 4096> piece;
  while (stream.read(piece.data(), piece.size()) || stream.gcount() > 0)
    text.append(piece.data(), size_t(stream.gcount()));
  if (stream.bad())
    return Error(ErrorCode::IOError, fmt::format("{}: cannot be read", name));
  return text;
}

Expected<std::string> tool::readSourceText(const std::string &path) {
  if (path == "-")
    return readAll(std::cin, "standard input");
  // A stream opens a directory and finds nothing in it.
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return invalidArgument(fmt::format("{}: it is a directory; expected an MLIR file", path));
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return Error(ErrorCode::NotFound, fmt::format("{}: cannot be opened: {}", path,
                                                  std::generic_category().message(errno)));
  return readAll(file, path);
}
