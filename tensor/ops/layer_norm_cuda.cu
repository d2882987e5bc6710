// Who owns what: a warp owns a row (4 warps to a block); its lanes walk the columns in steps of 32 and share sums by
// exchanges, so no shared memory is needed and the variance is centred in a second walk over a row that the first one
// left in the cache. Gradients of weight and bias are sums over rows: a thread owns a column in a chunk of rows, then
// one thread per column adds the chunks in order. The same bits every time.
#include "tensor/ops/layer_norm_cuda.h"

#include "tensor/cuda/kernel.h"
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

// grad_x = rstd (h - mean(h) - xhat mean(h xhat)), h = grad_out weight.
template <class T, class Y>
__global__ void grad_x_kernel(const Y* grad_out, const T* x, const T* weight, const T* mean_in, const T* rstd_in,
                              std::int64_t rows, std::int64_t cols, T* grad_x) {
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
    for (std::int64_t c = lane; c < cols; c += warp_size)
      grad_x[row * cols + c] = rstd * (wide(g[c]) * weight[c] - sum - (in[c] - mean) * rstd * projected);
  }
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

template <class T>
__global__ void add_chunks_kernel(const T* parts, std::int64_t chunks, std::int64_t cols, T* out) {
  const std::int64_t c = global_thread();
  if (c >= cols) return;
  T sum = 0;
  for (std::int64_t k = 0; k < chunks; ++k) sum += parts[k * cols + c];
  out[c] = sum;
}

}  // namespace

template <class T, class Y>
void layer_norm(const T* x, const T* weight, const T* bias, T eps, std::int64_t rows, std::int64_t cols, Y* y, T* mean,
                T* rstd) {
  launch("layer_norm", forward_kernel<T, Y>, blocks_for(rows, warps_per_block), warps_per_block * warp_size, 0, x,
         weight, bias, eps, rows, cols, y, mean, rstd);
}

template <class T, class Y>
void layer_norm_backward(const Y* grad_out, const T* x, const T* weight, const T* mean, const T* rstd,
                         std::int64_t rows, std::int64_t cols, T* grad_x, T* grad_weight, T* grad_bias) {
  if (grad_x != nullptr) {
    launch("layer_norm_backward", grad_x_kernel<T, Y>, blocks_for(rows, warps_per_block), warps_per_block * warp_size,
           0, grad_out, x, weight, mean, rstd, rows, cols, grad_x);
  }
  if (grad_weight == nullptr && grad_bias == nullptr) return;
  const std::int64_t chunks = (rows + chunk_rows - 1) / chunk_rows;
  require(chunks <= 65535, "layer_norm_backward", "takes at most ", 65535 * chunk_rows, " rows on CUDA, got ", rows);
  Scratch<T> parts(2 * chunks * cols);
  T* weight_parts = parts.data();
  T* bias_parts = parts.data() + chunks * cols;
  const unsigned blocks = blocks_for(cols, 128);
  launch("layer_norm_backward", grad_parameters_kernel<T, Y>, dim3(blocks, static_cast<unsigned>(chunks)), 128, 0,
         grad_out, x, mean, rstd, rows, cols, weight_parts, bias_parts);
  if (grad_weight != nullptr)
    launch("layer_norm_backward", add_chunks_kernel<T>, blocks, 128, 0, weight_parts, chunks, cols, grad_weight);
  if (grad_bias != nullptr)
    launch("layer_norm_backward", add_chunks_kernel<T>, blocks, 128, 0, bias_parts, chunks, cols, grad_bias);
}

#define REIN_INSTANTIATE(T, Y)                                                                                        \
  template void layer_norm(const T*, const T*, const T*, T, std::int64_t, std::int64_t, Y*, T*, T*);                  \
  template void layer_norm_backward(const Y*, const T*, const T*, const T*, const T*, std::int64_t, std::int64_t, T*, \
                                    T*, T*);
REIN_INSTANTIATE(float, float)
REIN_INSTANTIATE(float, bf16_t)
REIN_INSTANTIATE(double, double)

}  // namespace rein::ops::cuda
