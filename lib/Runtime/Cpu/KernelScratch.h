//===- KernelScratch.h - Memory that kernels work in ------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel of many kept indices takes memory for their sums and pivots, and gives it back at
// the end. The C library would have it from the system, and give it back, in every call, and its
// pages be made anew: longer than a kernel on little data takes. So a thread keeps what its last
// kernels had.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_KERNELSCRATCH_H
#define NORMA_RUNTIME_CPU_KERNELSCRATCH_H

#include <cstdint>

namespace llvm {
class Module;
} // namespace llvm

namespace norma {

/// The names by which kernels of an engine know the functions below.
inline constexpr const char *kTakeScratch = "norma_take_scratch",
                            *kGiveScratch = "norma_give_scratch";

/// Memory for this thread, as malloc() gives it; null where there is none.
void *takeScratch(uint64_t bytes);
/// On the same thread. Null is nothing.
void giveScratch(void *memory);

/// Makes a kernel call these where it calls malloc() and free().
void useScratch(llvm::Module &module);

} // namespace norma

#endif // NORMA_RUNTIME_CPU_KERNELSCRATCH_H
