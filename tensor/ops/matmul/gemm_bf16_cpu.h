// The packed product of tensor/ops/matmul/gemm_cpu.h with pairs of bf16 in the places of f32.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace rein::ops::cpu {

struct GemmBf16 {
  const float* a;  // (m, k)
  std::int64_t a_pitch;
  const bf16_t* b;  // (k, n), or with trans_b (n, k)
  std::int64_t b_pitch;
  bool trans_b;
  std::int64_t m, n, k;
  float* c;  // (m, n)
  std::int64_t c_pitch;
  const float* bias;  // (n) or null
};
void gemm_bf16(const GemmBf16& p);

}  // namespace rein::ops::cpu
