//===- PipelineCheck.cpp - The pipeline, with all its verifiers -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PipelineCheck.h"

#include "FuzzTarget.h"

#include "Runtime/Cpu/Diagnostics.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassInstrumentation.h"

using namespace mlir;

namespace norma::fuzz {

namespace {

/// Verifies the IR behind every pass, where the pass manager's own verifier would only
/// make the pipeline fail, as for a program that cannot be compiled.
class VerifyAfterPass : public PassInstrumentation {
public:
  explicit VerifyAfterPass(Diagnostics &diagnostics) : diagnostics(diagnostics) {}

  void runAfterPass(Pass *pass, Operation *op) override {
    if (failed(verify(op)))
      require(false, "the IR is valid after " + pass->getName().str() + ": " + diagnostics.text);
  }

private:
  Diagnostics &diagnostics;
};

} // namespace

bool lowers(ModuleOp module, StringRef first, const PipelineOptions &options) {
  Diagnostics diagnostics(module.getContext());
  PassManager pm(module.getContext());
  pm.enableVerifier(false);
  pm.addInstrumentation(std::make_unique<VerifyAfterPass>(diagnostics));
  const auto isFirst = [&](const Stage &stage) { return stage.name == first; };
  for (const Stage &stage :
       llvm::make_range(llvm::find_if(cpuStages(), isFirst), cpuStages().end()))
    stage.build(pm, options);
  if (failed(pm.run(module))) {
    require(!diagnostics.text.empty(), "a module that cannot be lowered is told why");
    return false;
  }
  module.walk([](Operation *op) {
    require(isa<ModuleOp>(op) || isa_and_nonnull<LLVM::LLVMDialect>(op->getDialect()),
            op->getName().getStringRef().str() + " does not outlive the pipeline");
  });
  return true;
}

} // namespace norma::fuzz
