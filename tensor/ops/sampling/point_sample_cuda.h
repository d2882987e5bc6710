// CUDA kernels behind tensor/ops/sampling/point_sample.h: the signatures of point_sample_cpu.h, with device addresses.
// Rows, images and classes are not checked on the host: one outside of its range reads nothing and gives NaN, -1 gives
// 0.
#pragma once

#include <cstdint>

namespace rein::ops::cuda {

template <class T>
void point_sample(const T* maps, std::int64_t map_count, std::int64_t h, std::int64_t w, const std::int64_t* rows,
                  std::int64_t row_count, const float* points, std::int64_t point_count, std::int64_t sharing, T* out);

// Pixels get many points. They are added as 64-bit whole numbers of a fixed step, which have one sum in every order:
// the same bits every time, to 2^-40 of the largest gradient (and NaN everywhere when one is not finite).
template <class T>
void point_sample_backward(const T* grad_out, const std::int64_t* rows, std::int64_t row_count, const float* points,
                           std::int64_t point_count, std::int64_t sharing, std::int64_t maps, std::int64_t h,
                           std::int64_t w, T* grad_maps);

template <class T, class Label>
void sample_label_mask(const Label* labels, std::int64_t image_count, std::int64_t h, std::int64_t w,
                       const std::int64_t* images, const std::int64_t* classes, std::int64_t row_count,
                       const float* points, std::int64_t point_count, std::int64_t sharing, T* out);

template <class T, class Label>
void sample_label_classes(const Label* labels, std::int64_t images, std::int64_t h, std::int64_t w,
                          const std::int64_t* classes, std::int64_t class_count, const float* points,
                          std::int64_t point_count, T* out);

template <class T>
void smallest_magnitudes(const T* x, std::int64_t rows, std::int64_t cols, std::int64_t count, std::int64_t* indices);

}  // namespace rein::ops::cuda
