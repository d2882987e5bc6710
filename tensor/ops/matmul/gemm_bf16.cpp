#include "tensor/ops/matmul/gemm_bf16.h"

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/matmul/gemm_bf16_cpu.h"
#include "tensor/ops/matmul/gemm_cuda.h"

namespace rein::ops {
namespace {

// There an f32 a is rounded once, into memory of its own.
template <class Out>
void on_device(const Rows& a, bool trans_a, const Rows& b, bool trans_b, Rows& c, const Tensor& bias) {
  const bool round = a.dtype() == DType::f32;
  Tensor rounded = round ? Tensor::empty({a.rows, a.cols}, DType::bf16, a.device()) : Tensor{};
  cuda::GemmProblem<float, bf16_t, Out> problem;
  problem.a = round ? rounded.data<bf16_t>() : a.data<bf16_t>();
  problem.b = b.data<bf16_t>();
  problem.c = c.mutable_data<Out>();
  problem.bias = data_or_null<Out>(bias);
  problem.m = c.rows;
  problem.n = c.cols;
  problem.k = trans_a ? a.rows : a.cols;
  problem.a_pitch = round ? a.cols : a.row_pitch;
  problem.b_pitch = b.row_pitch;
  problem.c_pitch = c.row_pitch;
  problem.trans_a = trans_a;
  problem.trans_b = trans_b;
  if constexpr (rein::cuda::built) {
    if (round) cuda::round_rows(a.data<float>(), a.rows, a.cols, a.row_pitch, rounded.mutable_data<bf16_t>());
    cuda::gemm(problem);
  }
}

void check(const Rows& a, bool trans_a, const Rows& b, bool trans_b, const Rows& c, const Tensor& bias) {
  require(a && b && c && a.batches == 1 && b.batches == 1 && c.batches == 1, "gemm_bf16",
          "a, b and c must be one matrix each");
  const auto all = [&] {
    return concat_text("; a is ", a.text(), trans_a ? " transposed" : "", ", b is ", b.text(),
                       trans_b ? " transposed" : "", ", c is ", c.text());
  };
  const std::int64_t height = trans_a ? a.cols : a.rows, a_depth = trans_a ? a.rows : a.cols;
  const std::int64_t depth = trans_b ? b.cols : b.rows, width = trans_b ? b.rows : b.cols;
  if (a_depth != depth || c.rows != height || c.cols != width)
    fail("gemm_bf16", "a must be (M, K), b (K, N) and c (M, N)", all());
  const auto either = [](DType t) { return t == DType::f32 || t == DType::bf16; };
  require(either(a.dtype()) && b.dtype() == DType::bf16 && either(c.dtype()), "gemm_bf16",
          "a and c must be f32 (or bf16 on CUDA) and b bf16, got ", name_of(a.dtype()), ", ", name_of(c.dtype()),
          " and ", name_of(b.dtype()));
  require(c.device().is_cuda() || (a.dtype() == DType::f32 && c.dtype() == DType::f32 && !trans_a), "gemm_bf16",
          "takes a bf16 or transposed a and a bf16 c on CUDA only, got ", name_of(a.dtype()), " and ",
          name_of(c.dtype()), " on ", c.device().text());
  if (bias && (bias.shape() != Shape{width} || bias.dtype() != c.dtype()))
    fail("gemm_bf16", "bias must have shape ", Shape{width}, " ", name_of(c.dtype()), ", got ", bias.shape(), " ",
         name_of(bias.dtype()));
  require_one_device("gemm_bf16", "a, b, c and bias", a, b, c, bias);
}

}  // namespace

void gemm_bf16(const Rows& a, bool trans_a, const Rows& b, bool trans_b, Rows c, const Tensor& bias) {
  check(a, trans_a, b, trans_b, c, bias);
  if (c.device().is_cuda()) {
    c.dtype() == DType::f32 ? on_device<float>(a, trans_a, b, trans_b, c, bias)
                            : on_device<bf16_t>(a, trans_a, b, trans_b, c, bias);
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
                  .bias = data_or_null<float>(bias)});
}

}  // namespace rein::ops
