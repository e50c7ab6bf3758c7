//===- NpyHeader.h - Parsing the header of .npy files -----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_LIB_IO_NPYHEADER_H
#define NORMA_LIB_IO_NPYHEADER_H

#include "norma/IO/Npy.h"

namespace norma::io {

/// Reads and checks the header of an open file of `fileSize` bytes, and that the
/// file is exactly as long as the header says. Messages name `path`.
Expected<NpyHeader> readNpyHeader(int descriptor, const std::string &path, uint64_t fileSize);

} // namespace norma::io

#endif // NORMA_LIB_IO_NPYHEADER_H
