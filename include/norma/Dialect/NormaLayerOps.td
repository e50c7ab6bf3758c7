//===- NormaLayerOps.td - What users of frameworks mean ----*- tablegen -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Feature-wise normalization and statistics; NormaBatchNormOps.td has batch
// normalization.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_DIALECT_NORMALAYEROPS_TD
#define NORMA_DIALECT_NORMALAYEROPS_TD

include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "norma/Dialect/NormaAttributes.td"

def Norma_DataType : AnyTypeOf<[F16, BF16, F32, F64, I8, I16, I32, I64],
                               "f16, bf16, f32, f64, i8, i16, i32 or i64">;
def Norma_DataTensor : RankedTensorOf<[Norma_DataType]>;
def Norma_FloatTensor : RankedTensorOf<[F16, BF16, F32, F64]>;
def Norma_StatisticTensor : RankedTensorOf<[F64]>;
def Norma_MaskTensor : RankedTensorOf<[I1, I8]>;
def Norma_WeightTensor : RankedTensorOf<[Norma_DataType]>;

def Norma_NormalizeOp : Norma_Op<"normalize", [
    Pure,
    DeclareOpInterfaceMethods<InferTypeOpInterface>,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "Feature-wise normalization, or its inverse";
  let description = [{
    With `s` the divisor that `epsilon`, `epsilon_mode` and `zero_variance` make
    of the variance (by default `max(sqrt(variance), epsilon)`, Keras):

    ```
    y = (x - mean) / s        forward
    y = mean + x * s          inverse
    ```

    for every element, with the mean and variance of its kept index. `mean` and
    `variance` have the extents of the kept axes. The data is converted to the
    compute type first: `compute` when given, else f64 when the data or the result
    is f64, else f32. The result has the shape of the data and the element type
    `to`; without it the data's own when that is a float, f32 when it is not.

    A variance below zero gives NaN. NaN and infinity in the data stay in their
    element.

    Example:

    ```mlir
    %y = norma.normalize %x, %mean, %variance kept [1]
        : tensor<?x13xf32>, tensor<13xf64>, tensor<13xf64>
    %z = norma.normalize %y, %mean, %variance kept [1] inverse
        : tensor<?x13xf32>, tensor<13xf64>, tensor<13xf64>
    ```
  }];
  let arguments = (ins
    Norma_DataTensor:$data,
    Norma_FloatTensor:$mean,
    Norma_FloatTensor:$variance,
    DenseI64ArrayAttr:$kept,
    UnitAttr:$inverse,
    UnitAttr:$unsigned_data,
    OptionalAttr<TypeAttrOf<AnyFloat>>:$to,
    OptionalAttr<TypeAttrOf<AnyFloat>>:$compute,
    DefaultValuedAttr<F64Attr, "1.0e-7">:$epsilon,
    DefaultValuedAttr<Norma_EpsilonModeAttr, "EpsilonMode::ClampStd">:$epsilon_mode,
    DefaultValuedAttr<Norma_ZeroVarianceAttr, "ZeroVariancePolicy::Clamp">:$zero_variance
  );
  let results = (outs Norma_FloatTensor:$result);
  let assemblyFormat = [{
    $data `,` $mean `,` $variance `kept` $kept (`inverse` $inverse^)?
    (`unsigned` $unsigned_data^)? (`to` $to^)? (`compute` $compute^)? attr-dict
    `:` type($data) `,` type($mean) `,` type($variance)
  }];
  let extraClassDeclaration = [{
    /// The type the formula is evaluated in.
    ::mlir::FloatType getComputeType();
  }];
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

class Norma_StatisticsOp<string mnemonic, list<Trait> traits = []>
    : Norma_Op<mnemonic, !listconcat([Pure], traits)>;

def Norma_AdaptOp : Norma_StatisticsOp<"adapt", [
    AttrSizedOperandSegments,
    AllTypesMatch<["count", "mean", "m2", "new_count", "new_mean", "new_m2"]>]> {
  let summary = "Adds data to statistics";
  let description = [{
    The statistics of the data, merged into those given (zeros for a first
    batch). Elements whose mask is zero, whose weight is zero, or which are NaN
    under `nan = omit`, take no part; `count` is the sum of the weights of the
    others, 1 each without weights.

    Mask and weights have the rank of the data; every extent is the data's or 1.

    Example:

    ```mlir
    %n, %m, %s = norma.adapt %x into (%n0, %m0, %s0) kept [1]
        : tensor<?x13xf32>, tensor<13xf64>
    %p, %q, %r = norma.adapt %x into (%n, %m, %s) mask %mask : tensor<?x1xi1>
        kept [1] {nan = #norma<nan omit>} : tensor<?x13xf32>, tensor<13xf64>
    ```
  }];
  let arguments = (ins
    Norma_DataTensor:$data,
    Norma_StatisticTensor:$count,
    Norma_StatisticTensor:$mean,
    Norma_StatisticTensor:$m2,
    Optional<Norma_MaskTensor>:$mask,
    Optional<Norma_WeightTensor>:$weights,
    DenseI64ArrayAttr:$kept,
    UnitAttr:$unsigned_data,
    DefaultValuedAttr<Norma_NanPolicyAttr, "NanHandling::Propagate">:$nan
  );
  let results = (outs
    Norma_StatisticTensor:$new_count,
    Norma_StatisticTensor:$new_mean,
    Norma_StatisticTensor:$new_m2
  );
  let assemblyFormat = [{
    $data `into` `(` $count `,` $mean `,` $m2 `)` (`mask` $mask^ `:` type($mask))?
    (`weights` $weights^ `:` type($weights))? `kept` $kept (`unsigned` $unsigned_data^)?
    attr-dict `:` type($data) `,` type($count)
  }];
  let hasVerifier = 1;
}

def Norma_MergeOp : Norma_StatisticsOp<"merge", [
    AllTypesMatch<["count_a", "mean_a", "m2_a", "count_b", "mean_b", "m2_b",
                   "count", "mean", "m2"]>]> {
  let summary = "Merges two sets of statistics";
  let description = [{
    For disjoint sets of data (Chan, Golub and LeVeque 1979), per kept index:

    ```
    n    = n_a + n_b
    mean = mean_a + d * (n_b / n)                     with d = mean_b - mean_a
    m2   = m2_a + m2_b + d * d * n_a * (n_b / n)
    ```

    A side with a count of zero leaves the other one unchanged. A mean that is
    infinite stays so; its m2 is NaN. Associative and commutative but for rounding.

    Example:

    ```mlir
    %n, %m, %s = norma.merge (%na, %ma, %sa), (%nb, %mb, %sb) : tensor<13xf64>
    ```
  }];
  let arguments = (ins
    Norma_StatisticTensor:$count_a, Norma_StatisticTensor:$mean_a, Norma_StatisticTensor:$m2_a,
    Norma_StatisticTensor:$count_b, Norma_StatisticTensor:$mean_b, Norma_StatisticTensor:$m2_b
  );
  let results = (outs
    Norma_StatisticTensor:$count, Norma_StatisticTensor:$mean, Norma_StatisticTensor:$m2
  );
  let assemblyFormat = [{
    `(` $count_a `,` $mean_a `,` $m2_a `)` `,` `(` $count_b `,` $mean_b `,` $m2_b `)`
    attr-dict `:` type($count)
  }];
  let hasFolder = 1;
}

def Norma_FinalizeOp : Norma_StatisticsOp<"finalize", [
    AllTypesMatch<["count", "mean", "m2", "result_mean", "variance"]>]> {
  let summary = "Mean and variance of statistics";
  let description = [{
    The mean as it is, and the variance `m2 / count`, or with `sample`
    `m2 / max(count - 1, 1)`. Both are 0 where nothing was counted. With
    `detect_constant` the variance is exactly 0 where it cannot be told from the
    rounding error of a constant: `variance <= count*u*variance +
    (count*mean*u)^2` with `u = 2^-52` (the rule of scikit-learn's
    StandardScaler).

    Example:

    ```mlir
    %mean, %variance = norma.finalize %n, %m, %s : tensor<13xf64>
    ```
  }];
  let arguments = (ins
    Norma_StatisticTensor:$count, Norma_StatisticTensor:$mean, Norma_StatisticTensor:$m2,
    UnitAttr:$sample, UnitAttr:$detect_constant
  );
  let results = (outs Norma_StatisticTensor:$result_mean, Norma_StatisticTensor:$variance);
  let assemblyFormat = [{
    $count `,` $mean `,` $m2 (`sample` $sample^)? (`detect_constant` $detect_constant^)?
    attr-dict `:` type($count)
  }];
  let hasFolder = 1;
}

#endif // NORMA_DIALECT_NORMALAYEROPS_TD
