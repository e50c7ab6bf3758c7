//===- Npy.cpp - NumPy's .npy files ---------------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/IO/Npy.h"

#include "Elements.h"
#include "NpyHeader.h"
#include "Posix.h"

#include "norma/Support/Checked.h"
#include "norma/Support/OutOfMemory.h"

#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <limits>
#include <sys/mman.h>
#include <unistd.h>

namespace norma::io {

/// That [begin, begin + size) lies in the element data of a file.
static Expected<void> checkRange(const std::string &path, const NpyHeader &header, uint64_t begin,
                                 size_t size) {
  const uint64_t limit = header.dataSize();
  if (begin > limit || size > limit - begin)
    return invalidArgument(fmt::format("'{}': {} bytes at offset {} of the elements; expected a "
                                       "range within {} bytes",
                                       path, size, begin, limit));
  return {};
}

/// The bytes of all elements, where they and a header fit a file.
static Expected<uint64_t> checkedDataSize(const std::string &path, DType dtype,
                                          std::span<const int64_t> shape) {
  if (sizeOf(dtype) == 0)
    return invalidArgument(
        fmt::format("'{}': dtype: {} is not an element type", path, int(uint8_t(dtype))));
  Expected<int64_t> count = numElements(shape);
  if (!count)
    return count.takeError().within(fmt::format("'{}'", path));
  constexpr int64_t kHeaderRoom = 4096; // 16 extents of 20 digits need far less
  const Checked size = Checked(*count) * int64_t(sizeOf(dtype));
  if (!(size + kHeaderRoom).fits())
    return invalidArgument(fmt::format("'{}': the size of shape {} with elements of {} bytes "
                                       "overflows 63 bits",
                                       path, toString(shape), sizeOf(dtype)));
  return uint64_t(*size);
}

//===----------------------------------------------------------------------===//
// NpyReader
//===----------------------------------------------------------------------===//

Expected<NpyReader> NpyReader::open(const std::string &path) try {
  Expected<OpenFile> file = openRegularFile(path, /*writable=*/false);
  if (!file)
    return file.takeError();
  Expected<NpyHeader> header = readNpyHeader(file->descriptor.get(), path, file->size);
  if (!header)
    return header.takeError();
  // Advice for a larger read-ahead; that a file system has no use for it is no error.
  (void)::posix_fadvise(file->descriptor.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  NpyReader reader;
  reader.name = path;
  reader.parsed = *header;
  reader.descriptor = file->descriptor.release();
  return reader;
} catch (...) {
  return outOfMemory();
}

NpyReader::NpyReader(NpyReader &&other) noexcept
    : name(std::move(other.name)), parsed(other.parsed), descriptor(other.descriptor),
      mapping(other.mapping), mappingSize(other.mappingSize) {
  other.descriptor = -1;
  other.mapping = nullptr;
}

NpyReader &NpyReader::operator=(NpyReader &&other) noexcept {
  if (this != &other) {
    close();
    name = std::move(other.name);
    parsed = other.parsed;
    descriptor = other.descriptor;
    mapping = other.mapping;
    mappingSize = other.mappingSize;
    other.descriptor = -1;
    other.mapping = nullptr;
  }
  return *this;
}

NpyReader::~NpyReader() { close(); }

void NpyReader::close() noexcept {
  if (mapping)
    ::munmap(mapping, mappingSize);
  if (descriptor >= 0)
    ::close(descriptor);
  mapping = nullptr;
  descriptor = -1;
}

Expected<Tensor> NpyReader::map() try {
  if (!mapping) {
    // The header is mapped too: offsets of mappings are multiples of a page. So
    // the mapping is never empty, even when there are no elements.
    const uint64_t size = parsed.dataOffset + parsed.dataSize();
    if (size > std::numeric_limits<size_t>::max())
      return systemError("map", name, ENOMEM);
    void *address = ::mmap(nullptr, size_t(size), PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (address == MAP_FAILED)
      return systemError("map", name, errno);
    mapping = address;
    mappingSize = size_t(size);
  }
  return parsed.view(static_cast<char *>(mapping) + parsed.dataOffset);
} catch (...) {
  return outOfMemory();
}

Expected<void> NpyReader::read(uint64_t begin, void *buffer, size_t size) const try {
  if (Expected<void> range = checkRange(name, parsed, begin, size); !range)
    return range;
  return readAll(descriptor, name, parsed.dataOffset + begin, buffer, size);
} catch (...) {
  return outOfMemory();
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

Expected<void> writeNpy(const std::string &path, const Tensor &tensor) try {
  if (Expected<void> valid = checkTensor(tensor, fmt::format("tensor for '{}'", path)); !valid)
    return valid;
  if (Expected<uint64_t> size = checkedDataSize(path, tensor.dtype, tensor.shape); !size)
    return size.takeError();
  Expected<AtomicFile> file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  const std::string header = formatNpyHeader(tensor.dtype, tensor.shape);
  if (Expected<void> written = file->write(header.data(), header.size()); !written)
    return written;
  if (Expected<void> written = writeElements(*file, tensor); !written)
    return written;
  return file->commit();
} catch (...) {
  return outOfMemory();
}

Expected<NpyWriter> NpyWriter::create(const std::string &path, DType dtype, const Dims &shape,
                                      bool fortranOrder) try {
  Expected<uint64_t> size = checkedDataSize(path, dtype, shape);
  if (!size)
    return size.takeError();
  Expected<AtomicFile> file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  const std::string header = formatNpyHeader(dtype, shape, fortranOrder);
  if (Expected<void> written = file->write(header.data(), header.size()); !written)
    return written.takeError();
  return NpyWriter(std::move(*file), *size);
} catch (...) {
  return outOfMemory();
}

Expected<void> NpyWriter::append(const void *data, size_t size) try {
  if (size > missing)
    return invalidArgument(fmt::format("'{}': {} bytes appended; expected at most the {} that the "
                                       "shape leaves",
                                       file.path(), size, missing));
  if (Expected<void> written = file.write(data, size); !written)
    return written;
  missing -= size;
  return {};
} catch (...) {
  return outOfMemory();
}

Expected<void> NpyWriter::commit() try {
  if (missing != 0)
    return invalidArgument(
        fmt::format("'{}': {} bytes of elements are missing; expected all before commit",
                    file.path(), missing));
  return file.commit();
} catch (...) {
  return outOfMemory();
}

//===----------------------------------------------------------------------===//
// NpyEditor
//===----------------------------------------------------------------------===//

Expected<NpyEditor> NpyEditor::open(const std::string &path) try {
  Expected<OpenFile> file = openRegularFile(path, /*writable=*/true);
  if (!file)
    return file.takeError();
  Expected<NpyHeader> header = readNpyHeader(file->descriptor.get(), path, file->size);
  if (!header)
    return header.takeError();
  if (!isFloat(header->dtype))
    return Error(ErrorCode::Unsupported,
                 fmt::format("'{}': elements of type {} cannot be changed in place; expected f32, "
                             "f64, f16 or bf16",
                             path, toString(header->dtype)));
  NpyEditor editor;
  editor.name = path;
  editor.parsed = *header;
  editor.descriptor = file->descriptor.release();
  return editor;
} catch (...) {
  return outOfMemory();
}

NpyEditor::NpyEditor(NpyEditor &&other) noexcept
    : name(std::move(other.name)), parsed(other.parsed), descriptor(other.descriptor) {
  other.descriptor = -1;
}

NpyEditor::~NpyEditor() {
  if (descriptor >= 0)
    ::close(descriptor);
}

Expected<void> NpyEditor::read(uint64_t begin, void *buffer, size_t size) const try {
  if (Expected<void> range = checkRange(name, parsed, begin, size); !range)
    return range;
  return readAll(descriptor, name, parsed.dataOffset + begin, buffer, size);
} catch (...) {
  return outOfMemory();
}

Expected<void> NpyEditor::write(uint64_t begin, const void *buffer, size_t size) try {
  if (Expected<void> range = checkRange(name, parsed, begin, size); !range)
    return range;
  return writeAllAt(descriptor, name, parsed.dataOffset + begin, buffer, size);
} catch (...) {
  return outOfMemory();
}

Expected<void> NpyEditor::sync() try {
  int result;
  do
    result = ::fsync(descriptor);
  while (result != 0 && errno == EINTR);
  if (result != 0)
    return systemError("flush", name, errno);
  return {};
} catch (...) {
  return outOfMemory();
}

} // namespace norma::io
