// Shares no code with resize_taps.cpp on purpose: the weight of every (output, input) pair is computed from the
// formulas.
#include <algorithm>
#include <cmath>
#include <vector>

#include "tensor/error.h"
#include "tensor/ops/sampling/resize.h"

namespace rein::ops {
namespace {

double kernel_cubic(double x, double a) {
  const double y = std::fabs(x);
  if (y <= 1) return (a + 2) * y * y * y - (a + 3) * y * y + 1;
  return y < 2 ? a * y * y * y - 5 * a * y * y + 8 * a * y - 4 * a : 0;
}

// A dense matrix (m x n), row i: the weights of output i.
std::vector<double> axis_matrix(Interpolation mode, int n, int m, double given_step, bool align_corners) {
  std::vector<double> matrix(static_cast<std::size_t>(m) * static_cast<std::size_t>(n), 0.0);
  const double step = given_step > 0 ? given_step : static_cast<double>(n) / m;
  for (int i = 0; i < m; ++i) {
    double* row = matrix.data() + static_cast<std::size_t>(i) * static_cast<std::size_t>(n);
    const auto add = [&](int j, double w) { row[std::min(std::max(j, 0), n - 1)] += w; };
    const double s =
        align_corners ? (m > 1 ? static_cast<double>(i) * (n - 1) / (m - 1) : 0.0) : (i + 0.5) * step - 0.5;
    if (mode == Interpolation::nearest) {
      const float f32_step =
          given_step > 0 ? static_cast<float>(given_step) : static_cast<float>(n) / static_cast<float>(m);
      add(static_cast<int>(std::floor(static_cast<float>(i) * f32_step)), 1.0);
    } else if (mode == Interpolation::bilinear) {
      const double clamped = s < 0 ? 0 : s;
      const int k = static_cast<int>(std::floor(clamped));
      add(k, 1 - (clamped - k));
      add(k + 1, clamped - k);
    } else if (mode == Interpolation::bicubic) {
      const int k = static_cast<int>(std::floor(s));
      for (int j = k - 1; j <= k + 2; ++j) add(j, kernel_cubic(s - j, -0.75));
    } else {
      const double z = step > 1 ? step : 1, c = (i + 0.5) * step;
      const int first = std::max(static_cast<int>(c - 2 * z + 0.5), 0),
                last = std::min(static_cast<int>(c + 2 * z + 0.5), n);
      double sum = 0;
      for (int j = first; j < last; ++j) sum += kernel_cubic((j - c + 0.5) / z, -0.5);
      for (int j = first; j < last; ++j) add(j, kernel_cubic((j - c + 0.5) / z, -0.5) / sum);
    }
  }
  return matrix;
}

}  // namespace

Tensor resize_reference(const Tensor& x, const ResizeOptions& options) {
  require(x && x.rank() == 4, "resize_reference", "x must have shape (N, H, W, C), got ", x.shape());
  const std::int64_t n = x.size(0), h = x.size(1), w = x.size(2), c = x.size(3);
  const auto rows = axis_matrix(options.mode, static_cast<int>(h), static_cast<int>(options.height), options.step_y,
                                options.align_corners);
  const auto cols = axis_matrix(options.mode, static_cast<int>(w), static_cast<int>(options.width), options.step_x,
                                options.align_corners);
  Tensor y = Tensor::empty({n, options.height, options.width, c}, x.dtype());
  dispatch_real("resize_reference", x.dtype(), [&]<class T>() {
    const T* from = x.data<T>();
    T* to = y.mutable_data<T>();
    for (std::int64_t image = 0; image < n; ++image)
      for (std::int64_t i = 0; i < options.height; ++i)
        for (std::int64_t j = 0; j < options.width; ++j)
          for (std::int64_t channel = 0; channel < c; ++channel) {
            double sum = 0;
            for (std::int64_t r = 0; r < h; ++r)
              for (std::int64_t q = 0; q < w; ++q) {
                const double weight =
                    rows[static_cast<std::size_t>(i * h + r)] * cols[static_cast<std::size_t>(j * w + q)];
                if (weight != 0) sum += weight * static_cast<double>(from[((image * h + r) * w + q) * c + channel]);
              }
            *to++ = static_cast<T>(sum);
          }
  });
  return y;
}

}  // namespace rein::ops
