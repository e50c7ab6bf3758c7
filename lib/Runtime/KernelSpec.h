//===- KernelSpec.h - What a kernel is specialized on -----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A KernelSpec is known before any IR exists: it is what a call looks like after
// its axes were brought to the axis form. Equal specs run the same kernel. One
// list of fields gives equality, the hash and the text of the key.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_KERNELSPEC_H
#define NORMA_RUNTIME_KERNELSPEC_H

#include "norma/Support/AxisForm.h"
#include "norma/Support/Statistics.h"

namespace norma {

enum class KernelFamily : uint8_t { Moments, Affine, GradSums, GradMap };
const char *toString(KernelFamily family);
/// Whether the kernels of a family write a tensor; the others write sums.
constexpr bool isMap(KernelFamily family) {
  return family == KernelFamily::Affine || family == KernelFamily::GradMap;
}
/// A reduction or a map of data and of the gradient of a result.
constexpr bool isGradient(KernelFamily family) {
  return family == KernelFamily::GradSums || family == KernelFamily::GradMap;
}

/// What is known of the strides of the tensors with the shape of the data.
enum class Layout : uint8_t {
  /// Row-major and dense.
  Contiguous,
  /// The same for every index of the outermost axis, whose own stride is arbitrary. All other
  /// extents are known.
  DenseRows,
  /// Unit innermost stride, the others arbitrary.
  UnitInner,
  /// Arbitrary.
  Strided,
};
const char *toString(Layout layout);

struct KernelSpec {
  KernelFamily family = KernelFamily::Moments;
  /// The axis form; the outermost extent is always kDynamic.
  std::string kinds = {};
  Dims extents = {};
  Layout layout = Layout::Contiguous;
  DType data = DType::F32;

  // Affine: the coefficients there are.
  bool center = false, scale = false, shift = false;

  /// For data that no cache holds: stores may go past the caches, since what lies together
  /// begins where a cache line does; sums read several streams; and maps of dense rows ask in
  /// advance for those that follow, side by side, of the next kept indices.
  bool streaming = false;

  /// For data that comes from memory. Streaming: the kernel asks for it in advance. Interleaved:
  /// its sums do, and for that of the next block where this one ends.
  bool ahead = false;

  // Affine and GradMap.
  DType out = DType::F32, compute = DType::F32;
  /// Beside it goes the reduction that belongs to it, Moments or GradSums, of other tensors of
  /// these extents and types, without mask or weights.
  bool interleaved = false;

  // Moments. `exact` is of a block whose sums look inaccurate, which other kernels say: once more,
  // in f64, around the means that they found.
  NanPolicy nan = NanPolicy::Propagate;
  bool exact = false;

  // GradSums and GradMap.
  DType dy = DType::F32;

  // All but Affine. One bit per group, outermost lowest, where mask or weights
  // repeat.
  std::optional<DType> mask = {}, weights = {};
  uint32_t maskRepeats = 0, weightsRepeats = 0;

  friend bool operator==(const KernelSpec &a, const KernelSpec &b) = default;
  size_t hash() const;
  /// "moments;RK[?x13];f32;contiguous;nan=propagate". The fields of other families
  /// have no part in it.
  std::string key() const;
};

/// The inverse of key(): for every spec the engine makes, parseKernelSpec(spec.key()) is
/// that spec. Family, axis form and data type come first. The other fields may come in
/// any order; of those that are left out, the layout is contiguous, `to` and `dy` are the
/// data's type (f32 where that is no float), `compute` is f32 (f64 where one of the three
/// is), and nothing else is there. An error names the field.
Expected<KernelSpec> parseKernelSpec(std::string_view text);

/// The spec of the kernel that does a block of moments again, exactly.
KernelSpec exactly(KernelSpec spec);

/// The name of the kernel's function, for debuggers and profilers: an identifier that no
/// two specs share ("norma_affine_RKx13_f32_to_f32_csb").
std::string symbolOf(const KernelSpec &spec);

} // namespace norma

template <>
struct std::hash<norma::KernelSpec> {
  size_t operator()(const norma::KernelSpec &spec) const { return spec.hash(); }
};

#endif // NORMA_RUNTIME_KERNELSPEC_H
