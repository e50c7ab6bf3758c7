//===- Engine.cpp - Creation, and kernels by their specs ------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineCall.h"

#include <fmt/format.h>
#include <thread>

namespace norma {

Descriptor::Descriptor(const void *data, std::span<const int64_t> sizes,
                       std::span<const int64_t> strides) {
  words[0] = words[1] = reinterpret_cast<int64_t>(data);
  words[2] = 0;
  std::copy(sizes.begin(), sizes.end(), words.begin() + 3);
  std::copy(strides.begin(), strides.end(), words.begin() + 3 + sizes.size());
}

KernelInfo Kernel::State::info() const {
  KernelInfo info;
  info.family = family;
  info.axisForm = axisForm;
  info.schedule = schedule;
  info.key = key;
  info.lowerMilliseconds = lowerMilliseconds;
  info.codegenMilliseconds = codegenMilliseconds;
  info.calls = calls;
  info.bytes = bytes;
  info.runSeconds = double(nanoseconds) * 1e-9;
  return info;
}

KernelInfo Kernel::info() const { return state->info(); }

void Kernel::State::count(uint64_t callBytes, uint64_t callNanoseconds) {
  calls.fetch_add(1, std::memory_order_relaxed);
  bytes.fetch_add(callBytes, std::memory_order_relaxed);
  nanoseconds.fetch_add(callNanoseconds, std::memory_order_relaxed);
}

Engine::Engine(std::unique_ptr<State> state) : state(std::move(state)) {}
Engine::~Engine() = default;

Expected<std::shared_ptr<Engine>> Engine::create(const EngineOptions &options) {
  if (options.threads < 0 || options.threads > 4096)
    return invalidArgument(
        fmt::format("threads: {}, expected 1 to 4096, or 0 for all cores", options.threads));
  Expected<std::shared_ptr<const CpuTarget>> target = createCpuTarget(options.targetCpu);
  if (!target)
    return target.takeError();
  Expected<std::unique_ptr<Loader>> loader = Loader::create(**target);
  if (!loader)
    return loader.takeError();
  int threads = options.threads ? options.threads : int(std::thread::hardware_concurrency());
  auto state = std::make_unique<State>(std::max(threads, 1));
  state->cpu = nameOf(**target);
  state->l2Bytes = l2BytesOf(**target);
  state->loader = std::move(*loader);
  state->compiler = std::make_unique<Compiler>(*target);
  return std::shared_ptr<Engine>(new Engine(std::move(state)));
}

Expected<std::shared_ptr<Kernel::State>> Engine::State::kernel(const KernelSpec &spec) {
  return kernels.get(spec, [&]() -> Expected<std::shared_ptr<Kernel::State>> {
    Expected<CompiledKernelObject> object = compiler->compileKernel(spec);
    if (!object)
      return object.takeError();
    auto start = std::chrono::steady_clock::now();
    Expected<std::unique_ptr<LoadedCode>> code =
        loader->load(object->compiled.object, object->compiled.symbol);
    if (!code)
      return code.takeError();
    auto kernel = std::make_shared<Kernel::State>();
    kernel->code = std::move(*code);
    kernel->key = spec.key() + ";cpu=" + cpu;
    kernel->family = toString(spec.family);
    kernel->axisForm = spec.kinds;
    kernel->schedule = object->schedule;
    kernel->block = object->block;
    kernel->lowerMilliseconds = object->compiled.lowerMilliseconds;
    kernel->codegenMilliseconds =
        object->compiled.codegenMilliseconds +
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    return kernel;
  });
}

Expected<KernelCall> Engine::State::call(Problem problem, const KernelSpec &spec) {
  Expected<std::shared_ptr<Kernel::State>> found = kernel(spec);
  if (!found)
    return found.takeError();
  return KernelCall{std::move(problem), std::move(*found)};
}

std::vector<std::string> Engine::stageNames() { return allStageNames(); }

std::vector<KernelInfo> Engine::kernels() const {
  std::vector<KernelInfo> infos;
  for (const std::shared_ptr<Kernel::State> &kernel : state->kernels.values())
    infos.push_back(kernel->info());
  return infos;
}

int Engine::threads() const { return state->pool.size(); }
const std::string &Engine::targetCpu() const { return state->cpu; }

} // namespace norma
