//===- SafetensorsTest.cpp - The safetensors format -----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/IO/Safetensors.h"

#include "IOTestSupport.h"

namespace norma::io::test {
namespace {

using Names = std::vector<std::string>;
using Metadata = std::map<std::string, std::string>;

/// A file with any header text and data.
std::string tensorsFile(const std::string &text, const std::string &data) {
  std::string file;
  for (int byte = 0; byte < 8; ++byte)
    file += char(uint64_t(text.size()) >> (8 * byte) & 0xff);
  return file + text + data;
}

Expected<Safetensors> parse(const std::string &file) {
  return parseSafetensors(std::as_bytes(std::span(file)), "s.safetensors");
}

/// The header of one tensor 't', with `fields` in its object.
std::string one(const std::string &fields) { return "{\"t\":{" + fields + "}}"; }

testing::AssertionResult refuses(const std::string &text, size_t dataSize, ErrorCode code,
                                 std::initializer_list<std::string_view> parts) {
  Expected<Safetensors> result = parse(tensorsFile(text, std::string(dataSize, '\0')));
  if (!result && !result.error().message().starts_with("'s.safetensors': "))
    return testing::AssertionFailure() << result.error().message() << " does not name the file";
  return failsWith(result, code, parts);
}

class SafetensorsTest : public FolderTest {};

//===----------------------------------------------------------------------===//
// Writing and reading
//===----------------------------------------------------------------------===//

TEST_F(SafetensorsTest, WritesTheseBytes) {
  double mean[] = {1.5, -2};
  uint8_t flags[] = {1, 0, 1};
  ASSERT_TRUE(succeeded(writeSafetensors(
      in("s"), {{"axis", "-1"}, {"note", "a \"b\""}},
      {{"flags", Tensor(flags, DType::Bool, {3})}, {"mean", Tensor(mean, DType::F64, {2})}})));
  // Wide elements first: 'mean' would not be aligned behind three bytes.
  std::string text = "{\"__metadata__\":{\"axis\":\"-1\",\"note\":\"a \\\"b\\\"\"},"
                     "\"mean\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]},"
                     "\"flags\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[16,19]}}";
  text.resize((text.size() + 7) / 8 * 8, ' ');
  EXPECT_EQ(slurp(in("s")),
            tensorsFile(text, std::string(reinterpret_cast<const char *>(mean), 16) + '\1' + '\0' +
                                  '\1'));
  EXPECT_EQ(entries(), Names{"s"});
}

TEST_F(SafetensorsTest, ReadsWhatItWrites) {
  std::vector<double> storage(8);
  for (size_t i = 0; i < 8; ++i)
    storage[i] = double(i) + 0.25;
  std::map<std::string, Tensor> tensors;
  for (DType dtype : kAllDTypes)
    tensors.emplace(toString(dtype), Tensor(storage.data(), dtype, {2, 3}));
  tensors.emplace("scalar", Tensor(storage.data() + 7, DType::F64, {}));
  tensors.emplace("empty", Tensor(nullptr, DType::F32, {0, 5}));
  tensors.emplace("transposed", Tensor(storage.data(), DType::F64, {3, 2}, {1, 3}));
  tensors.emplace("na\xc3\xafve \"name\"\n", Tensor(storage.data(), DType::I8, {1}));
  const Metadata metadata = {{"", "empty key"}, {"k", "\xe2\x82\xac"}};
  ASSERT_TRUE(succeeded(writeSafetensors(in("s"), metadata, tensors)));

  Expected<Safetensors> fromFile = readSafetensors(in("s"));
  Expected<Safetensors> fromMemory = parse(slurp(in("s")));
  for (Expected<Safetensors> *read : {&fromFile, &fromMemory}) {
    ASSERT_TRUE(succeeded(*read));
    EXPECT_EQ((*read)->metadata, metadata);
    ASSERT_EQ((*read)->tensors.size(), tensors.size());
    for (const auto &[name, tensor] : tensors) {
      ASSERT_TRUE((*read)->tensors.contains(name)) << name;
      const Array &array = (*read)->tensors.at(name);
      EXPECT_EQ(array.view().dtype, tensor.dtype) << name;
      EXPECT_EQ(array.view().shape, tensor.shape) << name;
      Expected<Array> expected = Array::copyOf(tensor);
      ASSERT_TRUE(succeeded(expected));
      EXPECT_EQ(std::memcmp(array.view().data, expected->view().data, expected->sizeInBytes()), 0)
          << name;
    }
  }
}

TEST_F(SafetensorsTest, ReadsAnyOrderAndNoTensors) {
  const std::string text = "{\"b\":{\"data_offsets\":[4,6],\"shape\":[2],\"dtype\":\"U8\"},"
                           "\"a\":{\"shape\":[1,1],\"dtype\":\"I32\",\"data_offsets\":[0,4]},"
                           "\"e\":{\"shape\":[0],\"dtype\":\"F16\",\"data_offsets\":[4,4]}} \n";
  Expected<Safetensors> read = parse(tensorsFile(text, std::string("\x01\x02\0\0\x07\x08", 6)));
  ASSERT_TRUE(succeeded(read));
  EXPECT_EQ(read->tensors.at("a").as<int32_t>()[0], 0x201);
  EXPECT_EQ(read->tensors.at("b").as<uint8_t>()[1], 8);
  EXPECT_EQ(read->tensors.at("e").view().size(), 0);

  Expected<Safetensors> none = parse(tensorsFile("{}", ""));
  ASSERT_TRUE(succeeded(none));
  EXPECT_TRUE(none->tensors.empty() && none->metadata.empty());
  ASSERT_TRUE(succeeded(writeSafetensors(in("none"), {}, {})));
  EXPECT_EQ(slurp(in("none")), tensorsFile("{}      ", ""));
}

TEST_F(SafetensorsTest, RefusesToWrite) {
  double value = 1;
  const Tensor tensor(&value, DType::F64, {1});
  const auto code = ErrorCode::InvalidArgument;
  EXPECT_TRUE(failsWith(writeSafetensors(in("s"), {}, {{"__metadata__", tensor}}), code,
                        {in("s"), "'__metadata__'"}));
  EXPECT_TRUE(failsWith(writeSafetensors(in("s"), {}, {{"\xff", tensor}}), code,
                        {in("s"), "tensor name", "UTF-8"}));
  EXPECT_TRUE(failsWith(writeSafetensors(in("s"), {{"k", "a\xc3"}}, {}), code,
                        {in("s"), "metadata value", "UTF-8"}));
  EXPECT_TRUE(failsWith(writeSafetensors(in("s"), {}, {{"t", Tensor(nullptr, DType::F64, {1})}}),
                        code, {in("s"), "'t'", "null"}));
  EXPECT_EQ(entries(), Names{});
  EXPECT_TRUE(failsWith(writeSafetensors(in("none/s"), {}, {{"t", tensor}}), ErrorCode::NotFound,
                        {in("none/s")}));
}

TEST_F(SafetensorsTest, OldFileSurvivesAFullDisk) {
  spill(in("s"), "old");
  std::vector<double> data(4096);
  {
    FileSizeLimit limit(8192);
    EXPECT_TRUE(
        failsWith(writeSafetensors(in("s"), {}, {{"t", Tensor(data.data(), DType::F64, {4096})}}),
                  ErrorCode::ResourceExhausted, {in("s")}));
  }
  EXPECT_EQ(entries(), Names{"s"});
  EXPECT_EQ(slurp(in("s")), "old");
}

TEST_F(SafetensorsTest, RefusesFiles) {
  EXPECT_TRUE(failsWith(readSafetensors(in("none")), ErrorCode::NotFound, {in("none")}));
  EXPECT_TRUE(failsWith(readSafetensors(folder), ErrorCode::InvalidArgument, {"a directory"}));
  spill(in("s"), tensorsFile("{}", ""));
  EXPECT_TRUE(succeeded(readSafetensors(in("s"), 10)));
  EXPECT_TRUE(failsWith(readSafetensors(in("s"), 9), ErrorCode::ResourceExhausted,
                        {in("s"), "10 bytes", "at most 9"}));
  spill(in("s"), "{}");
  EXPECT_TRUE(failsWith(readSafetensors(in("s")), ErrorCode::DataLoss, {in("s"), "2 bytes"}));
}

//===----------------------------------------------------------------------===//
// Damage
//===----------------------------------------------------------------------===//

TEST_F(SafetensorsTest, RefusesLengths) {
  const auto code = ErrorCode::DataLoss;
  EXPECT_TRUE(failsWith(parse(""), code, {"0 bytes"}));
  EXPECT_TRUE(failsWith(parse(std::string(8, '\xff')), code, {"18446744073709551615"}));
  EXPECT_TRUE(failsWith(parse(std::string("\x01\xe1\xf5\x05\0\0\0\0{}", 10)), code, {"100000001"}));
  EXPECT_TRUE(failsWith(parse(std::string("\x03\0\0\0\0\0\0\0{}", 10)), code,
                        {"truncated", "at least 11", "has 10"}));
  EXPECT_TRUE(failsWith(parse(std::string(8, '\0')), code, {"does not begin with '{'"}));
}

TEST_F(SafetensorsTest, RefusesJson) {
  const auto code = ErrorCode::DataLoss;
  const std::pair<std::string, const char *> cases[] = {
      {"", "does not begin with '{'"},
      {" {}", "does not begin with '{'"},
      {"[]", "does not begin with '{'"},
      {"\xef\xbb\xbf{}", "does not begin with '{'"},
      {"{", "not valid JSON"},
      {"{}x", "not valid JSON"},
      {std::string("{}\0", 3), "not valid JSON"},
      {"{\"\xff\":{}}", "not valid JSON"},
      {"{\"t\":1}", "'t' is a number; expected an object"},
      {"{\"t\":null}", "'t' is null"},
      {"{\"t\":[]}", "'t' is an array"},
      {"{\"t\":\"x\"}", "'t' is a string"},
      {"{\"__metadata__\":{\"k\":1}}", "'k' in __metadata__ is a number; expected a string"},
      {"{\"__metadata__\":{\"k\":{}}}", "'k' in __metadata__ is an object"},
      {"{\"__metadata__\":{\"k\":[]}}", "'k' in __metadata__ is an array"},
      {"{\"__metadata__\":null}", "'__metadata__' is null"},
      {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", "'k' is twice"},
      {"{\"__metadata__\":{},\"__metadata__\":{}}", "'__metadata__' is there twice"},
      {"{\"t\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"
       "\"t\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}",
       "'t' is there twice"},
      {one(""), "'dtype' is missing"},
      {one("\"dtype\":\"U8\",\"shape\":[0]"), "'data_offsets' is missing"},
      {one("\"dtype\":\"U8\",\"data_offsets\":[0,0]"), "'shape' is missing"},
      {one("\"dtype\":\"U8\",\"dtype\":\"U8\""), "'dtype' is there twice"},
      {one("\"x\":1"), "unknown field 'x'"},
      {one("\"dtype\":8"), "'dtype' is a number; expected a string"},
      {one("\"dtype\":[]"), "'dtype' is an array; expected a string"},
      {one("\"shape\":\"\""), "'shape' is a string; expected an array of extents"},
      {one("\"shape\":{}"), "'shape' is an object"},
      {one("\"shape\":[-1]"), "a negative number in shape"},
      {one("\"shape\":[1.5]"), "not an integer"},
      {one("\"shape\":[true]"), "a boolean in shape"},
      {one("\"shape\":[[1]]"), "an array in shape"},
      {one("\"shape\":[9223372036854775808]"), "63 bits"},
      {one("\"shape\":[18446744073709551616]"), "not an integer below 2^64"},
      {one("\"data_offsets\":[0]"), "has 1 numbers; expected 2"},
      {one("\"data_offsets\":[0,1,2]"), "a third number"},
      {one("\"data_offsets\":[0,null]"), "null in data_offsets"}};
  for (const auto &[text, part] : cases)
    EXPECT_TRUE(refuses(text, 0, code, {part})) << text;
  const std::string deep = "{\"t\":" + std::string(100000, '[');
  EXPECT_TRUE(refuses(deep, 0, code, {"'t' is an array"}));
}

TEST_F(SafetensorsTest, RefusesTypesAndShapes) {
  for (const char *dtype : {"U32", "U64", "F8_E4M3", "C64", "f32", ""})
    EXPECT_TRUE(refuses(
        one("\"dtype\":\"" + std::string(dtype) + "\",\"shape\":[0],\"data_offsets\":[0,0]"), 0,
        ErrorCode::Unsupported, {"'t'", "dtype '" + std::string(dtype) + "'", "BF16"}));
  const std::string rank17 = "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]";
  EXPECT_TRUE(refuses(one("\"dtype\":\"U8\",\"shape\":" + rank17 + ",\"data_offsets\":[0,1]"), 1,
                      ErrorCode::Unsupported, {"'t'", "16 dimensions"}));
  EXPECT_TRUE(refuses(one("\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],"
                          "\"data_offsets\":[0,0]"),
                      0, ErrorCode::DataLoss, {"'t'", "overflows"}));
  EXPECT_TRUE(refuses(one("\"dtype\":\"F64\",\"shape\":[4611686018427387904],"
                          "\"data_offsets\":[0,0]"),
                      0, ErrorCode::DataLoss, {"'t'", "overflows"}));
}

TEST_F(SafetensorsTest, RefusesOffsets) {
  const auto code = ErrorCode::DataLoss;
  const auto offsets = [](const std::string &range) {
    return one("\"dtype\":\"I16\",\"shape\":[2],\"data_offsets\":" + range);
  };
  EXPECT_TRUE(refuses(offsets("[0,3]"), 3, code, {"'t'", "[0, 3]", "expected 4 bytes"}));
  EXPECT_TRUE(refuses(offsets("[4,0]"), 4, code, {"[4, 0]", "expected 4 bytes"}));
  EXPECT_TRUE(refuses(offsets("[18446744073709551614,2]"), 4, code, {"expected 4 bytes"}));
  EXPECT_TRUE(refuses(offsets("[1,5]"), 5, code, {"'t'", "begin at 1", "a gap", "expected 0"}));
  EXPECT_TRUE(refuses(offsets("[0,4]"), 3, code, {"truncated", "need 4", "has 3"}));
  EXPECT_TRUE(refuses(offsets("[0,4]"), 6, code, {"2 trailing bytes", "need 4", "has 6"}));

  const auto two = [](const std::string &a, const std::string &b) {
    return "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":" + a +
           "},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":" + b + "}}";
  };
  EXPECT_TRUE(refuses(two("[0,2]", "[1,3]"), 3, code, {"'b'", "an overlap", "expected 2"}));
  EXPECT_TRUE(refuses(two("[0,2]", "[0,2]"), 2, code, {"an overlap"}));
  EXPECT_TRUE(refuses(two("[3,5]", "[0,2]"), 5, code, {"'a'", "a gap", "expected 2"}));
}

/// A small file with all that a file can have.
std::string sample() {
  return tensorsFile("{\"__metadata__\":{\"v\":\"1\"},"
                     "\"m\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
                     "\"n\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[8,11]}}",
                     "01234567abc");
}

TEST_F(SafetensorsTest, EveryTruncationIsAnError) {
  const std::string whole = sample();
  ASSERT_TRUE(succeeded(parse(whole)));
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_TRUE(failsWith(parse(whole.substr(0, size)), ErrorCode::DataLoss, {"s.safetensors"}))
        << size;
}

TEST_F(SafetensorsTest, EveryFlippedByteIsAnErrorOrWholeTensors) {
  const std::string whole = sample();
  const size_t headerSize = whole.size() - 11;
  int errors = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    for (unsigned flip = 1; flip < 256; ++flip) {
      std::string damaged = whole;
      damaged[i] = char(static_cast<unsigned char>(damaged[i]) ^ flip);
      Expected<Safetensors> read = parse(damaged);
      if (!read) {
        EXPECT_LT(i, headerSize) << "data were judged";
        ++errors;
        continue;
      }
      // Whatever the names became, the tensors hold all of the data.
      size_t bytes = 0;
      for (const auto &[name, array] : read->tensors) {
        bytes += array.sizeInBytes();
        EXPECT_NE(damaged.find(std::string(array.as<char>(), array.sizeInBytes()), headerSize),
                  std::string::npos);
      }
      EXPECT_EQ(bytes, 11u);
    }
  }
  EXPECT_GT(errors, int(headerSize) * 200);
}

} // namespace
} // namespace norma::io::test
