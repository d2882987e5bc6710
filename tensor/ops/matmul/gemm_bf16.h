// The matrix product with bf16 operands and f32 sums: what frozen weights in bf16 are multiplied by.
// Equal PyTorch call: torch.addmm(bias, a.bfloat16().float(), b.float()), up to the order of sums.
// Numerics: a is rounded to the nearest bf16 (ties to even), products are exact, sums are fused multiply-adds in f32 in
// blocks of 768 of k; the same bits for any number of threads. With AVX512_BF16 the processor's dot product flushes
// denormals, otherwise the bits are the same on every instruction set that has fused multiply-adds.
// On CUDA the products are cuBLASLt's on tensor cores; sums are in f32, in the library's order.
#pragma once

#include "tensor/rows.h"

namespace rein::ops {

// op(a) (M, K), op(b) (K, N) bf16, c (M, N), bias (N) of c's dtype or null; one batch each. a and c are f32. On CUDA
// alone a may be bf16, and transposed; c may be bf16: rounded once, after the bias. c must not overlap the others.
// Throws std::invalid_argument on shapes, dtypes or devices that do not fit.
void gemm_bf16(const Rows& a, bool trans_a, const Rows& b, bool trans_b, Rows c, const Tensor& bias = {});

}  // namespace rein::ops
