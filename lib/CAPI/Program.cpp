//===- Program.cpp - Functions of MLIR modules from C ---------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Handles.h"
#include "Layers.h"
#include "Options.h"
#include "Tensor.h"

#include <fmt/format.h>

using namespace norma;
using namespace norma::capi;

void norma_program_options_init_sized(norma_program_options *options, size_t structSize) {
  initOptions(norma_program_options{}, options, structSize);
}

norma_status norma_program_compile(norma_engine *engine, const char *source,
                                   const norma_program_options *options, norma_program **program) {
  return guarded(
      {{"engine", engine}, {"source", source}, {"program", program}}, [&]() -> Expected<void> {
        const Expected<norma_program_options> read = readOptions(options, norma_program_options{});
        if (!read)
          return read.error();
        const Expected<Lowering> lowering =
            toChoice("lowering", read->lowering, {Lowering::Loops, Lowering::Linalg});
        if (!lowering)
          return lowering.error();
        Program::Options compileOptions;
        compileOptions.lowering = *lowering;
        if (read->entry)
          compileOptions.entry = read->entry;
        return give(engine->value->compile(source, compileOptions), program);
      });
}

void norma_program_destroy(norma_program *program) { delete program; }

norma_status norma_program_get_entry(const norma_program *program, norma_string **entry) {
  return guarded({{"program", program}, {"entry", entry}},
                 [&] { return give(program->value.entry(), entry); });
}

norma_status norma_program_get_signature(const norma_program *program, size_t *arguments,
                                         size_t *results) {
  return guarded({{"program", program}, {"arguments", arguments}, {"results", results}},
                 [&]() -> Expected<void> {
                   *arguments = program->value.argumentCount();
                   *results = program->value.resultCount();
                   return {};
                 });
}

norma_status norma_program_run(const norma_program *program, const norma_tensor *arguments,
                               size_t argumentCount, norma_array **results, size_t resultCount) {
  return guarded({{"program", program}}, [&]() -> Expected<void> {
    const Program &function = program->value;
    if (argumentCount != function.argumentCount())
      return invalidArgument(fmt::format("argument_count: {}, expected {}, the arguments of '{}'",
                                         argumentCount, function.argumentCount(),
                                         function.entry()));
    if (resultCount != function.resultCount())
      return invalidArgument(fmt::format("result_count: {}, expected {}, the results of '{}'",
                                         resultCount, function.resultCount(), function.entry()));
    if (argumentCount > 0)
      if (Expected<void> given = checkPointers({{"arguments", arguments}}); !given)
        return given;
    if (resultCount > 0)
      if (Expected<void> given = checkPointers({{"results", results}}); !given)
        return given;
    std::vector<Tensor> views;
    for (size_t i = 0; i < argumentCount; ++i) {
      Expected<Tensor> view = toTensor(&arguments[i], fmt::format("argument {}", i).c_str());
      if (!view)
        return view.takeError();
      views.push_back(*view);
    }
    Expected<std::vector<Array>> returned = function.run(views);
    if (!returned)
      return returned.takeError();
    // All handles first, so that nothing is lost when there is no memory for one of them.
    std::vector<std::unique_ptr<norma_array>> handles;
    for (Array &array : *returned)
      handles.push_back(std::make_unique<norma_array>(std::move(array)));
    for (size_t i = 0; i < resultCount; ++i)
      results[i] = handles[i].release();
    return {};
  });
}
