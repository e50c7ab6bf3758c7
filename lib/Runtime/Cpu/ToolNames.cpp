//===- ToolNames.cpp - Tells perf and gdb where kernels are ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ToolNames.h"

#include "llvm/ExecutionEngine/Orc/TargetProcess/JITLoaderGDB.h"
#include "llvm/Object/ELFObjectFile.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <mutex>
#include <sys/stat.h>
#include <unistd.h>

// What gdb watches; LLVM has them for all JITs of the process.
extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier, readability-identifier-naming)
extern jit_descriptor __jit_debug_descriptor;
void __jit_debug_register_code();
// NOLINTEND(bugprone-reserved-identifier, readability-identifier-naming)
}

namespace norma {

using Elf = llvm::object::ELF64LE;

namespace {

/// The section of an object with its code.
struct CodeSection {
  /// In the table of sections, and in memory.
  unsigned index = 0;
  uint64_t address = 0;
  struct Function {
    llvm::StringRef name;
    uint64_t offset, bytes;
  };
  llvm::SmallVector<Function, 4> functions;
};

} // namespace

static llvm::Expected<CodeSection> findCode(const llvm::object::ELFFile<Elf> &file,
                                            llvm::StringRef symbol, uint64_t entry) {
  auto sections = file.sections();
  if (!sections)
    return sections.takeError();
  CodeSection code;
  for (const Elf::Shdr &section : *sections) {
    if (section.sh_type != llvm::ELF::SHT_SYMTAB)
      continue;
    auto symbols = file.symbols(&section);
    auto names = file.getStringTableForSymtab(section);
    if (!symbols)
      return symbols.takeError();
    if (!names)
      return names.takeError();
    for (const Elf::Sym &each : *symbols) {
      if (each.getType() != llvm::ELF::STT_FUNC)
        continue;
      llvm::Expected<llvm::StringRef> name = each.getName(*names);
      if (!name)
        return name.takeError();
      code.functions.push_back({*name, each.st_value, each.st_size});
      if (*name == symbol) {
        code.index = each.st_shndx;
        code.address = entry - each.st_value;
      }
    }
  }
  if (code.index == 0 || code.index >= sections->size())
    return llvm::createStringError("the object has no function of the name");
  return code;
}

/// `object` as a file, and its code; the functions of a kernel are all in one section.
static Expected<CodeSection> findCode(const std::string &object, const std::string &symbol,
                                      const void *entry) {
  llvm::Expected<CodeSection> code = [&]() -> llvm::Expected<CodeSection> {
    auto file = llvm::object::ELFFile<Elf>::create(object);
    if (!file)
      return file.takeError();
    return findCode(*file, symbol, reinterpret_cast<uintptr_t>(entry));
  }();
  if (!code)
    return Error(ErrorCode::Unsupported, symbol + ": " + llvm::toString(code.takeError()));
  return std::move(*code);
}

//===----------------------------------------------------------------------===//
// perf
//===----------------------------------------------------------------------===//

/// Adds `text` to a file in one piece; 0 or an error number. Anybody may create files
/// in /tmp: only one of this user's own is written to, and nothing that leads elsewhere.
static int append(const std::string &path, const std::string &text) {
  const int file = ::open(
      path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
  if (file < 0)
    return errno;
  struct stat status;
  int problem = 0;
  if (::fstat(file, &status) != 0)
    problem = errno;
  else if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid() || status.st_nlink != 1)
    problem = EPERM;
  else if (const ssize_t written = ::write(file, text.data(), text.size());
           written != ssize_t(text.size()))
    problem = written < 0 ? errno : ENOSPC;
  ::close(file);
  return problem;
}

Expected<void> addToPerfMap(const std::string &object, const std::string &symbol,
                            const void *entry) {
  Expected<CodeSection> code = findCode(object, symbol, entry);
  if (!code)
    return code.takeError();
  std::string lines;
  for (const CodeSection::Function &function : code->functions)
    lines += fmt::format("{:x} {:x} {}\n", code->address + function.offset, function.bytes,
                         std::string_view(function.name));
  // Of this moment, since a fork changes it.
  const std::string path = fmt::format("/tmp/perf-{}.map", ::getpid());
  if (const int problem = append(path, lines))
    return Error(ErrorCode::IOError, fmt::format("'{}': {}", path, std::strerror(problem)));
  return {};
}

//===----------------------------------------------------------------------===//
// gdb
//===----------------------------------------------------------------------===//

struct GdbObject::State {
  /// With the address of its code in the table of sections.
  std::string object;
  jit_code_entry entry = {};
};

/// gdb's list belongs to the process, as does what guards it.
static std::mutex listMutex;

/// Stops a debugger that is there, which looks at the list.
static void tell(jit_actions_t action, jit_code_entry &entry) {
  __jit_debug_descriptor.action_flag = action;
  __jit_debug_descriptor.relevant_entry = &entry;
  __jit_debug_register_code();
}

Expected<std::unique_ptr<GdbObject>>
GdbObject::create(const std::string &object, const std::string &symbol, const void *address) {
  Expected<CodeSection> code = findCode(object, symbol, address);
  if (!code)
    return code.takeError();
  auto state = std::make_unique<State>();
  state->object = object;
  Elf::Ehdr header;
  std::memcpy(&header, object.data(), sizeof(header));
  const Elf::Addr loaded(code->address);
  std::memcpy(state->object.data() + header.e_shoff + code->index * sizeof(Elf::Shdr) +
                  offsetof(Elf::Shdr, sh_addr),
              &loaded, sizeof(loaded));

  std::lock_guard<std::mutex> lock(listMutex);
  jit_code_entry &entry = state->entry;
  entry.symfile_addr = state->object.data();
  entry.symfile_size = state->object.size();
  entry.next_entry = __jit_debug_descriptor.first_entry;
  if (entry.next_entry)
    entry.next_entry->prev_entry = &entry;
  __jit_debug_descriptor.first_entry = &entry;
  tell(JIT_REGISTER_FN, entry);
  return std::unique_ptr<GdbObject>(new GdbObject(std::move(state)));
}

GdbObject::GdbObject(std::unique_ptr<State> state) : state(std::move(state)) {}

GdbObject::~GdbObject() {
  std::lock_guard<std::mutex> lock(listMutex);
  jit_code_entry &entry = state->entry;
  (entry.prev_entry ? entry.prev_entry->next_entry : __jit_debug_descriptor.first_entry) =
      entry.next_entry;
  if (entry.next_entry)
    entry.next_entry->prev_entry = entry.prev_entry;
  tell(JIT_UNREGISTER_FN, entry);
}

} // namespace norma
