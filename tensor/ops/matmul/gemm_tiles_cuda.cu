// A block of 256 threads owns a 64 x 64 tile of c; each thread 4 x 4 of it, rows and columns 16 apart, so that
// neighbouring threads store neighbouring columns. Tiles of a and b, 16 deep, wait in shared memory; what lies outside
// of the matrices is zero there. Sums run in the order of k, with one rounding per product and sum.
#include "tensor/cuda/kernel.h"
#include "tensor/cuda/wide.h"
#include "tensor/ops/elementwise/cast_cuda.h"
#include "tensor/ops/matmul/gemm_cuda.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int tile = 64, depth = 16, threads = 256, each = 4, apart = 16;

// An operand's element as the product sees it.
template <class T, class In>
__device__ T operand_value(In v, Products products) {
  if constexpr (std::is_same_v<In, float>)
    return products == Products::tf32 ? to_tf32(v) : v;
  else
    return wide(v);
}

template <class T, class In, class Out>
__global__ __launch_bounds__(threads) void tiles_kernel(GemmProblem<T, In, Out> p) {
  __shared__ T a_tile[depth][tile + 1];
  __shared__ T b_tile[depth][tile + 1];
  const int tx = threadIdx.x % apart, ty = threadIdx.x / apart;
  const std::int64_t first_row = static_cast<std::int64_t>(blockIdx.x) * tile;
  const std::int64_t first_col = static_cast<std::int64_t>(blockIdx.y) * tile;
  const In* a = p.a + blockIdx.z * p.a_batch;
  const In* b = p.b + blockIdx.z * p.b_batch;
  T sums[each][each] = {};
  for (std::int64_t k0 = 0; k0 < p.k; k0 += depth) {
    for (int i = threadIdx.x; i < tile * depth; i += threads) {
      // The fastest index walks along memory, whichever way the operand is stored.
      const int ka = p.trans_a ? i / tile : i % depth, row = p.trans_a ? i % tile : i / depth;
      const std::int64_t m = first_row + row, k_of_a = k0 + ka;
      a_tile[ka][row] =
          m < p.m && k_of_a < p.k
              ? operand_value<T>(p.trans_a ? a[k_of_a * p.a_pitch + m] : a[m * p.a_pitch + k_of_a], p.products)
              : T(0);
      const int kb = p.trans_b ? i % depth : i / tile, col = p.trans_b ? i / depth : i % tile;
      const std::int64_t n = first_col + col, k_of_b = k0 + kb;
      b_tile[kb][col] =
          n < p.n && k_of_b < p.k
              ? operand_value<T>(p.trans_b ? b[n * p.b_pitch + k_of_b] : b[k_of_b * p.b_pitch + n], p.products)
              : T(0);
    }
    __syncthreads();
    for (int k = 0; k < depth; ++k) {
      for (int i = 0; i < each; ++i) {
        const T left = a_tile[k][ty + i * apart];
        for (int j = 0; j < each; ++j) sums[i][j] = fma(left, b_tile[k][tx + j * apart], sums[i][j]);
      }
    }
    __syncthreads();
  }
  Out* c = p.c + blockIdx.z * p.c_batch;
  for (int i = 0; i < each; ++i) {
    for (int j = 0; j < each; ++j) {
      const std::int64_t m = first_row + ty + i * apart, n = first_col + tx + j * apart;
      if (m >= p.m || n >= p.n) continue;
      T value = p.alpha * sums[i][j];
      if (p.bias != nullptr) value += wide(p.bias[n]);
      Out& out = c[m * p.c_pitch + n];
      out = narrow<Out>(p.add ? wide(out) + value : value);
    }
  }
}

__global__ void round_kernel(const float* from, std::int64_t rows, std::int64_t cols, std::int64_t pitch, bf16_t* to) {
  for (std::int64_t i = global_thread(); i < rows * cols; i += global_threads())
    to[i] = to_bf16(from[i / cols * pitch + i % cols]);
}

}  // namespace

void round_rows(const float* from, std::int64_t rows, std::int64_t cols, std::int64_t pitch, bf16_t* to) {
  if (pitch == cols) return cast(from, rows * cols, to);
  launch("round_rows", round_kernel, blocks_for(rows * cols, threads, 65536), threads, 0, from, rows, cols, pitch, to);
}

template <class T, class In, class Out>
void gemm_tiles(const GemmProblem<T, In, Out>& p) {
  const auto tiles_of = [](std::int64_t size) { return static_cast<unsigned>((size + tile - 1) / tile); };
  require(tiles_of(p.n) <= 65535 && p.batches <= 65535, "gemm", "takes at most ", 65535 * tile, " columns and 65535 ",
          "batches on CUDA, got ", p.n, " and ", p.batches);
  launch("gemm_tiles", tiles_kernel<T, In, Out>, dim3(tiles_of(p.m), tiles_of(p.n), static_cast<unsigned>(p.batches)),
         threads, 0, p);
}

template void gemm_tiles(const GemmProblem<float>&);
template void gemm_tiles(const GemmProblem<double>&);
template void gemm_tiles(const GemmProblem<float, bf16_t>&);
template void gemm_tiles(const GemmProblem<float, bf16_t, bf16_t>&);

}  // namespace rein::ops::cuda
