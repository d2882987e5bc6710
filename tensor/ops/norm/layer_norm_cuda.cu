// Who owns what: a warp owns a row (4 warps to a block). In f32, rows of up to 1536 numbers, four at a time where
// they are aligned, come into the warp's registers once, all loads under way together; every other row is walked over
// in steps of 32 columns, again for each sum. Sums are shared by exchanges, so no shared memory is needed, and the
// variance is centred. Gradients of weight and bias are sums over rows: a thread owns a column in a chunk of rows, then
// the chunks are added in a fixed order. The same bits every time.
#include "tensor/ops/norm/layer_norm_kernels.h"

#include "tensor/cuda/add_lines.h"
#include "tensor/cuda/packed.h"
#include "tensor/cuda/scratch.h"
#include "tensor/cuda/wide.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int warps_per_block = 4;
constexpr int chunk_rows = 64;

template <class T, class Y>
__global__ void forward_kernel(const T* x, const T* weight, const T* bias, T eps, std::int64_t rows, std::int64_t cols,
                               Y* y, T* mean_out, T* rstd_out) {
  const int lane = threadIdx.x % warp_size, warp = threadIdx.x / warp_size;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * warps_per_block;
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * warps_per_block + warp; row < rows; row += step) {
    const T* in = x + row * cols;
    Y* out = y + row * cols;
    T sum = 0;
    for (std::int64_t c = lane; c < cols; c += warp_size) sum += in[c];
    const T mean = warp_sum(sum) / static_cast<T>(cols);
    T squares = 0;
    for (std::int64_t c = lane; c < cols; c += warp_size) squares += (in[c] - mean) * (in[c] - mean);
    const T rstd = T(1) / sqrt(warp_sum(squares) / static_cast<T>(cols) + eps);
    for (std::int64_t c = lane; c < cols; c += warp_size)
      out[c] = narrow<Y>((in[c] - mean) * rstd * weight[c] + bias[c]);
    if (lane == 0) {
      mean_out[row] = mean;
      rstd_out[row] = rstd;
    }
  }
}

// grad_x (+)= rstd (h - mean(h) - xhat mean(h xhat)), h = grad_out weight.
template <class T, class Y>
__global__ void grad_x_kernel(const Y* grad_out, const T* x, const T* weight, const T* mean_in, const T* rstd_in,
                              std::int64_t rows, std::int64_t cols, bool add, T* grad_x) {
  const int lane = threadIdx.x % warp_size, warp = threadIdx.x / warp_size;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * warps_per_block;
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * warps_per_block + warp; row < rows; row += step) {
    const T mean = mean_in[row], rstd = rstd_in[row];
    const Y* g = grad_out + row * cols;
    const T* in = x + row * cols;
    T sum = 0, projected = 0;
    for (std::int64_t c = lane; c < cols; c += warp_size) {
      const T h = wide(g[c]) * weight[c];
      sum += h;
      projected += h * ((in[c] - mean) * rstd);
    }
    sum = warp_sum(sum) / static_cast<T>(cols);
    projected = warp_sum(projected) / static_cast<T>(cols);
    for (std::int64_t c = lane; c < cols; c += warp_size) {
      T& to = grad_x[row * cols + c];
      const T value = rstd * (wide(g[c]) * weight[c] - sum - (in[c] - mean) * rstd * projected);
      to = add ? to + value : value;
    }
  }
}

// A row in a warp's registers: of pack p, lane l has the four columns from 4 (32 p + l) on; zeros beyond the row.
constexpr int n = packed_count<float>;
template <int packs>
using RowPart = Packed<float, n>[packs];

__device__ int column_of(int pack) {
  return (pack * warp_size + static_cast<int>(threadIdx.x) % warp_size) * n;
}

template <int packs, class V>
__device__ void load_row(const V* row, int cols, RowPart<packs>& to) {
#pragma unroll
  for (int p = 0; p < packs; ++p) {
    Packed<V, n> values{};
    if (column_of(p) < cols) values = load_packed<V, n>(row + column_of(p));
    for (int k = 0; k < n; ++k) to[p].at[k] = wide(values.at[k]);
  }
}

template <class Y, int packs>
__global__ __launch_bounds__(warps_per_block* warp_size) void packed_forward_kernel(const float* x, const float* weight,
                                                                                    const float* bias, float eps,
                                                                                    std::int64_t rows, int cols, Y* y,
                                                                                    float* mean_out, float* rstd_out) {
  const std::int64_t step = global_threads() / warp_size;
  for (std::int64_t row = global_thread() / warp_size; row < rows; row += step) {
    RowPart<packs> in;
    load_row<packs>(x + row * cols, cols, in);
    float sum = 0, squares = 0;
#pragma unroll
    for (int p = 0; p < packs; ++p)
      for (int k = 0; k < n; ++k) sum += in[p].at[k];
    const float mean = warp_sum(sum) / static_cast<float>(cols);
#pragma unroll
    for (int p = 0; p < packs; ++p) {
      if (column_of(p) >= cols) continue;
      for (int k = 0; k < n; ++k) squares += (in[p].at[k] - mean) * (in[p].at[k] - mean);
    }
    const float rstd = 1.0F / sqrtf(warp_sum(squares) / static_cast<float>(cols) + eps);
#pragma unroll
    for (int p = 0; p < packs; ++p) {
      const int c = column_of(p);
      if (c >= cols) continue;
      const Packed<float, n> w = load_packed<float, n>(weight + c), b = load_packed<float, n>(bias + c);
      Packed<Y, n> out;
      for (int k = 0; k < n; ++k) out.at[k] = narrow<Y>((in[p].at[k] - mean) * rstd * w.at[k] + b.at[k]);
      store_packed(out, y + row * cols + c);
    }
    if (threadIdx.x % warp_size == 0) mean_out[row] = mean, rstd_out[row] = rstd;
  }
}

template <class Y, int packs>
__global__ __launch_bounds__(warps_per_block* warp_size) void packed_grad_x_kernel(
    const Y* grad_out, const float* x, const float* weight, const float* mean_in, const float* rstd_in,
    std::int64_t rows, int cols, bool add, float* grad_x) {
  const std::int64_t step = global_threads() / warp_size;
  for (std::int64_t row = global_thread() / warp_size; row < rows; row += step) {
    const float mean = mean_in[row], rstd = rstd_in[row];
    RowPart<packs> h, xhat, to{};
    load_row<packs>(grad_out + row * cols, cols, h);
    load_row<packs>(x + row * cols, cols, xhat);
    if (add) load_row<packs>(static_cast<const float*>(grad_x) + row * cols, cols, to);
    float sum = 0, projected = 0;
#pragma unroll
    for (int p = 0; p < packs; ++p) {
      if (column_of(p) >= cols) continue;
      const Packed<float, n> w = load_packed<float, n>(weight + column_of(p));
      for (int k = 0; k < n; ++k) {
        h[p].at[k] *= w.at[k];
        xhat[p].at[k] = (xhat[p].at[k] - mean) * rstd;
        sum += h[p].at[k];
        projected += h[p].at[k] * xhat[p].at[k];
      }
    }
    sum = warp_sum(sum) / static_cast<float>(cols);
    projected = warp_sum(projected) / static_cast<float>(cols);
#pragma unroll
    for (int p = 0; p < packs; ++p) {
      const int c = column_of(p);
      if (c >= cols) continue;
      for (int k = 0; k < n; ++k) to[p].at[k] += rstd * (h[p].at[k] - sum - xhat[p].at[k] * projected);
      store_packed(to[p], grad_x + row * cols + c);
    }
  }
}

// Calls run with packs that hold a row; false where rows do not come in whole accesses or are too long.
template <class F, class... P>
bool in_registers(std::int64_t cols, const F& run, const P*... starts) {
  if (cols == 0 || !packable<n>(cols, starts...)) return false;
  const auto holds = [&](int packs) { return cols <= packs * n * warp_size; };
  if (holds(3)) return run(std::integral_constant<int, 3>{}), true;
  if (holds(6)) return run(std::integral_constant<int, 6>{}), true;
  if (holds(8)) return run(std::integral_constant<int, 8>{}), true;
  if (holds(12)) return run(std::integral_constant<int, 12>{}), true;
  return false;
}

template <class T, class Y>
__global__ void grad_parameters_kernel(const Y* grad_out, const T* x, const T* mean, const T* rstd, std::int64_t rows,
                                       std::int64_t cols, T* weight_parts, T* bias_parts) {
  const std::int64_t c = global_thread();
  if (c >= cols) return;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.y) * chunk_rows;
  const std::int64_t last = first + chunk_rows < rows ? first + chunk_rows : rows;
  T weight = 0, bias = 0;
  for (std::int64_t row = first; row < last; ++row) {
    const T g = wide(grad_out[row * cols + c]);
    weight += g * ((x[row * cols + c] - mean[row]) * rstd[row]);
    bias += g;
  }
  weight_parts[blockIdx.y * cols + c] = weight;
  bias_parts[blockIdx.y * cols + c] = bias;
}

template <class T, class Y>
void run_grad_x(const Y* grad_out, const T* x, const T* weight, const T* mean, const T* rstd, std::int64_t rows,
                std::int64_t cols, bool add, T* grad_x) {
  constexpr const char* name = "layer_norm_backward";
  const unsigned blocks = blocks_for(rows, warps_per_block);
  if constexpr (std::is_same_v<T, float>) {
    const auto run = [&](auto packs) {
      launch(name, packed_grad_x_kernel<Y, packs>, blocks, warps_per_block * warp_size, 0, grad_out, x, weight, mean,
             rstd, rows, static_cast<int>(cols), add, grad_x);
    };
    if (in_registers(cols, run, grad_out, x, weight, grad_x)) return;
  }
  launch(name, grad_x_kernel<T, Y>, blocks, warps_per_block * warp_size, 0, grad_out, x, weight, mean, rstd, rows, cols,
         add, grad_x);
}

}  // namespace

template <class T, class Y>
void layer_norm(const T* x, const T* weight, const T* bias, T eps, std::int64_t rows, std::int64_t cols, Y* y, T* mean,
                T* rstd) {
  if constexpr (std::is_same_v<T, float>) {
    const auto run = [&](auto packs) {
      launch("layer_norm", packed_forward_kernel<Y, packs>, blocks_for(rows, warps_per_block),
             warps_per_block * warp_size, 0, x, weight, bias, eps, rows, static_cast<int>(cols), y, mean, rstd);
    };
    if (in_registers(cols, run, x, weight, bias, y)) return;
  }
  launch("layer_norm", forward_kernel<T, Y>, blocks_for(rows, warps_per_block), warps_per_block * warp_size, 0, x,
         weight, bias, eps, rows, cols, y, mean, rstd);
}

template <class T, class Y>
void layer_norm_backward(const Y* grad_out, const T* x, const T* weight, const T* mean, const T* rstd,
                         std::int64_t rows, std::int64_t cols, bool add, T* grad_x, T* grad_weight, T* grad_bias) {
  if (grad_x != nullptr) run_grad_x(grad_out, x, weight, mean, rstd, rows, cols, add, grad_x);
  if (grad_weight == nullptr && grad_bias == nullptr) return;
  const std::int64_t chunks = (rows + chunk_rows - 1) / chunk_rows;
  require(chunks <= 65535, "layer_norm_backward", "takes at most ", 65535 * chunk_rows, " rows on CUDA, got ", rows);
  Scratch<T> parts(2 * chunks * cols);
  T* weight_parts = parts.data();
  T* bias_parts = parts.data() + chunks * cols;
  const unsigned blocks = blocks_for(cols, 128);
  launch("layer_norm_backward", grad_parameters_kernel<T, Y>, dim3(blocks, static_cast<unsigned>(chunks)), 128, 0,
         grad_out, x, mean, rstd, rows, cols, weight_parts, bias_parts);
  if (grad_weight != nullptr) add_lines("layer_norm_backward", weight_parts, 1, chunks, cols, 1.0, grad_weight);
  if (grad_bias != nullptr) add_lines("layer_norm_backward", bias_parts, 1, chunks, cols, 1.0, grad_bias);
}

#define REIN_INSTANTIATE(T, Y)                                                                                    \
  template void layer_norm(const T*, const T*, const T*, T, std::int64_t, std::int64_t, Y*, T*, T*);              \
  template void layer_norm_backward(const Y*, const T*, const T*, const T*, const T*, std::int64_t, std::int64_t, \
                                    bool, T*, T*, T*);
REIN_INSTANTIATE(float, float)
REIN_INSTANTIATE(float, bf16_t)
REIN_INSTANTIATE(double, double)

}  // namespace rein::ops::cuda
