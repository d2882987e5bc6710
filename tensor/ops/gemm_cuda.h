// CUDA's side of tensor/ops/gemm.h: strided batches with leading pitches, as the door hands them on.
#pragma once

#include <cstdint>

namespace rein::ops::cuda {

// c[m][n] = alpha sum_k op(a)[m][k] op(b)[k][n] + bias[n] (+ c when add), for each batch. Pitches are in elements; a
// batch pitch of 0 shares the operand. bias may be null.
template <class T>
struct GemmProblem {
  const T* a = nullptr;
  const T* b = nullptr;
  T* c = nullptr;
  const T* bias = nullptr;
  std::int64_t m = 0, n = 0, k = 0, batches = 1;
  std::int64_t a_pitch = 0, b_pitch = 0, c_pitch = 0;
  std::int64_t a_batch = 0, b_batch = 0, c_batch = 0;
  bool trans_a = false, trans_b = false, add = false;
  T alpha = 1;
};

// f32 without TF32 through cuBLASLt; f64, and everything where that is not linked, through gemm_tiles.
template <class T>
void gemm(const GemmProblem<T>& problem);

// Our own kernel: a block owns 64 x 64 of c, a thread 4 x 4 of it, 16 of k at a time pass through shared memory.
template <class T>
void gemm_tiles(const GemmProblem<T>& problem);

}  // namespace rein::ops::cuda
