//===- CodeGenerator.h - LLVM's code generator, kept ------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_CODEGENERATOR_H
#define NORMA_RUNTIME_CPU_CODEGENERATOR_H

#include "IrPasses.h"

#include "norma/Support/Error.h"

#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/Target/TargetMachine.h"

#include <mutex>
#include <string>
#include <vector>

namespace norma {

/// For LLVM's code generator, of which it leaves out what has nothing to do in a kernel.
class CodegenPasses : public llvm::legacy::PassManager {
public:
  explicit CodegenPasses(const llvm::TargetMachine &machine)
      : forTiles(machine.getTargetTriple().isX86()) {}
  void add(llvm::Pass *pass) override;

  /// Whether instructions are taken one by one, where LLVM knows how. Read when the passes run.
  bool selectsFast = false;

private:
  /// Whether the next register allocator is the one for matrix tiles, which x86 has first.
  bool forTiles;
};

/// A machine, with the passes that make its objects. For one thread at a time.
class CodeGenerator {
public:
  static Expected<std::unique_ptr<CodeGenerator>>
  create(const llvm::orc::JITTargetMachineBuilder &builder);

  llvm::TargetMachine &machine() { return *owned; }
  /// The passes before code generation.
  Expected<void> optimize(llvm::Module &module, IrSource source);
  /// Code generation uses the module up.
  Expected<std::string> object(llvm::Module &module, IrSource source);
  Expected<std::string> assembly(llvm::Module &module, IrSource source);

private:
  explicit CodeGenerator(std::unique_ptr<llvm::TargetMachine> machine)
      : owned(std::move(machine)) {}
  void generate(CodegenPasses &passes, llvm::Module &module, IrSource source);

  // Declared before the passes, which go first.
  std::unique_ptr<llvm::TargetMachine> owned;
  std::unique_ptr<IrPasses> irPasses;
  /// What `objectPasses` write to.
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream{bytes};
  std::unique_ptr<CodegenPasses> objectPasses;
};

/// Code generators, kept for the next kernel: to make one, with its passes and what it learns
/// of its processor, takes as long as code for a small kernel.
class CodeGeneratorPool {
  struct GiveBack {
    CodeGeneratorPool *pool;
    void operator()(CodeGenerator *generator) const { pool->giveBack(generator); }
  };

public:
  /// For one thread at a time. Must not outlive the pool.
  using Handle = std::unique_ptr<CodeGenerator, GiveBack>;
  Expected<Handle> take(const llvm::orc::JITTargetMachineBuilder &builder);

private:
  void giveBack(CodeGenerator *generator);

  std::mutex mutex;
  std::vector<std::unique_ptr<CodeGenerator>> idle;
};

} // namespace norma

#endif // NORMA_RUNTIME_CPU_CODEGENERATOR_H
