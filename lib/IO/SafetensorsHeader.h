//===- SafetensorsHeader.h - The header of safetensors files ----*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_IO_SAFETENSORSHEADER_H
#define NORMA_LIB_IO_SAFETENSORSHEADER_H

#include "norma/Support/Tensor.h"

#include <map>
#include <string>
#include <vector>

namespace norma::io {

/// The reference implementation's limit, too.
inline constexpr uint64_t kLongestSafetensorsHeader = 100'000'000;

/// One tensor of a header: its bytes are [begin, end) of the data.
struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::F32;
  Dims shape;
  uint64_t begin = 0, end = 0;
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  /// In the order of the data.
  std::vector<SafetensorsEntry> entries;
};

/// The header length in the first bytes of a file of `fileSize` bytes, of which
/// `start` holds the first eight (or all, when there are fewer).
Expected<uint64_t> parseSafetensorsHeaderSize(const unsigned char *start, uint64_t fileSize);

/// Parses the JSON `text` of a header, and checks that its tensors cover the
/// `dataSize` bytes behind it without gap or overlap. Messages name the tensor.
Expected<SafetensorsHeader> parseSafetensorsHeader(std::string_view text, uint64_t dataSize);

/// The eight bytes of length and the padded JSON. Entries in the order of the data.
Expected<std::string> formatSafetensorsHeader(const SafetensorsHeader &header);

} // namespace norma::io

#endif // NORMA_LIB_IO_SAFETENSORSHEADER_H
