//===- NormaAttributes.td - Policies and schedules ---------*- tablegen -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_DIALECT_NORMAATTRIBUTES_TD
#define NORMA_DIALECT_NORMAATTRIBUTES_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "norma/Dialect/NormaBase.td"

//===----------------------------------------------------------------------===//
// Policies
//===----------------------------------------------------------------------===//

def Norma_EpsilonMode : I32Enum<"EpsilonMode", "Where epsilon enters the divisor", [
    I32EnumCase<"ClampStd", 0, "clamp_std">,
    I32EnumCase<"AddToVariance", 1, "add_to_variance">,
    I32EnumCase<"AddToStd", 2, "add_to_std">]> {
  let cppNamespace = "::norma";
}
def Norma_EpsilonModeAttr : EnumAttr<NormaDialect, Norma_EpsilonMode, "epsilon_mode"> {
  let summary = "Where epsilon enters the divisor";
  let description = [{
    `clamp_std`: `max(sqrt(variance), epsilon)` (Keras' Normalization);
    `add_to_variance`: `sqrt(variance + epsilon)` (batch normalization);
    `add_to_std`: `sqrt(variance) + epsilon` (ONNX MeanVarianceNormalization).
  }];
}

def Norma_ZeroVariance : I32Enum<"ZeroVariancePolicy", "What zero variance means", [
    I32EnumCase<"Clamp", 0, "clamp">,
    I32EnumCase<"Unit", 1, "unit">]> {
  let cppNamespace = "::norma";
}
def Norma_ZeroVarianceAttr : EnumAttr<NormaDialect, Norma_ZeroVariance, "zero_variance"> {
  let summary = "What a variance of exactly zero means";
  let description = [{
    `clamp`: nothing special, epsilon alone decides; `unit`: the divisor is 1
    (scikit-learn's StandardScaler).
  }];
}

def Norma_NanPolicy : I32Enum<"NanHandling", "What a NaN in the data does", [
    I32EnumCase<"Propagate", 0, "propagate">,
    I32EnumCase<"Omit", 1, "omit">]> {
  let cppNamespace = "::norma";
}
def Norma_NanPolicyAttr : EnumAttr<NormaDialect, Norma_NanPolicy, "nan"> {
  let summary = "What a NaN in the data does to the statistics of its kept index";
  let description = [{
    `propagate`: mean and m2 become NaN; `omit`: the element is neither used nor
    counted.
  }];
}

def Norma_MomentsPart : I32Enum<"MomentsPart", "Which part of the work a norma.moments does", [
    I32EnumCase<"All", 0, "all">,
    I32EnumCase<"Fast", 1, "fast">,
    I32EnumCase<"Exact", 2, "exact">]> {
  let cppNamespace = "::norma";
}
def Norma_MomentsPartAttr : EnumAttr<NormaDialect, Norma_MomentsPart, "part"> {
  let summary = "Which part of the work a norma.moments does";
  let description = [{
    `fast`: one pass over the data, with m2 = -1 of every kept index whose sums look inaccurate, and
    a negative m2, or -0, where squares are right unless one of them has underflown, which the
    caller must find out; `exact`: where `fast` left one such, everything again, in f64 and around
    the means that it found; `all`: both, the second where it is needed, or squares are that small.
    The first two expect data of some elements.
  }];
}

def Norma_GhostGrouping : I32Enum<"GhostGroupingKind", "Which samples make a ghost batch", [
    I32EnumCase<"Strided", 0, "strided">,
    I32EnumCase<"Contiguous", 1, "contiguous">]> {
  let cppNamespace = "::norma";
}
def Norma_GhostGroupingAttr : EnumAttr<NormaDialect, Norma_GhostGrouping, "grouping"> {
  let summary = "Which samples make a ghost batch";
  let description = [{
    Of a batch of G ghosts of V samples. `strided`: ghost j holds the samples j,
    j + G, j + 2G, ... (TensorFlow's virtual_batch_size); `contiguous`: the samples
    j*V, ..., j*V + V - 1 (code for PyTorch).
  }];
}

def Norma_GhostRemainder : I32Enum<"GhostRemainderKind", "What samples beyond whole ghosts do", [
    I32EnumCase<"Error", 0, "error">,
    I32EnumCase<"Smaller", 1, "smaller">,
    I32EnumCase<"Merge", 2, "merge">]> {
  let cppNamespace = "::norma";
}
def Norma_GhostRemainderAttr : EnumAttr<NormaDialect, Norma_GhostRemainder, "remainder"> {
  let summary = "What the samples do that do not fill a ghost batch";
  let description = [{
    Of a batch of B samples in ghosts of V, the last B mod V samples. `error`: there
    may be none; `smaller`: they are a ghost of their own, the last one; `merge`:
    they belong to the last whole ghost (to a ghost of their own where there is
    none).
  }];
}

//===----------------------------------------------------------------------===//
// Schedule
//===----------------------------------------------------------------------===//

def Norma_Traversal : I32Enum<"Traversal", "How a kernel walks its data", [
    I32EnumCase<"Flat", 0, "flat">,
    I32EnumCase<"Rows", 1, "rows">,
    I32EnumCase<"Runs", 2, "runs">]> {
  let cppNamespace = "::norma";
}

def Norma_ScheduleAttr : AttrDef<NormaDialect, "Schedule"> {
  let mnemonic = "schedule";
  let summary = "Every choice a loop lowering makes, in one place";
  let description = [{
    How a kernel op is to be written as loops. `norma-schedule` chooses one from
    the target description, the axis form and the static extents, and leaves an
    op alone that has one already, so a schedule can be given as text.

    - `traversal`:
      - `flat`: the contiguous data is walked as lines of `line` elements,
        whatever its rows are (in maps a row may be several lines, of whole kept
        indices; dense rows that lie apart are); per-kept-index operands are expanded to one line
        first (the period trick: full vectors for 3, 5, 13 or 1000 features).
        For axis forms of one row structure: `R`, `K`, `RK`, `RKR`, static.
      - `rows`: the innermost axis is kept; vectors along it, a masked tail.
      - `runs`: the innermost axis is reduced; vectors along it, one kept index
        for a whole run, a masked tail.
    - `vector`: elements of the accumulate or compute type in a vector.
    - `unroll`: vectors per iteration of the innermost loop, side by side; in
      reductions each has sums of its own.
    - `group`: in reductions, vectors one sum takes in the accumulate type (bounds the
      rounding error of f32) before it is added to the f64 totals, or by rows and lines to
      the sums of a few groups before, which are added to these; in `flat`
      maps, lines that go abreast and share what is loaded of the coefficients: one of
      each of as many parts of the data or, where a row is several lines, of as many
      neighbouring rows.
    - `line`: elements of a line, a multiple of `vector` (`flat`); in `runs`, those of a row,
      where the runs of all kept indices of `RKR` fill whole vectors together, though they
      are none: a vector in which a run ends is of that run and of the next.
    - `accumulate`: the type deviations are formed and summed in (reductions); i32 where
      8-bit integers and their squares are summed as they are (`moments` without weights).
    - `block`: extents of the outermost axis that make one block of parallel
      work; the same blocks for every number of threads.
    - `nontemporal`: stores bypass the cache (maps only; needs an output that is
      aligned to a vector, and contiguous, or of rows or runs that all are aligned
      and whole vectors; contiguous ones that are not get a masked head, too).
    - `prefetch`: elements ahead of those being read that are asked for from memory,
      for data that no cache holds: in a reduction what is read next but one or, where
      that is near enough, in the next group; in a map of contiguous tensors so many
      elements on; in a map of a block of kept indices, which
      has dense rows that lie apart, the block beside it; in a reduction of such a block
      by runs, whole rows ahead, and behind the last row the first ones of the block beside it.
      Into all caches if that is 16 KiB or less at a time, else into the second level, and
      so the block beside that of a map.
    - `parts`: in reductions by runs, equal parts of a long run over which the `unroll`
      vectors of an iteration are spread: several pages are read side by side.
    - `streams`: what goes side by side, as several pages at once give more from memory than
      one. In reductions by runs: runs of as many parts of the kept indices, `unroll` vectors
      of each; of short runs of several samples those of as many samples, each with loads of its
      own, if a group has so many; in those of a block of kept indices runs of as many samples,
      which share the `unroll` vectors, and as many parts of one that is left over. In maps by
      rows or runs: one of each of as many equal parts of the axis before the innermost. In
      reductions by rows or lines: the same, each with loads of its own; a group, a multiple of
      the streams, has as many of each, and what is left over goes one vector at a time.
    - `interleave`: the map goes beside the reduction that is the next op, step by step
      (maps by runs, beside a reduction by runs in the same vectors, of other data of the
      same shape and kept axes; neither reads what the other writes).

    Example:

    ```mlir
    #norma.schedule<flat, vector = 16, unroll = 8, group = 32, line = 208, accumulate = f32, block = 20165>
    ```
  }];
  let parameters = (ins
    EnumParameter<Norma_Traversal>:$traversal,
    "int64_t":$vector,
    "int64_t":$unroll,
    OptionalParameter<"int64_t">:$group,
    OptionalParameter<"int64_t">:$line,
    OptionalParameter<"::mlir::Type">:$accumulate,
    OptionalParameter<"int64_t">:$block,
    OptionalParameter<"bool">:$nontemporal,
    OptionalParameter<"int64_t">:$prefetch,
    OptionalParameter<"int64_t">:$parts,
    OptionalParameter<"int64_t">:$streams,
    OptionalParameter<"bool">:$interleave
  );
  let assemblyFormat = [{
    `<` $traversal `,`
    struct($vector, $unroll, $group, $line, $accumulate, $block, $nontemporal,
           $prefetch, $parts, $streams, $interleave) `>`
  }];
  let genVerifyDecl = 1;
}

#endif // NORMA_DIALECT_NORMAATTRIBUTES_TD
