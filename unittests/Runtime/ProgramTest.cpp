//===- ProgramTest.cpp - Functions of MLIR modules ------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EngineTest.h"

#include <gmock/gmock.h>

#include <limits>
#include <stdexcept>
#include <thread>

using namespace norma;
using namespace norma::test;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

namespace {

class ProgramTest : public EngineTest {
protected:
  static Program compile(const char *source, const Program::Options &options = {}) {
    Expected<Program> program = shared()->compile(source, options);
    // GoogleTest turns it into a failure of the test.
    if (!program)
      throw std::runtime_error(program.error().message());
    return *program;
  }
  static std::vector<Array> run(const Program &program, const std::vector<Tensor> &inputs) {
    Expected<std::vector<Array>> results = program.run(inputs);
    EXPECT_TRUE(results) << results.error().message();
    return results ? std::move(*results) : std::vector<Array>();
  }
  static std::string compileError(const char *source, const Program::Options &options = {}) {
    return messageOf(shared()->compile(source, options));
  }
};

constexpr const char *kStandardize = R"(
func.func @standardize(%x: tensor<?x2xf32>) -> (tensor<?x2xf32>, tensor<2xf64>) {
  %zero = arith.constant dense<0.0> : tensor<2xf64>
  %n, %m, %s = norma.adapt %x into (%zero, %zero, %zero) kept [1] : tensor<?x2xf32>, tensor<2xf64>
  %mean, %variance = norma.finalize %n, %m, %s : tensor<2xf64>
  %y = norma.normalize %x, %mean, %variance kept [1]
      : tensor<?x2xf32>, tensor<2xf64>, tensor<2xf64>
  return %y, %mean : tensor<?x2xf32>, tensor<2xf64>
})";

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

TEST_F(ProgramTest, AdaptsAndNormalizes) {
  const Array x = arrayOf(DType::F32, {4, 2}, [](int64_t i) {
    const int64_t half = i / 4;
    return i % 2 ? 10 : double(half);
  });
  for (Lowering lowering : {Lowering::Loops, Lowering::Linalg}) {
    const Program program = compile(kStandardize, {{}, {}, lowering});
    EXPECT_EQ(program.entry(), "standardize");
    EXPECT_GT(program.lowerMilliseconds(), 0);
    EXPECT_GT(program.codegenMilliseconds(), 0);
    const std::vector<Array> results = run(program, {x});
    ASSERT_EQ(results.size(), 2u);
    EXPECT_EQ(results[0].view().shape, (Dims{4, 2}));
    EXPECT_EQ(valuesOf(results[0]), (std::vector<double>{-1, 0, -1, 0, 1, 0, 1, 0}));
    EXPECT_EQ(valuesOf(results[1]), (std::vector<double>{0.5, 10}));
    // Another number of rows, none among them.
    EXPECT_EQ(run(program, {x.view().rows(0, 1)})[0].view().shape, (Dims{1, 2}));
    EXPECT_EQ(run(program, {x.view().rows(0, 0)})[0].view().shape, (Dims{0, 2}));
  }
}

TEST_F(ProgramTest, StatisticsContinue) {
  constexpr const char *kAdaptTwice = R"(
    func.func @f(%a: tensor<?x2xf64>, %b: tensor<?x2xf64>)
        -> (tensor<2xf64>, tensor<2xf64>, tensor<2xf64>) {
      %zero = arith.constant dense<0.0> : tensor<2xf64>
      %n, %m, %s = norma.adapt %a into (%zero, %zero, %zero) kept [1]
          : tensor<?x2xf64>, tensor<2xf64>
      %p, %q, %r = norma.adapt %b into (%n, %m, %s) kept [1] : tensor<?x2xf64>, tensor<2xf64>
      return %p, %q, %r : tensor<2xf64>, tensor<2xf64>, tensor<2xf64>
    })";
  Random random(21);
  const Array x = arrayOf(DType::F64, {1'000, 2}, [&](int64_t) { return 3 + random.normal(); });
  const double infinity = std::numeric_limits<double>::infinity();
  const Array y =
      arrayOf(DType::F64, {1'000, 2}, [&](int64_t i) { return i == 100 ? infinity : 1; });
  for (Lowering lowering : {Lowering::Loops, Lowering::Linalg}) {
    const Program program = compile(kAdaptTwice, {{}, {}, lowering});
    for (const Array *data : {&x, &y})
      for (int64_t cut : {0, 1, 400, 1'000}) {
        const std::vector<Array> results =
            run(program, {data->view().rows(0, cut), data->view().rows(cut, 1'000)});
        const Statistics s{{2}, valuesOf(results[0]), valuesOf(results[1]), valuesOf(results[2])};
        EXPECT_EQ(differenceOfMoments(*data, {1}, {}, s), "") << "cut at " << cut;
      }
  }
}

TEST_F(ProgramTest, ResultsAreTheCallersOwn) {
  // An argument as it is, twice, a part of it, and a constant.
  const Program program = compile(R"(
    func.func @f(%x: tensor<3x4xi16>)
        -> (tensor<3x4xi16>, tensor<3x4xi16>, tensor<2x2xi16>, tensor<2xf32>) {
      %part = tensor.extract_slice %x[1, 1] [2, 2] [1, 2] : tensor<3x4xi16> to tensor<2x2xi16>
      %c = arith.constant dense<[1.5, 2.5]> : tensor<2xf32>
      return %x, %x, %part, %c
          : tensor<3x4xi16>, tensor<3x4xi16>, tensor<2x2xi16>, tensor<2xf32>
    })");
  const Array x = arrayOf(DType::I16, {3, 4}, [](int64_t i) { return double(i); });
  for (int round = 0; round < 2; ++round) {
    const std::vector<Array> results = run(program, {x});
    ASSERT_EQ(results.size(), 4u);
    EXPECT_EQ(valuesOf(results[0]), valuesOf(x));
    EXPECT_EQ(valuesOf(results[1]), valuesOf(x));
    EXPECT_EQ(valuesOf(results[2]), (std::vector<double>{5, 7, 9, 11}));
    EXPECT_EQ(valuesOf(results[3]), (std::vector<double>{1.5, 2.5}));
    EXPECT_NE(results[0].view().data, x.view().data);
    EXPECT_NE(results[0].view().data, results[1].view().data);
    // Writing to one changes nothing else, not in the next round either.
    for (const Array &result : results)
      std::memset(result.as<char>(), 0x11, result.sizeInBytes());
    EXPECT_EQ(valuesOf(x)[5], 5);
  }
}

TEST_F(ProgramTest, ResultsInsideOfArgumentsLeaveThemAlone) {
  // Both write into what they are given.
  const Program program = compile(R"(
    func.func @f(%x: tensor<?x3xf32>, %c: tensor<3xf32>) -> (tensor<?x3xf32>, tensor<?x3xf32>) {
      %y = norma.affine kept [1] ins(%x : tensor<?x3xf32>) center(%c : tensor<3xf32>)
          outs(%x : tensor<?x3xf32>) -> tensor<?x3xf32>
      %z = norma.affine kept [1] ins(%y : tensor<?x3xf32>) shift(%c : tensor<3xf32>)
          outs(%x : tensor<?x3xf32>) -> tensor<?x3xf32>
      return %y, %z : tensor<?x3xf32>, tensor<?x3xf32>
    })");
  const Array x = arrayOf(DType::F32, {20, 3}, [](int64_t i) { return double(i); });
  const Array c = arrayOf(DType::F32, {3}, [](int64_t i) { return double(i + 1); });
  const std::vector<double> before = valuesOf(x);
  const std::vector<Array> results = run(program, {x, c});
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(valuesOf(x), before);
  EXPECT_EQ(valuesOf(results[1]), before);
  for (int64_t i = 0; i < 60; ++i)
    EXPECT_EQ(valuesOf(results[0])[size_t(i)], double(i - (i % 3 + 1)));
}

TEST_F(ProgramTest, ScalarsAndStrides) {
  const Program scalar = compile(R"(
    func.func @f(%x: tensor<f64>, %m: tensor<f64>, %v: tensor<f64>) -> tensor<f64> {
      %y = norma.normalize %x, %m, %v kept [] : tensor<f64>, tensor<f64>, tensor<f64>
      return %y : tensor<f64>
    })");
  const Array five = arrayOf(DType::F64, {}, [](int64_t) { return 5; });
  const Array four = arrayOf(DType::F64, {}, [](int64_t) { return 4; });
  const std::vector<Array> results = run(scalar, {five, four, four});
  EXPECT_EQ(valuesOf(results.at(0)), std::vector<double>{0.5});
  EXPECT_TRUE(results.at(0).view().shape.empty());

  const Program copy = compile("func.func @f(%x: tensor<?x?xi8>) -> tensor<?x?xi8> "
                               "{ return %x : tensor<?x?xi8> }");
  const Array x = arrayOf(DType::U8, {2, 3}, [](int64_t i) { return double(i); });
  const Tensor transposed(x.view().data, DType::U8, {3, 2}, {1, 3});
  EXPECT_EQ(valuesOf(run(copy, {transposed}).at(0)), (std::vector<double>{0, 3, 1, 4, 2, 5}));
  const Tensor backwards(x.as<char>() + 5, DType::U8, {2, 3}, {-3, -1});
  EXPECT_EQ(valuesOf(run(copy, {backwards}).at(0)), (std::vector<double>{5, 4, 3, 2, 1, 0}));
}

TEST_F(ProgramTest, RunsInSeveralThreadsAndOutlivesItsEngine) {
  std::shared_ptr<Engine> engine = engineWith({.threads = 2});
  Expected<Program> compiled = engine->compile(kStandardize, {});
  ASSERT_TRUE(compiled) << compiled.error().message();
  const Program program = *compiled;
  engine.reset();
  Random random(22);
  const Array x = arrayOf(DType::F32, {5'000, 2}, [&](int64_t) { return random.normal(); });
  const std::vector<double> expected = valuesOf(run(program, {x}).at(0));
  std::vector<std::vector<double>> results(4);
  std::vector<std::thread> threads;
  for (std::vector<double> &result : results)
    threads.emplace_back([&] {
      const Tensor input = x;
      result = valuesOf(program.run(std::span(&input, 1))->at(0));
    });
  for (std::thread &thread : threads)
    thread.join();
  for (const std::vector<double> &result : results)
    EXPECT_EQ(result, expected);
}

//===----------------------------------------------------------------------===//
// Stages
//===----------------------------------------------------------------------===//

TEST_F(ProgramTest, StagesComeInOrder) {
  const std::vector<std::string> names = Engine::stageNames();
  EXPECT_EQ(names.front(), "input");
  EXPECT_EQ(names.back(), "assembly");
  const Program program =
      compile(kStandardize, {{}, {"assembly", "schedule", "decompose", "input"}, {}});
  std::vector<std::string> dumped;
  for (const auto &[name, text] : program.stages())
    dumped.push_back(name);
  ASSERT_EQ(dumped, (std::vector<std::string>{"input", "decompose", "schedule", "assembly"}));
  EXPECT_THAT(program.stages()[0].second, HasSubstr("norma.adapt"));
  EXPECT_THAT(program.stages()[1].second,
              AllOf(HasSubstr("norma.moments"), ::testing::Not(HasSubstr("norma.adapt"))));
  EXPECT_THAT(program.stages()[2].second, HasSubstr("#norma.schedule<"));
  EXPECT_THAT(program.stages()[3].second, HasSubstr("standardize"));

  const Program all = compile(kStandardize, {{}, names, {}});
  ASSERT_EQ(all.stages().size(), names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(all.stages()[i].first, names[i]);
    EXPECT_FALSE(all.stages()[i].second.empty()) << names[i];
  }
  EXPECT_TRUE(compile(kStandardize).stages().empty());
}

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

constexpr const char *kTwo = R"(
func.func @first(%x: tensor<2xf32>) -> tensor<2xf32> { return %x : tensor<2xf32> }
func.func @second(%x: tensor<?x3xi8>) -> tensor<?x3xi8> { return %x : tensor<?x3xi8> }
)";

TEST_F(ProgramTest, TextThatIsNoProgram) {
  EXPECT_THAT(
      compileError("func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {\n"
                   "  return %y : tensor<2xf32>\n}"),
      AllOf(StartsWith("the program does not parse: line 2:10: "), HasSubstr("undeclared")));
  EXPECT_THAT(compileError("what is this"), StartsWith("the program does not parse: line 1:1: "));
  EXPECT_THAT(compileError(R"(
func.func @f(%x: tensor<2x3xf32>, %m: tensor<3xf64>) -> tensor<2x3xf32> {
  %y = norma.normalize %x, %m, %m kept [2] : tensor<2x3xf32>, tensor<3xf64>, tensor<3xf64>
  return %y : tensor<2x3xf32>
})"),
              AllOf(StartsWith("the program does not parse: line 3:8: "), HasSubstr("kept")));
}

TEST_F(ProgramTest, Entries) {
  EXPECT_EQ(compileError(""), "entry: the module has no function");
  EXPECT_EQ(compileError("func.func private @f(tensor<2xf32>) -> tensor<2xf32>"),
            "entry: the module has no function");
  EXPECT_EQ(compileError(kTwo),
            "entry: the module has several functions, name one of 'first', 'second'");
  EXPECT_EQ(compileError(kTwo, {"third", {}, {}}),
            "entry: no function 'third' in the module, only 'first', 'second'");
  EXPECT_EQ(compile(kTwo, {"second", {}, {}}).entry(), "second");
}

TEST_F(ProgramTest, Signatures) {
  for (const char *type : {"f32", "index", "memref<2xf32>", "tensor<*xf32>", "tensor<2xindex>",
                           "tensor<2xi4>", "tensor<2xcomplex<f32>>", "vector<2xf32>",
                           "tensor<1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1xf32>"}) {
    const std::string t = type;
    EXPECT_THAT(
        compileError(("func.func @f(%x: " + t + ") { return }").c_str()),
        AllOf(StartsWith("entry 'f': argument 0 is a " + t), HasSubstr("expected a tensor")));
    EXPECT_THAT(compileError(("func.func @f(%y: tensor<f32>, %x: " + t + ") -> (tensor<f32>, " + t +
                              ") { return %y, %x : tensor<f32>, " + t + " }")
                                 .c_str()),
                StartsWith("entry 'f': argument 1 is a " + t));
  }
  EXPECT_THAT(compileError("func.func @f() -> index { %c = arith.constant 0 : index\n"
                           "return %c : index }"),
              StartsWith("entry 'f': result 0 is a index"));
}

TEST_F(ProgramTest, Stages) {
  EXPECT_THAT(compileError(kStandardize, {{}, {"nothing"}, {}}),
              AllOf(StartsWith("dump-stage: no stage 'nothing'"), HasSubstr("decompose"),
                    HasSubstr("assembly")));
}

TEST_F(ProgramTest, Arguments) {
  const Program program = compile(kTwo, {"second", {}, {}});
  const Array right = arrayOf(DType::I8, {4, 3}, [](int64_t) { return 1; });
  const Array wide = arrayOf(DType::I8, {4, 2}, [](int64_t) { return 1; });
  const Array flat = arrayOf(DType::I8, {3}, [](int64_t) { return 1; });
  const Array real = arrayOf(DType::F32, {4, 3}, [](int64_t) { return 1; });
  const Array bits = arrayOf(DType::Bool, {4, 3}, [](int64_t) { return 1; });
  const auto error = [&](const std::vector<Tensor> &inputs) {
    return messageOf(program.run(inputs));
  };
  EXPECT_EQ(error({}), "entry 'second': 0 arguments, expected 1");
  EXPECT_EQ(error({right, right}), "entry 'second': 2 arguments, expected 1");
  EXPECT_EQ(error({wide}), "argument 0: a i8 of shape (4, 2), expected i8 of ?x3");
  EXPECT_EQ(error({flat}), "argument 0: a i8 of shape (3,), expected i8 of ?x3");
  EXPECT_EQ(error({real}), "argument 0: a f32 of shape (4, 3), expected i8 of ?x3");
  EXPECT_EQ(error({Tensor(nullptr, DType::I8, {4, 3})}),
            "argument 0: data is null; expected 12 elements");
  // Unsigned integers are the same to MLIR, and bytes that are 0 or 1 are bytes.
  EXPECT_TRUE(program.run(std::vector<Tensor>{bits}));
  EXPECT_TRUE(program.run(std::vector<Tensor>{Tensor(right.view().data, DType::U8, {4, 3})}));
}

} // namespace
