// Rows: what kernels take. A batch of matrices inside a tensor, each row contiguous, rows and batches at a pitch.
// So a class token is skipped, and q, k, v are read inside a packed qkv, without copies.
#pragma once

#include "tensor/tensor.h"

namespace rein {

struct Range {
  std::int64_t begin = 0;
  std::int64_t end = -1;  // -1: to the last
};

// All pitches in elements. Holds the tensor, so the memory stays alive.
struct Rows {
  Tensor tensor;
  std::int64_t start = 0;  // offset of (batch 0, row 0, col 0) from the tensor's first element
  std::int64_t batches = 1;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t row_pitch = 0;
  std::int64_t batch_pitch = 0;

  explicit operator bool() const { return static_cast<bool>(tensor); }
  DType dtype() const { return tensor.dtype(); }
  Device device() const { return tensor.device(); }
  template <class T>
  const T* data() const {
    return tensor.data<T>() + start;
  }
  template <class T>
  T* mutable_data() {
    return tensor.mutable_data<T>() + start;
  }
  std::string text() const;  // "2 x (1024 of 1025, 64 of 192)"-like, for error texts
};

// The last dimension is cols, the one before it rows, all before that are batches:
// (C) is 1 x 1 x C, (L, C) is 1 x L x C, (N, H, W, C) is (N*H) x W x C. Ranges are checked against rows and cols.
Rows rows_of(const Tensor& tensor, Range rows = {}, Range cols = {});
// All leading dimensions merged into rows: (N, L, C) is 1 x (N*L) x C.
Rows flat_rows_of(const Tensor& tensor, Range cols = {});

}  // namespace rein
