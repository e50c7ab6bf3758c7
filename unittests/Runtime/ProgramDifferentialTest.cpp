//===- ProgramDifferentialTest.cpp - Both lowerings against the reference -===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Random ops as MLIR text, with static and with dynamic extents, lowered to loops
// and through linalg: all four keep the contract. NORMA_PROGRAM_CASES and
// NORMA_PROGRAM_SEED make it longer or repeat a part of it.
//
//===----------------------------------------------------------------------===//

#include "EngineTest.h"

#include "norma/Support/AxisForm.h"

#include <fmt/format.h>

#include <cmath>
#include <list>

using namespace norma;
using namespace norma::test;

namespace {

constexpr DType kDataDTypes[] = {DType::F32,  DType::F32, DType::F64, DType::F16,
                                 DType::BF16, DType::I8,  DType::U8,  DType::I16,
                                 DType::U16,  DType::I32, DType::I64};
constexpr DType kFloats[] = {DType::F32, DType::F64, DType::F16, DType::BF16};

const char *elementText(DType dtype) {
  switch (dtype) {
  case DType::U8:
    return "i8";
  case DType::U16:
    return "i16";
  case DType::Bool:
    return "i1";
  default:
    return norma::toString(dtype);
  }
}

bool isUnsigned(DType dtype) { return dtype == DType::U8 || dtype == DType::U16; }

/// A function under construction, and what it is called with.
class Function {
public:
  explicit Function(bool isDynamic) : isDynamic(isDynamic) {}

  /// With `keepOnes` extents of 1 stay static: they say that an operand repeats.
  std::string type(DType dtype, const Dims &shape, bool keepOnes = false) const {
    std::string text = "tensor<";
    for (int64_t extent : shape)
      text += (isDynamic && !(keepOnes && extent == 1) ? "?" : std::to_string(extent)) + "x";
    return text + elementText(dtype) + ">";
  }
  /// Adds an argument; returns its name.
  std::string argument(const std::string &name, const Tensor &value, const std::string &typeText) {
    parameters += (parameters.empty() ? "%" : ", %") + name + ": " + typeText;
    arguments.push_back(value);
    return "%" + name;
  }
  std::string text(const std::string &body, const std::string &values,
                   const std::string &types) const {
    return fmt::format("func.func @f({}) -> ({}) {{\n  {}\n  return {} : {}\n}}\n", parameters,
                       types, body, values, types);
  }

  bool isDynamic;
  std::vector<Tensor> arguments;

private:
  std::string parameters;
};

std::string keptText(const Dims &kept) {
  std::string text = "kept [";
  for (int64_t axis : kept)
    text += (text.back() == '[' ? "" : ", ") + std::to_string(axis);
  return text + "]";
}

/// One random op; `check` says what is wrong with its results.
struct Case {
  Function function;
  std::string text;
  std::function<std::string(const std::vector<Array> &)> check;
};

/// Owns what a case refers to.
struct Inputs {
  Inputs(Random &random, DType dtype)
      : kept(), x(random, dtype, randomShape(random, 5, 3'000),
                  random.pick({Arrangement::Contiguous, Arrangement::Mixed}), false) {
    kept = randomKept(random, x.view().rank());
    const double mean = 20 * random.normal(), deviation = std::pow(10, random.between(-1, 1.3));
    forEachIndex(x.view().shape, [&](const Dims &index) {
      storeValue(mean + deviation * random.normal(), addressOf(x.view(), index), x.view().dtype);
    });
    perKept = keptShape(x.view().shape, kept);
  }
  /// One number per kept index.
  const Array &numbers(DType dtype, const std::function<double(int64_t)> &value) {
    arrays.push_back(arrayOf(dtype, perKept, value));
    return arrays.back();
  }
  std::string unsignedText() const { return isUnsigned(x.view().dtype) ? " unsigned" : ""; }

  Dims kept, perKept;
  RandomTensor x;
  std::list<Array> arrays;
};

Case affineCase(Random &random, Inputs &in, bool isDynamic) {
  Case result{Function(isDynamic), {}, {}};
  Function &f = result.function;
  const Tensor &x = in.x.view();
  DType compute = random.chance(0.6) ? DType::F32 : DType::F64;
  const DType out = random.pick(kFloats);
  std::string body = fmt::format("%y = norma.affine {} ins({} : {}){}", keptText(in.kept),
                                 f.argument("x", x, f.type(x.dtype, x.shape)),
                                 f.type(x.dtype, x.shape), in.unsignedText());
  Coefficients coefficients{in.perKept, {}, {}, {}};
  const std::string type = f.type(compute, in.perKept);
  bool any = false;
  for (auto [name, values] :
       {std::pair("center", &coefficients.center), std::pair("scale", &coefficients.scale),
        std::pair("shift", &coefficients.shift)}) {
    if (random.chance(0.3))
      continue;
    any = true;
    const Array &array = in.numbers(compute, [&](int64_t) { return 10 * random.normal(); });
    *values = valuesOf(array);
    body += fmt::format(" {}({} : {})", name, f.argument(name, array, type), type);
  }
  if (!any)
    compute = x.dtype == DType::F64 || out == DType::F64 ? DType::F64 : DType::F32;
  // A destination that the function was given must not be written to.
  in.arrays.push_back(arrayOf(out, x.shape, [](int64_t) { return 3; }));
  const std::string outType = f.type(out, x.shape);
  body += fmt::format(" outs({} : {}) -> {}", f.argument("init", in.arrays.back(), outType),
                      outType, outType);
  result.text = f.text(body, "%y", outType);
  result.check = [&in, coefficients, compute](const std::vector<Array> &results) {
    return differenceOfAffine(in.x.view(), in.kept, coefficients, compute, results.at(0));
  };
  return result;
}

Case normalizeCase(Random &random, Inputs &in, bool isDynamic) {
  Case result{Function(isDynamic), {}, {}};
  Function &f = result.function;
  const Tensor &x = in.x.view();
  const DType statistic = random.chance(0.7) ? DType::F64 : DType::F32;
  const Array &mean = in.numbers(statistic, [&](int64_t) { return 20 * random.normal(); });
  const Array &variance =
      in.numbers(statistic, [&](int64_t) { return random.chance(0.2) ? 0 : 100 * random.unit(); });
  const bool inverse = random.chance(0.3), unit = random.chance(0.3);
  const int64_t mode = random.below(3);
  DType out = isFloat(x.dtype) ? x.dtype : DType::F32;
  std::string options = in.unsignedText();
  if (random.chance(0.5)) {
    out = random.pick(kFloats);
    options += fmt::format(" to {}", norma::toString(out));
  }
  DType compute = x.dtype == DType::F64 || out == DType::F64 ? DType::F64 : DType::F32;
  if (random.chance(0.3)) {
    compute = random.chance(0.5) ? DType::F64 : DType::F32;
    options += fmt::format(" compute {}", norma::toString(compute));
  }
  static constexpr const char *kModes[] = {"clamp_std", "add_to_variance", "add_to_std"};
  const double epsilon = 1e-3;
  options += fmt::format(" {{epsilon = {:e}, epsilon_mode = #norma<epsilon_mode {}>, "
                         "zero_variance = #norma<zero_variance {}>}}",
                         epsilon, kModes[mode], unit ? "unit" : "clamp");
  const std::string type = f.type(statistic, in.perKept), dataType = f.type(x.dtype, x.shape);
  const std::string body = fmt::format("%y = norma.normalize {}, {}, {} {}{}{} : {}, {}, {}",
                                       f.argument("x", x, dataType), f.argument("mean", mean, type),
                                       f.argument("variance", variance, type), keptText(in.kept),
                                       inverse ? " inverse" : "", options, dataType, type, type);
  result.text = f.text(body, "%y", f.type(out, x.shape));

  Coefficients coefficients{in.perKept, {}, {}, {}};
  for (double v : valuesOf(variance)) {
    const double s = mode == 0   ? std::max(std::sqrt(v), epsilon)
                     : mode == 1 ? std::sqrt(v + epsilon)
                                 : std::sqrt(v) + epsilon;
    const double divisor = unit && v == 0 ? 1 : s;
    coefficients.scale.push_back(inverse ? divisor : 1 / divisor);
  }
  (inverse ? coefficients.shift : coefficients.center) = valuesOf(mean);
  result.check = [&in, coefficients, compute](const std::vector<Array> &results) {
    return differenceOfAffine(in.x.view(), in.kept, coefficients, compute, results.at(0));
  };
  return result;
}

/// moments, or adapt and finalize.
Case statisticsCase(Random &random, Inputs &in, bool isDynamic, bool layer) {
  Case result{Function(isDynamic), {}, {}};
  Function &f = result.function;
  const Tensor &x = in.x.view();
  const std::string dataType = f.type(x.dtype, x.shape), type = f.type(DType::F64, in.perKept);
  const std::string name = f.argument("x", x, dataType);
  MomentsOptions options;
  std::string operands, nan;
  const auto operand = [&](const char *word, DType dtype, std::optional<Tensor> &option,
                           const std::function<double(int64_t)> &value) {
    Dims shape = x.shape;
    for (int64_t &extent : shape)
      if (random.chance(0.4))
        extent = 1;
    in.arrays.push_back(arrayOf(dtype, shape, value));
    option = in.arrays.back().view();
    const std::string operandType = f.type(dtype, shape, /*keepOnes=*/true);
    const std::string argument = f.argument(word, *option, operandType);
    operands += layer ? fmt::format(" {} {} : {}", word, argument, operandType)
                      : fmt::format(" {}({} : {})", word, argument, operandType);
  };
  if (random.chance(0.3))
    operand("mask", random.chance(0.5) ? DType::Bool : DType::I8, options.mask,
            [&](int64_t) { return random.chance(0.6) ? 1 : 0; });
  if (random.chance(0.3))
    operand("weights", random.pick({DType::F32, DType::F64, DType::F16, DType::I8, DType::I32}),
            options.weights, [&](int64_t) { return random.between(0, 4); });
  if (isFloat(x.dtype) && random.chance(0.5)) {
    options.nan = NanPolicy::Omit;
    nan = " {nan = #norma<nan omit>}";
    forEachIndex(x.shape, [&](const Dims &index) {
      if (random.chance(0.2))
        storeFromDouble(std::nan(""), addressOf(x, index), x.dtype);
    });
  }
  std::string into[3];
  for (int i = 0; i < 3; ++i) {
    // What is given to adapt is no data; what is given to moments is overwritten.
    const Array &given = in.numbers(DType::F64, [&](int64_t) { return layer ? 0 : 5; });
    into[i] = f.argument(fmt::format("s{}", i), given, type);
  }
  const std::string given = fmt::format("{}, {}, {}", into[0], into[1], into[2]);
  const std::string types = fmt::format("{0}, {0}, {0}", type);
  if (!layer) {
    result.text =
        f.text(fmt::format("%n, %m, %s = norma.moments {} ins({} : {}){}{} outs({} : {}){} "
                           "-> {}",
                           keptText(in.kept), name, dataType, in.unsignedText(), operands, given,
                           types, nan, types),
               "%n, %m, %s", types);
  } else {
    result.text = f.text(fmt::format("%n, %m, %s = norma.adapt {} into ({}){} {}{}{} : {}, {}\n"
                                     "  %mean, %variance = norma.finalize %n, %m, %s : {}",
                                     name, given, operands, keptText(in.kept), in.unsignedText(),
                                     nan, dataType, type, type),
                         "%n, %m, %s, %mean, %variance", fmt::format("{0}, {1}, {1}", types, type));
  }
  result.check = [&in, options, layer](const std::vector<Array> &results) -> std::string {
    const Statistics s{in.perKept, valuesOf(results.at(0)), valuesOf(results.at(1)),
                       valuesOf(results.at(2))};
    std::string text = differenceOfMoments(in.x.view(), in.kept, options, s);
    for (int64_t i = 0; layer && text.empty() && i < s.size(); ++i)
      if (valuesOf(results.at(3))[size_t(i)] != s.mean[size_t(i)] ||
          valuesOf(results.at(4))[size_t(i)] != s.variance(i))
        text = fmt::format("kept index {}: finalize gives other numbers than the statistics", i);
    return text;
  };
  return result;
}

/// The bytes of every argument.
std::vector<std::vector<std::byte>> bytesOf(const std::vector<Tensor> &tensors) {
  std::vector<std::vector<std::byte>> result;
  for (const Tensor &tensor : tensors) {
    Expected<Array> copy = Array::copyOf(tensor);
    result.emplace_back(copy->as<std::byte>(), copy->as<std::byte>() + copy->sizeInBytes());
  }
  return result;
}

TEST(ProgramDifferential, LoopsAndLinalgKeepTheContract) {
  const int64_t firstSeed = setting("NORMA_PROGRAM_SEED", 4'711);
  const int64_t cases = setting("NORMA_PROGRAM_CASES", 60);
  std::shared_ptr<Engine> engine;
  int failures = 0;
  for (int64_t i = 0; i < cases && failures < 20; ++i) {
    if (i % 200 == 0)
      engine = engineWith({.threads = 1});
    for (bool isDynamic : {false, true}) {
      Random random{uint64_t(firstSeed + i)};
      Inputs inputs(random, random.pick(kDataDTypes));
      const int64_t kind = random.below(4);
      const Case each = kind == 0   ? affineCase(random, inputs, isDynamic)
                        : kind == 1 ? normalizeCase(random, inputs, isDynamic)
                                    : statisticsCase(random, inputs, isDynamic, kind == 3);
      const auto before = bytesOf(each.function.arguments);
      for (Lowering lowering : {Lowering::Loops, Lowering::Linalg}) {
        const std::string where = fmt::format("NORMA_PROGRAM_SEED={} {}, x {}:\n{}", firstSeed + i,
                                              lowering == Lowering::Loops ? "loops" : "linalg",
                                              inputs.x.describe(), each.text);
        Expected<Program> program =
            engine->compile(each.text, {.entry = {}, .dumpStages = {}, .lowering = lowering});
        if (!program) {
          ++failures;
          ADD_FAILURE() << where << program.error().message();
          continue;
        }
        Expected<std::vector<Array>> results = program->run(each.function.arguments);
        if (!results) {
          ++failures;
          ADD_FAILURE() << where << results.error().message();
          continue;
        }
        if (std::string text = each.check(*results); !text.empty()) {
          ++failures;
          ADD_FAILURE() << where << text;
        }
        if (bytesOf(each.function.arguments) != before) {
          ++failures;
          ADD_FAILURE() << where << "an argument changed";
        }
      }
    }
  }
}

} // namespace
