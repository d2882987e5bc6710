#include "tensor/ops/sampling/window_sum.h"

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/sampling/window_sum_kernels.h"

namespace rein::ops {

void add_window(Tensor& sum, const Tensor& window, std::int64_t y, std::int64_t x) {
  const char* op = "add_window";
  require(sum && sum.rank() == 3 && window && window.rank() == 3 && window.size(2) == sum.size(2) &&
              window.dtype() == sum.dtype(),
          op, "sum and window must have shapes (H, W, K) and (h, w, K) and one dtype, got ", sum.shape(), " and ",
          window.shape());
  require(y >= 0 && x >= 0 && y + window.size(0) <= sum.size(0) && x + window.size(1) <= sum.size(1), op, "the window ",
          window.shape(), " at (", y, ", ", x, ") is not inside of ", sum.shape());
  require_one_device(op, "sum and window", sum, window);
  const std::int64_t channels = sum.size(2), pitch = sum.size(1) * channels;
  dispatch_real(op, sum.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(sum.device(), add_window<T>(sum.mutable_data<T>() + y * pitch + x * channels, pitch,
                                               window.data<T>(), window.size(0), window.size(1) * channels));
  });
}

void divide_by_counts(Tensor& sum, const Tensor& counts) {
  const char* op = "divide_by_counts";
  require(sum && sum.rank() == 3 && counts && counts.dtype() == DType::i64 &&
              counts.shape() == Shape{sum.size(0), sum.size(1)},
          op, "counts must be i64 (H, W) for a sum (H, W, K), got ", counts.shape(), "; sum is ", sum.shape());
  require_one_device(op, "sum and counts", sum, counts);
  dispatch_real(op, sum.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(sum.device(), divide_by_counts<T>(sum.mutable_data<T>(), counts.data<std::int64_t>(), counts.count(),
                                                     sum.size(2)));
  });
}

}  // namespace rein::ops
