// Who owns what. Rows: a thread owns one access (of 16 bytes when addresses, pitches and lengths allow, else 8, 4, 2
// or 1) in every 8th, 16th, … row; as many threads of a block lie along a row as it has accesses. Runs of a permuted
// copy: a warp owns a run. Planes: a block owns a tile of 32 x 32 elements, which it turns in shared memory, so that
// both sides are read and written along their rows.
#include "tensor/ops/shape/shape_ops_kernels.h"

#include "tensor/cuda/kernel.h"
#include "tensor/ops/shape/shape_ops_axes.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 256;
constexpr int tile = 32, tile_rows = 8;

struct alignas(16) Sixteen {
  std::uint64_t halves[2];
};

// Widths in accesses, pitches too. A null src writes zeros.
template <class Unit>
__global__ void rows_kernel(const Unit* src, std::int64_t src_pitch, Unit* dst, std::int64_t dst_pitch,
                            std::int64_t rows, std::int64_t width) {
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.y) * blockDim.y + threadIdx.y; row < rows;
       row += static_cast<std::int64_t>(gridDim.y) * blockDim.y) {
    for (std::int64_t i = global_thread(); i < width; i += global_threads())
      dst[row * dst_pitch + i] = src != nullptr ? src[row * src_pitch + i] : Unit{};
  }
}

template <class Unit>
void run_rows(const std::byte* src, std::int64_t src_pitch, std::byte* dst, std::int64_t dst_pitch, std::int64_t rows,
              std::int64_t row_bytes) {
  constexpr auto bytes = static_cast<std::int64_t>(sizeof(Unit));
  const std::int64_t width = row_bytes / bytes;
  unsigned along = 1;
  while (along < threads && along < width) along *= 2;
  const unsigned down = threads / along;
  const dim3 grid(blocks_for(width, static_cast<int>(along), 16384), blocks_for(rows, static_cast<int>(down), 65535));
  launch(src != nullptr ? "copy_rows" : "zero_rows", rows_kernel<Unit>, grid, dim3(along, down), 0,
         reinterpret_cast<const Unit*>(src), src_pitch / bytes, reinterpret_cast<Unit*>(dst), dst_pitch / bytes, rows,
         width);
}

void any_rows(const std::byte* src, std::int64_t src_pitch, std::byte* dst, std::int64_t dst_pitch, std::int64_t rows,
              std::int64_t row_bytes) {
  if (rows == 0 || row_bytes == 0) return;
  if (rows == 1) src_pitch = dst_pitch = row_bytes;
  const auto all = static_cast<std::uintptr_t>(src_pitch | dst_pitch | row_bytes) |
                   reinterpret_cast<std::uintptr_t>(src) | reinterpret_cast<std::uintptr_t>(dst);
  if (all % 16 == 0)
    run_rows<Sixteen>(src, src_pitch, dst, dst_pitch, rows, row_bytes);
  else if (all % 8 == 0)
    run_rows<std::uint64_t>(src, src_pitch, dst, dst_pitch, rows, row_bytes);
  else if (all % 4 == 0)
    run_rows<std::uint32_t>(src, src_pitch, dst, dst_pitch, rows, row_bytes);
  else if (all % 2 == 0)
    run_rows<std::uint16_t>(src, src_pitch, dst, dst_pitch, rows, row_bytes);
  else
    run_rows<std::uint8_t>(src, src_pitch, dst, dst_pitch, rows, row_bytes);
}

template <class T>
__global__ void runs_kernel(const T* src, CopyAxes axes, std::int64_t runs, T* dst) {
  const std::int64_t length = axes.sizes[axes.rank - 1];
  const int lane = threadIdx.x % warp_size;
  for (std::int64_t run = global_thread() / warp_size; run < runs; run += global_threads() / warp_size) {
    const T* from = src + axes.offset(run, axes.rank - 1);
    for (std::int64_t i = lane; i < length; i += warp_size) dst[run * length + i] = from[i];
  }
}

template <class T>
__global__ void planes_kernel(const T* src, CopyPlanes p, std::int64_t row_tiles, std::int64_t col_tiles, T* dst) {
  T* block = dynamic_shared<T>();  // (tile, tile + 1): a column's elements lie in different banks
  const int tx = threadIdx.x, ty = threadIdx.y;
  for (std::int64_t t = blockIdx.x; t < p.planes * row_tiles * col_tiles; t += gridDim.x) {
    const std::int64_t plane = t / (row_tiles * col_tiles);
    const std::int64_t row = t / col_tiles % row_tiles * tile, col = t % col_tiles * tile;
    const T* from = src + p.from.offset(plane, p.from.rank);
    T* to = dst + p.to.offset(plane, p.to.rank);
    for (int k = ty; k < tile; k += tile_rows)
      if (row + tx < p.rows && col + k < p.cols) block[k * (tile + 1) + tx] = from[row + tx + (col + k) * p.src_pitch];
    __syncthreads();
    for (int k = ty; k < tile; k += tile_rows)
      if (row + k < p.rows && col + tx < p.cols) to[(row + k) * p.dst_pitch + col + tx] = block[tx * (tile + 1) + k];
    __syncthreads();
  }
}

}  // namespace

void copy_rows(const std::byte* src, std::int64_t src_pitch, std::byte* dst, std::int64_t dst_pitch, std::int64_t rows,
               std::int64_t row_bytes) {
  if (src_pitch == row_bytes && dst_pitch == row_bytes) {
    row_bytes *= rows;
    rows = rows > 0 ? 1 : 0;
  }
  any_rows(src, src_pitch, dst, dst_pitch, rows, row_bytes);
}

void zero_rows(std::byte* dst, std::int64_t dst_pitch, std::int64_t rows, std::int64_t row_bytes) {
  any_rows(nullptr, row_bytes, dst, dst_pitch, rows, row_bytes);
}

template <class T>
void permute(const T* src, const std::int64_t* sizes, const std::int64_t* strides, int rank, T* dst) {
  const CopyAxes axes = merged_axes(sizes, strides, rank);
  if (axes.strides[axes.rank - 1] == 1) {
    if (axes.rank == 1) {
      const auto bytes = axes.sizes[0] * static_cast<std::int64_t>(sizeof(T));
      return copy_rows(reinterpret_cast<const std::byte*>(src), bytes, reinterpret_cast<std::byte*>(dst), bytes, 1,
                       bytes);
    }
    std::int64_t runs = 1;
    for (int k = 0; k + 1 < axes.rank; ++k) runs *= axes.sizes[k];
    launch("permute", runs_kernel<T>, blocks_for(runs * warp_size, threads, 16384), threads, 0, src, axes, runs, dst);
    return;
  }
  const CopyPlanes p = planes_of(axes);
  const std::int64_t row_tiles = (p.rows + tile - 1) / tile, col_tiles = (p.cols + tile - 1) / tile;
  launch("permute", planes_kernel<T>, blocks_for(p.planes * row_tiles * col_tiles, 1), dim3(tile, tile_rows),
         tile * (tile + 1) * sizeof(T), src, p, row_tiles, col_tiles, dst);
}

template void permute(const std::uint8_t*, const std::int64_t*, const std::int64_t*, int, std::uint8_t*);
template void permute(const std::uint16_t*, const std::int64_t*, const std::int64_t*, int, std::uint16_t*);
template void permute(const std::uint32_t*, const std::int64_t*, const std::int64_t*, int, std::uint32_t*);
template void permute(const std::uint64_t*, const std::int64_t*, const std::int64_t*, int, std::uint64_t*);

}  // namespace rein::ops::cuda
