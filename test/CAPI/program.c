//===- program.c - Functions of MLIR modules ------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Check.h"

static const char *const source =
    "func.func @standardize(%x: tensor<?x3xf32>) -> (tensor<?x3xf32>, tensor<3xf64>) {\n"
    "  %zeros = arith.constant dense<0.0> : tensor<3xf64>\n"
    "  %count, %mean, %m2 = norma.adapt %x into (%zeros, %zeros, %zeros) kept [1]\n"
    "      : tensor<?x3xf32>, tensor<3xf64>\n"
    "  %m, %variance = norma.finalize %count, %mean, %m2 : tensor<3xf64>\n"
    "  %y = norma.normalize %x, %m, %variance kept [1]\n"
    "      : tensor<?x3xf32>, tensor<3xf64>, tensor<3xf64>\n"
    "  return %y, %m : tensor<?x3xf32>, tensor<3xf64>\n"
    "}\n"
    "func.func @nothing() {\n"
    "  return\n"
    "}\n";

static void test_run(norma_engine *engine, int64_t lowering) {
  float data[] = {1, 2, 3, 3, 2, 7};
  const int64_t shape[] = {2, 3};
  const norma_tensor x = view_f32(data, 2, shape);
  norma_program_options options;
  norma_program *program = NULL;
  norma_string *entry = NULL;
  norma_array *results[2] = {NULL, NULL};
  norma_tensor y, mean, bad = x;
  size_t arguments = 0, count = 0;

  norma_program_options_init(&options);
  CHECK(options.struct_size == sizeof(options) && !options.entry);
  options.entry = "standardize";
  options.lowering = lowering;
  CHECK_OK(norma_program_compile(engine, source, &options, &program));
  CHECK_OK(norma_program_get_entry(program, &entry));
  CHECK(strcmp(norma_string_data(entry), "standardize") == 0);
  norma_string_destroy(entry);
  CHECK_OK(norma_program_get_signature(program, &arguments, &count));
  CHECK(arguments == 1 && count == 2);

  CHECK_OK(norma_program_run(program, &x, 1, results, 2));
  CHECK_OK(norma_array_view(results[0], &y));
  CHECK_OK(norma_array_view(results[1], &mean));
  CHECK(y.dtype == NORMA_DTYPE_F32 && y.rank == 2 && y.shape[0] == 2 && y.shape[1] == 3);
  CHECK(((float *)y.data)[0] == -1 && ((float *)y.data)[1] == 0 && ((float *)y.data)[5] == 1);
  CHECK(mean.dtype == NORMA_DTYPE_F64 && ((double *)mean.data)[2] == 5);
  norma_array_destroy(results[0]);
  norma_array_destroy(results[1]);

  results[0] = results[1] = NULL;
  CHECK_FAILS(norma_program_run(program, &x, 2, results, 2), NORMA_INVALID_ARGUMENT,
              "argument_count: 2, expected 1, the arguments of 'standardize'");
  CHECK_FAILS(norma_program_run(program, &x, 1, results, 1), NORMA_INVALID_ARGUMENT,
              "result_count: 1, expected 2, the results of 'standardize'");
  CHECK_NULL(norma_program_run(program, NULL, 1, results, 2), "arguments");
  CHECK_NULL(norma_program_run(program, &x, 1, NULL, 2), "results");
  bad.rank = 1;
  CHECK_FAILS(norma_program_run(program, &bad, 1, results, 2), NORMA_INVALID_ARGUMENT,
              "argument 0: a f32 of shape (2,), expected f32 of ?x3");
  bad.rank = 40;
  CHECK_FAILS(norma_program_run(program, &bad, 1, results, 2), NORMA_INVALID_ARGUMENT,
              "argument 0: rank 40, expected 0 to 16");
  CHECK(!results[0] && !results[1]);
  norma_program_destroy(program);
}

static void test_compile(norma_engine *engine) {
  norma_program_options options;
  norma_program *program = NULL;
  size_t arguments = 9, results = 9;
  norma_program_options_init(&options);
  CHECK(norma_program_compile(engine, source, NULL, &program) != NORMA_OK);
  options.entry = "absent";
  CHECK(norma_program_compile(engine, source, &options, &program) != NORMA_OK);
  CHECK(strstr(norma_error_message(), "absent"));
  CHECK(norma_program_compile(engine, "func.func @f(", NULL, &program) == NORMA_INVALID_ARGUMENT);
  options.entry = "nothing";
  options.lowering = 2;
  CHECK_FAILS(norma_program_compile(engine, source, &options, &program), NORMA_INVALID_ARGUMENT,
              "lowering: 2, expected 0 to 1");
  CHECK(program == NULL);
  options.lowering = NORMA_LOWERING_LOOPS;
  CHECK_OK(norma_program_compile(engine, source, &options, &program));
  CHECK_OK(norma_program_get_signature(program, &arguments, &results));
  CHECK(arguments == 0 && results == 0);
  CHECK_OK(norma_program_run(program, NULL, 0, NULL, 0));
  // The code outlives its engine.
  norma_engine_destroy(engine);
  CHECK_OK(norma_program_run(program, NULL, 0, NULL, 0));
  norma_program_destroy(program);
}

int main(void) {
  norma_engine *engine = make_engine();
  test_run(engine, NORMA_LOWERING_LOOPS);
  test_run(engine, NORMA_LOWERING_LINALG);
  test_compile(engine);
  return 0;
}
