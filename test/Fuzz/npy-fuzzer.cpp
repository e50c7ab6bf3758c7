//===- npy-fuzzer.cpp - Any bytes as an .npy file -------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A file that is read has its elements inside it, mapped and streamed they are the same,
// and what norma writes of it reads the same again.
//
//===----------------------------------------------------------------------===//

#include "FuzzTarget.h"

#include "norma/IO/Npy.h"

#include <algorithm>
#include <cstring>
#include <limits>

using namespace norma;
using namespace norma::fuzz;

/// The element data, streamed, after every other way to it was tried.
static std::string readElements(io::NpyReader &reader) {
  const io::NpyHeader &header = reader.header();
  std::string streamed(size_t(header.dataSize()), '\0');
  requireSuccess(reader.read(0, streamed.data(), streamed.size()), "all elements can be read");
  Expected<Tensor> mapped = reader.map();
  requireSuccess(mapped, "a file that was opened can be mapped");
  require(std::memcmp(mapped->data, streamed.data(), streamed.size()) == 0,
          "mapped and streamed elements are the same");
  if (isUsable(*mapped)) {
    // Goes to every element by its strides.
    Expected<Array> copy = Array::copyOf(*mapped);
    requireSuccess(copy, "what is mapped can be copied");
    require(copy->sizeInBytes() == streamed.size(), "the view has all elements");
  }

  char byte = 0;
  requireSuccess(reader.read(streamed.size(), &byte, 0), "nothing can be read at the end");
  requireMessage(reader.read(streamed.size(), &byte, 1));
  requireMessage(reader.read(std::numeric_limits<uint64_t>::max(), &byte, 1));
  requireMessage(reader.read(1, &byte, std::numeric_limits<size_t>::max()));
  return streamed;
}

/// Opens `file` for changes, which floating types alone allow, and changes nothing.
static void edit(const MemoryFile &file, const io::NpyHeader &header, const std::string &elements) {
  Expected<io::NpyEditor> editor = io::NpyEditor::open(file.path());
  require(editor.hasValue() == isFloat(header.dtype), "floats can be changed in place");
  if (!editor)
    return;
  requireSuccess(editor->write(0, elements.data(), elements.size()), "elements can be replaced");
  requireMessage(editor->write(elements.size(), elements.data(), 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static MemoryFile file;
  file.replace(textOf(data, size));
  io::NpyHeader header;
  std::string elements;
  {
    Expected<io::NpyReader> reader = io::NpyReader::open(file.path());
    if (!reader) {
      requireMessage(reader);
      return 0;
    }
    header = reader->header();
    require(header.dataOffset + header.dataSize() == size, "the elements end with the file");
    elements = readElements(*reader);
  }
  edit(file, header, elements);

  const std::string text = io::formatNpyHeader(header.dtype, header.shape, header.fortranOrder);
  require(text.size() % 64 == 0, "elements are aligned in files that norma writes");
  file.replace(text + elements);
  Expected<io::NpyReader> again = io::NpyReader::open(file.path());
  requireSuccess(again, "what norma writes it reads");
  require(again->header().dtype == header.dtype && again->header().shape == header.shape &&
              again->header().fortranOrder == header.fortranOrder,
          "what norma writes says the same");
  require(readElements(*again) == elements, "what norma writes holds the same elements");
  return 0;
}

//===----------------------------------------------------------------------===//
// Mutation
//===----------------------------------------------------------------------===//

/// A file whose length, which most mutations spoil, is right for its header.
static std::string makeFile(Choices &choose) {
  static constexpr DType kTypes[] = {DType::F32, DType::F64, DType::F16, DType::BF16,
                                     DType::I8,  DType::U8,  DType::I16, DType::U16,
                                     DType::I32, DType::I64, DType::Bool};
  static constexpr int64_t kExtents[] = {0, 1, 2, 3, 7, int64_t(1) << 31, int64_t(1) << 62};
  Dims shape;
  while (shape.size() < kMaxRank && !choose.oneIn(4))
    shape.push_back(choose.from(kExtents));
  const DType dtype = choose.from(kTypes);
  std::string bytes = io::formatNpyHeader(dtype, shape, choose.oneIn(2));
  const Expected<int64_t> count = numElements(shape);
  constexpr int64_t kMost = 256;
  if (count && *count <= kMost)
    bytes.append(size_t(*count) * sizeOf(dtype), char(choose.below(256)));
  return bytes;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize, unsigned int seed) {
  Choices choose(seed);
  if (choose.oneIn(8))
    return putInto(data, maxSize, makeFile(choose));
  return LLVMFuzzerMutate(data, size, maxSize);
}
