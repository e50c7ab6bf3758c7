//===- SafetensorsHeader.cpp - The header of safetensors files ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SafetensorsHeader.h"

#include "norma/Support/Checked.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <optional>
#include <set>

namespace norma::io {

using nlohmann::json;

static constexpr const char *kMetadataKey = "__metadata__";

static Error dataLoss(const std::string &message) { return Error(ErrorCode::DataLoss, message); }

static const char *toSafetensorsName(DType dtype) {
  switch (dtype) {
  case DType::F32:
    return "F32";
  case DType::F64:
    return "F64";
  case DType::F16:
    return "F16";
  case DType::BF16:
    return "BF16";
  case DType::I8:
    return "I8";
  case DType::U8:
    return "U8";
  case DType::I16:
    return "I16";
  case DType::U16:
    return "U16";
  case DType::I32:
    return "I32";
  case DType::I64:
    return "I64";
  case DType::Bool:
    return "BOOL";
  }
  return "";
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

namespace {
/// Takes the events of the JSON parser and accepts only what a header may hold, so
/// that no document tree is built of a hostile file and repeated keys are seen.
class HeaderHandler final : public json::json_sax_t {
public:
  SafetensorsHeader header;
  std::optional<Error> error;

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool number_integer(json::number_integer_t) override { return unexpected("a negative number"); }
  bool number_float(json::number_float_t, const std::string &) override {
    return unexpected("a number that is not an integer below 2^64");
  }
  bool binary(json::binary_t &) override { return unexpected("binary data"); }

  bool number_unsigned(json::number_unsigned_t value) override {
    if (state == State::Shape) {
      if (value > uint64_t(std::numeric_limits<int64_t>::max()))
        return fail(
            fmt::format("tensor '{}': the extent {} does not fit 63 bits", entry.name, value));
      if (!Dims::fits(size_t(entry.shape.size()) + 1))
        return fail(
            fmt::format(
                "tensor '{}': the shape has more than {} dimensions, the most that norma handles",
                entry.name, kMaxRank),
            ErrorCode::Unsupported);
      entry.shape.push_back(int64_t(value));
      return true;
    }
    if (state == State::Offsets && offsetCount < 2) {
      (offsetCount++ == 0 ? entry.begin : entry.end) = value;
      return true;
    }
    return unexpected(state == State::Offsets ? "a third number" : "a number");
  }

  bool string(json::string_t &value) override {
    if (state == State::Metadata && hasKey) {
      hasKey = false;
      header.metadata[lastKey] = value;
      return true;
    }
    if (state == State::Tensor && hasKey && lastKey == "dtype") {
      hasKey = false;
      for (DType dtype : kAllDTypes) {
        if (value == toSafetensorsName(dtype)) {
          entry.dtype = dtype;
          return true;
        }
      }
      return fail(fmt::format("tensor '{}': dtype '{}' is not supported; expected F64, F32, F16, "
                              "BF16, I64, I32, I16, U16, I8, U8 or BOOL",
                              entry.name, value),
                  ErrorCode::Unsupported);
    }
    return unexpected("a string");
  }

  bool start_object(size_t) override {
    if (state == State::Start) {
      state = State::Top;
      return true;
    }
    if (state == State::Top) {
      hasKey = false;
      if (lastKey == kMetadataKey) {
        state = State::Metadata;
        return true;
      }
      state = State::Tensor;
      entry = SafetensorsEntry();
      entry.name = lastKey;
      fields.clear();
      return true;
    }
    return unexpected("an object");
  }

  bool key(json::string_t &value) override {
    lastKey = value;
    hasKey = true;
    switch (state) {
    case State::Top:
      if (!names.insert(value).second)
        return fail(fmt::format("the name '{}' is there twice", value));
      return true;
    case State::Metadata:
      if (header.metadata.contains(value))
        return fail(fmt::format("the key '{}' is twice in {}", value, kMetadataKey));
      return true;
    default:
      if (value != "dtype" && value != "shape" && value != "data_offsets")
        return fail(fmt::format("tensor '{}': unknown field '{}'; expected dtype, shape and "
                                "data_offsets",
                                entry.name, value));
      if (!fields.insert(value).second)
        return fail(fmt::format("tensor '{}': the field '{}' is there twice", entry.name, value));
      return true;
    }
  }

  bool end_object() override {
    if (state == State::Tensor) {
      for (const char *field : {"dtype", "shape", "data_offsets"})
        if (!fields.contains(field))
          return fail(fmt::format("tensor '{}': the field '{}' is missing", entry.name, field));
      header.entries.push_back(std::move(entry));
    }
    state = state == State::Top ? State::Done : State::Top;
    return true;
  }

  bool start_array(size_t) override {
    if (state == State::Tensor && hasKey && lastKey != "dtype") {
      hasKey = false;
      state = lastKey == "shape" ? State::Shape : State::Offsets;
      offsetCount = 0;
      return true;
    }
    return unexpected("an array");
  }

  bool end_array() override {
    if (state == State::Offsets && offsetCount != 2)
      return fail(fmt::format("tensor '{}': data_offsets has {} numbers; expected 2", entry.name,
                              offsetCount));
    state = State::Tensor;
    return true;
  }

  bool parse_error(size_t position, const std::string &, const json::exception &) override {
    return fail(fmt::format("the header is not valid JSON at byte {}", position));
  }

private:
  enum class State { Start, Top, Metadata, Tensor, Shape, Offsets, Done };

  bool fail(std::string message, ErrorCode code = ErrorCode::DataLoss) {
    error.emplace(code, std::move(message));
    return false;
  }

  bool unexpected(const char *what) {
    switch (state) {
    case State::Start:
    case State::Done:
      return fail(fmt::format("the header is {}; expected a JSON object", what));
    case State::Top:
      return fail(fmt::format("the entry '{}' is {}; expected an object", lastKey, what));
    case State::Metadata:
      return fail(fmt::format("'{}' in {} is {}; expected a string", lastKey, kMetadataKey, what));
    case State::Tensor:
      return fail(fmt::format("tensor '{}': the field '{}' is {}; expected {}", entry.name, lastKey,
                              what,
                              lastKey == "dtype"   ? "a string"
                              : lastKey == "shape" ? "an array of extents"
                                                   : "an array of two numbers"));
    case State::Shape:
      return fail(fmt::format("tensor '{}': {} in shape; expected extents", entry.name, what));
    case State::Offsets:
      return fail(
          fmt::format("tensor '{}': {} in data_offsets; expected two numbers", entry.name, what));
    }
    return false;
  }

  State state = State::Start;
  std::string lastKey;
  bool hasKey = false;
  std::set<std::string> names;
  std::set<std::string> fields;
  SafetensorsEntry entry;
  int offsetCount = 0;
};
} // namespace

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

Expected<uint64_t> parseSafetensorsHeaderSize(const unsigned char *start, uint64_t fileSize) {
  constexpr uint64_t kLengthSize = 8;
  if (fileSize < kLengthSize)
    return dataLoss(fmt::format("not a safetensors file, or truncated: {} bytes; expected at least "
                                "the 8 of the header length",
                                fileSize));
  uint64_t size = 0;
  for (int byte = 7; byte >= 0; --byte)
    size = size << 8 | start[byte];
  if (size > kLongestSafetensorsHeader)
    return dataLoss(fmt::format("not a safetensors file, or damaged: a header of {} bytes; the "
                                "format allows {}",
                                size, kLongestSafetensorsHeader));
  if (size > fileSize - kLengthSize)
    return dataLoss(fmt::format("truncated: expected at least {} bytes for the header, the file "
                                "has {}",
                                size + kLengthSize, fileSize));
  return size;
}

/// That the offsets of one entry are what its shape and type need.
static Expected<void> checkEntry(const SafetensorsEntry &entry) {
  Expected<int64_t> count = numElements(entry.shape);
  const Checked bytes = Checked(count ? *count : 0) * int64_t(sizeOf(entry.dtype));
  if (!count || !bytes.fits())
    return dataLoss(fmt::format("tensor '{}': the size of shape {} overflows 63 bits", entry.name,
                                toString(entry.shape)));
  const auto size = uint64_t(*bytes);
  if (entry.end < entry.begin || entry.end - entry.begin != size)
    return dataLoss(fmt::format("tensor '{}': data_offsets [{}, {}]; expected {} bytes between "
                                "them for shape {} and dtype {}",
                                entry.name, entry.begin, entry.end, size, toString(entry.shape),
                                toSafetensorsName(entry.dtype)));
  return {};
}

Expected<SafetensorsHeader> parseSafetensorsHeader(std::string_view text, uint64_t dataSize) {
  if (!text.starts_with('{'))
    return dataLoss("the header does not begin with '{'; expected a JSON object");
  // The JSON parser takes a zero byte for the end of the text.
  if (const size_t zero = text.find('\0'); zero != std::string_view::npos)
    return dataLoss(fmt::format("the header is not valid JSON at byte {}", zero + 1));
  HeaderHandler handler;
  if (!json::sax_parse(text.begin(), text.end(), &handler)) {
    if (handler.error)
      return std::move(*handler.error);
    return dataLoss("the header is not valid JSON");
  }

  SafetensorsHeader header = std::move(handler.header);
  for (const SafetensorsEntry &entry : header.entries)
    if (Expected<void> valid = checkEntry(entry); !valid)
      return valid.takeError();
  std::sort(header.entries.begin(), header.entries.end(),
            [](const SafetensorsEntry &a, const SafetensorsEntry &b) {
              return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
            });
  uint64_t covered = 0;
  for (const SafetensorsEntry &entry : header.entries) {
    if (entry.begin != covered)
      return dataLoss(fmt::format("tensor '{}': its data begin at {}, which is {}; expected {}, "
                                  "where those of the tensor before it end",
                                  entry.name, entry.begin,
                                  entry.begin < covered ? "an overlap" : "a gap", covered));
    covered = entry.end;
  }
  if (covered > dataSize)
    return dataLoss(fmt::format("truncated: the tensors need {} bytes of data, the file has {}",
                                covered, dataSize));
  if (covered < dataSize)
    return dataLoss(fmt::format("{} trailing bytes: the tensors need {} bytes of data, the file "
                                "has {}",
                                dataSize - covered, covered, dataSize));
  return header;
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

/// `text` as a JSON string; JSON cannot hold what is not UTF-8.
static Expected<std::string> quote(const std::string &text, const char *what) {
  using Handler = json::error_handler_t;
  const json value(text);
  std::string quoted = value.dump(-1, ' ', false, Handler::ignore);
  if (quoted != value.dump(-1, ' ', false, Handler::replace))
    return invalidArgument(fmt::format("the {} {} is not valid UTF-8", what, quoted));
  return quoted;
}

Expected<std::string> formatSafetensorsHeader(const SafetensorsHeader &header) {
  std::string body;
  for (const auto &[key, value] : header.metadata) {
    Expected<std::string> quotedKey = quote(key, "metadata key");
    if (!quotedKey)
      return quotedKey;
    Expected<std::string> quotedValue = quote(value, "metadata value");
    if (!quotedValue)
      return quotedValue;
    body += fmt::format("{}{}:{}", body.empty() ? "" : ",", *quotedKey, *quotedValue);
  }
  std::string text = "{";
  if (!body.empty())
    text += fmt::format("\"{}\":{{{}}}", kMetadataKey, body);
  for (const SafetensorsEntry &entry : header.entries) {
    if (entry.name == kMetadataKey)
      return invalidArgument(fmt::format("a tensor cannot have the name '{}'", kMetadataKey));
    Expected<std::string> name = quote(entry.name, "tensor name");
    if (!name)
      return name;
    text +=
        fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                    text.size() == 1 ? "" : ",", *name, toSafetensorsName(entry.dtype),
                    fmt::join(entry.shape.begin(), entry.shape.end(), ","), entry.begin, entry.end);
  }
  text += '}';
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > kLongestSafetensorsHeader)
    return invalidArgument(fmt::format("names and metadata make a header of {} bytes; the format "
                                       "allows {}",
                                       text.size(), kLongestSafetensorsHeader));
  std::string result;
  for (int byte = 0; byte < 8; ++byte)
    result += char(uint64_t(text.size()) >> (8 * byte) & 0xff);
  return result + text;
}

} // namespace norma::io
