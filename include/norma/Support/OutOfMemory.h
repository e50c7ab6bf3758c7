//===- OutOfMemory.h - Failed allocations as errors -------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The standard library throws where memory runs out. Every public call that returns
// an Expected turns that into an error, in the same way:
//
//   Expected<Statistics> Engine::moments(...) try {
//     ...
//   } catch (...) {
//     return outOfMemory();
//   }
//
// and leaves what it works on as it was. Calls that return a plain value, a string or
// a list, let std::bad_alloc through.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_SUPPORT_OUTOFMEMORY_H
#define NORMA_SUPPORT_OUTOFMEMORY_H

#include "norma/Support/Error.h"

namespace norma {

/// The error for the exception that is being handled, for use in a catch block. Only
/// std::bad_alloc and std::length_error become one; what else is thrown comes from a
/// function that the caller gave, and goes on to the caller.
Error outOfMemory();

} // namespace norma

#endif // NORMA_SUPPORT_OUTOFMEMORY_H
