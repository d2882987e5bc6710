// The second half of sums in a fixed order: partial sums that blocks left in memory are added in double, the same way
// every time. Included by .cu files.
#pragma once

#include "tensor/cuda/kernel.h"

namespace rein::cuda {

inline constexpr int add_lines_rows = 8;

// A block of 32 x 8 threads owns 32 columns: thread row y adds lines y, y + 8, …, then the first row adds the eight.
template <class In, class Out>
__global__ void add_lines_kernel(const In* lines, std::int64_t outer, std::int64_t count, std::int64_t cols,
                                 double scale, Out* out) {
  double* sums = dynamic_shared<double>();
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * warp_size + threadIdx.x;
  for (std::int64_t o = blockIdx.y; o < outer; o += gridDim.y) {
    double sum = 0;
    if (c < cols) {
      for (std::int64_t k = threadIdx.y; k < count; k += add_lines_rows)
        sum += static_cast<double>(lines[(o * count + k) * cols + c]);
    }
    sums[threadIdx.y * warp_size + threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && c < cols) {
      for (int y = 1; y < add_lines_rows; ++y) sum += sums[y * warp_size + threadIdx.x];
      out[o * cols + c] = static_cast<Out>(sum * scale);
    }
    __syncthreads();
  }
}

// A block owns an output: out[o] = scale * sum of values[o * count + k] over k.
template <class In, class Out>
__global__ void add_values_kernel(const In* values, std::int64_t count, double scale, Out* out) {
  const std::int64_t o = blockIdx.x;
  double sum = 0;
  for (std::int64_t k = threadIdx.x; k < count; k += blockDim.x) sum += static_cast<double>(values[o * count + k]);
  sum = block_sum(sum, dynamic_shared<double>());
  if (threadIdx.x == 0) out[o] = static_cast<Out>(sum * scale);
}

// out (outer, cols) = scale * sum over the middle axis of lines (outer, count, cols).
template <class In, class Out>
void add_lines(const char* name, const In* lines, std::int64_t outer, std::int64_t count, std::int64_t cols,
               double scale, Out* out) {
  if (outer == 0 || cols == 0) return;
  if (cols == 1) {
    launch(name, add_values_kernel<In, Out>, static_cast<unsigned>(outer), 256, 8 * sizeof(double), lines, count, scale,
           out);
    return;
  }
  const dim3 grid(blocks_for(cols, warp_size), static_cast<unsigned>(outer < 65535 ? outer : 65535));
  launch(name, add_lines_kernel<In, Out>, grid, dim3(warp_size, add_lines_rows),
         warp_size * add_lines_rows * sizeof(double), lines, outer, count, cols, scale, out);
}

}  // namespace rein::cuda
