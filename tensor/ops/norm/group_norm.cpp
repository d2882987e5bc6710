#include "tensor/ops/norm/group_norm.h"

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/norm/group_norm_kernels.h"

namespace rein::ops {
namespace {

GroupNormSizes checked_sizes(const Tensor& x, const Tensor& weight, std::int64_t groups) {
  require(x && x.rank() >= 2, "group_norm", "x must have shape (N, H, W, C), got ", x.shape());
  const std::int64_t channels = x.size(-1), n = x.size(0);
  require(groups >= 1 && channels % groups == 0, "group_norm", "channels must be a multiple of groups, got ", channels,
          " channels and ", groups, " groups; x is ", x.shape());
  require(weight.shape() == Shape{channels} && weight.dtype() == x.dtype(), "group_norm", "weight must have shape ",
          Shape{channels}, " and dtype ", name_of(x.dtype()), ", got ", weight.shape(), " ", name_of(weight.dtype()),
          "; x is ", x.shape());
  require_one_device("group_norm", "x and weight", x, weight);
  require(x.count() > 0, "group_norm", "x must not be empty, got ", x.shape());
  return {n, x.count() / (n * channels), channels, groups};
}

}  // namespace

GroupNormOut group_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, std::int64_t groups, double eps) {
  const auto sizes = checked_sizes(x, weight, groups);
  require(bias.shape() == weight.shape() && bias.dtype() == x.dtype(), "group_norm", "bias must have shape ",
          weight.shape(), " and dtype ", name_of(x.dtype()), ", got ", bias.shape(), " ", name_of(bias.dtype()),
          "; x is ", x.shape());
  require_one_device("group_norm", "x and bias", x, bias);
  const Shape stats{sizes.n, groups};
  GroupNormOut out{Tensor::empty_like(x), Tensor::empty(stats, x.dtype(), x.device()),
                   Tensor::empty(stats, x.dtype(), x.device())};
  dispatch_real("group_norm", x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(),
                   group_norm<T>(x.data<T>(), weight.data<T>(), bias.data<T>(), eps, sizes, out.y.mutable_data<T>(),
                                 out.mean.mutable_data<T>(), out.rstd.mutable_data<T>()));
  });
  return out;
}

GroupNormGrads group_norm_backward(const Tensor& grad_out, const Tensor& x, const Tensor& weight, const Tensor& mean,
                                   const Tensor& rstd, GroupNormWants wants) {
  require(mean.rank() == 2 && rstd.shape() == mean.shape(), "group_norm_backward",
          "mean and rstd must have shape (N, groups), got ", mean.shape(), " and ", rstd.shape());
  const auto sizes = checked_sizes(x, weight, mean.size(1));
  require(mean.size(0) == sizes.n, "group_norm_backward", "mean must have ", sizes.n, " rows, got ", mean.shape());
  require(grad_out.shape() == x.shape() && grad_out.dtype() == x.dtype(), "group_norm_backward",
          "grad_out must be like x ", x.shape(), ", got ", grad_out.shape(), " ", name_of(grad_out.dtype()));
  require(grad_out.device() == x.device() && mean.device() == x.device() && rstd.device() == x.device(),
          "group_norm_backward", "grad_out, mean and rstd must be where x is, on ", x.device().text(), ", got ",
          grad_out.device().text(), ", ", mean.device().text(), " and ", rstd.device().text());
  GroupNormGrads grads;
  if (wants.x) grads.x = Tensor::empty_like(x);
  if (wants.weight) grads.weight = Tensor::empty_like(weight);
  if (wants.bias) grads.bias = Tensor::empty_like(weight);
  dispatch_real("group_norm", x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(),
                   group_norm_backward<T>(grad_out.data<T>(), x.data<T>(), weight.data<T>(), mean.data<T>(),
                                          rstd.data<T>(), sizes, mutable_or_null<T>(grads.x),
                                          mutable_or_null<T>(grads.weight), mutable_or_null<T>(grads.bias)));
  });
  return grads;
}

}  // namespace rein::ops
