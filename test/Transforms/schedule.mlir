// RUN: norma-opt %s --norma-schedule --split-input-file | FileCheck %s
// RUN: norma-opt %s --norma-schedule=streaming=true --split-input-file | FileCheck %s --check-prefix=STREAM
// RUN: norma-opt %s --norma-schedule="streaming=true interleave=true" --split-input-file | FileCheck %s --check-prefix=BESIDE
// RUN: norma-opt %s --norma-schedule="streaming=true interleave=true ahead=true" --split-input-file | FileCheck %s --check-prefix=AHEAD
// RUN: norma-opt %s --norma-schedule="streaming=true ahead=true" --split-input-file | FileCheck %s --check-prefix=MEMORY

//===----------------------------------------------------------------------===//
// The target description
//===----------------------------------------------------------------------===//

// CHECK-LABEL: @bits_512
// STREAM-LABEL: @bits_512
module @bits_512 attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 512 : i64, "norma.l1_bytes" = 49152 : i64>>} {
  func.func @f(%x: memref<?x13xf32>, %c: memref<13xf32>, %d: memref<13xf64>, %n: memref<13xf64>,
               %narrow: memref<?x13xbf16>) {
    // One line is lcm(13, 16) elements.
    // CHECK: norma.affine {{.*}} {schedule = #norma.schedule<flat, vector = 16, unroll = 4, line = 208, block = 192>}
    // STREAM: norma.affine {{.*}} {schedule = #norma.schedule<flat, vector = 16, unroll = 4, line = 208, block = 192, nontemporal = true>}
    norma.affine kept [1] ins(%x : memref<?x13xf32>) center(%c : memref<13xf32>) scale(%c : memref<13xf32>)
        outs(%x : memref<?x13xf32>)
    // The compute type decides how many elements a vector has.
    // CHECK: norma.affine {{.*}} {schedule = #norma.schedule<flat, vector = 8, unroll = 4, line = 104, block = 192>}
    norma.affine kept [1] ins(%x : memref<?x13xf32>) center(%d : memref<13xf64>) scale(%d : memref<13xf64>)
        outs(%x : memref<?x13xf32>)
    // Vectors of two registers go two at a time, but not where one of a line would be left over.
    // CHECK: norma.affine {{.*}}memref<?x13xbf16>{{.*}} {schedule = #norma.schedule<flat, vector = 32, unroll = 1, line = 416, block = 256>}
    norma.affine kept [1] ins(%x : memref<?x13xf32>) center(%c : memref<13xf32>) scale(%c : memref<13xf32>)
        outs(%narrow : memref<?x13xbf16>)
    // CHECK: norma.moments {{.*}} {schedule = #norma.schedule<flat, vector = 16, unroll = 4, group = 32, line = 208, accumulate = f32, block = 40384>}
    // Lines of two pages, so that those of a group are streams; and what is asked for lies less than 128 KiB ahead.
    // STREAM: norma.moments {{.*}} {schedule = #norma.schedule<flat, vector = 16, unroll = 4, group = 32, line = 2080, accumulate = f32, block = 40384>}
    // MEMORY: norma.moments {{.*}} {schedule = #norma.schedule<flat, vector = 16, unroll = 4, group = 32, line = 2080, accumulate = f32, block = 40384, prefetch = 31200>}
    norma.moments kept [1] ins(%x : memref<?x13xf32>)
        outs(%n, %n, %n : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    return
  }
}

// -----

// CHECK-LABEL: @bits_256
module @bits_256 attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 256 : i64>>} {
  func.func @f(%x: memref<?x13xf32>, %n: memref<13xf64>) {
    // CHECK: norma.affine {{.*}} {schedule = #norma.schedule<flat, vector = 8, unroll = 4, line = 104, block = 192>}
    norma.affine kept [1] ins(%x : memref<?x13xf32>) outs(%x : memref<?x13xf32>)
    // CHECK: norma.moments {{.*}} {schedule = #norma.schedule<flat, vector = 8, unroll = 4, group = 32, line = 104, accumulate = f32, block = 40384>}
    norma.moments kept [1] ins(%x : memref<?x13xf32>)
        outs(%n, %n, %n : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    return
  }
}

// -----

// Without a description, or with that of another device only: 128 bits.
// CHECK-LABEL: @unknown
module @unknown attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "GPU" = #dlti.target_device_spec<"norma.vector_bits" = 512 : i64>>} {
  func.func @f(%x: memref<?x13xf32>, %n: memref<13xf64>) {
    // CHECK: norma.affine {{.*}} {schedule = #norma.schedule<flat, vector = 4, unroll = 4, line = 52, block = 192>}
    norma.affine kept [1] ins(%x : memref<?x13xf32>) outs(%x : memref<?x13xf32>)
    return
  }
}

// -----

// CHECK-LABEL: @none
module @none {
  func.func @f(%x: memref<?x13xf32>, %n: memref<13xf64>) {
    // CHECK: norma.moments {{.*}} {schedule = #norma.schedule<flat, vector = 4, unroll = 4, group = 32, line = 52, accumulate = f32, block = 40384>}
    norma.moments kept [1] ins(%x : memref<?x13xf32>)
        outs(%n, %n, %n : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    return
  }
}

// -----

//===----------------------------------------------------------------------===//
// Forms and extents
//===----------------------------------------------------------------------===//

// CHECK-LABEL: @maps
// STREAM-LABEL: @maps
module @maps attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 512 : i64, "norma.l1_bytes" = 49152 : i64>>} {
  func.func @f(%r: memref<?xf32>, %c1000: memref<1001xf32>, %rk1000: memref<?x1001xf32>, %rk: memref<?x?xf32>,
               %k: memref<17xf32>, %c: memref<64xf32>, %rkr49: memref<?x64x49xf32>,
               %rkr3136: memref<?x64x3136xf32>, %kr: memref<32x?xf32>, %u8: memref<?x3xi8>,
               %f16: memref<?x3xf16>, %scalar: memref<f32>, %c1500: memref<1500xf32>,
               %rk1500: memref<?x1500xf32>) {
    // R: no period but that of a few vectors.
    // CHECK: norma.affine kept [] {{.*}}<flat, vector = 16, unroll = 4, line = 64, block = 2048>
    norma.affine kept [] ins(%r : memref<?xf32>) outs(%r : memref<?xf32>)
    // Two coefficients of lcm(1001, 16) elements do not fit the cache: by rows,
    // of which blocks may begin in the middle of a vector, but where stores go past the caches.
    // CHECK: norma.affine kept [1] {{.*}}<rows, vector = 16, unroll = 4, block = 2>
    // STREAM: norma.affine kept [1] {{.*}}<rows, vector = 16, unroll = 4, block = 16, nontemporal = true>
    norma.affine kept [1] ins(%rk1000 : memref<?x1001xf32>) center(%c1000 : memref<1001xf32>)
        scale(%c1000 : memref<1001xf32>) outs(%rk1000 : memref<?x1001xf32>)
    // RK, dynamic.
    // CHECK: norma.affine kept [1] {{.*}}<rows, vector = 16, unroll = 4>}
    // STREAM: norma.affine kept [1] {{.*}}<rows, vector = 16, unroll = 4>}
    norma.affine kept [1] ins(%rk : memref<?x?xf32>) outs(%rk : memref<?x?xf32>)
    // K.
    // CHECK: norma.affine kept [0] {{.*}}<rows, vector = 16, unroll = 4, block = 2048>
    // STREAM: norma.affine kept [0] {{.*}}<rows, vector = 16, unroll = 4, block = 2048, nontemporal = true>
    norma.affine kept [0] ins(%k : memref<17xf32>) outs(%k : memref<17xf32>)
    // RKR with short runs: one line of 64 * 49.
    // CHECK: norma.affine kept [1] {{.*}}<flat, vector = 16, unroll = 4, line = 3136, block = 4>
    norma.affine kept [1] ins(%rkr49 : memref<?x64x49xf32>) center(%c : memref<64xf32>)
        outs(%rkr49 : memref<?x64x49xf32>)
    // RKR with long runs.
    // CHECK: norma.affine kept [1] {{.*}}<runs, vector = 16, unroll = 4, block = 1>
    // STREAM: norma.affine kept [1] ins(%{{.*}} : memref<?x64x3136xf32>) {{.*}}<runs, vector = 16, unroll = 4, block = 1, nontemporal = true>
    norma.affine kept [1] ins(%rkr3136 : memref<?x64x3136xf32>) center(%c : memref<64xf32>)
        outs(%rkr3136 : memref<?x64x3136xf32>)
    // KR.
    // CHECK: norma.affine kept [0] {{.*}}<runs, vector = 16, unroll = 4>}
    norma.affine kept [0] ins(%kr : memref<32x?xf32>) outs(%kr : memref<32x?xf32>)
    // Past the cache go whole registers of f16: twice the elements.
    // CHECK: norma.affine kept [1] {{.*}} unsigned {{.*}}<flat, vector = 16, unroll = 6, line = 96, block = 1856>
    // STREAM: norma.affine kept [1] {{.*}} unsigned {{.*}}<flat, vector = 32, unroll = 3, line = 96, block = 1856, nontemporal = true>
    norma.affine kept [1] ins(%u8 : memref<?x3xi8>) unsigned outs(%f16 : memref<?x3xf16>)
    // CHECK: norma.affine kept [] {{.*}}<runs, vector = 1, unroll = 1, block = 2048>
    norma.affine kept [] ins(%scalar : memref<f32>) outs(%scalar : memref<f32>)
    // Past the cache go lines, four abreast, which are used four times at least.
    // CHECK: norma.affine kept [1] {{.*}}<rows, vector = 16, unroll = 4, block = 1>
    // STREAM: norma.affine kept [1] {{.*}}<flat, vector = 16, unroll = 1, group = 4, line = 6000, block = 64, nontemporal = true>
    norma.affine kept [1] ins(%rk1500 : memref<?x1500xf32>) center(%c1500 : memref<1500xf32>)
        outs(%rk1500 : memref<?x1500xf32>)
    return
  }
}

// -----

// Blocks of kept indices of larger tensors are dense rows that lie apart: runs of whole vectors, or
// lines of whole kept indices with their coefficients in the first level, or of few with them in
// the second. Where those are whole vectors of the result, they go past the caches, and the
// block beside them is asked for.
// CHECK-LABEL: @blocks
// STREAM-LABEL: @blocks
module @blocks attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 512 : i64, "norma.l1_bytes" = 49152 : i64>>} {
  func.func @f(%runs: memref<?x2x784xf32, strided<[?, 784, 1]>>, %short: memref<?x128x49xf32, strided<[?, 49, 1]>>,
               %odd: memref<?x16x289xf32, strided<[?, 289, 1]>>, %part: memref<?x3x49xf32, strided<[?, 49, 1]>>,
               %c2: memref<2xf32>, %c128: memref<128xf32>, %c16: memref<16xf32>, %c3: memref<3xf32>) {
    // CHECK: norma.affine kept [1] {{.*}}<runs, vector = 16, unroll = 4, block = 1>}
    // STREAM: norma.affine kept [1] {{.*}}<runs, vector = 16, unroll = 4, block = 1, nontemporal = true, prefetch = 1568>
    norma.affine kept [1] ins(%runs : memref<?x2x784xf32, strided<[?, 784, 1]>>) center(%c2 : memref<2xf32>)
        scale(%c2 : memref<2xf32>) shift(%c2 : memref<2xf32>) outs(%runs : memref<?x2x784xf32, strided<[?, 784, 1]>>)
    // CHECK: norma.affine kept [1] {{.*}}<flat, vector = 16, unroll = 4, line = 1568, block = 4>
    // STREAM: norma.affine kept [1] {{.*}}<flat, vector = 16, unroll = 4, line = 1568, block = 4, nontemporal = true, prefetch = 6272>
    norma.affine kept [1] ins(%short : memref<?x128x49xf32, strided<[?, 49, 1]>>) center(%c128 : memref<128xf32>)
        scale(%c128 : memref<128xf32>) shift(%c128 : memref<128xf32>) outs(%short : memref<?x128x49xf32, strided<[?, 49, 1]>>)
    // CHECK: norma.affine kept [1] {{.*}}<flat, vector = 16, unroll = 2, group = 4, line = 4624, block = 16>
    // STREAM: norma.affine kept [1] {{.*}}<flat, vector = 16, unroll = 2, group = 4, line = 4624, block = 16, nontemporal = true, prefetch = 4624>
    norma.affine kept [1] ins(%odd : memref<?x16x289xf32, strided<[?, 289, 1]>>) center(%c16 : memref<16xf32>)
        scale(%c16 : memref<16xf32>) shift(%c16 : memref<16xf32>) outs(%odd : memref<?x16x289xf32, strided<[?, 289, 1]>>)
    // Not whole vectors.
    // STREAM: norma.affine kept [1] {{.*}}<runs, vector = 16, unroll = 4, block = 13>}
    norma.affine kept [1] ins(%part : memref<?x3x49xf32, strided<[?, 49, 1]>>) center(%c3 : memref<3xf32>)
        scale(%c3 : memref<3xf32>) shift(%c3 : memref<3xf32>) outs(%part : memref<?x3x49xf32, strided<[?, 49, 1]>>)
    // STREAM: norma.grad_map kept [1] {{.*}}<runs, vector = 16, unroll = 4, block = 1, nontemporal = true, prefetch = 1568>
    norma.grad_map kept [1] ins(%runs, %runs : memref<?x2x784xf32, strided<[?, 784, 1]>>, memref<?x2x784xf32, strided<[?, 784, 1]>>)
        center(%c2 : memref<2xf32>) slope(%c2 : memref<2xf32>) offset(%c2 : memref<2xf32>) scale(%c2 : memref<2xf32>)
        outs(%runs : memref<?x2x784xf32, strided<[?, 784, 1]>>)
    return
  }
}

// -----

// Short runs of many channels: their coefficients do not fit the first level, and the runs
// are not whole vectors. Through the caches they go as they are; past them, eight rows abreast, which
// share what they read of them from the second level, go by parts that are whole vectors, or four
// whole rows where no parts are.
// CHECK-LABEL: @short_runs
// STREAM-LABEL: @short_runs
module @short_runs attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 512 : i64, "norma.l1_bytes" = 49152 : i64, "norma.l2_bytes" = 2097152 : i64>>} {
  func.func @f(%x: memref<?x512x49xf32>, %c: memref<512xf32>, %x196: memref<?x512x196xf32>,
               %x500: memref<?x500x49xf32>, %c500: memref<500xf32>, %x501: memref<?x501x49xf32>,
               %c501: memref<501xf32>, %kr: memref<?x1000xf32>, %k: memref<?xf32>) {
    // CHECK: norma.affine {{.*}}<runs, vector = 16, unroll = 4, block = 1>
    // STREAM: norma.affine {{.*}}<flat, vector = 16, unroll = 1, group = 8, line = 784, block = 8, nontemporal = true>
    norma.affine kept [1] ins(%x : memref<?x512x49xf32>) center(%c : memref<512xf32>)
        scale(%c : memref<512xf32>) outs(%x : memref<?x512x49xf32>)
    // CHECK: norma.affine {{.*}}<runs, vector = 16, unroll = 4, block = 1>
    // STREAM: norma.affine {{.*}}<flat, vector = 16, unroll = 1, group = 8, line = 784, block = 8, nontemporal = true>
    norma.affine kept [1] ins(%x196 : memref<?x512x196xf32>) center(%c : memref<512xf32>)
        scale(%c : memref<512xf32>) outs(%x196 : memref<?x512x196xf32>)
    // CHECK: norma.affine {{.*}}<runs, vector = 16, unroll = 4, block = 1>
    // STREAM: norma.affine {{.*}}<flat, vector = 16, unroll = 2, group = 4, line = 98000, block = 64, nontemporal = true>
    norma.affine kept [1] ins(%x500 : memref<?x500x49xf32>) center(%c500 : memref<500xf32>)
        scale(%c500 : memref<500xf32>) outs(%x500 : memref<?x500x49xf32>)
    // Too many for the second level.
    // CHECK: norma.affine {{.*}}<runs, vector = 16, unroll = 4, block = 1>
    // STREAM: norma.affine {{.*}}<runs, vector = 16, unroll = 4, block = 1>
    norma.affine kept [1] ins(%x501 : memref<?x501x49xf32>) center(%c501 : memref<501xf32>)
        scale(%c501 : memref<501xf32>) outs(%x501 : memref<?x501x49xf32>)
    // Long runs have a head up to the first whole vector.
    // CHECK: norma.affine {{.*}}<runs, vector = 16, unroll = 4, block = 2>
    // STREAM: norma.affine {{.*}}<runs, vector = 16, unroll = 4, block = 2, nontemporal = true>
    norma.affine kept [0] ins(%kr : memref<?x1000xf32>) scale(%k : memref<?xf32>)
        outs(%kr : memref<?x1000xf32>)
    return
  }
}

// -----

// CHECK-LABEL: @reductions
// STREAM-LABEL: @reductions
module @reductions attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 512 : i64, "norma.l1_bytes" = 49152 : i64>>} {
  func.func @f(%r: memref<?xf32>, %n: memref<f64>, %rk64: memref<?x64xf32>, %n64: memref<64xf64>,
               %rkr49: memref<?x64x49xf32>, %rkr3136: memref<?x64x3136xf32>, %scalar: memref<f32>,
               %krkr: memref<3x5x7x9xf32>, %n21: memref<3x7xf64>, %wide: memref<?x4097xf32>,
               %nwide: memref<4097xf64>, %kr: memref<?x1000xf32>, %nkr: memref<?xf64>,
               %rk1000: memref<?x1000xf16>, %n1000: memref<1000xf64>, %bytes: memref<?x13xi8>, %n13: memref<13xf64>,
               %halves: memref<?x64x3136xf16>, %pixels: memref<?x64x12544xi8>) {
    // STREAM: norma.moments kept [] {{.*}}<flat, vector = 16, unroll = 4, group = 32, line = 2048, accumulate = f32, block = 524288>
    // MEMORY: norma.moments kept [] {{.*}}<flat, vector = 16, unroll = 4, group = 32, line = 2048, accumulate = f32, block = 524288, prefetch = 32768>
    // CHECK: norma.moments kept [] {{.*}}<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, block = 524288>
    norma.moments kept [] ins(%r : memref<?xf32>) outs(%n, %n, %n : memref<f64>, memref<f64>, memref<f64>)
    // Rows of whole vectors need no period.
    // CHECK: norma.moments kept [1] {{.*}}<rows, vector = 16, unroll = 4, group = 32, accumulate = f32, block = 8192>
    // STREAM: norma.moments kept [1] {{.*}}<flat, vector = 16, unroll = 4, group = 32, line = 2048, accumulate = f32, block = 8192>
    // MEMORY: norma.moments kept [1] {{.*}}<flat, vector = 16, unroll = 4, group = 32, line = 2048, accumulate = f32, block = 8192, prefetch = 32768>
    norma.moments kept [1] ins(%rk64 : memref<?x64xf32>)
        outs(%n64, %n64, %n64 : memref<64xf64>, memref<64xf64>, memref<64xf64>)
    // Of wide rows, of which few are near, the next step along them.
    // MEMORY: norma.moments kept [1] {{.*}}memref<?x4097xf32>{{.*}}<rows, {{.*}} prefetch = 64>
    norma.moments kept [1] ins(%wide : memref<?x4097xf32>)
        outs(%nwide, %nwide, %nwide : memref<4097xf64>, memref<4097xf64>, memref<4097xf64>)
    // CHECK: norma.moments kept [1] {{.*}}<runs, vector = 16, unroll = 3, group = 32, accumulate = f32, block = 192>
    // STREAM: norma.moments kept [1] {{.*}}<flat, vector = 16, unroll = 4, group = 32, line = 3136, accumulate = f32, block = 192>
    norma.moments kept [1] ins(%rkr49 : memref<?x64x49xf32>)
        outs(%n64, %n64, %n64 : memref<64xf64>, memref<64xf64>, memref<64xf64>)
    // The vectors of an iteration are spread over parts of about a page, of which narrow runs have fewer.
    // CHECK: norma.moments kept [1] {{.*}}<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, block = 2, parts = 4>
    // Runs of four channels, of which registers hold all, go side by side, and ask for what follows.
    // STREAM: norma.moments kept [1] {{.*}}memref<?x64x3136xf32>{{.*}}<runs, vector = 16, unroll = 1, group = 32, accumulate = f32, block = 2, streams = 4>
    // MEMORY: norma.moments kept [1] {{.*}}memref<?x64x3136xf32>{{.*}}<runs, vector = 16, unroll = 1, group = 32, accumulate = f32, block = 2, prefetch = 1024, streams = 4>
    norma.moments kept [1] ins(%rkr3136 : memref<?x64x3136xf32>)
        outs(%n64, %n64, %n64 : memref<64xf64>, memref<64xf64>, memref<64xf64>)
    // CHECK: norma.moments kept [1] {{.*}}memref<?x64x3136xf16>{{.*}} parts = 2>
    norma.moments kept [1] ins(%halves : memref<?x64x3136xf16>)
        outs(%n64, %n64, %n64 : memref<64xf64>, memref<64xf64>, memref<64xf64>)
    // Integers have no parts where a run is not longer than their groups.
    // CHECK: norma.moments kept [1] {{.*}}memref<?x64x12544xi8>{{.*}} group = 256, accumulate = i32, block = 1>
    norma.moments kept [1] ins(%pixels : memref<?x64x12544xi8>)
        outs(%n64, %n64, %n64 : memref<64xf64>, memref<64xf64>, memref<64xf64>)
    // CHECK: norma.moments kept [0] {{.*}}<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, block = 576>
    // STREAM: norma.moments kept [0] {{.*}}<runs, vector = 16, unroll = 1, group = 32, accumulate = f32, block = 576, streams = 4>
    // MEMORY: norma.moments kept [0] {{.*}}<runs, vector = 16, unroll = 1, group = 32, accumulate = f32, block = 576, prefetch = 1024, streams = 4>
    norma.moments kept [0] ins(%kr : memref<?x1000xf32>)
        outs(%nkr, %nkr, %nkr : memref<?xf64>, memref<?xf64>, memref<?xf64>)
    // Lines are whole vectors, of narrow types too. The groups of integers are long, and their lines are not.
    // STREAM: norma.moments kept [1] {{.*}}memref<?x1000xf16>{{.*}}<flat, {{.*}} line = 6000, accumulate = f32
    norma.moments kept [1] ins(%rk1000 : memref<?x1000xf16>)
        outs(%n1000, %n1000, %n1000 : memref<1000xf64>, memref<1000xf64>, memref<1000xf64>)
    // STREAM: norma.moments kept [1] {{.*}}memref<?x13xi8>{{.*}}<flat, {{.*}} line = 208, accumulate = i32
    norma.moments kept [1] ins(%bytes : memref<?x13xi8>)
        outs(%n13, %n13, %n13 : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    // CHECK: norma.moments kept [0, 2] {{.*}}<runs, vector = 16,
    norma.moments kept [0, 2] ins(%krkr : memref<3x5x7x9xf32>)
        outs(%n21, %n21, %n21 : memref<3x7xf64>, memref<3x7xf64>, memref<3x7xf64>)
    // CHECK: norma.moments kept [] {{.*}}<runs, vector = 1,
    // STREAM: norma.moments kept [] {{.*}}<runs, vector = 1, unroll = 1, group = 32, accumulate = f32, block = 524288>
    norma.moments kept [] ins(%scalar : memref<f32>) outs(%n, %n, %n : memref<f64>, memref<f64>, memref<f64>)
    return
  }

  // What f32 does not hold exactly is accumulated in f64.
  // CHECK-LABEL: func @accumulate(
  func.func @accumulate(%f16: memref<?x13xf16>, %i16: memref<?x13xi16>, %f64: memref<?x13xf64>,
                        %i32: memref<?x13xi32>, %i8: memref<?x13xi8>, %f32: memref<?x13xf32>, %mask: memref<?x1xi8>,
                        %bits: memref<?x1xi1>, %weights: memref<?x1xf32>, %n: memref<13xf64>) {
    // CHECK: memref<?x13xf16>{{.*}}<flat, vector = 16, {{.*}} accumulate = f32,
    norma.moments kept [1] ins(%f16 : memref<?x13xf16>) outs(%n, %n, %n : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    // CHECK: memref<?x13xi16>{{.*}}<flat, vector = 16, {{.*}} accumulate = f32,
    norma.moments kept [1] ins(%i16 : memref<?x13xi16>) outs(%n, %n, %n : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    // CHECK: memref<?x13xf64>{{.*}}<flat, vector = 8, {{.*}} accumulate = f64,
    norma.moments kept [1] ins(%f64 : memref<?x13xf64>) outs(%n, %n, %n : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    // CHECK: memref<?x13xi32>{{.*}}<flat, vector = 8, {{.*}} accumulate = f64,
    norma.moments kept [1] ins(%i32 : memref<?x13xi32>) outs(%n, %n, %n : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    // Bytes and their squares are summed as integers, but for weights.
    // CHECK: memref<?x13xi8>{{.*}}<flat, vector = 16, {{.*}} group = 256, {{.*}} accumulate = i32,
    norma.moments kept [1] ins(%i8 : memref<?x13xi8>) outs(%n, %n, %n : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    // CHECK: memref<?x13xi8>{{.*}}<rows, vector = 16, {{.*}} accumulate = i32,
    norma.moments kept [1] ins(%i8 : memref<?x13xi8>) mask(%mask : memref<?x1xi8>)
        outs(%n, %n, %n : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    // CHECK: memref<?x13xi8>{{.*}}<rows, vector = 8, {{.*}} accumulate = f64,
    norma.moments kept [1] ins(%i8 : memref<?x13xi8>) weights(%weights : memref<?x1xf32>)
        outs(%n, %n, %n : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    // A mask or weights have rows of their own.
    // CHECK: mask({{.*}}<rows, vector = 16, {{.*}} accumulate = f32,
    norma.moments kept [1] ins(%f32 : memref<?x13xf32>) mask(%mask : memref<?x1xi8>)
        outs(%n, %n, %n : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    // Vectors of i1 would be read as packed bits.
    // CHECK: mask({{.*}}<rows, vector = 1, {{.*}} accumulate = f32,
    norma.moments kept [1] ins(%f32 : memref<?x13xf32>) mask(%bits : memref<?x1xi1>)
        outs(%n, %n, %n : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    // CHECK: weights({{.*}}<rows, vector = 8, {{.*}} accumulate = f64,
    norma.moments kept [1] ins(%f32 : memref<?x13xf32>) weights(%weights : memref<?x1xf32>)
        outs(%n, %n, %n : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    return
  }

  // CHECK-LABEL: func @strides(
  // STREAM-LABEL: func @strides(
  func.func @strides(%inner: memref<?x13xf32, strided<[26, 2]>>, %outer: memref<?x16xf32, strided<[20, 1]>>,
                     %n13: memref<13xf64>, %n16: memref<16xf64>) {
    // CHECK: norma.affine {{.*}}<rows, vector = 1, unroll = 1, block = 192>
    norma.affine kept [1] ins(%inner : memref<?x13xf32, strided<[26, 2]>>) outs(%inner : memref<?x13xf32, strided<[26, 2]>>)
    // CHECK: norma.affine {{.*}}<rows, vector = 16, unroll = 4, block = 128>
    // STREAM: strided<[20, 1]>{{.*}}<rows, vector = 16, unroll = 4, block = 128>}
    norma.affine kept [1] ins(%outer : memref<?x16xf32, strided<[20, 1]>>) outs(%outer : memref<?x16xf32, strided<[20, 1]>>)
    // CHECK: norma.moments {{.*}}<rows, vector = 1,
    norma.moments kept [1] ins(%inner : memref<?x13xf32, strided<[26, 2]>>)
        outs(%n13, %n13, %n13 : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    // CHECK: norma.moments {{.*}}<rows, vector = 16,
    norma.moments kept [1] ins(%outer : memref<?x16xf32, strided<[20, 1]>>)
        outs(%n16, %n16, %n16 : memref<16xf64>, memref<16xf64>, memref<16xf64>)
    return
  }
}

// -----

//===----------------------------------------------------------------------===//
// Gradients
//===----------------------------------------------------------------------===//

// CHECK-LABEL: @gradient_maps
// STREAM-LABEL: @gradient_maps
module @gradient_maps attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 512 : i64, "norma.l1_bytes" = 49152 : i64, "norma.vector_registers" = 32 : i64>>} {
  func.func @f(%x13: memref<?x13xf32>, %c13: memref<13xf32>, %x64: memref<?x64xf32>, %c64: memref<64xf32>,
               %x128: memref<?x128xf32>, %c128: memref<128xf32>, %d64: memref<64xf64>,
               %rkr: memref<?x64x3136xbf16>, %x1600: memref<?x1600xf32>, %c1600: memref<1600xf32>,
               %mask: memref<?x1xi8>, %bits: memref<?x1xi1>, %w: memref<?x64xf32>,
               %pairs: memref<?x64xf32, strided<[128, 2]>>) {
    // Three tensors are read and written: blocks are smaller than those of affine.
    // CHECK: norma.grad_map {{.*}} {schedule = #norma.schedule<flat, vector = 16, unroll = 4, line = 208, block = 128>}
    // STREAM: norma.grad_map {{.*}} {schedule = #norma.schedule<flat, vector = 16, unroll = 4, line = 208, block = 128, nontemporal = true>}
    norma.grad_map kept [1] ins(%x13, %x13 : memref<?x13xf32>, memref<?x13xf32>) center(%c13 : memref<13xf32>)
        slope(%c13 : memref<13xf32>) offset(%c13 : memref<13xf32>) scale(%c13 : memref<13xf32>)
        outs(%x13 : memref<?x13xf32>)
    // Four coefficients of four vectors stay in 32 registers,
    // CHECK: norma.grad_map {{.*}}<flat, vector = 16, unroll = 4, line = 64, block = 21>
    norma.grad_map kept [1] ins(%x64, %x64 : memref<?x64xf32>, memref<?x64xf32>) center(%c64 : memref<64xf32>)
        slope(%c64 : memref<64xf32>) offset(%c64 : memref<64xf32>) scale(%c64 : memref<64xf32>)
        outs(%x64 : memref<?x64xf32>)
    // those of eight do not, and are loaded.
    // CHECK: norma.grad_map {{.*}}<flat, vector = 16, unroll = 4, line = 128, block = 10>
    norma.grad_map kept [1] ins(%x128, %x128 : memref<?x128xf32>, memref<?x128xf32>)
        center(%c128 : memref<128xf32>) slope(%c128 : memref<128xf32>) offset(%c128 : memref<128xf32>)
        scale(%c128 : memref<128xf32>) outs(%x128 : memref<?x128xf32>)
    // CHECK: norma.grad_map {{.*}}<flat, vector = 8, unroll = 4, line = 64, block = 21>
    norma.grad_map kept [1] ins(%x64, %x64 : memref<?x64xf32>, memref<?x64xf32>) center(%d64 : memref<64xf64>)
        slope(%d64 : memref<64xf64>) offset(%d64 : memref<64xf64>) scale(%d64 : memref<64xf64>)
        outs(%x64 : memref<?x64xf32>)
    // CHECK: norma.grad_map {{.*}}<runs, vector = 32, unroll = 2, block = 1>
    // STREAM: norma.grad_map {{.*}}memref<?x64x3136xbf16>{{.*}}<runs, vector = 32, unroll = 2, block = 1, nontemporal = true>
    norma.grad_map kept [1] ins(%rkr, %rkr : memref<?x64x3136xbf16>, memref<?x64x3136xbf16>)
        center(%c64 : memref<64xf32>) slope(%c64 : memref<64xf32>) offset(%c64 : memref<64xf32>)
        scale(%c64 : memref<64xf32>) outs(%rkr : memref<?x64x3136xbf16>)
    // Rows of many whole vectors are lines as they are. Every block starts at a whole vector.
    // CHECK: norma.grad_map {{.*}}<rows, vector = 16, unroll = 4, block = 1>
    norma.grad_map kept [1] ins(%x1600, %x1600 : memref<?x1600xf32>, memref<?x1600xf32>)
        center(%c1600 : memref<1600xf32>) slope(%c1600 : memref<1600xf32>) offset(%c1600 : memref<1600xf32>)
        scale(%c1600 : memref<1600xf32>) outs(%x1600 : memref<?x1600xf32>)
    // A mask or weights have rows of their own.
    // CHECK: norma.grad_map {{.*}} mask({{.*}}<rows, vector = 16, unroll = 4, block = 21>
    // STREAM: norma.grad_map {{.*}} mask({{.*}}<rows, vector = 16, unroll = 4, block = 21, nontemporal = true>
    norma.grad_map kept [1] ins(%x64, %x64 : memref<?x64xf32>, memref<?x64xf32>) center(%c64 : memref<64xf32>)
        slope(%c64 : memref<64xf32>) offset(%c64 : memref<64xf32>) scale(%c64 : memref<64xf32>)
        mask(%mask : memref<?x1xi8>) outs(%x64 : memref<?x64xf32>)
    // CHECK: norma.grad_map {{.*}} mask({{.*}} weights({{.*}}<rows, vector = 1, unroll = 1, block = 21>
    norma.grad_map kept [1] ins(%x64, %x64 : memref<?x64xf32>, memref<?x64xf32>) center(%c64 : memref<64xf32>)
        slope(%c64 : memref<64xf32>) offset(%c64 : memref<64xf32>) scale(%c64 : memref<64xf32>)
        mask(%bits : memref<?x1xi1>) weights(%w : memref<?x64xf32>) outs(%x64 : memref<?x64xf32>)
    // The gradient's strides count, too.
    // CHECK: norma.grad_map {{.*}}<rows, vector = 1, unroll = 1, block = 21>
    norma.grad_map kept [1] ins(%x64, %pairs : memref<?x64xf32>, memref<?x64xf32, strided<[128, 2]>>)
        center(%c64 : memref<64xf32>) slope(%c64 : memref<64xf32>) offset(%c64 : memref<64xf32>)
        scale(%c64 : memref<64xf32>) outs(%x64 : memref<?x64xf32>)
    return
  }
}

// -----

// Half the registers hold the coefficients of three vectors. Four are more, and lines abreast share what they load of them.
// CHECK-LABEL: @gradient_maps_256
module @gradient_maps_256 attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 256 : i64, "norma.vector_registers" = 16 : i64>>} {
  func.func @f(%x: memref<?x32xf32>, %c: memref<32xf32>) {
    // CHECK: norma.grad_map {{.*}}<flat, vector = 8, unroll = 1, group = 4, line = 32,
    norma.grad_map kept [1] ins(%x, %x : memref<?x32xf32>, memref<?x32xf32>) center(%c : memref<32xf32>)
        slope(%c : memref<32xf32>) offset(%c : memref<32xf32>) scale(%c : memref<32xf32>)
        outs(%x : memref<?x32xf32>)
    return
  }
}

// -----

// Bytes have no pivots, and 32 registers hold the sums of all 13 vectors of a line, but not those of
// 25, nor three sums of 13, where a mask counts elements besides.
// CHECK-LABEL: @bytes
module @bytes attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 512 : i64, "norma.l1_bytes" = 49152 : i64, "norma.vector_registers" = 32 : i64>>} {
  func.func @f(%x13: memref<?x13xi8>, %n13: memref<13xf64>, %x100: memref<?x100xi8>, %n100: memref<100xf64>,
               %f13: memref<?x13xf32>, %x208: memref<?x208xi8>, %mask: memref<?x1xi8>, %n208: memref<208xf64>,
               %runs: memref<?x512x49xi8>, %n512: memref<512xf64>) {
    // CHECK: norma.moments {{.*}}memref<?x13xi8>{{.*}}<flat, vector = 16, unroll = 13, group = 256, line = 208, accumulate = i32,
    norma.moments kept [1] ins(%x13 : memref<?x13xi8>)
        outs(%n13, %n13, %n13 : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    // CHECK: norma.moments {{.*}}memref<?x100xi8>{{.*}}<flat, vector = 16, unroll = 5, group = 256, line = 400, accumulate = i32,
    norma.moments kept [1] ins(%x100 : memref<?x100xi8>)
        outs(%n100, %n100, %n100 : memref<100xf64>, memref<100xf64>, memref<100xf64>)
    // Short runs stay in a cache.
    // CHECK: norma.moments {{.*}}memref<?x512x49xi8>{{.*}}<runs, vector = 16, unroll = 3, group = 256, accumulate = i32, block = 10>
    norma.moments kept [1] ins(%runs : memref<?x512x49xi8>)
        outs(%n512, %n512, %n512 : memref<512xf64>, memref<512xf64>, memref<512xf64>)
    // CHECK: norma.moments {{.*}}memref<?x208xi8>{{.*}} mask({{.*}}<rows, vector = 16, unroll = 4, group = 256, accumulate = i32,
    norma.moments kept [1] ins(%x208 : memref<?x208xi8>) mask(%mask : memref<?x1xi8>)
        outs(%n208, %n208, %n208 : memref<208xf64>, memref<208xf64>, memref<208xf64>)
    // CHECK: norma.moments {{.*}}memref<?x13xf32>{{.*}}<flat, vector = 16, unroll = 4, group = 32, line = 208, accumulate = f32,
    norma.moments kept [1] ins(%f13 : memref<?x13xf32>)
        outs(%n13, %n13, %n13 : memref<13xf64>, memref<13xf64>, memref<13xf64>)
    return
  }
}

// -----

// CHECK-LABEL: @gradient_sums
module @gradient_sums attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 512 : i64, "norma.l1_bytes" = 49152 : i64>>} {
  func.func @f(%r: memref<?xf32>, %n: memref<f64>, %rk64: memref<?x64xf32>, %n64: memref<64xf64>,
               %rkr49: memref<?x64x49xf32>, %rkr3136: memref<?x64x3136xf32>, %rk13: memref<?x13xf32>,
               %n13: memref<13xf64>) {
    // As moments, with blocks of half the rows; where a block has neither pivots nor lines of totals,
    // of a sixteenth, and of a quarter where it has rows.
    // CHECK: norma.grad_sums kept [] {{.*}}<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, block = 32768>
    norma.grad_sums kept [] ins(%r, %r : memref<?xf32>, memref<?xf32>) center(%n : memref<f64>)
        outs(%n, %n : memref<f64>, memref<f64>)
    // CHECK: norma.grad_sums kept [1] {{.*}}<rows, vector = 16, unroll = 4, group = 32, accumulate = f32, block = 2048>
    norma.grad_sums kept [1] ins(%rk64, %rk64 : memref<?x64xf32>, memref<?x64xf32>)
        center(%n64 : memref<64xf64>) outs(%n64, %n64 : memref<64xf64>, memref<64xf64>)
    // CHECK: norma.grad_sums kept [1] {{.*}}<flat, vector = 16, unroll = 4, group = 32, line = 208, accumulate = f32, block = 20224>
    norma.grad_sums kept [1] ins(%rk13, %rk13 : memref<?x13xf32>, memref<?x13xf32>)
        center(%n13 : memref<13xf64>) outs(%n13, %n13 : memref<13xf64>, memref<13xf64>)
    // CHECK: norma.grad_sums kept [1] {{.*}}<runs, vector = 16, unroll = 3, group = 32, accumulate = f32, block = 10>
    norma.grad_sums kept [1] ins(%rkr49, %rkr49 : memref<?x64x49xf32>, memref<?x64x49xf32>)
        center(%n64 : memref<64xf64>) outs(%n64, %n64 : memref<64xf64>, memref<64xf64>)
    // CHECK: norma.grad_sums kept [1] {{.*}}<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, block = 1, parts = 4>
    norma.grad_sums kept [1] ins(%rkr3136, %rkr3136 : memref<?x64x3136xf32>, memref<?x64x3136xf32>)
        center(%n64 : memref<64xf64>) outs(%n64, %n64 : memref<64xf64>, memref<64xf64>)
    return
  }

  // CHECK-LABEL: func @accumulate(
  func.func @accumulate(%f32: memref<?x13xf32>, %f64: memref<?x13xf64>, %i32: memref<?x13xi32>,
                        %bf16: memref<?x13xbf16>, %mask: memref<?x1xi8>, %bits: memref<?x1xi1>,
                        %weights: memref<?x1xf64>, %pairs: memref<?x13xf32, strided<[26, 2]>>,
                        %n: memref<13xf64>) {
    // CHECK: norma.grad_sums {{.*}}<flat, vector = 16, {{.*}} accumulate = f32,
    norma.grad_sums kept [1] ins(%f32, %bf16 : memref<?x13xf32>, memref<?x13xbf16>) center(%n : memref<13xf64>)
        outs(%n, %n : memref<13xf64>, memref<13xf64>)
    // Data or gradient in f64, or integers that f32 does not hold.
    // CHECK: norma.grad_sums {{.*}}<flat, vector = 8, {{.*}} accumulate = f64,
    norma.grad_sums kept [1] ins(%f32, %f64 : memref<?x13xf32>, memref<?x13xf64>) center(%n : memref<13xf64>)
        outs(%n, %n : memref<13xf64>, memref<13xf64>)
    // CHECK: norma.grad_sums {{.*}}<flat, vector = 8, {{.*}} accumulate = f64,
    norma.grad_sums kept [1] ins(%i32, %f32 : memref<?x13xi32>, memref<?x13xf32>) center(%n : memref<13xf64>)
        outs(%n, %n : memref<13xf64>, memref<13xf64>)
    // Weights are not summed here: f32 will do.
    // CHECK: norma.grad_sums {{.*}} weights({{.*}}<rows, vector = 16, {{.*}} accumulate = f32,
    norma.grad_sums kept [1] ins(%f32, %f32 : memref<?x13xf32>, memref<?x13xf32>) center(%n : memref<13xf64>)
        mask(%mask : memref<?x1xi8>) weights(%weights : memref<?x1xf64>)
        outs(%n, %n : memref<13xf64>, memref<13xf64>)
    // CHECK: norma.grad_sums {{.*}} mask({{.*}}<rows, vector = 1, {{.*}} accumulate = f32,
    norma.grad_sums kept [1] ins(%f32, %f32 : memref<?x13xf32>, memref<?x13xf32>) center(%n : memref<13xf64>)
        mask(%bits : memref<?x1xi1>) outs(%n, %n : memref<13xf64>, memref<13xf64>)
    // CHECK: norma.grad_sums {{.*}}<rows, vector = 1,
    norma.grad_sums kept [1] ins(%f32, %pairs : memref<?x13xf32>, memref<?x13xf32, strided<[26, 2]>>)
        center(%n : memref<13xf64>) outs(%n, %n : memref<13xf64>, memref<13xf64>)
    return
  }
}

// -----

//===----------------------------------------------------------------------===//
// Given schedules
//===----------------------------------------------------------------------===//

// CHECK-LABEL: @given
module @given {
  func.func @f(%x: memref<?x13xf32>, %n: memref<13xf64>) {
    // CHECK: norma.affine {{.*}} {schedule = #norma.schedule<rows, vector = 2, unroll = 3>}
    norma.affine kept [1] ins(%x : memref<?x13xf32>) outs(%x : memref<?x13xf32>)
        {schedule = #norma.schedule<rows, vector = 2, unroll = 3>}
    // CHECK: norma.moments {{.*}} {schedule = #norma.schedule<rows, vector = 64, unroll = 1, group = 5>}
    norma.moments kept [1] ins(%x : memref<?x13xf32>)
        outs(%n, %n, %n : memref<13xf64>, memref<13xf64>, memref<13xf64>)
        {schedule = #norma.schedule<rows, vector = 64, unroll = 1, group = 5>}
    // CHECK: norma.grad_sums {{.*}} {schedule = #norma.schedule<rows, vector = 4, unroll = 1, group = 7>}
    norma.grad_sums kept [1] ins(%x, %x : memref<?x13xf32>, memref<?x13xf32>) center(%n : memref<13xf64>)
        outs(%n, %n : memref<13xf64>, memref<13xf64>)
        {schedule = #norma.schedule<rows, vector = 4, unroll = 1, group = 7>}
    // CHECK: norma.grad_map {{.*}} {schedule = #norma.schedule<rows, vector = 2, unroll = 3>}
    norma.grad_map kept [1] ins(%x, %x : memref<?x13xf32>, memref<?x13xf32>) center(%n : memref<13xf64>)
        slope(%n : memref<13xf64>) offset(%n : memref<13xf64>) scale(%n : memref<13xf64>)
        outs(%x : memref<?x13xf32>) {schedule = #norma.schedule<rows, vector = 2, unroll = 3>}
    return
  }
}

// -----

// Runs that lie apart are written past the caches where all of them begin at a whole vector.

// STREAM-LABEL: @runs_apart
module @runs_apart attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 512 : i64, "norma.l1_bytes" = 49152 : i64>>} {
  func.func @f(%x: memref<?x2x784xf32, strided<[?, 784, 1]>>, %y: memref<?x2x196xf32, strided<[?, 196, 1]>>,
               %z: memref<?x2x784xf32, strided<[?, 788, 1]>>, %c: memref<2xf32>) {
    // STREAM: norma.affine {{.*}}strided<[?, 784, 1]>>) {schedule = #norma.schedule<runs, vector = 16, unroll = 4, block = 1, nontemporal = true, prefetch = 1568>}
    norma.affine kept [1] ins(%x : memref<?x2x784xf32, strided<[?, 784, 1]>>) scale(%c : memref<2xf32>)
        outs(%x : memref<?x2x784xf32, strided<[?, 784, 1]>>)
    // STREAM: norma.affine {{.*}}strided<[?, 196, 1]>>) {schedule = #norma.schedule<runs, vector = 16, unroll = 4, block = 5>}
    norma.affine kept [1] ins(%y : memref<?x2x196xf32, strided<[?, 196, 1]>>) scale(%c : memref<2xf32>)
        outs(%y : memref<?x2x196xf32, strided<[?, 196, 1]>>)
    // STREAM: norma.affine {{.*}}strided<[?, 788, 1]>>) {schedule = #norma.schedule<runs, vector = 16, unroll = 4, block = 1>}
    norma.affine kept [1] ins(%z : memref<?x2x784xf32, strided<[?, 788, 1]>>) scale(%c : memref<2xf32>)
        outs(%z : memref<?x2x784xf32, strided<[?, 788, 1]>>)
    return
  }
}

// -----

// A center whose numbers lie apart: one element at a time.

module @strided_center {
  // CHECK-LABEL: func @strided_center
  func.func @strided_center(%x: memref<?x?xf32>, %c: memref<?xf64, strided<[?]>>, %s: memref<?xf64>) {
    // CHECK: norma.grad_sums {{.*}} {schedule = #norma.schedule<rows, vector = 1,
    norma.grad_sums kept [1] ins(%x, %x : memref<?x?xf32>, memref<?x?xf32>)
        center(%c : memref<?xf64, strided<[?]>>) outs(%s, %s : memref<?xf64>, memref<?xf64>)
    return
  }
}

// -----

// Extents of which no memory holds the product: nothing is known of a row.
// CHECK-LABEL: @huge
module @huge {
  func.func @f(%x: memref<?x4611686018427387904x4xf32>, %n: memref<f64>, %c: memref<4xf32>) {
    // CHECK: norma.affine {{.*}} {schedule = #norma.schedule<rows, vector = 4, unroll = 4>}
    norma.affine kept [2] ins(%x : memref<?x4611686018427387904x4xf32>) scale(%c : memref<4xf32>)
        outs(%x : memref<?x4611686018427387904x4xf32>)
    // CHECK: norma.moments {{.*}} {schedule = #norma.schedule<runs, vector = 4, unroll = 1, group = 32, accumulate = f32>}
    norma.moments kept [] ins(%x : memref<?x4611686018427387904x4xf32>)
        outs(%n, %n, %n : memref<f64>, memref<f64>, memref<f64>)
    return
  }
}

// -----

// A map goes beside the reduction behind it, where it can and where that is wanted. It asks for
// nothing in advance then, and neither does the reduction, unless its data is said to be far: then for
// as many rows as are 32 KiB.
// CHECK-LABEL: @interleave
// STREAM-LABEL: @interleave
// BESIDE-LABEL: @interleave
// AHEAD-LABEL: @interleave
module @interleave attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 512 : i64, "norma.vector_registers" = 32 : i64, "norma.l2_bytes" = 2097152 : i64>>} {
  func.func @f(%x: memref<?x2x48xf32, strided<[?, 48, 1]>>, %y: memref<?x2x48xf32, strided<[?, 48, 1]>>,
               %odd: memref<?x2x50xf32, strided<[?, 50, 1]>>,
               %half: memref<?x2x96xf16, strided<[?, 96, 1]>>, %c: memref<2xf32>, %n: memref<2xf64>,
               %filled: memref<?x32x49xf32, strided<[?, 49, 1]>>, %c32: memref<32xf32>, %n32: memref<32xf64>) {
    // CHECK: norma.affine {{.*}}<runs, vector = 16, unroll = 4, block = {{[0-9]+}}>}
    // STREAM: norma.affine {{.*}}<runs, vector = 16, unroll = 4, block = {{[0-9]+}}, nontemporal = true, prefetch = 96>}
    // BESIDE: norma.affine {{.*}}<runs, vector = 16, unroll = 4, block = {{[0-9]+}}, nontemporal = true, interleave = true>}
    norma.affine kept [1] ins(%x : memref<?x2x48xf32, strided<[?, 48, 1]>>) scale(%c : memref<2xf32>)
        outs(%y : memref<?x2x48xf32, strided<[?, 48, 1]>>)
    // MEMORY: norma.grad_sums {{.*}} prefetch =
    // BESIDE: norma.grad_sums {{.*}}<runs, vector = 16, unroll = 3, group = 32, accumulate = f32, block = {{[0-9]+}}>}
    // AHEAD: norma.grad_sums {{.*}}, prefetch = 4032>}
    norma.grad_sums kept [1] ins(%x, %x : memref<?x2x48xf32, strided<[?, 48, 1]>>, memref<?x2x48xf32, strided<[?, 48, 1]>>)
        center(%n : memref<2xf64>) outs(%n, %n : memref<2xf64>, memref<2xf64>)
    // In the vectors of the sums, where f16 would have others by itself.
    // STREAM: norma.affine {{.*}}xf16{{.*}}<runs, vector = 32,
    // BESIDE: norma.affine {{.*}}xf16{{.*}}<runs, vector = 16, {{.*}} nontemporal = true, interleave = true>}
    norma.affine kept [1] ins(%half : memref<?x2x96xf16, strided<[?, 96, 1]>>) scale(%c : memref<2xf32>)
        outs(%half : memref<?x2x96xf16, strided<[?, 96, 1]>>)
    norma.moments kept [1] ins(%half : memref<?x2x96xf16, strided<[?, 96, 1]>>)
        outs(%n, %n, %n : memref<2xf64>, memref<2xf64>, memref<2xf64>)
    // Runs that fill rows of whole vectors go by these, and by lines where they are mapped alone.
    // BESIDE: norma.affine {{.*}}<runs, vector = 16, unroll = 4, line = 1568, block = {{[0-9]+}}, nontemporal = true, interleave = true>}
    norma.affine kept [1] ins(%filled : memref<?x32x49xf32, strided<[?, 49, 1]>>) scale(%c32 : memref<32xf32>)
        outs(%filled : memref<?x32x49xf32, strided<[?, 49, 1]>>)
    // CHECK: norma.moments {{.*}}x49xf32{{.*}}<runs, vector = 16, unroll = 2, group = 32, line = 1568, accumulate = f32
    // BESIDE: norma.moments {{.*}}x49xf32{{.*}}<runs, vector = 16, unroll = 2, group = 32, line = 1568, accumulate = f32
    // AHEAD: norma.affine {{.*}}x49xf32{{.*}} nontemporal = true, interleave = true>}
    // AHEAD: norma.moments {{.*}}x49xf32{{.*}} line = 1568, {{.*}}, prefetch = 7840>}
    norma.moments kept [1] ins(%filled : memref<?x32x49xf32, strided<[?, 49, 1]>>)
        outs(%n32, %n32, %n32 : memref<32xf64>, memref<32xf64>, memref<32xf64>)
    // BESIDE: norma.affine {{.*}}<flat, vector = 16, unroll = 4, line = 1568,
    norma.affine kept [1] ins(%filled : memref<?x32x49xf32, strided<[?, 49, 1]>>) scale(%c32 : memref<32xf32>)
        outs(%filled : memref<?x32x49xf32, strided<[?, 49, 1]>>)
    // Other shapes, and nothing behind.
    // BESIDE: norma.affine {{.*}} block = {{[0-9]+}}, nontemporal = true, prefetch = 96>}
    norma.affine kept [1] ins(%x : memref<?x2x48xf32, strided<[?, 48, 1]>>) scale(%c : memref<2xf32>)
        outs(%y : memref<?x2x48xf32, strided<[?, 48, 1]>>)
    // BESIDE: norma.moments
    norma.moments kept [1] ins(%odd : memref<?x2x50xf32, strided<[?, 50, 1]>>)
        outs(%n, %n, %n : memref<2xf64>, memref<2xf64>, memref<2xf64>)
    // BESIDE: norma.affine {{.*}} prefetch = 96>}
    norma.affine kept [1] ins(%x : memref<?x2x48xf32, strided<[?, 48, 1]>>) scale(%c : memref<2xf32>)
        outs(%y : memref<?x2x48xf32, strided<[?, 48, 1]>>)
    return
  }
}

// -----

// A block of one kept index has no axis of these. Samples of long runs go side by side, whole cache lines of each
// and fewer of two tensors, and as streams they ask for nothing in advance.
// AHEAD-LABEL: @interleave_one
module @interleave_one attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 512 : i64, "norma.vector_registers" = 32 : i64>>} {
  func.func @f(%x: memref<?x3136xf32, strided<[?, 1]>>, %c: memref<f32>, %n: memref<f64>,
               %half: memref<?x784xf16, strided<[?, 1]>>, %even: memref<?x1568xf16, strided<[?, 1]>>) {
    // AHEAD: norma.affine {{.*}} interleave = true>}
    norma.affine kept [] ins(%x : memref<?x3136xf32, strided<[?, 1]>>) scale(%c : memref<f32>)
        outs(%x : memref<?x3136xf32, strided<[?, 1]>>)
    // AHEAD: norma.moments {{.*}}<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, block = 192, streams = 4>}
    norma.moments kept [] ins(%x : memref<?x3136xf32, strided<[?, 1]>>)
        outs(%n, %n, %n : memref<f64>, memref<f64>, memref<f64>)
    // AHEAD: norma.grad_sums {{.*}}<runs, vector = 16, unroll = 2, group = 32, accumulate = f32, block = {{[0-9]+}}, streams = 2>}
    norma.grad_sums kept [] ins(%x, %x : memref<?x3136xf32, strided<[?, 1]>>, memref<?x3136xf32, strided<[?, 1]>>)
        center(%n : memref<f64>) outs(%n, %n : memref<f64>, memref<f64>)
    // AHEAD: norma.moments {{.*}}x1568xf16{{.*}}<runs, vector = 16, unroll = 4, {{.*}}, streams = 2>}
    norma.moments kept [] ins(%even : memref<?x1568xf16, strided<[?, 1]>>)
        outs(%n, %n, %n : memref<f64>, memref<f64>, memref<f64>)
    // Runs of f16 that are no whole cache lines go alone.
    // AHEAD: norma.moments {{.*}}x784xf16{{.*}} block = {{[0-9]+}}, prefetch = {{[0-9]+}}>}
    norma.moments kept [] ins(%half : memref<?x784xf16, strided<[?, 1]>>)
        outs(%n, %n, %n : memref<f64>, memref<f64>, memref<f64>)
    return
  }
}

// -----

// Sixteen registers hold what a map needs beside four sums, but not beside them what a gradient does.
// BESIDE-LABEL: @few_registers
module @few_registers {
  func.func @f(%x: memref<?x2x3136xf32>, %y: memref<?x2x3136xf32>, %c: memref<2xf32>, %n: memref<2xf64>) {
    // BESIDE: norma.affine {{.*}} interleave = true>}
    norma.affine kept [1] ins(%x : memref<?x2x3136xf32>) center(%c : memref<2xf32>)
        scale(%c : memref<2xf32>) shift(%c : memref<2xf32>) outs(%y : memref<?x2x3136xf32>)
    norma.moments kept [1] ins(%x : memref<?x2x3136xf32>)
        outs(%n, %n, %n : memref<2xf64>, memref<2xf64>, memref<2xf64>)
    // BESIDE: norma.grad_map
    // BESIDE-NOT: interleave
    norma.grad_map kept [1] ins(%x, %x : memref<?x2x3136xf32>, memref<?x2x3136xf32>)
        center(%c : memref<2xf32>) slope(%c : memref<2xf32>) offset(%c : memref<2xf32>)
        scale(%c : memref<2xf32>) outs(%y : memref<?x2x3136xf32>)
    norma.grad_sums kept [1] ins(%x, %x : memref<?x2x3136xf32>, memref<?x2x3136xf32>)
        center(%n : memref<2xf64>) outs(%n, %n : memref<2xf64>, memref<2xf64>)
    return
  }
}

// -----

// Data in memory, of contiguous tensors: lines, rows or runs of four parts of it side by side. Where that cannot be,
// 16 KiB ahead; of narrow elements 8 KiB or, where a row is several lines, the next rows.
// MEMORY-LABEL: @memory
module @memory attributes {dlti.target_system_spec = #dlti.target_system_spec<
    "CPU" = #dlti.target_device_spec<"norma.vector_bits" = 512 : i64, "norma.l1_bytes" = 49152 : i64,
                                     "norma.l2_bytes" = 2097152 : i64, "norma.vector_registers" = 32 : i64>>} {
  func.func @f(%x: memref<?x13xf32>, %b: memref<?x13xbf16>, %u: memref<?x13xi8>, %c: memref<13xf32>, %y: memref<?x13xf32>,
               %x64: memref<?x64xf32>, %b64: memref<?x64xbf16>, %c64: memref<64xf32>,
               %x16384: memref<?x16384xf32>, %c16384: memref<16384xf32>, %flat: memref<?xf32>,
               %w: memref<?x4097xf32>, %s: memref<4097xf32>, %v: memref<?x4097xf32>,
               %r: memref<?x512x49xf32>, %k: memref<512xf32>, %t: memref<?x512x49xf32>,
               %h: memref<?x512x49xbf16>, %r784: memref<?x512x784xf32>,
               %colors: memref<?x3x3136xf32>, %c3: memref<3xf32>, %half: memref<?x512x1568xf16>,
               %bytes: memref<?x512x784xi8>, %short: memref<?x16xf32>, %each: memref<?xf32>,
               %few: memref<?x512x32xf32>) {
    // MEMORY: norma.affine {{.*}} {schedule = #norma.schedule<flat, vector = 16, unroll = 1, group = 4, line = 624, block = 768, nontemporal = true>}
    norma.affine kept [1] ins(%x : memref<?x13xf32>) scale(%c : memref<13xf32>) outs(%y : memref<?x13xf32>)
    // MEMORY: norma.grad_map {{.*}} {schedule = #norma.schedule<flat, vector = 16, unroll = 1, group = 4, line = 624, block = 768, nontemporal = true>}
    norma.grad_map kept [1] ins(%x, %x : memref<?x13xf32>, memref<?x13xf32>) center(%c : memref<13xf32>)
        slope(%c : memref<13xf32>) offset(%c : memref<13xf32>) scale(%c : memref<13xf32>) outs(%y : memref<?x13xf32>)
    // MEMORY: norma.affine {{.*}} {schedule = #norma.schedule<flat, vector = 32, unroll = 1, group = 4, line = 832, block = 1024, nontemporal = true, prefetch = 4096>}
    norma.affine kept [1] ins(%b : memref<?x13xbf16>) scale(%c : memref<13xf32>) outs(%b : memref<?x13xbf16>)
    // Bytes.
    // MEMORY: norma.affine {{.*}} {schedule = #norma.schedule<flat, vector = 16, unroll = 4, line = 208, block = 256, nontemporal = true, prefetch = 16384>}
    norma.affine kept [1] ins(%u : memref<?x13xi8>) scale(%c : memref<13xf32>) outs(%y : memref<?x13xf32>)
    // MEMORY: norma.affine {{.*}} {schedule = #norma.schedule<flat, vector = 16, unroll = 1, group = 4, line = 512, block = 128, nontemporal = true>}
    norma.affine kept [1] ins(%x64 : memref<?x64xf32>) scale(%c64 : memref<64xf32>) outs(%x64 : memref<?x64xf32>)
    // MEMORY: norma.affine {{.*}} {schedule = #norma.schedule<flat, vector = 32, unroll = 1, group = 4, line = 512, block = 128, nontemporal = true, prefetch = 4096>}
    norma.affine kept [1] ins(%b64 : memref<?x64xbf16>) scale(%c64 : memref<64xf32>) outs(%b64 : memref<?x64xbf16>)
    // MEMORY: norma.affine {{.*}} {schedule = #norma.schedule<flat, vector = 16, unroll = 1, group = 4, line = 512, block = 8192, nontemporal = true>}
    norma.affine kept [] ins(%flat : memref<?xf32>) outs(%flat : memref<?xf32>)
    // Parts of rows.
    // MEMORY: norma.affine {{.*}} {schedule = #norma.schedule<flat, vector = 16, unroll = 1, group = 4, line = 1024, block = 4, nontemporal = true>}
    norma.affine kept [1] ins(%x16384 : memref<?x16384xf32>) scale(%c16384 : memref<16384xf32>) outs(%x16384 : memref<?x16384xf32>)
    // Rows that are not whole vectors, with one input and two.
    // MEMORY: norma.affine {{.*}} {schedule = #norma.schedule<rows, vector = 16, unroll = 1, block = 16, nontemporal = true, streams = 4>}
    norma.affine kept [1] ins(%w : memref<?x4097xf32>) scale(%s : memref<4097xf32>) outs(%v : memref<?x4097xf32>)
    // MEMORY: norma.grad_map {{.*}} {schedule = #norma.schedule<rows, vector = 16, unroll = 1, block = 16, nontemporal = true, streams = 4>}
    norma.grad_map kept [1] ins(%w, %w : memref<?x4097xf32>, memref<?x4097xf32>) center(%s : memref<4097xf32>)
        slope(%s : memref<4097xf32>) offset(%s : memref<4097xf32>) scale(%s : memref<4097xf32>)
        outs(%v : memref<?x4097xf32>)
    // Runs: short ones, of narrow elements, and of whole vectors.
    // MEMORY: norma.affine {{.*}} {schedule = #norma.schedule<flat, vector = 16, unroll = 1, group = 8, line = 784, block = 8, nontemporal = true>}
    norma.affine kept [1] ins(%r : memref<?x512x49xf32>) scale(%k : memref<512xf32>) outs(%t : memref<?x512x49xf32>)
    // MEMORY: norma.affine {{.*}} {schedule = #norma.schedule<flat, vector = 32, unroll = 1, group = 4, line = 1568, block = 4, nontemporal = true, prefetch = 100352>}
    norma.affine kept [1] ins(%h : memref<?x512x49xbf16>) scale(%k : memref<512xf32>) outs(%h : memref<?x512x49xbf16>)
    // MEMORY: norma.affine {{.*}} {schedule = #norma.schedule<runs, vector = 16, unroll = 1, block = 1, nontemporal = true, streams = 4>}
    norma.affine kept [1] ins(%r784 : memref<?x512x784xf32>) scale(%k : memref<512xf32>) outs(%r784 : memref<?x512x784xf32>)
    // As many as there are channels, if these are fewer.
    // MEMORY: norma.affine {{.*}}<runs, vector = 16, unroll = 2, {{.*}} nontemporal = true, streams = 2>
    norma.affine kept [1] ins(%colors : memref<?x3x3136xf32>) scale(%c3 : memref<3xf32>) outs(%colors : memref<?x3x3136xf32>)
    // MEMORY: norma.affine {{.*}}xf16{{.*}}<runs, vector = 32, unroll = 1, {{.*}} nontemporal = true, prefetch = 4096, streams = 4>
    norma.affine kept [1] ins(%half : memref<?x512x1568xf16>) scale(%k : memref<512xf32>)
        outs(%half : memref<?x512x1568xf16>)
    // MEMORY: norma.affine {{.*}}xi8{{.*}}<runs, {{.*}} nontemporal = true, prefetch = 16384>
    norma.affine kept [1] ins(%bytes : memref<?x512x784xi8>) scale(%k : memref<512xf32>) outs(%r784 : memref<?x512x784xf32>)
    // Few vectors of a run are not worth registers of its own, and rows of a vector nothing.
    // MEMORY: norma.affine {{.*}}<flat, vector = 16, unroll = 1, group = 8, line = 512, block = 8, nontemporal = true>
    norma.affine kept [1] ins(%few : memref<?x512x32xf32>) scale(%k : memref<512xf32>) outs(%few : memref<?x512x32xf32>)
    // MEMORY: norma.affine {{.*}}memref<?x16xf32>{{.*}} nontemporal = true, prefetch = 4096>
    norma.affine kept [0] ins(%short : memref<?x16xf32>) scale(%each : memref<?xf32>) outs(%short : memref<?x16xf32>)
    return
  }
}
