func.func @adapt_unsigned(%x: tensor<8xi8>, %n: tensor<f64>) -> tensor<f64> {
  %a, %b, %c = norma.adapt %x into (%n, %n, %n) kept [] unsigned : tensor<8xi8>, tensor<f64>
  return %b : tensor<f64>
}
