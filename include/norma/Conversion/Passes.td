//===- Passes.td - Passes that leave the dialect -----------*- tablegen -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_CONVERSION_PASSES_TD
#define NORMA_CONVERSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertNormaToLinalgPass : Pass<"convert-norma-to-linalg"> {
  let summary = "Lower kernel ops on tensors to linalg";
  let description = [{
    The executable specification: `norma.affine` becomes one `linalg.generic`,
    `norma.moments` three (sums, means, squared deviations), all reductions in
    f64. Works for any axis form, any shape, mask, weights and NaN policy, and
    ignores schedules. The loop lowering is tested against it.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"];
}

def ConvertNormaToLoopsPass : Pass<"convert-norma-to-loops"> {
  let summary = "Lower scheduled kernel ops on memrefs to vector loops";
  let description = [{
    Writes `scf` loops over `vector` loads, arithmetic and stores, as the op's
    `#norma.schedule` says; an op without one is an error. Any axis form, static
    or dynamic extents, any strides (a buffer whose innermost stride is not one
    needs `vector = 1`). A function with a reduction that reads
    more than two vectors of each of several rows (`streams`, `unroll`) gets the attribute
    `norma.loads_early`: its loops gain from loads that go early.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def ConvertLoopsToLLVMPass : Pass<"convert-norma-loops-to-llvm", "::mlir::ModuleOp"> {
  let summary = "Lower what convert-norma-to-loops writes to the LLVM dialect, in one step";
  let description = [{
    Converts `arith`, `cf`, `func`, `math`, `memref`, `ub` and `vector` together, with
    patterns that are gathered once in the life of the pass, after `convert-scf-to-cf`. Where
    there are ops that kernels do not use, what takes those in several steps goes before:
    `arith-expand`, `expand-strided-metadata`, `lower-affine`, `convert-vector-to-llvm`.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // NORMA_CONVERSION_PASSES_TD
