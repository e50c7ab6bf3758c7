// Learns the columns of a table, keeps them in a state file, and normalizes a row after loading it.

#include <norma/IO/Npy.h>
#include <norma/Runtime/Layers/Normalization.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

template <typename T>
static T check(norma::Expected<T> value) {
  if (value)
    return std::move(*value);
  std::fprintf(stderr, "error: %s\n", value.error().message().c_str());
  std::exit(EXIT_FAILURE);
}

static void check(norma::Expected<void> done) {
  if (done)
    return;
  std::fprintf(stderr, "error: %s\n", done.error().message().c_str());
  std::exit(EXIT_FAILURE);
}

int main() {
  std::shared_ptr<norma::Engine> engine = check(norma::Engine::create({.cacheDirectory = "off"}));
  float table[4][3] = {{0, 7, 4}, {2, 9, 6}, {0, 7, 4}, {2, 9, 6}};
  auto layer = check(norma::Normalization::create(engine, {}));
  check(layer.adapt(norma::Tensor(table, norma::DType::F32, {4, 3})));
  check(layer.save("columns.safetensors"));

  auto loaded = check(norma::Normalization::load(engine, "columns.safetensors"));
  float row[1][3] = {{0, 9, 5}};
  norma::Array y = check(loaded.apply(norma::Tensor(row, norma::DType::F32, {1, 3})));
  std::printf("scaled: %g %g %g\n", y.as<float>()[0], y.as<float>()[1], y.as<float>()[2]);

  // What a library reports, it does not throw: not through the border between the two either.
  auto missing = norma::io::NpyReader::open("missing.npy");
  std::printf("%s\n", missing ? "opened" : toString(missing.error().code()));
  return 0;
}
