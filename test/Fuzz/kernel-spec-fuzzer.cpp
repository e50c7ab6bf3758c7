//===- kernel-spec-fuzzer.cpp - Any text as a kernel spec -----------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The key of a spec is its text: it gives the same spec. What is accepted can be lowered,
// and, of which a part is tried, compiled.
//
//===----------------------------------------------------------------------===//

#include "FuzzTarget.h"
#include "PipelineCheck.h"

#include "Runtime/Cpu/Codegen.h"
#include "Runtime/Cpu/Compiler.h"

#include <unordered_set>

using namespace norma;
using namespace norma::fuzz;

/// Contexts keep every type they have seen, so they are made anew now and then.
static mlir::MLIRContext &context() {
  static std::unique_ptr<mlir::MLIRContext> context;
  static size_t uses = 0;
  constexpr size_t kUsesPerContext = 1024;
  if (uses++ % kUsesPerContext == 0) {
    mlir::DialectRegistry registry;
    registerPipelineDialects(registry);
    context = std::make_unique<mlir::MLIRContext>(registry, mlir::MLIRContext::Threading::DISABLED);
    context->loadAllAvailableDialects();
  }
  return *context;
}

static void lower(const KernelSpec &spec) {
  const mlir::OwningOpRef<mlir::ModuleOp> module =
      buildKernelModule(&context(), spec, MomentsPart::All);
  PipelineOptions options;
  options.streaming = spec.streaming;
  options.interleave = spec.interleaved;
  options.ahead = spec.ahead;
  require(lowers(*module, "schedule", options), "a spec that was accepted can be lowered");
}

static void compile(const KernelSpec &spec) {
  static Compiler *const compiler = [] {
    Expected<std::shared_ptr<const CpuTarget>> target = createCpuTarget("");
    requireSuccess(target, "the machine's own processor is one to compile for");
    return new Compiler(*target);
  }();
  Expected<LoweredKernel> kernel = compiler->lowerKernel(spec);
  requireSuccess(kernel, "a spec that was accepted can be lowered");
  for (KernelTier tier : {KernelTier::Quick, KernelTier::Optimized}) {
    const Expected<CompiledObject> code = kernel->generate(tier);
    requireSuccess(code, "a spec that was accepted can be compiled");
    require(!code->object.empty(), "a compiled kernel has code");
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const Expected<KernelSpec> spec = parseKernelSpec(textOf(data, size));
  if (!spec) {
    requireMessage(spec);
    return 0;
  }
  const std::string key = spec->key();
  const Expected<KernelSpec> again = parseKernelSpec(key);
  requireSuccess(again, "a key is the text of a spec");
  require(*again == *spec && again->hash() == spec->hash(), "a key gives the same spec");
  require(again->key() == key, "a key gives the same key");

  // The same kernel once is enough.
  static std::unordered_set<std::string> seen;
  if (!seen.insert(key).second)
    return 0;
  lower(*spec);
  constexpr size_t kCompiled = 16;
  if (spec->hash() % kCompiled == 0)
    compile(*spec);
  return 0;
}

//===----------------------------------------------------------------------===//
// Mutation
//===----------------------------------------------------------------------===//

/// Fields in the order of a key, each where the dice want it: most specs are accepted.
static std::string makeSpec(Choices &choose) {
  static constexpr const char *kFamilies[] = {"affine", "moments", "grad_sums", "grad_map"};
  static constexpr const char *kExtents[] = {"?", "1", "2", "3", "13", "16", "49", "64", "1000"};
  static constexpr const char *kTypes[] = {"f32", "f64", "f16", "bf16", "i8",  "u8",
                                           "i16", "u16", "i32", "i64",  "bool"};
  static constexpr const char *kFloats[] = {"f32", "f64", "f16", "bf16"};
  static constexpr const char *kComputes[] = {"f32", "f64"};
  static constexpr const char *kMasks[] = {"u8", "i8", "bool"};
  static constexpr const char *kLayouts[] = {"contiguous", "dense-rows", "unit-inner", "strided"};
  static constexpr const char *kCoefficients[] = {"", "c", "s", "b", "cs", "cb", "sb", "csb"};
  const size_t family = choose.below(4), rank = 1 + choose.below(4);
  std::string kinds, extents;
  bool kept = choose.oneIn(2);
  for (size_t axis = 0; axis < rank; ++axis) {
    kinds += kept ? 'K' : 'R';
    kept = kept == choose.oneIn(8);
    extents += axis == 0 ? "?" : std::string("x") + choose.from(kExtents);
  }
  std::string text = kFamilies[family] + (";" + kinds) + "[" + extents + "];" + choose.from(kTypes);
  const auto add = [&](bool there, const std::string &field) {
    if (there && !choose.oneIn(3))
      text += ";" + field;
  };
  const auto repeats = [&] {
    return std::string("/") + "0123456789abcdef"[choose.below(1u << rank)];
  };
  const bool isAffine = family == 0, isMap = isAffine || family == 3;
  add(true, choose.from(kLayouts));
  add(family >= 2, std::string("dy=") + choose.from(kFloats));
  add(isMap, std::string("to=") + choose.from(kFloats));
  add(isMap, std::string("compute=") + choose.from(kComputes));
  if (isAffine)
    text += std::string(";coefficients=") + choose.from(kCoefficients);
  add(true, "streaming");
  const bool interleaved = isMap && choose.oneIn(4);
  add(interleaved, "interleaved");
  add(text.ends_with(";streaming") || text.ends_with(";interleaved"), "ahead");
  add(family == 1, "nan=omit");
  add(!isAffine && !interleaved, std::string("mask=") + choose.from(kMasks) + repeats());
  add(!isAffine && !interleaved, std::string("weights=") + choose.from(kTypes) + repeats());
  return text;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize, unsigned int seed) {
  Choices choose(seed);
  if (choose.oneIn(4))
    return putInto(data, maxSize, makeSpec(choose));
  return LLVMFuzzerMutate(data, size, maxSize);
}
