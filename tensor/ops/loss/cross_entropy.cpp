#include "tensor/ops/loss/cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/loss/cross_entropy_kernels.h"

namespace rein::ops {
namespace {

Shape without_last(const Shape& shape) {
  return Shape(shape.sizes().first(static_cast<std::size_t>(shape.rank() - 1)));
}

void check_logits(const char* op, const Tensor& logits) {
  require(logits && logits.rank() >= 1 && logits.size(-1) >= 1, op, "logits must have shape (..., K), got ",
          logits.shape());
}

void check(const char* op, const Tensor& logits, const Tensor& labels, std::int64_t ignore) {
  check_logits(op, logits);
  require(labels && labels.dtype() == DType::i64 && labels.shape() == without_last(logits.shape()), op,
          "labels must be i64 of shape ", without_last(logits.shape()), ", got ", name_of(labels.dtype()), " ",
          labels.shape(), "; logits are ", logits.shape());
  require_one_device(op, "logits and labels", logits, labels);
  if (labels.device().is_cuda()) return;  // reading them back would stop the step: the kernels give NaN
  const std::int64_t classes = logits.size(-1), *values = labels.data<std::int64_t>();
  const std::int64_t bad = cpu::first_bad_label(values, labels.count(), classes, ignore);
  if (bad >= 0) {
    fail(op, "labels must be in [0, ", classes, ") or the ignored ", ignore, ", got ", values[bad],
         " at flat position ", bad, " of ", labels.shape());
  }
}

void check_divisor(double divisor) {
  require(std::isfinite(divisor) && divisor > 0, "cross_entropy", "divisor must be finite and above 0, got ", divisor);
}

}  // namespace

CrossEntropyOut cross_entropy(const Tensor& logits, const Tensor& labels, double divisor, std::int64_t ignore) {
  check("cross_entropy", logits, labels, ignore);
  check_divisor(divisor);
  CrossEntropyOut out{Tensor::empty({}, logits.dtype(), logits.device()),
                      Tensor::empty(labels.shape(), logits.dtype(), logits.device())};
  dispatch_real("cross_entropy", logits.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(logits.device(),
                   cross_entropy<T>(logits.data<T>(), labels.data<std::int64_t>(), labels.count(), logits.size(-1),
                                    ignore, divisor, out.log_sum.mutable_data<T>(), out.loss.mutable_data<T>()));
  });
  return out;
}

Tensor cross_entropy_backward(const Tensor& grad_out, const Tensor& logits, const Tensor& labels, const Tensor& log_sum,
                              double divisor, std::int64_t ignore) {
  check("cross_entropy_backward", logits, labels, ignore);
  check_divisor(divisor);
  require(log_sum.shape() == labels.shape() && log_sum.dtype() == logits.dtype(), "cross_entropy_backward",
          "log_sum must be like labels ", labels.shape(), ", got ", log_sum.shape());
  require(grad_out && grad_out.count() == 1 && grad_out.dtype() == logits.dtype(), "cross_entropy_backward",
          "grad_out must be a scalar of the logits' dtype ", name_of(logits.dtype()), ", got ", grad_out.shape());
  require_one_device("cross_entropy_backward", "grad_out, logits and log_sum", grad_out, logits, log_sum);
  Tensor grad = Tensor::empty_like(logits);
  dispatch_real("cross_entropy_backward", logits.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(
        logits.device(),
        cross_entropy_backward<T>(grad_out.data<T>(), logits.data<T>(), labels.data<std::int64_t>(), log_sum.data<T>(),
                                  labels.count(), logits.size(-1), ignore, divisor, grad.mutable_data<T>()));
  });
  return grad;
}

Tensor argmax_last(const Tensor& logits, DType ids) {
  check_logits("argmax_last", logits);
  require(ids == DType::i64 || (ids == DType::u8 && logits.size(-1) <= 256), "argmax_last",
          "ids must be i64, or u8 for at most 256 classes, got ", name_of(ids), "; logits are ", logits.shape());
  Tensor out = Tensor::empty(without_last(logits.shape()), ids, logits.device());
  dispatch_real("argmax_last", logits.dtype(), [&]<class T>() {
    const auto run = [&]<class Id>(Id) {
      REIN_ON_DEVICE(logits.device(),
                     argmax_last(logits.data<T>(), out.count(), logits.size(-1), out.mutable_data<Id>()));
    };
    if (ids == DType::i64)
      run(std::int64_t{});
    else
      run(std::uint8_t{});
  });
  return out;
}

Tensor count_hits(const Tensor& logits, const Tensor& labels, std::int64_t ignore) {
  check("accuracy", logits, labels, ignore);
  Tensor counts = Tensor::empty({2}, DType::i64, logits.device());
  dispatch_real("accuracy", logits.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(logits.device(), count_hits<T>(logits.data<T>(), labels.data<std::int64_t>(), labels.count(),
                                                  logits.size(-1), ignore, counts.mutable_data<std::int64_t>()));
  });
  return counts;
}

Hits accuracy(const Tensor& logits, const Tensor& labels, std::int64_t ignore) {
  const Tensor host = count_hits(logits, labels, ignore).to(Device{});
  return {host.data<std::int64_t>()[0], host.data<std::int64_t>()[1]};
}

}  // namespace rein::ops
