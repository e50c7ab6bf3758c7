//===- Elements.h - Elements of a tensor, in C order ------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_IO_ELEMENTS_H
#define NORMA_LIB_IO_ELEMENTS_H

#include "norma/IO/AtomicFile.h"
#include "norma/Support/Tensor.h"

#include <bit>

namespace norma::io {

// Both formats store little-endian elements, and norma copies them unchanged.
static_assert(std::endian::native == std::endian::little,
              "norma reads and writes files on little-endian machines only");

/// Appends the elements of a checked tensor in C order. Strided tensors go
/// through a bounded buffer.
Expected<void> writeElements(AtomicFile &file, const Tensor &tensor);

} // namespace norma::io

#endif // NORMA_LIB_IO_ELEMENTS_H
