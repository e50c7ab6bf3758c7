//===- Elements.cpp - Elements of a tensor, in C order --------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Elements.h"

#include <algorithm>

namespace norma::io {

/// Strided tensors are gathered in pieces of about this many bytes.
static constexpr int64_t kPieceSize = int64_t(1) << 22;

Expected<void> writeElements(AtomicFile &file, const Tensor &tensor) {
  const int64_t size = tensor.size();
  if (size == 0)
    return {};
  const int64_t width = int64_t(sizeOf(tensor.dtype));
  if (tensor.isContiguous())
    return file.write(tensor.data, size_t(size * width));

  // A tensor that is not contiguous has an axis 0.
  const int64_t rows = tensor.shape[0];
  const int64_t rowSize = size / rows * width;
  if (rowSize <= kPieceSize) {
    const int64_t step = kPieceSize / rowSize;
    for (int64_t row = 0; row < rows; row += step) {
      Expected<Array> piece = Array::copyOf(tensor.rows(row, std::min(row + step, rows)));
      if (!piece)
        return piece.takeError();
      if (Expected<void> written = file.write(piece->view().data, piece->sizeInBytes()); !written)
        return written;
    }
    return {};
  }
  for (int64_t row = 0; row < rows; ++row) {
    const Tensor one = tensor.rows(row, row + 1);
    const Tensor inner(one.data, one.dtype, Dims{std::span<const int64_t>(one.shape).subspan(1)},
                       Dims{std::span<const int64_t>(one.strides).subspan(1)});
    if (Expected<void> written = writeElements(file, inner); !written)
      return written;
  }
  return {};
}

} // namespace norma::io
