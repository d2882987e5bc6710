#include "tensor/ops/elementwise/swiglu.h"

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/ops/elementwise/swiglu_kernels.h"

namespace rein::ops {
namespace {

Shape shape_of_gated(const Tensor& x) {
  require(x && x.rank() >= 1 && x.size(-1) % 2 == 0, "swiglu", "x must have shape (..., 2 C), got ", x.shape());
  require(x.dtype() != DType::bf16 || x.device().is_cuda(), "swiglu", "takes bf16 on CUDA only, got it on ",
          x.device().text());
  return x.shape().with(-1, x.size(-1) / 2);
}

}  // namespace

Tensor swiglu(const Tensor& x, std::optional<DType> out) {
  const Shape shape = shape_of_gated(x);
  const DType y_dtype = out.value_or(x.dtype());
  const bool wide = y_dtype == DType::f32 && x.dtype() == DType::bf16;
  require(wide || y_dtype == x.dtype(), "swiglu", "gives x's dtype, or f32 for bf16; ", name_of(y_dtype),
          " was asked for, x is ", name_of(x.dtype()));
  Tensor y = Tensor::empty(shape, y_dtype, x.device());
  const std::int64_t rows = shape.rows(), cols = shape.cols();
  if (x.dtype() == DType::bf16) {
    if constexpr (rein::cuda::built) {
      if (wide)
        cuda::swiglu(x.data<bf16_t>(), rows, cols, y.mutable_data<float>());
      else
        cuda::swiglu(x.data<bf16_t>(), rows, cols, y.mutable_data<bf16_t>());
    }
    return y;
  }
  dispatch_real("swiglu", x.dtype(),
                [&]<class T>() { REIN_ON_DEVICE(x.device(), swiglu(x.data<T>(), rows, cols, y.mutable_data<T>())); });
  return y;
}

Tensor swiglu_backward(const Tensor& grad_out, const Tensor& x) {
  const Shape shape = shape_of_gated(x);
  const bool mixed = x.dtype() == DType::bf16 && grad_out.dtype() == DType::f32;
  require(grad_out && grad_out.shape() == shape && (grad_out.dtype() == x.dtype() || mixed) &&
              grad_out.device() == x.device(),
          "swiglu_backward", "grad_out must be like y ", shape, " of x ", x.shape(), " ", name_of(x.dtype()), " on ",
          x.device().text(), ", got ", grad_out.shape(), " ", name_of(grad_out.dtype()), " on ",
          grad_out.device().text());
  Tensor grad_x = Tensor::empty_like(x);
  const std::int64_t rows = shape.rows(), cols = shape.cols();
  if (x.dtype() == DType::bf16) {
    if constexpr (rein::cuda::built) {
      if (mixed)
        cuda::swiglu_backward(grad_out.data<float>(), x.data<bf16_t>(), rows, cols, grad_x.mutable_data<bf16_t>());
      else
        cuda::swiglu_backward(grad_out.data<bf16_t>(), x.data<bf16_t>(), rows, cols, grad_x.mutable_data<bf16_t>());
    }
    return grad_x;
  }
  dispatch_real("swiglu", x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), swiglu_backward(grad_out.data<T>(), x.data<T>(), rows, cols, grad_x.mutable_data<T>()));
  });
  return grad_x;
}

}  // namespace rein::ops
