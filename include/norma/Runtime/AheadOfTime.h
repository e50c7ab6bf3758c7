//===- AheadOfTime.h - Object files and C headers ---------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiles kernels, or the functions of an MLIR module, to an object file with plain C
// functions and a header that declares them. The object needs nothing but the C library:
// a product that links it ships without LLVM, and without norma.
//
//   auto built = norma::compileKernels({{"affine;RK[?x13];f32;coefficients=cs"}});
//   if (built)
//     write(built->object, built->header);
//
// See docs/ahead-of-time.md. Everything here depends on its arguments alone: the same
// ones give the same bytes, on every machine ("native" stands for the machine's processor).
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_AHEADOFTIME_H
#define NORMA_RUNTIME_AHEADOFTIME_H

#include "norma/Support/Error.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace norma {

struct AheadOfTimeOptions {
  /// x86_64 or aarch64, and a system with ELF objects ("aarch64-linux-gnu"); empty for
  /// this machine's.
  std::string targetTriple = {};
  /// The processor, as LLVM names it; empty for x86-64-v2 or generic (Armv8-A), "native"
  /// for this machine's.
  std::string targetCpu = {};
  /// The names of C functions begin with it, but for names that are given.
  std::string prefix = "norma_";
  /// Also return the assembly, or the LLVM IR, as text.
  bool assembly = false, llvmIr = false;
  /// Also return the IR after this stage of the pipeline (see aheadOfTimeStages()); empty
  /// for none.
  std::string stage = {};
};

/// A kernel to compile.
struct AheadOfTimeKernel {
  /// "affine;RK[?x13];f32;coefficients=cs": family, axis form and data type, then what is
  /// not as usual; the text of a kernel's key up to the processor.
  std::string spec;
  /// The name of the C function; empty for the prefix and a name made of the spec.
  std::string name = {};
};

struct AheadOfTimeObject {
  /// A relocatable ELF object.
  std::string object;
  /// Declares its functions for C99 and C++.
  std::string header;
  /// What they are called.
  std::vector<std::string> functions;
  std::string assembly, llvmIr, stage;
};

/// One C function for every kernel, at least one, with different names.
Expected<AheadOfTimeObject> compileKernels(std::span<const AheadOfTimeKernel> kernels,
                                           const AheadOfTimeOptions &options = {});

/// One C function for every public function of an MLIR module in text form; their
/// arguments and results are tensors.
Expected<AheadOfTimeObject> compileModule(std::string_view source,
                                          const AheadOfTimeOptions &options = {});

/// The stages that AheadOfTimeOptions::stage may name, in order.
std::vector<std::string> aheadOfTimeStages();

} // namespace norma

#endif // NORMA_RUNTIME_AHEADOFTIME_H
