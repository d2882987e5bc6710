#include "tensor/ops/elementwise/residual.h"

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/elementwise/cast.h"
#include "tensor/ops/elementwise/residual_kernels.h"

namespace rein::ops {
namespace {

// A branch in bf16 beside a stream in f32: on CUDA.
bool mixed(const Tensor& x, DType y) {
  return x.dtype() == DType::f32 && y == DType::bf16 && x.device().is_cuda();
}

void check(const char* op, const Tensor& x, const Tensor& y) {
  require(x && y && x.shape() == y.shape() && (x.dtype() == y.dtype() || mixed(x, y.dtype())) && x.rank() >= 1, op,
          "x and y must have one shape (..., C) and dtype (or f32 and, on CUDA, bf16), got ", x.shape(), " ",
          name_of(x.dtype()), " and ", y.shape(), " ", name_of(y.dtype()));
  require_one_device(op, "x and y", x, y);
}

void check_gamma(const char* op, const Tensor& x, const Tensor& gamma) {
  require(!gamma || (gamma.shape() == Shape{x.size(-1)} && gamma.dtype() == x.dtype()), op, "gamma must have shape ",
          Shape{x.size(-1)}, " and x's dtype, got ", gamma.shape(), " ", name_of(gamma.dtype()), "; x is ", x.shape());
  require_one_device(op, "x and gamma", x, gamma);
}

struct Split {
  std::int64_t batches, prefix, body;  // elements per batch
};

Split check_scaled(const char* op, const Tensor& x, const Tensor& y, const Tensor& scale, std::int64_t first_row) {
  check(op, x, y);
  require(x.rank() == 3, op, "x must have shape (N, L, C), got ", x.shape());
  require(!scale || (scale.shape() == Shape{} && scale.dtype() == x.dtype()), op,
          "scale must be a scalar () of x's dtype, got ", scale.shape(), " ", name_of(scale.dtype()));
  require_one_device(op, "x and scale", x, scale);
  require(first_row >= 0 && first_row <= x.size(1), op, "first_row must be in [0, ", x.size(1), "], got ", first_row,
          "; x is ", x.shape());
  return {x.size(0), first_row * x.size(2), (x.size(1) - first_row) * x.size(2)};
}

}  // namespace

Tensor residual(const Tensor& x, const Tensor& y, const Tensor& gamma) {
  check("residual", x, y);
  check_gamma("residual", x, gamma);
  Tensor out = Tensor::empty_like(x);
  if (mixed(x, y.dtype())) {
    if constexpr (rein::cuda::built)
      cuda::residual<float>(x.data<float>(), y.data<bf16_t>(), data_or_null<float>(gamma), x.shape().rows(),
                            x.shape().cols(), out.mutable_data<float>());
    return out;
  }
  dispatch_real("residual", x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), residual<T>(x.data<T>(), y.data<T>(), data_or_null<T>(gamma), x.shape().rows(),
                                           x.shape().cols(), out.mutable_data<T>()));
  });
  return out;
}

ResidualGrads residual_backward(const Tensor& grad_out, const Tensor& y, const Tensor& gamma, ResidualWants wants) {
  if (wants.gamma) check("residual_backward", grad_out, y);
  require(grad_out && grad_out.rank() >= 1, "residual_backward", "grad_out must have shape (..., C)");
  check_gamma("residual_backward", grad_out, gamma);
  require(!wants.gamma || gamma, "residual_backward", "no gamma, so no gradient of it");
  ResidualGrads grads;
  const DType y_dtype = wants.y_dtype.value_or(grad_out.dtype());
  if (wants.y && !gamma) grads.y = cast(grad_out, y_dtype);
  const bool fill_y = wants.y && gamma;
  if (fill_y) grads.y = Tensor::empty(grad_out.shape(), y_dtype, grad_out.device());
  if (wants.gamma) grads.gamma = Tensor::empty_like(gamma);
  if (!fill_y && !wants.gamma) return grads;
  const std::int64_t rows = grad_out.shape().rows(), cols = grad_out.shape().cols();
  if (mixed(grad_out, y_dtype)) {
    if constexpr (rein::cuda::built)
      cuda::residual_backward<float>(grad_out.data<float>(), wants.gamma ? y.data<bf16_t>() : nullptr,
                                     gamma.data<float>(), rows, cols, fill_y ? grads.y.mutable_data<bf16_t>() : nullptr,
                                     mutable_or_null<float>(grads.gamma));
    return grads;
  }
  dispatch_real("residual_backward", grad_out.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(
        grad_out.device(),
        residual_backward<T>(grad_out.data<T>(), wants.gamma ? y.data<T>() : nullptr, gamma.data<T>(), rows, cols,
                             fill_y ? grads.y.mutable_data<T>() : nullptr, mutable_or_null<T>(grads.gamma)));
  });
  return grads;
}

Tensor scaled_residual(const Tensor& x, const Tensor& y, const Tensor& scale, std::int64_t first_row) {
  const Split s = check_scaled("scaled_residual", x, y, scale, first_row);
  Tensor out = Tensor::empty_like(x);
  if (mixed(x, y.dtype())) {
    if constexpr (rein::cuda::built)
      cuda::scaled_residual<float>(x.data<float>(), y.data<bf16_t>(), data_or_null<float>(scale), s.batches, s.prefix,
                                   s.body, out.mutable_data<float>());
    return out;
  }
  dispatch_real("scaled_residual", x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), scaled_residual<T>(x.data<T>(), y.data<T>(), data_or_null<T>(scale), s.batches, s.prefix,
                                                  s.body, out.mutable_data<T>()));
  });
  return out;
}

ScaledResidualGrads scaled_residual_backward(const Tensor& grad_out, const Tensor& y, const Tensor& scale,
                                             std::int64_t first_row, ScaledResidualWants wants) {
  const Split s = check_scaled("scaled_residual_backward", grad_out, wants.scale ? y : grad_out, scale, first_row);
  const DType y_dtype = wants.y_dtype.value_or(grad_out.dtype());
  ScaledResidualGrads grads;
  if (wants.y) grads.y = Tensor::empty(grad_out.shape(), y_dtype, grad_out.device());
  if (wants.scale) grads.scale = Tensor::empty({}, grad_out.dtype(), grad_out.device());
  if (!wants.y && !wants.scale) return grads;
  if (mixed(grad_out, y_dtype)) {
    if constexpr (rein::cuda::built)
      cuda::scaled_residual_backward<float>(grad_out.data<float>(), wants.scale ? y.data<bf16_t>() : nullptr,
                                            data_or_null<float>(scale), s.batches, s.prefix, s.body,
                                            mutable_or_null<bf16_t>(grads.y), mutable_or_null<float>(grads.scale));
    return grads;
  }
  dispatch_real("scaled_residual_backward", grad_out.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(grad_out.device(),
                   scaled_residual_backward<T>(grad_out.data<T>(), wants.scale ? y.data<T>() : nullptr,
                                               data_or_null<T>(scale), s.batches, s.prefix, s.body,
                                               mutable_or_null<T>(grads.y), mutable_or_null<T>(grads.scale)));
  });
  return grads;
}

}  // namespace rein::ops
