// RUN: norma-opt %s --norma-schedule | FileCheck %s
// RUN: norma-opt %s --norma-schedule=streaming=true | FileCheck %s --check-prefix=STREAM
// RUN: norma-opt %s --norma-schedule="streaming=true ahead=true" | FileCheck %s --check-prefix=MEMORY

// A processor that reads the most from one stream.

// CHECK-LABEL: @in_order
// STREAM-LABEL: @in_order
// MEMORY-LABEL: @in_order
module @in_order attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 512 : i64, "norma.l1_bytes" = 49152 : i64,
                                     "norma.vector_registers" = 32 : i64, "norma.read_streams" = 1 : i64>>} {
  func.func @f(%x13: memref<?x13xf32>, %n13: memref<13xf64>, %u13: memref<?x13xi8>, %x5: memref<?x5xf32>, %n5: memref<5xf64>,
               %x64: memref<?x64xf32>, %n64: memref<64xf64>, %x1000: memref<?x1000xf32>, %b1000: memref<?x1000xbf16>, %n1000: memref<1000xf64>,
               %all: memref<?xf32>, %n: memref<f64>, %r3136: memref<?x64x3136xf32>, %r196: memref<?x256x196xf32>, %r49: memref<?x256x49xf32>,
               %b48: memref<?x3x48xf32, strided<[?, 48, 1]>>, %n3: memref<3xf64>,
               %l784: memref<?x1x784xf32, strided<[?, 784, 1]>>, %h800: memref<?x1x800xbf16, strided<[?, 800, 1]>>, %n1: memref<1xf64>, %b196: memref<?x4x196xf32, strided<[?, 196, 1]>>,
               %n4: memref<4xf64>, %u1000: memref<?x1000xi8>, %h196: memref<?x256x196xbf16>, %s256: memref<256xf32>, %s1000: memref<1000xf32>, %u196: memref<?x256x196xi8>, %n256: memref<256xf64>, %each: memref<?x1000xf32>, %ns: memref<?xf64>) {
    // Lines go four side by side, a vector of each, or eight where memory is waited for, several of each, and nothing is
    // asked for in advance,
    // CHECK: norma.moments {{.*}}<flat, vector = 16, unroll = 1, group = 4, line = 208, accumulate = f32, block = {{[0-9]+}}, streams = 4>
    // STREAM: norma.moments {{.*}}<flat, vector = 16, unroll = 4, group = 8, line = 208, accumulate = f32, block = {{[0-9]+}}, streams = 8>
    // MEMORY: norma.moments {{.*}}<flat, vector = 16, unroll = 4, group = 8, line = 208, accumulate = f32, block = {{[0-9]+}}, streams = 8>
    norma.moments kept [1] ins(%x13 : memref<?x13xf32>) outs(%n13, %n13, %n13 : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    // but not those of bytes, of which a group is longer,
    // MEMORY: norma.moments {{.*}}xi8{{.*}}<flat, vector = 16, unroll = 13, group = 256, line = 208, accumulate = i32, block = {{[0-9]+}}, prefetch = 8192>
    norma.moments kept [1] ins(%u13 : memref<?x13xi8>) outs(%n13, %n13, %n13 : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    // nor what is one step, whose sums stay in registers from line to line, unless memory is waited for;
    // CHECK: norma.moments {{.*}}<flat, vector = 16, unroll = 5, group = 32, line = 80, accumulate = f32, block = {{[0-9]+}}>
    // MEMORY: norma.moments {{.*}}<flat, vector = 16, unroll = 5, group = 8, line = 80, accumulate = f32, block = {{[0-9]+}}, streams = 8>
    norma.moments kept [1] ins(%x5 : memref<?x5xf32>) outs(%n5, %n5, %n5 : memref<5xf64>, memref<5xf64>, memref<5xf64>)
    // and of two tensors four, of two vectors each.
    // MEMORY: norma.grad_sums {{.*}}<flat, vector = 16, unroll = 2, group = 4, line = 208, accumulate = f32, block = {{[0-9]+}}, streams = 4>
    norma.grad_sums kept [1] ins(%x13, %x13 : memref<?x13xf32>, memref<?x13xf32>) center(%n13 : memref<13xf64>)
        outs(%n13, %n13 : memref<13xf64>, memref<13xf64>)
    // No lines of several rows,
    // CHECK: norma.moments {{.*}}x64xf32{{.*}}<rows, vector = 16, unroll = 4, group = 32, accumulate = f32, block = {{[0-9]+}}>
    // STREAM: norma.moments {{.*}}x64xf32{{.*}}<rows, vector = 16, unroll = 4, group = 8, accumulate = f32, block = {{[0-9]+}}, streams = 8>
    norma.moments kept [1] ins(%x64 : memref<?x64xf32>) outs(%n64, %n64, %n64 : memref<64xf64>, memref<64xf64>, memref<64xf64>)
    // and wide ones side by side, too, of which two vectors are near.
    // CHECK: norma.moments {{.*}}x1000xf32{{.*}}<rows, vector = 16, unroll = 2, group = 4, accumulate = f32, block = {{[0-9]+}}, streams = 4>
    // STREAM: norma.moments {{.*}}x1000xf32{{.*}}<rows, vector = 16, unroll = 4, group = 8, accumulate = f32, block = {{[0-9]+}}, streams = 8>
    // MEMORY: norma.moments {{.*}}x1000xf32{{.*}}<rows, vector = 16, unroll = 4, group = 8, accumulate = f32, block = {{[0-9]+}}, streams = 8>
    norma.moments kept [1] ins(%x1000 : memref<?x1000xf32>) outs(%n1000, %n1000, %n1000 : memref<1000xf64>, memref<1000xf64>, memref<1000xf64>)
    // Of narrow elements one alone in the caches, and as many as have their registers from memory, where they ask in advance.
    // CHECK: norma.moments {{.*}}x1000xbf16{{.*}}<rows, vector = 16, unroll = 4, group = 32, accumulate = f32, block = {{[0-9]+}}>
    // MEMORY: norma.moments {{.*}}x1000xbf16{{.*}}<rows, vector = 16, unroll = 4, group = 4, accumulate = f32, block = {{[0-9]+}}, prefetch = 1024, streams = 4>
    norma.moments kept [1] ins(%b1000 : memref<?x1000xbf16>) outs(%n1000, %n1000, %n1000 : memref<1000xf64>, memref<1000xf64>, memref<1000xf64>)
    // MEMORY: norma.grad_sums {{.*}}x1000xbf16{{.*}}<rows, vector = 16, unroll = 2, group = 4, accumulate = f32, block = 320, prefetch = 1024, streams = 4>
    norma.grad_sums kept [1] ins(%b1000, %b1000 : memref<?x1000xbf16>, memref<?x1000xbf16>) center(%n1000 : memref<1000xf64>)
        outs(%n1000, %n1000 : memref<1000xf64>, memref<1000xf64>)
    // Pieces of wide rows of bytes ask for those that follow in the same rows.
    // CHECK: norma.moments {{.*}}x1000xi8{{.*}}<rows, vector = 16, unroll = 7, group = 256, accumulate = i32, block = {{[0-9]+}}>
    // MEMORY: norma.moments {{.*}}x1000xi8{{.*}}<rows, vector = 16, unroll = 7, group = 256, accumulate = i32, block = {{[0-9]+}}, prefetch = 512>
    norma.moments kept [1] ins(%u1000 : memref<?x1000xi8>) outs(%n1000, %n1000, %n1000 : memref<1000xf64>, memref<1000xf64>, memref<1000xf64>)
    // Neither parts of runs,
    // CHECK: norma.moments {{.*}}<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, block = {{[0-9]+}}>
    // STREAM: norma.moments {{.*}}memref<?xf32>{{.*}}<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, block = {{[0-9]+}}>
    norma.moments kept [] ins(%all : memref<?xf32>) outs(%n, %n, %n : memref<f64>, memref<f64>, memref<f64>)
    // CHECK: norma.moments {{.*}}x3136xf32{{.*}}<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, block = {{[0-9]+}}>
    // STREAM: norma.moments {{.*}}x3136xf32{{.*}}<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, block = {{[0-9]+}}>
    norma.moments kept [1] ins(%r3136 : memref<?x64x3136xf32>) outs(%n64, %n64, %n64 : memref<64xf64>, memref<64xf64>, memref<64xf64>)
    // nor several of them side by side,
    // STREAM: norma.moments {{.*}}<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, block = {{[0-9]+}}>
    norma.moments kept [0] ins(%each : memref<?x1000xf32>) outs(%ns, %ns, %ns : memref<?xf64>, memref<?xf64>, memref<?xf64>)
    // nor, from memory, of several samples.
    // STREAM: norma.moments {{.*}}x196xf32{{.*}}<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, block = 10>
    // MEMORY: norma.moments {{.*}}x196xf32{{.*}}<runs, vector = 16, unroll = 1, group = 32, accumulate = f32, block = 10, prefetch = 512>
    norma.moments kept [1] ins(%r196 : memref<?x256x196xf32>) outs(%n256, %n256, %n256 : memref<256xf64>, memref<256xf64>, memref<256xf64>)
    // Very short runs are of four samples then, with loads of their own: blocks are whole groups of these.
    // STREAM: norma.moments {{.*}}x49xf32{{.*}}<runs, vector = 16, unroll = 3, group = 32, accumulate = f32, block = {{[0-9]+}}>
    // MEMORY: norma.moments {{.*}}x49xf32{{.*}}<runs, vector = 16, unroll = 1, group = 32, accumulate = f32, block = 44, prefetch = 512, streams = 4>
    norma.moments kept [1] ins(%r49 : memref<?x256x49xf32>) outs(%n256, %n256, %n256 : memref<256xf64>, memref<256xf64>, memref<256xf64>)
    // But not those of a block.
    // MEMORY: norma.grad_sums {{.*}}x48xf32{{.*}}<runs, vector = 16, unroll = 1, group = 32, accumulate = f32, block = {{[0-9]+}}, prefetch = {{[0-9]+}}>
    norma.grad_sums kept [1] ins(%b48, %b48 : memref<?x3x48xf32, strided<[?, 48, 1]>>, memref<?x3x48xf32, strided<[?, 48, 1]>>)
        center(%n3 : memref<3xf64>) outs(%n3, %n3 : memref<3xf64>, memref<3xf64>)
    // Rows of short runs, which fill these together, are asked for as many ahead as leave room in a first level; near ones are not.
    // CHECK: norma.moments {{.*}}x4x196xf32{{.*}}<runs, vector = 16, unroll = 5, group = 32, line = 784, accumulate = f32, block = {{[0-9]+}}>
    // MEMORY: norma.moments {{.*}}x4x196xf32{{.*}}<runs, vector = 16, unroll = 5, group = 32, line = 784, accumulate = f32, block = {{[0-9]+}}, prefetch = 1568>
    norma.moments kept [1] ins(%b196 : memref<?x4x196xf32, strided<[?, 196, 1]>>) outs(%n4, %n4, %n4 : memref<4xf64>, memref<4xf64>, memref<4xf64>)
    // MEMORY: norma.grad_sums {{.*}}x4x196xf32{{.*}}<runs, vector = 16, unroll = 5, group = 32, line = 784, accumulate = f32, block = {{[0-9]+}}, prefetch = 784>
    norma.grad_sums kept [1] ins(%b196, %b196 : memref<?x4x196xf32, strided<[?, 196, 1]>>, memref<?x4x196xf32, strided<[?, 196, 1]>>)
        center(%n4 : memref<4xf64>) outs(%n4, %n4 : memref<4xf64>, memref<4xf64>)
    // Long runs of four samples are, half a page ahead; of two tensors two of each in the caches, and one alone from memory.
    // CHECK: norma.moments {{.*}}x1x784xf32{{.*}}<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, block = {{[0-9]+}}, streams = 4>
    // MEMORY: norma.moments {{.*}}x1x784xf32{{.*}}<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, block = {{[0-9]+}}, prefetch = 512, streams = 4>
    norma.moments kept [1] ins(%l784 : memref<?x1x784xf32, strided<[?, 784, 1]>>) outs(%n1, %n1, %n1 : memref<1xf64>, memref<1xf64>, memref<1xf64>)
    // CHECK: norma.grad_sums {{.*}}x1x784xf32{{.*}}<runs, vector = 16, unroll = 2, group = 32, accumulate = f32, block = {{[0-9]+}}, streams = 2>
    // MEMORY: norma.grad_sums {{.*}}x1x784xf32{{.*}}<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, block = {{[0-9]+}}>
    norma.grad_sums kept [1] ins(%l784, %l784 : memref<?x1x784xf32, strided<[?, 784, 1]>>, memref<?x1x784xf32, strided<[?, 784, 1]>>)
        center(%n1 : memref<1xf64>) outs(%n1, %n1 : memref<1xf64>, memref<1xf64>)
    // Narrow ones keep both, and ask as far ahead.
    // MEMORY: norma.grad_sums {{.*}}x1x800xbf16{{.*}}<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, block = {{[0-9]+}}, prefetch = 1024, streams = 2>
    norma.grad_sums kept [1] ins(%h800, %h800 : memref<?x1x800xbf16, strided<[?, 800, 1]>>, memref<?x1x800xbf16, strided<[?, 800, 1]>>)
        center(%n1 : memref<1xf64>) outs(%n1, %n1 : memref<1xf64>, memref<1xf64>)
    // Maps of narrow elements ask 2 KiB ahead in each of four streams, of rows and of runs.
    // MEMORY: norma.affine {{.*}}x1000xbf16{{.*}}<flat, vector = 32, unroll = 1, group = 4, line = {{[0-9]+}}, block = {{[0-9]+}}, nontemporal = true, prefetch = 1024>
    norma.affine kept [1] ins(%b1000 : memref<?x1000xbf16>) scale(%s1000 : memref<1000xf32>) outs(%b1000 : memref<?x1000xbf16>)
    // MEMORY: norma.affine {{.*}}x196xbf16{{.*}}<flat, vector = 32, unroll = 1, group = 4, line = {{[0-9]+}}, block = {{[0-9]+}}, nontemporal = true, prefetch = 1024>
    norma.affine kept [1] ins(%h196 : memref<?x256x196xbf16>) scale(%s256 : memref<256xf32>) outs(%h196 : memref<?x256x196xbf16>)
    // Very short runs of narrow elements are of eight samples, unless they are four cache lines or more.
    // MEMORY: norma.moments {{.*}}x196xbf16{{.*}}<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, block = {{[0-9]+}}, prefetch = 1024, streams = 4>
    norma.moments kept [1] ins(%h196 : memref<?x256x196xbf16>) outs(%n256, %n256, %n256 : memref<256xf64>, memref<256xf64>, memref<256xf64>)
    // STREAM: norma.moments {{.*}}x196xi8{{.*}}<runs, vector = 16, unroll = 4, group = 256, accumulate = i32, block = {{[0-9]+}}>
    // MEMORY: norma.moments {{.*}}x196xi8{{.*}}<runs, vector = 16, unroll = 4, group = 256, accumulate = i32, block = 48, prefetch = 2048, streams = 8>
    norma.moments kept [1] ins(%u196 : memref<?x256x196xi8>) outs(%n256, %n256, %n256 : memref<256xf64>, memref<256xf64>, memref<256xf64>)
    return
  }
}
