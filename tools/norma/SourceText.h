//===- SourceText.h - The text of a program ---------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_TOOLS_NORMA_SOURCETEXT_H
#define NORMA_TOOLS_NORMA_SOURCETEXT_H

#include "norma/Support/Error.h"

namespace norma::tool {

/// All of a file, or of standard input for "-".
Expected<std::string> readSourceText(const std::string &path);

} // namespace norma::tool

#endif // NORMA_TOOLS_NORMA_SOURCETEXT_H
