// Tensor cores, with plain twins for the emulated device. Fragments are PTX's of mma.m16n8k16 (a warp of lanes
// g = lane / 4, t = lane % 4; a word holds two bf16, the lower one first):
//   a (16 x 16)  words 0, 1: rows g and g + 8, columns 2t and 2t + 1; words 2, 3: the same rows, columns + 8
//   b (16 x 8)   words 0, 1: rows 2t and 2t + 1, and these + 8, of column g
//   c (16 x 8)   0, 1: row g, columns 2t and 2t + 1; 2, 3: row g + 8
// Included by .cu files.
#pragma once

#include <array>
#include <cstdint>

#include "tensor/cuda/kernel.h"
#include "tensor/cuda/shared_place.h"
#include "tensor/half.h"

namespace rein::cuda {

using Word = std::uint32_t;

__device__ inline Word pack_bf16(float low, float high) {
#ifdef __CUDA_ARCH__
  Word both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
  return both;
#else
  return static_cast<Word>(to_bf16(low).bits) | static_cast<Word>(to_bf16(high).bits) << 16;
#endif
}

// c += a b, summed in f32; b's words are b0 and b1. All lanes of the warp take part.
__device__ inline void mma_bf16(float (&c)[4], const Word (&a)[4], Word b0, Word b1) {
#ifdef __CUDA_ARCH__
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#elif !defined(__CUDACC__)
  const int lane = threadIdx.x % warp_size, g = lane / 4, t = lane % 4;
  const auto left = emulated::gather(all_lanes, std::array{a[0], a[1], a[2], a[3]});
  const auto right = emulated::gather(all_lanes, std::array{b0, b1});
  const auto half_of = [](Word w, int which) {
    return to_float(bf16_t{static_cast<std::uint16_t>(which == 0 ? w & 0xffffu : w >> 16)});
  };
  for (int part = 0; part < 4; ++part)  // of k: what the lanes with t = part hold
    for (int w = 0; w < 2; ++w)
      for (int which = 0; which < 2; ++which)
        for (int i = 0; i < 4; ++i)
          c[i] +=
              half_of(left[4 * g + part][2 * w + i / 2], which) * half_of(right[4 * (2 * t + i % 2) + part][w], which);
#endif
}

// Four 8 x 8 matrices of bf16 in shared memory: lane l gives the start of row l % 8 of matrix l / 8, at a multiple of
// 16 bytes. Of matrix i a lane gets, in word i, columns 2t and 2t + 1 of row g; transposed: rows 2t and 2t + 1 of
// column g.
template <bool transposed>
__device__ inline void load_matrices(SharedPlace<bf16_t> row, Word (&to)[4]) {
#ifdef __CUDA_ARCH__
  if constexpr (transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(row.at)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(row.at)
                 : "memory");
#elif !defined(__CUDACC__)
  const int lane = threadIdx.x % warp_size, g = lane / 4, t = lane % 4;
  const auto rows = emulated::gather(all_lanes, row);
  for (int i = 0; i < 4; ++i) {
    const bf16_t* const low = pointer_to(rows[8 * i + (transposed ? 2 * t : g)]);
    const bf16_t* const high = transposed ? pointer_to(rows[8 * i + 2 * t + 1]) : low;
    to[i] = low[transposed ? g : 2 * t].bits | static_cast<Word>(high[transposed ? g : 2 * t + 1].bits) << 16;
  }
#endif
}

// Fragments from tiles in shared memory whose rows start at multiples of 16 bytes.
// a: rows [row, row + 16) and columns [col, col + 16).
__device__ inline void load_a(SharedPlace<bf16_t> tile, int pitch, int row, int col, Word (&a)[4]) {
  const int lane = threadIdx.x % warp_size;
  load_matrices<false>(tile + (lane % 16 * pitch + lane / 16 * 8) + (row * pitch + col), a);
}
// Two neighbouring b, words 0, 1 and 2, 3: the transposes of rows [row, row + 8) and [row + 8, row + 16), columns
// [col, col + 16).
__device__ inline void load_b_transposed(SharedPlace<bf16_t> tile, int pitch, int row, int col, Word (&b)[4]) {
  const int lane = threadIdx.x % warp_size;
  load_matrices<false>(tile + ((lane / 16 * 8 + lane % 8) * pitch + lane / 8 % 2 * 8) + (row * pitch + col), b);
}
// Two neighbouring b: rows [row, row + 16), columns [col, col + 8) and [col + 8, col + 16).
__device__ inline void load_b(SharedPlace<bf16_t> tile, int pitch, int row, int col, Word (&b)[4]) {
  const int lane = threadIdx.x % warp_size;
  load_matrices<true>(tile + (lane % 16 * pitch + lane / 16 * 8) + (row * pitch + col), b);
}

// 2^x to about 2 units in the last place of f32, 0 below 2^-126: one instruction.
__device__ inline float exp2_fast(float x) {
#ifdef __CUDA_ARCH__
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return exp2f(x);
#endif
}

}  // namespace rein::cuda
