//===- NpyTest.cpp - NumPy's .npy files -----------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/IO/Npy.h"

#include "IOTestSupport.h"

#include <numeric>

namespace norma::io::test {
namespace {

using Names = std::vector<std::string>;

/// A file with any header text, `dataSize` zero bytes behind it.
std::string npyFile(std::string text, size_t dataSize, int version = 1) {
  text += '\n';
  std::string file = "\x93NUMPY";
  file += char(version);
  file += '\0';
  for (int byte = 0; byte < (version == 1 ? 2 : 4); ++byte)
    file += char(text.size() >> (8 * byte) & 0xff);
  return file + text + std::string(dataSize, '\0');
}

std::string headerText(const std::string &descr, const std::string &shape,
                       const std::string &fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
}

class NpyTest : public FolderTest {
protected:
  Expected<NpyReader> open(const std::string &bytes) {
    spill(in("f.npy"), bytes);
    return NpyReader::open(in("f.npy"));
  }
  Expected<NpyReader> openText(const std::string &text, size_t dataSize, int version = 1) {
    return open(npyFile(text, dataSize, version));
  }
  testing::AssertionResult refuses(const std::string &text, size_t dataSize, ErrorCode code,
                                   std::initializer_list<std::string_view> parts) {
    Expected<NpyReader> reader = openText(text, dataSize);
    if (!reader && reader.error().message().find(in("f.npy")) == std::string::npos)
      return testing::AssertionFailure() << reader.error().message() << " does not name the file";
    return failsWith(reader, code, parts);
  }
};

//===----------------------------------------------------------------------===//
// Headers
//===----------------------------------------------------------------------===//

TEST_F(NpyTest, FormatsTheHeaderAsNumPyDoes) {
  // numpy.save(f, numpy.empty((2, 3), numpy.float32)), without the padding.
  const std::string header = formatNpyHeader(DType::F32, Dims{2, 3});
  EXPECT_EQ(header.size(), 128u);
  EXPECT_EQ(header.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  EXPECT_EQ(header.substr(10, 59), "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
  EXPECT_EQ(header.substr(69), std::string(58, ' ') + "\n");

  EXPECT_NE(formatNpyHeader(DType::BF16, Dims{}).find("'<V2', 'fortran_order': False, 'shape': ()"),
            std::string::npos);
  EXPECT_NE(formatNpyHeader(DType::Bool, Dims{5}, true)
                .find("'|b1', 'fortran_order': True, 'shape': (5,)"),
            std::string::npos);
  const std::vector<int64_t> large(kMaxRank, 1);
  EXPECT_EQ(formatNpyHeader(DType::F64, large).size() % 64, 0u);
}

TEST_F(NpyTest, LongHeadersAreVersion2) {
  const std::vector<int64_t> shape(40000, 1);
  const std::string header = formatNpyHeader(DType::F64, shape);
  ASSERT_GT(header.size(), 65536u);
  EXPECT_EQ(header.size() % 64, 0u);
  EXPECT_EQ(header[6], 2);
  const auto byte = [&](int i) { return size_t(static_cast<unsigned char>(header[size_t(i)])); };
  EXPECT_EQ(byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24, header.size() - 12);
  EXPECT_EQ(header.back(), '\n');
}

TEST_F(NpyTest, ReadsEveryDType) {
  const std::pair<const char *, DType> cases[] = {
      {"<f4", DType::F32},  {"<f8", DType::F64}, {"<f2", DType::F16}, {"<V2", DType::BF16},
      {"|V2", DType::BF16}, {"|i1", DType::I8},  {"|u1", DType::U8},  {"<i2", DType::I16},
      {"<u2", DType::U16},  {"<i4", DType::I32}, {"<i8", DType::I64}, {"|b1", DType::Bool},
      {">i1", DType::I8},   {"<u1", DType::U8},  {"=f4", DType::F32}};
  for (auto [descr, dtype] : cases) {
    Expected<NpyReader> reader = openText(headerText(descr, "(3,)"), 3 * sizeOf(dtype));
    ASSERT_TRUE(succeeded(reader)) << descr;
    EXPECT_EQ(reader->header().dtype, dtype) << descr;
    EXPECT_EQ(reader->header().shape, Dims{3}) << descr;
    EXPECT_EQ(reader->header().dataSize(), 3 * sizeOf(dtype)) << descr;
  }
}

TEST_F(NpyTest, ReadsEveryVersion) {
  for (int version : {1, 2, 3}) {
    Expected<NpyReader> reader = openText(headerText("<i2", "(2, 3)"), 12, version);
    ASSERT_TRUE(succeeded(reader)) << version;
    EXPECT_EQ(reader->header().shape, (Dims{2, 3}));
    EXPECT_FALSE(reader->header().fortranOrder);
    const std::string text = headerText("<i2", "(2, 3)") + "\n";
    EXPECT_EQ(reader->header().dataOffset, text.size() + (version == 1 ? 10 : 12));
  }
  EXPECT_TRUE(failsWith(openText(headerText("<i2", "(2, 3)"), 12, 4), ErrorCode::Unsupported,
                        {"version 4.0", "1.0, 2.0 or 3.0"}));
}

TEST_F(NpyTest, ReadsEverySpelling) {
  const std::pair<const char *, Dims> cases[] = {
      {"{'descr':'<f4','fortran_order':False,'shape':(6,)}", {6}},
      {"{\"shape\": (2, 3), \"fortran_order\": False, \"descr\": \"<f4\"}", {2, 3}},
      {"  { 'fortran_order' :\tFalse ,\n'shape' : ( 2 , 3 , ) , 'descr' : '<f4' , }   ", {2, 3}},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }", {2, 3}},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (6L,)}", {6}}};
  for (const auto &[text, shape] : cases) {
    Expected<NpyReader> reader = openText(text, 24);
    ASSERT_TRUE(succeeded(reader)) << text;
    EXPECT_EQ(reader->header().shape, shape) << text;
  }
}

TEST_F(NpyTest, ReadsScalarsAndEmptyArrays) {
  Expected<NpyReader> scalar = openText(headerText("<f8", "()"), 8);
  ASSERT_TRUE(succeeded(scalar));
  EXPECT_EQ(scalar->header().shape, Dims{});
  EXPECT_EQ(scalar->header().dataSize(), 8u);

  Expected<NpyReader> empty = openText(headerText("<f8", "(0, 13)"), 0);
  ASSERT_TRUE(succeeded(empty));
  EXPECT_EQ(empty->header().dataSize(), 0u);
  Expected<Tensor> view = empty->map();
  ASSERT_TRUE(succeeded(view));
  EXPECT_EQ(view->size(), 0);
  EXPECT_EQ(view->shape, (Dims{0, 13}));
  EXPECT_TRUE(succeeded(empty->read(0, nullptr, 0)));
  EXPECT_TRUE(failsWith(empty->read(0, view->data, 1), ErrorCode::InvalidArgument, {"1 bytes"}));
}

TEST_F(NpyTest, RefusesDTypes) {
  const auto code = ErrorCode::Unsupported;
  EXPECT_TRUE(refuses(headerText("|O", "(3,)"), 24, code, {"'|O'", "object arrays", "pickle"}));
  EXPECT_TRUE(refuses(headerText(">f4", "(3,)"), 12, code, {"'>f4'", "big endian", "'<f4'"}));
  EXPECT_TRUE(refuses(headerText("<c8", "(3,)"), 24, code, {"'<c8'", "complex"}));
  EXPECT_TRUE(refuses(headerText("<U4", "(3,)"), 48, code, {"'<U4'", "strings"}));
  EXPECT_TRUE(refuses(headerText("|S4", "(3,)"), 12, code, {"'|S4'", "strings"}));
  EXPECT_TRUE(refuses(headerText("<M8[ns]", "(3,)"), 24, code, {"'<M8[ns]'", "dates"}));
  EXPECT_TRUE(refuses(headerText("<u4", "(3,)"), 12, code, {"'<u4'", "f32, f64", "i64 and bool"}));
  EXPECT_TRUE(refuses(headerText("<u8", "(3,)"), 24, code, {"'<u8'", "f32, f64"}));
  EXPECT_TRUE(refuses(headerText("<f16", "(3,)"), 48, code, {"'<f16'", "another width"}));
  EXPECT_TRUE(refuses(headerText("|V3", "(3,)"), 9, code, {"'|V3'", "raw bytes"}));
  EXPECT_TRUE(refuses(headerText("f4", "(3,)"), 12, code, {"'f4'", "no byte order"}));
  EXPECT_TRUE(refuses(headerText("", "(3,)"), 12, code, {"''"}));
  EXPECT_TRUE(refuses("{'descr': [('a', '<f4'), ('b', '<i8')], 'fortran_order': False, 'shape': "
                      "(3,), }",
                      36, code, {"structured"}));
}

TEST_F(NpyTest, RefusesShapes) {
  const auto damaged = ErrorCode::DataLoss;
  EXPECT_TRUE(refuses(headerText("<f4", "(-3,)"), 12, damaged, {"-3", "negative"}));
  EXPECT_TRUE(refuses(headerText("<f4", "(9223372036854775808,)"), 12, damaged,
                      {"9223372036854775808", "63 bits"}));
  EXPECT_TRUE(refuses(headerText("<f4", "(99999999999999999999999,)"), 12, damaged, {"63 bits"}));
  EXPECT_TRUE(refuses(headerText("<f4", "(4294967296, 4294967296)"), 12, damaged, {"overflows"}));
  EXPECT_TRUE(refuses(headerText("<f8", "(2305843009213693952,)"), 12, damaged, {"overflows"}));
  EXPECT_TRUE(refuses(headerText("|u1", "(9223372036854775807,)"), 12, damaged, {"overflows"}));
  std::string rank17 = "(", rank16 = "(";
  for (int i = 0; i < 17; ++i)
    rank17 += "1, ";
  for (int i = 0; i < 16; ++i)
    rank16 += "1, ";
  EXPECT_TRUE(
      refuses(headerText("<f4", rank17 + ")"), 4, ErrorCode::Unsupported, {"17 dimensions", "16"}));
  EXPECT_TRUE(succeeded(openText(headerText("<f4", rank16 + ")"), 4)));
}

TEST_F(NpyTest, RefusesDamagedHeaders) {
  const std::pair<const char *, const char *> cases[] = {
      {"", "expected '{'"},
      {"{}", "'descr' is missing"},
      {"{'descr': '<f4', 'fortran_order': False}", "'shape' is missing"},
      {"{'descr': '<f4', 'shape': (3,)}", "'fortran_order' is missing"},
      {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "there twice"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'x': 1}", "'x' is unknown"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)", "expected ',' or '}'"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} x", "after the closing"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,),,}", "expected a key"},
      {"{'descr': '<f4' 'fortran_order': False, 'shape': (3,)}", "expected ',' or '}'"},
      {"{'descr' '<f4', 'fortran_order': False, 'shape': (3,)}", "expected ':'"},
      {"{'descr': <f4, 'fortran_order': False, 'shape': (3,)}", "dtype in quotes"},
      {"{'descr': '<f\\x34', 'fortran_order': False, 'shape': (3,)}", "dtype in quotes"},
      {"{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}", "True or False"},
      {"{'descr': '<f4', 'fortran_order': Falsely, 'shape': (3,)}", "True or False"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': 3}", "a tuple"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': [3]}", "a tuple"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3)}", "of one extent"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (,)}", "an integer"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1 3)}", "expected ',' or ')'"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,,3)}", "an integer"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (03,)}", "an integer"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3.0,)}", "expected ',' or ')'"}};
  for (auto [text, part] : cases)
    EXPECT_TRUE(refuses(text, 12, ErrorCode::DataLoss, {"damaged header", part})) << text;
}

TEST_F(NpyTest, RefusesFilesOfAnotherSize) {
  const std::string text = headerText("<f4", "(3,)");
  const size_t expected = npyFile(text, 12).size();
  EXPECT_TRUE(refuses(text, 11, ErrorCode::DataLoss,
                      {"truncated", std::to_string(expected), std::to_string(expected - 1)}));
  EXPECT_TRUE(
      refuses(text, 13, ErrorCode::DataLoss,
              {"1 trailing bytes", std::to_string(expected), std::to_string(expected + 1)}));
  std::string lying = npyFile(text, 12);
  lying[8] = '\xff';
  lying[9] = '\xff';
  EXPECT_TRUE(failsWith(open(lying), ErrorCode::DataLoss, {"truncated", "65545", "header"}));
  EXPECT_TRUE(failsWith(open(npyFile(text + std::string(1 << 21, ' '), 12, 2)),
                        ErrorCode::Unsupported, {"1048576"}));
}

TEST_F(NpyTest, RefusesWhatIsNotAnNpyFile) {
  EXPECT_TRUE(failsWith(NpyReader::open(in("none.npy")), ErrorCode::NotFound,
                        {in("none.npy"), "No such file"}));
  EXPECT_TRUE(
      failsWith(NpyReader::open(folder), ErrorCode::InvalidArgument, {folder, "a directory"}));
  ASSERT_EQ(::mkfifo(in("fifo").c_str(), 0600), 0);
  EXPECT_TRUE(
      failsWith(NpyReader::open(in("fifo")), ErrorCode::InvalidArgument, {in("fifo"), "a FIFO"}));
  EXPECT_TRUE(failsWith(open(""), ErrorCode::DataLoss, {in("f.npy"), "empty"}));
  EXPECT_TRUE(failsWith(open("PK\3\4 an archive"), ErrorCode::InvalidArgument,
                        {in("f.npy"), "not an .npy file"}));
}

//===----------------------------------------------------------------------===//
// Damage
//===----------------------------------------------------------------------===//

TEST_F(NpyTest, EveryTruncationIsAnError) {
  for (int version : {1, 2}) {
    std::string whole = npyFile(headerText("<f4", "(2, 3)"), 24, version);
    ASSERT_TRUE(succeeded(open(whole)));
    for (size_t size = 0; size < whole.size(); ++size) {
      Expected<NpyReader> reader = open(whole.substr(0, size));
      ASSERT_FALSE(reader) << size;
      EXPECT_EQ(reader.error().code(), ErrorCode::DataLoss) << reader.error().message();
    }
  }
}

TEST_F(NpyTest, EveryFlippedByteIsAnErrorOrAWholeArray) {
  const std::string whole = npyFile(headerText("<f4", "(2, 3)"), 24);
  const size_t headerSize = whole.size() - 24;
  int errors = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    for (unsigned flip : {0x01u, 0x02u, 0x10u, 0x20u, 0x80u, 0xffu}) {
      std::string damaged = whole;
      damaged[i] = char(static_cast<unsigned char>(damaged[i]) ^ flip);
      Expected<NpyReader> reader = open(damaged);
      if (!reader) {
        EXPECT_LT(i, headerSize) << "data were judged";
        ++errors;
        continue;
      }
      // What is accepted is as large as the file, and all of it can be read.
      EXPECT_EQ(reader->header().dataOffset + reader->header().dataSize(), whole.size());
      Expected<Tensor> view = reader->map();
      ASSERT_TRUE(succeeded(view));
      EXPECT_EQ(size_t(view->size()) * sizeOf(view->dtype), 24u);
      std::string mapped(static_cast<const char *>(view->data), 24);
      EXPECT_EQ(mapped, damaged.substr(headerSize));
    }
  }
  EXPECT_GT(errors, int(headerSize) * 4);
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

TEST_F(NpyTest, MapsAndReads) {
  std::vector<float> data(6);
  std::iota(data.begin(), data.end(), 1.0f);
  ASSERT_TRUE(succeeded(writeNpy(in("a.npy"), Tensor(data.data(), DType::F32, {2, 3}))));
  const std::string bytes(reinterpret_cast<const char *>(data.data()), 24);
  EXPECT_EQ(slurp(in("a.npy")), formatNpyHeader(DType::F32, Dims{2, 3}) + bytes);

  Expected<NpyReader> opened = NpyReader::open(in("a.npy"));
  ASSERT_TRUE(succeeded(opened));
  NpyReader reader = std::move(*opened);
  EXPECT_EQ(reader.path(), in("a.npy"));
  Expected<Tensor> view = reader.map();
  ASSERT_TRUE(succeeded(view));
  EXPECT_EQ(view->shape, (Dims{2, 3}));
  EXPECT_EQ(view->strides, (Dims{3, 1}));
  EXPECT_EQ(std::memcmp(view->data, data.data(), 24), 0);
  Expected<Tensor> again = reader.map();
  ASSERT_TRUE(succeeded(again));
  EXPECT_EQ(again->data, view->data);

  float piece[2] = {};
  ASSERT_TRUE(succeeded(reader.read(8, piece, 8)));
  EXPECT_EQ(piece[0], 3.0f);
  EXPECT_EQ(piece[1], 4.0f);
  EXPECT_TRUE(succeeded(reader.read(24, piece, 0)));
  EXPECT_TRUE(failsWith(reader.read(20, piece, 8), ErrorCode::InvalidArgument,
                        {in("a.npy"), "offset 20", "24 bytes"}));
  EXPECT_TRUE(failsWith(reader.read(~uint64_t(0), piece, 8), ErrorCode::InvalidArgument, {}));

  // Cut short after it was opened.
  std::filesystem::resize_file(in("a.npy"), 128 + 10);
  EXPECT_TRUE(failsWith(reader.read(8, piece, 8), ErrorCode::DataLoss,
                        {in("a.npy"), "shorter", "byte 138"}));
}

TEST_F(NpyTest, FortranOrderIsAView) {
  std::string bytes = npyFile(headerText("|u1", "(2, 3, 4)", "True"), 0);
  for (char i = 0; i < 24; ++i)
    bytes += i;
  Expected<NpyReader> reader = open(bytes);
  ASSERT_TRUE(succeeded(reader));
  EXPECT_TRUE(reader->header().fortranOrder);
  Expected<Tensor> view = reader->map();
  ASSERT_TRUE(succeeded(view));
  EXPECT_EQ(view->strides, (Dims{1, 2, 6}));

  // Written again, it is in C order.
  ASSERT_TRUE(succeeded(writeNpy(in("c.npy"), *view)));
  const std::string written = slurp(in("c.npy"));
  const std::string header = formatNpyHeader(DType::U8, Dims{2, 3, 4});
  ASSERT_EQ(written.size(), header.size() + 24);
  EXPECT_EQ(written.substr(0, header.size()), header);
  for (size_t i = 0; i < 2; ++i)
    for (size_t j = 0; j < 3; ++j)
      for (size_t k = 0; k < 4; ++k)
        EXPECT_EQ(size_t(written[header.size() + (i * 3 + j) * 4 + k]), i + 2 * j + 6 * k);
}

TEST_F(NpyTest, FortranViewOfAnEmptyArray) {
  Expected<NpyReader> reader = openText(headerText("<f4", "(0, 3)", "True"), 0);
  ASSERT_TRUE(succeeded(reader));
  EXPECT_EQ(reader->header().view(nullptr).strides, (Dims{1, 1}));
}

TEST_F(NpyTest, WritesStridedTensorsLargerThanOnePiece) {
  // Rows of 6 MiB and of 24 bytes: both ways of cutting a tensor into pieces.
  for (auto [rows, columns] : {std::pair<int64_t, int64_t>(2, 3 << 19), {3 << 19, 6}}) {
    std::vector<int32_t> data(size_t(rows * columns));
    std::iota(data.begin(), data.end(), 0);
    // Transposed and reversed along axis 0.
    const Tensor tensor(data.data() + (columns - 1), DType::I32, {columns, rows}, {-1, columns});
    const Tensor back(data.data() + (columns - 1), DType::I32, {rows, columns}, {columns, -1});
    for (const Tensor &strided : {tensor, back}) {
      ASSERT_TRUE(succeeded(writeNpy(in("s.npy"), strided)));
      Expected<NpyReader> reader = NpyReader::open(in("s.npy"));
      ASSERT_TRUE(succeeded(reader));
      Expected<Tensor> view = reader->map();
      ASSERT_TRUE(succeeded(view));
      ASSERT_EQ(view->shape, strided.shape);
      Expected<Array> expected = Array::copyOf(strided);
      ASSERT_TRUE(succeeded(expected));
      EXPECT_EQ(std::memcmp(view->data, expected->as<int32_t>(), expected->sizeInBytes()), 0);
    }
  }
}

TEST_F(NpyTest, WritesScalarsAndEmptyArrays) {
  double value = 2.5;
  ASSERT_TRUE(succeeded(writeNpy(in("0.npy"), Tensor(&value, DType::F64, {}))));
  EXPECT_EQ(slurp(in("0.npy")).size(), 128u + 8u);
  ASSERT_TRUE(succeeded(writeNpy(in("e.npy"), Tensor(nullptr, DType::F64, {0, 4}))));
  EXPECT_EQ(slurp(in("e.npy")).size(), 128u);
  Expected<NpyReader> reader = NpyReader::open(in("e.npy"));
  ASSERT_TRUE(succeeded(reader));
  EXPECT_EQ(reader->header().shape, (Dims{0, 4}));
  EXPECT_TRUE(failsWith(writeNpy(in("n.npy"), Tensor(nullptr, DType::F64, {4})),
                        ErrorCode::InvalidArgument, {in("n.npy"), "null"}));
  EXPECT_FALSE(std::filesystem::exists(in("n.npy")));
}

TEST_F(NpyTest, WriterTakesPieces) {
  Expected<NpyWriter> writer = NpyWriter::create(in("w.npy"), DType::I16, {2, 3}, true);
  ASSERT_TRUE(succeeded(writer));
  const int16_t data[] = {1, 2, 3, 4, 5, 6};
  ASSERT_TRUE(succeeded(writer->append(data, 5)));
  EXPECT_TRUE(failsWith(writer->commit(), ErrorCode::InvalidArgument,
                        {in("w.npy"), "7 bytes of elements are missing"}));
  EXPECT_TRUE(failsWith(writer->append(data, 8), ErrorCode::InvalidArgument,
                        {in("w.npy"), "8 bytes", "at most the 7"}));
  ASSERT_TRUE(succeeded(writer->append(reinterpret_cast<const char *>(data) + 5, 7)));
  EXPECT_FALSE(std::filesystem::exists(in("w.npy")));
  ASSERT_TRUE(succeeded(writer->commit()));
  EXPECT_EQ(slurp(in("w.npy")), formatNpyHeader(DType::I16, Dims{2, 3}, true) +
                                    std::string(reinterpret_cast<const char *>(data), 12));
  EXPECT_TRUE(failsWith(NpyWriter::create(in("o.npy"), DType::F64, {int64_t(1) << 60}),
                        ErrorCode::InvalidArgument, {in("o.npy"), "overflows"}));
  EXPECT_EQ(entries(), Names{"w.npy"});
}

TEST_F(NpyTest, OldFileSurvivesAFullDisk) {
  spill(in("w.npy"), "old");
  std::vector<float> data(4096);
  {
    FileSizeLimit limit(8192);
    EXPECT_TRUE(failsWith(writeNpy(in("w.npy"), Tensor(data.data(), DType::F32, {4096})),
                          ErrorCode::ResourceExhausted, {in("w.npy")}));
  }
  EXPECT_EQ(entries(), Names{"w.npy"});
  EXPECT_EQ(slurp(in("w.npy")), "old");
}

TEST_F(NpyTest, EditorChangesInPlace) {
  std::vector<double> data = {1, 2, 3};
  ASSERT_TRUE(succeeded(writeNpy(in("e.npy"), Tensor(data.data(), DType::F64, {3}))));
  {
    Expected<NpyEditor> opened = NpyEditor::open(in("e.npy"));
    ASSERT_TRUE(succeeded(opened));
    NpyEditor editor = std::move(*opened);
    EXPECT_EQ(editor.header().shape, Dims{3});
    double value = 0;
    ASSERT_TRUE(succeeded(editor.read(8, &value, 8)));
    EXPECT_EQ(value, 2.0);
    value = -7;
    ASSERT_TRUE(succeeded(editor.write(8, &value, 8)));
    EXPECT_TRUE(failsWith(editor.write(17, &value, 8), ErrorCode::InvalidArgument,
                          {in("e.npy"), "offset 17", "24 bytes"}));
    EXPECT_TRUE(failsWith(editor.read(25, &value, 0), ErrorCode::InvalidArgument, {"offset 25"}));
    ASSERT_TRUE(succeeded(editor.sync()));
  }
  data[1] = -7;
  EXPECT_EQ(slurp(in("e.npy")), formatNpyHeader(DType::F64, Dims{3}) +
                                    std::string(reinterpret_cast<const char *>(data.data()), 24));
}

TEST_F(NpyTest, EditorTakesFloatsOnly) {
  int32_t value = 1;
  ASSERT_TRUE(succeeded(writeNpy(in("i.npy"), Tensor(&value, DType::I32, {1}))));
  EXPECT_TRUE(
      failsWith(NpyEditor::open(in("i.npy")), ErrorCode::Unsupported, {in("i.npy"), "i32", "f32"}));
  EXPECT_TRUE(failsWith(NpyEditor::open(in("none.npy")), ErrorCode::NotFound, {in("none.npy")}));
}

} // namespace
} // namespace norma::io::test
