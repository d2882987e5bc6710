#include "tensor/ops/resize.h"

#include <cmath>
#include <limits>
#include <vector>

#include "tensor/cpu_features.h"
#include "tensor/error.h"
#include "tensor/ops/resize_cpu.h"
#include "tensor/ops/resize_taps.h"

namespace rein::ops {
namespace {

void check(const char* op, const Shape& x, const ResizeOptions& options) {
  require(x.rank() == 4, op, "x must have shape (N, H, W, C), got ", x);
  constexpr std::int64_t limit = std::numeric_limits<std::int32_t>::max();
  require(x[1] >= 1 && x[2] >= 1 && x[1] <= limit && x[2] <= limit, op, "x must have at least one row and column, got ",
          x);
  require(options.height >= 1 && options.width >= 1 && options.height <= limit && options.width <= limit, op,
          "the output must have at least one row and column, got ", options.height, " x ", options.width, "; x is ", x);
  require(std::isfinite(options.step_y) && options.step_y >= 0 && std::isfinite(options.step_x) && options.step_x >= 0,
          op, "steps must be finite and not negative, got ", options.step_y, " and ", options.step_x);
  require(!options.align_corners || options.mode == Interpolation::bilinear || options.mode == Interpolation::bicubic,
          op, "align_corners exists for bilinear and bicubic only");
}

// T's view of an AxisTaps: weights rounded from double.
template <class T>
struct RoundedTaps {
  explicit RoundedTaps(const AxisTaps& taps) : source(taps), weight(taps.weight.begin(), taps.weight.end()) {}
  cpu::Taps<T> get() const { return {source.start.data(), source.index.data(), weight.data()}; }
  const AxisTaps& source;
  std::vector<T> weight;
};

Tensor resample(const char* op, const Tensor& x, const AxisTaps& rows, const AxisTaps& cols, const Shape& out_shape) {
  Tensor y = Tensor::empty(out_shape, x.dtype(), x.device());
  if (y.count() == 0) return y;
  dispatch_real(op, x.dtype(), [&]<class T>() {
    const RoundedTaps<T> row_taps(rows), col_taps(cols);
    cpu::resample<T>(x.data<T>(), x.size(0), x.size(1), x.size(2), x.size(3), row_taps.get(), col_taps.get(),
                     out_shape[1], out_shape[2], y.mutable_data<T>());
  });
  return y;
}

AxisTaps row_taps(std::int64_t in, const ResizeOptions& o) {
  return taps_along(o.mode, in, o.height, o.step_y, o.align_corners);
}
AxisTaps col_taps(std::int64_t in, const ResizeOptions& o) {
  return taps_along(o.mode, in, o.width, o.step_x, o.align_corners);
}

}  // namespace

ResizeOptions to_size(std::int64_t height, std::int64_t width, Interpolation mode) {
  return {.mode = mode, .height = height, .width = width};
}

ResizeOptions by_factor(std::int64_t in_height, std::int64_t in_width, double factor_y, double factor_x,
                        Interpolation mode) {
  require(std::isfinite(factor_y) && factor_y > 0 && std::isfinite(factor_x) && factor_x > 0, "resize",
          "factors must be positive, got ", factor_y, " and ", factor_x);
  const double height = std::floor(static_cast<double>(in_height) * factor_y);
  const double width = std::floor(static_cast<double>(in_width) * factor_x);
  constexpr double limit = std::numeric_limits<std::int32_t>::max();
  require(height >= 1 && width >= 1 && height <= limit && width <= limit, "resize", "an input of ", in_height, " x ",
          in_width, " by factors ", factor_y, " and ", factor_x, " gives ", height, " x ", width);
  return {.mode = mode,
          .height = static_cast<std::int64_t>(height),
          .width = static_cast<std::int64_t>(width),
          .step_y = 1 / factor_y,
          .step_x = 1 / factor_x};
}

Tensor resize(const Tensor& x, const ResizeOptions& options) {
  check("resize", x.shape(), options);
  if (forced_kernel("resize") == "reference") return resize_reference(x, options);
  return resample("resize", x, row_taps(x.size(1), options), col_taps(x.size(2), options),
                  {x.size(0), options.height, options.width, x.size(3)});
}

Tensor resize_backward(const Tensor& grad_out, const Shape& x_shape, const ResizeOptions& options) {
  check("resize_backward", x_shape, options);
  const Shape expected{x_shape[0], options.height, options.width, x_shape[3]};
  require(grad_out.shape() == expected, "resize_backward", "grad_out must have shape ", expected, ", got ",
          grad_out.shape(), "; x is ", x_shape);
  return resample("resize_backward", grad_out, transposed(row_taps(x_shape[1], options), x_shape[1]),
                  transposed(col_taps(x_shape[2], options), x_shape[2]), x_shape);
}

}  // namespace rein::ops
