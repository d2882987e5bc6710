// Elementwise operations in f32 and f64. Broadcasts: a thread per element, in strides of the whole grid. Sums over
// rows: tensor/cuda/sum_rows.h.
#include "tensor/ops/elementwise/elementwise_kernels.h"

#include "tensor/cuda/sum_rows.h"
#include "tensor/ops/elementwise/elementwise_functions_cuda.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 256;

template <class With>
void choose(Binary function, With&& with) {
  switch (function) {
    case Binary::add:
      return with(Add{});
    case Binary::sub:
      return with(Sub{});
    case Binary::mul:
      return with(Mul{});
  }
}

template <class T>
struct Scaled {
  T factor;
  __device__ T operator()(T x) const { return x * factor; }
};

template <class F, class T>
__global__ void broadcast_kernel(const T* x, const T* b, std::int64_t count, std::int64_t cols, T* y) {
  for (std::int64_t i = global_thread(); i < count; i += global_threads()) y[i] = F{}(x[i], b[i % cols]);
}

template <class T>
struct Product {
  const T* a;
  const T* b;
  std::int64_t cols;
  __device__ T operator()(std::int64_t row, std::int64_t col) const {
    const std::int64_t i = row * cols + col;
    return b == nullptr ? a[i] : a[i] * b[i];
  }
};

}  // namespace

template <class T>
void unary(Unary function, const T* x, std::int64_t count, T* y) {
  choose(function, [&]<class F>(F) { map("unary", Value<F>{}, count, y, x); });
}
template <class T>
void unary_backward(Unary function, const T* grad_out, const T* x, std::int64_t count, T* grad_x) {
  choose(function, [&]<class F>(F) { map("unary_backward", Slope<F>{}, count, grad_x, grad_out, x); });
}
template <class T>
void binary(Binary function, const T* a, const T* b, std::int64_t count, T* y) {
  choose(function, [&]<class F>(F f) { map("binary", f, count, y, a, b); });
}
template <class T>
void add_into(const T* a, const T* b, std::int64_t count, T* y) {
  map("add_into", Add{}, count, y, a, b);
}
template <class T>
void scale(const T* x, T factor, std::int64_t count, T* y) {
  map("scale", Scaled<T>{factor}, count, y, x);
}
template <class T>
void broadcast(Binary function, const T* x, const T* b, std::int64_t rows, std::int64_t cols, T* y) {
  const std::int64_t count = rows * cols;
  choose(function, [&]<class F>(F) {
    launch("broadcast", broadcast_kernel<F, T>, blocks_for(count, threads, 8192), threads, 0, x, b, count, cols, y);
  });
}
template <class T>
void sum_rows(const T* a, const T* b, std::int64_t rows, std::int64_t cols, T* out) {
  rein::cuda::sum_rows<T>("sum_rows", Product<T>{a, b, cols}, rows, cols, out);
}

#define REIN_INSTANTIATE(T)                                                            \
  template void unary(Unary, const T*, std::int64_t, T*);                              \
  template void unary_backward(Unary, const T*, const T*, std::int64_t, T*);           \
  template void binary(Binary, const T*, const T*, std::int64_t, T*);                  \
  template void add_into(const T*, const T*, std::int64_t, T*);                        \
  template void scale(const T*, T, std::int64_t, T*);                                  \
  template void broadcast(Binary, const T*, const T*, std::int64_t, std::int64_t, T*); \
  template void sum_rows(const T*, const T*, std::int64_t, std::int64_t, T*);
REIN_INSTANTIATE(float)
REIN_INSTANTIATE(double)

}  // namespace rein::ops::cuda
