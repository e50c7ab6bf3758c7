// RUN: norma-opt %s --convert-norma-loops-to-llvm --reconcile-unrealized-casts | FileCheck %s

// All dialects in one step; a C interface where it is asked for.
// CHECK-LABEL: llvm.func @row(
// CHECK-NOT: unrealized_conversion_cast
// CHECK: %[[AT:.*]] = llvm.getelementptr
// Elements are aligned to their size, not to that of the vector.
// CHECK: llvm.load %[[AT]] {alignment = 4 : i64} : !llvm.ptr -> vector<8xf32>
// CHECK: llvm.intr.masked.load {{.*}} {alignment = 2 : i32} {{.*}} -> vector<8xf16>
// CHECK: llvm.intr.fmuladd
// CHECK: llvm.intr.masked.store {{.*}} {alignment = 4 : i32}
// CHECK-LABEL: llvm.func @_mlir_ciface_row(
func.func @row(%x: memref<?x13xf32>, %s: memref<13xf16>, %i: index, %n: index)
    attributes {llvm.emit_c_interface} {
  %c0 = arith.constant 0 : index
  %zeros = arith.constant dense<0.0> : vector<8xf16>
  %mask = vector.create_mask %n : vector<8xi1>
  %a = vector.load %x[%i, %c0] : memref<?x13xf32>, vector<8xf32>
  %b = vector.maskedload %s[%c0], %mask, %zeros
      : memref<13xf16>, vector<8xi1>, vector<8xf16> into vector<8xf16>
  %c = arith.extf %b : vector<8xf16> to vector<8xf32>
  %d = vector.fma %a, %c, %a : vector<8xf32>
  vector.maskedstore %x[%i, %c0], %mask, %d : memref<?x13xf32>, vector<8xi1>, vector<8xf32>
  return
}

// A dimension of known position is read from the descriptor; no memory is made to index it.
// CHECK-LABEL: llvm.func @extent(
// CHECK-NOT: llvm.alloca
// CHECK: llvm.extractvalue {{.*}}[3, 0]
func.func @extent(%x: memref<?x13xf32>) -> index {
  %c0 = arith.constant 0 : index
  %n = memref.dim %x, %c0 : memref<?x13xf32>
  return %n : index
}

// The end of statistics compares numbers as integers.
// CHECK-LABEL: llvm.func @bits(
// CHECK: %[[BITS:.*]] = llvm.bitcast %{{.*}} : vector<8xf64> to vector<8xi64>
// CHECK: llvm.icmp "ult" %[[BITS]]
func.func @bits(%a: vector<8xf64>, %end: vector<8xi64>) -> vector<8xi1> {
  %bits = arith.bitcast %a : vector<8xf64> to vector<8xi64>
  %less = arith.cmpi ult, %bits, %end : vector<8xi64>
  return %less : vector<8xi1>
}

// Alignment that is given stays.
// CHECK-LABEL: llvm.func @aligned(
// CHECK: llvm.store {{.*}} {alignment = 64 : i64, nontemporal}
func.func @aligned(%x: memref<16xf32>, %v: vector<16xf32>) {
  %c0 = arith.constant 0 : index
  vector.store %v, %x[%c0] {alignment = 64 : i64, nontemporal = true} : memref<16xf32>, vector<16xf32>
  return
}

// Sums are trees.
// CHECK-LABEL: llvm.func @total(
// CHECK: llvm.intr.vector.reduce.fadd{{.*}}fastmathFlags = #llvm.fastmath<reassoc>
func.func @total(%v: vector<8xf32>) -> f32 {
  %sum = vector.reduction <add>, %v : vector<8xf32> into f32
  return %sum : f32
}

// Ops that take several steps, which no kernel has.
// CHECK-LABEL: llvm.func @steps(
// CHECK-NOT: vector.transpose
// CHECK: llvm.return
func.func @steps(%v: vector<2x4xf32>) -> vector<4x2xf32> {
  %t = vector.transpose %v, [1, 0] : vector<2x4xf32> to vector<4x2xf32>
  return %t : vector<4x2xf32>
}
