// Who owns what: a thread owns n neighbours of a row's result: 16 bytes of x where rows begin at multiples of that, two
// where rows are even (EVA-02's hidden width is 2 * 1365), else one.
#include "tensor/ops/elementwise/swiglu_kernels.h"

#include "tensor/ops/elementwise/elementwise_functions_cuda.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 256;
using Silu = Swish<1000>;

// packs: of n columns, per row.
template <int n, class T, class Y>
__global__ void forward_kernel(const T* x, std::int64_t count, std::int64_t packs, Y* y) {
  for (std::int64_t i = global_thread(); i < count; i += global_threads()) {
    const std::int64_t row = i / packs;
    const T* at = x + (i + row * packs) * n;
    const Packed<T, n> a = load_packed<T, n>(at), b = load_packed<T, n>(at + packs * n);
    Packed<Y, n> to;
    for (int k = 0; k < n; ++k) to.at[k] = narrow<Y>(Silu::f(wide(a.at[k])) * wide(b.at[k]));
    store_packed(to, y + i * n);
  }
}

template <int n, class T, class Y>
__global__ void backward_kernel(const Y* grad_out, const T* x, std::int64_t count, std::int64_t packs, T* grad_x) {
  for (std::int64_t i = global_thread(); i < count; i += global_threads()) {
    const std::int64_t row = i / packs, at = (i + row * packs) * n;
    const Packed<Y, n> g = load_packed<Y, n>(grad_out + i * n);
    Packed<T, n> a = load_packed<T, n>(x + at), b = load_packed<T, n>(x + at + packs * n);
    for (int k = 0; k < n; ++k) {
      const auto gate = wide(a.at[k]), value = wide(b.at[k]), grad = wide(g.at[k]);
      a.at[k] = narrow<T>(Silu::df(grad * value, gate));
      b.at[k] = narrow<T>(grad * Silu::f(gate));
    }
    store_packed(a, grad_x + at);
    store_packed(b, grad_x + at + packs * n);
  }
}

// run(n) with the widest accesses that rows of `cols` elements at these addresses allow.
template <class T, class F, class... P>
void with_packs(std::int64_t cols, const F& run, const P*... starts) {
  if (packable<packed_count<T>>(cols, starts...)) return run(std::integral_constant<int, packed_count<T>>{});
  if (packable<2>(cols, starts...)) return run(std::integral_constant<int, 2>{});
  run(std::integral_constant<int, 1>{});
}

}  // namespace

template <class T, class Y>
void swiglu(const T* x, std::int64_t rows, std::int64_t cols, Y* y) {
  if (rows * cols == 0) return;
  with_packs<T>(
      cols,
      [&](auto n) {
        const std::int64_t packs = cols / n, count = rows * packs;
        launch("swiglu", forward_kernel<n, T, Y>, blocks_for(count, threads, 65536), threads, 0, x, count, packs, y);
      },
      x, y);
}

template <class Y, class T>
void swiglu_backward(const Y* grad_out, const T* x, std::int64_t rows, std::int64_t cols, T* grad_x) {
  if (rows * cols == 0) return;
  with_packs<T>(
      cols,
      [&](auto n) {
        const std::int64_t packs = cols / n, count = rows * packs;
        launch("swiglu_backward", backward_kernel<n, T, Y>, blocks_for(count, threads, 65536), threads, 0, grad_out, x,
               count, packs, grad_x);
      },
      grad_out, x, grad_x);
}

#define REIN_INSTANTIATE(T, Y)                                    \
  template void swiglu(const T*, std::int64_t, std::int64_t, Y*); \
  template void swiglu_backward(const Y*, const T*, std::int64_t, std::int64_t, T*);
REIN_INSTANTIATE(float, float)
REIN_INSTANTIATE(double, double)
REIN_INSTANTIATE(bf16_t, bf16_t)
REIN_INSTANTIATE(bf16_t, float)

}  // namespace rein::ops::cuda
