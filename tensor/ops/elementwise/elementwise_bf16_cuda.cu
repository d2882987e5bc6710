// Elementwise operations that read or write bf16, all computed in f32. Sums over rows: tensor/cuda/sum_rows.h.
#include "tensor/cuda/sum_rows.h"
#include "tensor/ops/elementwise/elementwise_functions_cuda.h"
#include "tensor/ops/elementwise/elementwise_kernels.h"

namespace rein::ops::cuda {
namespace {

struct Term {
  const bf16_t* a;
  std::int64_t cols;
  __device__ float operator()(std::int64_t row, std::int64_t col) const { return to_float(a[row * cols + col]); }
};

}  // namespace

void unary(Unary function, const bf16_t* x, std::int64_t count, bf16_t* y) {
  choose<GeluByErf>(function, [&]<class F>(F) { map("unary", Value<F>{}, count, y, x); });
}
void unary_backward(Unary function, const bf16_t* grad_out, const bf16_t* x, std::int64_t count, bf16_t* grad_x) {
  choose<GeluByErf>(function, [&]<class F>(F) { map("unary_backward", Slope<F>{}, count, grad_x, grad_out, x); });
}
void add_into(const bf16_t* a, const bf16_t* b, std::int64_t count, bf16_t* y) {
  map("add_into", Add{}, count, y, a, b);
}
void add_rounded(const bf16_t* a, const float* b, std::int64_t count, bf16_t* y) {
  map("add_rounded", Add{}, count, y, a, b);
}
void add_wide_into(const float* a, const bf16_t* b, std::int64_t count, float* y) {
  map("add_wide_into", Add{}, count, y, a, b);
}
void sum_rows(const bf16_t* a, std::int64_t rows, std::int64_t cols, float* out) {
  rein::cuda::sum_rows<float>("sum_rows", Term{a, cols}, rows, cols, out);
}

}  // namespace rein::ops::cuda
