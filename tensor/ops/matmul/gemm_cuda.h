// CUDA's side of tensor/ops/matmul/gemm.h: strided batches with leading pitches, as the door hands them on.
#pragma once

#include <cstdint>

#include "tensor/half.h"
#include "tensor/products.h"

namespace rein::ops::cuda {

// c[m][n] = alpha sum_k op(a)[m][k] op(b)[k][n] + bias[n] (+ c when add), for each batch. Pitches are in elements; a
// batch pitch of 0 shares the operand. bias may be null. Operands may be bf16 while all else is f32: exact products,
// sums in f32. Then c and bias may be bf16, too: rounded once, at the end.
template <class T, class In = T, class Out = T>
struct GemmProblem {
  const In* a = nullptr;
  const In* b = nullptr;
  Out* c = nullptr;
  const Out* bias = nullptr;
  std::int64_t m = 0, n = 0, k = 0, batches = 1;
  std::int64_t a_pitch = 0, b_pitch = 0, c_pitch = 0;
  std::int64_t a_batch = 0, b_batch = 0, c_batch = 0;
  bool trans_a = false, trans_b = false, add = false;
  T alpha = 1;
  Products products = Products::full;  // of f32 operands
};

// bf16 operands and TF32 on tensor cores, and f32 without TF32, through cuBLASLt; f64, what the library has no kernel
// for, and everything where it is not linked, through gemm_tiles. The bias is added in the product's epilogue. GELU is
// not: the library's is the tanh approximation, and the models were trained with erf.
template <class T, class In, class Out>
void gemm(const GemmProblem<T, In, Out>& problem);

// Our own kernel: a block owns 64 x 64 of c, a thread 4 x 4 of it, 16 of k at a time pass through shared memory.
template <class T, class In, class Out>
void gemm_tiles(const GemmProblem<T, In, Out>& problem);

// to (rows, cols) = from (rows, row pitch), rounded to the nearest bf16.
void round_rows(const float* from, std::int64_t rows, std::int64_t cols, std::int64_t pitch, bf16_t* to);

}  // namespace rein::ops::cuda
