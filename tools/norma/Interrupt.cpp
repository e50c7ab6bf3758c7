//===- Interrupt.cpp - Stopping cleanly on Ctrl-C -------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Interrupt.h"

#include <csignal>

using namespace norma;

static volatile std::sig_atomic_t stopRequested = 0;

extern "C" {
static void requestStop(int signal) { stopRequested = signal; }
}

void tool::installSignalHandlers() {
  struct sigaction action = {};
  action.sa_handler = requestStop;
  // SA_RESETHAND: the second signal has its ordinary effect.
  action.sa_flags = SA_RESTART | int(SA_RESETHAND);
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction old = {};
    // nohup and background shells ask for signals to be ignored.
    if (sigaction(signal, nullptr, &old) == 0 && old.sa_handler != SIG_IGN)
      sigaction(signal, &action, nullptr);
  }
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

Expected<void> tool::checkInterrupt() {
  if (stopRequested != 0)
    return Error(ErrorCode::Cancelled, "interrupted; no output was written");
  return {};
}
