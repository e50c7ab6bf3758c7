func.func @f(%x: memref<i64>, %dy: memref<f16>, %c: memref<f64>, %dx: memref<bf16>) {
  norma.grad_map kept [] ins(%x, %dy : memref<i64>, memref<f16>) center(%c : memref<f64>) slope(%c : memref<f64>) offset(%c : memref<f64>) scale(%c : memref<f64>) outs(%dx : memref<bf16>) {schedule = #norma.schedule<runs, vector = 4, unroll = 2>}
  return
}
