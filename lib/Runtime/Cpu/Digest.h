//===- Digest.h - BLAKE3 ----------------------------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_DIGEST_H
#define NORMA_RUNTIME_CPU_DIGEST_H

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace norma {

using Digest = std::array<uint8_t, 32>;

/// The BLAKE3 digest of `bytes`.
Digest digestOf(std::string_view bytes);

/// The same as 64 lower case hexadecimal digits.
std::string hexDigestOf(std::string_view bytes);

} // namespace norma

#endif // NORMA_RUNTIME_CPU_DIGEST_H
