#include "tensor/ops/matmul/linear_bf16.h"

#include "tensor/error.h"
#include "tensor/ops/elementwise/cast.h"
#include "tensor/ops/matmul/gemm_bf16.h"

namespace rein::ops {
namespace {

bool is_bf16(const Tensor& t) {
  return t && t.dtype() == DType::bf16;
}

}  // namespace

Tensor linear_bf16(const Tensor& x, const Tensor& weight, bool trans_weight, const Tensor& bias, DType out) {
  require(is_bf16(x) && x.rank() >= 1 && is_bf16(weight), "linear_bf16", "x and weight must be bf16, got ",
          name_of(x.dtype()), " ", x.shape(), " and ", name_of(weight.dtype()), " ", weight.shape());
  require(weight.rank() == 2 && weight.size(trans_weight ? 1 : 0) == x.size(-1), "linear_bf16",
          "weight must have shape ", trans_weight ? "(N, " : "(", x.size(-1), trans_weight ? ")" : ", N)", ", got ",
          weight.shape(), "; x is ", x.shape());
  require(out == DType::f32 || out == DType::bf16, "linear_bf16", "makes f32 or bf16, got ", name_of(out));
  const std::int64_t width = weight.size(trans_weight ? 0 : 1);
  const Tensor y = Tensor::empty(x.shape().with(-1, width), out, x.device());
  gemm_bf16(flat_rows_of(x), false, rows_of(weight), trans_weight, flat_rows_of(y), bias);
  return y;
}

LinearGrads linear_bf16_backward(const Tensor& grad_out, const Tensor& x, const Tensor& weight, bool trans_weight,
                                 LinearWants wants) {
  require(grad_out && grad_out.rank() >= 1, "linear_bf16_backward", "grad_out must have shape (..., N), got ",
          grad_out.shape());
  require((!wants.weight || is_bf16(x)) && (!wants.x || is_bf16(weight)), "linear_bf16_backward",
          "needs x and weight in bf16 for the gradients of each other");
  LinearGrads grads;
  if (wants.bias) grads.bias = column_sums(grad_out);
  if (!wants.x && !wants.weight) return grads;
  const Tensor g = cast(grad_out, DType::bf16);  // once for both products
  if (wants.x) {
    require(weight.rank() == 2 && weight.size(trans_weight ? 0 : 1) == g.size(-1), "linear_bf16_backward",
            "weight and grad_out do not fit, got ", weight.shape(), " and ", g.shape());
    grads.x = Tensor::empty(g.shape().with(-1, weight.size(trans_weight ? 1 : 0)), DType::bf16, g.device());
    gemm_bf16(flat_rows_of(g), false, rows_of(weight), !trans_weight, flat_rows_of(grads.x));
  }
  if (wants.weight) {
    require(x.rank() == g.rank() && x.shape().with(-1, g.size(-1)) == g.shape(), "linear_bf16_backward",
            "x must have the leading sizes of grad_out ", g.shape(), ", got ", x.shape());
    const Tensor &left = trans_weight ? g : x, &right = trans_weight ? x : g;
    grads.weight = Tensor::empty({left.size(-1), right.size(-1)}, DType::f32, g.device());
    gemm_bf16(flat_rows_of(left), true, flat_rows_of(right), false, rows_of(grads.weight));
  }
  return grads;
}

}  // namespace rein::ops
