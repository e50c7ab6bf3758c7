//===- Diagnostics.h - What MLIR has to say, as text ------------*- C++ -*-===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef NORMA_RUNTIME_CPU_DIAGNOSTICS_H
#define NORMA_RUNTIME_CPU_DIAGNOSTICS_H

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Location.h"

namespace norma {

/// Collects what MLIR has to say, so that it ends in an Error and not on stderr.
class Diagnostics {
public:
  explicit Diagnostics(mlir::MLIRContext *context)
      : handler(context, [this](mlir::Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error)
            return mlir::success();
          llvm::raw_string_ostream stream(text);
          if (!text.empty())
            stream << "; ";
          if (auto file = mlir::dyn_cast<mlir::FileLineColLoc>(diagnostic.getLocation()))
            stream << "line " << file.getLine() << ":" << file.getColumn() << ": ";
          stream << diagnostic;
          return mlir::success();
        }) {}
  std::string text;

private:
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace norma

#endif // NORMA_RUNTIME_CPU_DIAGNOSTICS_H
