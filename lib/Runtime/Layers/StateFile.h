//===- StateFile.h - What state files have in common ------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The metadata of the safetensors files that layers are stored in: see
// docs/state-file.md. Damage is ErrorCode::DataLoss, another format or version
// ErrorCode::Unsupported.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_RUNTIME_LAYERS_STATEFILE_H
#define NORMA_LIB_RUNTIME_LAYERS_STATEFILE_H

#include "norma/IO/Safetensors.h"

namespace norma::statefile {

using Metadata = std::map<std::string, std::string>;

struct Format {
  /// The metadata "format" and "format_version".
  const char *name, *version;
  /// What such a file holds, for messages: "a normalization".
  const char *content;
};

/// The entries that say which format a file has and who wrote it.
Metadata describe(const Format &format);
Expected<void> checkFormat(const Metadata &metadata, const Format &format);

Error damaged(std::string message);
/// What is wrong with the content is damage of the file; that memory ran out is not.
Error damaged(Error error);

/// A JSON list of axes or extents; unknown extents become null.
std::string formatDims(const Dims &dims, bool mayBeUnknown);

Expected<std::string> metadataEntry(const Metadata &metadata, const char *key);
/// A list of axes or extents: integers of 0 or more, and null where allowed.
Expected<Dims> dimsEntry(const Metadata &metadata, const char *key, bool mayBeUnknown);

/// The tensor of a name, which must have this type and shape.
Expected<Tensor> tensorEntry(const io::Safetensors &file, std::string_view name, DType dtype,
                             const Dims &kept);

} // namespace norma::statefile

#endif // NORMA_LIB_RUNTIME_LAYERS_STATEFILE_H
