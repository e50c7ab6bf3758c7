// RUN: norma-opt %s --split-input-file --norma-schedule | FileCheck %s
// RUN: norma-opt %s --split-input-file --norma-schedule="streaming=true ahead=true" | FileCheck %s --check-prefix=MEMORY

// Vectors that are shorter than a cache line.

// CHECK-LABEL: @quarter
// MEMORY-LABEL: @quarter
module @quarter attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 128 : i64, "norma.l1_bytes" = 49152 : i64,
                                     "norma.vector_registers" = 16 : i64, "norma.read_streams" = 1 : i64>>} {
  func.func @f(%x64: memref<?x64xf32>, %c64: memref<64xf32>, %x13: memref<?x13xf32>, %c13: memref<13xf32>, %x3: memref<?x3xf32>,
               %c3: memref<3xf32>, %all: memref<?x?xf32>, %call: memref<?xf32>, %r49: memref<?x256x49xf32>, %n256: memref<256xf64>) {
    // To load coefficients takes longer than to load data from a cache, so four rows share them,
    // CHECK: norma.affine {{.*}}x64xf32{{.*}}<rows, vector = 4, unroll = 1, block = {{[0-9]+}}, streams = 4>
    norma.affine kept [1] ins(%x64 : memref<?x64xf32>) center(%c64 : memref<64xf32>) scale(%c64 : memref<64xf32>)
        outs(%x64 : memref<?x64xf32>)
    // or four lines,
    // CHECK: norma.affine {{.*}}x13xf32{{.*}}<flat, vector = 4, unroll = 1, group = 4, line = 52, block = {{[0-9]+}}>
    norma.affine kept [1] ins(%x13 : memref<?x13xf32>) center(%c13 : memref<13xf32>) scale(%c13 : memref<13xf32>)
        outs(%x13 : memref<?x13xf32>)
    // unless they are in registers, or it is not known how long a row is.
    // CHECK: norma.affine {{.*}}x3xf32{{.*}}<flat, vector = 4, unroll = 6, line = 24, block = {{[0-9]+}}>
    norma.affine kept [1] ins(%x3 : memref<?x3xf32>) center(%c3 : memref<3xf32>) outs(%x3 : memref<?x3xf32>)
    // CHECK: norma.affine {{.*}}x?xf32{{.*}}<rows, vector = 4, unroll = 4>
    norma.affine kept [1] ins(%all : memref<?x?xf32>) center(%call : memref<?xf32>) outs(%all : memref<?x?xf32>)
    // Three tensors would have too many addresses.
    // CHECK: norma.grad_map {{.*}}x64xf32{{.*}}<rows, vector = 4, unroll = 4, block = {{[0-9]+}}>
    norma.grad_map kept [1] ins(%x64, %x64 : memref<?x64xf32>, memref<?x64xf32>) center(%c64 : memref<64xf32>)
        slope(%c64 : memref<64xf32>) offset(%c64 : memref<64xf32>) scale(%c64 : memref<64xf32>) outs(%x64 : memref<?x64xf32>)
    // Sums of short runs go abreast, which hides the latency of additions.
    // MEMORY: norma.moments {{.*}}x49xf32{{.*}}<runs, vector = 4, unroll = 4, group = 32, accumulate = f32, block = {{[0-9]+}}, prefetch = 512, streams = 4>
    norma.moments kept [1] ins(%r49 : memref<?x256x49xf32>) outs(%n256, %n256, %n256 : memref<256xf64>, memref<256xf64>, memref<256xf64>)
    return
  }
}

// -----

// CHECK-LABEL: @half
// MEMORY-LABEL: @half
module @half attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 256 : i64, "norma.l1_bytes" = 49152 : i64,
                                     "norma.vector_registers" = 16 : i64, "norma.read_streams" = 1 : i64>>} {
  func.func @f(%x64: memref<?x64xf32>, %c64: memref<64xf32>, %x13: memref<?x13xf32>, %c13: memref<13xf32>, %x1024: memref<?x1024xf32>,
               %c1024: memref<1024xf32>, %h13: memref<?x13xf16>, %r49: memref<?x256x49xf32>, %h49: memref<?x256x49xf16>,
               %n256: memref<256xf64>) {
    // Registers hold the coefficients of eight vectors,
    // CHECK: norma.affine {{.*}}x64xf32{{.*}}<flat, vector = 8, unroll = 8, line = 64, block = {{[0-9]+}}>
    norma.affine kept [1] ins(%x64 : memref<?x64xf32>) center(%c64 : memref<64xf32>) outs(%x64 : memref<?x64xf32>)
    // lines or rows share those of more,
    // CHECK: norma.affine {{.*}}x13xf32{{.*}}<flat, vector = 8, unroll = 1, group = 4, line = 104, block = {{[0-9]+}}>
    norma.affine kept [1] ins(%x13 : memref<?x13xf32>) center(%c13 : memref<13xf32>) outs(%x13 : memref<?x13xf32>)
    // CHECK: norma.affine {{.*}}x1024xf32{{.*}}<rows, vector = 8, unroll = 1, block = {{[0-9]+}}, streams = 4>
    norma.affine kept [1] ins(%x1024 : memref<?x1024xf32>) center(%c1024 : memref<1024xf32>) outs(%x1024 : memref<?x1024xf32>)
    // but where results are rounded, which takes longer than to load them.
    // CHECK: norma.affine {{.*}}x13xf16{{.*}}<flat, vector = 8, unroll = 4, line = 104, block = {{[0-9]+}}>
    norma.affine kept [1] ins(%h13 : memref<?x13xf16>) center(%c13 : memref<13xf32>) outs(%h13 : memref<?x13xf16>)
    // Six vectors of a run are twice three, and not four with two left over.
    // MEMORY: norma.moments {{.*}}x49xf32{{.*}}<runs, vector = 8, unroll = 3, group = 32, accumulate = f32, block = {{[0-9]+}}, prefetch = 512, streams = 4>
    norma.moments kept [1] ins(%r49 : memref<?x256x49xf32>) outs(%n256, %n256, %n256 : memref<256xf64>, memref<256xf64>, memref<256xf64>)
    // MEMORY: norma.moments {{.*}}x49xf16{{.*}}<runs, vector = 8, unroll = 3, group = 32, accumulate = f32, block = {{[0-9]+}}, prefetch = 1024, streams = 8>
    norma.moments kept [1] ins(%h49 : memref<?x256x49xf16>) outs(%n256, %n256, %n256 : memref<256xf64>, memref<256xf64>, memref<256xf64>)
    return
  }
}
