#include "tensor/ops/sampling/resize.h"

#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <tuple>
#include <vector>

#include "tensor/cpu_features.h"
#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/ops/sampling/resize_kernels.h"
#include "tensor/ops/sampling/resize_taps.h"

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

// One axis of a resize, forward or (turned) backward: what its taps depend on.
struct Axis {
  Interpolation mode;
  std::int64_t inputs, outputs;
  double step;
  bool align_corners, turned;
  auto operator<=>(const Axis&) const = default;

  AxisTaps taps() const {
    AxisTaps forward = taps_along(mode, inputs, outputs, step, align_corners);
    return turned ? transposed(forward, inputs) : forward;
  }
};

// The arrays of an axis on a device. The taps hold addresses inside of the tensors.
struct DeviceTaps {
  Tensor start, index, weight;
  template <class T>
  Taps<T> get() const {
    return {start.data<std::int64_t>(), index.data<std::int32_t>(), weight.data<T>()};
  }
};

// Steps repeat the same few resizes: their tables are copied to the device once and kept. Images of ever new sizes
// must not fill the memory, so a full table of tables starts again.
template <class T>
DeviceTaps device_taps(const Axis& axis, Device device) {
  using Key = std::tuple<Axis, DType, int>;
  constexpr std::size_t most = 256;
  static std::mutex mutex;
  static auto* kept = new std::map<Key, DeviceTaps>;  // never destroyed: the device may be gone by then
  const std::lock_guard lock(mutex);
  const Key key{axis, dtype_v<T>, device.index};
  if (const auto found = kept->find(key); found != kept->end()) return found->second;
  if (kept->size() >= most) kept->clear();
  const AxisTaps taps = axis.taps();
  const std::vector<T> weight(taps.weight.begin(), taps.weight.end());
  const auto place = [&]<class U>(const std::vector<U>& values) {
    return Tensor::from(values, {static_cast<std::int64_t>(values.size())}).to(device);
  };
  return kept->emplace(key, DeviceTaps{place(taps.start), place(taps.index), place(weight)}).first->second;
}

template <class T>
void run(const Tensor& x, const Axis& rows, const Axis& cols, Tensor& y) {
  const auto resample = [&](const auto& kernel, const Taps<T>& row_taps, const Taps<T>& col_taps) {
    kernel(x.data<T>(), x.size(0), x.size(1), x.size(2), x.size(3), row_taps, col_taps, y.size(1), y.size(2),
           y.mutable_data<T>());
  };
  if constexpr (rein::cuda::built) {
    if (x.device().is_cuda()) {
      const DeviceTaps on_rows = device_taps<T>(rows, x.device()), on_cols = device_taps<T>(cols, x.device());
      return resample(cuda::resample<T>, on_rows.get<T>(), on_cols.get<T>());
    }
  }
  const AxisTaps row_taps = rows.taps(), col_taps = cols.taps();
  const std::vector<T> row_weight(row_taps.weight.begin(), row_taps.weight.end());
  const std::vector<T> col_weight(col_taps.weight.begin(), col_taps.weight.end());
  resample(cpu::resample<T>, {row_taps.start.data(), row_taps.index.data(), row_weight.data()},
           {col_taps.start.data(), col_taps.index.data(), col_weight.data()});
}

Tensor resample(const char* op, const Tensor& x, const Axis& rows, const Axis& cols, const Shape& out_shape) {
  Tensor y = Tensor::empty(out_shape, x.dtype(), x.device());
  if (y.count() == 0) return y;
  dispatch_real(op, x.dtype(), [&]<class T>() { run<T>(x, rows, cols, y); });
  return y;
}

Axis row_axis(std::int64_t in, const ResizeOptions& o, bool turned) {
  return {o.mode, in, o.height, o.step_y, o.align_corners, turned};
}
Axis col_axis(std::int64_t in, const ResizeOptions& o, bool turned) {
  return {o.mode, in, o.width, o.step_x, o.align_corners, turned};
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
  if (forced_kernel("resize") == "reference" && x.device().is_cpu()) return resize_reference(x, options);
  return resample("resize", x, row_axis(x.size(1), options, false), col_axis(x.size(2), options, false),
                  {x.size(0), options.height, options.width, x.size(3)});
}

Tensor resize_backward(const Tensor& grad_out, const Shape& x_shape, const ResizeOptions& options) {
  check("resize_backward", x_shape, options);
  const Shape expected{x_shape[0], options.height, options.width, x_shape[3]};
  require(grad_out.shape() == expected, "resize_backward", "grad_out must have shape ", expected, ", got ",
          grad_out.shape(), "; x is ", x_shape);
  return resample("resize_backward", grad_out, row_axis(x_shape[1], options, true), col_axis(x_shape[2], options, true),
                  x_shape);
}

}  // namespace rein::ops
