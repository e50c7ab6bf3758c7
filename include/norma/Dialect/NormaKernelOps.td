//===- NormaKernelOps.td - What is compiled ----------------*- tablegen -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_DIALECT_NORMAKERNELOPS_TD
#define NORMA_DIALECT_NORMAKERNELOPS_TD

include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "norma/Dialect/NormaLayerOps.td"

class Norma_Buffer<list<Type> types>
    : AnyTypeOf<[RankedTensorOf<types>, StridedMemRefOf<types>]>;
def Norma_DataBuffer : Norma_Buffer<[Norma_DataType]>;
def Norma_FloatBuffer : Norma_Buffer<[F16, BF16, F32, F64]>;
def Norma_CoefficientBuffer : Norma_Buffer<[F32, F64]>;
def Norma_StatisticBuffer : Norma_Buffer<[F64]>;
def Norma_MaskBuffer : Norma_Buffer<[I1, I8]>;

class Norma_KernelOp<string mnemonic, list<Trait> traits = []>
    : Norma_Op<mnemonic, !listconcat([
        AttrSizedOperandSegments,
        DestinationStyleOpInterface,
        DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
        DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>,
        DeclareOpInterfaceMethods<ConditionallySpeculatable>], traits)> {
  let hasVerifier = 1;
}

def Norma_AffineOp : Norma_KernelOp<"affine"> {
  let summary = "y = (x - center) * scale + shift";
  let description = [{
    The map kernel: every inference form of every normalization layer. Each
    coefficient has the extents of the kept axes and the compute type, f32 or
    f64; an absent one is 0, 1 and 0. The data is converted to the compute type,
    the formula evaluated there (multiplication and addition fused where the
    target can), and the result rounded once to the element type of `outs`; f16
    and bf16 go through f32.

    The data and `outs` may be the same buffer; otherwise they must not overlap.

    Example:

    ```mlir
    %y = norma.affine kept [1] ins(%x : tensor<?x13xf32>) center(%c : tensor<13xf32>)
        scale(%s : tensor<13xf32>) outs(%init : tensor<?x13xf32>) -> tensor<?x13xf32>
    norma.affine kept [1] ins(%a : memref<?x3xi8>) unsigned center(%b : memref<3xf32>)
        outs(%d : memref<?x3xbf16>)
    ```
  }];
  let arguments = (ins
    Norma_DataBuffer:$data,
    Optional<Norma_CoefficientBuffer>:$center,
    Optional<Norma_CoefficientBuffer>:$scale,
    Optional<Norma_CoefficientBuffer>:$shift,
    Norma_FloatBuffer:$out,
    DenseI64ArrayAttr:$kept,
    UnitAttr:$unsigned_data,
    OptionalAttr<Norma_ScheduleAttr>:$schedule
  );
  let results = (outs Variadic<Norma_FloatTensor>:$results);
  let assemblyFormat = [{
    `kept` $kept `ins` `(` $data `:` type($data) `)` (`unsigned` $unsigned_data^)?
    (`center` `(` $center^ `:` type($center) `)`)?
    (`scale` `(` $scale^ `:` type($scale) `)`)?
    (`shift` `(` $shift^ `:` type($shift) `)`)?
    `outs` `(` $out `:` type($out) `)` attr-dict (`->` type($results)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
    /// The type the formula is evaluated in: the coefficients', or f32 (f64 when
    /// data or result is f64) when there are none.
    ::mlir::FloatType getComputeType();
    /// The coefficients that are there.
    ::llvm::SmallVector<::mlir::Value> getCoefficients();
  }];
  let hasCanonicalizer = 1;
}

def Norma_MomentsOp : Norma_KernelOp<"moments"> {
  let summary = "count, mean and m2 of every kept index";
  let description = [{
    The reduction kernel. Overwrites `outs` with the statistics of the data; see
    `norma.adapt` for mask, weights and NaN. Where nothing is counted all three
    are 0.

    Accuracy: relative error of mean and variance at most 1e-6 for |mean|/std up
    to 1e4, m2 never negative, and exactly 0 for a constant kept index. The loop
    lowering sums deviations from a pivot near the mean, in groups, in the
    schedule's `accumulate` type, and groups in f64; it measures how far the
    pivot was off and whether anything over- or underflowed, and where that
    matters it goes over the block again in f64. That can be left to another op, of
    another `part`: hardly any data needs it. 8-bit integers and their squares are summed as
    integers, exactly.

    Example:

    ```mlir
    norma.moments kept [1] ins(%x : memref<?x13xf32>)
        outs(%n, %m, %s : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    ```
  }];
  let arguments = (ins
    Norma_DataBuffer:$data,
    Optional<Norma_MaskBuffer>:$mask,
    Optional<Norma_DataBuffer>:$weights,
    Norma_StatisticBuffer:$count,
    Norma_StatisticBuffer:$mean,
    Norma_StatisticBuffer:$m2,
    DenseI64ArrayAttr:$kept,
    UnitAttr:$unsigned_data,
    DefaultValuedAttr<Norma_NanPolicyAttr, "NanHandling::Propagate">:$nan,
    DefaultValuedAttr<Norma_MomentsPartAttr, "MomentsPart::All">:$part,
    OptionalAttr<Norma_ScheduleAttr>:$schedule
  );
  let results = (outs Variadic<Norma_StatisticTensor>:$results);
  let assemblyFormat = [{
    `kept` $kept `ins` `(` $data `:` type($data) `)` (`unsigned` $unsigned_data^)?
    (`mask` `(` $mask^ `:` type($mask) `)`)?
    (`weights` `(` $weights^ `:` type($weights) `)`)?
    `outs` `(` $count `,` $mean `,` $m2 `:` type($count) `,` type($mean) `,` type($m2) `)`
    attr-dict (`->` type($results)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      return ::mlir::MutableOperandRange(
          getOperation(), getCountMutable().getOperandNumber(), 3);
    }
  }];
}

def Norma_GradSumsOp : Norma_KernelOp<"grad_sums"> {
  let summary = "Sums of dy and of dy * (x - center) for every kept index";
  let description = [{
    The reduction of a gradient. Overwrites `outs` with

    ```
    sum = sum(dy)        dot = sum(dy * (x - center))
    ```

    over all elements of every kept index. Where a mask or weights are given, an
    element whose mask or weight is zero and whose data is NaN or infinite takes no
    part; every other element does, whatever its mask or weight. Without elements
    both are 0. Data and `dy` have one shape; mask and weights are as in
    `norma.moments`.

    Accuracy: products are formed and summed in the schedule's `accumulate` type in
    groups, and groups in f64; that the center is rounded to that type is made good.

    Example:

    ```mlir
    norma.grad_sums kept [1] ins(%x, %dy : memref<?x13xf32>, memref<?x13xf32>)
        center(%c : memref<13xf64>) outs(%s, %d : memref<13xf64>, memref<13xf64>)
    ```
  }];
  let arguments = (ins
    Norma_DataBuffer:$data,
    Norma_FloatBuffer:$dy,
    Norma_StatisticBuffer:$center,
    Optional<Norma_MaskBuffer>:$mask,
    Optional<Norma_DataBuffer>:$weights,
    Norma_StatisticBuffer:$sum,
    Norma_StatisticBuffer:$dot,
    DenseI64ArrayAttr:$kept,
    UnitAttr:$unsigned_data,
    OptionalAttr<Norma_ScheduleAttr>:$schedule
  );
  let results = (outs Variadic<Norma_StatisticTensor>:$results);
  let assemblyFormat = [{
    `kept` $kept `ins` `(` $data `,` $dy `:` type($data) `,` type($dy) `)`
    (`unsigned` $unsigned_data^)?
    `center` `(` $center `:` type($center) `)`
    (`mask` `(` $mask^ `:` type($mask) `)`)?
    (`weights` `(` $weights^ `:` type($weights) `)`)?
    `outs` `(` $sum `,` $dot `:` type($sum) `,` type($dot) `)`
    attr-dict (`->` type($results)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      return ::mlir::MutableOperandRange(
          getOperation(), getSumMutable().getOperandNumber(), 2);
    }
  }];
}

def Norma_GradMapOp : Norma_KernelOp<"grad_map"> {
  let summary = "dx = dy * scale + ((x - center) * slope + offset) * w";
  let description = [{
    The map of a gradient. Each coefficient has the extents of the kept axes and the
    compute type, f32 or f64. `w` is the product of weight and mask (0 or 1) of the
    element, 1 where neither is given; where it is 0 the second term is 0, whatever
    the data. The rest is as in `norma.affine`; `outs` may be the buffer of the data or of `dy`.

    Example:

    ```mlir
    norma.grad_map kept [1] ins(%x, %dy : memref<?x13xf32>, memref<?x13xf32>)
        center(%c : memref<13xf32>) slope(%t : memref<13xf32>)
        offset(%q : memref<13xf32>) scale(%p : memref<13xf32>) outs(%dx : memref<?x13xf32>)
    ```
  }];
  let arguments = (ins
    Norma_DataBuffer:$data,
    Norma_FloatBuffer:$dy,
    Norma_CoefficientBuffer:$center,
    Norma_CoefficientBuffer:$slope,
    Norma_CoefficientBuffer:$offset,
    Norma_CoefficientBuffer:$scale,
    Optional<Norma_MaskBuffer>:$mask,
    Optional<Norma_DataBuffer>:$weights,
    Norma_FloatBuffer:$out,
    DenseI64ArrayAttr:$kept,
    UnitAttr:$unsigned_data,
    OptionalAttr<Norma_ScheduleAttr>:$schedule
  );
  let results = (outs Variadic<Norma_FloatTensor>:$results);
  let assemblyFormat = [{
    `kept` $kept `ins` `(` $data `,` $dy `:` type($data) `,` type($dy) `)`
    (`unsigned` $unsigned_data^)?
    `center` `(` $center `:` type($center) `)` `slope` `(` $slope `:` type($slope) `)`
    `offset` `(` $offset `:` type($offset) `)` `scale` `(` $scale `:` type($scale) `)`
    (`mask` `(` $mask^ `:` type($mask) `)`)?
    (`weights` `(` $weights^ `:` type($weights) `)`)?
    `outs` `(` $out `:` type($out) `)` attr-dict (`->` type($results)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
    /// The type the formula is evaluated in: the coefficients'.
    ::mlir::FloatType getComputeType();
  }];
}

#endif // NORMA_DIALECT_NORMAKERNELOPS_TD
