// The instruction-set half of the matrix product: register tiles and panel packing, called by gemm_cpu.cpp.
#pragma once

#include <algorithm>
#include <cstdint>

namespace rein::ops::cpu {

// The register tile of the instruction set in use: `rows` x (`vectors` x `lanes`).
struct TileShape {
  int rows, lanes, vectors;
  int cols() const { return lanes * vectors; }
};
template <class T>
TileShape tile_shape();

// Panels at the edges are packed narrower: row counts go up to 1, 2, 4, 8 or the whole tile, columns to whole vectors.
inline int panel_height(std::int64_t left, int tile_rows) {
  for (int height = 1; height < tile_rows; height *= 2)
    if (left <= height) return height;
  return tile_rows;
}
inline int panel_width(std::int64_t left, int lanes, int vectors) {
  return lanes * static_cast<int>(std::min<std::int64_t>(vectors, (left + lanes - 1) / lanes));
}

// What an element of a packed panel is, and how it is multiplied: one number; or, in panels of float, two bf16 side by
// side, widened by shifts, or multiplied and added by the processor's dot product (AVX512_BF16).
enum class Elements { single, pairs, pairs_dot };
Elements pairs_of_bf16();  // the best that this machine has; REIN_KERNEL=gemm_bf16:shifts takes the shifts

// out[p] = the two bf16 nearest to x[2 p] and x[2 p + 1], ties to even; 0 for the one past `count`. NaN stays NaN.
void round_to_pairs(const float* x, std::int64_t count, float* out);

// rows x cols of C from packed panels: A panels of tile.rows lines one after the other, B panels likewise.
template <class T>
struct BlockArgs {
  std::int64_t rows, cols, kc;
  const T* a;
  const T* b;
  T* c;
  std::int64_t c_pitch;
  const T* bias;  // of the first column, or null
  T alpha;
  bool add;
  Elements elements = Elements::single;
};
template <class T>
void multiply_block(const BlockArgs<T>& args);

// sums[c] += x[r * pitch + c], row after row.
template <class T>
void add_rows(const T* x, std::int64_t rows, std::int64_t cols, std::int64_t pitch, T* sums);

}  // namespace rein::ops::cpu
