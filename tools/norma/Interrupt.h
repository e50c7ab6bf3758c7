//===- Interrupt.h - Stopping cleanly on Ctrl-C ----------------*- C++ -*--===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_TOOLS_NORMA_INTERRUPT_H
#define NORMA_TOOLS_NORMA_INTERRUPT_H

#include "norma/Support/Error.h"

namespace norma::tool {

/// Makes the first SIGINT, SIGTERM or SIGHUP a request to stop, so that unfinished
/// output is removed; a second one ends the process at once. Writes to a closed
/// pipe and beyond a file size limit become errors instead of signals.
void installSignalHandlers();

/// An error (Cancelled) when a stop was requested.
Expected<void> checkInterrupt();

} // namespace norma::tool

#endif // NORMA_TOOLS_NORMA_INTERRUPT_H
