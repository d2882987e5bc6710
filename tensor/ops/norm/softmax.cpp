#include "tensor/ops/norm/softmax.h"

#include <cmath>

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/norm/softmax_kernels.h"

namespace rein::ops {
namespace {

void check(const char* op, const Tensor& x, SoftmaxOptions options) {
  require(x && x.rank() >= 1, op, "x must have shape (..., C), got ", x.shape());
  require(std::isfinite(options.factor) && options.factor > 0, op, "factor must be positive, got ", options.factor);
}

}  // namespace

Tensor softmax(const Tensor& x, SoftmaxOptions options) {
  check("softmax", x, options);
  Tensor y = Tensor::empty_like(x);
  dispatch_real("softmax", x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), softmax<T>(x.data<T>(), static_cast<T>(options.factor), x.shape().rows(),
                                          x.shape().cols(), y.mutable_data<T>()));
  });
  return y;
}

Tensor softmax_backward(const Tensor& grad_out, const Tensor& y, SoftmaxOptions options) {
  check("softmax_backward", y, options);
  require(grad_out && grad_out.shape() == y.shape() && grad_out.dtype() == y.dtype(), "softmax_backward",
          "grad_out must be like y ", y.shape(), " ", name_of(y.dtype()), ", got ", grad_out.shape(), " ",
          name_of(grad_out.dtype()));
  require_one_device("softmax_backward", "grad_out and y", grad_out, y);
  Tensor grad_x = Tensor::empty_like(y);
  dispatch_real("softmax_backward", y.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(y.device(), softmax_backward<T>(grad_out.data<T>(), y.data<T>(), static_cast<T>(options.factor),
                                                   y.shape().rows(), y.shape().cols(), grad_x.mutable_data<T>()));
  });
  return grad_x;
}

}  // namespace rein::ops
