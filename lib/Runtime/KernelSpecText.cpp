//===- KernelSpecText.cpp - Kernel specs from their text ------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// "affine;RK[?x13];f32;coefficients=csb". What is accepted here can be compiled:
// nothing after this checks a spec again.
//
//===----------------------------------------------------------------------===//

#include "KernelSpec.h"

#include <array>
#include <charconv>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace norma {

namespace {

constexpr KernelFamily kFamilies[] = {KernelFamily::Moments, KernelFamily::Affine,
                                      KernelFamily::GradSums, KernelFamily::GradMap};
constexpr Layout kLayouts[] = {Layout::Contiguous, Layout::DenseRows, Layout::UnitInner,
                               Layout::Strided};

/// No machine addresses as many elements, and sizes computed from them fit 63 bits.
constexpr int64_t kMaxElements = int64_t(1) << 48;

/// An error of the field `name`, whose text is `value`.
Error wrong(std::string_view name, std::string_view value, std::string_view expected) {
  return invalidArgument(fmt::format("kernel spec: {}: '{}', expected {}", name, value, expected));
}

/// The `Value` among `all` that is printed as `text`.
template <typename Value, size_t count>
Expected<Value> parseWord(std::string_view name, std::string_view text, const Value (&all)[count]) {
  std::vector<std::string_view> words;
  for (Value value : all) {
    words.emplace_back(toString(value));
    if (words.back() == text)
      return value;
  }
  return wrong(name, text, fmt::format("{}{}", count > 1 ? "one of " : "", fmt::join(words, ", ")));
}

/// Digits without a leading zero; nothing where they are no positive number of 63 bits.
std::optional<int64_t> parsePositive(std::string_view text) {
  int64_t value = 0;
  const char *end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (text.starts_with('0') || error != std::errc() || stopped != end || value < 1)
    return std::nullopt;
  return value;
}

/// Takes what precedes the next `separator`, and that, off the front of `text`.
std::string_view takeUntil(std::string_view &text, char separator) {
  const size_t at = std::min(text.find(separator), text.size());
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return taken;
}

//===----------------------------------------------------------------------===//
// Axis form
//===----------------------------------------------------------------------===//

/// "RK[?x13]".
Expected<void> parseAxisForm(KernelSpec &spec, std::string_view text) {
  constexpr std::string_view name = "axis form";
  const size_t bracket = text.find('[');
  if (bracket == std::string_view::npos || !text.ends_with(']'))
    return wrong(name, text, "kinds and extents such as RK[?x13]");
  const std::string_view kinds = text.substr(0, bracket);
  if (kinds.empty() || kinds.find_first_not_of("RK") != std::string_view::npos)
    return wrong(name, text, "a letter R (reduced) or K (kept) for every axis before the '['");
  if (!Dims::fits(kinds.size()))
    return wrong(name, text, fmt::format("at most {} axes", kMaxRank));
  spec.kinds = kinds;

  std::string_view rest = text.substr(bracket + 1);
  rest.remove_suffix(1);
  if (size_t(std::count(rest.begin(), rest.end(), 'x')) + 1 != kinds.size())
    return wrong(name, text, fmt::format("as many extents as letters, {}", kinds.size()));
  int64_t row = 1;
  for (size_t axis = 0; axis < kinds.size(); ++axis) {
    const std::string_view word = takeUntil(rest, 'x');
    if (word == "?") {
      spec.extents.push_back(kDynamic);
      continue;
    }
    // Kernels work on as many indices of the outermost axis as they are told to.
    if (axis == 0)
      return wrong(name, text, "'?' for the outermost extent, which every call tells");
    const std::optional<int64_t> extent = parsePositive(word);
    if (!extent || *extent > kMaxElements / row)
      return wrong(name, text,
                   fmt::format("extents that are '?' or at least 1 and make at most 2^48 elements, "
                               "not '{}'",
                               word));
    row *= *extent;
    spec.extents.push_back(*extent);
  }
  return {};
}

/// Neighbouring axes of one kind act as one, unless strides or what repeats along one
/// of them keep them apart.
Expected<void> checkMerged(const KernelSpec &spec) {
  if (spec.layout != Layout::Contiguous)
    return {};
  for (size_t axis = 1; axis < spec.kinds.size(); ++axis) {
    const auto repeatsAlike = [&](uint32_t repeats) {
      return (repeats >> (axis - 1) & 1) == (repeats >> axis & 1);
    };
    if (spec.kinds[axis - 1] == spec.kinds[axis] && repeatsAlike(spec.maskRepeats) &&
        repeatsAlike(spec.weightsRepeats))
      return wrong("axis form", spec.kinds,
                   "neighbouring axes of one kind as one axis where the layout is contiguous");
  }
  return {};
}

//===----------------------------------------------------------------------===//
// The other fields
//===----------------------------------------------------------------------===//

Expected<void> parseFloat(DType &into, std::string_view name, std::string_view text) {
  Expected<DType> dtype = parseWord(name, text, {DType::F32, DType::F64, DType::F16, DType::BF16});
  if (!dtype)
    return dtype.takeError();
  into = *dtype;
  return {};
}

/// "u8/6": a type, and the axes along which the operand repeats as bits, none by default.
template <size_t count>
Expected<void> parseOperand(std::optional<DType> &into, uint32_t &repeats, int rank,
                            std::string_view name, std::string_view text,
                            const DType (&allowed)[count]) {
  const size_t slash = text.find('/');
  Expected<DType> dtype = parseWord(name, text.substr(0, slash), allowed);
  if (!dtype)
    return dtype.takeError();
  into = *dtype;
  if (slash == std::string_view::npos)
    return {};
  const std::string_view bits = text.substr(slash + 1);
  const char *end = bits.data() + bits.size();
  const auto [stopped, error] = std::from_chars(bits.data(), end, repeats, 16);
  if (error != std::errc() || stopped != end || repeats >> rank)
    return wrong(name, text,
                 fmt::format("after the '/' a hexadecimal number with a bit for each of the {} "
                             "axes, the outermost lowest",
                             rank));
  return {};
}

Expected<void> parseCoefficients(KernelSpec &spec, std::string_view text) {
  constexpr std::string_view letters = "csb";
  bool *const there[] = {&spec.center, &spec.scale, &spec.shift};
  size_t next = 0;
  for (char letter : text) {
    const size_t at = letters.find(letter, next);
    if (at == std::string_view::npos)
      return wrong("coefficients", text,
                   "those of c (center), s (scale) and b (shift) that there are, in this order");
    *there[at] = true;
    next = at + 1;
  }
  return {};
}

/// The fields after the first three, by what precedes their '='.
enum class Field {
  Layout,
  Streaming,
  Interleaved,
  Ahead,
  Dy,
  To,
  Compute,
  Coefficients,
  Nan,
  Exact,
  Mask,
  Weights
};
constexpr size_t kFields = size_t(Field::Weights) + 1;

struct FieldNames {
  std::string_view name;
  /// Those of kFamilies that have it, as bits.
  unsigned families;
};

/// Fields without a value.
constexpr bool isFlag(Field field) {
  return field == Field::Streaming || field == Field::Interleaved || field == Field::Ahead ||
         field == Field::Exact;
}

constexpr unsigned bit(KernelFamily family) { return 1u << unsigned(family); }
constexpr unsigned kMaps = bit(KernelFamily::Affine) | bit(KernelFamily::GradMap);
constexpr unsigned kGradients = bit(KernelFamily::GradSums) | bit(KernelFamily::GradMap);
constexpr unsigned kMasked = bit(KernelFamily::Moments) | kGradients;

/// By Field. A layout stands for itself, without a name.
constexpr std::array<FieldNames, kFields> kFieldNames{{{"layout", kMaps | kMasked},
                                                       {"streaming", kMaps | kMasked},
                                                       {"interleaved", kMaps},
                                                       {"ahead", kMaps | kMasked},
                                                       {"dy", kGradients},
                                                       {"to", kMaps},
                                                       {"compute", kMaps},
                                                       {"coefficients", bit(KernelFamily::Affine)},
                                                       {"nan", bit(KernelFamily::Moments)},
                                                       {"exact", bit(KernelFamily::Moments)},
                                                       {"mask", kMasked},
                                                       {"weights", kMasked}}};

class SpecParser {
public:
  Expected<KernelSpec> parse(std::string_view text);

private:
  Expected<void> parseField(std::string_view text);
  Expected<void> parseValue(Field field, std::string_view value);
  Expected<void> finish();

  bool has(Field field) const { return seen[size_t(field)]; }
  bool inFamily(Field field) const {
    return kFieldNames[size_t(field)].families & bit(spec.family);
  }
  /// "contiguous, unit-inner, strided, streaming, to=, ...".
  std::string fieldsOfFamily() const;

  KernelSpec spec;
  std::array<bool, kFields> seen{};
};

std::string SpecParser::fieldsOfFamily() const {
  std::string words;
  for (Layout layout : kLayouts)
    words += fmt::format("{}, ", toString(layout));
  for (size_t i = size_t(Field::Streaming); i < kFields; ++i)
    if (inFamily(Field(i)))
      words += fmt::format("{}{}, ", kFieldNames[i].name, isFlag(Field(i)) ? "" : "=");
  words.resize(words.size() - 2);
  return words;
}

Expected<void> SpecParser::parseValue(Field field, std::string_view value) {
  const int rank = spec.extents.size();
  const std::string_view name = kFieldNames[size_t(field)].name;
  switch (field) {
  case Field::Layout: {
    Expected<Layout> layout = parseWord(name, value, kLayouts);
    if (!layout)
      return layout.takeError();
    spec.layout = *layout;
    return {};
  }
  case Field::Streaming:
    spec.streaming = true;
    return {};
  case Field::Interleaved:
    spec.interleaved = true;
    return {};
  case Field::Ahead:
    spec.ahead = true;
    return {};
  case Field::Dy:
    return parseFloat(spec.dy, name, value);
  case Field::To:
    return parseFloat(spec.out, name, value);
  case Field::Compute: {
    Expected<DType> compute = parseWord(name, value, {DType::F32, DType::F64});
    if (!compute)
      return compute.takeError();
    spec.compute = *compute;
    return {};
  }
  case Field::Coefficients:
    return parseCoefficients(spec, value);
  case Field::Nan: {
    Expected<NanPolicy> nan = parseWord(name, value, {NanPolicy::Propagate, NanPolicy::Omit});
    if (!nan)
      return nan.takeError();
    spec.nan = *nan;
    return {};
  }
  case Field::Exact:
    spec.exact = true;
    return {};
  case Field::Mask:
    return parseOperand(spec.mask, spec.maskRepeats, rank, name, value,
                        {DType::U8, DType::I8, DType::Bool});
  case Field::Weights:
    // Kernels read the integers among them as signed.
    return parseOperand(spec.weights, spec.weightsRepeats, rank, name, value,
                        {DType::F32, DType::F64, DType::F16, DType::BF16, DType::I8, DType::I16,
                         DType::I32, DType::I64});
  }
  return {};
}

Expected<void> SpecParser::parseField(std::string_view text) {
  const size_t equals = text.find('=');
  const bool hasValue = equals != std::string_view::npos;
  const std::string_view name = text.substr(0, equals);
  std::optional<Field> field;
  for (Layout layout : kLayouts)
    if (text == toString(layout))
      field = Field::Layout;
  for (size_t i = size_t(Field::Streaming); i < kFields; ++i)
    if (name == kFieldNames[i].name && hasValue != isFlag(Field(i)))
      field = Field(i);
  if (!field || !inFamily(*field))
    return invalidArgument(fmt::format("kernel spec: '{}' is no field of {}; expected one of {}",
                                       text, toString(spec.family), fieldsOfFamily()));
  if (std::exchange(seen[size_t(*field)], true))
    return invalidArgument(fmt::format("kernel spec: {}: given twice, expected once",
                                       kFieldNames[size_t(*field)].name));
  return parseValue(*field, *field == Field::Layout ? text
                            : hasValue              ? text.substr(equals + 1)
                                                    : "");
}

/// Defaults that depend on other fields, and what only all fields together tell.
Expected<void> SpecParser::finish() {
  const DType result = isFloat(spec.data) ? spec.data : DType::F32;
  if (!has(Field::To) && inFamily(Field::To))
    spec.out = result;
  if (!has(Field::Dy) && inFamily(Field::Dy))
    spec.dy = result;
  if (!has(Field::Compute) && inFamily(Field::Compute))
    for (DType dtype : {spec.data, spec.dy, spec.out})
      if (dtype == DType::F64)
        spec.compute = DType::F64;
  if (!has(Field::Coefficients) && inFamily(Field::Coefficients))
    return invalidArgument("kernel spec: coefficients: missing, expected coefficients= and those "
                           "of c (center), s (scale) and b (shift) that there are");
  if (spec.streaming && spec.layout == Layout::Strided)
    return wrong("streaming", toString(spec.layout),
                 "the layout contiguous, dense-rows or unit-inner");
  if (spec.interleaved && (spec.mask || spec.weights))
    return wrong("interleaved", spec.mask ? "mask" : "weights", "neither mask nor weights");
  if (spec.ahead && !spec.interleaved && !spec.streaming)
    return wrong("ahead", "neither interleaved nor streaming", "a kernel that is one of both");
  if (spec.layout == Layout::DenseRows &&
      std::count(spec.extents.begin(), spec.extents.end(), kDynamic) > 1)
    return wrong("layout", toString(spec.layout), "'?' for no extent but the outermost");
  return checkMerged(spec);
}

Expected<KernelSpec> SpecParser::parse(std::string_view text) {
  if (size_t(std::count(text.begin(), text.end(), ';')) < 2)
    return wrong("text", text,
                 "a family, an axis form and a data type at least, such as moments;RK[?x13];f32");
  std::string_view rest = text;
  Expected<KernelFamily> family = parseWord("family", takeUntil(rest, ';'), kFamilies);
  if (!family)
    return family.takeError();
  spec.family = *family;
  if (Expected<void> ok = parseAxisForm(spec, takeUntil(rest, ';')); !ok)
    return ok.takeError();
  const bool more = rest.find(';') != std::string_view::npos;
  Expected<DType> data = parseWord("data type", takeUntil(rest, ';'), kAllDTypes);
  if (!data)
    return data.takeError();
  spec.data = *data;
  // An empty field after the last ';' is one, too.
  for (bool another = more; another;) {
    another = rest.find(';') != std::string_view::npos;
    if (Expected<void> ok = parseField(takeUntil(rest, ';')); !ok)
      return ok.takeError();
  }
  if (Expected<void> ok = finish(); !ok)
    return ok.takeError();
  return spec;
}

} // namespace

Expected<KernelSpec> parseKernelSpec(std::string_view text) { return SpecParser().parse(text); }

} // namespace norma
