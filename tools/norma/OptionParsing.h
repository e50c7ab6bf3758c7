//===- OptionParsing.h - Values of command line options ---------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_TOOLS_NORMA_OPTIONPARSING_H
#define NORMA_TOOLS_NORMA_OPTIONPARSING_H

#include "norma/Runtime/Layers/Normalization.h"

#include <CLI/CLI.hpp>

namespace norma::tool {

/// Declares an option with one value that `parse` turns into a T. A bad value is
/// wrong usage: the message of `parse` follows the option's name.
template <typename T>
CLI::Option *addParsedOption(CLI::App &app, const std::string &name, T &target,
                             Expected<T> (*parse)(const std::string &),
                             const std::string &description) {
  return app.add_option_function<std::string>(
      name,
      [&target, parse, name](const std::string &text) {
        Expected<T> value = parse(text);
        if (!value)
          throw CLI::ValidationError(name, value.error().message());
        target = std::move(*value);
      },
      description);
}

/// Wraps a parser for an optional target.
template <typename T, Expected<T> (*parse)(const std::string &)>
Expected<std::optional<T>> parseOptional(const std::string &text) {
  Expected<T> value = parse(text);
  if (!value)
    return value.takeError();
  return std::optional<T>(std::move(*value));
}

/// "-1", "1,2" or "none": axes, not checked against a rank.
Expected<Dims> parseAxis(const std::string &text);
/// A whole number of at least 1.
Expected<int64_t> parsePositive(const std::string &text);
/// A whole number of at least 2.
Expected<int64_t> parseRows(const std::string &text);
/// A whole number of at least 0.
Expected<uint64_t> parseSize(const std::string &text);
/// A number of at least 0.
Expected<double> parseDays(const std::string &text);
/// A whole number from 0 to EngineOptions::kMostThreads.
Expected<int> parseThreads(const std::string &text);
/// f32, f64, f16 or bf16.
Expected<DType> parseOutputDType(const std::string &text);
/// f32 or f64.
Expected<DType> parseComputeDType(const std::string &text);
/// optimized or tiered.
Expected<CompilePolicy> parseCompilePolicy(const std::string &text);
Expected<NanPolicy> parseNan(const std::string &text);
Expected<ZeroVariance> parseZeroVarianceOption(const std::string &text);
/// The --mean or --variance of a user: "3", "1.5,2,4" or the name of a .npy file,
/// which is read later, so that its absence is a failure and not wrong usage.
Expected<GivenStatistic> readGivenStatistic(const std::string &text, const std::string &option);

/// That the output is not also the file of an input, which it would replace.
/// `what` says what the input is to the user; the output was given with `option`.
Expected<void> checkIsNoInput(const std::string &output, const std::string &input,
                              const std::string &what, const std::string &option = "--output");

/// That two outputs are different files. The first was given with `option`.
Expected<void> checkIsOther(const std::string &output, const std::string &option,
                            const std::string &other, const std::string &otherOption);

/// How an axis was asked for: "none", "-1", "1,2".
std::string formatAxis(const Dims &axis);

/// --cache, as EngineOptions::cacheDirectory wants it.
CLI::Option *addCacheOption(CLI::App &app, std::optional<std::string> &target);

/// One occurrence of the option takes one value; it may be repeated.
CLI::Option *addRepeatedOption(CLI::App &app, const std::string &name,
                               std::vector<std::string> &target, const std::string &description);

} // namespace norma::tool

#endif // NORMA_TOOLS_NORMA_OPTIONPARSING_H
