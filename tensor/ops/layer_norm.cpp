#include "tensor/ops/layer_norm.h"

#include "tensor/cuda/runtime.h"
#include "tensor/error.h"
#include "tensor/ops/layer_norm_cpu.h"
#include "tensor/ops/layer_norm_cuda.h"

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

LayerNormOut layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  check(x, weight, &bias);
  const std::int64_t rows = x.shape().rows(), cols = x.shape().cols();
  LayerNormOut out{Tensor::empty_like(x), Tensor::empty({rows}, x.dtype(), x.device()),
                   Tensor::empty({rows}, x.dtype(), x.device())};
  dispatch_real("layer_norm", x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(),
                   layer_norm<T>(x.data<T>(), weight.data<T>(), bias.data<T>(), static_cast<T>(eps), rows, cols,
                                 out.y.mutable_data<T>(), out.mean.mutable_data<T>(), out.rstd.mutable_data<T>()));
  });
  return out;
}

LayerNormGrads layer_norm_backward(const Tensor& grad_out, const Tensor& x, const Tensor& weight, const Tensor& mean,
                                   const Tensor& rstd, LayerNormWants wants) {
  check(x, weight, nullptr);
  require(grad_out.shape() == x.shape() && grad_out.dtype() == x.dtype(), "layer_norm_backward",
          "grad_out must be like x ", x.shape(), ", got ", grad_out.shape(), " ", name_of(grad_out.dtype()));
  require(grad_out.device() == x.device(), "layer_norm_backward", "grad_out must be on ", x.device().text(), ", got ",
          grad_out.device().text());
  const std::int64_t rows = x.shape().rows(), cols = x.shape().cols();
  LayerNormGrads grads;
  if (wants.x) grads.x = Tensor::empty_like(x);
  if (wants.weight) grads.weight = Tensor::empty_like(weight);
  if (wants.bias) grads.bias = Tensor::empty_like(weight);
  dispatch_real("layer_norm", x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(),
                   layer_norm_backward<T>(grad_out.data<T>(), x.data<T>(), weight.data<T>(), mean.data<T>(),
                                          rstd.data<T>(), rows, cols, wants.x ? grads.x.mutable_data<T>() : nullptr,
                                          wants.weight ? grads.weight.mutable_data<T>() : nullptr,
                                          wants.bias ? grads.bias.mutable_data<T>() : nullptr));
  });
  return grads;
}

}  // namespace rein::ops
