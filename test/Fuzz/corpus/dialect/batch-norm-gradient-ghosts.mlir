func.func @gradient_ghosts(%x: tensor<8x?xf32>, %saved: tensor<2x?xf64>, %frozen: tensor<?xf64>) {
  %a:3 = norma.batch_norm_grad %x, %x saved(%saved, %saved, %saved : tensor<2x?xf64>)
      sums(%saved, %saved : tensor<2x?xf64>, tensor<2x?xf64>) kept [1] {virtual_batch_size = 4}
      : tensor<8x?xf32>, tensor<8x?xf32>
  %b:3 = norma.batch_norm_grad %x, %x saved(%frozen, %frozen, %frozen : tensor<?xf64>) kept [1]
      {grouping = #norma<grouping contiguous>, remainder = #norma<remainder merge>,
       use_batch_statistics = false, virtual_batch_size = 3} : tensor<8x?xf32>, tensor<8x?xf32>
  return
}
