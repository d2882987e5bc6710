#include "tensor/ops/elementwise/cast.h"

#include <type_traits>

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/elementwise/cast_convert.h"
#include "tensor/ops/elementwise/cast_cuda.h"
#include "tensor/parallel.h"

namespace rein::ops {
namespace cpu {
namespace {

template <class From, class To>
void cast(const From* from, std::int64_t count, To* to) {
  parallel_ranges(count, elementwise_grain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) to[i] = convert<To>(widened(from[i]));
  });
}

}  // namespace
}  // namespace cpu

Tensor cast(const Tensor& x, DType dtype) {
  require(static_cast<bool>(x), "cast", "needs a tensor, got null");
  if (x.dtype() == dtype) return x;
  Tensor out = Tensor::empty(x.shape(), dtype, x.device());
  cast_into(x, out);
  return out;
}

void cast_into(const Tensor& x, Tensor& out) {
  require(x && out, "cast", "needs two tensors, got null");
  require(x.shape() == out.shape(), "cast", "out must have shape ", x.shape(), ", got ", out.shape());
  if (x.dtype() == out.dtype()) return out.copy_from(x);
  require_one_device("cast", "x and out", x, out);
  dispatch_any(x.dtype(), [&]<class From>() {
    dispatch_any(out.dtype(), [&]<class To>() {
      if constexpr (!std::is_same_v<From, To>)
        REIN_ON_DEVICE(x.device(), cast(x.data<From>(), x.count(), out.mutable_data<To>()));
    });
  });
}

}  // namespace rein::ops
