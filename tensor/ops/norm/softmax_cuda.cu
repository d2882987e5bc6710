// Rows are owned by warps or blocks (row_owner_cuda.h). exp is computed again for the last walk: cheaper than storing
// it.
#include "tensor/ops/norm/softmax_kernels.h"

#include "tensor/ops/norm/row_owner_cuda.h"

namespace rein::ops::cuda {
namespace {

template <class T, int held>
__global__ void softmax_kernel(const T* x, T factor, std::int64_t rows, std::int64_t cols, T* y) {
  using Row = Owner<T, held>;
  for (std::int64_t r = Row::first_row(); r < rows; r += Row::row_step()) {
    const Row row(x + r * cols, cols);
    T* out = y + r * cols;
    const T top = largest(row);
    T sum = 0;
    row.each([&](T v, std::int64_t) { sum += exp((v - top) * factor); });
    const T inverse = T(1) / row.sum(sum);
    row.each([&](T v, std::int64_t c) { out[c] = exp((v - top) * factor) * inverse; });
  }
}

template <class T, int held>
__global__ void softmax_backward_kernel(const T* grad_out, const T* y, T factor, std::int64_t rows, std::int64_t cols,
                                        T* grad_x) {
  using Row = Owner<T, held>;
  for (std::int64_t r = Row::first_row(); r < rows; r += Row::row_step()) {
    const Row row(y + r * cols, cols);
    const T* g = grad_out + r * cols;
    T* out = grad_x + r * cols;
    T dot = 0;
    row.each([&](T v, std::int64_t c) { dot += g[c] * v; });
    dot = row.sum(dot);
    row.each([&](T v, std::int64_t c) { out[c] = v * factor * (g[c] - dot); });
  }
}

}  // namespace

template <class T>
void softmax(const T* x, T factor, std::int64_t rows, std::int64_t cols, T* y) {
  by_length<T>(rows, cols, [&](auto held, Launch l) {
    launch("softmax", softmax_kernel<T, held()>, l.blocks, l.threads, l.shared, x, factor, rows, cols, y);
  });
}

template <class T>
void softmax_backward(const T* grad_out, const T* y, T factor, std::int64_t rows, std::int64_t cols, T* grad_x) {
  by_length<T>(rows, cols, [&](auto held, Launch l) {
    launch("softmax_backward", softmax_backward_kernel<T, held()>, l.blocks, l.threads, l.shared, grad_out, y, factor,
           rows, cols, grad_x);
  });
}

#define REIN_INSTANTIATE(T)                                           \
  template void softmax(const T*, T, std::int64_t, std::int64_t, T*); \
  template void softmax_backward(const T*, const T*, T, std::int64_t, std::int64_t, T*);
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)
#undef REIN_INSTANTIATE

}  // namespace rein::ops::cuda
