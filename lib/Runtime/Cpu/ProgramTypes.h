//===- ProgramTypes.h - The signature of a program --------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_PROGRAMTYPES_H
#define NORMA_RUNTIME_CPU_PROGRAMTYPES_H

#include "Compiler.h"

#include "mlir/IR/TypeRange.h"

namespace norma {

/// Arguments or results (`what`) of the function `entry`, which must be all tensors.
Expected<std::vector<ProgramValue>> describeTensors(mlir::TypeRange types, const std::string &entry,
                                                    const char *what);

} // namespace norma

#endif // NORMA_RUNTIME_CPU_PROGRAMTYPES_H
