#include "tensor/ops/dropout.h"

#include "tensor/error.h"
#include "tensor/ops/dropout_cpu.h"

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
    for (std::int64_t n = 0; n < samples; ++n) {
      const RandomKey key = mask.key.child(static_cast<std::uint64_t>(mask.first_sample + n));
      cpu::dropout<T>(x.data<T>() + n * size, key, mask.p, size, period_of(mask.unit, x, size),
                      y.mutable_data<T>() + n * size);
    }
  });
  return y;
}

}  // namespace rein::ops
