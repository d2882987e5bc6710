// The kernels behind elementwise.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/ops/elementwise/elementwise.h"
#include "tensor/ops/kernels.h"

namespace rein::ops {

enum class Binary { add, sub, mul };

REIN_KERNELS(template <class T> void unary(Unary function, const T* x, std::int64_t count, T* y); template <class T>
             void unary_backward(Unary function, const T* grad_out, const T* x, std::int64_t count, T* grad_x);
             template <class T> void binary(Binary function, const T* a, const T* b, std::int64_t count, T* y);
             // y may be a or b.
             template <class T> void add_into(const T* a, const T* b, std::int64_t count, T* y);
             template <class T> void scale(const T* x, T factor, std::int64_t count, T* y);
             // x and y (rows, cols), b (cols).
             template <class T>
             void broadcast(Binary function, const T* x, const T* b, std::int64_t rows, std::int64_t cols, T* y);
             // out[c] = sum over rows of a[r][c] * b[r][c], in row order; b null: of a[r][c].
             template <class T> void sum_rows(const T* a, const T* b, std::int64_t rows, std::int64_t cols, T* out);)

namespace cuda {

// In bf16: computed in f32, rounded once.
void unary(Unary function, const bf16_t* x, std::int64_t count, bf16_t* y);

void unary_backward(Unary function, const bf16_t* grad_out, const bf16_t* x, std::int64_t count, bf16_t* grad_x);

void add_into(const bf16_t* a, const bf16_t* b, std::int64_t count, bf16_t* y);

void add_rounded(const bf16_t* a, const float* b, std::int64_t count, bf16_t* y);

void add_wide_into(const float* a, const bf16_t* b, std::int64_t count, float* y);

void sum_rows(const bf16_t* a, std::int64_t rows, std::int64_t cols, float* out);

}  // namespace cuda

}  // namespace rein::ops
