//===- Origin.cpp - Which compiler made a kernel, and for what ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Origin.h"

#include "CpuTarget.h"
#include "Digest.h"

#include "mlir/IR/Verifier.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/TargetParser/Host.h"

#include <cstring>
#include <elf.h>
#include <fmt/format.h>
#include <link.h>

namespace norma {

/// The build ID among the notes in `bytes`; empty when there is none. (The linker
/// wrote them, but a tool may have cut them: nothing past the end is read.)
static llvm::StringRef findBuildId(llvm::StringRef bytes) {
  while (bytes.size() >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, bytes.data(), sizeof(note));
    const uint64_t name = sizeof(note), description = name + llvm::alignTo(note.n_namesz, 4),
                   end = description + llvm::alignTo(note.n_descsz, 4);
    if (end > bytes.size())
      return {};
    if (note.n_type == NT_GNU_BUILD_ID &&
        bytes.substr(name, note.n_namesz) == llvm::StringRef("GNU", 4))
      return bytes.substr(description, note.n_descsz);
    bytes = bytes.substr(end);
  }
  return {};
}

/// The build ID of the program or library that holds `address`.
static std::string buildIdAt(const void *address) {
  struct Search {
    uintptr_t address;
    std::string found;
  } search{reinterpret_cast<uintptr_t>(address), {}};
  dl_iterate_phdr(
      [](dl_phdr_info *info, size_t, void *data) {
        auto &wanted = *static_cast<Search *>(data);
        bool holds = false;
        llvm::StringRef id;
        for (const ElfW(Phdr) &header : llvm::ArrayRef(info->dlpi_phdr, info->dlpi_phnum)) {
          const uintptr_t begin = info->dlpi_addr + header.p_vaddr;
          if (header.p_type == PT_LOAD)
            holds |= wanted.address >= begin && wanted.address - begin < header.p_memsz;
          else if (header.p_type == PT_NOTE && id.empty())
            id = findBuildId({reinterpret_cast<const char *>(begin), size_t(header.p_memsz)});
        }
        if (holds)
          wanted.found = id.str();
        return int(holds);
      },
      &search);
  return search.found;
}

/// `version`, and a few digits that differ between builds of it, so that a kernel
/// never outlives a change of the compiler that made it.
static std::string withBuild(const std::string &version,
                             std::initializer_list<const void *> addresses) {
  std::string ids;
  for (const void *address : addresses)
    ids += buildIdAt(address);
  return ids.empty() ? version : version + "+" + hexDigestOf(ids).substr(0, 12);
}

CodeOrigin originOf(const CpuTarget &target) {
  // One function of each library that takes part.
  static const std::string norma =
      withBuild(NORMA_VERSION, {reinterpret_cast<const void *>(&originOf)});
  static const std::string llvmAndMlir =
      withBuild(LLVM_VERSION_STRING, {reinterpret_cast<const void *>(&llvm::sys::getHostCPUName),
                                      reinterpret_cast<const void *>(&mlir::verify)});
  const TargetDescription &known = target.description;
  return {norma, llvmAndMlir, target.cpu,
          fmt::format("{};{};vector={}x{};l1={};l2={};streams={}",
                      target.machine.getTargetTriple().str(),
                      target.machine.getFeatures().getString(), known.vectorBits,
                      known.vectorRegisters, known.l1Bytes, known.l2Bytes, known.readStreams)};
}

std::string CodeOrigin::key() const {
  return fmt::format(";cpu={};target={};norma={};llvm={}", cpu, hexDigestOf(target).substr(0, 16),
                     norma, llvm);
}

} // namespace norma
