//===- Quickstart.cpp - Adapt a layer, normalize, and go back -------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Learns the mean and variance of every column of a small table, normalizes a
// row with them, and undoes it.
//
//===----------------------------------------------------------------------===//

#include "norma/Runtime/Layers/Normalization.h"

#include <cstdio>
#include <cstdlib>

using namespace norma;

/// The value, or the end of the program with the message.
template <typename T>
static T check(Expected<T> value) {
  if (value)
    return std::move(*value);
  std::fprintf(stderr, "error: %s\n", value.error().message().c_str());
  std::exit(EXIT_FAILURE);
}

static void check(Expected<void> done) {
  if (done)
    return;
  std::fprintf(stderr, "error: %s\n", done.error().message().c_str());
  std::exit(EXIT_FAILURE);
}

static void print(const char *what, const float *values, int count) {
  std::printf("%s:", what);
  for (int i = 0; i < count; ++i)
    std::printf(" %.9g", double(values[i]));
  std::printf("\n");
}

int main() {
  std::shared_ptr<Engine> engine = check(Engine::create());

  // A tensor is a view: the memory stays yours.
  float table[4][3] = {{0, 7, 4}, {2, 9, 6}, {0, 7, 4}, {2, 9, 6}};
  auto layer = check(Normalization::create(engine, {.axis = {-1}}));
  check(layer.adapt(Tensor(table, DType::F32, {4, 3})));

  float row[1][3] = {{0, 7, 4}};
  Array normalized = check(layer.apply(Tensor(row, DType::F32, {1, 3})));
  print("normalized", normalized.as<float>(), 3);

  // The same statistics, the other way around.
  auto inverse = check(Normalization::create(engine, {.axis = {-1}, .invert = true}));
  check(inverse.adapt(Tensor(table, DType::F32, {4, 3})));
  float units[1][3] = {{1, 2, 3}};
  Array original = check(inverse.apply(Tensor(units, DType::F32, {1, 3})));
  print("inverted", original.as<float>(), 3);

  // One mean and variance for all values.
  float numbers[5] = {1, 2, 3, 4, 5};
  auto global = check(Normalization::create(engine, {.axis = {}}));
  check(global.adapt(Tensor(numbers, DType::F32, {5})));
  Array three = check(global.apply(Tensor(numbers, DType::F32, {3})));
  print("all together", three.as<float>(), 3);

  // Statistics that are known beforehand.
  NormalizationOptions given;
  given.mean = GivenStatistic{{}, {3}};
  given.variance = GivenStatistic{{}, {2}};
  auto known = check(Normalization::create(engine, given));
  Array column = check(known.apply(Tensor(numbers, DType::F32, {3, 1})));
  print("given", column.as<float>(), 3);
  return 0;
}
