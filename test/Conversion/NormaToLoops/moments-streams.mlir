// RUN: norma-opt %s --convert-norma-to-loops --canonicalize --cse --split-input-file | FileCheck %s

// What goes side by side in a reduction, and lies apart: rows, lines, runs, samples and parts of a run.

// Four rows side by side, each with loads of its own, of as many parts of the data. Sums of 24 such groups, so that no
// more than 28 additions of f32 follow each other, are added up before they are added to the totals; with the last of
// them, even where there are none, go the rows that are left over.

// CHECK-LABEL: func @streams_of_rows
// CHECK-NOT:     norma.loads_early
// CHECK:         %[[ROWS:.*]] = memref.dim %arg0, %c0
// CHECK:         %[[PART:.*]] = arith.divui %[[ROWS]], %c4
// CHECK:         %[[IS_NONE:.*]] = arith.cmpi ult, %[[PART]], %c1
// CHECK:         %[[SOME:.*]] = arith.select %[[IS_NONE]], %c1, %[[PART]]
// CHECK:         scf.for %[[MOST:.*]] = %c0 to %[[SOME]] step %c24
// CHECK:           %[[END:.*]] = arith.minui %{{.*}}, %[[PART]]
// CHECK:           scf.for %[[R0:.*]] = %[[MOST]] to %[[END]] step %c1 {
// CHECK:             scf.for %[[J:.*]] = %c0 to %c64 step %c32 {
// CHECK:               %[[K:.*]] = arith.addi %[[J]], %c16
// CHECK:               vector.load %arg0[%[[R0]], %[[J]]]
// CHECK:               vector.load %arg0[%[[R0]], %[[K]]]
// CHECK:               %[[R1:.*]] = arith.addi %[[R0]], %[[PART]]
// CHECK:               vector.load %arg0[%[[R1]], %[[J]]]
// CHECK:               vector.load %arg0[%[[R1]], %[[K]]]
// CHECK:               %[[TWICE:.*]] = arith.muli %[[PART]], %c2
// CHECK:               %[[R2:.*]] = arith.addi %[[R0]], %[[TWICE]]
// CHECK:               vector.load %arg0[%[[R2]], %[[J]]]
// CHECK:               vector.load %arg0[%[[R2]], %[[K]]]
// CHECK:               %[[THRICE:.*]] = arith.muli %[[PART]], %c3
// CHECK:               %[[R3:.*]] = arith.addi %[[R0]], %[[THRICE]]
// CHECK:               vector.load %arg0[%[[R3]], %[[J]]]
// CHECK:               vector.load %arg0[%[[R3]], %[[K]]]
// CHECK-NOT:           vector.load %arg0
// CHECK-COUNT-4:       vector.store {{.*}} vector<16xf32>
// CHECK:           %[[IS_NOT_LAST:.*]] = arith.cmpi ult, %[[END]], %[[PART]]
// CHECK:           %[[REST:.*]] = arith.muli %[[PART]], %c4
// CHECK:           %[[LEFT:.*]] = arith.select %[[IS_NOT_LAST]], %[[ROWS]], %[[REST]]
// CHECK:           scf.for %[[J:.*]] = %c0 to %c64 step %c8 {
// CHECK:             %[[SUM:.*]] = arith.extf {{.*}} : vector<8xf32> to vector<8xf64>
// CHECK:             scf.for %[[R:.*]] = %[[LEFT]] to %[[ROWS]] step %c1 iter_args
// CHECK:               vector.load %arg0[%[[R]], %[[J]]] : {{.*}}, vector<8xf32>
// CHECK:             %[[TOTAL:.*]] = vector.load %[[TOTALS:.*]][%[[J]]]
// CHECK:             %[[MORE:.*]] = arith.addf %[[TOTAL]], %[[SUM]]
// CHECK:             %[[RESTS:.*]] = arith.extf {{.*}} : vector<8xf32> to vector<8xf64>
// CHECK:             %[[ALL:.*]] = arith.addf %[[MORE]], %[[RESTS]]
// CHECK:             vector.store %[[ALL]], %[[TOTALS]][%[[J]]]
func.func @streams_of_rows(%x: memref<?x64xf32>, %n: memref<64xf64>, %m: memref<64xf64>, %s: memref<64xf64>) {
  norma.moments kept [1] ins(%x : memref<?x64xf32>)
      outs(%n, %m, %s : memref<64xf64>, memref<64xf64>, memref<64xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 2, group = 4, accumulate = f32, streams = 4>}
  return
}

// -----

// More than two vectors of several rows are a long loop: a code generator does well to load early.

// CHECK-LABEL: func @long_loops
// CHECK-SAME:    attributes {norma.loads_early}
func.func @long_loops(%x: memref<?x64xf32>, %n: memref<64xf64>, %m: memref<64xf64>, %s: memref<64xf64>) {
  norma.moments kept [1] ins(%x : memref<?x64xf32>)
      outs(%n, %m, %s : memref<64xf64>, memref<64xf64>, memref<64xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 4, group = 4, accumulate = f32, streams = 4>}
  return
}

// -----

// Rows that are one step keep their sums in registers for as many as the group has of each.

// CHECK-LABEL: func @groups_of_streams
// CHECK:         %[[PART:.*]] = arith.divui %{{.*}}, %c2
// CHECK:         scf.for %[[MOST:.*]] = %c0 to %{{.*}} step %c128
// CHECK:           scf.for %[[G:.*]] = %[[MOST]] to %{{.*}} step %c16 {
// CHECK:             scf.for %[[R:.*]] = %[[G]] to %{{.*}} step %c1 iter_args
// CHECK:               vector.load %arg0[%[[R]], %c0]
// CHECK:               %[[OTHER:.*]] = arith.addi %[[R]], %[[PART]]
// CHECK:               vector.load %arg0[%[[OTHER]], %c0]
// CHECK-NOT:           vector.load
// CHECK:               scf.yield
func.func @groups_of_streams(%x: memref<?x16xf32>, %n: memref<16xf64>, %m: memref<16xf64>, %s: memref<16xf64>) {
  norma.moments kept [1] ins(%x : memref<?x16xf32>)
      outs(%n, %m, %s : memref<16xf64>, memref<16xf64>, memref<16xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 1, group = 32, accumulate = f32, streams = 2>}
  return
}

// -----

// Lines go side by side like rows.

// CHECK-LABEL: func @streams_of_lines
// CHECK:         %[[LINES:.*]] = arith.divui %{{.*}}, %c48
// CHECK:         %[[PART:.*]] = arith.divui %[[LINES]], %c2
// CHECK:         scf.for %{{.*}} = %c0 to %{{.*}} step %c26
// CHECK:           scf.for %[[L:.*]] =
// CHECK:             vector.load %[[FLAT:reinterpret_cast.*]][%[[L]], %c0]
// CHECK:             vector.load %[[FLAT]][%[[L]], %c16]
// CHECK:             vector.load %[[FLAT]][%[[L]], %c32]
// CHECK:             %[[OTHER:.*]] = arith.addi %[[L]], %[[PART]]
// CHECK:             vector.load %[[FLAT]][%[[OTHER]], %c0]
// CHECK:             vector.load %[[FLAT]][%[[OTHER]], %c16]
// CHECK:             vector.load %[[FLAT]][%[[OTHER]], %c32]
// CHECK-NOT:         vector.load %[[FLAT]]
// CHECK:           arith.extf
func.func @streams_of_lines(%x: memref<?x3xf32>, %n: memref<3xf64>, %m: memref<3xf64>, %s: memref<3xf64>) {
  norma.moments kept [1] ins(%x : memref<?x3xf32>)
      outs(%n, %m, %s : memref<3xf64>, memref<3xf64>, memref<3xf64>)
      {schedule = #norma.schedule<flat, vector = 16, unroll = 3, group = 2, line = 48, accumulate = f32, streams = 2>}
  return
}

// -----

// Four runs side by side, each a stream of reads, of as many parts of the kept indices. Behind the last kept
// index they are that once more, and what they give is not added: the lanes of short runs are stored again, the
// totals of long ones are left.

// CHECK-LABEL: func @streams_of_short_runs
// CHECK:         %[[LAST:.*]] = arith.constant 65 : index
// CHECK:         %[[UP:.*]] = arith.addi %{{.*}}, %c3
// CHECK:         %[[PART:.*]] = arith.divui %[[UP]], %c4
// CHECK:         scf.for %[[K:.*]] = %{{.*}} to %[[END:.*]] step %c1
// CHECK:           arith.addi %[[K]], %[[PART]]
// CHECK:           %[[K3:.*]] = arith.minui
// CHECK:           vector.load %arg0[%[[K]], %c0]
// CHECK:           scf.for %[[I:.*]] = %c0 to %c96 step %c32
// CHECK:             vector.load %arg0[%[[K]], %[[I]]]
// CHECK:             vector.load %arg0[%[[K]], %{{.*}}]
// CHECK-COUNT-6:     vector.load %arg0[%{{.*}}]
// CHECK-NOT:         vector.load
// CHECK:             scf.yield
// CHECK-COUNT-4:   vector.maskedload
// CHECK-COUNT-8:   vector.store %{{.*}}, %{{.*}} : memref<2x64x16xf32>
func.func @streams_of_short_runs(%x: memref<65x100xf32>, %n: memref<65xf64>, %m: memref<65xf64>, %s: memref<65xf64>) {
  norma.moments kept [0] ins(%x : memref<65x100xf32>)
      outs(%n, %m, %s : memref<65xf64>, memref<65xf64>, memref<65xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 2, group = 32, accumulate = f32, streams = 4>}
  return
}

// Very short runs of two samples, each with loads of its own; samples that are left over go in a loop.

// CHECK-LABEL: func @streams_of_samples
// CHECK:         %[[ODD:.*]] = arith.remui %[[SAMPLES:.*]], %c2
// CHECK:         %[[PAIRS:.*]] = arith.subi %[[SAMPLES]], %[[ODD]]
// CHECK:         scf.for %[[N:.*]] = %c0 to %[[PAIRS]] step %c2
// CHECK:           scf.for %[[K:.*]] = %c0 to %c5 step %c1
// CHECK:             vector.load %arg0[%[[N]], %[[K]], %c0]
// CHECK:             vector.maskedload %arg0[%[[N]], %[[K]], %c16]
// CHECK:             %[[OTHER:.*]] = arith.addi %[[N]], %c1
// CHECK:             vector.load %arg0[%[[OTHER]], %[[K]], %c0]
// CHECK:             vector.maskedload %arg0[%[[OTHER]], %[[K]], %c16]
// CHECK-NOT:         %arg0
// CHECK-COUNT-2:     memref.store
// CHECK:         scf.for %[[BEGIN:.*]] = %[[PAIRS]] to %{{.*}} step %c16
// CHECK:           scf.for %[[K:.*]] = %c0 to %c5 step %c1
// CHECK:             scf.for %[[S:.*]] = %[[BEGIN]] to %{{.*}} step %c1 iter_args
// CHECK:               vector.load %arg0[%[[S]], %[[K]], %c0]
func.func @streams_of_samples(%x: memref<?x5x20xf32>, %n: memref<5xf64>, %m: memref<5xf64>, %s: memref<5xf64>) {
  norma.moments kept [1] ins(%x : memref<?x5x20xf32>)
      outs(%n, %m, %s : memref<5xf64>, memref<5xf64>, memref<5xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 1, group = 32, accumulate = f32, streams = 2>}
  return
}

// A vector of each half goes beside one of the other, and what parts leave is added at the end.

// CHECK-LABEL: func @parts_of_a_run
// CHECK:         scf.for %[[N:.*]] = %c0 to %dim
// CHECK:           scf.for %[[K:.*]] = %c0 to %c5 step %c1
// CHECK:             scf.for %[[GROUP:.*]] = %c0 to %c1568 step %c512
// CHECK:               scf.for %[[I:.*]] = %[[GROUP]] to %{{.*}} step %c16
// CHECK:                 vector.load %arg0[%[[N]], %[[K]], %[[I]]]
// CHECK:                 %[[J:.*]] = arith.addi %[[I]], %c1568
// CHECK:                 vector.load %arg0[%[[N]], %[[K]], %[[J]]]
// CHECK-NOT:             vector.load
// CHECK:                 scf.yield
// CHECK:             vector.maskedload %arg0[%[[N]], %[[K]], %c3136]
func.func @parts_of_a_run(%x: memref<?x5x3140xf32>, %n: memref<5xf64>, %m: memref<5xf64>, %s: memref<5xf64>) {
  norma.moments kept [1] ins(%x : memref<?x5x3140xf32>)
      outs(%n, %m, %s : memref<5xf64>, memref<5xf64>, memref<5xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 2, group = 32, accumulate = f32, parts = 2>}
  return
}

// CHECK-LABEL: func @streams_of_long_runs
// CHECK:         scf.for %[[N:.*]] = %c0 to
// CHECK:           scf.for %[[K:.*]] = %c0 to %c3 step %c1
// CHECK:             %[[NEXT:.*]] = arith.addi %[[K]], %c3
// CHECK:             %[[THERE:.*]] = arith.cmpi ult, %[[NEXT]], %c5
// CHECK:             %[[OTHER:.*]] = arith.minui %[[NEXT]], %c4
// CHECK:             scf.for {{.*}} step %c512
// CHECK:               scf.for %[[I:.*]] = {{.*}} step %c16
// CHECK:                 vector.load %arg0[%[[N]], %[[K]], %[[I]]]
// CHECK:                 vector.load %arg0[%[[N]], %[[OTHER]], %[[I]]]
// CHECK:             memref.store %{{.*}}, %{{.*}}[%[[K]]]
// CHECK:             scf.if %[[THERE]]
// CHECK:               memref.store %{{.*}}, %{{.*}}[%[[OTHER]]]
func.func @streams_of_long_runs(%x: memref<?x5x3136xf32>, %n: memref<5xf64>, %m: memref<5xf64>, %s: memref<5xf64>) {
  norma.moments kept [1] ins(%x : memref<?x5x3136xf32>)
      outs(%n, %m, %s : memref<5xf64>, memref<5xf64>, memref<5xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 1, group = 32, accumulate = f32, streams = 2>}
  return
}

// -----

// Of a block of kept indices, whose samples lie apart, two samples go side by side; of one that is left over the
// halves of its run, in the same loop. What these leave is added at the end.

// CHECK-LABEL: func @samples_of_a_block
// CHECK:         %[[SAMPLES:.*]] = memref.dim %arg0, %c0
// CHECK:         %[[PAIRS:.*]] = arith.divui %[[SAMPLES]], %c2
// CHECK:         scf.for %[[G:.*]] = %c0 to
// CHECK:           %[[BOTH:.*]] = arith.cmpi ult, %[[G]], %[[PAIRS]]
// CHECK:           %[[SAMPLE:.*]] = arith.select %[[BOTH]]
// CHECK:           %[[NEXT:.*]] = arith.select %[[BOTH]], %c1, %c0
// CHECK:           %[[HALF:.*]] = arith.select %[[BOTH]], %c0, %c384
// CHECK:           %[[LENGTH:.*]] = arith.select %[[BOTH]], %c784, %c384
// CHECK:           scf.for %[[K:.*]] = %c0 to %c3 step %c1
// CHECK:             scf.for %[[GROUP:.*]] = %c0 to %[[LENGTH]] step %c512
// CHECK:               scf.for %[[I:.*]] = %[[GROUP]] to %{{.*}} step %c16
// CHECK:                 vector.load %arg0[%[[SAMPLE]], %[[K]], %[[I]]]
// CHECK:                 %[[S:.*]] = arith.addi %[[SAMPLE]], %[[NEXT]]
// CHECK:                 %[[J:.*]] = arith.addi %[[I]], %[[HALF]]
// CHECK:                 vector.load %arg0[%[[S]], %[[K]], %[[J]]]
// CHECK-NOT:             vector.load
// CHECK:                 scf.yield
// CHECK:             %[[REST:.*]] = arith.select %[[BOTH]], %c784, %c768
// CHECK:             scf.for %{{.*}} = %[[REST]] to %c784 step %c16
// CHECK:               vector.load %arg0[%[[SAMPLE]], %[[K]]
func.func @samples_of_a_block(%x: memref<?x3x784xf32, strided<[?, 784, 1]>>, %n: memref<3xf64>, %m: memref<3xf64>,
                              %s: memref<3xf64>) {
  norma.moments kept [1] ins(%x : memref<?x3x784xf32, strided<[?, 784, 1]>>)
      outs(%n, %m, %s : memref<3xf64>, memref<3xf64>, memref<3xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 2, group = 32, accumulate = f32, streams = 2>}
  return
}
