//===- Target.cpp - The processor kernels are compiled for ----------------===//
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

/// Features by which machines of one architecture differ, and which code made for
/// the wrong one would trap on.
static constexpr const char *kX86Features[] = {
    "sse3",        "ssse3",      "sse4.1",       "sse4.2",
    "sse4a",       "avx",        "avx2",         "fma",
    "fma4",        "xop",        "tbm",          "f16c",
    "bmi",         "bmi2",       "lzcnt",        "movbe",
    "popcnt",      "gfni",       "avxvnni",      "avx512f",
    "avx512bw",    "avx512cd",   "avx512dq",     "avx512vl",
    "avx512bf16",  "avx512fp16", "avx512ifma",   "avx512vbmi",
    "avx512vbmi2", "avx512vnni", "avx512bitalg", "avx512vpopcntdq",
    "avx10.1"};

void initializeLlvm() {
  static std::once_flag once;
  std::call_once(once, [] {
    // The list of targets may not grow while another thread reads it.
    LLVMInitializeX86TargetInfo();
    LLVMInitializeAArch64TargetInfo();
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
}

void leaveOutHalfArithmetic(CpuTarget &target) {
  if (target.machine.getTargetTriple().isX86())
    target.machine.getFeatures().AddFeature("avx512fp16", false);
}

void describeVectors(TargetDescription &description, const llvm::MCSubtargetInfo &info) {
  auto has = [&](const char *feature) { return info.checkFeatures(std::string("+") + feature); };
  const llvm::Triple &triple = info.getTargetTriple();
  if (triple.isX86()) {
    description.vectorBits = has("avx512f") && has("avx512bw") && has("avx512vl") ? 512
                             : has("avx2")                                        ? 256
                                                                                  : 128;
    description.vectorRegisters = has("avx512f") ? 32 : 16;
  } else if (triple.isAArch64()) {
    description.vectorBits = 128;
    description.vectorRegisters = 32;
  }
}

void describeMemory(TargetDescription &description, const MemorySystem &memory) {
  description.readStreams = memory.readStreams;
  if (memory.caches.l1)
    description.l1Bytes = memory.caches.l1;
  if (memory.caches.l2)
    description.l2Bytes = memory.caches.l2;
}

Expected<std::shared_ptr<const CpuTarget>> createCpuTarget(const std::string &cpu,
                                                           const MemorySystem &memory) {
  initializeLlvm();
  llvm::Expected<llvm::orc::JITTargetMachineBuilder> host =
      llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!host)
    return Error(ErrorCode::Unsupported, "target-cpu: this machine is not one LLVM can compile "
                                         "for: " +
                                             llvm::toString(host.takeError()));
  CpuTarget target{cpu.empty() ? host->getCPU() : cpu, std::move(*host), {}};
  target.machine.setCodeGenOptLevel(llvm::CodeGenOptLevel::Default);
  // What a kernel's code refers to, its constants, lies beside it; calls of what lies elsewhere go
  // by way of stubs, which the linker adds. By default, a JIT's addresses are of 64 bits, each in
  // an instruction of its own.
  target.machine.setRelocationModel(llvm::Reloc::PIC_);
  target.machine.setCodeModel(llvm::CodeModel::Small);

  std::string message;
  const llvm::Triple &triple = target.machine.getTargetTriple();
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, message);
  if (!backend)
    return Error(ErrorCode::Unsupported, "target-cpu: " + message);

  llvm::StringMap<bool> hostFeatures = llvm::sys::getHostCPUFeatures();
  if (!cpu.empty()) {
    // A name LLVM does not know would otherwise quietly mean the baseline.
    std::unique_ptr<llvm::MCSubtargetInfo> generic(backend->createMCSubtargetInfo(triple, "", ""));
    if (!generic->isCPUStringValid(cpu))
      return invalidArgument(
          fmt::format("target-cpu: '{}' is not a processor LLVM knows; expected a name such as "
                      "'x86-64-v2', 'x86-64-v3' or '{}'",
                      cpu, llvm::sys::getHostCPUName().str()));
    target.machine.setCPU(cpu);
    target.machine.getFeatures() = llvm::SubtargetFeatures();
  }
  std::unique_ptr<llvm::MCSubtargetInfo> info(backend->createMCSubtargetInfo(
      triple, target.machine.getCPU(), target.machine.getFeatures().getString()));
  auto has = [&](const char *feature) { return info->checkFeatures(std::string("+") + feature); };
  if (triple.isX86()) {
    // LLVM ends the process where it cannot generate code at all.
    if (!cpu.empty() && triple.isArch64Bit() && !has("64bit"))
      return invalidArgument(
          fmt::format("target-cpu: '{}' has no 64-bit mode; expected one that has", cpu));
    for (const char *feature : kX86Features)
      if (!cpu.empty() && has(feature) && !hostFeatures.lookup(feature))
        return invalidArgument(
            fmt::format("target-cpu: '{}' has {}, which this machine lacks", cpu, feature));
  }
  leaveOutHalfArithmetic(target);
  describeVectors(target.description, *info);
  describeMemory(target.description, memory);
  return std::make_shared<const CpuTarget>(std::move(target));
}

const std::string &nameOf(const CpuTarget &target) { return target.cpu; }
int64_t l2BytesOf(const CpuTarget &target) { return target.description.l2Bytes; }

} // namespace norma
