// Copies. Work is cut into pieces of about 64 KiB; every piece writes its own part of the output.
// permute: runs (shape_ops_axes.h), or planes in square tiles, so that both sides touch whole cache lines.
#include "tensor/ops/shape/shape_ops_kernels.h"

#include <algorithm>
#include <cstring>

#include "tensor/ops/shape/shape_ops_axes.h"
#include "tensor/parallel.h"

namespace rein::ops::cpu {
namespace {

constexpr std::int64_t piece_bytes = 1 << 16;

template <class T>
void copy_elements(const std::byte* src, std::int64_t src_pitch, std::byte* dst, std::int64_t dst_pitch,
                   std::int64_t rows) {
  for (std::int64_t r = 0; r < rows; ++r) {
    T value;
    std::memcpy(&value, src + r * src_pitch, sizeof(T));
    std::memcpy(dst + r * dst_pitch, &value, sizeof(T));
  }
}

void copy_some_rows(const std::byte* src, std::int64_t src_pitch, std::byte* dst, std::int64_t dst_pitch,
                    std::int64_t rows, std::int64_t row_bytes) {
  switch (row_bytes) {
    case 1:
      return copy_elements<std::uint8_t>(src, src_pitch, dst, dst_pitch, rows);
    case 4:
      return copy_elements<std::uint32_t>(src, src_pitch, dst, dst_pitch, rows);
    case 8:
      return copy_elements<std::uint64_t>(src, src_pitch, dst, dst_pitch, rows);
    default:
      for (std::int64_t r = 0; r < rows; ++r) {
        std::memcpy(dst + r * dst_pitch, src + r * src_pitch, static_cast<std::size_t>(row_bytes));
      }
  }
}

// body(row_begin, row_end, byte_begin, byte_end) over pieces: several short rows, or a part of one long row.
template <class F>
void for_each_piece(std::int64_t rows, std::int64_t row_bytes, F&& body) {
  if (rows == 0 || row_bytes == 0) return;
  if (row_bytes <= piece_bytes) {
    parallel_ranges(rows, piece_bytes / row_bytes,
                    [&](std::int64_t begin, std::int64_t end) { body(begin, end, std::int64_t{0}, row_bytes); });
    return;
  }
  const std::int64_t per_row = (row_bytes + piece_bytes - 1) / piece_bytes;
  parallel_for(rows * per_row, [&](std::int64_t i) {
    const std::int64_t row = i / per_row, begin = i % per_row * piece_bytes;
    body(row, row + 1, begin, std::min(row_bytes, begin + piece_bytes));
  });
}

// Runs of sizes[rank - 1] elements that are dense on both sides.
template <class T>
void copy_runs(const T* src, const CopyAxes& axes, T* dst) {
  const std::int64_t run = axes.sizes[axes.rank - 1];
  std::int64_t rows = 1;
  for (int k = 0; k + 1 < axes.rank; ++k) rows *= axes.sizes[k];
  const std::int64_t run_bytes = run * static_cast<std::int64_t>(sizeof(T));
  for_each_piece(rows, run_bytes,
                 [&](std::int64_t row_begin, std::int64_t row_end, std::int64_t byte_begin, std::int64_t byte_end) {
                   const std::int64_t skip = byte_begin / static_cast<std::int64_t>(sizeof(T));
                   for (std::int64_t r = row_begin; r < row_end; ++r) {
                     std::memcpy(dst + r * run + skip, src + axes.offset(r, axes.rank - 1) + skip,
                                 static_cast<std::size_t>(byte_end - byte_begin));
                   }
                 });
}

// dst[i * dst_pitch + l] = src[i + l * src_pitch] for i in [0, rows), l in [0, cols), in tiles.
template <class T>
void transpose(const T* src, std::int64_t src_pitch, T* dst, std::int64_t dst_pitch, std::int64_t rows,
               std::int64_t cols) {
  constexpr std::int64_t tile = 64 / static_cast<std::int64_t>(sizeof(T)) < 16 ? 64 / sizeof(T) : 16;
  for (std::int64_t l = 0; l < cols; l += tile) {
    const std::int64_t l_count = std::min(tile, cols - l);
    for (std::int64_t i = 0; i < rows; i += tile) {
      const std::int64_t i_count = std::min(tile, rows - i);
      const T* from = src + i + l * src_pitch;
      T* to = dst + i * dst_pitch + l;
      if (i_count == tile && l_count == tile) {
        T block[tile][tile];
        for (std::int64_t b = 0; b < tile; ++b)
          for (std::int64_t a = 0; a < tile; ++a) block[a][b] = from[a + b * src_pitch];
        for (std::int64_t a = 0; a < tile; ++a) std::memcpy(to + a * dst_pitch, block[a], sizeof(block[a]));
      } else {
        for (std::int64_t a = 0; a < i_count; ++a)
          for (std::int64_t b = 0; b < l_count; ++b) to[a * dst_pitch + b] = from[a + b * src_pitch];
      }
    }
  }
}

template <class T>
void copy_planes(const T* src, const CopyPlanes& p, T* dst) {
  constexpr std::int64_t rows_per_piece = 128, cols_per_piece = 128;
  const std::int64_t row_pieces = (p.rows + rows_per_piece - 1) / rows_per_piece;
  const std::int64_t col_pieces = (p.cols + cols_per_piece - 1) / cols_per_piece;
  parallel_ranges(p.planes * row_pieces * col_pieces, std::max<std::int64_t>(1, rows_per_piece / p.rows),
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t i = begin; i < end; ++i) {
                      const std::int64_t plane = i / (row_pieces * col_pieces);
                      const std::int64_t row = i / col_pieces % row_pieces * rows_per_piece,
                                         col = i % col_pieces * cols_per_piece;
                      transpose(src + p.from.offset(plane, p.from.rank) + row + col * p.src_pitch, p.src_pitch,
                                dst + p.to.offset(plane, p.to.rank) + row * p.dst_pitch + col, p.dst_pitch,
                                std::min(rows_per_piece, p.rows - row), std::min(cols_per_piece, p.cols - col));
                    }
                  });
}

}  // namespace

void copy_rows(const std::byte* src, std::int64_t src_pitch, std::byte* dst, std::int64_t dst_pitch, std::int64_t rows,
               std::int64_t row_bytes) {
  if (src_pitch == row_bytes && dst_pitch == row_bytes) {
    row_bytes *= rows;
    rows = rows > 0 ? 1 : 0;
  }
  for_each_piece(rows, row_bytes,
                 [&](std::int64_t row_begin, std::int64_t row_end, std::int64_t begin, std::int64_t end) {
                   copy_some_rows(src + row_begin * src_pitch + begin, src_pitch, dst + row_begin * dst_pitch + begin,
                                  dst_pitch, row_end - row_begin, end - begin);
                 });
}

void zero_rows(std::byte* dst, std::int64_t dst_pitch, std::int64_t rows, std::int64_t row_bytes) {
  for_each_piece(rows, row_bytes,
                 [&](std::int64_t row_begin, std::int64_t row_end, std::int64_t begin, std::int64_t end) {
                   for (std::int64_t r = row_begin; r < row_end; ++r) {
                     std::memset(dst + r * dst_pitch + begin, 0, static_cast<std::size_t>(end - begin));
                   }
                 });
}

template <class T>
void permute(const T* src, const std::int64_t* sizes, const std::int64_t* strides, int rank, T* dst) {
  const CopyAxes axes = merged_axes(sizes, strides, rank);
  if (axes.strides[axes.rank - 1] == 1) {
    copy_runs(src, axes, dst);
  } else {
    copy_planes(src, planes_of(axes), dst);
  }
}

template void permute(const std::uint8_t*, const std::int64_t*, const std::int64_t*, int, std::uint8_t*);
template void permute(const std::uint16_t*, const std::int64_t*, const std::int64_t*, int, std::uint16_t*);
template void permute(const std::uint32_t*, const std::int64_t*, const std::int64_t*, int, std::uint32_t*);
template void permute(const std::uint64_t*, const std::int64_t*, const std::int64_t*, int, std::uint64_t*);

}  // namespace rein::ops::cpu
