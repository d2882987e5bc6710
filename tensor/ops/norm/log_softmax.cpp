#include "tensor/ops/norm/log_softmax.h"

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/norm/log_softmax_kernels.h"

namespace rein::ops {

Tensor log_softmax(const Tensor& x) {
  require(x && x.rank() >= 1, "log_softmax", "x must have shape (..., C), got ", x.shape());
  Tensor y = Tensor::empty_like(x);
  dispatch_real("log_softmax", x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), log_softmax<T>(x.data<T>(), x.shape().rows(), x.shape().cols(), y.mutable_data<T>()));
  });
  return y;
}

Tensor log_softmax_backward(const Tensor& grad_out, const Tensor& y) {
  require(y && y.rank() >= 1, "log_softmax_backward", "y must have shape (..., C), got ", y.shape());
  require(grad_out && grad_out.shape() == y.shape() && grad_out.dtype() == y.dtype(), "log_softmax_backward",
          "grad_out must be like y ", y.shape(), " ", name_of(y.dtype()), ", got ", grad_out.shape(), " ",
          name_of(grad_out.dtype()));
  require_one_device("log_softmax_backward", "grad_out and y", grad_out, y);
  Tensor grad_x = Tensor::empty_like(y);
  dispatch_real("log_softmax_backward", y.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(y.device(), log_softmax_backward<T>(grad_out.data<T>(), y.data<T>(), y.shape().rows(),
                                                       y.shape().cols(), grad_x.mutable_data<T>()));
  });
  return grad_x;
}

}  // namespace rein::ops
