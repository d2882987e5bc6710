#include "tensor/ops/attention/windows.h"

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/attention/windows_kernels.h"

namespace rein::ops {
namespace {

void check_side(const char* op, std::int64_t side, std::int64_t height, std::int64_t width) {
  require(side >= 1 && height >= 1 && width >= 1, op, "side, height and width must be at least 1, got ", side, ", ",
          height, " and ", width);
}

// Sizes of a map of (height, width) that was cut into `windows`.
WindowSizes sizes_of(const char* op, const Tensor& windows, std::int64_t height, std::int64_t width,
                     std::int64_t side) {
  check_side(op, side, height, width);
  WindowSizes s{0, height, width, 0, side};
  const std::int64_t per_image = s.rows() * s.cols();
  require(windows && windows.rank() == 3 && windows.size(1) == side * side && windows.size(0) % per_image == 0, op,
          "windows must have shape (N * ", per_image, ", ", side * side, ", C) for a map of ", height, " x ", width,
          ", got ", windows ? windows.shape() : Shape{});
  s.batches = windows.size(0) / per_image;
  s.channels = windows.size(2);
  return s;
}

}  // namespace

Tensor window_partition(const Tensor& x, std::int64_t side, const Tensor& fill) {
  const char* op = "window_partition";
  require(x && x.rank() == 4, op, "x must have shape (N, H, W, C), got ", x ? x.shape() : Shape{});
  check_side(op, side, x.size(1), x.size(2));
  const WindowSizes s{x.size(0), x.size(1), x.size(2), x.size(3), side};
  require(!fill || (fill.shape() == Shape{s.channels} && fill.dtype() == x.dtype()), op, "fill must have shape (",
          s.channels, ") and the dtype of x, ", name_of(x.dtype()), "; got ", fill ? fill.shape() : Shape{}, " ",
          name_of(fill ? fill.dtype() : x.dtype()));
  require_one_device(op, "x and fill", x, fill);
  Tensor windows = Tensor::empty({s.batches * s.rows() * s.cols(), side * side, s.channels}, x.dtype(), x.device());
  dispatch_real(op, x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), window_partition<T>(s, x.data<T>(), data_or_null<T>(fill), windows.mutable_data<T>()));
  });
  return windows;
}

Tensor window_merge(const Tensor& windows, std::int64_t height, std::int64_t width, std::int64_t side) {
  const char* op = "window_merge";
  const WindowSizes s = sizes_of(op, windows, height, width, side);
  Tensor x = Tensor::empty({s.batches, height, width, s.channels}, windows.dtype(), windows.device());
  dispatch_real(op, x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), window_merge<T>(s, windows.data<T>(), x.mutable_data<T>()));
  });
  return x;
}

Tensor window_fill_backward(const Tensor& grad_windows, std::int64_t height, std::int64_t width, std::int64_t side) {
  const char* op = "window_fill_backward";
  const WindowSizes s = sizes_of(op, grad_windows, height, width, side);
  Tensor grad = Tensor::empty({s.channels}, grad_windows.dtype(), grad_windows.device());
  dispatch_real(op, grad.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(grad.device(), window_fill_backward<T>(s, grad_windows.data<T>(), grad.mutable_data<T>()));
  });
  return grad;
}

}  // namespace rein::ops
