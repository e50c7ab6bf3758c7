//===- NpyHeader.cpp - Parsing the header of .npy files -------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A .npy file begins with "\x93NUMPY", two bytes of version, the length of the
// header (2 bytes in version 1, 4 in versions 2 and 3), and the header: a Python
// dict literal with the keys descr, fortran_order and shape, padded with spaces.
//
//===----------------------------------------------------------------------===//

#include "NpyHeader.h"

#include "Elements.h"
#include "Posix.h"

#include "norma/Support/Checked.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <optional>

namespace norma::io {

static constexpr std::string_view kMagic = "\x93NUMPY";
/// NumPy itself refuses headers of more than 10000 characters unless told to
/// trust the file.
static constexpr uint64_t kLongestHeader = uint64_t(1) << 20;
static constexpr const char *kSupported =
    "norma reads f32, f64, f16, bf16, i8, u8, i16, u16, i32, i64 and bool";

static Error unsupported(const std::string &message) {
  return Error(ErrorCode::Unsupported, message);
}

static Error dataLoss(const std::string &message) { return Error(ErrorCode::DataLoss, message); }

//===----------------------------------------------------------------------===//
// Element types
//===----------------------------------------------------------------------===//

static const char *toDescriptor(DType dtype) {
  switch (dtype) {
  case DType::F32:
    return "<f4";
  case DType::F64:
    return "<f8";
  case DType::F16:
    return "<f2";
  case DType::BF16:
    return "<V2";
  case DType::I8:
    return "|i1";
  case DType::U8:
    return "|u1";
  case DType::I16:
    return "<i2";
  case DType::U16:
    return "<u2";
  case DType::I32:
    return "<i4";
  case DType::I64:
    return "<i8";
  case DType::Bool:
    return "|b1";
  }
  return "";
}

/// What a descriptor that norma does not read stands for, by its kind letter.
static std::string_view describeKind(char kind) {
  switch (kind) {
  case 'c':
    return "complex numbers";
  case 'S':
  case 'a':
  case 'U':
    return "strings";
  case 'M':
  case 'm':
    return "dates or time spans";
  case 'V':
    return "raw bytes";
  case 'f':
    return "floats of another width";
  case 'i':
    return "integers of another width";
  case 'u':
    return "unsigned integers of more than 16 bits";
  default:
    return "elements of another type";
  }
}

static Expected<DType> parseDescriptor(std::string_view text) {
  std::string_view rest = text;
  char order = 0;
  if (!rest.empty() && std::string_view("<>=|").find(rest[0]) != std::string_view::npos) {
    order = rest[0];
    rest.remove_prefix(1);
  }
  const char kind = rest.empty() ? '\0' : rest[0];
  if (kind == 'O')
    return unsupported(fmt::format("dtype '{}': object arrays are not supported, because they hold "
                                   "pickled Python objects, which only Python can read and which "
                                   "run code when read; convert with .astype(numpy.float32)",
                                   text));
  for (DType dtype : kAllDTypes) {
    if (std::string_view(toDescriptor(dtype)).substr(1) != rest)
      continue;
    if (sizeOf(dtype) == 1)
      return dtype;
    if (order == '>')
      return unsupported(fmt::format("dtype '{}' is big endian; convert with "
                                     ".astype('<{}')",
                                     text, dtype == DType::BF16 ? "V2" : rest));
    // ml_dtypes writes '<V2', NumPy's void of two bytes is '|V2'.
    if (order == '<' || order == '=' || (order == '|' && dtype == DType::BF16))
      return dtype;
    return unsupported(
        fmt::format("dtype '{}' has no byte order; expected '<{}' (little endian)", text, rest));
  }
  return unsupported(
      fmt::format("dtype '{}' ({}) is not supported; {}", text, describeKind(kind), kSupported));
}

//===----------------------------------------------------------------------===//
// The dict literal
//===----------------------------------------------------------------------===//

namespace {
class DictParser {
public:
  explicit DictParser(std::string_view text) : text(text) {}

  Expected<NpyHeader> parse() {
    if (!take('{'))
      return malformed("expected '{'");
    while (!take('}')) {
      std::string_view key;
      if (!takeString(key))
        return malformed("expected a key in quotes or '}'");
      if (!take(':'))
        return malformed("expected ':' after a key");
      if (Expected<void> value = parseValue(key); !value)
        return value.takeError();
      if (take(','))
        continue;
      if (!take('}'))
        return malformed("expected ',' or '}'");
      break;
    }
    skipSpace();
    if (position != text.size())
      return malformed("text after the closing '}'");
    for (auto [key, seen] : {std::pair("descr", dtype.has_value()),
                             std::pair("fortran_order", fortranOrder.has_value()),
                             std::pair("shape", shape.has_value())})
      if (!seen)
        return dataLoss(fmt::format("damaged header: the key '{}' is missing", key));
    NpyHeader header;
    header.dtype = *dtype;
    header.shape = *shape;
    header.fortranOrder = *fortranOrder;
    return header;
  }

private:
  Error malformed(const char *what) const {
    return dataLoss(fmt::format("damaged header: {} at character {}", what, position));
  }

  void skipSpace() {
    while (position < text.size() &&
           std::string_view(" \t\r\n\f").find(text[position]) != std::string_view::npos)
      ++position;
  }

  bool take(char wanted) {
    skipSpace();
    if (position == text.size() || text[position] != wanted)
      return false;
    ++position;
    return true;
  }

  /// A string literal. No key or descriptor needs an escape, so none is taken.
  bool takeString(std::string_view &value) {
    skipSpace();
    if (position == text.size() || (text[position] != '\'' && text[position] != '"'))
      return false;
    const size_t begin = position + 1;
    const size_t end = text.find(text[position], begin);
    if (end == std::string_view::npos)
      return false;
    value = text.substr(begin, end - begin);
    if (!std::all_of(value.begin(), value.end(),
                     [](char c) { return c >= ' ' && c <= '~' && c != '\\'; }))
      return false;
    position = end + 1;
    return true;
  }

  bool takeWord(std::string_view word) {
    skipSpace();
    if (!text.substr(position).starts_with(word))
      return false;
    const size_t end = position + word.size();
    if (end < text.size() &&
        (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_'))
      return false;
    position = end;
    return true;
  }

  Expected<void> parseValue(std::string_view key) {
    skipSpace();
    if (key == "descr" && !dtype)
      return parseDType();
    if (key == "fortran_order" && !fortranOrder) {
      if (takeWord("True"))
        fortranOrder = true;
      else if (takeWord("False"))
        fortranOrder = false;
      else
        return malformed("expected True or False for 'fortran_order'");
      return {};
    }
    if (key == "shape" && !shape)
      return parseShape();
    const bool known = key == "descr" || key == "fortran_order" || key == "shape";
    return dataLoss(
        fmt::format("damaged header: the key '{}' is {}", key, known ? "there twice" : "unknown"));
  }

  Expected<void> parseDType() {
    if (position < text.size() && (text[position] == '[' || text[position] == '('))
      return unsupported(fmt::format(
          "structured dtypes (records with fields) are not supported; save one field; {}",
          kSupported));
    std::string_view descriptor;
    if (!takeString(descriptor))
      return malformed("expected a dtype in quotes for 'descr'");
    Expected<DType> parsed = parseDescriptor(descriptor);
    if (!parsed)
      return parsed.takeError();
    dtype = *parsed;
    return {};
  }

  Expected<void> parseShape() {
    if (!take('('))
      return malformed("expected a tuple for 'shape'");
    Dims dims;
    int rank = 0;
    bool comma = false;
    while (!take(')')) {
      if (rank > 0 && !comma)
        return malformed("expected ',' or ')' in 'shape'");
      Expected<int64_t> extent = parseExtent();
      if (!extent)
        return extent.takeError();
      if (rank++ < kMaxRank)
        dims.push_back(*extent);
      comma = take(',');
    }
    if (rank == 1 && !comma)
      return malformed("expected ',' before ')' in 'shape' of one extent");
    if (!Dims::fits(size_t(rank)))
      return unsupported(
          fmt::format("the array has {} dimensions; norma handles up to {}", rank, kMaxRank));
    shape = dims;
    return {};
  }

  Expected<int64_t> parseExtent() {
    skipSpace();
    const size_t begin = position;
    const bool negative = position < text.size() && text[position] == '-';
    position += negative;
    const size_t digits = position;
    Checked value = 0;
    for (; position < text.size() && text[position] >= '0' && text[position] <= '9'; ++position)
      value = value * 10 + (text[position] - '0');
    const size_t count = position - digits;
    // Python reads no number that begins with a zero.
    if (count == 0 || (count > 1 && text[digits] == '0')) {
      position = begin;
      return malformed("expected an integer in 'shape'");
    }
    const std::string_view spelled = text.substr(begin, position - begin);
    if (negative)
      return dataLoss(fmt::format("damaged header: the extent {} in 'shape' is negative", spelled));
    if (!value.fits())
      return dataLoss(
          fmt::format("damaged header: the extent {} in 'shape' does not fit 63 bits", spelled));
    // Python 2 wrote long integers as 5L.
    if (position < text.size() && text[position] == 'L')
      ++position;
    return *value;
  }

  std::string_view text;
  size_t position = 0;
  std::optional<DType> dtype;
  std::optional<bool> fortranOrder;
  std::optional<Dims> shape;
};
} // namespace

//===----------------------------------------------------------------------===//
// The file
//===----------------------------------------------------------------------===//

/// Without the name of the file, which the caller adds.
static Expected<NpyHeader> readHeader(int descriptor, const std::string &path, uint64_t fileSize) {
  if (fileSize == 0)
    return dataLoss("the file is empty; expected an .npy file");
  // Magic, version, and the longer of the two forms of the length.
  unsigned char start[12] = {};
  const size_t startSize = size_t(std::min<uint64_t>(fileSize, sizeof(start)));
  if (Expected<void> got = readAll(descriptor, path, 0, start, startSize); !got)
    return got.takeError();
  if (std::memcmp(start, kMagic.data(), std::min(startSize, kMagic.size())) != 0)
    return invalidArgument("not an .npy file: it does not begin with \\x93NUMPY");
  const auto cutOff = [&](uint64_t needed, const char *what) {
    return dataLoss(fmt::format("truncated: expected at least {} bytes for the {}, the file has {}",
                                needed, what, fileSize));
  };
  if (fileSize < 10)
    return cutOff(10, "start of the header");
  const int major = start[6], minor = start[7];
  if (major < 1 || major > 3 || minor != 0)
    return unsupported(fmt::format(
        ".npy format version {}.{} is not supported; expected 1.0, 2.0 or 3.0", major, minor));
  const uint64_t textOffset = major == 1 ? 10 : 12;
  if (fileSize < textOffset)
    return cutOff(textOffset, "start of the header");
  uint64_t textSize = start[8] | uint64_t(start[9]) << 8;
  if (major > 1)
    textSize |= uint64_t(start[10]) << 16 | uint64_t(start[11]) << 24;
  if (textSize > fileSize - textOffset)
    return cutOff(textOffset + textSize, "header");
  if (textSize > kLongestHeader)
    return unsupported(fmt::format("the header has {} bytes; norma reads headers of up to {}",
                                   textSize, kLongestHeader));

  std::string text(size_t(textSize), '\0');
  if (Expected<void> got = readAll(descriptor, path, textOffset, text.data(), text.size()); !got)
    return got.takeError();
  Expected<NpyHeader> header = DictParser(text).parse();
  if (!header)
    return header;
  header->dataOffset = textOffset + textSize;

  Expected<int64_t> count = numElements(header->shape);
  const Checked needed =
      Checked(count ? *count : 0) * int64_t(sizeOf(header->dtype)) + int64_t(header->dataOffset);
  if (!count || !needed.fits())
    return dataLoss(fmt::format("damaged header: the size of shape {} with elements of {} bytes "
                                "overflows 63 bits",
                                toString(header->shape), sizeOf(header->dtype)));
  const auto end = uint64_t(*needed);
  if (fileSize < end)
    return dataLoss(fmt::format("truncated: the header (shape {}, dtype {}) needs a file of {} "
                                "bytes, this one has {}",
                                toString(header->shape), toString(header->dtype), end, fileSize));
  if (fileSize > end)
    return dataLoss(fmt::format("{} trailing bytes: the header (shape {}, dtype {}) needs a file "
                                "of {} bytes, this one has {}",
                                fileSize - end, toString(header->shape), toString(header->dtype),
                                end, fileSize));
  return header;
}

Expected<NpyHeader> readNpyHeader(int descriptor, const std::string &path, uint64_t fileSize) {
  Expected<NpyHeader> header = readHeader(descriptor, path, fileSize);
  if (!header)
    return header.takeError().within(fmt::format("'{}'", path));
  return header;
}

uint64_t NpyHeader::dataSize() const {
  uint64_t size = sizeOf(dtype);
  for (int64_t extent : shape)
    size *= uint64_t(extent);
  return size;
}

Tensor NpyHeader::view(void *data) const {
  Tensor tensor(data, dtype, shape);
  if (fortranOrder) {
    int64_t stride = 1;
    for (int axis = 0; axis < shape.size(); ++axis) {
      tensor.strides[axis] = stride;
      stride *= std::max<int64_t>(shape[axis], 1);
    }
  }
  return tensor;
}

std::string formatNpyHeader(DType dtype, std::span<const int64_t> shape, bool fortranOrder) {
  std::string text =
      fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}", toDescriptor(dtype),
                  fortranOrder ? "True" : "False", toString(shape));
  // Spaces and a newline bring the data to a multiple of 64 bytes.
  constexpr size_t kAlignment = 64;
  const auto padded = [&](size_t start) {
    return (start + text.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  };
  size_t start = kMagic.size() + 4;
  const bool isLong = padded(start) - start > 0xffff;
  start += isLong ? 2 : 0;
  const size_t textSize = padded(start) - start;
  std::string header(kMagic);
  header += isLong ? '\2' : '\1';
  header += '\0';
  for (int byte = 0; byte < (isLong ? 4 : 2); ++byte)
    header += char(textSize >> (8 * byte) & 0xff);
  text.resize(textSize - 1, ' ');
  return header + text + '\n';
}

} // namespace norma::io
