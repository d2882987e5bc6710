// The kernels behind shape_ops.h. They move bytes or elements of a given width; no checks here: the door has made them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/ops/kernels.h"

namespace rein::ops {

REIN_KERNELS(
    // rows x row_bytes from src to dst, each side with its own pitch in bytes.
    void copy_rows(const std::byte* src, std::int64_t src_pitch, std::byte* dst, std::int64_t dst_pitch,
                   std::int64_t rows, std::int64_t row_bytes);
    void zero_rows(std::byte* dst, std::int64_t dst_pitch, std::int64_t rows, std::int64_t row_bytes);
    // dst is dense with `sizes` (rank of them, each at least 1); along axis k the source moves by strides[k] elements.
    // T: an unsigned integer as wide as the element.
    template <class T>
    void permute(const T* src, const std::int64_t* sizes, const std::int64_t* strides, int rank, T* dst);)

}  // namespace rein::ops
