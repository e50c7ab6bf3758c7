//===- Norma.h - The norma dialect ------------------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_DIALECT_NORMA_H
#define NORMA_DIALECT_NORMA_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "norma/Dialect/NormaDialect.h.inc"
#include "norma/Dialect/NormaEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "norma/Dialect/NormaAttributes.h.inc"

#define GET_OP_CLASSES
#include "norma/Dialect/NormaOps.h.inc"

namespace norma {

/// Lets one-shot-bufferize handle the kernel ops.
void registerBufferizableOpInterfaceModels(mlir::DialectRegistry &registry);

} // namespace norma

#endif // NORMA_DIALECT_NORMA_H
