//===- Origin.h - Which compiler made a kernel, and for what ----*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_ORIGIN_H
#define NORMA_RUNTIME_CPU_ORIGIN_H

#include "Target.h"

#include <string>

namespace norma {

/// Everything but its KernelSpec that the machine code of a kernel depends on.
struct CodeOrigin {
  /// Versions, each with what tells builds of one version apart: the build ID that
  /// the linker gave the library ("0.1.0+275aeb497de4").
  std::string norma, llvm;
  /// The processor as LLVM names it.
  std::string cpu;
  /// What the name leaves open: triple, features, and what the schedule rules know
  /// ("x86_64-pc-linux-gnu;+avx2,...;vector=256x16;l1=32768").
  std::string target;

  friend bool operator==(const CodeOrigin &, const CodeOrigin &) = default;
  /// ";cpu=emeraldrapids;target=3d9c41...;norma=0.1.0+275aeb497de4;llvm=22.1.8+...":
  /// the end of a kernel's key. The target, which is long, stands as its digest.
  std::string key() const;
};

CodeOrigin originOf(const CpuTarget &target);

} // namespace norma

#endif // NORMA_RUNTIME_CPU_ORIGIN_H
