//===- AllocationFailure.cpp - Allocations that fail on request -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Memory comes from posix_memalign and goes to free, which sanitizers watch.
//
//===----------------------------------------------------------------------===//

#include "AllocationFailure.h"

#include <cstdlib>
#include <new>

using namespace norma::test;

namespace {

/// How many allocations are left until one fails; 0 when none shall.
thread_local int64_t untilFailure = 0;
thread_local bool hasFailed = false;
thread_local int64_t live = 0;

void *allocate(size_t size, size_t alignment) {
  if (untilFailure > 0 && --untilFailure == 0) {
    hasFailed = true;
    throw std::bad_alloc();
  }
  void *memory = nullptr;
  if (::posix_memalign(&memory, std::max(alignment, sizeof(void *)), std::max<size_t>(size, 1)))
    throw std::bad_alloc();
  ++live;
  return memory;
}

void release(void *memory) noexcept {
  if (!memory)
    return;
  --live;
  std::free(memory);
}

} // namespace

int64_t norma::test::liveAllocations() { return live; }

FailingAllocation::FailingAllocation(int64_t n) {
  hasFailed = false;
  untilFailure = n;
}

bool FailingAllocation::stop() {
  untilFailure = 0;
  return hasFailed;
}

// All forms: a sanitizer has its own of those that are left out, which do not match.

void *operator new(size_t size) { return allocate(size, alignof(std::max_align_t)); }
void *operator new[](size_t size) { return ::operator new(size); }
void *operator new(size_t size, std::align_val_t alignment) {
  return allocate(size, size_t(alignment));
}
void *operator new[](size_t size, std::align_val_t alignment) {
  return ::operator new(size, alignment);
}

void *operator new(size_t size, const std::nothrow_t &) noexcept try {
  return ::operator new(size);
} catch (const std::bad_alloc &) {
  return nullptr;
}
void *operator new[](size_t size, const std::nothrow_t &nothrow) noexcept {
  return ::operator new(size, nothrow);
}
void *operator new(size_t size, std::align_val_t alignment, const std::nothrow_t &) noexcept try {
  return ::operator new(size, alignment);
} catch (const std::bad_alloc &) {
  return nullptr;
}
void *operator new[](size_t size, std::align_val_t alignment,
                     const std::nothrow_t &nothrow) noexcept {
  return ::operator new(size, alignment, nothrow);
}

void operator delete(void *memory) noexcept { release(memory); }
void operator delete[](void *memory) noexcept { release(memory); }
void operator delete(void *memory, size_t) noexcept { release(memory); }
void operator delete[](void *memory, size_t) noexcept { release(memory); }
void operator delete(void *memory, std::align_val_t) noexcept { release(memory); }
void operator delete[](void *memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void *memory, size_t, std::align_val_t) noexcept { release(memory); }
void operator delete[](void *memory, size_t, std::align_val_t) noexcept { release(memory); }
void operator delete(void *memory, const std::nothrow_t &) noexcept { release(memory); }
void operator delete[](void *memory, const std::nothrow_t &) noexcept { release(memory); }
void operator delete(void *memory, std::align_val_t, const std::nothrow_t &) noexcept {
  release(memory);
}
void operator delete[](void *memory, std::align_val_t, const std::nothrow_t &) noexcept {
  release(memory);
}
