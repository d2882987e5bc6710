#include "tensor/ops/gemm_bf16.h"

#include "tensor/cuda/runtime.h"
#include "tensor/error.h"
#include "tensor/ops/gemm_bf16_cpu.h"
#include "tensor/ops/gemm_cuda.h"

namespace rein::ops {
namespace {

// There a is rounded once, into memory of its own.
void on_device(const Rows& a, const Rows& b, bool trans_b, Rows& c, const Tensor& bias) {
  Tensor rounded = Tensor::empty({a.rows, a.cols}, DType::bf16, a.device());
  cuda::GemmProblem<float, bf16_t> problem;
  problem.a = rounded.data<bf16_t>();
  problem.b = b.data<bf16_t>();
  problem.c = c.mutable_data<float>();
  problem.bias = bias ? bias.data<float>() : nullptr;
  problem.m = c.rows;
  problem.n = c.cols;
  problem.k = a.cols;
  problem.a_pitch = a.cols;
  problem.b_pitch = b.row_pitch;
  problem.c_pitch = c.row_pitch;
  problem.trans_b = trans_b;
  if constexpr (rein::cuda::built) {
    cuda::round_rows(a.data<float>(), a.rows, a.cols, a.row_pitch, rounded.mutable_data<bf16_t>());
    cuda::gemm(problem);
  }
}

}  // namespace

void gemm_bf16(const Rows& a, const Rows& b, bool trans_b, Rows c, const Tensor& bias) {
  require(a && b && c && a.batches == 1 && b.batches == 1 && c.batches == 1, "gemm_bf16",
          "a, b and c must be one matrix each");
  const auto all = [&] {
    return concat_text("; a is ", a.text(), ", b is ", b.text(), trans_b ? " transposed" : "", ", c is ", c.text());
  };
  const std::int64_t depth = trans_b ? b.cols : b.rows, width = trans_b ? b.rows : b.cols;
  if (a.cols != depth || c.rows != a.rows || c.cols != width)
    fail("gemm_bf16", "a must be (M, K), b (K, N) and c (M, N)", all());
  require(a.dtype() == DType::f32 && b.dtype() == DType::bf16 && c.dtype() == DType::f32, "gemm_bf16",
          "a and c must be f32 and b bf16, got ", name_of(a.dtype()), ", ", name_of(c.dtype()), " and ",
          name_of(b.dtype()));
  if (bias && (bias.shape() != Shape{width} || bias.dtype() != DType::f32))
    fail("gemm_bf16", "bias must have shape ", Shape{width}, " f32, got ", bias.shape(), " ", name_of(bias.dtype()));
  require(a.device() == c.device() && b.device() == c.device() && (!bias || bias.device() == c.device()), "gemm_bf16",
          "a, b, c and bias must be on one device, got ", a.device().text(), ", ", b.device().text(), " and ",
          c.device().text());
  if (!c.device().is_cpu()) {
    on_device(a, b, trans_b, c, bias);
    return;
  }
  cpu::gemm_bf16({.a = a.data<float>(),
                  .a_pitch = a.row_pitch,
                  .b = b.data<bf16_t>(),
                  .b_pitch = b.row_pitch,
                  .trans_b = trans_b,
                  .m = c.rows,
                  .n = c.cols,
                  .k = a.cols,
                  .c = c.mutable_data<float>(),
                  .c_pitch = c.row_pitch,
                  .bias = bias ? bias.data<float>() : nullptr});
}

}  // namespace rein::ops
