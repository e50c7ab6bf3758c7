//===- Race.h - Which of several functions is fastest -----------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_TUNING_RACE_H
#define NORMA_RUNTIME_TUNING_RACE_H

#include "norma/Support/Error.h"

#include <functional>
#include <span>
#include <vector>

namespace norma {

/// The seconds that a call of each function takes. They take turns, `rounds` times, so that what
/// changes on the machine meanwhile changes it for all; short ones are called many times in a turn.
/// Of all turns counts the one that a quarter of the others was faster than: what gets in the way
/// of a function makes it slower, never faster. `mayGoOn` is asked between turns.
Expected<std::vector<double>> race(std::span<const std::function<void()>> functions, int rounds,
                                   const std::function<Expected<void>()> &mayGoOn);

} // namespace norma

#endif // NORMA_RUNTIME_TUNING_RACE_H
