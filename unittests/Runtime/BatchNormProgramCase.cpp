//===- BatchNormProgramCase.cpp - Random batch normalization ops ----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BatchNormProgram.h"

#include "norma/Reference/BatchNorm.h"

#include <algorithm>
#include <cmath>

namespace norma::test {

namespace {

constexpr DType kData[] = {DType::F32, DType::F32, DType::F64, DType::F16, DType::BF16, DType::U8};
constexpr DType kFloats[] = {DType::F32, DType::F64, DType::F16, DType::BF16};
constexpr DType kParameters[] = {DType::F32, DType::F64};

DType widest(std::initializer_list<DType> dtypes) {
  return std::count(dtypes.begin(), dtypes.end(), DType::F64) > 0 ? DType::F64 : DType::F32;
}

double largest(const std::vector<double> &values, double absent) {
  double result = values.empty() ? absent : 0;
  for (double value : values)
    if (std::isfinite(value))
      result = std::max(result, std::fabs(value));
  return result;
}

/// Everything an op may be given, drawn at random; what is absent is empty.
class Problem {
public:
  explicit Problem(Random &random) : random(random) {
    dtype = random.pick(kData);
    drawShape();
    drawRules();
    drawInputs();
    const double mean = 3 * random.normal(), deviation = random.pick({0.5, 1.0, 4.0});
    const double base = dtype == DType::U8 ? 100 : 0;
    x = arrayOf(dtype, shape, [&](int64_t i) {
      if (isFloat(dtype) && hasHoles && isLeftOut(i))
        return random.chance(0.5) ? std::nan("") : HUGE_VAL;
      return base + mean + deviation * random.normal();
    });
    perKept = keptShape(shape, kept);
    if (random.chance(0.7))
      gamma = parameter([&](int64_t) { return random.between(-1.5, 1.5); });
    if (random.chance(0.7))
      beta = parameter([&](int64_t) { return random.normal(); });
    drawState();
  }

  Array parameter(const std::function<double(int64_t)> &value) const {
    return arrayOf(random.pick(kParameters), perKept, value);
  }
  BatchNormParameters parameters() const { return {given(gamma), given(beta)}; }
  static std::vector<double> given(const std::optional<Array> &array) {
    return array ? valuesOf(*array) : std::vector<double>();
  }
  bool hasGhosts() const { return rules.ghosts.size > 0; }
  std::optional<int64_t> ghosts() const {
    if (!hasGhosts() || !rules.useBatchStatistics)
      return std::nullopt;
    return planGhosts(rules.ghosts, shape[0])->ghosts;
  }

  /// What training and gradient have in common, to write into the op.
  void writeInputs(Function &f, bool withMask) const {
    if (withMask && mask)
      f.operands("mask", list(*mask));
    if (withMask && weights)
      f.operands("weights", list(*weights));
    if (adjustScale)
      f.operands("adjust_scale", list(*adjustScale));
    if (adjustBias)
      f.operands("adjust_bias", list(*adjustBias));
  }
  /// kept axes, signedness and result type.
  std::string keptText(std::optional<DType> to) const {
    return fmt::format(" kept [{}]{}{}", fmt::join(kept.begin(), kept.end(), ", "),
                       dtype == DType::U8 ? " unsigned" : "",
                       to ? fmt::format(" to {}", elementText(*to)) : "");
  }
  std::string ghostText() const {
    if (!hasGhosts())
      return "";
    return fmt::format(", virtual_batch_size = {} : i64, grouping = #norma<grouping {}>, remainder "
                       "= #norma<remainder {}>",
                       rules.ghosts.size, toString(rules.ghosts.grouping),
                       toString(rules.ghosts.remainder));
  }
  static std::vector<Array> list(const Array &array) {
    std::vector<Array> result;
    result.push_back(copyOf(array));
    return result;
  }
  static Array copyOf(const Array &array) { return std::move(*Array::copyOf(array)); }
  /// The state before the batch, in the order of the op.
  std::vector<Array> movingState() const { return copies(state, 0, 2); }
  std::vector<Array> renormState() const { return copies(state, 2, 5); }

  Random &random;
  Dims shape, kept, perKept;
  DType dtype;
  BatchNormRules rules;
  bool hasMoving = false, hasHoles = false;
  Array x;
  std::optional<Array> gamma, beta, mask, weights, adjustScale, adjustBias;
  std::vector<Array> state;
  MovingStatistics moving;
  reference::BatchNormInputs inputs;

private:
  static std::vector<Array> copies(const std::vector<Array> &from, size_t begin, size_t end) {
    std::vector<Array> result;
    for (size_t i = begin; i < end; ++i)
      result.push_back(copyOf(from[i]));
    return result;
  }

  void drawShape() {
    shape = randomShape(random, 5, 1'500);
    kept = randomKept(random, shape.size());
    if (shape.empty() || (!kept.empty() && kept[0] == 0) || random.chance(0.4))
      return;
    GhostBatches &cut = rules.ghosts;
    cut.grouping = random.pick({GhostGrouping::Strided, GhostGrouping::Contiguous});
    cut.remainder = random.pick({GhostRemainder::Smaller, GhostRemainder::Merge});
    cut.size = 1 + random.below(shape[0] + 2);
  }

  void drawRules() {
    rules.epsilon = random.pick({1e-3, 1e-2});
    rules.epsilonFloor = random.pick({0.0, 5e-3});
    rules.momentum = random.pick({0.99, 0.5, 0.0, 1.0});
    rules.renormMomentum = random.pick({0.9, 0.25});
    hasMoving = random.chance(0.7);
    if (random.chance(0.3))
      rules.movingVariance = MovingVariance::Sample;
    if (!hasMoving) {
      rules.updateMoving = false;
      return;
    }
    rules.renorm = random.chance(0.4);
    rules.useBatchStatistics = random.chance(0.8);
    rules.updateMoving = random.chance(0.8);
    if (random.chance(0.25))
      rules.momentum = std::nullopt;
    if (!rules.renorm)
      return;
    if (random.chance(0.5))
      rules.clipping.rmin = 0.5;
    if (random.chance(0.5))
      rules.clipping.rmax = 1.25;
    if (random.chance(0.5))
      rules.clipping.dmax = 0.75;
  }

  /// An operand that broadcasts to the data, and its elements there.
  std::optional<Array> broadcast(DType type, const std::function<double(int64_t)> &value,
                                 std::vector<double> &elements) {
    Dims extents = shape;
    for (int64_t &extent : extents)
      if (random.chance(0.4))
        extent = 1;
    Array array = arrayOf(type, extents, value);
    forEachIndex(shape, [&](Dims index) {
      for (int axis = 0; axis < index.size(); ++axis)
        index[axis] = extents[axis] == 1 ? 0 : index[axis];
      elements.push_back(valueAt(array, index));
    });
    return array;
  }
  void drawInputs() {
    if (random.chance(0.3))
      mask = broadcast(
          random.pick({DType::Bool, DType::I8}),
          [&](int64_t) { return random.chance(0.7) ? 1 : 0; }, inputs.mask);
    if (random.chance(0.3))
      weights = broadcast(
          random.pick({DType::F32, DType::F64, DType::F16, DType::I8}),
          [&](int64_t) { return random.chance(0.2) ? 0 : 1 + random.below(3); }, inputs.weights);
    if (random.chance(0.3))
      adjustScale = broadcast(
          random.pick(kFloats), [&](int64_t) { return random.between(0.5, 2); },
          inputs.adjustScale);
    if (random.chance(0.3))
      adjustBias = broadcast(
          random.pick(kFloats), [&](int64_t) { return random.normal(); }, inputs.adjustBias);
    hasHoles = random.chance(0.3);
  }
  bool isLeftOut(int64_t i) const {
    return (!inputs.mask.empty() && inputs.mask[size_t(i)] == 0) ||
           (!inputs.weights.empty() && inputs.weights[size_t(i)] == 0);
  }

  void drawState() {
    moving.batches = random.below(5);
    const auto draw = [&](std::vector<double> &values,
                          const std::function<double(int64_t)> &value) {
      state.push_back(parameter(value));
      values = valuesOf(state.back());
    };
    if (!hasMoving)
      return;
    draw(moving.mean, [&](int64_t) { return random.normal(); });
    draw(moving.variance, [&](int64_t) { return random.between(0.1, 4); });
    if (!rules.renorm)
      return;
    draw(moving.stddev, [&](int64_t) { return random.between(0.5, 2); });
    draw(moving.renormMean, [&](int64_t) { return random.normal(); });
    draw(moving.renormStddev, [&](int64_t) { return random.between(0, 2); });
  }
};

/// How large a result of the map can be: errors are relative to that, since
/// statistics are exact to a share of their size.
double reachOf(const Problem &problem, const BatchNormForward &forward) {
  const BatchNormParameters parameters = problem.parameters();
  const double data = largest(valuesOf(problem.x), 0) + largest(forward.mean, 0);
  const double corrected =
      data * largest(forward.invStd, 0) * std::max(largest(forward.r, 1), 1.0) +
      largest(forward.d, 0) + 3 * data;
  const double adjusted = corrected * std::max(largest(problem.inputs.adjustScale, 1), 1.0) +
                          largest(problem.inputs.adjustBias, 0);
  return 1 + adjusted * std::max(largest(parameters.gamma, 1), 1.0) + largest(parameters.beta, 0);
}

ProgramCase trainingCase(const Problem &problem) {
  Random &random = problem.random;
  const BatchNormRules &rules = problem.rules;
  ProgramCase result{{}, Function(random, problem.shape, problem.kept), {}, {}, {}};
  Function &f = result.function;
  const auto reference = std::make_shared<reference::BatchNormResult>(
      reference::batchNormTraining(valuesOf(problem.x), problem.shape, problem.kept, rules,
                                   problem.parameters(), problem.moving, problem.inputs));
  const BatchNormForward &forward = reference->forward;

  const std::string dataType = f.dataType(problem.dtype);
  f.op = "norma.batch_norm_training " + f.argument(Problem::copyOf(problem.x), dataType);
  if (problem.gamma)
    f.operands("gamma", Problem::list(*problem.gamma));
  if (problem.beta)
    f.operands("beta", Problem::list(*problem.beta));
  std::vector<std::string> stateTypes;
  if (problem.hasMoving) {
    f.operands("moving", problem.movingState());
    stateTypes = f.lastTypes;
  }
  if (rules.renorm) {
    f.operands("renorm", problem.renormState());
    stateTypes.insert(stateTypes.end(), f.lastTypes.begin(), f.lastTypes.end());
  }
  for (auto [word, limit] : {std::pair("rmin", rules.clipping.rmin),
                             {"rmax", rules.clipping.rmax},
                             {"dmax", rules.clipping.dmax}})
    if (limit)
      f.operands(word, Problem::list(arrayOf(random.pick(kParameters), {},
                                             [limit = *limit](int64_t) { return limit; })));
  if (!rules.momentum)
    f.operands("step", Problem::list(arrayOf(DType::I64, {}, [&](int64_t) {
                 return double(problem.moving.batches + 1);
               })));
  // Statistics that are given were made with the mask; the data is then not asked.
  const bool given = rules.useBatchStatistics && random.chance(0.2);
  problem.writeInputs(f, !given);
  if (given) {
    std::vector<double> m2;
    for (size_t i = 0; i < forward.count.size(); ++i)
      m2.push_back(forward.count[i] * std::max(0.0, 1 / (forward.invStd[i] * forward.invStd[i]) -
                                                        rules.effectiveEpsilon()));
    std::vector<Array> statistics;
    for (const std::vector<double> &values : {forward.count, forward.mean, m2})
      statistics.push_back(rounded(DType::F64, forward.groupShape, values));
    f.operands("statistics", std::move(statistics));
  }
  std::optional<DType> to;
  if (random.chance(0.4))
    to = random.pick(kFloats);
  const DType out = to.value_or(isFloat(problem.dtype) ? problem.dtype : DType::F32);
  f.op += problem.keptText(to);
  f.op += fmt::format(" {{epsilon = {:.17e} : f64, epsilon_floor = {:.17e} : f64, "
                      "momentum = {:.17e} : f64, renorm_momentum = {:.17e} : f64, "
                      "use_batch_statistics = {}, update_moving = {}{}{}}} : {}",
                      rules.epsilon, rules.epsilonFloor, rules.momentum.value_or(0.5),
                      rules.renormMomentum, rules.useBatchStatistics, rules.updateMoving,
                      rules.movingVariance == MovingVariance::Sample ? ", sample_variance" : "",
                      problem.ghostText(), dataType);
  const std::string group = f.groupType(problem.ghosts());
  std::vector<std::string> types{f.dataType(out), group, group, group};
  types.insert(types.end(), stateTypes.begin(), stateTypes.end());
  if (rules.renorm)
    types.insert(types.end(), 2, f.keptType(DType::F64));
  result.text = f.text(types);

  result.check = [&problem, &rules, reference](const std::vector<Array> &results) {
    const BatchNormForward &expected = reference->forward;
    const double reach = reachOf(problem, expected);
    const double statistic = kTolerance * (1 + largest(valuesOf(problem.x), 0));
    std::string text =
        firstOf({difference("count", results[1], expected.count, 1e-12),
                 difference("saved mean", results[2], expected.mean, statistic),
                 difference("saved inv_std", results[3], expected.invStd,
                            kTolerance * largest(expected.invStd, 0) * (1 + statistic)),
                 difference("y", results[0], reference->y, kTolerance * reach)});
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
    if (rules.renorm) {
      compare("moving stddev", updated.stddev, square);
      compare("renorm mean", updated.renormMean, statistic);
      compare("renorm stddev", updated.renormStddev, square);
      const std::vector<double> ones(size_t(*numElements(problem.perKept)), 1),
          zeros(ones.size(), 0);
      // The divisor may be as small as the root of epsilon.
      compare("r", rules.useBatchStatistics ? expected.r : ones, 30 * square);
      compare("d", rules.useBatchStatistics ? expected.d : zeros, 30 * statistic);
    }
    return text;
  };
  return result;
}

ProgramCase gradientCase(const Problem &problem) {
  Random &random = problem.random;
  const BatchNormRules &rules = problem.rules;
  ProgramCase result{{}, Function(random, problem.shape, problem.kept), {}, {}, {}};
  Function &f = result.function;
  const BatchNormForward forward =
      reference::batchNormTraining(valuesOf(problem.x), problem.shape, problem.kept, rules,
                                   problem.parameters(), problem.moving, problem.inputs)
          .forward;
  const DType dyType = random.pick(kFloats);
  const Array dy = arrayOf(dyType, problem.shape, [&](int64_t) { return random.normal(); });
  const auto reference = std::make_shared<reference::BatchNormGradientResult>(
      reference::batchNormGradient(valuesOf(problem.x), valuesOf(dy), problem.shape, problem.kept,
                                   rules, problem.parameters(), forward, problem.inputs));

  const std::string dataType = f.dataType(problem.dtype), dyText = f.dataType(dyType);
  f.op = "norma.batch_norm_grad " + f.argument(Problem::copyOf(dy), dyText);
  f.op += ", " + f.argument(Problem::copyOf(problem.x), dataType);
  const std::string group = f.groupType(problem.ghosts());
  std::vector<std::string> saved;
  for (const auto *values : {&forward.count, &forward.mean, &forward.invStd})
    saved.push_back(f.argument(rounded(DType::F64, forward.groupShape, *values), group));
  f.op += fmt::format(" saved({} : {})", fmt::join(saved, ", "), group);
  std::string gammaType;
  if (problem.gamma) {
    f.operands("gamma", Problem::list(*problem.gamma));
    gammaType = f.lastTypes.front();
  }
  if (rules.renorm && rules.useBatchStatistics) {
    std::vector<Array> corrections;
    corrections.push_back(rounded(DType::F64, problem.perKept, forward.r));
    corrections.push_back(rounded(DType::F64, problem.perKept, forward.d));
    f.operands("renorm", std::move(corrections));
  }
  problem.writeInputs(f, true);
  std::optional<DType> to;
  if (random.chance(0.4))
    to = random.pick(kFloats);
  const bool trainable = random.chance(0.8);
  f.op += problem.keptText(to);
  f.op += fmt::format(" {{use_batch_statistics = {}, trainable_affine = {}{}}} : {}, {}",
                      rules.useBatchStatistics, trainable, problem.ghostText(), dyText, dataType);
  std::vector<std::string> types{f.dataType(to.value_or(dyType))};
  if (trainable)
    types.insert(types.end(), 2,
                 problem.gamma ? gammaType : f.keptType(widest({problem.dtype, dyType})));
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

ProgramCase inferenceCase(const Problem &problem) {
  Random &random = problem.random;
  ProgramCase result{{}, Function(random, problem.shape, problem.kept), {}, {}, {}};
  Function &f = result.function;
  const auto parameter = [&](const std::function<double(int64_t)> &value) {
    return arrayOf(random.pick(kFloats), problem.perKept, value);
  };
  const Array mean = parameter([&](int64_t) { return 3 * random.normal(); });
  const Array variance = parameter([&](int64_t) { return random.between(0, 4); });
  const std::string dataType = f.dataType(problem.dtype);
  const std::string meanType = f.anyType(mean.view().dtype, problem.perKept);
  const std::string varianceType = f.anyType(variance.view().dtype, problem.perKept);
  f.op = "norma.batch_norm " + f.argument(Problem::copyOf(problem.x), dataType);
  f.op += ", " + f.argument(Problem::copyOf(mean), meanType);
  f.op += ", " + f.argument(Problem::copyOf(variance), varianceType);
  if (problem.gamma)
    f.operands("gamma", Problem::list(*problem.gamma));
  if (problem.beta)
    f.operands("beta", Problem::list(*problem.beta));
  const DType out = random.pick(kFloats);
  f.op += problem.keptText(out);
  f.op += fmt::format(" {{epsilon = {:.17e} : f64, epsilon_floor = {:.17e} : f64}} : {}, {}, {}",
                      problem.rules.epsilon, problem.rules.epsilonFloor, dataType, meanType,
                      varianceType);
  result.text = f.text({f.dataType(out)});

  // A frozen layer does the same.
  BatchNormRules rules = problem.rules;
  rules.renorm = rules.useBatchStatistics = rules.updateMoving = false;
  MovingStatistics moving;
  moving.mean = valuesOf(mean);
  moving.variance = valuesOf(variance);
  const auto reference = std::make_shared<reference::BatchNormResult>(reference::batchNormTraining(
      valuesOf(problem.x), problem.shape, problem.kept, rules, problem.parameters(), moving, {}));
  result.check = [&problem, reference](const std::vector<Array> &results) {
    return difference("y", results[0], reference->y,
                      kTolerance * reachOf(problem, reference->forward));
  };
  return result;
}

} // namespace

std::string difference(const std::string &name, const Array &actual,
                       const std::vector<double> &expected, double bound) {
  const std::vector<double> values = valuesOf(actual);
  if (values.size() != expected.size())
    return fmt::format("{}: {} values, expected {}", name, values.size(), expected.size());
  const DType dtype = actual.view().dtype;
  const double ulp = dtype == DType::F16    ? 0x1p-11
                     : dtype == DType::BF16 ? 0x1p-8
                     : dtype == DType::F32  ? 0x1p-23
                                            : 0x1p-52;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(expected[i]) ? std::isnan(values[i]) : values[i] == expected[i])
      continue;
    if (!(std::fabs(values[i] - expected[i]) <= bound + ulp * std::fabs(expected[i])))
      return fmt::format("{} at {}: {:.9g}, expected {:.9g} within {:.3g}", name, i, values[i],
                         expected[i], bound);
  }
  return "";
}

ProgramCase drawBatchNormProgram(Random &random) {
  const auto problem = std::make_shared<const Problem>(random);
  const int64_t kind = random.below(8);
  ProgramCase result = kind == 0  ? inferenceCase(*problem)
                       : kind < 5 ? trainingCase(*problem)
                                  : gradientCase(*problem);
  result.what = fmt::format("x {} {}", toString(problem->dtype), toString(problem->shape));
  result.owner = problem;
  return result;
}

} // namespace norma::test
