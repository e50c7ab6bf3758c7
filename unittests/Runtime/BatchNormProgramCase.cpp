//===- BatchNormProgramCase.cpp - Random ops and their results ------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchNormProgramCase.h"

#include "BatchNormProblem.h"
#include "Differential.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace norma::test {

namespace {

/// How far results may be off, relative to the numbers they are made of.
constexpr double kTolerance = 2e-6;

DType widest(DType a, DType b) {
  return a == DType::F64 || b == DType::F64 ? DType::F64 : DType::F32;
}

std::optional<DType> drawResultType(Random &random) {
  return random.chance(0.4) ? std::optional(random.pick(kFloatDTypes)) : std::nullopt;
}

DType resultType(std::optional<DType> to, const BatchNormProblem &problem) {
  return to.value_or(isFloat(problem.dtype) ? problem.dtype : DType::F32);
}

double largest(const std::vector<double> &values, double absent) {
  double result = values.empty() ? absent : 0;
  for (double value : values)
    if (std::isfinite(value))
      result = std::max(result, std::fabs(value));
  return result;
}

/// How large a result of the map can be: errors are relative to that, since
/// statistics are exact to a share of their size.
double reachOf(const BatchNormProblem &problem, const BatchNormForward &forward) {
  const BatchNormParameters parameters = problem.parameters();
  const double data = largest(valuesOf(problem.x), 0) + largest(forward.mean, 0);
  const double corrected =
      data * largest(forward.invStd, 0) * std::max(largest(forward.r, 1), 1.0) +
      largest(forward.d, 0) + 3 * data;
  const double adjusted = corrected * std::max(largest(problem.inputs.adjustScale, 1), 1.0) +
                          largest(problem.inputs.adjustBias, 0);
  return 1 + adjusted * std::max(largest(parameters.gamma, 1), 1.0) + largest(parameters.beta, 0);
}

//===----------------------------------------------------------------------===//
// Training
//===----------------------------------------------------------------------===//

/// Count, mean and m2 of the groups, as other devices would give them.
std::vector<Array> statisticsOf(const BatchNormProblem &problem, const BatchNormForward &forward) {
  std::vector<double> m2;
  for (size_t i = 0; i < forward.count.size(); ++i)
    m2.push_back(forward.count[i] * std::max(0.0, 1 / (forward.invStd[i] * forward.invStd[i]) -
                                                      problem.rules.effectiveEpsilon()));
  std::vector<Array> result;
  for (const std::vector<double> &values : {forward.count, forward.mean, m2})
    result.push_back(rounded(DType::F64, forward.groupShape, values));
  return result;
}

/// The moving statistics and what renorm needs; returns their types.
std::vector<std::string> writeState(const BatchNormProblem &problem, Function &f) {
  const BatchNormRules &rules = problem.rules;
  std::vector<std::string> types;
  if (problem.hasMoving) {
    f.operands("moving", problem.movingState());
    types = f.lastTypes;
  }
  if (rules.renorm) {
    f.operands("renorm", problem.renormState());
    types.insert(types.end(), f.lastTypes.begin(), f.lastTypes.end());
  }
  for (auto [word, limit] : {std::pair("rmin", rules.clipping.rmin),
                             {"rmax", rules.clipping.rmax},
                             {"dmax", rules.clipping.dmax}})
    if (limit)
      f.operands(word,
                 listOf(rounded(problem.random.pick({DType::F32, DType::F64}), {}, {*limit})));
  if (!rules.momentum)
    f.operands("step", listOf(rounded(DType::I64, {}, {double(problem.moving.batches + 1)})));
  return types;
}

std::string differenceOfTraining(const BatchNormProblem &problem,
                                 const reference::BatchNormResult &reference,
                                 const std::vector<Array> &results) {
  const BatchNormForward &expected = reference.forward;
  const double statistic = kTolerance * (1 + largest(valuesOf(problem.x), 0));
  std::string text =
      firstOf({difference("count", results[1], expected.count, 1e-12),
               difference("saved mean", results[2], expected.mean, statistic),
               difference("saved inv_std", results[3], expected.invStd,
                          kTolerance * largest(expected.invStd, 0) * (1 + statistic)),
               difference("y", results[0], reference.y, kTolerance * reachOf(problem, expected))});
  size_t next = 4;
  const auto compare = [&](const char *name, const std::vector<double> &values, double bound) {
    if (text.empty())
      text = difference(name, results[next], values, bound);
    ++next;
  };
  const MovingStatistics &updated = expected.updated;
  const double square = kTolerance * (1 + largest(updated.variance, 0));
  if (problem.hasMoving) {
    compare("moving mean", updated.mean, statistic);
    compare("moving variance", updated.variance, square);
  }
  if (problem.rules.renorm) {
    compare("moving stddev", updated.stddev, square);
    compare("renorm mean", updated.renormMean, statistic);
    compare("renorm stddev", updated.renormStddev, square);
    const bool frozen = !problem.rules.useBatchStatistics;
    const auto size = size_t(*numElements(problem.perKept));
    // The divisor may be as small as the root of epsilon.
    compare("r", frozen ? std::vector<double>(size, 1) : expected.r, 30 * square);
    compare("d", frozen ? std::vector<double>(size, 0) : expected.d, 30 * statistic);
  }
  return text;
}

ProgramCase trainingCase(const BatchNormProblem &problem) {
  Random &random = problem.random;
  const BatchNormRules &rules = problem.rules;
  ProgramCase result{{}, problem.function(), {}, {}, {}};
  Function &f = result.function;
  const auto reference = std::make_shared<reference::BatchNormResult>(
      reference::batchNormTraining(valuesOf(problem.x), problem.shape, problem.kept, rules,
                                   problem.parameters(), problem.moving, problem.inputs));

  const std::string dataType = f.dataType(problem.dtype);
  f.op = "norma.batch_norm_training " + f.argument(problem.copyOfX(), dataType);
  problem.writeGamma(f);
  problem.writeBeta(f);
  const std::vector<std::string> stateTypes = writeState(problem, f);
  // Statistics that are given were made with the mask; the data is then not asked.
  const bool given = rules.useBatchStatistics && random.chance(0.2);
  if (!given)
    problem.writeMask(f);
  problem.writeAdjustment(f);
  if (given)
    f.operands("statistics", statisticsOf(problem, reference->forward));
  const std::optional<DType> to = drawResultType(random);
  f.op += problem.keptText(to);
  f.op += fmt::format(" {{epsilon = {:.17e} : f64, epsilon_floor = {:.17e} : f64, "
                      "momentum = {:.17e} : f64, renorm_momentum = {:.17e} : f64, "
                      "use_batch_statistics = {}, update_moving = {}{}{}}} : {}",
                      rules.epsilon, rules.epsilonFloor, rules.momentum.value_or(0.5),
                      rules.renormMomentum, rules.useBatchStatistics, rules.updateMoving,
                      rules.movingVariance == MovingVariance::Sample ? ", sample_variance" : "",
                      problem.ghostText(), dataType);
  const std::string group = f.groupType(problem.ghosts());
  std::vector<std::string> types{f.dataType(resultType(to, problem)), group, group, group};
  types.insert(types.end(), stateTypes.begin(), stateTypes.end());
  if (rules.renorm)
    types.insert(types.end(), 2, f.keptType(DType::F64));
  result.text = f.text(types);
  result.check = [&problem, reference](const std::vector<Array> &results) {
    return differenceOfTraining(problem, *reference, results);
  };
  return result;
}

//===----------------------------------------------------------------------===//
// Gradient
//===----------------------------------------------------------------------===//

/// S1 and S2 of the groups, as a sum over devices would give them.
std::vector<Array> sumsOf(const BatchNormProblem &problem, const std::vector<double> &dy,
                          const BatchNormForward &forward) {
  const std::vector<double> x = valuesOf(problem.x), &scale = problem.inputs.adjustScale;
  std::vector<double> sum(forward.mean.size()), dot(forward.mean.size());
  size_t element = 0;
  forEachIndex(problem.shape, [&](const Dims &index) {
    const size_t e = element++, group = problem.groupOf(index);
    if (problem.isLeftOut(e) && !std::isfinite(x[e]))
      return;
    const double term = dy[e] * (scale.empty() ? 1 : scale[e]);
    sum[group] += term;
    dot[group] += term * (x[e] - forward.mean[group]);
  });
  std::vector<Array> result;
  for (const std::vector<double> &values : {sum, dot})
    result.push_back(rounded(DType::F64, forward.groupShape, values));
  return result;
}

ProgramCase gradientCase(const BatchNormProblem &problem) {
  Random &random = problem.random;
  const BatchNormRules &rules = problem.rules;
  ProgramCase result{{}, problem.function(), {}, {}, {}};
  Function &f = result.function;
  const BatchNormForward forward =
      reference::batchNormTraining(valuesOf(problem.x), problem.shape, problem.kept, rules,
                                   problem.parameters(), problem.moving, problem.inputs)
          .forward;
  const DType dyType = random.pick(kFloatDTypes);
  Array dy = arrayOf(dyType, problem.shape, [&](int64_t) { return random.normal(); });
  const std::vector<double> dyValues = valuesOf(dy);
  const auto reference = std::make_shared<reference::BatchNormGradientResult>(
      reference::batchNormGradient(valuesOf(problem.x), dyValues, problem.shape, problem.kept,
                                   rules, problem.parameters(), forward, problem.inputs));

  const std::string dataType = f.dataType(problem.dtype), dyText = f.dataType(dyType);
  f.op = "norma.batch_norm_grad " + f.argument(std::move(dy), dyText);
  f.op += ", " + f.argument(problem.copyOfX(), dataType);
  const std::string group = f.groupType(problem.ghosts());
  std::vector<std::string> saved;
  for (const auto *values : {&forward.count, &forward.mean, &forward.invStd})
    saved.push_back(f.argument(rounded(DType::F64, forward.groupShape, *values), group));
  f.op += fmt::format(" saved({} : {})", fmt::join(saved, ", "), group);
  problem.writeGamma(f);
  const std::string gammaType =
      problem.gamma ? f.lastTypes.front() : f.keptType(widest(problem.dtype, dyType));
  if (rules.renorm && rules.useBatchStatistics) {
    std::vector<Array> corrections;
    for (const auto *values : {&forward.r, &forward.d})
      corrections.push_back(rounded(DType::F64, problem.perKept, *values));
    f.operands("renorm", std::move(corrections));
  }
  problem.writeMask(f);
  problem.writeAdjustment(f);
  if (rules.useBatchStatistics && random.chance(0.3))
    f.operands("sums", sumsOf(problem, dyValues, forward));
  const std::optional<DType> to = drawResultType(random);
  const bool trainable = random.chance(0.8);
  f.op += problem.keptText(to);
  f.op += fmt::format(" {{use_batch_statistics = {}, trainable_affine = {}{}}} : {}, {}",
                      rules.useBatchStatistics, trainable, problem.ghostText(), dyText, dataType);
  std::vector<std::string> types{f.dataType(to.value_or(dyType))};
  if (trainable)
    types.insert(types.end(), 2, gammaType);
  result.text = f.text(types);

  const double reach = reachOf(problem, forward);
  result.check = [&problem, reference, forward, reach,
                  trainable](const std::vector<Array> &results) {
    // dx is at most |dy| and a share of two sums, times what y is sensitive by.
    const double sensitivity =
        largest(forward.invStd, 0) * largest(forward.r, 1) * largest(problem.inputs.adjustScale, 1);
    std::string text = difference("dx", results[0], reference->dx,
                                  kTolerance * (1 + sensitivity) * (1 + sensitivity) * 8);
    if (!trainable || !text.empty())
      return text;
    const double terms = 5e-7 * double(1 + problem.x.view().size());
    return firstOf({difference("dgamma", results[1], reference->dgamma, terms * reach),
                    difference("dbeta", results[2], reference->dbeta, terms)});
  };
  return result;
}

//===----------------------------------------------------------------------===//
// Inference
//===----------------------------------------------------------------------===//

ProgramCase inferenceCase(const BatchNormProblem &problem) {
  Random &random = problem.random;
  ProgramCase result{{}, problem.function(), {}, {}, {}};
  Function &f = result.function;
  const auto parameter = [&](const std::function<double(int64_t)> &value) {
    return arrayOf(random.pick(kFloatDTypes), problem.perKept, value);
  };
  Array mean = parameter([&](int64_t) { return 3 * random.normal(); });
  Array variance = parameter([&](int64_t) { return random.between(0, 4); });
  const MovingStatistics moving{.mean = valuesOf(mean), .variance = valuesOf(variance)};
  const std::string dataType = f.dataType(problem.dtype);
  const std::string meanType = f.anyType(mean.view().dtype, problem.perKept);
  const std::string varianceType = f.anyType(variance.view().dtype, problem.perKept);
  f.op = "norma.batch_norm " + f.argument(problem.copyOfX(), dataType);
  f.op += ", " + f.argument(std::move(mean), meanType);
  f.op += ", " + f.argument(std::move(variance), varianceType);
  problem.writeGamma(f);
  problem.writeBeta(f);
  const std::optional<DType> to = drawResultType(random);
  f.op += problem.keptText(to);
  f.op += fmt::format(" {{epsilon = {:.17e} : f64, epsilon_floor = {:.17e} : f64}} : {}, {}, {}",
                      problem.rules.epsilon, problem.rules.epsilonFloor, dataType, meanType,
                      varianceType);
  result.text = f.text({f.dataType(resultType(to, problem))});

  // A frozen layer does the same.
  BatchNormRules rules = problem.rules;
  rules.renorm = rules.useBatchStatistics = rules.updateMoving = false;
  const auto reference = std::make_shared<reference::BatchNormResult>(reference::batchNormTraining(
      valuesOf(problem.x), problem.shape, problem.kept, rules, problem.parameters(), moving, {}));
  result.check = [&problem, reference](const std::vector<Array> &results) {
    return difference("y", results[0], reference->y,
                      kTolerance * reachOf(problem, reference->forward));
  };
  return result;
}

} // namespace

ProgramCase drawBatchNormProgram(Random &random) {
  const auto problem = std::make_shared<const BatchNormProblem>(random);
  const int64_t kind = random.below(8);
  ProgramCase result = kind == 0  ? inferenceCase(*problem)
                       : kind < 5 ? trainingCase(*problem)
                                  : gradientCase(*problem);
  result.what = fmt::format("x {} {}", toString(problem->dtype), toString(problem->shape));
  result.owner = problem;
  return result;
}

} // namespace norma::test
