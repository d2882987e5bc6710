// Block sizes and scratch of the attention kernels. Block sizes are constants, never a function of the machine: they
// fix the order of the sums.
#pragma once

#include <cstdint>

namespace rein::ops::cpu {

inline constexpr std::int64_t tile_rows = 6;      // rows of a register tile
inline constexpr std::int64_t panel_width = 64;   // keys in a transposed panel
inline constexpr std::int64_t query_block = 48;   // queries that share a pass over the keys; a multiple of tile_rows
inline constexpr std::int64_t value_block = 128;  // keys per pass of probabilities times values
inline constexpr std::int64_t key_block = 192;    // keys per pass of backward; a multiple of panel_width and tile_rows
inline constexpr std::int64_t query_part = 512;   // queries (about) whose share of the key gradients is one partial sum

constexpr std::int64_t round_up(std::int64_t n, std::int64_t step) {
  return (n + step - 1) / step * step;
}
constexpr std::int64_t padded(std::int64_t d) {
  return round_up(d, 16);
}  // 16: lanes of the widest vectors
constexpr std::int64_t padded_keys(std::int64_t lk) {
  return round_up(lk, key_block);
}

// Scratch memory of this thread: at least `count` elements, kept for the next call. Contents are arbitrary.
// Forward and backward share it; defined in attention_cpu.cpp for float and double.
template <class T>
T* thread_scratch(std::int64_t count);

}  // namespace rein::ops::cpu
