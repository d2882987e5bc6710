#include "tensor/ops/attention/rope.h"

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/attention/rope_kernels.h"

namespace rein::ops {
namespace {

Tensor rotated(const char* op, const Tensor& x, const RopeTable& table, std::int64_t columns, bool inverse) {
  require(x && x.rank() == 3, op, "x must have shape (N, L, C), got ", x ? x.shape() : Shape{});
  require(table.cos && table.sin && table.cos.rank() == 2 && table.cos.shape() == table.sin.shape(), op,
          "cos and sin must both have shape (rows, d/2), got ", table.cos ? table.cos.shape() : Shape{}, " and ",
          table.sin ? table.sin.shape() : Shape{});
  const bool rounded = x.dtype() == DType::bf16 && x.device().is_cuda();
  const DType table_dtype = rounded ? DType::f32 : x.dtype();
  require(table.cos.dtype() == table_dtype && table.sin.dtype() == table_dtype, op,
          "x and tables must have one dtype, got ", name_of(x.dtype()), ", ", name_of(table.cos.dtype()), " and ",
          name_of(table.sin.dtype()));
  require_one_device(op, "x and tables", x, table.cos, table.sin);
  const std::int64_t rows = table.cos.size(0), half = table.cos.size(1);
  require(rows <= x.size(1), op, "the table has ", rows, " rows, more than x ", x.shape());
  require(half >= 1 && columns >= 0 && columns <= x.size(2) && columns % (2 * half) == 0, op,
          "columns must be a multiple of the head width ", 2 * half, " and at most ", x.size(2), ", got ", columns);
  const RopeSizes sizes{.batches = x.size(0),
                        .length = x.size(1),
                        .cols = x.size(2),
                        .kept_rows = x.size(1) - rows,
                        .columns = columns,
                        .half = half};
  Tensor y = Tensor::empty_like(x);
  if (rounded) {
    if constexpr (rein::cuda::built)
      cuda::rope<float>(x.data<bf16_t>(), table.cos.data<float>(), table.sin.data<float>(), sizes, table.pairs, inverse,
                        y.mutable_data<bf16_t>());
    return y;
  }
  dispatch_real(op, x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), rope<T>(x.data<T>(), table.cos.data<T>(), table.sin.data<T>(), sizes, table.pairs,
                                       inverse, y.mutable_data<T>()));
  });
  return y;
}

}  // namespace

Tensor rope(const Tensor& x, const RopeTable& table, std::int64_t columns) {
  return rotated("rope", x, table, columns, false);
}

Tensor rope_backward(const Tensor& grad_out, const RopeTable& table, std::int64_t columns) {
  return rotated("rope_backward", grad_out, table, columns, true);
}

}  // namespace rein::ops
