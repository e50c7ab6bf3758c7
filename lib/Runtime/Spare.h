//===- Spare.h - Memory that is used again ----------------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A call needs memory whose size depends on what is called, and as a rule that of the call before
// is given up by then. In the same memory each thread finds what it wrote to in its cache; fresh
// memory is cleared by one thread, and fetched from there by the others.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_SPARE_H
#define NORMA_RUNTIME_SPARE_H

#include <atomic>
#include <memory>

namespace norma {

/// Keeps the last T that was given up, with what it holds. Safe from several threads.
template <typename T>
class Spare {
  struct GiveBack {
    Spare *owner;
    void operator()(T *used) const { owner->giveBack(used); }
  };

public:
  /// Goes back by itself. The spare must outlive it.
  using Loan = std::unique_ptr<T, GiveBack>;

  Spare() = default;
  Spare(const Spare &) = delete;
  Spare &operator=(const Spare &) = delete;
  ~Spare() { delete kept.load(); }

  /// The one that is kept, or a new one.
  Loan take() {
    std::unique_ptr<T> found(kept.exchange(nullptr));
    if (!found)
      found = std::make_unique<T>();
    return Loan(found.release(), {this});
  }
  void giveBack(T *used) { delete kept.exchange(used); }

private:
  std::atomic<T *> kept{nullptr};
};

} // namespace norma

#endif // NORMA_RUNTIME_SPARE_H
