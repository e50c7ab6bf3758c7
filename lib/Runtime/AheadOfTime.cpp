//===- AheadOfTime.cpp - Object files and C headers -----------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "norma/Runtime/AheadOfTime.h"

#include "Aot/CHeader.h"
#include "Aot/KernelFunction.h"
#include "Cpu/AotCompiler.h"

#include <fmt/format.h>
#include <set>

namespace norma {

static Expected<AotCompiler> createCompiler(const AheadOfTimeOptions &options) {
  Expected<std::shared_ptr<const CpuTarget>> target =
      createAheadOfTimeTarget(options.targetTriple, options.targetCpu);
  if (!target)
    return target.takeError();
  return AotCompiler::create(std::move(*target), options.stage);
}

/// What the caller asked for, of all that was added to the compiler.
static Expected<AheadOfTimeObject> finish(AotCompiler &compiler,
                                          std::span<const CFunction> functions,
                                          const AheadOfTimeOptions &options) {
  AheadOfTimeObject result;
  Expected<std::string> object = compiler.object();
  if (!object)
    return object.takeError();
  result.object = std::move(*object);
  result.header =
      writeCHeader(functions, fmt::format("norma " NORMA_VERSION " for {}", compiler.targetText()));
  for (const CFunction &function : functions)
    result.functions.push_back(function.symbol);
  if (options.assembly) {
    Expected<std::string> assembly = compiler.assembly();
    if (!assembly)
      return assembly.takeError();
    result.assembly = std::move(*assembly);
  }
  if (options.llvmIr)
    result.llvmIr = compiler.llvmIr();
  result.stage = compiler.stageText();
  return result;
}

Expected<AheadOfTimeObject> compileKernels(std::span<const AheadOfTimeKernel> kernels,
                                           const AheadOfTimeOptions &options) {
  if (kernels.empty())
    return invalidArgument("kernels: none, expected at least one");
  std::vector<KernelSpec> specs;
  std::vector<CFunction> functions;
  std::set<std::string> names;
  for (const AheadOfTimeKernel &kernel : kernels) {
    Expected<KernelSpec> spec = parseKernelSpec(kernel.spec);
    if (!spec)
      return spec.takeError();
    const std::string name = kernel.name.empty() ? options.prefix + kernelName(*spec) : kernel.name;
    if (!isCIdentifier(name) || isLibraryFunction(name))
      return invalidArgument(
          fmt::format("name: '{}', expected a name for a C function of the product", name));
    if (!names.insert(name).second)
      return invalidArgument(fmt::format("name: '{}' is there twice, expected different names for "
                                         "different kernels",
                                         name));
    functions.push_back(kernelFunction(*spec, name));
    specs.push_back(std::move(*spec));
  }
  Expected<AotCompiler> compiler = createCompiler(options);
  if (!compiler)
    return compiler.takeError();
  for (size_t i = 0; i < specs.size(); ++i)
    if (Expected<void> ok = compiler->addKernel(specs[i], functions[i]); !ok)
      return ok.takeError();
  return finish(*compiler, functions, options);
}

Expected<AheadOfTimeObject> compileModule(std::string_view source,
                                          const AheadOfTimeOptions &options) {
  Expected<AotCompiler> compiler = createCompiler(options);
  if (!compiler)
    return compiler.takeError();
  Expected<std::vector<CFunction>> functions = compiler->addProgram(source, options.prefix);
  if (!functions)
    return functions.takeError();
  return finish(*compiler, *functions, options);
}

std::vector<std::string> aheadOfTimeStages() { return aotStageNames(); }

} // namespace norma
