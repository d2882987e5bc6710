#include "tensor/ops/gemm_bf16.h"

#include "tensor/error.h"
#include "tensor/ops/gemm_bf16_cpu.h"

namespace rein::ops {

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
  require(a.device().is_cpu() && b.device().is_cpu() && c.device().is_cpu(), "gemm_bf16", "no kernel for device ",
          c.device().text());
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
