//===- Safetensors.cpp - The safetensors format ---------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/IO/Safetensors.h"

#include "Elements.h"
#include "Posix.h"
#include "SafetensorsHeader.h"

#include "norma/Support/Checked.h"
#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace norma::io {

static constexpr uint64_t kLengthSize = 8;

/// Parses a file of `size` bytes that `read(offset, to, count)` delivers.
template <typename Read>
static Expected<Safetensors> parse(uint64_t size, Read read) {
  unsigned char start[kLengthSize] = {};
  if (Expected<void> got = read(0, start, size_t(std::min(size, kLengthSize))); !got)
    return got.takeError();
  Expected<uint64_t> headerSize = parseSafetensorsHeaderSize(start, size);
  if (!headerSize)
    return headerSize.takeError();
  std::string text(size_t(*headerSize), '\0');
  if (Expected<void> got = read(kLengthSize, text.data(), text.size()); !got)
    return got.takeError();
  const uint64_t dataOffset = kLengthSize + *headerSize;
  Expected<SafetensorsHeader> header = parseSafetensorsHeader(text, size - dataOffset);
  if (!header)
    return header.takeError();

  Safetensors result;
  result.metadata = std::move(header->metadata);
  for (SafetensorsEntry &entry : header->entries) {
    Expected<Array> array = Array::create(entry.dtype, entry.shape);
    if (!array)
      return array.takeError().within(fmt::format("tensor '{}'", entry.name));
    if (Expected<void> got =
            read(dataOffset + entry.begin, array->view().data, array->sizeInBytes());
        !got)
      return got.takeError();
    result.tensors.emplace(std::move(entry.name), std::move(*array));
  }
  return result;
}

Expected<Safetensors> readSafetensors(const std::string &path, uint64_t maxBytes) try {
  Expected<OpenFile> file = openRegularFile(path, /*writable=*/false);
  if (!file)
    return file.takeError();
  if (file->size > maxBytes)
    return Error(ErrorCode::ResourceExhausted,
                 fmt::format("'{}': {} bytes; expected at most {}", path, file->size, maxBytes));
  Expected<Safetensors> result = parse(file->size, [&](uint64_t offset, void *to, size_t count) {
    return readAll(file->descriptor.get(), path, offset, to, count);
  });
  if (!result)
    return result.takeError().within(fmt::format("'{}'", path));
  return result;
} catch (...) {
  return outOfMemory();
}

Expected<Safetensors> parseSafetensors(std::span<const std::byte> bytes,
                                       const std::string &name) try {
  Expected<Safetensors> result =
      parse(bytes.size(), [&](uint64_t offset, void *to, size_t count) -> Expected<void> {
        if (count != 0)
          std::memcpy(to, bytes.data() + offset, count);
        return {};
      });
  if (!result)
    return result.takeError().within(fmt::format("'{}'", name));
  return result;
} catch (...) {
  return outOfMemory();
}

Expected<void> writeSafetensors(const std::string &path,
                                const std::map<std::string, std::string> &metadata,
                                const std::map<std::string, Tensor> &tensors) try {
  std::vector<const std::pair<const std::string, Tensor> *> order;
  for (const auto &item : tensors) {
    if (Expected<void> valid = checkTensor(item.second, fmt::format("tensor '{}'", item.first));
        !valid)
      return valid.takeError().within(fmt::format("'{}'", path));
    order.push_back(&item);
  }
  std::sort(order.begin(), order.end(), [](const auto *a, const auto *b) {
    const size_t sizeA = sizeOf(a->second.dtype), sizeB = sizeOf(b->second.dtype);
    return sizeA != sizeB ? sizeA > sizeB : a->first < b->first;
  });

  SafetensorsHeader header;
  header.metadata = metadata;
  Checked offset = 0;
  for (const auto *item : order) {
    const Tensor &tensor = item->second;
    const auto begin = uint64_t(*offset);
    offset += Checked(tensor.size()) * int64_t(sizeOf(tensor.dtype));
    if (!offset.fits())
      return invalidArgument(fmt::format("'{}': the size of all tensors overflows 63 bits", path));
    header.entries.push_back({item->first, tensor.dtype, tensor.shape, begin, uint64_t(*offset)});
  }
  Expected<std::string> text = formatSafetensorsHeader(header);
  if (!text)
    return text.takeError().within(fmt::format("'{}'", path));

  Expected<AtomicFile> file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  if (Expected<void> written = file->write(text->data(), text->size()); !written)
    return written;
  for (const auto *item : order)
    if (Expected<void> written = writeElements(*file, item->second); !written)
      return written;
  return file->commit();
} catch (...) {
  return outOfMemory();
}

} // namespace norma::io
