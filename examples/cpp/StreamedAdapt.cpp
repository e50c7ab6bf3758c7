//===- StreamedAdapt.cpp - Statistics of data that comes in batches -------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Three ways to the same statistics: the whole array, a source of batches, and
// two layers that saw a part each and are merged.
//
//===----------------------------------------------------------------------===//

#include "norma/Runtime/Layers/Normalization.h"

#include <cstdio>
#include <cstdlib>
#include <vector>

using namespace norma;

static void check(const Expected<void> &done) {
  if (done)
    return;
  std::fprintf(stderr, "error: %s\n", done.error().message().c_str());
  std::exit(EXIT_FAILURE);
}

template <typename T>
static T check(Expected<T> value) {
  if (value)
    return std::move(*value);
  check(Expected<void>(value.takeError()));
  std::abort();
}

static void print(const char *what, const Normalization &layer) {
  std::printf("%s: count %g, mean %.9g, variance %.9g\n", what, layer.statistics().count[0],
              layer.mean()[0], layer.variance()[0]);
}

int main() {
  std::shared_ptr<Engine> engine = check(Engine::create());
  std::vector<float> values(1000);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = float(i % 10);
  Tensor data(values.data(), DType::F32, {1000, 1});

  auto whole = check(Normalization::create(engine));
  check(whole.adapt(data));
  print("whole", whole);

  // A source is called until it has nothing more to give.
  auto streamed = check(Normalization::create(engine));
  int64_t next = 0;
  check(streamed.adapt([&]() -> Expected<std::optional<Batch>> {
    if (next == 1000)
      return std::optional<Batch>();
    next += 100;
    return std::optional<Batch>(Batch{data.rows(next - 100, next), {}, {}});
  }));
  print("streamed", streamed);

  auto first = check(Normalization::create(engine));
  auto second = check(Normalization::create(engine));
  check(first.updateState({data.rows(0, 300), {}, {}}));
  check(second.updateState({data.rows(300, 1000), {}, {}}));
  check(first.merge(second.statistics()));
  check(first.finalizeState());
  print("merged", first);
  return 0;
}
