//===- AotNames.cpp - Names of arguments, from the program text -----------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// MLIR forgets the names of values. A C header is read by people, so they are looked
// up in the text while that is parsed.
//
//===----------------------------------------------------------------------===//

#include "AotProgram.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/AsmParser/AsmParserState.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;

namespace norma {

/// "x" of a range over "%x".
static std::string nameAt(SMRange range) {
  if (!range.isValid())
    return "";
  StringRef text(range.Start.getPointer(), range.End.getPointer() - range.Start.getPointer());
  text.consume_front("%");
  return text.str();
}

/// The name of a result of an operation: that of the group it is in, where it is alone
/// there.
static std::string nameOf(Value value, const AsmParserState &state) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    const AsmParserState::BlockDefinition *block = state.getBlockDef(argument.getOwner());
    return block && argument.getArgNumber() < block->arguments.size()
               ? nameAt(block->arguments[argument.getArgNumber()].loc)
               : "";
  }
  const AsmParserState::OperationDefinition *op = state.getOpDef(value.getDefiningOp());
  const unsigned number = cast<OpResult>(value).getResultNumber();
  if (op)
    for (const auto &group : op->resultGroups)
      if (group.startIndex == number)
        return nameAt(group.definition.loc);
  return "";
}

static ProgramNames namesOf(func::FuncOp function, const AsmParserState &state) {
  ProgramNames names;
  for (Value argument : function.getArguments())
    names.arguments.push_back(nameOf(argument, state));
  for (Value result : function.front().getTerminator()->getOperands())
    names.results.push_back(nameOf(result, state));
  return names;
}

OwningOpRef<ModuleOp> parseProgram(MLIRContext *context, std::string_view source,
                                   ProgramNamesOf &names) {
  llvm::SourceMgr sources;
  // The parser wants a terminated buffer.
  sources.AddNewSourceBuffer(
      llvm::MemoryBuffer::getMemBufferCopy(StringRef(source.data(), source.size()), "program"), {});
  AsmParserState state;
  Block block;
  if (failed(parseAsmSourceFile(sources, &block, ParserConfig(context), &state)))
    return {};
  // A module that is written out, or what stands there without one.
  OwningOpRef<ModuleOp> module;
  if (!block.empty() && llvm::hasSingleElement(block) && isa<ModuleOp>(block.front())) {
    module = cast<ModuleOp>(block.front());
    (*module)->remove();
  } else {
    module = ModuleOp::create(UnknownLoc::get(context));
    Block *body = module->getBody();
    body->getOperations().splice(body->end(), block.getOperations());
  }
  for (func::FuncOp function : module->getOps<func::FuncOp>())
    if (!function.isDeclaration())
      names[function.getName()] = namesOf(function, state);
  return module;
}

} // namespace norma
