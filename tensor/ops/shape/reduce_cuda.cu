// Who owns what. Sums along rows (inner = 1): a warp owns a row of up to 1024 elements; of longer ones a block owns a
// chunk. Sums over an axis with inner > 1: a thread owns a column in a chunk of rows. Chunks leave their sums in
// memory, and add_lines adds them in order. All sums are in double. Maxima: a thread owns a column, or a warp a row.
// The gradients: a thread per element. The same bits every time.
#include "tensor/ops/shape/reduce_kernels.h"

#include "tensor/cuda/add_lines.h"
#include "tensor/cuda/first_max.h"
#include "tensor/cuda/scratch.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 256;
constexpr int column_threads = 128;
constexpr std::int64_t short_row = 1024, row_chunk = 1 << 14, column_chunk = 64;

template <class T>
__global__ void short_rows_kernel(const T* x, std::int64_t rows, std::int64_t size, double scale, T* y) {
  const int lane = threadIdx.x % warp_size;
  for (std::int64_t row = global_thread() / warp_size; row < rows; row += global_threads() / warp_size) {
    double sum = 0;
    for (std::int64_t i = lane; i < size; i += warp_size) sum += static_cast<double>(x[row * size + i]);
    sum = warp_sum(sum);
    if (lane == 0) y[row] = static_cast<T>(sum * scale);
  }
}

// parts (rows, chunks)
template <class T>
__global__ void row_chunks_kernel(const T* x, std::int64_t size, std::int64_t chunk, double* parts) {
  const std::int64_t row = blockIdx.x, first = blockIdx.y * chunk, last = first + chunk < size ? first + chunk : size;
  double sum = 0;
  for (std::int64_t i = first + threadIdx.x; i < last; i += blockDim.x) sum += static_cast<double>(x[row * size + i]);
  sum = block_sum(sum, dynamic_shared<double>());
  if (threadIdx.x == 0) parts[row * gridDim.y + blockIdx.y] = sum;
}

// parts (outer, chunks, inner)
template <class T>
__global__ void column_chunks_kernel(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner,
                                     std::int64_t chunk, double* parts) {
  const std::int64_t c = global_thread();
  if (c >= inner) return;
  const std::int64_t first = blockIdx.y * chunk, last = first + chunk < size ? first + chunk : size;
  for (std::int64_t o = blockIdx.z; o < outer; o += gridDim.z) {
    double sum = 0;
    for (std::int64_t k = first; k < last; ++k) sum += static_cast<double>(x[(o * size + k) * inner + c]);
    parts[(o * gridDim.y + blockIdx.y) * inner + c] = sum;
  }
}

// Index: unsigned where the counts fit, because dividing it is several times faster.
template <class T, class Index>
__global__ void spread_kernel(const T* grad_out, Index count, Index size, Index inner, T scale, T* grad_x) {
  for (std::int64_t i = global_thread(); i < static_cast<std::int64_t>(count); i += global_threads()) {
    const auto e = static_cast<Index>(i);
    grad_x[i] = grad_out[e / inner / size * inner + e % inner] * scale;
  }
}

template <class T>
__global__ void spread_all_kernel(const T* grad_out, std::int64_t count, double scale, T* grad_x) {
  const T value = static_cast<T>(static_cast<double>(*grad_out) * scale);
  for (std::int64_t i = global_thread(); i < count; i += global_threads()) grad_x[i] = value;
}

template <class T>
__global__ void max_rows_kernel(const T* x, std::int64_t rows, std::int64_t size, T* values, std::int64_t* indices) {
  const int lane = threadIdx.x % warp_size;
  for (std::int64_t row = global_thread() / warp_size; row < rows; row += global_threads() / warp_size) {
    FirstMax<T> best;
    for (std::int64_t i = lane; i < size; i += warp_size) best.take(x[row * size + i], i);
    best.join_warp();
    if (lane == 0) {
      values[row] = best.value;
      indices[row] = best.place;
    }
  }
}

template <class T>
__global__ void max_columns_kernel(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* values,
                                   std::int64_t* indices) {
  for (std::int64_t i = global_thread(); i < outer * inner; i += global_threads()) {
    const T* from = x + i / inner * size * inner + i % inner;
    FirstMax<T> best;
    for (std::int64_t k = 0; k < size; ++k) best.take(from[k * inner], k);
    values[i] = best.value;
    indices[i] = best.place;
  }
}

template <class T, class Index>
__global__ void max_backward_kernel(const T* grad_out, const std::int64_t* indices, Index count, Index size,
                                    Index inner, T* grad_x) {
  for (std::int64_t i = global_thread(); i < static_cast<std::int64_t>(count); i += global_threads()) {
    const auto e = static_cast<Index>(i);
    const Index row = e / inner, at = row / size * inner + e % inner;
    grad_x[i] = indices[at] == static_cast<std::int64_t>(row % size) ? grad_out[at] : T(0);
  }
}

// body(Index()) with the narrowest index that can count all elements.
template <class F>
void by_index(std::int64_t count, F&& body) {
  if (count <= 0xffffffffLL)
    body(std::uint32_t{});
  else
    body(std::uint64_t{});
}

unsigned grid(std::int64_t count) {
  return blocks_for(count, threads, 16384);
}

}  // namespace

template <class T>
void sum_all(const T* x, std::int64_t count, double scale, T* y) {
  sum_axis(x, 1, count, 1, scale, y);
}

template <class T>
void sum_axis(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, double scale, T* y) {
  if (outer == 0 || inner == 0) return;
  if (inner == 1 && size <= short_row) {
    launch("sum_axis", short_rows_kernel<T>, grid(outer * warp_size), threads, 0, x, outer, size, scale, y);
    return;
  }
  // No more chunks than a grid has room for.
  std::int64_t chunk = inner == 1 ? row_chunk : column_chunk;
  if (size > 32768 * chunk) chunk = (size + 32767) / 32768;
  const std::int64_t chunks = size > 0 ? (size + chunk - 1) / chunk : 0;
  Scratch<double> parts(outer * chunks * inner);
  if (inner == 1) {
    launch("sum_axis", row_chunks_kernel<T>, dim3(static_cast<unsigned>(outer), static_cast<unsigned>(chunks)), threads,
           threads / warp_size * sizeof(double), x, size, chunk, parts.data());
  } else {
    const dim3 blocks(blocks_for(inner, column_threads), static_cast<unsigned>(chunks),
                      static_cast<unsigned>(outer < 65535 ? outer : 65535));
    launch("sum_axis", column_chunks_kernel<T>, blocks, column_threads, 0, x, outer, size, inner, chunk, parts.data());
  }
  add_lines("sum_axis", parts.data(), outer, chunks, inner, scale, y);
}

template <class T>
void spread_all(const T* grad_out, std::int64_t count, double scale, T* grad_x) {
  launch("sum_backward", spread_all_kernel<T>, grid(count), threads, 0, grad_out, count, scale, grad_x);
}

template <class T>
void spread_axis(const T* grad_out, std::int64_t outer, std::int64_t size, std::int64_t inner, T scale, T* grad_x) {
  const std::int64_t count = outer * size * inner;
  by_index(count, [&]<class Index>(Index) {
    launch("sum_axis_backward", spread_kernel<T, Index>, grid(count), threads, 0, grad_out, static_cast<Index>(count),
           static_cast<Index>(size), static_cast<Index>(inner), scale, grad_x);
  });
}

template <class T>
void max_axis(const T* x, std::int64_t outer, std::int64_t size, std::int64_t inner, T* values, std::int64_t* indices) {
  if (inner == 1)
    launch("max_axis", max_rows_kernel<T>, grid(outer * warp_size), threads, 0, x, outer, size, values, indices);
  else
    launch("max_axis", max_columns_kernel<T>, grid(outer * inner), threads, 0, x, outer, size, inner, values, indices);
}

template <class T>
void max_axis_backward(const T* grad_out, const std::int64_t* indices, std::int64_t outer, std::int64_t size,
                       std::int64_t inner, T* grad_x) {
  const std::int64_t count = outer * size * inner;
  by_index(count, [&]<class Index>(Index) {
    launch("max_axis_backward", max_backward_kernel<T, Index>, grid(count), threads, 0, grad_out, indices,
           static_cast<Index>(count), static_cast<Index>(size), static_cast<Index>(inner), grad_x);
  });
}

#define REIN_INSTANTIATE(T)                                                                      \
  template void sum_all(const T*, std::int64_t, double, T*);                                     \
  template void sum_axis(const T*, std::int64_t, std::int64_t, std::int64_t, double, T*);        \
  template void spread_all(const T*, std::int64_t, double, T*);                                  \
  template void spread_axis(const T*, std::int64_t, std::int64_t, std::int64_t, T, T*);          \
  template void max_axis(const T*, std::int64_t, std::int64_t, std::int64_t, T*, std::int64_t*); \
  template void max_axis_backward(const T*, const std::int64_t*, std::int64_t, std::int64_t, std::int64_t, T*);
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)

}  // namespace rein::ops::cuda
