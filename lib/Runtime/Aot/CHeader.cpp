//===- CHeader.cpp - Declarations of C functions --------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CHeader.h"

#include "../Cpu/Digest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace norma {

static const char *cType(DType dtype) {
  switch (dtype) {
  case DType::F32:
    return "float";
  case DType::F64:
    return "double";
  case DType::F16:
  case DType::BF16:
  case DType::U16:
    return "uint16_t";
  case DType::I8:
    return "int8_t";
  case DType::U8:
  case DType::Bool:
    return "uint8_t";
  case DType::I16:
    return "int16_t";
  case DType::I32:
    return "int32_t";
  case DType::I64:
    return "int64_t";
  }
  return "";
}

/// The type of what an allocated buffer comes back in.
static std::string structureName(const CFunction &function, const CBuffer &buffer) {
  return fmt::format("{}_{}", function.symbol, buffer.name);
}

/// "[n][13]"; nothing for a single element.
static std::string shapeText(const std::vector<CSize> &sizes) {
  std::string text;
  for (const CSize &size : sizes)
    text += fmt::format("[{}]", size.text());
  return text;
}

//===----------------------------------------------------------------------===//
// Comments
//===----------------------------------------------------------------------===//

static std::string describe(const CBuffer &buffer) {
  std::string text = toString(buffer.dtype);
  if (buffer.role == CBuffer::Role::Allocated)
    return text + ", allocated by the function";
  if (buffer.extents.empty())
    text += ", one element";
  else
    text += " " + shapeText(buffer.extents);
  if (!buffer.strides.empty())
    text += ", strides in elements " + shapeText(buffer.strides);
  if (buffer.aligned)
    text += ", on a multiple of 64 bytes";
  return text + (buffer.role == CBuffer::Role::Output ? ", written" : "");
}

static std::string comment(const CFunction &function) {
  std::string text = "/*";
  for (const std::string &line : function.description)
    text += fmt::format(" {}\n *", line);
  size_t width = 0;
  for (const std::string &extent : function.extents)
    width = std::max(width, extent.size());
  for (const CBuffer &buffer : function.buffers)
    width = std::max(width, buffer.name.size());
  if (!function.extents.empty())
    text += fmt::format("\n *   {:<{}}  extent{}, at least 0",
                        fmt::format("{}", fmt::join(function.extents, ", ")), width,
                        function.extents.size() > 1 ? "s" : "");
  for (const CBuffer &buffer : function.buffers)
    text += fmt::format("\n *   {:<{}}  {}", buffer.name, width, describe(buffer));
  return text + "\n */\n";
}

//===----------------------------------------------------------------------===//
// Declarations
//===----------------------------------------------------------------------===//

static std::string structures(const CFunction &function) {
  std::string text;
  for (const CBuffer &buffer : function.buffers) {
    if (buffer.role != CBuffer::Role::Allocated)
      continue;
    const std::string name = structureName(function, buffer);
    text += fmt::format("/* What {} returns: row-major data of these extents, inside memory that "
                        "the\n * caller gives back with free(memory). */\n"
                        "typedef struct {} {{\n  void *memory;\n  {} *data;\n",
                        function.symbol, name, cType(buffer.dtype));
    if (!buffer.extents.empty())
      text += fmt::format("  int64_t shape[{}];\n", buffer.extents.size());
    text += fmt::format("}} {};\n\n", name);
  }
  return text;
}

static std::vector<std::string> parameters(const CFunction &function) {
  std::vector<std::string> result;
  result.reserve(function.extents.size() + function.buffers.size());
  for (const std::string &extent : function.extents)
    result.push_back("int64_t " + extent);
  for (const CBuffer &buffer : function.buffers) {
    const bool isAllocated = buffer.role == CBuffer::Role::Allocated;
    result.push_back(
        fmt::format("{}{} *{}{}", buffer.role == CBuffer::Role::Input ? "const " : "",
                    isAllocated ? structureName(function, buffer) : cType(buffer.dtype),
                    buffer.restricted ? "NORMA_RESTRICT " : "", buffer.name));
    for (const CSize &stride : buffer.strides)
      if (stride.isArgument())
        result.push_back("int64_t " + stride.argument);
  }
  return result;
}

/// "void f(int64_t n,\n       const float *x);", at most 100 columns.
static std::string declaration(const CFunction &function) {
  std::string text = fmt::format("void {}(", function.symbol);
  const std::string indent(text.size(), ' ');
  size_t column = text.size();
  const std::vector<std::string> all = parameters(function);
  for (size_t i = 0; i < all.size(); ++i) {
    if (i > 0) {
      const bool wraps = column + 2 + all[i].size() > 98;
      text += wraps ? ",\n" + indent : ", ";
      column = wraps ? indent.size() : column + 2;
    }
    text += all[i];
    column += all[i].size();
  }
  return text + (all.empty() ? "void);\n" : ");\n");
}

static constexpr std::string_view kConventions = R"(/*
 * Functions run on the thread that calls them, and may be called from several at once. They
 * need nothing but the C library and its mathematics, keep no state, and check no argument:
 * extents are not negative, and a buffer without elements is not looked at. Where memory cannot
 * be allocated (which most functions never ask for), the process ends.
 *
 * Buffers are row-major and dense unless strides say otherwise, and need the alignment of their
 * elements. f16 and bf16 are the 16 bits of a number, bool is 0 or 1. NORMA_RESTRICT marks what
 * must not share memory with another buffer of the call.
 */
)";

std::string writeCHeader(std::span<const CFunction> functions, std::string_view origin) {
  std::string declarations;
  for (const CFunction &function : functions)
    declarations += "\n" + structures(function) + comment(function) + declaration(function);

  // Headers of other functions may begin with the same one.
  std::string guard = fmt::format("{}_{}_H", functions.empty() ? "NORMA" : functions.front().symbol,
                                  hexDigestOf(declarations).substr(0, 8));
  for (char &letter : guard)
    letter = letter >= 'a' && letter <= 'z' ? char(letter - 'a' + 'A') : letter;

  return fmt::format(
      "/* Written by {}. Do not edit. */\n\n"
      "#ifndef {}\n#define {}\n\n#include <stdint.h>\n\n"
      "#ifndef NORMA_RESTRICT\n#ifdef __cplusplus\n#define NORMA_RESTRICT __restrict\n"
      "#else\n#define NORMA_RESTRICT restrict\n#endif\n#endif\n\n{}\n"
      "#ifdef __cplusplus\nextern \"C\" {{\n#endif\n{}\n"
      "#ifdef __cplusplus\n}}\n#endif\n\n#endif /* {} */\n",
      origin, guard, guard, kConventions, declarations, guard);
}

} // namespace norma
