//===- NormaBase.td - The norma dialect --------------------*- tablegen -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_DIALECT_NORMABASE_TD
#define NORMA_DIALECT_NORMABASE_TD

include "mlir/IR/OpBase.td"

def NormaDialect : Dialect {
  let name = "norma";
  let cppNamespace = "::norma";
  let summary = "Normalization layers, their statistics, and the kernels that compute them";
  let description = [{
    Two levels of ops:

    - **Layer ops** say what a user of a framework means: `norma.normalize`,
      `norma.adapt`, `norma.merge`, `norma.finalize`, `norma.batch_norm`,
      `norma.batch_norm_training`, `norma.batch_norm_grad`. They work on tensors,
      are pure, and `norma-decompose` rewrites them into kernel ops and a few
      element-wise `linalg.generic` ops over the statistics.
    - **Kernel ops** are what is compiled: `norma.moments` and `norma.grad_sums`
      (reductions), `norma.affine` and `norma.grad_map` (maps). They follow the
      destination style, on tensors or memrefs, and carry an optional
      `#norma.schedule` that says how the loops are to be written. Lowerings carry
      a schedule out, they do not decide.

    The **kept axes** of an op are the axes with statistics of their own (what
    Keras calls `axis`); all other axes are **reduced**. They are given as an
    ascending list of axis numbers, empty for one set of statistics over all
    elements. Operands that hold one number per kept index have the extents of
    the kept axes, in axis order, as their shape.

    **Statistics** are `count` (elements, or the sum of their weights), `mean`
    and `m2` (the sum of squared deviations from the mean), always f64, whatever
    the data type.

    Integers are signless, as everywhere in MLIR; the unit attribute
    `unsigned_data` makes an op read its data as unsigned.
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

class Norma_Op<string mnemonic, list<Trait> traits = []> : Op<NormaDialect, mnemonic, traits>;

#endif // NORMA_DIALECT_NORMABASE_TD
