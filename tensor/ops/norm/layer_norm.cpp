#include "tensor/ops/norm/layer_norm.h"

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/ops/norm/layer_norm_kernels.h"

namespace rein::ops {
namespace {

void check(const Tensor& x, const Tensor& weight, const Tensor* bias) {
  require(x && x.rank() >= 1, "layer_norm", "x must have shape (..., C), got ", x.shape());
  const Shape expected{x.size(-1)};
  require(weight.shape() == expected, "layer_norm", "weight must have shape ", expected, ", got ", weight.shape(),
          "; x is ", x.shape());
  require(bias == nullptr || bias->shape() == expected, "layer_norm", "bias must have shape ", expected, ", got ",
          bias ? bias->shape() : Shape{}, "; x is ", x.shape());
  require(weight.dtype() == x.dtype() && (bias == nullptr || bias->dtype() == x.dtype()), "layer_norm",
          "x, weight and bias must have one dtype, got ", name_of(x.dtype()), ", ", name_of(weight.dtype()));
  require(weight.device() == x.device() && (bias == nullptr || bias->device() == x.device()), "layer_norm",
          "x, weight and bias must be on one device, got ", x.device().text(), " and ", weight.device().text());
}

}  // namespace

LayerNormOut layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                        std::optional<DType> out_dtype) {
  check(x, weight, &bias);
  const DType y_dtype = out_dtype.value_or(x.dtype());
  const bool rounds = y_dtype == DType::bf16 && x.dtype() == DType::f32 && x.device().is_cuda();
  require(rounds || y_dtype == x.dtype(), "layer_norm", "gives x's dtype, or bf16 for f32 on CUDA only; ",
          name_of(y_dtype), " was asked for, x is ", name_of(x.dtype()), " on ", x.device().text());
  const std::int64_t rows = x.shape().rows(), cols = x.shape().cols();
  LayerNormOut out{Tensor::empty(x.shape(), y_dtype, x.device()), Tensor::empty({rows}, x.dtype(), x.device()),
                   Tensor::empty({rows}, x.dtype(), x.device())};
  if (rounds) {
    if constexpr (rein::cuda::built)
      cuda::layer_norm<float, bf16_t>(x.data<float>(), weight.data<float>(), bias.data<float>(),
                                      static_cast<float>(eps), rows, cols, out.y.mutable_data<bf16_t>(),
                                      out.mean.mutable_data<float>(), out.rstd.mutable_data<float>());
    return out;
  }
  dispatch_real("layer_norm", x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(),
                   layer_norm<T>(x.data<T>(), weight.data<T>(), bias.data<T>(), static_cast<T>(eps), rows, cols,
                                 out.y.mutable_data<T>(), out.mean.mutable_data<T>(), out.rstd.mutable_data<T>()));
  });
  return out;
}

LayerNormGrads layer_norm_backward(const Tensor& grad_out, const Tensor& x, const Tensor& weight, const Tensor& mean,
                                   const Tensor& rstd, LayerNormWants wants, const Tensor& add_to) {
  check(x, weight, nullptr);
  const bool rounded = grad_out.dtype() == DType::bf16 && x.dtype() == DType::f32 && x.device().is_cuda();
  require(grad_out.shape() == x.shape() && (grad_out.dtype() == x.dtype() || rounded), "layer_norm_backward",
          "grad_out must be like y ", x.shape(), ", got ", grad_out.shape(), " ", name_of(grad_out.dtype()));
  require(grad_out.device() == x.device(), "layer_norm_backward", "grad_out must be on ", x.device().text(), ", got ",
          grad_out.device().text());
  require(!add_to ||
              (wants.x && add_to.shape() == x.shape() && add_to.dtype() == x.dtype() && add_to.device() == x.device()),
          "layer_norm_backward", "add_to must be like x ", x.shape(), " ", name_of(x.dtype()), " and x's gradient ",
          "wanted, got ", add_to.shape(), " ", name_of(add_to.dtype()), " on ", add_to.device().text());
  const std::int64_t rows = x.shape().rows(), cols = x.shape().cols();
  const bool add = static_cast<bool>(add_to);
  LayerNormGrads grads;
  if (wants.x) grads.x = add ? add_to : Tensor::empty_like(x);
  if (wants.weight) grads.weight = Tensor::empty_like(weight);
  if (wants.bias) grads.bias = Tensor::empty_like(weight);
  if (rounded) {
    if constexpr (rein::cuda::built)
      cuda::layer_norm_backward<float, bf16_t>(grad_out.data<bf16_t>(), x.data<float>(), weight.data<float>(),
                                               mean.data<float>(), rstd.data<float>(), rows, cols, add,
                                               mutable_or_null<float>(grads.x), mutable_or_null<float>(grads.weight),
                                               mutable_or_null<float>(grads.bias));
    return grads;
  }
  dispatch_real("layer_norm", x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(),
                   layer_norm_backward<T>(grad_out.data<T>(), x.data<T>(), weight.data<T>(), mean.data<T>(),
                                          rstd.data<T>(), rows, cols, add, mutable_or_null<T>(grads.x),
                                          mutable_or_null<T>(grads.weight), mutable_or_null<T>(grads.bias)));
  });
  return grads;
}

}  // namespace rein::ops
