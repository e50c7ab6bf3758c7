// RUN: norma-opt %s --convert-norma-to-loops --canonicalize --cse --split-input-file | FileCheck %s

// Rows of 32: no tail. The pivots come from samples spread over the rows; groups of rows are
// summed in f32 around them and added to the f64 totals; what looks inaccurate is marked.

// CHECK-LABEL: func @rows
// CHECK-SAME:    (%[[X:.*]]: memref<?x32xf32>, %[[N:.*]]: memref<32xf64>, %[[M:.*]]: memref<32xf64>, %[[S:.*]]: memref<32xf64>)
// Pivots, and totals of zero, in memory that is padded for any vector.
// CHECK-NOT:     scf.if
// CHECK:         scf.for %[[J:.*]] = %c0 to %c32 step %c16
// CHECK:           %[[ORIGIN:.*]] = vector.load %[[X]][%c0, %[[J]]]
// From one to the next they are an element further apart, if there are enough. Fewer rows than
// samples are one apart, and gone through again.
// CHECK:           %[[MANY:.*]] = arith.divui %[[ROWS:.*]], %c64
// CHECK:           %[[FURTHER:.*]] = arith.minui %[[MANY]], %c1
// CHECK:           %[[SHORTER:.*]] = arith.muli %[[FURTHER]], %c4
// CHECK:           %[[EACH:.*]] = arith.divui %[[ROWS]], %c8
// CHECK:           %[[LESS:.*]] = arith.subi %[[EACH]], %[[SHORTER]]
// CHECK:           %[[ARE_FEW:.*]] = arith.cmpi ult, %[[ROWS]], %c8
// CHECK:           %[[LEAST:.*]] = arith.select %[[ARE_FEW]], %c1, %[[LESS]]
// CHECK:           %[[STEP:.*]] = arith.addi %[[LEAST]], %[[FURTHER]]
// CHECK:           %[[IS_WITHIN:.*]] = arith.cmpi ult, %[[STEP]], %[[ROWS]]
// CHECK:           %[[PLACE:.*]] = arith.select %[[IS_WITHIN]], %[[STEP]], %c0
// CHECK:           %[[SECOND_VALUE:.*]] = vector.load %[[X]][%[[PLACE]], %[[J]]]
// CHECK:           %[[SUM:.*]] = arith.subf %[[SECOND_VALUE]], %[[ORIGIN]]
// CHECK:           %[[LONGER:.*]] = arith.addi %[[STEP]], %[[FURTHER]]
// CHECK:           %[[NEXT:.*]] = arith.addi %[[PLACE]], %[[LONGER]]
// CHECK:           %[[NEXT_PLACE:.*]] = arith.select %{{.*}}, %[[NEXT]], %c0
// CHECK:           %[[VALUE:.*]] = vector.load %[[X]][%[[NEXT_PLACE]], %[[J]]]
// CHECK:           %[[DEVIATION:.*]] = arith.subf %[[VALUE]], %[[ORIGIN]]
// CHECK:           arith.addf %[[SUM]], %[[DEVIATION]]
// CHECK-COUNT-5:   vector.load %[[X]]
// CHECK-NOT:       vector.load %[[X]]
// CHECK:           vector.store %{{.*}}, %[[PIVOTS:.*]][%[[J]]] : memref<47xf32>, vector<16xf32>
// CHECK:           vector.store %{{.*}}, %[[FIRST:.*]][%[[J]]] : memref<47xf64>, vector<16xf64>
// CHECK:           vector.store %{{.*}}, %[[SECOND:.*]][%[[J]]] : memref<47xf64>, vector<16xf64>
// Totals: two vectors of a row abreast, each with sums of its own. Those of eight groups are added
// up, before they are added to the totals.
// CHECK:           scf.for %[[J:.*]] = %c0 to %c32 step %c16
// CHECK:             vector.store %{{.*}}, %[[FIRSTS:.*]][%[[J]]] : memref<47xf32>, vector<16xf32>
// CHECK:             vector.store %{{.*}}, %[[SECONDS:.*]][%[[J]]] : memref<47xf32>, vector<16xf32>
// CHECK:           scf.for %[[MOST:.*]] = %c0 to %{{.*}} step %c512
// CHECK:           scf.for %[[R:.*]] = %[[MOST]] to %{{.*}} step %c64
// CHECK:             vector.load %[[PIVOTS]][%c0]
// CHECK:             vector.load %[[PIVOTS]][%c16]
// CHECK:             scf.for %[[ROW:.*]] = %[[R]] to {{.*}} iter_args
// CHECK:               vector.load %[[X]][%[[ROW]], %c0]
// CHECK:               vector.fma {{.*}} : vector<16xf32>
// CHECK:               vector.load %[[X]][%[[ROW]], %c16]
// CHECK:               vector.fma {{.*}} : vector<16xf32>
// CHECK-NOT:           vector.fma
// CHECK:               scf.yield
// CHECK-NOT:         arith.extf
// CHECK:             %[[BEFORE:.*]] = vector.load %[[FIRSTS]][%c0]
// CHECK:             %[[SUM:.*]] = arith.addf %[[BEFORE]], %{{.*}} : vector<16xf32>
// CHECK:             vector.store %[[SUM]], %[[FIRSTS]][%c0]
// CHECK:             vector.store %{{.*}}, %[[SECONDS]][%c0]
// CHECK:             vector.store %{{.*}}, %[[FIRSTS]][%c16]
// CHECK:             vector.store %{{.*}}, %[[SECONDS]][%c16]
// CHECK:           scf.for %[[K:.*]] = %c0 to %c32 step %c8
// CHECK:               vector.load %[[FIRSTS]][%[[K]]]
// CHECK:               arith.extf %{{.*}} : vector<8xf32> to vector<8xf64>
// CHECK:               vector.store %cst{{.*}}, %[[FIRSTS]][%[[K]]]
// CHECK:               vector.store %cst{{.*}}, %[[SECONDS]][%[[K]]]
// CHECK:               vector.store %{{.*}}, %[[FIRST]][%[[K]]]
// CHECK:               vector.store %{{.*}}, %[[SECOND]][%[[K]]]
// Finish.
// CHECK:             scf.for %[[K:.*]] = %c0 to %c32 step %c8
// The reciprocal of the count is the same for all: what it leaves is made good.
// CHECK:               %[[EACH:.*]] = arith.divf %{{.*}} : vector<8xf64>
// CHECK:               %[[NEAR:.*]] = arith.mulf %[[SUM:.*]], %[[EACH]]
// CHECK:               %[[REST:.*]] = vector.fma %[[NEAR]], %{{.*}}, %[[SUM]]
// CHECK:               %[[SHIFT:.*]] = vector.fma %[[REST]], %[[EACH]], %[[NEAR]]
// CHECK:               %[[CORRECTION:.*]] = arith.mulf %[[SUM]], %[[SHIFT]]
// CHECK:               %[[M2:.*]] = arith.subf %{{.*}}, %[[CORRECTION]]
// CHECK:               %[[NEGATIVE:.*]] = arith.cmpf ogt, %[[NONE:.*]], %[[M2]] : vector<8xf64>
// CHECK:               %[[SQUARES:.*]] = arith.select %[[NEGATIVE]], %[[NONE]], %[[M2]]
// Small squares are marked by their sign, inaccurate ones by -1: of few elements, from a pivot two variances off.
// CHECK:               %[[FEW:.*]] = arith.cmpf ole, %{{.*}}, %cst{{.*}} : vector<8xf64>
// CHECK:               %[[MOST:.*]] = arith.select %[[FEW]], %cst{{.*}}, %cst{{.*}} : vector<8xi1>, vector<8xf64>
// CHECK:               %[[MINUS_CORRECTION:.*]] = arith.subf %cst{{.*}}, %[[CORRECTION]]
// CHECK:               %[[MARGIN:.*]] = vector.fma %[[MOST]], %[[SQUARES]], %[[MINUS_CORRECTION]]
// A number that is not negative, as one comparison of bits.
// CHECK:               %[[BITS:.*]] = arith.bitcast %[[MARGIN]] : vector<8xf64> to vector<8xi64>
// CHECK:               %[[GOOD:.*]] = arith.cmpi ult, %[[BITS]], %cst{{.*}} : vector<8xi64>
// CHECK:               arith.cmpf ogt
// CHECK:               arith.cmpf ole
// CHECK:               %[[MINUS:.*]] = arith.subf %cst{{.*}}, %[[SQUARES]]
// CHECK:               %[[SIGNED:.*]] = arith.select %{{.*}}, %[[SQUARES]], %[[MINUS]]
// CHECK:               %[[MARKED:.*]] = arith.select %[[GOOD]], %[[SIGNED]], %cst{{.*}}
// CHECK:               vector.store %{{.*}}, %[[N]][%[[K]]]
// CHECK:               vector.store %{{.*}}, %[[M]][%[[K]]]
// CHECK:               vector.store %[[MARKED]], %[[S]][%[[K]]]
// CHECK-NOT:         vector.fma
// CHECK:         return
func.func @rows(%x: memref<?x32xf32>, %n: memref<32xf64>, %m: memref<32xf64>, %s: memref<32xf64>) {
  norma.moments kept [1] ins(%x : memref<?x32xf32>)
      outs(%n, %m, %s : memref<32xf64>, memref<32xf64>, memref<32xf64>)
      {part = #norma<part fast>,
       schedule = #norma.schedule<rows, vector = 16, unroll = 2, group = 64, accumulate = f32>}
  return
}

// -----

// What is marked is done again in f64, in vectors that a register holds: twice, around the means
// that there are.

// CHECK-LABEL: func @exact_rows
// CHECK-SAME:    (%[[X:.*]]: memref<?x32xf32>, %[[N:.*]]: memref<32xf64>, %[[M:.*]]: memref<32xf64>, %[[S:.*]]: memref<32xf64>)
// CHECK:         scf.for %{{.*}} = %c0 to %c2 step %c1
// CHECK:           %[[MEAN:.*]] = vector.load %[[M]]{{.*}} vector<8xf64>
// CHECK:           %[[FINITE:.*]] = arith.select %{{.*}}, %[[MEAN]]
// CHECK:           vector.store %[[FINITE]], %[[PIVOTS:.*]][%{{.*}}] : memref<47xf64>, vector<8xf64>
// CHECK:           vector.load %[[PIVOTS]]{{.*}} vector<8xf64>
// CHECK:           vector.fma %{{.*}} : vector<8xf64>
// CHECK:           arith.divf %{{.*}} : vector<8xf64>
// CHECK:           vector.store %{{.*}}, %[[N]]
// CHECK:           vector.store %{{.*}}, %[[M]]
// CHECK:           vector.store %{{.*}}, %[[S]]
// CHECK-NOT:     vector<16xf32>
// CHECK:         return
func.func @exact_rows(%x: memref<?x32xf32>, %n: memref<32xf64>, %m: memref<32xf64>, %s: memref<32xf64>) {
  norma.moments kept [1] ins(%x : memref<?x32xf32>)
      outs(%n, %m, %s : memref<32xf64>, memref<32xf64>, memref<32xf64>)
      {part = #norma<part exact>,
       schedule = #norma.schedule<rows, vector = 16, unroll = 2, group = 64, accumulate = f32>}
  return
}

// -----

// Bytes, too, which no other part would ask for.

// CHECK-LABEL: func @exact_bytes
// CHECK-NOT:     muli {{.*}}vector
// CHECK:         arith.uitofp %{{.*}} : vector<8xi8> to vector<8xf64>
// CHECK:         vector.fma %{{.*}} : vector<8xf64>
// CHECK-NOT:     math.roundeven
// CHECK:         return
func.func @exact_bytes(%x: memref<?x32xi8>, %n: memref<32xf64>, %m: memref<32xf64>, %s: memref<32xf64>) {
  norma.moments kept [1] ins(%x : memref<?x32xi8>) unsigned
      outs(%n, %m, %s : memref<32xf64>, memref<32xf64>, memref<32xf64>)
      {part = #norma<part exact>,
       schedule = #norma.schedule<rows, vector = 16, unroll = 2, group = 64, accumulate = i32>}
  return
}

// -----

// Both, where nothing is said: the second where a kept index is marked.

// CHECK-LABEL: func @all_rows
// CHECK:         vector.fma {{.*}} : vector<16xf32>
// CHECK:         %[[M2:.*]] = vector.load %arg3[%{{.*}}] : memref<32xf64>, vector<8xf64>
// CHECK:         arith.cmpf olt, %[[M2]]
// CHECK:         vector.reduction <add>
// CHECK:         %[[ANY:.*]] = arith.cmpf une
// CHECK:         scf.if %[[ANY]]
// CHECK:           scf.for %{{.*}} = %c0 to %c2 step %c1
// CHECK:             vector.fma %{{.*}} : vector<8xf64>
func.func @all_rows(%x: memref<?x32xf32>, %n: memref<32xf64>, %m: memref<32xf64>, %s: memref<32xf64>) {
  norma.moments kept [1] ins(%x : memref<?x32xf32>)
      outs(%n, %m, %s : memref<32xf64>, memref<32xf64>, memref<32xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 2, group = 64, accumulate = f32>}
  return
}

// -----

// Bytes are summed as integers: no pivots, and nothing to repair. The finish goes to sums around
// the rounded mean.

// CHECK-LABEL: func @bytes
// CHECK-NOT:     vector.load %arg0
// CHECK:         scf.for {{.*}} iter_args
// CHECK:           vector.load %arg0{{.*}} : memref<?x16xi8>, vector<16xi8>
// CHECK:           %[[X:.*]] = arith.extui %{{.*}} : vector<16xi8> to vector<16xi32>
// CHECK:           arith.addi %{{.*}}, %[[X]] : vector<16xi32>
// CHECK:           %[[SQUARE:.*]] = arith.muli %[[X]], %[[X]] : vector<16xi32>
// CHECK:           arith.addi %{{.*}}, %[[SQUARE]] : vector<16xi32>
// CHECK:           scf.yield
// CHECK:         arith.sitofp %{{.*}} : vector<8xi32> to vector<8xf64>
// CHECK-NOT:     vector.load %arg0
// CHECK:         %[[N:.*]] = vector.broadcast %{{.*}} : f64 to vector<8xf64>
// CHECK:         %[[FIRST:.*]] = vector.load %{{.*}} vector<8xf64>
// CHECK:         %[[EACH:.*]] = arith.divf %{{.*}}, %[[N]] : vector<8xf64>
// CHECK:         %[[NEAR:.*]] = arith.mulf %[[FIRST]], %[[EACH]]
// CHECK:         %[[MEAN:.*]] = vector.fma %{{.*}}, %[[EACH]], %[[NEAR]]
// CHECK:         %[[PIVOT:.*]] = math.roundeven %[[MEAN]]
// CHECK:         %[[ALL:.*]] = arith.mulf %[[N]], %[[PIVOT]]
// CHECK:         arith.subf %[[FIRST]], %[[ALL]]
// CHECK-NOT:     vector.load %arg0
// CHECK-NOT:     arith.cmpf ole
// CHECK:         return
func.func @bytes(%x: memref<?x16xi8>, %n: memref<16xf64>, %m: memref<16xf64>, %s: memref<16xf64>) {
  norma.moments kept [1] ins(%x : memref<?x16xi8>) unsigned
      outs(%n, %m, %s : memref<16xf64>, memref<16xf64>, memref<16xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 4, group = 256, accumulate = i32>}
  return
}

// -----

// Signed ones of a run: lanes and halves of lanes are added as integers, too.

// CHECK-LABEL: func @signed_run
// CHECK:         arith.extsi %{{.*}} : vector<16xi8> to vector<16xi32>
// CHECK:         arith.addi %{{.*}} : vector<8xi32>
// CHECK:         arith.sitofp %{{.*}} : vector<8xi32> to vector<8xf64>
// CHECK:         vector.reduction <add>
// CHECK:         return
func.func @signed_run(%x: memref<?xi8>, %n: memref<f64>, %m: memref<f64>, %s: memref<f64>) {
  norma.moments kept [] ins(%x : memref<?xi8>) outs(%n, %m, %s : memref<f64>, memref<f64>, memref<f64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 4, group = 256, accumulate = i32>}
  return
}

// -----

// What a mask leaves out is no element: counts are integers, too.

// CHECK-LABEL: func @masked_bytes
// CHECK:         %[[COUNTS:.*]] = arith.select %{{.*}} : vector<16xi1>, vector<16xi32>
// CHECK:         arith.addi %{{.*}}, %[[COUNTS]] : vector<16xi32>
// CHECK:         return
func.func @masked_bytes(%x: memref<?x16xi8>, %mask: memref<?x1xi8>, %n: memref<16xf64>,
                        %m: memref<16xf64>, %s: memref<16xf64>) {
  norma.moments kept [1] ins(%x : memref<?x16xi8>) unsigned mask(%mask : memref<?x1xi8>)
      outs(%n, %m, %s : memref<16xf64>, memref<16xf64>, memref<16xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 4, group = 256, accumulate = i32>}
  return
}

// -----

// Runs: vectors along the reduced axis, one kept index a run, one sum over lanes at its end, of the
// f32 lanes' halves. The samples of a pivot are four short vectors, from the beginning of a run to its end,
// whose sum is had in every lane.

// CHECK-LABEL: func @runs
// CHECK:         scf.for %[[J:.*]] = %c0 to %c3
// CHECK:           %[[A:.*]] = vector.load %arg0[%c0, %[[J]], %c0] : memref<?x3x3136xf32>, vector<4xf32>
// CHECK:           %[[B:.*]] = vector.load %arg0[%{{.*}}, %[[J]], %c3132]
// CHECK-COUNT-2:   vector.load %arg0[%{{.*}}, %[[J]], %{{.*}}]
// CHECK:           arith.addf %[[A]], %[[B]]
// CHECK:           arith.addf
// CHECK:           %[[ALL:.*]] = arith.addf
// CHECK:           %[[ACROSS:.*]] = vector.shuffle %[[ALL]], %[[ALL]] [2, 3, 0, 1]
// CHECK:           %[[HALVES:.*]] = arith.addf %[[ALL]], %[[ACROSS]]
// CHECK:           vector.shuffle %[[HALVES]], %[[HALVES]] [1, 0, 3, 2]
// CHECK:           vector.extract
// CHECK:           memref.store %{{.*}}, %[[PIVOTS:.*]][%[[J]]] : memref<18xf32>
// CHECK:         scf.for %[[N:.*]] = %c0 to
// CHECK:           scf.for %[[K:.*]] = %c0 to %c3
// CHECK:             %[[P:.*]] = memref.load %[[PIVOTS]][%[[K]]]
// CHECK:             vector.broadcast
// CHECK:             vector.fma
// CHECK:             vector.shuffle {{.*}} [8, 9, 10, 11, 12, 13, 14, 15]
// CHECK:             arith.extf %{{.*}} : vector<8xf32> to vector<8xf64>
// CHECK:             vector.reduction <add>, %{{.*}} fastmath<reassoc> : vector<8xf64> into f64
// CHECK:             memref.store %{{.*}}[%[[K]]] : memref<18xf64>
func.func @runs(%x: memref<?x3x3136xf32>, %n: memref<3xf64>, %m: memref<3xf64>, %s: memref<3xf64>) {
  norma.moments kept [1] ins(%x : memref<?x3x3136xf32>)
      outs(%n, %m, %s : memref<3xf64>, memref<3xf64>, memref<3xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 4, group = 32, accumulate = f32>}
  return
}

// -----

// Short runs: those of 32 / (1 step + 1 tail) samples are one group, with one sum over lanes, of eight kept indices of
// a strip at once.

// CHECK-LABEL: func @short_runs
// CHECK:         scf.for %[[N:.*]] = %c0 to %{{.*}} step %c16
// CHECK:           scf.for %[[FIRST:.*]] = %c0 to %c64 step %c16
// CHECK:             scf.for %[[K:.*]] = %[[FIRST]] to %[[END:.*]] step %c1
// CHECK:               %[[SUMS:.*]]:6 = scf.for %[[I:.*]] = %[[N]] to
// CHECK:                 vector.load %arg0[%[[I]], %[[K]], %c0]
// CHECK:                 vector.load %arg0[%[[I]], %[[K]], %c16]
// CHECK:                 vector.load %arg0[%[[I]], %[[K]], %c32]
// CHECK:                 vector.maskedload %arg0[%[[I]], %[[K]], %c48]
// CHECK:                 scf.yield
// CHECK-COUNT-2:       vector.store {{.*}} : memref<2x16x16xf32>, vector<16xf32>
// CHECK:             scf.for %[[K:.*]] = %[[FIRST]] to %[[END]] step %c8
// CHECK:               scf.for %{{.*}} = %c0 to %c2
// CHECK-COUNT-16:        vector.load {{.*}} : memref<2x16x16xf32>, vector<8xf32>
// CHECK:               arith.extf %{{.*}} : vector<8xf32> to vector<8xf64>
// CHECK:               vector.store %{{.*}}[%[[K]]] : memref<79xf64>, vector<8xf64>
// CHECK:               arith.extf %{{.*}} : vector<8xf32> to vector<8xf64>
// CHECK:               vector.store %{{.*}}[%[[K]]] : memref<79xf64>, vector<8xf64>
func.func @short_runs(%x: memref<?x64x49xf32>, %n: memref<64xf64>, %m: memref<64xf64>, %s: memref<64xf64>) {
  norma.moments kept [1] ins(%x : memref<?x64x49xf32>)
      outs(%n, %m, %s : memref<64xf64>, memref<64xf64>, memref<64xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 3, group = 32, accumulate = f32>}
  return
}

// -----

// One run of every kept index: four vectors make a pivot, when it is read; sums begin with what is added first, and
// lanes are added up for eight kept indices at once, halves first, then in parts of 128 bits that are
// interleaved, then as wholes.

// CHECK-LABEL: func @one_run
// CHECK:         scf.for %[[FIRST:.*]] = %c0 to %c64 step %c16
// CHECK:         scf.for %[[K:.*]] = %[[FIRST]] to %[[END:.*]] step %c1
// CHECK:           %[[A:.*]] = vector.load %arg0[%[[K]], %c0] : memref<64x32xf32>, vector<4xf32>
// CHECK:           %[[B:.*]] = vector.load %arg0[%[[K]], %c9]
// CHECK:           vector.load %arg0[%[[K]], %c18]
// CHECK:           vector.load %arg0[%[[K]], %c28]
// CHECK:           arith.addf %[[A]], %[[B]]
// CHECK:           vector.shuffle {{.*}} [1, 0, 3, 2]
// CHECK:           %[[X:.*]] = vector.load %arg0[%[[K]], %c0]
// CHECK:           %[[DX:.*]] = arith.subf %[[X]]
// CHECK:           %[[DX2:.*]] = arith.mulf %[[DX]], %[[DX]]
// CHECK:           %[[Y:.*]] = vector.load %arg0[%[[K]], %c16]
// CHECK:           %[[DY:.*]] = arith.subf %[[Y]]
// CHECK:           %[[DY2:.*]] = arith.mulf %[[DY]], %[[DY]]
// CHECK:           %[[SUM:.*]] = arith.addf %[[DX]], %[[DY]]
// CHECK:           %[[SUM2:.*]] = arith.addf %[[DX2]], %[[DY2]]
// CHECK:           %[[AT:.*]] = arith.subi %[[K]], %[[FIRST]]
// CHECK:           vector.store %[[SUM]], %[[LANES:.*]][%c0, %[[AT]], %c0] : memref<2x16x16xf32>
// CHECK:           vector.store %[[SUM2]], %[[LANES]][%c1, %[[AT]], %c0]
// CHECK:         scf.for %[[K:.*]] = %[[FIRST]] to %[[END]] step %c8
// CHECK:           %[[AT:.*]] = arith.subi %[[K]], %[[FIRST]]
// CHECK:           scf.for %[[S:.*]] = %c0 to %c2
// CHECK:             %[[LOW:.*]] = vector.load %[[LANES]][%[[S]], %[[AT]], %c0]
// CHECK:             %[[HIGH:.*]] = vector.load %[[LANES]][%[[S]], %[[AT]], %c8]
// CHECK:             %[[FIRSTS:.*]] = arith.addf %[[LOW]], %[[HIGH]] : vector<8xf32>
// CHECK-COUNT-14:    vector.load %[[LANES]][%[[S]]
// CHECK:             vector.shuffle %[[FIRSTS]], %[[SECOND:.*]] [0, 8, 1, 9, 4, 12, 5, 13]
// CHECK:             vector.shuffle %[[FIRSTS]], %[[SECOND]] [2, 10, 3, 11, 6, 14, 7, 15]
// CHECK:             vector.shuffle {{.*}} [0, 1, 8, 9, 4, 5, 12, 13]
// CHECK:             vector.shuffle {{.*}} [2, 3, 10, 11, 6, 7, 14, 15]
// CHECK:             vector.shuffle {{.*}} [0, 1, 2, 3, 8, 9, 10, 11]
// CHECK:             vector.shuffle {{.*}} [4, 5, 6, 7, 12, 13, 14, 15]
// CHECK-NOT:         vector.shuffle
// CHECK:             vector.store %{{.*}}, %[[LANES]][%[[S]], %[[AT]], %c0]
// CHECK-COUNT-2:   arith.extf %{{.*}} : vector<8xf32> to vector<8xf64>
func.func @one_run(%x: memref<64x32xf32>, %n: memref<64xf64>, %m: memref<64xf64>, %s: memref<64xf64>) {
  norma.moments kept [0] ins(%x : memref<64x32xf32>)
      outs(%n, %m, %s : memref<64xf64>, memref<64xf64>, memref<64xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 2, group = 32, accumulate = f32>}
  return
}

// -----

// Runs that are shorter than what is sampled of others at a time are sampled by elements.

// CHECK-LABEL: func @shorter_than_a_sample
// CHECK:         scf.for %[[K:.*]] = %c0 to %c64 step %c1
// CHECK-NOT:       vector.load
// CHECK:           memref.load %arg0[%c0, %[[K]], %c0]
// CHECK:         scf.for %{{.*}} = %c0 to %c64 step %c1
func.func @shorter_than_a_sample(%x: memref<?x64x3xf32>, %n: memref<64xf64>, %m: memref<64xf64>, %s: memref<64xf64>) {
  norma.moments kept [1] ins(%x : memref<?x64x3xf32>)
      outs(%n, %m, %s : memref<64xf64>, memref<64xf64>, memref<64xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 1, group = 32, accumulate = f32>}
  return
}

// -----

// Those of rows that are gone through as lines need not be short runs of whole vectors.

// CHECK-LABEL: func @lines_of_runs
// CHECK:         scf.for %[[K:.*]] = %c0 to %c16 step %c1
// CHECK-COUNT-4:   vector.load %arg0[%{{.*}}, %[[K]], %{{.*}}]
// CHECK:           memref.store %{{.*}}, %[[PIVOTS:.*]][%[[K]]] : memref<31xf32>
// CHECK:         load %[[PIVOTS]]
func.func @lines_of_runs(%x: memref<?x16x30xf32>, %n: memref<16xf64>, %m: memref<16xf64>, %s: memref<16xf64>) {
  norma.moments kept [1] ins(%x : memref<?x16x30xf32>)
      outs(%n, %m, %s : memref<16xf64>, memref<16xf64>, memref<16xf64>)
      {schedule = #norma.schedule<flat, vector = 16, unroll = 4, group = 32, line = 480, accumulate = f32>}
  return
}

// -----

// i32 holds the squares of 33025 bytes: runs that are longer go to f64 by groups, and no more samples
// share a sum.

// CHECK-LABEL: func @most_bytes
// CHECK:         scf.for %{{.*}} = %c0 to %{{.*}} step %c41
func.func @most_bytes(%x: memref<?x64x800xi8>, %n: memref<64xf64>, %m: memref<64xf64>, %s: memref<64xf64>) {
  norma.moments kept [1] ins(%x : memref<?x64x800xi8>) unsigned
      outs(%n, %m, %s : memref<64xf64>, memref<64xf64>, memref<64xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 16, group = 1000, accumulate = i32>}
  return
}

// -----

// CHECK-LABEL: func @too_many_bytes
// CHECK:         vector.reduction <add>, %{{.*}} : vector<8xf64> into f64
func.func @too_many_bytes(%x: memref<?x64x33026xi8>, %n: memref<64xf64>, %m: memref<64xf64>, %s: memref<64xf64>) {
  norma.moments kept [1] ins(%x : memref<?x64x33026xi8>) unsigned
      outs(%n, %m, %s : memref<64xf64>, memref<64xf64>, memref<64xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 16, group = 1000, accumulate = i32>}
  return
}

// -----

// Flat: totals for every element of a line, folded to 13 features at the end. What whole steps
// leave of a line is a shorter one.

// CHECK-LABEL: func @flat
// CHECK:         scf.for %[[START:.*]] = %c0 to %c208 step %c13
// CHECK:           vector.store %{{.*}} : memref<223xf32>, vector<8xf32>
// CHECK:         %[[LINES:.*]] = memref.reinterpret_cast %arg0 to offset: [0], sizes: [%{{.*}}, 208], strides: [208, 1]
// CHECK:         scf.for %[[J:.*]] = %c0 to %c192 step %c64
// CHECK:           vector.load %[[LINES]][%{{.*}}, %[[J]]]
// CHECK-NOT:       arith.extf
// CHECK:         vector.load %[[LINES]][%{{.*}}, %c192]
// CHECK:         scf.for %{{.*}} = %c0 to %c208 step %c8
// CHECK-COUNT-2:   arith.extf %{{.*}} : vector<8xf32> to vector<8xf64>
// CHECK-NOT:     arith.extf
// CHECK-NOT:     vector.maskedload %[[LINES]]
// CHECK:         %[[REST:.*]] = memref.reinterpret_cast %arg0 to offset: [%{{.*}}], sizes: [1, %{{.*}}], strides: [208, 1]
// CHECK:         vector.maskedload %[[REST]]
// CHECK:         scf.for %{{.*}} = %c0 to %c208 step %c13
// CHECK:           scf.for %[[K:.*]] = %c0 to %c13 step %c8
// CHECK:             vector.load %[[TOTAL:.*]][%[[K]]] : memref<28xf64>, vector<8xf64>
// CHECK:             arith.addf
// CHECK:             vector.store %{{.*}}, %[[TOTAL]][%[[K]]]
func.func @flat(%x: memref<?x13xf32>, %n: memref<13xf64>, %m: memref<13xf64>, %s: memref<13xf64>) {
  norma.moments kept [1] ins(%x : memref<?x13xf32>)
      outs(%n, %m, %s : memref<13xf64>, memref<13xf64>, memref<13xf64>)
      {schedule = #norma.schedule<flat, vector = 16, unroll = 4, group = 32, line = 208, accumulate = f32>}
  return
}

// -----

// A mask per row, weights per element, NaN left out: what does not count is selected away, never
// multiplied with zero.

// CHECK-LABEL: func @partial
// CHECK:         %[[MASK:.*]] = memref.load %arg1[%{{.*}}, %c0] : memref<?x1xi8>
// CHECK:         vector.load %arg2{{.*}} : memref<?x8xf64>
// CHECK:         arith.cmpf ord
// CHECK:         arith.select
func.func @partial(%x: memref<?x8xf32>, %mask: memref<?x1xi8>, %w: memref<?x8xf64>,
                   %n: memref<8xf64>, %m: memref<8xf64>, %s: memref<8xf64>) {
  norma.moments kept [1] ins(%x : memref<?x8xf32>) mask(%mask : memref<?x1xi8>)
      weights(%w : memref<?x8xf64>) outs(%n, %m, %s : memref<8xf64>, memref<8xf64>, memref<8xf64>)
      {nan = #norma<nan omit>,
       schedule = #norma.schedule<rows, vector = 8, unroll = 2, group = 32, accumulate = f64>}
  return
}

// -----

// Flat without a kept axis: one total for all of a line. The vectors of a long one are added up first.

// CHECK-LABEL: func @flat_all
// CHECK:         %[[M:.*]] = memref.reinterpret_cast %arg2 to offset: [0], sizes: [1]
// CHECK:         memref.reinterpret_cast %arg0 to offset: [0], sizes: [%{{.*}}, 160], strides: [160, 1]
// CHECK:         scf.for %[[PERIOD:.*]] = %c16 to %c160 step %c16
// CHECK:           scf.for %[[I:.*]] = %c0 to %c16 step %c8
// CHECK:             %[[LATER:.*]] = arith.addi %[[PERIOD]], %[[I]]
// CHECK:             vector.load %[[LINE:.*]][%[[LATER]]] : memref<175xf64>, vector<8xf64>
// CHECK:             vector.load %[[LINE]][%[[I]]] : memref<175xf64>, vector<8xf64>
// CHECK:             vector.store %{{.*}}, %[[LINE]][%[[I]]]
// CHECK:         scf.for %[[I:.*]] = %c0 to %c16 step %c1 {
// CHECK:           memref.load %{{.*}}[%[[I]]] : memref<175xf64>
// CHECK:           memref.load %[[WHOLE:.*]][%c0] : memref<16xf64>
// CHECK:           arith.addf
// CHECK:           memref.store %{{.*}}, %[[WHOLE]][%c0]
// CHECK:         vector.maskedstore %[[M]][%c0]
func.func @flat_all(%x: memref<?xf32>, %n: memref<f64>, %m: memref<f64>, %s: memref<f64>) {
  norma.moments kept [] ins(%x : memref<?xf32>)
      outs(%n, %m, %s : memref<f64>, memref<f64>, memref<f64>)
      {schedule = #norma.schedule<flat, vector = 16, unroll = 4, group = 32, line = 160, accumulate = f32>}
  return
}

// -----

// Pivots of 16-bit data have 16 bits, so that deviations are exact.

// CHECK-LABEL: func @half
// CHECK:         %[[COARSE:.*]] = arith.truncf %{{.*}} : vector<16xf32> to vector<16xf16>
// CHECK:         arith.extf %[[COARSE]] : vector<16xf16> to vector<16xf32>
// CHECK:         vector.store %{{.*}} : memref<31xf32>, vector<16xf32>
func.func @half(%x: memref<?x16xf16>, %n: memref<16xf64>, %m: memref<16xf64>, %s: memref<16xf64>) {
  norma.moments kept [1] ins(%x : memref<?x16xf16>)
      outs(%n, %m, %s : memref<16xf64>, memref<16xf64>, memref<16xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 1, group = 32, accumulate = f32>}
  return
}

// -----

// Data from memory: what is read a group later is asked for, one vector of each cache line.

// CHECK-LABEL: func @prefetched_rows
// CHECK:         step %c256
// CHECK:         scf.for %[[R:.*]] = %{{.*}} iter_args
// CHECK:           memref.prefetch %arg0[%[[R]], %c2048], read, locality<3>, data : memref<?x64xf32>
// CHECK:           vector.load %arg0[%[[R]], %c0]
// CHECK:           memref.prefetch %arg0[%[[R]], %c2064], read, locality<3>, data : memref<?x64xf32>
// CHECK:           vector.load %arg0[%[[R]], %c16]
// CHECK-COUNT-2:   memref.prefetch
// CHECK:           scf.yield
// What is done again takes its time.
// CHECK-NOT:     memref.prefetch
// CHECK:         vector.fma {{.*}} : vector<8xf64>
// CHECK-NOT:     memref.prefetch
func.func @prefetched_rows(%x: memref<?x64xf32>, %n: memref<64xf64>, %m: memref<64xf64>, %s: memref<64xf64>) {
  norma.moments kept [1] ins(%x : memref<?x64xf32>)
      outs(%n, %m, %s : memref<64xf64>, memref<64xf64>, memref<64xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 4, group = 32, accumulate = f32, prefetch = 2048>}
  return
}

// -----

// More than a part of a first level waits in the second.

// CHECK-LABEL: func @prefetched_far
// CHECK:         memref.prefetch {{.*}}, read, locality<2>
// CHECK-LABEL: func @prefetched_streams
// CHECK:         memref.prefetch {{.*}}, read, locality<2>
func.func @prefetched_far(%x: memref<?x64xf32>, %n: memref<64xf64>, %m: memref<64xf64>, %s: memref<64xf64>) {
  norma.moments kept [1] ins(%x : memref<?x64xf32>)
      outs(%n, %m, %s : memref<64xf64>, memref<64xf64>, memref<64xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 4, group = 32, accumulate = f32, prefetch = 4112>}
  return
}
func.func @prefetched_streams(%x: memref<?x64xf32>, %n: memref<64xf64>, %m: memref<64xf64>, %s: memref<64xf64>) {
  norma.moments kept [1] ins(%x : memref<?x64xf32>)
      outs(%n, %m, %s : memref<64xf64>, memref<64xf64>, memref<64xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 4, group = 4, accumulate = f32, prefetch = 1040, streams = 4>}
  return
}

// -----

// Four vectors of bytes are a cache line.

// CHECK-LABEL: func @prefetched_runs
// CHECK-COUNT-1: memref.prefetch %{{.*}} : memref<?x3x4096xi8>
// CHECK-NOT:     memref.prefetch
func.func @prefetched_runs(%x: memref<?x3x4096xi8>, %n: memref<3xf64>, %m: memref<3xf64>, %s: memref<3xf64>) {
  norma.moments kept [1] ins(%x : memref<?x3x4096xi8>)
      outs(%n, %m, %s : memref<3xf64>, memref<3xf64>, memref<3xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 4, group = 32, accumulate = f32, prefetch = 2048>}
  return
}

// -----

// Of a block of kept indices two rows ahead, at the same place; behind its last row those of the
// block beside it, which begins 96 elements further on.

// CHECK-LABEL: func @prefetched_block
// CHECK-SAME:    (%[[X:[^:]*]]:
// CHECK:         %[[ROWS:.*]] = memref.dim %[[X]], %c0
// CHECK:         scf.for %[[N:.*]] = %{{[^ ]*}} to %{{[^ ]*}} step %c1 iter_args
// CHECK:           %[[AHEAD:.*]] = arith.minui %[[ROWS]], %c2
// CHECK-NEXT:      %[[LATER:.*]] = arith.addi %[[N]], %[[AHEAD]]
// CHECK:           %[[IS_OF_THIS:.*]] = arith.cmpi ult, %[[LATER]], %[[ROWS]]
// CHECK:           %[[BESIDE:.*]] = arith.subi %[[LATER]], %[[ROWS]]
// CHECK:           %[[ROW:.*]] = arith.select %[[IS_OF_THIS]], %[[LATER]], %[[BESIDE]]
// CHECK:           %[[FURTHER:.*]] = arith.select %[[IS_OF_THIS]], %c0, %c96
// CHECK:           memref.prefetch %[[X]][%[[ROW]], %{{.*}}, %[[FURTHER]]], read, locality<3>
// CHECK-COUNT-2:   memref.prefetch %[[X]][%[[ROW]],
// CHECK-NOT:     memref.prefetch
func.func @prefetched_block(%x: memref<?x2x48xf32, strided<[?, 48, 1]>>, %n: memref<2xf64>, %m: memref<2xf64>,
                            %s: memref<2xf64>) {
  norma.moments kept [1] ins(%x : memref<?x2x48xf32, strided<[?, 48, 1]>>)
      outs(%n, %m, %s : memref<2xf64>, memref<2xf64>, memref<2xf64>)
      {schedule = #norma.schedule<runs, vector = 16, unroll = 3, group = 32, accumulate = f32, prefetch = 192>}
  return
}

// -----

// Columns that are no whole number of steps: the last begins early, and has its sums apart from those
// before, of which only the new ones are added to the totals.
// Nothing is sampled where there is no data.

// CHECK-LABEL: func @ragged
// CHECK:         scf.for %[[J:.*]] = %c0 to %c72 step %c32
// CHECK:           %[[FROM:.*]] = arith.minui %[[J]], %c40
// CHECK:           vector.load %arg0[%{{.*}}, %[[FROM]]]
// CHECK-NOT:       mask
// CHECK:           vector.store %{{.*}}, %[[SUMS:.*]][%[[J]]] : memref<111xf32>, vector<16xf32>
// CHECK:         scf.for %[[I:.*]] = %c0 to %c72 step %c8
// CHECK:           %[[APART:.*]] = arith.addi %[[I]], %c24
// CHECK:           %[[BEFORE:.*]] = arith.cmpi ult, %[[I]], %c64
// CHECK:           %[[AT:.*]] = arith.select %[[BEFORE]], %[[I]], %[[APART]]
// CHECK:           vector.load %[[SUMS]][%[[AT]]] : memref<111xf32>, vector<8xf32>
// CHECK:         } else {
// CHECK:           scf.for %[[K:.*]] = %c0 to %c72 step %c1
// CHECK:             memref.store %{{.*}}, %arg1[%[[K]]]
// CHECK:             memref.store %{{.*}}, %arg2[%[[K]]]
// CHECK:             memref.store %{{.*}}, %arg3[%[[K]]]
func.func @ragged(%x: memref<?x72xf32>, %n: memref<72xf64>, %m: memref<72xf64>, %s: memref<72xf64>) {
  norma.moments kept [1] ins(%x : memref<?x72xf32>)
      outs(%n, %m, %s : memref<72xf64>, memref<72xf64>, memref<72xf64>)
      {schedule = #norma.schedule<rows, vector = 16, unroll = 2, group = 32, accumulate = f32>}
  return
}
