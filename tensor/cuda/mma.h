// Tensor cores, with plain twins for the emulated device. Fragments are PTX's of mma.m16n8k16 (a warp of lanes
// g = lane / 4, t = lane % 4; a word holds two bf16, the lower one first):
//   a (16 x 16)  words 0, 1: rows g and g + 8, columns 2t and 2t + 1; words 2, 3: the same rows, columns + 8
//   b (16 x 8)   words 0, 1: rows 2t and 2t + 1, and these + 8, of column g
//   c (16 x 8)   0, 1: row g, columns 2t and 2t + 1; 2, 3: row g + 8
// Included by .cu files.
#pragma once

#include <cstdint>

#include "tensor/cuda/kernel.h"
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

// c += a b, summed in f32. All lanes of the warp take part.
__device__ inline void mma_bf16(float (&c)[4], const Word (&a)[4], const Word (&b)[2]) {
#ifdef __CUDA_ARCH__
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  const int lane = threadIdx.x % warp_size, g = lane / 4, t = lane % 4;
  const auto half_of = [](Word w, int which) {
    return to_float(bf16_t{static_cast<std::uint16_t>(which == 0 ? w & 0xffffu : w >> 16)});
  };
  for (int part = 0; part < 4; ++part) {  // of k: what the lanes with t = part hold
    Word left[4], right[2][2];
    for (int w = 0; w < 4; ++w) left[w] = __shfl_sync(all_lanes, a[w], 4 * g + part);
    for (int w = 0; w < 2; ++w)
      for (int col = 0; col < 2; ++col) right[w][col] = __shfl_sync(all_lanes, b[w], 4 * (2 * t + col) + part);
    for (int w = 0; w < 2; ++w)
      for (int which = 0; which < 2; ++which)
        for (int i = 0; i < 4; ++i) c[i] += half_of(left[2 * w + i / 2], which) * half_of(right[w][i % 2], which);
  }
#endif
}

// Fragments from tiles in shared memory whose rows start at multiples of 16 bytes.
// a: rows [row, row + 16) and columns [col, col + 16).
__device__ inline void load_a(const bf16_t* tile, int pitch, int row, int col, Word (&a)[4]) {
  const int lane = threadIdx.x % warp_size;
  const bf16_t* at = tile + (row + lane / 4) * pitch + col + lane % 4 * 2;
  a[0] = *reinterpret_cast<const Word*>(at);
  a[1] = *reinterpret_cast<const Word*>(at + 8 * pitch);
  a[2] = *reinterpret_cast<const Word*>(at + 8);
  a[3] = *reinterpret_cast<const Word*>(at + 8 * pitch + 8);
}
// b = the transpose of rows [row, row + 8) and columns [col, col + 16).
__device__ inline void load_b_transposed(const bf16_t* tile, int pitch, int row, int col, Word (&b)[2]) {
  const int lane = threadIdx.x % warp_size;
  const bf16_t* at = tile + (row + lane / 4) * pitch + col + lane % 4 * 2;
  b[0] = *reinterpret_cast<const Word*>(at);
  b[1] = *reinterpret_cast<const Word*>(at + 8);
}
// b = rows [row, row + 16) and columns [col, col + 8).
__device__ inline void load_b(const bf16_t* tile, int pitch, int row, int col, Word (&b)[2]) {
  const int lane = threadIdx.x % warp_size;
#ifdef __CUDA_ARCH__
  const auto at = static_cast<Word>(__cvta_generic_to_shared(tile + (row + lane % 16) * pitch + col));
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];" : "=r"(b[0]), "=r"(b[1]) : "r"(at));
#else
  const bf16_t* at = tile + (row + lane % 4 * 2) * pitch + col + lane / 4;
  b[0] = at[0].bits | static_cast<Word>(at[pitch].bits) << 16;
  b[1] = at[8 * pitch].bits | static_cast<Word>(at[9 * pitch].bits) << 16;
#endif
}

}  // namespace rein::cuda
