//===- Npy.h - NumPy's .npy files -------------------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Format versions 1, 2 and 3, C and Fortran order, little endian (and one-byte
// types of any). The format: numpy/lib/format.py, NEP 1. NumPy has no bfloat16:
// norma writes it with the descriptor '<V2' that ml_dtypes arrays have on disk,
// and reads '<V2'/'|V2' as bf16.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_IO_NPY_H
#define NORMA_IO_NPY_H

#include "norma/IO/AtomicFile.h"
#include "norma/Support/Tensor.h"

#include <memory>

namespace norma::io {

/// What the header of a .npy file says.
struct NpyHeader {
  DType dtype = DType::F32;
  Dims shape;
  bool fortranOrder = false;
  /// Where the elements begin in the file.
  uint64_t dataOffset = 0;

  /// Bytes of all elements.
  uint64_t dataSize() const;
  /// A view with the strides of the order, at `data`.
  Tensor view(void *data) const;
};

/// A .npy file for reading. Every constructor checks that the file is as long as
/// its header says.
class NpyReader {
public:
  /// Errors name the file and what is wrong: missing, not an .npy file, damaged
  /// header, unsupported dtype (objects, structures, big endian, complex,
  /// strings), a size that does not fit the file.
  static Expected<NpyReader> open(const std::string &path);
  NpyReader(NpyReader &&) noexcept;
  NpyReader &operator=(NpyReader &&) noexcept;
  ~NpyReader();

  const NpyHeader &header() const { return parsed; }
  const std::string &path() const { return name; }

  /// Maps the whole file, read only. The view lives as long as the reader, is the
  /// same for every call, and has an address even when there are no elements. As
  /// with every mapping, a file that another program cuts short meanwhile faults
  /// when it is touched; read() gives an error instead.
  Expected<Tensor> map();
  /// Reads bytes [begin, begin + size) of the element data into `buffer` with
  /// plain reads, for streaming: pages are dropped from the cache of this
  /// process, not mapped into it.
  Expected<void> read(uint64_t begin, void *buffer, size_t size) const;

private:
  NpyReader() = default;
  void close() noexcept;
  std::string name;
  NpyHeader parsed;
  int descriptor = -1;
  void *mapping = nullptr;
  size_t mappingSize = 0;
};

/// The bytes from the magic to the first element: version 1 (or 2, when the header
/// is long), padded to 64.
std::string formatNpyHeader(DType dtype, std::span<const int64_t> shape, bool fortranOrder = false);

/// Writes a .npy file element data first to last, atomically. Strided tensors
/// are written in C order.
Expected<void> writeNpy(const std::string &path, const Tensor &tensor);

/// A .npy file written piece by piece: header at once, then append() until all
/// elements are there, then commit() (an error when some are missing). Elements
/// are appended in the order of the file; `fortranOrder` is only noted in the header.
class NpyWriter {
public:
  static Expected<NpyWriter> create(const std::string &path, DType dtype, const Dims &shape,
                                    bool fortranOrder = false);
  Expected<void> append(const void *data, size_t size);
  Expected<void> commit();

private:
  NpyWriter(AtomicFile file, uint64_t expected) : file(std::move(file)), missing(expected) {}
  AtomicFile file;
  uint64_t missing;
};

/// A .npy file of a floating type whose elements are changed in place.
class NpyEditor {
public:
  static Expected<NpyEditor> open(const std::string &path);
  NpyEditor(NpyEditor &&) noexcept;
  ~NpyEditor();
  const NpyHeader &header() const { return parsed; }
  /// Reads and writes element bytes at an offset.
  Expected<void> read(uint64_t begin, void *buffer, size_t size) const;
  Expected<void> write(uint64_t begin, const void *buffer, size_t size);
  /// Flushes to the disk.
  Expected<void> sync();

private:
  NpyEditor() = default;
  std::string name;
  NpyHeader parsed;
  int descriptor = -1;
};

} // namespace norma::io

#endif // NORMA_IO_NPY_H
