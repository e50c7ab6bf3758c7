//===- StateFile.cpp - What state files have in common --------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StateFile.h"

#include "Json.h"

#include "norma/Runtime/Layers/NormalizationState.h"

#include <fmt/format.h>

#ifndef NORMA_VERSION
#define NORMA_VERSION "0.1.0"
#endif

namespace norma::statefile {

Metadata describe(const Format &format) {
  return {{"format", format.name},
          {"format_version", format.version},
          {"producer", "norma " NORMA_VERSION}};
}

Expected<void> checkFormat(const Metadata &metadata, const Format &expected) {
  const auto format = metadata.find("format");
  if (format == metadata.end())
    return Error(ErrorCode::Unsupported,
                 fmt::format("not a state of {}: the metadata have no 'format'; expected '{}'",
                             expected.content, expected.name));
  if (format->second != expected.name)
    return Error(ErrorCode::Unsupported,
                 fmt::format("not a state of {}: the format is '{}'; expected '{}'",
                             expected.content, format->second.substr(0, 60), expected.name));
  Expected<std::string> version = metadataEntry(metadata, "format_version");
  if (!version)
    return version.takeError();
  if (*version != expected.version)
    return Error(ErrorCode::Unsupported,
                 fmt::format("the format version is '{}'; this version of norma reads '{}'",
                             version->substr(0, 60), expected.version));
  return {};
}

Error damaged(std::string message) { return Error(ErrorCode::DataLoss, std::move(message)); }

Error damaged(Error error) {
  return error.code() == ErrorCode::ResourceExhausted ? error : damaged(error.message());
}

std::string formatDims(const Dims &dims, bool mayBeUnknown) {
  Json list = Json::array();
  for (int64_t value : dims) {
    if (mayBeUnknown && value == kUnknownExtent)
      list.push_back(nullptr);
    else
      list.push_back(value);
  }
  return list.dump();
}

Expected<std::string> metadataEntry(const Metadata &metadata, const char *key) {
  const auto found = metadata.find(key);
  if (found == metadata.end())
    return damaged(fmt::format("the metadata have no '{}'", key));
  return found->second;
}

Expected<Dims> dimsEntry(const Metadata &metadata, const char *key, bool mayBeUnknown) {
  Expected<std::string> text = metadataEntry(metadata, key);
  if (!text)
    return text.takeError();
  const Expected<Json> json = Json::parse(*text);
  bool valid = json && json->isArray() && Dims::fits(json->size());
  Dims dims;
  for (size_t i = 0; valid && i < json->size(); ++i) {
    const Json &entry = *(json->begin() + ptrdiff_t(i));
    if (mayBeUnknown && entry.isNull()) {
      dims.push_back(kUnknownExtent);
      continue;
    }
    // Only negative integers are not "unsigned" to the parser.
    valid = entry.isUnsigned() && entry.get<uint64_t>() <= uint64_t(INT64_MAX);
    if (valid)
      dims.push_back(entry.get<int64_t>());
  }
  if (!valid)
    return damaged(fmt::format("the metadata '{}' is '{}'; expected a list of at most {} {}", key,
                               text->substr(0, 60), kMaxRank,
                               mayBeUnknown ? "extents, null where unknown" : "axes"));
  return dims;
}

Expected<Tensor> tensorEntry(const io::Safetensors &file, std::string_view name, DType dtype,
                             const Dims &kept) {
  const auto found = file.tensors.find(std::string(name));
  if (found == file.tensors.end())
    return damaged(fmt::format("there is no tensor '{}'", name));
  const Tensor &tensor = found->second.view();
  if (tensor.dtype != dtype)
    return damaged(fmt::format("the tensor '{}' has the type {}; expected {}", name,
                               toString(tensor.dtype), toString(dtype)));
  if (tensor.shape != kept)
    return damaged(fmt::format("the tensor '{}' has the shape {}; expected the kept extents {}",
                               name, toString(tensor.shape), toString(kept)));
  return tensor;
}

} // namespace norma::statefile
