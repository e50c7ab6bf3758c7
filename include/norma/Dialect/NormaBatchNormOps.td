//===- NormaBatchNormOps.td - Batch normalization ----------*- tablegen -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Inference, training and gradient. Every system's batch normalization is a
// preset of these: TensorFlow's layer with renorm (Ioffe 2017), virtual batches
// and adjustment, Keras', PyTorch's, ONNX', StableHLO's.
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_DIALECT_NORMABATCHNORMOPS_TD
#define NORMA_DIALECT_NORMABATCHNORMOPS_TD

include "norma/Dialect/NormaLayerOps.td"

def Norma_ParameterTensor : RankedTensorOf<[F32, F64]>;
def Norma_ClipTensor : 0DTensorOf<[F32, F64]>;
def Norma_StepTensor : 0DTensorOf<[I64]>;

class Norma_BatchNormOpBase<string mnemonic, list<Trait> traits = []>
    : Norma_Op<mnemonic, !listconcat([
        Pure,
        AttrSizedOperandSegments,
        DeclareOpInterfaceMethods<InferTypeOpInterface>,
        DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>],
      traits)> {
  let hasVerifier = 1;
}

/// How a batch is cut into ghost batches.
defvar Norma_GhostAttributes = (ins
  OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$virtual_batch_size,
  DefaultValuedAttr<Norma_GhostGroupingAttr, "GhostGroupingKind::Strided">:$grouping,
  DefaultValuedAttr<Norma_GhostRemainderAttr, "GhostRemainderKind::Error">:$remainder
);

def Norma_BatchNormOp : Norma_BatchNormOpBase<"batch_norm"> {
  let summary = "Batch normalization with given statistics (inference)";
  let description = [{
    ```
    y = gamma * (x - mean) / sqrt(variance + max(epsilon, epsilon_floor)) + beta
    ```

    for every element, with the parameters of its kept index, which have the
    extents of the kept axes. Without `gamma` and `beta`, 1 and 0. Evaluated in
    the centred form, with coefficients computed in f64 and rounded once to the
    compute type: f64 when the data or the result is f64, else f32. The result has
    the shape of the data and the element type `to`; without it the data's own when
    that is a float, f32 when it is not.

    `epsilon_floor` is 1.001e-5 where TensorFlow's fused kernel before 2.12 is to be
    matched.

    Example:

    ```mlir
    %y = norma.batch_norm %x, %mean, %variance gamma(%g : tensor<64xf32>)
        beta(%b : tensor<64xf32>) kept [3] {epsilon = 1.0e-3 : f64}
        : tensor<?x56x56x64xf16>, tensor<64xf32>, tensor<64xf32>
    ```
  }];
  let arguments = (ins
    Norma_DataTensor:$data,
    Norma_FloatTensor:$mean,
    Norma_FloatTensor:$variance,
    Optional<Norma_FloatTensor>:$gamma,
    Optional<Norma_FloatTensor>:$beta,
    DenseI64ArrayAttr:$kept,
    UnitAttr:$unsigned_data,
    OptionalAttr<TypeAttrOf<AnyFloat>>:$to,
    DefaultValuedAttr<F64Attr, "1.0e-3">:$epsilon,
    DefaultValuedAttr<F64Attr, "0.0">:$epsilon_floor
  );
  let results = (outs Norma_FloatTensor:$result);
  let assemblyFormat = [{
    $data `,` $mean `,` $variance
    (`gamma` `(` $gamma^ `:` type($gamma) `)`)? (`beta` `(` $beta^ `:` type($beta) `)`)?
    `kept` $kept (`unsigned` $unsigned_data^)? (`to` $to^)? attr-dict
    `:` type($data) `,` type($mean) `,` type($variance)
  }];
  let extraClassDeclaration = [{
    /// The type the formula is evaluated in.
    ::mlir::FloatType getComputeType();
    /// max(epsilon, epsilon_floor).
    double getEffectiveEpsilon();
  }];
  let hasCanonicalizer = 1;
}

def Norma_BatchNormTrainingOp : Norma_BatchNormOpBase<"batch_norm_training"> {
  let summary = "Batch normalization with the statistics of the batch";
  let description = [{
    With `mu` and `var` the mean and population variance of a **statistics group**
    (the elements of one kept index, of one ghost batch where the batch is cut into
    ghosts), `s = sqrt(var + max(epsilon, epsilon_floor))`:

    ```
    xh = (x - mu) / s
    z  = (xh * r + d) * adjust_scale + adjust_bias
    y  = z * gamma + beta
    ```

    Whatever is not given is 1 or 0 and costs nothing. All of it combines.

    **Mask and weights**, of the data's rank with each extent the data's or 1,
    limit and weigh what enters the statistics, as in `norma.adapt`; every element
    is normalized. A group in which nothing is counted has mu = var = 0.

    **Ghost batches**: `virtual_batch_size = V` cuts axis 0, which must not be kept,
    into groups of V samples as `grouping` and `remainder` say. `remainder = error`
    needs a static batch that V divides.

    **Moving statistics**: `moving` holds mean and variance, of the kept extents,
    and the op returns what they become, with batch mean and variance averaged over
    the ghosts:

    ```
    mean'     = mean     * m + mu              * (1 - m)
    variance' = variance * m + var * bessel    * (1 - m)
    ```

    with `m = momentum`, or `1 - 1/step` (`step`: the batches seen, this one
    included) for a cumulative average; `bessel` is n/max(n-1, 1) with
    `sample_variance`, else 1. A kept index of which nothing was counted keeps its
    moving statistics, as do all with `update_moving = false`.

    **Renorm** (Ioffe 2017): `renorm` holds moving_stddev, renorm_mean and
    renorm_stddev, and needs `moving`. With `sigma = s` (of the ghosts' averages mu
    and var), from the state before the update,

    ```
    rs = max(renorm_stddev, sqrt(epsilon))
    r  = clip(sigma / rs, rmin, rmax)         d = clip((mu - renorm_mean) / rs, -dmax, dmax)
    renorm_mean'     = renorm_mean   * rm + mu    * (1 - rm)        rm = renorm_momentum
    renorm_stddev'   = renorm_stddev * rm + sigma * (1 - rm)
    moving_stddev'   = moving_stddev * m  + sqrt(var * bessel + epsilon) * (1 - m)
    moving_variance' = max(moving_stddev'^2 - epsilon, 0)
    ```

    A clip that is not given does not clip; they are operands, so that a schedule
    needs no recompilation. r and d are constants to the gradient.

    **Switches**: with `use_batch_statistics = false` the data is normalized with
    `moving` (before the update) instead, without renorm: a frozen layer.

    **Synchronized statistics**: `statistics` gives count, mean and m2 of the groups,
    so that they can come from `norma.adapt` or `norma.moments` and `norma.merge`
    over many devices; then the data is only normalized.

    Results: `y` (element type `to`; without it the data's when that is a float, else
    f32); `count`, `saved_mean` and `saved_inv_std` (1/s), f64, of the groups: the
    kept extents, with the number of ghosts in front where there are ghosts; then
    the new `moving` and `renorm` statistics, of the types they came in; then, with
    renorm, r and d, f64, of the kept extents. Empty data leaves the state as it is.

    Example:

    ```mlir
    %y, %n, %mean, %inv_std, %mm1, %mv1 = norma.batch_norm_training %x
        gamma(%g : tensor<64xf32>) beta(%b : tensor<64xf32>)
        moving(%mm, %mv : tensor<64xf32>, tensor<64xf32>)
        kept [1] {momentum = 0.9 : f64, sample_variance} : tensor<32x64x56x56xf32>
    ```
  }];
  let arguments = !con((ins
    Norma_DataTensor:$data,
    Optional<Norma_FloatTensor>:$gamma,
    Optional<Norma_FloatTensor>:$beta,
    Variadic<Norma_ParameterTensor>:$moving,
    Variadic<Norma_ParameterTensor>:$renorm,
    Optional<Norma_ClipTensor>:$rmin,
    Optional<Norma_ClipTensor>:$rmax,
    Optional<Norma_ClipTensor>:$dmax,
    Optional<Norma_StepTensor>:$step,
    Optional<Norma_MaskTensor>:$mask,
    Optional<Norma_WeightTensor>:$weights,
    Optional<Norma_FloatTensor>:$adjust_scale,
    Optional<Norma_FloatTensor>:$adjust_bias,
    Variadic<Norma_StatisticTensor>:$statistics,
    DenseI64ArrayAttr:$kept,
    UnitAttr:$unsigned_data,
    OptionalAttr<TypeAttrOf<AnyFloat>>:$to,
    DefaultValuedAttr<F64Attr, "1.0e-3">:$epsilon,
    DefaultValuedAttr<F64Attr, "0.0">:$epsilon_floor,
    DefaultValuedAttr<F64Attr, "0.99">:$momentum,
    DefaultValuedAttr<F64Attr, "0.99">:$renorm_momentum,
    UnitAttr:$sample_variance,
    DefaultValuedAttr<BoolAttr, "true">:$use_batch_statistics,
    DefaultValuedAttr<BoolAttr, "true">:$update_moving),
    Norma_GhostAttributes);
  let results = (outs
    Norma_FloatTensor:$result,
    Norma_StatisticTensor:$count,
    Norma_StatisticTensor:$saved_mean,
    Norma_StatisticTensor:$saved_inv_std,
    Variadic<Norma_ParameterTensor>:$updated
  );
  let assemblyFormat = [{
    $data
    (`gamma` `(` $gamma^ `:` type($gamma) `)`)? (`beta` `(` $beta^ `:` type($beta) `)`)?
    (`moving` `(` $moving^ `:` type($moving) `)`)?
    (`renorm` `(` $renorm^ `:` type($renorm) `)`)?
    (`rmin` `(` $rmin^ `:` type($rmin) `)`)? (`rmax` `(` $rmax^ `:` type($rmax) `)`)?
    (`dmax` `(` $dmax^ `:` type($dmax) `)`)?
    (`step` `(` $step^ `:` type($step) `)`)?
    (`mask` `(` $mask^ `:` type($mask) `)`)? (`weights` `(` $weights^ `:` type($weights) `)`)?
    (`adjust_scale` `(` $adjust_scale^ `:` type($adjust_scale) `)`)?
    (`adjust_bias` `(` $adjust_bias^ `:` type($adjust_bias) `)`)?
    (`statistics` `(` $statistics^ `:` type($statistics) `)`)?
    `kept` $kept (`unsigned` $unsigned_data^)? (`to` $to^)? attr-dict `:` type($data)
  }];
  let extraClassDeclaration = [{
    /// The type the formula is evaluated in.
    ::mlir::FloatType getComputeType();
    /// max(epsilon, epsilon_floor).
    double getEffectiveEpsilon();
    /// Whether the batch is cut into ghost batches.
    bool hasGhosts() { return getVirtualBatchSize().has_value(); }
  }];
  let hasCanonicalizer = 1;
}

def Norma_BatchNormGradOp : Norma_BatchNormOpBase<"batch_norm_grad", [
    AllTypesMatch<["saved_count", "saved_mean", "saved_inv_std"]>]> {
  let summary = "Gradient of batch normalization";
  let description = [{
    The gradient of `norma.batch_norm_training` with respect to data, gamma and
    beta, given that with respect to its result. With `i` the saved inverse standard
    deviation, `c` the saved mean and `n` the saved count of a group, `a` and `b` the
    adjustment, `k = gamma * r`, `w` mask times weights (1 where there are none),
    sums over all elements of a group, masked ones too:

    ```
    xh  = (x - c) * i
    S1  = sum(a * dy)         S2 = sum(a * dy * (x - c))
    dx  = k * i * (a * dy - w/n * (S1 + (x - c) * i^2 * S2))
    dgamma = sum(dy * ((xh * r + d) * a + b))        over all groups
    dbeta  = sum(dy)
    ```

    r and d are constants. With `use_batch_statistics = false` (a frozen layer: the
    saved mean and inverse deviation are constants, of the kept extents even where
    there are ghosts) `dx = gamma * a * i * dy`; then r = 1 and d = 0.

    An element that the mask or a weight of 0 leaves out and whose data is not
    finite takes no part in the sums.

    **Synchronized**: `sums` gives S1 and S2 of the groups over all devices, with
    `saved_count` that of all devices, too; dgamma and dbeta stay those of the data.

    Results: `dx` with the shape of the data, of the element type `to`, without it
    that of `dy`; then, unless `trainable_affine = false`, dgamma and dbeta, of the
    kept extents, of the type of `gamma`, without it f64 when the data or dy is, else f32. dx
    may take the buffer of dy. Empty data gives zeros.

    Example:

    ```mlir
    %dx, %dgamma, %dbeta = norma.batch_norm_grad %dy, %x saved(%n, %mean, %inv_std : tensor<64xf64>)
        gamma(%g : tensor<64xf32>) kept [1] : tensor<32x64x56x56xf32>, tensor<32x64x56x56xf32>
    ```
  }];
  let arguments = !con((ins
    Norma_FloatTensor:$dy,
    Norma_DataTensor:$data,
    Norma_StatisticTensor:$saved_count,
    Norma_StatisticTensor:$saved_mean,
    Norma_StatisticTensor:$saved_inv_std,
    Optional<Norma_FloatTensor>:$gamma,
    Variadic<Norma_StatisticTensor>:$renorm,
    Optional<Norma_MaskTensor>:$mask,
    Optional<Norma_WeightTensor>:$weights,
    Optional<Norma_FloatTensor>:$adjust_scale,
    Optional<Norma_FloatTensor>:$adjust_bias,
    Variadic<Norma_StatisticTensor>:$sums,
    DenseI64ArrayAttr:$kept,
    UnitAttr:$unsigned_data,
    OptionalAttr<TypeAttrOf<AnyFloat>>:$to,
    DefaultValuedAttr<BoolAttr, "true">:$use_batch_statistics,
    DefaultValuedAttr<BoolAttr, "true">:$trainable_affine),
    Norma_GhostAttributes);
  let results = (outs
    Norma_FloatTensor:$result,
    Variadic<Norma_FloatTensor>:$affine_gradients
  );
  let assemblyFormat = [{
    $dy `,` $data
    `saved` `(` $saved_count `,` $saved_mean `,` $saved_inv_std `:` type($saved_count) `)`
    (`gamma` `(` $gamma^ `:` type($gamma) `)`)?
    (`renorm` `(` $renorm^ `:` type($renorm) `)`)?
    (`mask` `(` $mask^ `:` type($mask) `)`)? (`weights` `(` $weights^ `:` type($weights) `)`)?
    (`adjust_scale` `(` $adjust_scale^ `:` type($adjust_scale) `)`)?
    (`adjust_bias` `(` $adjust_bias^ `:` type($adjust_bias) `)`)?
    (`sums` `(` $sums^ `:` type($sums) `)`)?
    `kept` $kept (`unsigned` $unsigned_data^)? (`to` $to^)? attr-dict
    `:` type($dy) `,` type($data)
  }];
  let extraClassDeclaration = [{
    /// The type the formula is evaluated in.
    ::mlir::FloatType getComputeType();
    /// Whether the batch is cut into ghost batches.
    bool hasGhosts() { return getVirtualBatchSize().has_value(); }
  }];
  let hasCanonicalizer = 1;
}

#endif // NORMA_DIALECT_NORMABATCHNORMOPS_TD
