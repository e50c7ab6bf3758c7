//===- Safetensors.h - The safetensors format -------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Eight bytes of header length, a JSON header, then the tensors without gaps:
// https://github.com/huggingface/safetensors (format section of its README). The
// reader is strict: lengths, offsets, overlaps, gaps, shapes and dtypes are
// checked before any tensor is handed out. Element types: F64, F32, F16, BF16, I64,
// I32, I16, U16, I8, U8 and BOOL.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_IO_SAFETENSORS_H
#define NORMA_IO_SAFETENSORS_H

#include "norma/Support/Tensor.h"

#include <map>
#include <span>
#include <string>
#include <vector>

namespace norma::io {

struct Safetensors {
  /// The "__metadata__" of the header.
  std::map<std::string, std::string> metadata;
  std::map<std::string, Array> tensors;
};

/// Reads and checks a whole file (up to `maxBytes`).
Expected<Safetensors> readSafetensors(const std::string &path, uint64_t maxBytes = uint64_t(1)
                                                                                   << 32);
/// The same from memory; `name` stands in messages.
Expected<Safetensors> parseSafetensors(std::span<const std::byte> bytes, const std::string &name);

/// Writes a file atomically, in C order, the header padded to 8 bytes. Tensors
/// follow each other by falling element size, then name, so that each is aligned to
/// its element.
Expected<void> writeSafetensors(const std::string &path,
                                const std::map<std::string, std::string> &metadata,
                                const std::map<std::string, Tensor> &tensors);

} // namespace norma::io

#endif // NORMA_IO_SAFETENSORS_H
