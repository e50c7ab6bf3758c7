//===- Passes.td - Tensor to tensor passes -----------------*- tablegen -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_TRANSFORMS_PASSES_TD
#define NORMA_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def CollapseAxesPass : Pass<"norma-collapse-axes"> {
  let summary = "Bring kernel ops to their axis form";
  let description = [{
    Merges neighbouring axes of a kernel op that are all kept or all reduced, and
    absorbs extents of 1, by `tensor.collapse_shape` (or `memref.collapse_shape`
    on contiguous buffers). NHWC batch statistics become an op on `RK` data:

    ```mlir
    norma.moments kept [3] ins(%x : memref<32x56x56x64xf32>) ...
    // becomes
    %c = memref.collapse_shape %x [[0, 1, 2], [3]] : ...
    norma.moments kept [1] ins(%c : memref<100352x64xf32>) ...
    ```

    Axes along which mask or weights repeat differently stay apart.
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::tensor::TensorDialect"];
}

def DecomposePass : Pass<"norma-decompose"> {
  let summary = "Rewrite layer ops into kernel ops";
  let description = [{
    `norma.normalize` becomes its coefficients (a `linalg.generic` in f64 over the
    kept indices) and `norma.affine`; `norma.adapt` becomes `norma.moments` and a
    merge; `norma.merge` and `norma.finalize` become `linalg.generic` ops over the
    kept indices.

    `norma.batch_norm_training` becomes `norma.moments`, a few `linalg.generic` ops
    over the kept indices, and `norma.affine`; `norma.batch_norm_grad`
    `norma.grad_sums` and `norma.grad_map`. A ghost batch is one more kept axis: axis
    0 of the data is split by `tensor.expand_shape`, and samples that fill no ghost
    are a slice of their own.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"];
}

def SchedulePass : Pass<"norma-schedule", "::mlir::ModuleOp"> {
  let summary = "Choose how every kernel op is written as loops";
  let description = [{
    Puts a `#norma.schedule` on every kernel op that has none. The target is read
    from the module's DLTI target system specification, device "CPU":

    ```mlir
    module attributes {dlti.target_system_spec = #dlti.target_system_spec<
      "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 512 : i64,
                                       "norma.l1_bytes" = 49152 : i64>>} { ... }
    ```

    Entries that are missing count as those of a processor with 128-bit vectors
    and 32 KiB of first-level cache. An op whose schedule is given in the text
    keeps it.
  }];
  let options = [
    Option<"streaming", "streaming", "bool", "false",
           "For data that no cache holds: maps write past the caches, to results that are "
           "vector-aligned; reductions read it in several streams">,
    Option<"interleave", "interleave", "bool", "false",
           "A map goes beside the reduction that is the next op, where it can: neither reads what "
           "the other writes. The reduction is as it would be for data in a cache">,
    Option<"ahead", "ahead", "bool", "false",
           "For data that comes from memory: with interleave the reduction asks for it in advance, "
           "with streaming alone a map of contiguous tensors or a reduction does">
  ];
  let dependentDialects = ["::norma::NormaDialect"];
}

#endif // NORMA_TRANSFORMS_PASSES_TD
