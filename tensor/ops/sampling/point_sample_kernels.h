// The kernels behind point_sample.h. The door has made all checks that need no values on a device: there rows, images
// and classes outside of their range (hence map_count and image_count) read nothing and give NaN, and -1 gives 0.
#pragma once

#include <cstdint>

#include "tensor/ops/kernels.h"

namespace rein::ops {

REIN_KERNELS(
    // maps (M, h, w), rows (T) with -1 = absent, or null: row t reads map t. points (T / sharing, P, 2) -> out (T, P).
    template <class T> void point_sample(const T* maps, std::int64_t map_count, std::int64_t h, std::int64_t w,
                                         const std::int64_t* rows, std::int64_t row_count, const float* points,
                                         std::int64_t point_count, std::int64_t sharing, T* out);
    // Pixels get many points. They are added as 64-bit whole numbers of a fixed step, which have one sum in every
    // order: the same bits every time, to 2^-40 of the largest gradient (and NaN everywhere when one is not finite).
    // -> grad_maps (maps, h, w), overwritten.
    template <class T> void point_sample_backward(const T* grad_out, const std::int64_t* rows, std::int64_t row_count,
                                                  const float* points, std::int64_t point_count, std::int64_t sharing,
                                                  std::int64_t maps, std::int64_t h, std::int64_t w, T* grad_maps);
    // Label: std::int64_t or std::uint8_t. labels (N, h, w).
    template <class T, class Label>
    void sample_label_mask(const Label* labels, std::int64_t image_count, std::int64_t h, std::int64_t w,
                           const std::int64_t* images, const std::int64_t* classes, std::int64_t row_count,
                           const float* points, std::int64_t point_count, std::int64_t sharing, T* out);
    // labels (images, h, w), points (images, P, 2) -> out (images, class_count, P).
    template <class T, class Label>
    void sample_label_classes(const Label* labels, std::int64_t images, std::int64_t h, std::int64_t w,
                              const std::int64_t* classes, std::int64_t class_count, const float* points,
                              std::int64_t point_count, T* out);
    // x (rows, cols) -> indices (rows, count), ascending.
    template <class T> void smallest_magnitudes(const T* x, std::int64_t rows, std::int64_t cols, std::int64_t count,
                                                std::int64_t* indices);)

}  // namespace rein::ops
