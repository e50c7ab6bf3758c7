//===- Loader.cpp - Object bytes in, function pointer out -----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Loader.h"

#include "CpuTarget.h"
#include "KernelScratch.h"
#include "ToolNames.h"

#include "mlir/ExecutionEngine/CRunnerUtils.h"
#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/MemoryBuffer.h"

#include <atomic>
#include <fmt/format.h>
#include <mutex>

namespace norma {

namespace {

Error linkError(llvm::Error error) {
  return Error(ErrorCode::Internal, "linking a kernel: " + llvm::toString(std::move(error)));
}

class OrcCode : public LoadedCode {
public:
  OrcCode(std::shared_ptr<llvm::orc::LLJIT> jit, llvm::orc::JITDylib &library)
      : jit(std::move(jit)), library(library) {}
  ~OrcCode() override {
    // Before the code does.
    gdb.reset();
    // Nobody is left to hear of a failure, and nothing depends on it.
    llvm::consumeError(jit->getExecutionSession().removeJITDylib(library));
  }

  std::unique_ptr<GdbObject> gdb;

private:
  // The code keeps its JIT alive, so handles may outlive the engine.
  std::shared_ptr<llvm::orc::LLJIT> jit;
  llvm::orc::JITDylib &library;
};

class OrcLoader : public Loader {
public:
  OrcLoader(std::shared_ptr<llvm::orc::LLJIT> orc, const ToolSupport &tools)
      : jit(std::move(orc)), tools(tools), details(std::make_shared<Details>()) {
    // The session reports the cause of a failed lookup here, and would print it.
    jit->getExecutionSession().setErrorReporter([details = details](llvm::Error error) {
      std::lock_guard<std::mutex> lock(details->mutex);
      details->text += (details->text.empty() ? "" : "; ") + llvm::toString(std::move(error));
    });
  }

  Expected<std::unique_ptr<LoadedCode>> load(const std::string &object,
                                             const std::string &symbol) override {
    // A library of its own for every object: names of kernels need not differ.
    llvm::orc::JITDylib &library =
        jit->getExecutionSession().createBareJITDylib(fmt::format("{}.{}", symbol, loaded++));
    auto code = std::make_unique<OrcCode>(jit, library);
    jit->getMainJITDylib().withLinkOrderDo([&](const llvm::orc::JITDylibSearchOrder &order) {
      library.setLinkOrder(order, /*LinkAgainstThisJITDylibFirst=*/true);
    });
    if (llvm::Error error =
            jit->addObjectFile(library, llvm::MemoryBuffer::getMemBufferCopy(object, symbol)))
      return linkError(std::move(error));
    llvm::Expected<llvm::orc::ExecutorAddr> address = jit->lookup(library, symbol);
    if (!address) {
      Error error = linkError(address.takeError());
      std::lock_guard<std::mutex> lock(details->mutex);
      return Error(error.code(), error.message() + ": " + std::exchange(details->text, {}));
    }
    code->entry = address->toPtr<EntryPoint>();
    tellTools(*code, object, symbol);
    return std::unique_ptr<LoadedCode>(std::move(code));
  }

private:
  /// Without a tool everything else works, so that it is only mentioned, once, where one
  /// cannot be told.
  void tellTools(OrcCode &code, const std::string &object, const std::string &symbol) {
    const auto *entry = reinterpret_cast<const void *>(code.entry);
    const auto check = [&](const char *tool, const Expected<void> &told) {
      if (!told && tools.log)
        std::call_once(mentioned, [&] {
          tools.log(fmt::format("{} will not know the names of kernels: {}", tool,
                                told.error().message()));
        });
    };
    if (tools.perf)
      check("perf", addToPerfMap(object, symbol, entry));
    if (tools.gdb) {
      Expected<std::unique_ptr<GdbObject>> known = GdbObject::create(object, symbol, entry);
      if (known)
        code.gdb = std::move(*known);
      else
        check("gdb", known.takeError());
    }
  }

  struct Details {
    std::mutex mutex;
    std::string text;
  };
  std::shared_ptr<llvm::orc::LLJIT> jit;
  const ToolSupport tools;
  std::once_flag mentioned;
  std::shared_ptr<Details> details;
  std::atomic<uint64_t> loaded{0};
};

} // namespace

Expected<std::unique_ptr<Loader>> Loader::create(const CpuTarget &target,
                                                 const ToolSupport &tools) {
  llvm::Expected<std::unique_ptr<llvm::orc::LLJIT>> jit =
      llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(target.machine).create();
  if (!jit)
    return linkError(jit.takeError());
  llvm::orc::SymbolMap runtime;
  const auto define = [&](const char *name, auto *function) {
    runtime[(*jit)->mangleAndIntern(name)] = {llvm::orc::ExecutorAddr::fromPtr(function),
                                              llvm::JITSymbolFlags::Exported};
  };
  // Copies between strided buffers call this function of MLIR's runtime.
  define("memrefCopy", &memrefCopy);
  define(kTakeScratch, &takeScratch);
  define(kGiveScratch, &giveScratch);
  if (llvm::Error error =
          (*jit)->getMainJITDylib().define(llvm::orc::absoluteSymbols(std::move(runtime))))
    return linkError(std::move(error));
  return std::unique_ptr<Loader>(new OrcLoader(std::move(*jit), tools));
}

} // namespace norma
