// Rows are owned by warps or blocks (row_owner_cuda.h).
#include "tensor/ops/norm/log_softmax_kernels.h"

#include "tensor/ops/norm/row_owner_cuda.h"

namespace rein::ops::cuda {
namespace {

template <class T, int held>
__global__ void log_softmax_kernel(const T* x, std::int64_t rows, std::int64_t cols, T* y) {
  using Row = Owner<T, held>;
  for (std::int64_t r = Row::first_row(); r < rows; r += Row::row_step()) {
    const Row row(x + r * cols, cols);
    T* out = y + r * cols;
    const T top = largest(row);
    T sum = 0;
    row.each([&](T v, std::int64_t) { sum += exp(v - top); });
    const T log_sum = log(row.sum(sum));
    row.each([&](T v, std::int64_t c) { out[c] = v - top - log_sum; });
  }
}

template <class T, int held>
__global__ void log_softmax_backward_kernel(const T* grad_out, const T* y, std::int64_t rows, std::int64_t cols,
                                            T* grad_x) {
  using Row = Owner<T, held>;
  for (std::int64_t r = Row::first_row(); r < rows; r += Row::row_step()) {
    const Row row(grad_out + r * cols, cols);
    const T* of = y + r * cols;
    T* out = grad_x + r * cols;
    T sum = 0;
    row.each([&](T v, std::int64_t) { sum += v; });
    sum = row.sum(sum);
    row.each([&](T v, std::int64_t c) { out[c] = v - exp(of[c]) * sum; });
  }
}

}  // namespace

template <class T>
void log_softmax(const T* x, std::int64_t rows, std::int64_t cols, T* y) {
  by_length<T>(rows, cols, [&](auto held, Launch l) {
    launch("log_softmax", log_softmax_kernel<T, held()>, l.blocks, l.threads, l.shared, x, rows, cols, y);
  });
}

template <class T>
void log_softmax_backward(const T* grad_out, const T* y, std::int64_t rows, std::int64_t cols, T* grad_x) {
  by_length<T>(rows, cols, [&](auto held, Launch l) {
    launch("log_softmax_backward", log_softmax_backward_kernel<T, held()>, l.blocks, l.threads, l.shared, grad_out, y,
           rows, cols, grad_x);
  });
}

#define REIN_INSTANTIATE(T)                                            \
  template void log_softmax(const T*, std::int64_t, std::int64_t, T*); \
  template void log_softmax_backward(const T*, const T*, std::int64_t, std::int64_t, T*);
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)
#undef REIN_INSTANTIATE

}  // namespace rein::ops::cuda
