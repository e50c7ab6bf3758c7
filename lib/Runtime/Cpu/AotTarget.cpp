//===- AotTarget.cpp - Processors of other machines -----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CpuTarget.h"

#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"

#include <fmt/format.h>
#include <mutex>

namespace norma {

static constexpr const char *kExamples =
    "x86_64-linux-gnu, x86_64-linux-musl, aarch64-linux-gnu or aarch64-unknown-freebsd";

namespace {

/// What there is for an architecture.
struct Architecture {
  llvm::Triple::ArchType arch;
  /// The processor where none is given.
  const char *baseline;
  void (*initialize)();
};

constexpr Architecture kArchitectures[] = {{llvm::Triple::x86_64, "x86-64-v2",
                                            [] {
                                              LLVMInitializeX86Target();
                                              LLVMInitializeX86TargetMC();
                                              LLVMInitializeX86AsmPrinter();
                                            }},
                                           {llvm::Triple::aarch64, "generic", [] {
                                              LLVMInitializeAArch64Target();
                                              LLVMInitializeAArch64TargetMC();
                                              LLVMInitializeAArch64AsmPrinter();
                                            }}};

/// The backend of another architecture is initialized when it is first asked for.
void initialize(const Architecture &architecture, llvm::Triple::ArchType host) {
  static std::once_flag once[std::size(kArchitectures)];
  initializeLlvm();
  if (architecture.arch != host)
    std::call_once(once[&architecture - kArchitectures], architecture.initialize);
}

} // namespace

/// Other byte orders, sizes of pointers and formats of object files are known to LLVM
/// as architectures of their own, environments, and systems.
static Expected<const Architecture *> checkTriple(const llvm::Triple &triple,
                                                  const std::string &given) {
  const auto *architecture = llvm::find_if(
      kArchitectures, [&](const Architecture &each) { return each.arch == triple.getArch(); });
  const bool isElf = triple.isOSBinFormatELF() && !triple.isX32() &&
                     triple.getEnvironment() != llvm::Triple::GNUILP32;
  if (architecture != std::end(kArchitectures) && isElf)
    return architecture;
  return Error(ErrorCode::Unsupported,
               fmt::format("target-triple: '{}', expected x86_64 or aarch64 (little-endian, 64-bit "
                           "pointers) and a system with ELF objects, such as {}",
                           given, kExamples));
}

Expected<std::shared_ptr<const CpuTarget>> createAheadOfTimeTarget(const std::string &tripleText,
                                                                   const std::string &cpu) {
  const llvm::Triple host(llvm::sys::getProcessTriple());
  const std::string given = tripleText.empty() ? host.str() : tripleText;
  const llvm::Triple triple(llvm::Triple::normalize(given));
  Expected<const Architecture *> architecture = checkTriple(triple, given);
  if (!architecture)
    return architecture.takeError();
  initialize(**architecture, host.getArch());
  std::string message;
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, message);
  if (!backend)
    return Error(ErrorCode::Unsupported, "target-triple: " + message);

  const bool isNative = cpu == "native";
  if (isNative && triple.getArch() != host.getArch())
    return invalidArgument(fmt::format("target-cpu: 'native' is a processor of {}; expected one of "
                                       "{} or a target-triple of this machine",
                                       host.getArchName().str(), triple.getArchName().str()));
  CpuTarget target{isNative      ? llvm::sys::getHostCPUName().str()
                   : cpu.empty() ? (*architecture)->baseline
                                 : cpu,
                   llvm::orc::JITTargetMachineBuilder(triple),
                   {}};
  std::unique_ptr<llvm::MCSubtargetInfo> generic(backend->createMCSubtargetInfo(triple, "", ""));
  // A name LLVM does not know would otherwise quietly mean the baseline.
  if (!generic->isCPUStringValid(target.cpu))
    return invalidArgument(
        fmt::format("target-cpu: '{}' is no processor of {} that LLVM knows; expected a name such "
                    "as {}",
                    cpu, triple.getArchName().str(),
                    triple.isX86() ? "'x86-64-v3', 'znver4' or 'native'"
                                   : "'generic', 'neoverse-v2' or 'cortex-a76'"));
  target.machine.setCPU(target.cpu);
  // Of this machine, what the name leaves open: an operating system may keep a part of
  // the registers for itself.
  if (isNative)
    for (const auto &feature : llvm::sys::getHostCPUFeatures())
      target.machine.getFeatures().AddFeature(feature.first(), feature.second);
  target.machine.setCodeGenOptLevel(llvm::CodeGenOptLevel::Default);
  target.machine.setRelocationModel(llvm::Reloc::PIC_);
  // A machine made for a JIT would otherwise expect its data far away.
  target.machine.setCodeModel(llvm::CodeModel::Small);
  std::unique_ptr<llvm::MCSubtargetInfo> info(
      backend->createMCSubtargetInfo(triple, target.cpu, target.machine.getFeatures().getString()));
  // LLVM ends the process where it cannot generate code at all.
  if (triple.isX86() && !info->checkFeatures("+64bit"))
    return invalidArgument(
        fmt::format("target-cpu: '{}' has no 64-bit mode; expected one that has", cpu));
  leaveOutHalfArithmetic(target);
  describeVectors(target.description, *info);
  describeMemory(target.description, memorySystemOf(target.cpu, {}));
  return std::make_shared<const CpuTarget>(std::move(target));
}

} // namespace norma
