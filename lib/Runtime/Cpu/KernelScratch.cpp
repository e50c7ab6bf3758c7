//===- KernelScratch.cpp - Memory that kernels work in --------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelScratch.h"

#include "llvm/IR/Module.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <utility>

namespace norma {

namespace {

/// What is before the memory that a kernel sees.
struct alignas(std::max_align_t) ScratchBlock {
  uint64_t bytes;
};

/// What the C library keeps by itself, and what is too much to be kept for nothing.
constexpr uint64_t kLeastBytes = uint64_t(64) << 10, kMostBytes = uint64_t(2) << 20;

/// Threads end before statics do, whose destructors may run kernels.
thread_local bool isOver = false;

/// Of one thread.
class ThreadScratch {
public:
  ~ThreadScratch() {
    isOver = true;
    std::ranges::for_each(blocks, std::free);
  }

  /// The smallest that is large enough, and not much larger.
  ScratchBlock *take(uint64_t bytes) {
    ScratchBlock **best = nullptr;
    for (ScratchBlock *&block : blocks)
      if (block && block->bytes >= bytes && block->bytes / 2 <= bytes &&
          (!best || block->bytes < (*best)->bytes))
        best = &block;
    return best ? std::exchange(*best, nullptr) : nullptr;
  }

  /// In the place of the smallest.
  void keep(ScratchBlock *block) {
    const auto bytesOf = [](const ScratchBlock *each) { return each ? each->bytes : 0; };
    ScratchBlock *&smallest = *std::ranges::min_element(blocks, {}, bytesOf);
    std::free(std::exchange(smallest, block));
  }

private:
  /// As many as a kernel has at once, and more.
  std::array<ScratchBlock *, 8> blocks{};
};

thread_local ThreadScratch kept;

bool isWorthKeeping(uint64_t bytes) {
  return !isOver && bytes >= kLeastBytes && bytes <= kMostBytes;
}

} // namespace

void *takeScratch(uint64_t bytes) {
  ScratchBlock *block = isWorthKeeping(bytes) ? kept.take(bytes) : nullptr;
  if (!block && bytes <= UINT64_MAX - sizeof(ScratchBlock)) {
    block = static_cast<ScratchBlock *>(std::malloc(sizeof(ScratchBlock) + bytes));
    if (block)
      block->bytes = bytes;
  }
  return block ? block + 1 : nullptr;
}

void giveScratch(void *memory) {
  if (!memory)
    return;
  ScratchBlock *block = static_cast<ScratchBlock *>(memory) - 1;
  if (isWorthKeeping(block->bytes))
    kept.keep(block);
  else
    std::free(block);
}

void useScratch(llvm::Module &module) {
  if (llvm::Function *allocate = module.getFunction("malloc")) {
    allocate->setName(kTakeScratch);
    allocate->addRetAttr(llvm::Attribute::NoAlias);
  }
  if (llvm::Function *free = module.getFunction("free"))
    free->setName(kGiveScratch);
}

} // namespace norma
