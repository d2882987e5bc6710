// Who owns what. With gamma: a thread owns 16 bytes of columns (one column where rows are not aligned) in a chunk of
// rows and walks down; so gamma is read once per thread and a row's neighbours are read together. grad_gamma: each
// chunk leaves a line of sums, which add_lines adds in order. With one scale: threads stride over the elements of a
// batch; each block leaves its sum of grad_out * y, added in order. The same bits every time.
#include "tensor/ops/elementwise/residual_kernels.h"

#include "tensor/cuda/add_lines.h"
#include "tensor/cuda/packed.h"
#include "tensor/cuda/scratch.h"
#include "tensor/cuda/wide.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int column_threads = 128;
constexpr int flat_threads = 256;

// Rows that a block walks down.
std::int64_t chunk_of(std::int64_t rows, std::int64_t at_least) {
  const std::int64_t chunk = (rows + 4095) / 4096;
  return chunk > at_least ? chunk : at_least;
}

template <class T, class Y, int n>
__global__ void residual_kernel(const T* x, const Y* y, const T* gamma, std::int64_t rows, std::int64_t cols,
                                std::int64_t chunk, T* out) {
  const std::int64_t c = global_thread() * n;
  if (c >= cols) return;
  const std::int64_t first = blockIdx.y * chunk, last = first + chunk < rows ? first + chunk : rows;
  const Packed<T, n> factor = load_packed<T, n>(gamma + c);
  for (std::int64_t row = first; row < last; ++row) {
    Packed<T, n> sum = load_packed<T, n>(x + row * cols + c);
    const Packed<Y, n> add = load_packed<Y, n>(y + row * cols + c);
    for (int k = 0; k < n; ++k) sum.at[k] += factor.at[k] * wide(add.at[k]);
    store_packed(sum, out + row * cols + c);
  }
}

// lines: (chunks, cols), or null; then y is not read. grad_y may be null.
template <class T, class Y, int n>
__global__ void residual_backward_kernel(const T* grad_out, const Y* y, const T* gamma, std::int64_t rows,
                                         std::int64_t cols, std::int64_t chunk, Y* grad_y, T* lines) {
  const std::int64_t c = global_thread() * n;
  if (c >= cols) return;
  const std::int64_t first = blockIdx.y * chunk, last = first + chunk < rows ? first + chunk : rows;
  const Packed<T, n> factor = load_packed<T, n>(gamma + c);
  Packed<T, n> sums{};
  for (std::int64_t row = first; row < last; ++row) {
    const Packed<T, n> g = load_packed<T, n>(grad_out + row * cols + c);
    if (lines != nullptr) {
      const Packed<Y, n> of = load_packed<Y, n>(y + row * cols + c);
      for (int k = 0; k < n; ++k) sums.at[k] += g.at[k] * wide(of.at[k]);
    }
    if (grad_y != nullptr) {
      Packed<Y, n> to;
      for (int k = 0; k < n; ++k) to.at[k] = narrow<Y>(g.at[k] * factor.at[k]);
      store_packed(to, grad_y + row * cols + c);
    }
  }
  if (lines != nullptr) store_packed(sums, lines + blockIdx.y * cols + c);
}

// All sizes in accesses of n elements. scale may be null: 1.
template <class T, class Y, int n>
__global__ void scaled_kernel(const T* x, const Y* y, const T* scale, std::int64_t batches, std::int64_t prefix,
                              std::int64_t body, T* out) {
  const T factor = scale != nullptr ? *scale : T(1);
  for (std::int64_t batch = blockIdx.y; batch < batches; batch += gridDim.y) {
    for (std::int64_t i = global_thread(); i < prefix + body; i += global_threads()) {
      const std::int64_t at = (batch * (prefix + body) + i) * n;
      Packed<T, n> sum = load_packed<T, n>(x + at);
      if (i >= prefix) {
        const Packed<Y, n> add = load_packed<Y, n>(y + at);
        for (int k = 0; k < n; ++k) sum.at[k] += factor * wide(add.at[k]);
      }
      store_packed(sum, out + at);
    }
  }
}

// parts: a value per block, or null; then y is not read. grad_y may be null.
template <class T, class Y, int n>
__global__ void scaled_backward_kernel(const T* grad_out, const Y* y, const T* scale, std::int64_t batches,
                                       std::int64_t prefix, std::int64_t body, Y* grad_y, double* parts) {
  const T factor = scale != nullptr ? *scale : T(1);
  double sum = 0;
  for (std::int64_t batch = blockIdx.y; batch < batches; batch += gridDim.y) {
    for (std::int64_t i = global_thread(); i < prefix + body; i += global_threads()) {
      const std::int64_t at = (batch * (prefix + body) + i) * n;
      Packed<Y, n> to{};
      if (i >= prefix) {
        const Packed<T, n> g = load_packed<T, n>(grad_out + at);
        if (parts != nullptr) {
          const Packed<Y, n> of = load_packed<Y, n>(y + at);
          T dot = 0;
          for (int k = 0; k < n; ++k) dot += g.at[k] * wide(of.at[k]);
          sum += static_cast<double>(dot);
        }
        for (int k = 0; k < n; ++k) to.at[k] = narrow<Y>(g.at[k] * factor);
      }
      if (grad_y != nullptr) store_packed(to, grad_y + at);
    }
  }
  if (parts == nullptr) return;
  sum = block_sum(sum, dynamic_shared<double>());
  if (threadIdx.x == 0) parts[blockIdx.y * gridDim.x + blockIdx.x] = sum;
}

dim3 flat_grid(std::int64_t batches, std::int64_t accesses) {
  const unsigned y = static_cast<unsigned>(batches < 64 ? batches : 64);
  return dim3(blocks_for(accesses, flat_threads, 4096 / y), y);
}

template <class T, class Y, int n>
void run_scaled(const T* x, const Y* y, const T* scale, std::int64_t batches, std::int64_t prefix, std::int64_t body,
                T* out) {
  launch("scaled_residual", scaled_kernel<T, Y, n>, flat_grid(batches, (prefix + body) / n), flat_threads, 0, x, y,
         scale, batches, prefix / n, body / n, out);
}

template <class T, class Y, int n>
void run_residual_backward(const T* grad_out, const Y* y, const T* gamma, std::int64_t rows, std::int64_t cols,
                           Y* grad_y, T* grad_gamma) {
  // Long chunks leave few lines to add; short ones have more loads on their way.
  const std::int64_t chunk = chunk_of(rows, grad_gamma != nullptr ? 16 : 4), chunks = (rows + chunk - 1) / chunk;
  const dim3 grid(blocks_for(cols / n, column_threads), static_cast<unsigned>(chunks));
  Scratch<T> lines(grad_gamma != nullptr ? chunks * cols : 0);
  launch("residual_backward", residual_backward_kernel<T, Y, n>, grid, column_threads, 0, grad_out, y, gamma, rows,
         cols, chunk, grad_y, grad_gamma != nullptr ? lines.data() : nullptr);
  if (grad_gamma != nullptr) add_lines("residual_backward", lines.data(), 1, chunks, cols, 1.0, grad_gamma);
}

template <class T, class Y, int n>
void run_scaled_backward(const T* grad_out, const Y* y, const T* scale, std::int64_t batches, std::int64_t prefix,
                         std::int64_t body, Y* grad_y, T* grad_scale) {
  const dim3 grid = flat_grid(batches, (prefix + body) / n);
  const std::int64_t blocks = static_cast<std::int64_t>(grid.x) * grid.y;
  Scratch<double> parts(grad_scale != nullptr ? blocks : 0);
  launch("scaled_residual_backward", scaled_backward_kernel<T, Y, n>, grid, flat_threads,
         flat_threads / warp_size * sizeof(double), grad_out, y, scale, batches, prefix / n, body / n, grad_y,
         grad_scale != nullptr ? parts.data() : nullptr);
  if (grad_scale != nullptr) add_lines("scaled_residual_backward", parts.data(), 1, blocks, 1, 1.0, grad_scale);
}

}  // namespace

template <class T, class Y>
void residual(const T* x, const Y* y, const T* gamma, std::int64_t rows, std::int64_t cols, T* out) {
  if (gamma == nullptr) return scaled_residual<T, Y>(x, y, nullptr, 1, 0, rows * cols, out);
  constexpr int n = packed_count<T>;
  const std::int64_t chunk = chunk_of(rows, 8);
  const bool packed = packable<n>(cols, x, y, gamma, out);
  const dim3 grid(blocks_for(packed ? cols / n : cols, column_threads),
                  static_cast<unsigned>((rows + chunk - 1) / chunk));
  launch("residual", packed ? residual_kernel<T, Y, n> : residual_kernel<T, Y, 1>, grid, column_threads, 0, x, y, gamma,
         rows, cols, chunk, out);
}

template <class T, class Y>
void residual_backward(const T* grad_out, const Y* y, const T* gamma, std::int64_t rows, std::int64_t cols, Y* grad_y,
                       T* grad_gamma) {
  constexpr int n = packed_count<T>;
  if (packable<n>(cols, grad_out, y, gamma, grad_y))
    run_residual_backward<T, Y, n>(grad_out, y, gamma, rows, cols, grad_y, grad_gamma);
  else
    run_residual_backward<T, Y, 1>(grad_out, y, gamma, rows, cols, grad_y, grad_gamma);
}

template <class T, class Y>
void scaled_residual(const T* x, const Y* y, const T* scale, std::int64_t batches, std::int64_t prefix,
                     std::int64_t body, T* out) {
  if (batches * (prefix + body) == 0) return;
  constexpr int n = packed_count<T>;
  if (prefix % n == 0 && packable<n>(body, x, y, out))
    run_scaled<T, Y, n>(x, y, scale, batches, prefix, body, out);
  else
    run_scaled<T, Y, 1>(x, y, scale, batches, prefix, body, out);
}

template <class T, class Y>
void scaled_residual_backward(const T* grad_out, const Y* y, const T* scale, std::int64_t batches, std::int64_t prefix,
                              std::int64_t body, Y* grad_y, T* grad_scale) {
  if (batches * (prefix + body) == 0) {
    if (grad_scale != nullptr) add_lines("scaled_residual_backward", grad_out, 1, 0, 1, 1.0, grad_scale);
    return;
  }
  constexpr int n = packed_count<T>;
  if (prefix % n == 0 && packable<n>(body, grad_out, y, grad_y))
    run_scaled_backward<T, Y, n>(grad_out, y, scale, batches, prefix, body, grad_y, grad_scale);
  else
    run_scaled_backward<T, Y, 1>(grad_out, y, scale, batches, prefix, body, grad_y, grad_scale);
}

#define REIN_INSTANTIATE(T, Y)                                                                                       \
  template void residual(const T*, const Y*, const T*, std::int64_t, std::int64_t, T*);                              \
  template void residual_backward(const T*, const Y*, const T*, std::int64_t, std::int64_t, Y*, T*);                 \
  template void scaled_residual(const T*, const Y*, const T*, std::int64_t, std::int64_t, std::int64_t, T*);         \
  template void scaled_residual_backward(const T*, const Y*, const T*, std::int64_t, std::int64_t, std::int64_t, Y*, \
                                         T*);
REIN_INSTANTIATE(float, float)
REIN_INSTANTIATE(float, bf16_t)
REIN_INSTANTIATE(double, double)

}  // namespace rein::ops::cuda
