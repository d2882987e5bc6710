#include "tensor/ops/elementwise/dropout.h"

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/ops/elementwise/dropout_kernels.h"

namespace rein::ops {
namespace {

std::int64_t period_of(DropoutMask::Unit unit, const Tensor& x, std::int64_t sample) {
  switch (unit) {
    case DropoutMask::Unit::element:
      return sample;
    case DropoutMask::Unit::channel:
      return x.size(-1);
    case DropoutMask::Unit::sample:
    default:
      return 1;
  }
}

}  // namespace

Tensor dropout(const Tensor& x, const DropoutMask& mask) {
  require(x && x.rank() >= 1, "dropout", "x must have shape (N, ...), got ", x.shape());
  require(mask.unit != DropoutMask::Unit::channel || x.rank() >= 2, "dropout", "channels need x (N, ..., C), got ",
          x.shape());
  require(mask.p >= 0 && mask.p < 1, "dropout", "p must be in [0, 1), got ", mask.p);
  require(mask.first_sample >= 0, "dropout", "first_sample must not be negative, got ", mask.first_sample);
  Tensor y = Tensor::empty_like(x);
  if (x.count() == 0) return y;
  const std::int64_t samples = x.size(0), size = x.count() / samples;
  dispatch_real("dropout", x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), dropout<T>(x.data<T>(), mask.key, mask.first_sample, mask.p, samples, size,
                                          period_of(mask.unit, x, size), y.mutable_data<T>()));
  });
  return y;
}

}  // namespace rein::ops
