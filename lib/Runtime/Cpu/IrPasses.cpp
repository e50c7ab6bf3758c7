//===- IrPasses.cpp - What is done to LLVM IR before codegen --------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "IrPasses.h"

#include "LlvmSteps.h"

#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"
#include "llvm/Target/TargetMachine.h"

namespace norma {

/// Moves what `call` calls, and nothing else does, to where it is called, where that is the
/// end of the function's only block: what an inliner would do to a copy.
static bool moveCalleeHere(llvm::CallInst &call) {
  llvm::Function &caller = *call.getFunction(), &callee = *call.getCalledFunction();
  llvm::BasicBlock &block = *call.getParent();
  auto *end = llvm::dyn_cast<llvm::ReturnInst>(call.getNextNode());
  if (&callee == &caller || caller.size() != 1 || !end || end->getReturnValue() ||
      !callee.getReturnType()->isVoidTy())
    return false;
  for (auto [parameter, argument] : llvm::zip_equal(callee.args(), call.args()))
    parameter.replaceAllUsesWith(argument);
  end->eraseFromParent();
  call.eraseFromParent();
  llvm::BasicBlock &entry = callee.getEntryBlock();
  entry.replaceSuccessorsPhiUsesWith(&block);
  block.splice(block.end(), &entry);
  entry.eraseFromParent();
  caller.splice(caller.end(), &callee);
  callee.eraseFromParent();
  return true;
}

/// The wrappers, and what they wrap: not worth a thought about what it costs.
static void inlineWrapped(llvm::Module &module) {
  llvm::SmallVector<llvm::Function *> wrapped;
  for (llvm::Function &function : module)
    if (!function.isDeclaration() && function.hasLocalLinkage() && function.hasOneUse())
      wrapped.push_back(&function);
  for (llvm::Function *function : wrapped) {
    auto *call = llvm::dyn_cast<llvm::CallInst>(function->user_back());
    if (!call || call->getCalledFunction() != function)
      continue;
    if (loadsEarly(*function))
      markAsLoadingEarly(*call->getFunction());
    if (!moveCalleeHere(*call))
      function->addFnAttr(llvm::Attribute::AlwaysInline);
  }
}

IrPasses::IrPasses(llvm::TargetMachine &machine) : builder(&machine) {
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(callGraph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, callGraph, modules);
}

llvm::Expected<std::unique_ptr<IrPasses>> IrPasses::create(llvm::TargetMachine &machine) {
  std::unique_ptr<IrPasses> made(new IrPasses(machine));
  if (llvm::Error error =
          made->addPasses(made->afterDialect,
                          "always-inline,cgscc(inline),globaldce,function(sroa,early-cse<memssa>,"
                          "simplifycfg,instsimplify,loop-simplify)",
                          "early-cse,loop-mssa(licm<allowspeculation>)"))
    return error;
  // MLIR has moved what does not change out of loops, in a fraction of the time.
  if (llvm::Error error =
          made->addPasses(made->afterLoops, "always-inline,function(loop-simplify)", "early-cse"))
    return error;
  return made;
}

/// `first`, what all IR needs, and `last`, of functions.
llvm::Error IrPasses::addPasses(llvm::ModulePassManager &passes, llvm::StringRef first,
                                llvm::StringRef last) {
  if (llvm::Error error = builder.parsePassPipeline(passes, first))
    return error;
  llvm::FunctionPassManager addresses;
  addresses.addPass(ShareIndicesPass());
  addresses.addPass(SplitAddressesPass());
  if (llvm::Error error = builder.parsePassPipeline(addresses, last))
    return error;
  passes.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(addresses)));
  return llvm::Error::success();
}

void IrPasses::run(llvm::Module &module, IrSource source) {
  inlineWrapped(module);
  (source == IrSource::Loops ? afterLoops : afterDialect).run(module, modules);
  // What is known of this module is wrong for one that may come to lie at the same address.
  loops.clear();
  functions.clear();
  callGraph.clear();
  modules.clear();
}

} // namespace norma
