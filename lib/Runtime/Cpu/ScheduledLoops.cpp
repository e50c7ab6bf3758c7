//===- ScheduledLoops.cpp - Which kernels LLVM schedules ------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Once registers are allocated, LLVM brings the instructions of a block into another order, for
// some processors (AMD's Zen): loads go up. That takes a sixth of all of code generation. Loops
// that wait for more than two vectors of each of several rows gain up to a tenth; nothing else was
// seen to.
//
//===----------------------------------------------------------------------===//

#include "LlvmSteps.h"

#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/MachineFunctionPass.h"

namespace norma {

static constexpr llvm::StringLiteral kLoadsEarly = "norma-loads-early";

void markAsLoadingEarly(llvm::Function &function) { function.addFnAttr(kLoadsEarly); }
bool loadsEarly(const llvm::Function &function) { return function.hasFnAttribute(kLoadsEarly); }

namespace {

/// Passes after which code is no better leave out functions that are not to be optimized. So one is
/// such a function while the scheduler runs.
class KeepOrder : public llvm::MachineFunctionPass {
public:
  static char id;

  KeepOrder(const bool &applies, bool begins)
      : llvm::MachineFunctionPass(id), applies(applies), begins(begins) {}

  bool runOnMachineFunction(llvm::MachineFunction &machine) override {
    llvm::Function &function = machine.getFunction();
    if (applies && !loadsEarly(function)) {
      if (begins)
        function.addFnAttr(llvm::Attribute::OptimizeNone);
      else
        function.removeFnAttr(llvm::Attribute::OptimizeNone);
    }
    return false;
  }
  void getAnalysisUsage(llvm::AnalysisUsage &usage) const override {
    usage.setPreservesAll();
    MachineFunctionPass::getAnalysisUsage(usage);
  }

private:
  const bool &applies;
  bool begins;
};

char KeepOrder::id = 0;

} // namespace

llvm::FunctionPass *createKeepOrderPass(const bool &applies, bool begins) {
  return new KeepOrder(applies, begins);
}

} // namespace norma
