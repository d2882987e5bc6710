// Who owns what: a thread owns eight neighbours, read and written in one access of 16 bytes (two for f32), in strides
// of the whole grid; the last threads take what is left one by one, and all elements where an address is not aligned.
// Sums over rows: tensor/cuda/sum_rows.h.
#include "tensor/cuda/packed.h"
#include "tensor/cuda/sum_rows.h"
#include "tensor/cuda/wide.h"
#include "tensor/ops/elementwise_cuda.h"
#include "tensor/ops/elementwise_functions_cuda.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 256, each = 8;

// F::apply(a, b) in f32; b may be null: then it is 0.
template <class F, class B>
__global__ void map_kernel(const bf16_t* a, const B* b, std::int64_t packs, std::int64_t count, bf16_t* y) {
  for (std::int64_t i = global_thread(); i < packs; i += global_threads()) {
    Packed<bf16_t, each> left = load_packed<bf16_t, each>(a + each * i);
    Packed<B, each> right{};
    if (b != nullptr) right = load_packed<B, each>(b + each * i);
    for (int k = 0; k < each; ++k) left.at[k] = to_bf16(F::apply(to_float(left.at[k]), wide(right.at[k])));
    store_packed(left, y + each * i);
  }
  for (std::int64_t i = each * packs + global_thread(); i < count; i += global_threads())
    y[i] = to_bf16(F::apply(to_float(a[i]), b != nullptr ? wide(b[i]) : 0.0F));
}

template <class F, class B>
void map(const char* name, const bf16_t* a, const B* b, std::int64_t count, bf16_t* y) {
  const std::int64_t packs = packable<each>(0, a, b, y) ? count / each : 0;
  launch(name, map_kernel<F, B>, blocks_for(packs > 0 ? packs : count, threads, 8192), threads, 0, a, b, packs, count,
         y);
}

template <class F>
struct Value {
  static __device__ float apply(float x, float) { return F::f(x); }
};
template <class F>
struct Slope {  // of x, times g
  static __device__ float apply(float g, float x) { return F::df(g, x); }
};
struct Sum {
  static __device__ float apply(float a, float b) { return a + b; }
};

struct Term {
  const bf16_t* a;
  std::int64_t cols;
  __device__ float operator()(std::int64_t row, std::int64_t col) const { return to_float(a[row * cols + col]); }
};

}  // namespace

void unary(Unary function, const bf16_t* x, std::int64_t count, bf16_t* y) {
  choose(function, [&]<class F>(F) { map<Value<F>, bf16_t>("unary", x, nullptr, count, y); });
}
void unary_backward(Unary function, const bf16_t* grad_out, const bf16_t* x, std::int64_t count, bf16_t* grad_x) {
  choose(function, [&]<class F>(F) { map<Slope<F>>("unary_backward", grad_out, x, count, grad_x); });
}
void add_into(const bf16_t* a, const bf16_t* b, std::int64_t count, bf16_t* y) {
  map<Sum>("add_into", a, b, count, y);
}
void add_rounded(const bf16_t* a, const float* b, std::int64_t count, bf16_t* y) {
  map<Sum>("add_rounded", a, b, count, y);
}
void sum_rows(const bf16_t* a, std::int64_t rows, std::int64_t cols, float* out) {
  rein::cuda::sum_rows<float>("sum_rows", Term{a, cols}, rows, cols, out);
}

}  // namespace rein::ops::cuda
