module attributes {dlti.target_system_spec = #dlti.target_system_spec<"CPU" = #dlti.target_device_spec<"norma.vector_bits" = 512 : i64, "norma.l1_bytes" = 49152 : i64, "norma.vector_registers" = 32 : i64>>} {
func.func @f(%x: memref<?x13xf32>, %c: memref<13xf32>, %n: memref<13xf64>) {
  norma.affine kept [1] ins(%x : memref<?x13xf32>) center(%c : memref<13xf32>) scale(%c : memref<13xf32>) outs(%x : memref<?x13xf32>)
  norma.moments kept [1] ins(%x : memref<?x13xf32>) outs(%n, %n, %n : memref<13xf64>, memref<13xf64>, memref<13xf64>)
  return
}
}
