// CPU kernels behind tensor/ops/mask_point_loss.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

namespace rein::ops::cpu {

// sums (rows, 4): of softplus(z) - z g, of s g, of s, of g.
template <class T>
void mask_point_sums(const T* z, const T* g, std::int64_t rows, std::int64_t cols, double* sums);

// grad_z = bce (s - g) + (a[r] - b[r] g) s (1 - s), a and b per row.
template <class T>
void mask_point_backward(const T* z, const T* g, std::int64_t rows, std::int64_t cols, T bce, const T* a, const T* b,
                         T* grad_z);

// sigmoid (rows, cols); sums (rows, 2): of softplus(z), of s.
template <class T>
void mask_cost_terms(const T* z, std::int64_t rows, std::int64_t cols, T* sigmoid, double* sums);

}  // namespace rein::ops::cpu
