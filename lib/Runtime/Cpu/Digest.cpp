//===- Digest.cpp - BLAKE3 ------------------------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Digest.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/BLAKE3.h"

namespace norma {

Digest digestOf(std::string_view bytes) {
  return llvm::BLAKE3::hash<sizeof(Digest)>(
      llvm::arrayRefFromStringRef(llvm::StringRef(bytes.data(), bytes.size())));
}

std::string hexDigestOf(std::string_view bytes) {
  return llvm::toHex(digestOf(bytes), /*LowerCase=*/true);
}

} // namespace norma
