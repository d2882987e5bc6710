#include "tensor/ops/conv/conv2d.h"

#include <algorithm>

#include "tensor/cpu_features.h"
#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/conv/conv2d_kernels.h"
#include "tensor/ops/conv/conv2d_winograd_cpu.h"
#include "tensor/ops/matmul/linear.h"

namespace rein::ops {
namespace {

ConvShape checked(const Shape& x, const Shape& weight, std::int64_t stride, std::int64_t padding, Products products) {
  require(x.rank() == 4, "conv2d", "x must have shape (N, H, W, I), got ", x);
  require(weight.rank() == 4 && weight[3] == x[3] && weight[1] >= 1 && weight[2] >= 1, "conv2d",
          "weight must have shape (O, kh, kw, ", x[3], "), got ", weight, "; x is ", x);
  require(stride >= 1 && padding >= 0, "conv2d", "stride must be at least 1 and padding at least 0, got ", stride,
          " and ", padding);
  require(padding <= (std::int64_t{1} << 30) && weight[1] <= x[1] + 2 * padding && weight[2] <= x[2] + 2 * padding,
          "conv2d", "the kernel must fit into the padded map, got weight ", weight, " and padding ", padding, "; x is ",
          x);
  return {x[0],
          x[1],
          x[2],
          x[3],
          (x[1] + 2 * padding - weight[1]) / stride + 1,
          (x[2] + 2 * padding - weight[2]) / stride + 1,
          weight[0],
          weight[1],
          weight[2],
          stride,
          padding,
          products};
}

// Narrow products would spend the time on the transforms. REIN_KERNEL=conv2d:direct and conv2d:winograd force one.
bool by_winograd(const ConvShape& s) {
  const std::string forced = forced_kernel("conv2d");
  if (forced == "direct" || !cpu::winograd_fits(s)) return false;
  return forced == "winograd" || std::min(s.in, s.out) >= 32;
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, std::int64_t stride, std::int64_t padding,
              Products products) {
  require(x && weight, "conv2d", "x and weight must not be null");
  const ConvShape s = checked(x.shape(), weight.shape(), stride, padding, products);
  require(weight.dtype() == x.dtype(), "conv2d", "x and weight must have one dtype, got ", name_of(x.dtype()), " and ",
          name_of(weight.dtype()));
  require(!bias || (bias.shape() == Shape{s.out} && bias.dtype() == x.dtype()), "conv2d", "bias must have shape ",
          Shape{s.out}, " ", name_of(x.dtype()), ", got ", bias.shape(), " ", name_of(bias.dtype()));
  require_one_device("conv2d", "x, weight and bias", x, weight, bias);
  Tensor y = Tensor::empty({s.batch, s.out_height, s.out_width, s.out}, x.dtype(), x.device());
  dispatch_real("conv2d", x.dtype(), [&]<class T>() {
    const auto run = [&](const auto& kernel) {
      kernel(x.data<T>(), weight.data<T>(), data_or_null<T>(bias), s, y.mutable_data<T>());
    };
    if constexpr (rein::cuda::built) {
      if (x.device().is_cuda()) return run(cuda::conv2d<T>);
    }
    by_winograd(s) ? run(cpu::conv2d_winograd<T>) : run(cpu::conv2d<T>);
  });
  return y;
}

Conv2dGrads conv2d_backward(const Tensor& grad_out, const Tensor& x, const Tensor& weight, const Shape& x_shape,
                            const Shape& weight_shape, std::int64_t stride, std::int64_t padding, Conv2dWants wants,
                            Products products) {
  const ConvShape s = checked(x_shape, weight_shape, stride, padding, products);
  const Shape expected{s.batch, s.out_height, s.out_width, s.out};
  require(grad_out && grad_out.shape() == expected, "conv2d_backward", "grad_out must have shape ", expected, ", got ",
          grad_out.shape(), "; x is ", x_shape, ", weight is ", weight_shape);
  require(!wants.weight || (x && x.shape() == x_shape && x.dtype() == grad_out.dtype()), "conv2d_backward",
          "the gradient of weight needs x ", x_shape, " ", name_of(grad_out.dtype()), ", got ", x.shape(), " ",
          name_of(x.dtype()));
  require(!wants.x || (weight && weight.shape() == weight_shape && weight.dtype() == grad_out.dtype()),
          "conv2d_backward", "the gradient of x needs weight ", weight_shape, " ", name_of(grad_out.dtype()), ", got ",
          weight.shape(), " ", name_of(weight.dtype()));
  const Device device = grad_out.device();
  require((!wants.weight || x.device() == device) && (!wants.x || weight.device() == device), "conv2d_backward",
          "grad_out, x and weight must be on one device, got ", device.text(), ", ", x.device().text(), " and ",
          weight.device().text());
  Conv2dGrads grads;
  if (wants.x) grads.x = Tensor::empty(x_shape, grad_out.dtype(), device);
  if (wants.weight) grads.weight = Tensor::empty(weight_shape, grad_out.dtype(), device);
  dispatch_real("conv2d", grad_out.dtype(), [&]<class T>() {
    const auto run = [&](const auto& for_x, const auto& for_weight) {
      if (wants.x) for_x(grad_out.data<T>(), weight.data<T>(), s, grads.x.mutable_data<T>());
      if (wants.weight) for_weight(grad_out.data<T>(), x.data<T>(), s, grads.weight.mutable_data<T>());
    };
    if constexpr (rein::cuda::built) {
      if (device.is_cuda()) return run(cuda::conv2d_grad_x<T>, cuda::conv2d_grad_weight<T>);
    }
    by_winograd(s) ? run(cpu::conv2d_winograd_grad_x<T>, cpu::conv2d_winograd_grad_weight<T>)
                   : run(cpu::conv2d_grad_x<T>, cpu::conv2d_grad_weight<T>);
  });
  if (wants.bias) grads.bias = column_sums(grad_out);
  return grads;
}

}  // namespace rein::ops
