#include "tensor/ops/shape/reduce.h"

#include <vector>

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/shape/reduce_kernels.h"

namespace rein::ops {
namespace {

struct AxisView {
  std::int64_t outer = 1, size = 1, inner = 1;
  Shape without;  // the shape without the axis
};

AxisView view_along(const char* op, const Shape& shape, int axis) {
  const int a = axis < 0 ? axis + shape.rank() : axis;
  require(a >= 0 && a < shape.rank(), op, "axis ", axis, " is outside of ", shape);
  AxisView v;
  std::vector<std::int64_t> rest;
  for (int i = 0; i < shape.rank(); ++i) {
    if (i == a) {
      v.size = shape[i];
      continue;
    }
    (i < a ? v.outer : v.inner) *= shape[i];
    rest.push_back(shape[i]);
  }
  v.without = Shape(std::span<const std::int64_t>(rest));
  return v;
}

Tensor scaled_sum(const char* op, const Tensor& x, double scale) {
  Tensor y = Tensor::empty({}, x.dtype(), x.device());
  dispatch_real(op, x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), sum_all<T>(x.data<T>(), x.count(), scale, y.mutable_data<T>()));
  });
  return y;
}

Tensor scaled_sum_axis(const char* op, const Tensor& x, const AxisView& v, double scale) {
  Tensor y = Tensor::empty(v.without, x.dtype(), x.device());
  dispatch_real(op, x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), sum_axis<T>(x.data<T>(), v.outer, v.size, v.inner, scale, y.mutable_data<T>()));
  });
  return y;
}

}  // namespace

Tensor sum(const Tensor& x) {
  return scaled_sum("sum", x, 1.0);
}

Tensor mean(const Tensor& x) {
  require(x.count() >= 1, "mean", "needs at least one element, got ", x.shape());
  return scaled_sum("mean", x, 1.0 / static_cast<double>(x.count()));
}

Tensor sum_axis(const Tensor& x, int axis) {
  return scaled_sum_axis("sum_axis", x, view_along("sum_axis", x.shape(), axis), 1.0);
}

Tensor mean_axis(const Tensor& x, int axis) {
  const AxisView v = view_along("mean_axis", x.shape(), axis);
  require(v.size >= 1, "mean_axis", "axis ", axis, " of ", x.shape(), " is empty");
  return scaled_sum_axis("mean_axis", x, v, 1.0 / static_cast<double>(v.size));
}

Tensor sum_axis_backward(const Tensor& grad_out, const Shape& x_shape, int axis, double scale) {
  const AxisView v = view_along("sum_axis_backward", x_shape, axis);
  require(grad_out.shape() == v.without, "sum_axis_backward", "grad_out must have shape ", v.without, ", got ",
          grad_out.shape(), "; x is ", x_shape);
  Tensor grad_x = Tensor::empty(x_shape, grad_out.dtype(), grad_out.device());
  dispatch_real("sum_axis_backward", grad_out.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(grad_out.device(), spread_axis<T>(grad_out.data<T>(), v.outer, v.size, v.inner,
                                                     static_cast<T>(scale), grad_x.mutable_data<T>()));
  });
  return grad_x;
}

Tensor sum_backward(const Tensor& grad_out, const Shape& x_shape, double scale) {
  require(grad_out.count() == 1, "sum_backward", "grad_out must have one element, got ", grad_out.shape());
  Tensor grad_x = Tensor::empty(x_shape, grad_out.dtype(), grad_out.device());
  dispatch_real("sum_backward", grad_out.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(grad_out.device(),
                   spread_all<T>(grad_out.data<T>(), grad_x.count(), scale, grad_x.mutable_data<T>()));
  });
  return grad_x;
}

MaxOut max_axis(const Tensor& x, int axis) {
  const AxisView v = view_along("max_axis", x.shape(), axis);
  require(v.size >= 1, "max_axis", "axis ", axis, " of ", x.shape(), " is empty");
  MaxOut out{Tensor::empty(v.without, x.dtype(), x.device()), Tensor::empty(v.without, DType::i64, x.device())};
  dispatch_real("max_axis", x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), max_axis<T>(x.data<T>(), v.outer, v.size, v.inner, out.values.mutable_data<T>(),
                                           out.indices.mutable_data<std::int64_t>()));
  });
  return out;
}

Tensor max_axis_backward(const Tensor& grad_out, const Tensor& indices, const Shape& x_shape, int axis) {
  const AxisView v = view_along("max_axis_backward", x_shape, axis);
  require(grad_out.shape() == v.without && indices.shape() == v.without, "max_axis_backward",
          "grad_out and indices must have shape ", v.without, ", got ", grad_out.shape(), " and ", indices.shape());
  require_one_device("max_axis_backward", "grad_out and indices", grad_out, indices);
  Tensor grad_x = Tensor::empty(x_shape, grad_out.dtype(), grad_out.device());
  dispatch_real("max_axis_backward", grad_out.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(grad_out.device(), max_axis_backward<T>(grad_out.data<T>(), indices.data<std::int64_t>(), v.outer,
                                                           v.size, v.inner, grad_x.mutable_data<T>()));
  });
  return grad_x;
}

}  // namespace rein::ops
