#include "tensor/ops/elementwise/elementwise.h"

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/elementwise/elementwise_kernels.h"

namespace rein::ops {
namespace {

void check_same(const char* op, const Tensor& a, const Tensor& b) {
  require(a && b, op, "needs two tensors");
  require(a.shape() == b.shape() && a.dtype() == b.dtype(), op, "operands must have one shape and dtype, got ",
          a.shape(), " ", rein::name_of(a.dtype()), " and ", b.shape(), " ", rein::name_of(b.dtype()));
  require_one_device(op, "operands", a, b);
}

// How many rows of b's elements x holds.
std::int64_t leading_rows(const char* op, const Tensor& x, const Shape& b) {
  require(static_cast<bool>(x), op, "needs two tensors");
  const Shape& shape = x.shape();
  bool fits = b.rank() <= shape.rank();
  for (int i = 1; fits && i <= b.rank(); ++i) fits = b[-i] == shape[-i];
  require(fits, op, "b must have the last dimensions of x, got ", b, "; x is ", shape);
  std::int64_t rows = 1;
  for (int i = 0; i < shape.rank() - b.rank(); ++i) rows *= shape[i];
  return rows;
}

// bf16 has kernels on CUDA alone.
bool in_bf16(const char* op, const Tensor& x) {
  if (x.dtype() != DType::bf16) return false;
  require(x.device().is_cuda(), op, "takes bf16 on CUDA only, got it on ", x.device().text());
  return rein::cuda::built;
}

Tensor binary(const char* op, Binary function, const Tensor& a, const Tensor& b) {
  check_same(op, a, b);
  Tensor y = Tensor::empty_like(a);
  dispatch_real(op, a.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(a.device(), binary<T>(function, a.data<T>(), b.data<T>(), a.count(), y.mutable_data<T>()));
  });
  return y;
}

Tensor broadcast(const char* op, Binary function, const Tensor& x, const Tensor& b) {
  require(static_cast<bool>(b), op, "needs two tensors");
  const std::int64_t rows = leading_rows(op, x, b.shape());
  require(x.dtype() == b.dtype(), op, "operands must have one dtype, got ", rein::name_of(x.dtype()), " and ",
          rein::name_of(b.dtype()));
  require_one_device(op, "operands", x, b);
  Tensor y = Tensor::empty_like(x);
  dispatch_real(op, x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), broadcast<T>(function, x.data<T>(), b.data<T>(), rows, b.count(), y.mutable_data<T>()));
  });
  return y;
}

}  // namespace

const char* name_of(Unary function) {
  switch (function) {
    case Unary::relu:
      return "relu";
    case Unary::gelu:
      return "gelu";
    case Unary::gelu_tanh:
      return "gelu_tanh";
    case Unary::silu:
      return "silu";
    case Unary::sigmoid:
      return "sigmoid";
    case Unary::quick_gelu:
    default:
      return "quick_gelu";
  }
}

Tensor unary(Unary function, const Tensor& x) {
  require(static_cast<bool>(x), name_of(function), "needs a tensor");
  Tensor y = Tensor::empty_like(x);
  if (in_bf16(name_of(function), x)) {
    if constexpr (rein::cuda::built) cuda::unary(function, x.data<bf16_t>(), x.count(), y.mutable_data<bf16_t>());
    return y;
  }
  dispatch_real(name_of(function), x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), unary<T>(function, x.data<T>(), x.count(), y.mutable_data<T>()));
  });
  return y;
}

Tensor unary_backward(Unary function, const Tensor& grad_out, const Tensor& x) {
  check_same(name_of(function), grad_out, x);
  Tensor grad_x = Tensor::empty_like(x);
  if (in_bf16(name_of(function), x)) {
    if constexpr (rein::cuda::built)
      cuda::unary_backward(function, grad_out.data<bf16_t>(), x.data<bf16_t>(), x.count(),
                           grad_x.mutable_data<bf16_t>());
    return grad_x;
  }
  dispatch_real(name_of(function), x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(),
                   unary_backward<T>(function, grad_out.data<T>(), x.data<T>(), x.count(), grad_x.mutable_data<T>()));
  });
  return grad_x;
}

Tensor add(const Tensor& a, const Tensor& b) {
  return binary("add", Binary::add, a, b);
}
void add_into(const Tensor& a, const Tensor& b, Tensor& out) {
  check_same("add_into", a, b);
  check_same("add_into", a, out);
  if (in_bf16("add_into", a)) {
    if constexpr (rein::cuda::built)
      cuda::add_into(a.data<bf16_t>(), b.data<bf16_t>(), a.count(), out.mutable_data<bf16_t>());
    return;
  }
  dispatch_real("add_into", a.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(a.device(), add_into<T>(a.data<T>(), b.data<T>(), a.count(), out.mutable_data<T>()));
  });
}
Tensor add_rounded(const Tensor& a, const Tensor& b) {
  require(a && b && a.shape() == b.shape() && a.dtype() == DType::bf16 && b.dtype() == DType::f32 &&
              a.device() == b.device(),
          "add_rounded", "a must be bf16 and b f32 of one shape on one device, got ", rein::name_of(a.dtype()), " ",
          a.shape(), " and ", rein::name_of(b.dtype()), " ", b.shape());
  Tensor y = Tensor::empty_like(a);
  if (in_bf16("add_rounded", a)) {
    if constexpr (rein::cuda::built)
      cuda::add_rounded(a.data<bf16_t>(), b.data<float>(), a.count(), y.mutable_data<bf16_t>());
  }
  return y;
}
void add_wide_into(Tensor& sum, const Tensor& b) {
  require(sum && b && sum.shape() == b.shape() && sum.dtype() == DType::f32 && b.dtype() == DType::bf16 &&
              sum.device() == b.device(),
          "add_wide_into", "sum must be f32 and b bf16 of one shape on one device, got ", rein::name_of(sum.dtype()),
          " ", sum.shape(), " and ", rein::name_of(b.dtype()), " ", b.shape());
  if (in_bf16("add_wide_into", b)) {
    if constexpr (rein::cuda::built)
      cuda::add_wide_into(sum.data<float>(), b.data<bf16_t>(), b.count(), sum.mutable_data<float>());
  }
}
Tensor sub(const Tensor& a, const Tensor& b) {
  return binary("sub", Binary::sub, a, b);
}
Tensor mul(const Tensor& a, const Tensor& b) {
  return binary("mul", Binary::mul, a, b);
}

Tensor scale(const Tensor& x, double factor) {
  require(static_cast<bool>(x), "scale", "needs a tensor");
  Tensor y = Tensor::empty_like(x);
  dispatch_real("scale", x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), scale<T>(x.data<T>(), static_cast<T>(factor), x.count(), y.mutable_data<T>()));
  });
  return y;
}

Tensor add_broadcast(const Tensor& x, const Tensor& b) {
  return broadcast("add_broadcast", Binary::add, x, b);
}
Tensor mul_broadcast(const Tensor& x, const Tensor& b) {
  return broadcast("mul_broadcast", Binary::mul, x, b);
}

Tensor sum_leading(const Tensor& grad, const Shape& shape) {
  const std::int64_t rows = leading_rows("sum_leading", grad, shape);
  Tensor out = Tensor::empty(shape, grad.dtype(), grad.device());
  dispatch_real("sum_leading", grad.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(grad.device(), sum_rows<T>(grad.data<T>(), nullptr, rows, shape.count(), out.mutable_data<T>()));
  });
  return out;
}

Tensor mul_sum_leading(const Tensor& grad, const Tensor& x, const Shape& shape) {
  check_same("mul_sum_leading", grad, x);
  const std::int64_t rows = leading_rows("mul_sum_leading", grad, shape);
  Tensor out = Tensor::empty(shape, grad.dtype(), grad.device());
  dispatch_real("mul_sum_leading", grad.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(grad.device(), sum_rows<T>(grad.data<T>(), x.data<T>(), rows, shape.count(), out.mutable_data<T>()));
  });
  return out;
}

}  // namespace rein::ops
