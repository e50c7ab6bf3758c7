// A graph compiler's use of norma: its own driver runs norma's stages among its own passes.

#include <norma/Dialect/Norma.h>
#include <norma/Pipeline/Pipeline.h>

#include <mlir/IR/BuiltinOps.h>
#include <mlir/Parser/Parser.h>
#include <mlir/Transforms/Passes.h>

#include <llvm/Support/raw_ostream.h>

static const char source[] = R"(
func.func @layer(%x: tensor<?x13xf32>, %mean: tensor<13xf64>, %variance: tensor<13xf64>)
    -> tensor<?x13xf32> {
  %y = norma.normalize %x, %mean, %variance kept [1]
      : tensor<?x13xf32>, tensor<13xf64>, tensor<13xf64>
  return %y : tensor<?x13xf32>
})";

int main() {
  mlir::DialectRegistry registry;
  norma::registerPipelineDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(source, &context);
  if (!module)
    return 1;

  int layers = 0;
  module->walk([&](norma::NormalizeOp) { ++layers; });
  llvm::outs() << layers << " layer\n";

  mlir::PassManager pm(&context);
  for (const norma::Stage &stage : norma::cpuStages()) {
    stage.build(pm, {});
    pm.addPass(mlir::createCSEPass());
  }
  if (failed(pm.run(*module)))
    return 1;
  llvm::outs() << *module << "\n";
  return 0;
}
