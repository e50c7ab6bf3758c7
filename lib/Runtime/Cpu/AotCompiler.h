//===- AotCompiler.h - Kernels and programs to object files -----*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_AOTCOMPILER_H
#define NORMA_RUNTIME_CPU_AOTCOMPILER_H

#include "../Aot/CFunction.h"
#include "../KernelSpec.h"
#include "Target.h"

#include <memory>

namespace norma {

/// Compiles for one target into one object file. For one thread at a time.
class AotCompiler {
public:
  /// `stage` names the stage whose IR is kept as text; empty for none.
  static Expected<AotCompiler> create(std::shared_ptr<const CpuTarget> target,
                                      const std::string &stage);
  AotCompiler(AotCompiler &&) noexcept;
  ~AotCompiler();

  Expected<void> addKernel(const KernelSpec &spec, const CFunction &function);
  /// Every public function of a module, as C functions with this prefix.
  Expected<std::vector<CFunction>> addProgram(std::string_view source, const std::string &prefix);

  /// All that was added, optimized, as an object file; nothing can be added after it.
  Expected<std::string> object();
  /// After object(), the same as text.
  Expected<std::string> assembly() const;
  std::string llvmIr() const;
  /// What was added, after the stage; the modules of several kernels one after the
  /// other, as mlir-opt splits them.
  const std::string &stageText() const;
  /// The target, as the header names it: "x86_64-pc-linux-gnu, x86-64-v2".
  std::string targetText() const;

private:
  struct State;
  explicit AotCompiler(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

/// The stages that `stage` may name.
std::vector<std::string> aotStageNames();

} // namespace norma

#endif // NORMA_RUNTIME_CPU_AOTCOMPILER_H
