//===- AotProgram.cpp - Functions on tensors, for C callers ---------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AotProgram.h"

#include "../Aot/CHeader.h"
#include "ProgramTypes.h"

#include "mlir/Dialect/Affine/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/Arith/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"

#include <fmt/format.h>

using namespace mlir;

namespace norma {

void registerAotInterfaces(DialectRegistry &registry) {
  affine::registerValueBoundsOpInterfaceExternalModels(registry);
  arith::registerValueBoundsOpInterfaceExternalModels(registry);
  linalg::registerValueBoundsOpInterfaceExternalModels(registry);
  scf::registerValueBoundsOpInterfaceExternalModels(registry);
  tensor::registerValueBoundsOpInterfaceExternalModels(registry);
}

//===----------------------------------------------------------------------===//
// Signatures
//===----------------------------------------------------------------------===//

/// A name for the argument of a C function that has others already.
static std::string freshName(const CFunction &function, const std::string &wanted,
                             const std::string &otherwise) {
  auto isTaken = [&](const std::string &name) {
    return llvm::is_contained(function.extents, name) ||
           llvm::any_of(function.buffers, [&](const CBuffer &b) { return b.name == name; });
  };
  std::string name = isCIdentifier(wanted) && !isTaken(wanted) ? wanted : otherwise;
  while (isTaken(name))
    name += "_";
  return name;
}

/// The function as a line of the description.
static std::string signatureText(func::FuncOp function, StringRef name) {
  std::string text;
  llvm::raw_string_ostream(text) << "func @" << name << function.getFunctionType();
  return text;
}

/// Describes the arguments; an int64_t for every dynamic extent of each.
static void addInputs(CFunction &c, ArrayRef<ProgramValue> arguments, const ProgramNames &names) {
  for (auto [i, argument] : llvm::enumerate(arguments)) {
    const std::string wanted = i < names.arguments.size() ? names.arguments[i] : "";
    CBuffer buffer{freshName(c, wanted, fmt::format("arg{}", i)),
                   argument.dtype,
                   CBuffer::Role::Input,
                   {},
                   {}};
    for (int axis = 0; axis < argument.shape.size(); ++axis) {
      if (argument.shape[axis] != kDynamic) {
        buffer.extents.push_back({"", argument.shape[axis]});
        continue;
      }
      buffer.extents.push_back({freshName(c, "", fmt::format("{}_extent{}", buffer.name, axis))});
      c.extents.push_back(buffer.extents.back().argument);
    }
    c.buffers.push_back(std::move(buffer));
  }
}

static Expected<ProgramFunction> prepareFunction(func::FuncOp original, const ProgramNames &names,
                                                 const std::string &symbol) {
  const std::string entry = original.getName().str();
  Expected<std::vector<ProgramValue>> arguments =
      describeTensors(original.getArgumentTypes(), entry, "argument");
  if (!arguments)
    return arguments.takeError();
  if (Expected<std::vector<ProgramValue>> results =
          describeTensors(original.getResultTypes(), entry, "result");
      !results)
    return results.takeError();

  ProgramFunction result{original.clone(), {}, entry, {}};
  result.function.setName("c." + symbol);
  result.function.setPublic();
  // The caller's tensors are only read.
  for (unsigned i = 0; i < result.function.getNumArguments(); ++i)
    result.function.setArgAttr(i, bufferization::BufferizationDialect::kWritableAttrName,
                               BoolAttr::get(original.getContext(), false));
  original.setPrivate();
  result.c.symbol = symbol;
  result.c.description.push_back(signatureText(original, original.getName()));
  addInputs(result.c, *arguments, names);
  return result;
}

Expected<std::vector<ProgramFunction>>
prepareFunctions(ModuleOp module, const ProgramNamesOf &names, const std::string &prefix) {
  SmallVector<func::FuncOp> originals;
  for (func::FuncOp function : module.getOps<func::FuncOp>())
    if (function.isPublic() && !function.isDeclaration())
      originals.push_back(function);
  if (originals.empty())
    return invalidArgument("the program has no public function; expected one for every function "
                           "of the object");
  SymbolTable symbols(module);
  std::vector<ProgramFunction> functions;
  for (func::FuncOp original : originals) {
    const std::string symbol = prefix + original.getName().str();
    if (!isCIdentifier(symbol) || isLibraryFunction(symbol))
      return invalidArgument(
          fmt::format("function '{}': '{}' is no name for a C function; expected "
                      "another name, or another prefix",
                      original.getName().str(), symbol));
    Expected<ProgramFunction> function =
        prepareFunction(original, names.lookup(original.getName()), symbol);
    if (!function)
      return function.takeError();
    function->name = symbols.insert(function->function).str();
    functions.push_back(std::move(*function));
  }
  return functions;
}

//===----------------------------------------------------------------------===//
// Destinations
//===----------------------------------------------------------------------===//

/// The argument of the C function that every value of `returned` has as extent `axis`;
/// empty where none is known to be.
static std::string findExtent(const ProgramFunction &f, ArrayRef<Value> returned, int64_t axis) {
  func::FuncOp function = f.function;
  for (auto [argument, buffer] : llvm::zip(function.getArguments(), f.c.buffers))
    for (auto [candidate, size] : llvm::enumerate(buffer.extents)) {
      auto isEqual = [&, at = int64_t(candidate), value = Value(argument)](Value each) {
        FailureOr<bool> equal = ValueBoundsConstraintSet::areEqual({each, axis}, {value, at});
        return succeeded(equal) && *equal;
      };
      if (size.isArgument() && llvm::all_of(returned, isEqual))
        return size.argument;
    }
  return "";
}

void passDestinations(ProgramFunction &f, const ProgramNames &names) {
  func::FuncOp function = f.function;
  SmallVector<func::ReturnOp> returns;
  function.walk([&](func::ReturnOp op) { returns.push_back(op); });
  const unsigned count = function.getNumResults();
  Expected<std::vector<ProgramValue>> results =
      describeTensors(function.getResultTypes(), f.c.symbol, "result");
  llvm::BitVector passed(count);
  for (unsigned i = 0; i < count; ++i) {
    const ProgramValue &result = (*results)[i];
    SmallVector<Value> returned;
    for (func::ReturnOp op : returns)
      returned.push_back(op.getOperand(i));
    const std::string wanted = i < names.results.size() ? names.results[i] : "";
    CBuffer buffer{freshName(f.c, wanted, count == 1 ? "result" : fmt::format("result{}", i)),
                   result.dtype,
                   CBuffer::Role::Output,
                   {},
                   {}};
    for (int axis = 0; axis < result.shape.size(); ++axis) {
      const bool isStatic = result.shape[axis] != kDynamic;
      CSize size{isStatic ? "" : findExtent(f, returned, axis), isStatic ? result.shape[axis] : 0};
      if (!isStatic && !size.isArgument())
        buffer.role = CBuffer::Role::Allocated;
      buffer.extents.push_back(size);
    }
    const bool isAllocated = buffer.role == CBuffer::Role::Allocated;
    f.c.buffers.push_back(std::move(buffer));
    if (isAllocated)
      continue;
    auto type = cast<RankedTensorType>(function.getResultTypes()[i]);
    auto memref = MemRefType::get(type.getShape(), type.getElementType());
    const unsigned index = function.getNumArguments();
    (void)function.insertArgument(index, memref, {}, function.getLoc());
    for (auto [op, value] : llvm::zip(returns, returned)) {
      OpBuilder b(op);
      bufferization::MaterializeInDestinationOp::create(b, op.getLoc(), Type(), value,
                                                        function.getArgument(index),
                                                        /*restrict=*/true, /*writable=*/true);
    }
    passed.set(i);
  }
  for (func::ReturnOp op : returns)
    op->eraseOperands(passed);
  (void)function.eraseResults(passed);
  // Results of the compiled function come after its arguments.
  std::vector<CBuffer> ordered;
  for (bool isAllocated : {false, true})
    llvm::copy_if(f.c.buffers, std::back_inserter(ordered), [&](const CBuffer &buffer) {
      return (buffer.role == CBuffer::Role::Allocated) == isAllocated;
    });
  f.c.buffers = std::move(ordered);
}

void orderConstants(ModuleOp module) {
  SymbolTable symbols(module);
  llvm::MapVector<Operation *, SmallVector<memref::GetGlobalOp>> uses;
  module.walk([&](memref::GetGlobalOp op) { uses[symbols.lookup(op.getName())].push_back(op); });
  // First names that are nobody's, so that none is taken while it is given.
  for (StringRef form : {"norma.unordered", "norma.constant"})
    for (auto [index, used] : llvm::enumerate(uses)) {
      auto global = cast<memref::GlobalOp>(used.first);
      global.setName((form + Twine(index)).str());
      global->moveBefore(module.getBody(), std::next(module.getBody()->begin(), int64_t(index)));
      for (memref::GetGlobalOp op : used.second)
        op.setName(global.getName());
    }
}

void lowerStridedCopies(ModuleOp module) {
  module.walk([](memref::CopyOp copy) {
    auto isDense = [](Value value) {
      auto type = dyn_cast<MemRefType>(value.getType());
      return type && type.getLayout().isIdentity();
    };
    if (isDense(copy.getSource()) && isDense(copy.getTarget()))
      return;
    OpBuilder b(copy);
    linalg::makeMemRefCopyOp(b, copy.getLoc(), copy.getSource(), copy.getTarget());
    copy.erase();
  });
}

} // namespace norma
