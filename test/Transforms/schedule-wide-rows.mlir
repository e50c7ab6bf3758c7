// RUN: norma-opt %s --norma-schedule | FileCheck %s
// RUN: norma-opt %s --norma-schedule=streaming=true | FileCheck %s --check-prefix=STREAM

// Where the coefficients of a row leave little of the first level, several rows share what they read of them.

// CHECK-LABEL: @wide
// STREAM-LABEL: @wide
module @wide attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 512 : i64, "norma.l1_bytes" = 49152 : i64,
                                     "norma.vector_registers" = 32 : i64>>} {
  func.func @f(%x4096: memref<?x4096xf32>, %c4096: memref<4096xf32>, %x4097: memref<?x4097xf32>, %c4097: memref<4097xf32>,
               %u4096: memref<?x4096xi8>, %u4097: memref<?x4097xi8>, %x3000: memref<?x3000xf32>, %c3000: memref<3000xf32>, %x2048: memref<?x2048xf32>,
               %c2048: memref<2048xf32>, %apart: memref<?x4096xf32, strided<[5000, 1]>>, %mask: memref<?x1xi8>,
               %two: memref<?x512x5x8xf32>, %c2: memref<512x8xf32>) {
    // 32 of 48 KiB: lines of an eighth of four rows go abreast,
    // CHECK: norma.affine {{.*}}x4096xf32{{.*}}<flat, vector = 16, unroll = 1, group = 4, line = 512, block = 4>
    norma.affine kept [1] ins(%x4096 : memref<?x4096xf32>) center(%c4096 : memref<4096xf32>) scale(%c4096 : memref<4096xf32>)
        outs(%x4096 : memref<?x4096xf32>)
    // unless bytes are read from memory:
    // CHECK: norma.affine {{.*}}x4096xi8{{.*}}<flat, vector = 16, unroll = 1, group = 4, line = 512, block = 4>
    // STREAM: norma.affine {{.*}}x4096xi8{{.*}}<rows, vector = 16, unroll = 4, block = {{[0-9]+}}, nontemporal = true>
    norma.affine kept [1] ins(%u4096 : memref<?x4096xi8>) center(%c4096 : memref<4096xf32>) scale(%c4096 : memref<4096xf32>)
        outs(%x4096 : memref<?x4096xf32>)
    // One coefficient leaves room enough.
    // CHECK: norma.affine {{.*}}x4096xf32{{.*}}<rows, vector = 16, unroll = 4, block = 1>
    norma.affine kept [1] ins(%x4096 : memref<?x4096xf32>) center(%c4096 : memref<4096xf32>) outs(%x4096 : memref<?x4096xf32>)
    // Where no line divides rows, four that lie apart do; of bytes, too, if the result stays in the caches.
    // CHECK: norma.affine {{.*}}x4097xf32{{.*}}<rows, vector = 16, unroll = 4, block = 1, streams = 4>
    norma.affine kept [1] ins(%x4097 : memref<?x4097xf32>) center(%c4097 : memref<4097xf32>) scale(%c4097 : memref<4097xf32>)
        outs(%x4097 : memref<?x4097xf32>)
    // CHECK: norma.affine {{.*}}x4097xi8{{.*}}<rows, vector = 16, unroll = 4, block = {{[0-9]+}}, streams = 4>
    // STREAM: norma.affine {{.*}}x4097xi8{{.*}}<rows, vector = 16, unroll = 4, block = {{[0-9]+}}, nontemporal = true>
    norma.affine kept [1] ins(%u4097 : memref<?x4097xi8>) center(%c4097 : memref<4097xf32>) scale(%c4097 : memref<4097xf32>)
        outs(%x4097 : memref<?x4097xf32>)
    // CHECK: norma.affine {{.*}}x3000xf32{{.*}}<rows, vector = 16, unroll = 4, block = 1>
    norma.affine kept [1] ins(%x3000 : memref<?x3000xf32>) center(%c3000 : memref<3000xf32>) scale(%c3000 : memref<3000xf32>)
        outs(%x3000 : memref<?x3000xf32>)
    // CHECK: norma.affine {{.*}}x3000xf32{{.*}}<rows, vector = 16, unroll = 4, block = 1, streams = 4>
    norma.affine kept [1] ins(%x3000 : memref<?x3000xf32>) center(%c3000 : memref<3000xf32>) scale(%c3000 : memref<3000xf32>)
        shift(%c3000 : memref<3000xf32>) outs(%x3000 : memref<?x3000xf32>)
    // Four coefficients of a gradient.
    // CHECK: norma.grad_map {{.*}}x2048xf32{{.*}}<flat, vector = 16, unroll = 1, group = 4, line = 512, block = 4>
    norma.grad_map kept [1] ins(%x2048, %x2048 : memref<?x2048xf32>, memref<?x2048xf32>) center(%c2048 : memref<2048xf32>)
        slope(%c2048 : memref<2048xf32>) offset(%c2048 : memref<2048xf32>) scale(%c2048 : memref<2048xf32>)
        outs(%x2048 : memref<?x2048xf32>)
    // With a mask rows stay as they are,
    // CHECK: norma.grad_map {{.*}}mask{{.*}}<rows, vector = 16, unroll = 4, block = {{[0-9]+}}, streams = 4>
    norma.grad_map kept [1] ins(%x2048, %x2048 : memref<?x2048xf32>, memref<?x2048xf32>) center(%c2048 : memref<2048xf32>)
        slope(%c2048 : memref<2048xf32>) offset(%c2048 : memref<2048xf32>) scale(%c2048 : memref<2048xf32>)
        mask(%mask : memref<?x1xi8>) outs(%x2048 : memref<?x2048xf32>)
    // as do those that lie apart, and rows of kept axes that are not one.
    // CHECK: norma.affine {{.*}}strided{{.*}}<rows, vector = 16, unroll = 4, block = 1>
    norma.affine kept [1] ins(%apart : memref<?x4096xf32, strided<[5000, 1]>>) center(%c4096 : memref<4096xf32>)
        scale(%c4096 : memref<4096xf32>) outs(%apart : memref<?x4096xf32, strided<[5000, 1]>>)
    // CHECK: norma.affine {{.*}}x512x5x8xf32{{.*}}<rows, vector = {{[0-9]+}}, unroll = {{[0-9]+}}, block = {{[0-9]+}}>
    norma.affine kept [1, 3] ins(%two : memref<?x512x5x8xf32>) center(%c2 : memref<512x8xf32>) scale(%c2 : memref<512x8xf32>)
        outs(%two : memref<?x512x5x8xf32>)
    return
  }
}
