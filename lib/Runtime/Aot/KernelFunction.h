//===- KernelFunction.h - The C function of a kernel ------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_AOT_KERNELFUNCTION_H
#define NORMA_RUNTIME_AOT_KERNELFUNCTION_H

#include "../KernelSpec.h"
#include "CFunction.h"

namespace norma {

/// "affine_RK13_f32_cs": family, axis form and data type, and every other field that
/// has not the value it has when it is left out. Different specs have different names.
std::string kernelName(const KernelSpec &spec);

/// The buffers are in the order of the arguments of the kernel.
CFunction kernelFunction(const KernelSpec &spec, const std::string &symbol);

} // namespace norma

#endif // NORMA_RUNTIME_AOT_KERNELFUNCTION_H
