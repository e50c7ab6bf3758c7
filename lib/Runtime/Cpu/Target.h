//===- Target.h - The processor kernels are compiled for --------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_TARGET_H
#define NORMA_RUNTIME_CPU_TARGET_H

#include "MemorySystem.h"

#include "norma/Support/Error.h"

#include <memory>
#include <string>

namespace norma {

/// A processor: how LLVM names it, and what the schedule rules know of it.
struct CpuTarget;

/// `cpu` as LLVM names it, or empty for the machine's own; its code is scheduled for a machine with
/// such memory. An error names a processor LLVM does not know, or one that needs instructions the
/// machine lacks.
Expected<std::shared_ptr<const CpuTarget>>
createCpuTarget(const std::string &cpu, const MemorySystem &memory = memorySystem());

/// A processor to make object files for, which need not be like this machine's, as
/// position independent code. An empty triple is this machine's; an empty `cpu` is what
/// every machine of the architecture that is in use runs, x86-64-v2 or generic (Armv8-A);
/// "native" is this machine's processor. What depends on more than instructions, such as
/// the size of caches, is the same wherever the compiler runs.
Expected<std::shared_ptr<const CpuTarget>> createAheadOfTimeTarget(const std::string &triple,
                                                                   const std::string &cpu);

const std::string &nameOf(const CpuTarget &target);
/// The size of the second-level cache of one core.
int64_t l2BytesOf(const CpuTarget &target);

} // namespace norma

#endif // NORMA_RUNTIME_CPU_TARGET_H
