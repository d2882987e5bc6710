#include "tensor/ops/shape/gather_rows.h"

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/shape/gather_rows_kernels.h"

namespace rein::ops {
namespace {

// `rows` is x, or the gradient of the result; `length` the rows of x.
void check(const char* op, const char* name, const Tensor& rows, const Tensor& index, std::int64_t length) {
  require(rows && rows.rank() == 3, op, name, " must have three dimensions, got ", rows ? rows.shape() : Shape{});
  require(index && index.rank() == 2 && index.dtype() == DType::i64 && index.size(0) == rows.size(0), op,
          "index must be i64 (", rows.size(0), ", K), got ", index ? index.shape() : Shape{}, "; ", name, " is ",
          rows.shape());
  require_one_device(op, "rows and index", rows, index);
  if (index.device().is_cuda()) return;  // reading it back would stop the step: the kernels check
  for (const std::int64_t row : index.values<std::int64_t>())
    require(row >= 0 && row < length, op, "index must be within 0 and ", length - 1, ", got ", row, "; ", name, " is ",
            rows.shape());
}

}  // namespace

Tensor gather_rows(const Tensor& x, const Tensor& index) {
  const char* op = "gather_rows";
  check(op, "x", x, index, x && x.rank() == 3 ? x.size(1) : 0);
  const GatherSizes s{x.size(0), x.size(1), index.size(1), x.size(2)};
  Tensor y = Tensor::empty({s.batches, s.taken, s.channels}, x.dtype(), x.device());
  dispatch_real(op, x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), gather_rows<T>(s, x.data<T>(), index.data<std::int64_t>(), y.mutable_data<T>()));
  });
  return y;
}

Tensor gather_rows_backward(const Tensor& grad_out, const Tensor& index, std::int64_t length) {
  const char* op = "gather_rows_backward";
  check(op, "grad_out", grad_out, index, length);
  require(index.size(1) == grad_out.size(1), op, "index must be (", grad_out.size(0), ", ", grad_out.size(1), "), got ",
          index.shape());
  const GatherSizes s{grad_out.size(0), length, index.size(1), grad_out.size(2)};
  Tensor grad = Tensor::empty({s.batches, s.length, s.channels}, grad_out.dtype(), grad_out.device());
  dispatch_real(op, grad.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(grad.device(),
                   gather_rows_backward<T>(s, grad_out.data<T>(), index.data<std::int64_t>(), grad.mutable_data<T>()));
  });
  return grad;
}

}  // namespace rein::ops
