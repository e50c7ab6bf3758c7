// RUN: norma-opt %s --norma-schedule | FileCheck %s
// RUN: norma-opt %s --norma-schedule=streaming=true | FileCheck %s --check-prefix=STREAM

// Short runs of kept indices are gone through as lines of memory: tiny ones where totals of a line find room in a second
// level, others where all that is kept of it stays in the first one, or memory is waited for.

// CHECK-LABEL: @short
// STREAM-LABEL: @short
module @short attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 512 : i64, "norma.l1_bytes" = 49152 : i64,
                                     "norma.vector_registers" = 32 : i64>>} {
  func.func @f(%x16x49: memref<?x16x49xf32>, %n16: memref<16xf64>, %x64x49: memref<?x64x49xf32>, %n64: memref<64xf64>,
               %x512x16: memref<?x512x16xf32>, %n512: memref<512xf64>, %x512x17: memref<?x512x17xf32>,
               %x2048x4: memref<?x2048x4xf32>, %n2048: memref<2048xf64>, %x2048x16: memref<?x2048x16xf32>,
               %c512: memref<512xf32>, %c2048: memref<2048xf32>, %wide: memref<?x512x16xf64>, %less: memref<?x512x8xf64>,
               %bytes: memref<?x512x16xi8>) {
    // CHECK: norma.moments {{.*}}16x49xf32{{.*}}<flat, {{.*}} line = 784,
    norma.moments kept [1] ins(%x16x49 : memref<?x16x49xf32>) outs(%n16, %n16, %n16 : memref<16xf64>, memref<16xf64>, memref<16xf64>)
    // CHECK: norma.moments {{.*}}64x49xf32{{.*}}<runs, vector = 16, unroll = 3,
    // STREAM: norma.moments {{.*}}64x49xf32{{.*}}<flat, {{.*}} line = 3136,
    norma.moments kept [1] ins(%x64x49 : memref<?x64x49xf32>) outs(%n64, %n64, %n64 : memref<64xf64>, memref<64xf64>, memref<64xf64>)
    // CHECK: norma.moments {{.*}}512x16xf32{{.*}}<flat, {{.*}} line = 8192,
    norma.moments kept [1] ins(%x512x16 : memref<?x512x16xf32>) outs(%n512, %n512, %n512 : memref<512xf64>, memref<512xf64>, memref<512xf64>)
    // CHECK: norma.moments {{.*}}512x17xf32{{.*}}<runs,
    // STREAM: norma.moments {{.*}}512x17xf32{{.*}}<runs,
    norma.moments kept [1] ins(%x512x17 : memref<?x512x17xf32>) outs(%n512, %n512, %n512 : memref<512xf64>, memref<512xf64>, memref<512xf64>)
    // CHECK: norma.grad_sums {{.*}}2048x4xf32{{.*}}<flat, {{.*}} line = 8192,
    // STREAM: norma.grad_sums {{.*}}2048x4xf32{{.*}}<flat, {{.*}} line = 8192,
    norma.grad_sums kept [1] ins(%x2048x4, %x2048x4 : memref<?x2048x4xf32>, memref<?x2048x4xf32>) center(%n2048 : memref<2048xf64>)
        outs(%n2048, %n2048 : memref<2048xf64>, memref<2048xf64>)
    // CHECK: norma.moments {{.*}}2048x16xf32{{.*}}<runs,
    norma.moments kept [1] ins(%x2048x16 : memref<?x2048x16xf32>) outs(%n2048, %n2048, %n2048 : memref<2048xf64>, memref<2048xf64>, memref<2048xf64>)
    // A cache line of sums is tiny.
    // CHECK: norma.moments {{.*}}512x16xf64{{.*}}<runs,
    norma.moments kept [1] ins(%wide : memref<?x512x16xf64>) outs(%n512, %n512, %n512 : memref<512xf64>, memref<512xf64>, memref<512xf64>)
    // CHECK: norma.moments {{.*}}512x8xf64{{.*}}<flat, {{.*}} line = 4096,
    norma.moments kept [1] ins(%less : memref<?x512x8xf64>) outs(%n512, %n512, %n512 : memref<512xf64>, memref<512xf64>, memref<512xf64>)
    // CHECK: norma.moments {{.*}}512x16xi8{{.*}}<flat, {{.*}} line = 8192,
    norma.moments kept [1] ins(%bytes : memref<?x512x16xi8>) outs(%n512, %n512, %n512 : memref<512xf64>, memref<512xf64>, memref<512xf64>)
    // Maps of tiny runs share coefficients that come from a second level, four lines abreast.
    // CHECK: norma.affine {{.*}}2048x4xf32{{.*}}<flat, vector = 16, unroll = 2, group = 4, line = 8192,
    norma.affine kept [1] ins(%x2048x4 : memref<?x2048x4xf32>) center(%c2048 : memref<2048xf32>) scale(%c2048 : memref<2048xf32>)
        outs(%x2048x4 : memref<?x2048x4xf32>)
    // CHECK: norma.affine {{.*}}512x17xf32{{.*}}<runs,
    norma.affine kept [1] ins(%x512x17 : memref<?x512x17xf32>) center(%c512 : memref<512xf32>) scale(%c512 : memref<512xf32>)
        outs(%x512x17 : memref<?x512x17xf32>)
    return
  }
}
