#include "tensor/ops/matmul/linear.h"

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/ops/elementwise/elementwise_kernels.h"
#include "tensor/ops/matmul/gemm.h"
#include "tensor/ops/matmul/gemm_bf16.h"
#include "tensor/ops/matmul/gemm_cpu.h"

namespace rein::ops {
namespace {

// Whether this is the product in bf16: x is rounded inside, the result is f32.
bool rounded(const Tensor& x, const Tensor& weight) {
  return x.dtype() == DType::f32 && weight.dtype() == DType::bf16;
}

void check_weight(const Tensor& x, const Tensor& weight, int axis, const char* what) {
  require(weight && weight.rank() == 2 && weight.size(axis) == x.size(-1), "linear", "weight must have shape ",
          axis == 1 ? "(N, " : "(", x.size(-1), axis == 1 ? ")" : ", K)", ", got ", weight.shape(), "; ", what, " is ",
          x.shape());
  require(weight.dtype() == x.dtype() || rounded(x, weight), "linear", what,
          " and weight must have one dtype (or f32 and bf16), got ", name_of(x.dtype()), " and ",
          name_of(weight.dtype()));
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Products products) {
  require(x && x.rank() >= 1, "linear", "x must have shape (..., K), got ", x.shape());
  check_weight(x, weight, 1, "x");
  const Shape expected{weight.size(0)};
  require(!bias || (bias.shape() == expected && bias.dtype() == x.dtype()), "linear", "bias must have shape ", expected,
          " ", name_of(x.dtype()), ", got ", bias.shape(), " ", name_of(bias.dtype()), "; x is ", x.shape());
  const Tensor y = Tensor::empty(x.shape().with(-1, weight.size(0)), x.dtype(), x.device());
  if (rounded(x, weight))
    gemm_bf16(flat_rows_of(x), false, rows_of(weight), true, flat_rows_of(y), bias);
  else
    gemm(flat_rows_of(x), false, rows_of(weight), true, flat_rows_of(y), Write::overwrite, bias, 1.0, products);
  return y;
}

LinearGrads linear_backward(const Tensor& grad_out, const Tensor& x, const Tensor& weight, LinearWants wants,
                            Products products) {
  require(grad_out && grad_out.rank() >= 1, "linear_backward", "grad_out must have shape (..., N), got ",
          grad_out.shape());
  LinearGrads grads;
  if (wants.x) {
    check_weight(grad_out, weight, 0, "grad_out");
    grads.x = Tensor::empty(grad_out.shape().with(-1, weight.size(1)), grad_out.dtype(), grad_out.device());
    if (rounded(grad_out, weight))
      gemm_bf16(flat_rows_of(grad_out), false, rows_of(weight), false, flat_rows_of(grads.x));
    else
      gemm(flat_rows_of(grad_out), false, rows_of(weight), false, flat_rows_of(grads.x), Write::overwrite, {}, 1.0,
           products);
  }
  if (wants.weight) {
    require(x && x.rank() == grad_out.rank() && x.shape().with(-1, grad_out.size(-1)) == grad_out.shape() &&
                x.dtype() == grad_out.dtype(),
            "linear_backward", "x must have the leading sizes and dtype of grad_out ", grad_out.shape(), " ",
            name_of(grad_out.dtype()), ", got ", x.shape(), " ", name_of(x.dtype()));
    grads.weight = Tensor::empty({grad_out.size(-1), x.size(-1)}, x.dtype(), x.device());
    gemm(flat_rows_of(grad_out), true, flat_rows_of(x), false, rows_of(grads.weight), Write::overwrite, {}, 1.0,
         products);
  }
  if (wants.bias) grads.bias = column_sums(grad_out);
  return grads;
}

Tensor column_sums(const Tensor& x) {
  require(x && x.rank() >= 1, "column_sums", "x must have shape (..., C), got ", x.shape());
  const std::int64_t rows = x.shape().rows(), cols = x.shape().cols();
  if constexpr (rein::cuda::built) {
    if (x.dtype() == DType::bf16 && x.device().is_cuda()) {
      Tensor sums = Tensor::empty({cols}, DType::f32, x.device());
      cuda::sum_rows(x.data<bf16_t>(), rows, cols, sums.mutable_data<float>());
      return sums;
    }
  }
  Tensor out = Tensor::empty({cols}, x.dtype(), x.device());
  dispatch_real("column_sums", x.dtype(), [&]<class T>() {
    if constexpr (rein::cuda::built) {
      if (x.device().is_cuda()) return cuda::sum_rows<T>(x.data<T>(), nullptr, rows, cols, out.mutable_data<T>());
    }
    cpu::column_sums<T>(x.data<T>(), rows, cols, cols, false, out.mutable_data<T>());
  });
  return out;
}

}  // namespace rein::ops
