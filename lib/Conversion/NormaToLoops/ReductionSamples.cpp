//===- ReductionSamples.cpp - Samples of a block, side by side ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReductionLoops.h"

using namespace mlir;
using namespace norma;

/// Runs of as many samples side by side as there are streams: these are far apart, and memory gives
/// more to several. Of a sample that is left over they are as many parts of its run. Which it is
/// are numbers, so that it is the same loop.
void ReductionLoops::emitSamplesAbreast(Value pivots) {
  const int64_t streams = schedule.getStreams(), innermost = dataType.getRank() - 1;
  const int64_t extent = dataType.getDimSize(innermost), turn = schedule.getUnroll() * e.width;
  const int64_t part = extent / turn * turn / streams;
  Value samples = e.extent(data, 0), groups = e.floorDiv(samples, e.index(streams));
  Value grouped = e.mul(groups, e.index(streams));
  e.forEach(e.index(0), e.add(groups, e.sub(samples, grouped)), 1, [&](Value g) {
    Value isGroup = e.less(g, groups);
    auto choose = [&](int64_t ofGroup, int64_t ofOne) {
      return e.select(isGroup, e.index(ofGroup), e.index(ofOne));
    };
    Value sample = e.select(isGroup, e.mul(g, e.index(streams)), e.add(grouped, e.sub(g, groups)));
    const Spread spread{choose(1, 0), choose(0, part), choose(extent, part)};
    e.nest(data, llvm::to_vector(llvm::seq<int64_t>(1, innermost)), [&](Values at) {
      at.front() = sample;
      Run run = enterRunAt(at, pivots);
      Values sums = sumsOfSamples(run, spread);
      // What its parts leave of the run.
      if (part * streams != extent) {
        Values none = noSums(1, e.vectorOf(accumulate));
        Values left = joined(addRest(run, choose(extent, part * streams), e.index(extent), none));
        for (auto [sum, more] : llvm::zip(sums, left))
          sum = e.addf(sum, more);
      }
      addLanes(sums, keptOf(at));
    });
  });
}

/// The f64 lanes of what goes abreast.
Values ReductionLoops::sumsOfSamples(const Run &run, const Spread &spread) {
  const int64_t abreast = schedule.getUnroll(), together = abreast / schedule.getStreams();
  auto placeOf = [&](Value i, int64_t v) {
    Value stream = e.index(v / together), offset = e.index(v % together * e.width);
    Values at = run.indices;
    at.front() = e.add(at.front(), e.mul(spread.samples, stream));
    at.back() = e.add(i, e.add(e.mul(spread.elements, stream), offset));
    return at;
  };
  Values none = noSums(1, VectorType::get(wideLanes, f64));
  const int64_t turn = together * e.width, step = group * turn;
  return e.carry(e.index(0), spread.length, step, none, [&](Value first, ValueRange wide) {
    Value end = e.min(e.add(first, e.index(step)), spread.length);
    Values sums = noSums(abreast, e.vectorOf(accumulate));
    sums = e.carry(first, end, turn, sums, [&](Value i, ValueRange carried) {
      Values next;
      for (int64_t v = 0; v < abreast; ++v) {
        Values at = placeOf(i, v);
        prefetch(run.inputs, at, v % together);
        llvm::append_range(next,
                           addElements({run.inputs, at, {}}, run.pivot, setOf(carried, size_t(v))));
        visit(at, {});
      }
      return next;
    });
    Values next;
    for (auto [total, sum] : llvm::zip(wide, joined(sums)))
      next.push_back(e.addf(total, sum));
    return next;
  });
}
