//===- Norma.td - The whole dialect ------------------------*- tablegen -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_DIALECT_NORMA_TD
#define NORMA_DIALECT_NORMA_TD

include "norma/Dialect/NormaBatchNormOps.td"
include "norma/Dialect/NormaKernelOps.td"
include "norma/Dialect/NormaLayerOps.td"

#endif // NORMA_DIALECT_NORMA_TD
