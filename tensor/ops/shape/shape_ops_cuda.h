// CUDA kernels behind tensor/ops/shape/shape_ops.h: the signatures of shape_ops_cpu.h, with device addresses. They move
// bytes or elements of a given width; the door has made all checks.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rein::ops::cuda {

// rows x row_bytes from src to dst, each side with its own pitch in bytes.
void copy_rows(const std::byte* src, std::int64_t src_pitch, std::byte* dst, std::int64_t dst_pitch, std::int64_t rows,
               std::int64_t row_bytes);
void zero_rows(std::byte* dst, std::int64_t dst_pitch, std::int64_t rows, std::int64_t row_bytes);

// dst is dense with `sizes` (rank of them, each at least 1); along axis k the source moves by strides[k] elements.
// T: an unsigned integer as wide as the element.
template <class T>
void permute(const T* src, const std::int64_t* sizes, const std::int64_t* strides, int rank, T* dst);

}  // namespace rein::ops::cuda
