#include "tensor/ops/norm/softmax.h"

#include <cmath>

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/ops/norm/softmax_kernels.h"

namespace rein::ops {
namespace {

void check(const char* op, const Tensor& x) {
  require(x && x.rank() >= 1, op, "x must have shape (..., C), got ", x.shape());
}

void check_backward(const char* op, const Tensor& grad_out, const Tensor& y) {
  check(op, y);
  require(grad_out && grad_out.shape() == y.shape() && grad_out.dtype() == y.dtype(), op, "grad_out must be like y ",
          y.shape(), " ", name_of(y.dtype()), ", got ", grad_out.shape(), " ", name_of(grad_out.dtype()));
  require(grad_out.device() == y.device(), op, "grad_out and y must be on one device, got ", grad_out.device().text(),
          " and ", y.device().text());
}

}  // namespace

Tensor softmax(const Tensor& x, double factor) {
  check("softmax", x);
  require(std::isfinite(factor) && factor > 0, "softmax", "factor must be positive, got ", factor);
  Tensor y = Tensor::empty_like(x);
  dispatch_real("softmax", x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), softmax<T>(x.data<T>(), static_cast<T>(factor), x.shape().rows(), x.shape().cols(),
                                          y.mutable_data<T>()));
  });
  return y;
}

Tensor softmax_backward(const Tensor& grad_out, const Tensor& y, double factor) {
  check_backward("softmax_backward", grad_out, y);
  Tensor grad_x = Tensor::empty_like(y);
  dispatch_real("softmax_backward", y.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(y.device(), softmax_backward<T>(grad_out.data<T>(), y.data<T>(), static_cast<T>(factor),
                                                   y.shape().rows(), y.shape().cols(), grad_x.mutable_data<T>()));
  });
  return grad_x;
}

Tensor log_softmax(const Tensor& x) {
  check("log_softmax", x);
  Tensor y = Tensor::empty_like(x);
  dispatch_real("log_softmax", x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), log_softmax<T>(x.data<T>(), x.shape().rows(), x.shape().cols(), y.mutable_data<T>()));
  });
  return y;
}

Tensor log_softmax_backward(const Tensor& grad_out, const Tensor& y) {
  check_backward("log_softmax_backward", grad_out, y);
  Tensor grad_x = Tensor::empty_like(y);
  dispatch_real("log_softmax_backward", y.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(y.device(), log_softmax_backward<T>(grad_out.data<T>(), y.data<T>(), y.shape().rows(),
                                                       y.shape().cols(), grad_x.mutable_data<T>()));
  });
  return grad_x;
}

}  // namespace rein::ops
