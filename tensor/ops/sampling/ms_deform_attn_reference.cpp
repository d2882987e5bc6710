// Shares no code with the kernels on purpose: the weight of a pixel for a point is a product of two hats, and a sampled
// value is the sum over the pixels around it.
#include <cmath>

#include "tensor/error.h"
#include "tensor/ops/sampling/ms_deform_attn.h"

namespace rein::ops {
namespace {

// The hat max(0, 1 - |distance|) and its slope in the coordinate. On a pixel centre line the slope is that of the cell
// to the right and below.
double hat(double coordinate, std::int64_t pixel) {
  return std::fmax(0.0, 1 - std::fabs(coordinate - static_cast<double>(pixel)));
}
double hat_slope(double coordinate, std::int64_t pixel) {
  return coordinate < static_cast<double>(pixel) ? 1 : -1;
}
// A coordinate belongs to the cell [k, k + 1) and touches pixels k and k + 1; at -1 and below it touches none.
bool touches(double coordinate, std::int64_t pixel) {
  const double distance = coordinate - static_cast<double>(pixel);
  return coordinate > -1 && distance >= -1 && distance < 1;
}

// visit(token, channel offset of the head, index of the point, hat x, hat y, slope x, slope y, level) for every pixel
// that a point touches.
template <class T, class F>
void for_each_tap(const Tensor& value, const std::vector<LevelShape>& levels, const Tensor& locations, const F& visit) {
  const std::int64_t queries = locations.size(1), heads = locations.size(2), points = locations.size(4);
  const std::int64_t level_count = locations.size(3), width = value.size(2) / heads;
  const T* location = locations.data<T>();
  std::int64_t point = 0;
  for (std::int64_t n = 0; n < value.size(0); ++n)
    for (std::int64_t q = 0; q < queries; ++q)
      for (std::int64_t m = 0; m < heads; ++m) {
        std::int64_t first = n * value.size(1);
        for (std::int64_t l = 0; l < level_count; ++l) {
          const LevelShape& level = levels[static_cast<std::size_t>(l)];
          for (std::int64_t p = 0; p < points; ++p, ++point) {
            const T px = location[2 * point] * static_cast<T>(level.width) - T(0.5);
            const T py = location[2 * point + 1] * static_cast<T>(level.height) - T(0.5);
            const auto x = static_cast<double>(px), y = static_cast<double>(py);
            const auto spoiled = std::isnan(x) || std::isnan(y);  // seen by pixel (0, 0), which exists in any map
            for (std::int64_t r = 0; r < level.height; ++r)
              for (std::int64_t c = 0; c < level.width; ++c) {
                const double nan = std::nan("");
                const bool here = spoiled ? r + c == 0 : touches(x, c) && touches(y, r);
                if (!here) continue;
                const double hx = spoiled ? nan : hat(x, c), hy = spoiled ? nan : hat(y, r);
                visit(first + r * level.width + c, (n * queries + q) * heads + m, m * width, point, hx, hy,
                      spoiled ? nan : hat_slope(x, c), spoiled ? nan : hat_slope(y, r), level);
              }
          }
          first += level.height * level.width;
        }
      }
}

}  // namespace

Tensor ms_deform_attn_reference(const Tensor& value, const std::vector<LevelShape>& levels, const Tensor& locations,
                                const Tensor& weights) {
  const std::int64_t channels = value.size(2), width = channels / locations.size(2);
  const Shape shape{value.size(0), locations.size(1), channels};
  Tensor sums = Tensor::zeros(shape, DType::f64), out = Tensor::empty(shape, value.dtype());
  dispatch_real("ms_deform_attn_reference", value.dtype(), [&]<class T>() {
    const T *v = value.data<T>(), *a = weights.data<T>();
    double* sum = sums.mutable_data<double>();
    for_each_tap<T>(value, levels, locations,
                    [&](std::int64_t token, std::int64_t row, std::int64_t head, std::int64_t point, double hx,
                        double hy, double, double, const LevelShape&) {
                      for (std::int64_t c = 0; c < width; ++c)
                        sum[row * width + c] += static_cast<double>(a[point]) * hx * hy *
                                                static_cast<double>(v[token * channels + head + c]);
                    });
    for (std::int64_t i = 0; i < out.count(); ++i) out.mutable_data<T>()[i] = static_cast<T>(sum[i]);
  });
  return out;
}

MsDeformAttnGrads ms_deform_attn_backward_reference(const Tensor& grad_out, const Tensor& value,
                                                    const std::vector<LevelShape>& levels, const Tensor& locations,
                                                    const Tensor& weights, MsDeformAttnWants wants) {
  const std::int64_t channels = value.size(2), width = channels / locations.size(2);
  Tensor sum_value = Tensor::zeros(value.shape(), DType::f64), sum_weights = Tensor::zeros(weights.shape(), DType::f64);
  Tensor sum_locations = Tensor::zeros(locations.shape(), DType::f64);
  MsDeformAttnGrads grads;
  dispatch_real("ms_deform_attn_backward_reference", value.dtype(), [&]<class T>() {
    const T *g = grad_out.data<T>(), *v = value.data<T>(), *a = weights.data<T>();
    double* to_value = sum_value.mutable_data<double>();
    double* to_weights = sum_weights.mutable_data<double>();
    double* to_locations = sum_locations.mutable_data<double>();
    for_each_tap<T>(value, levels, locations,
                    [&](std::int64_t token, std::int64_t row, std::int64_t head, std::int64_t point, double hx,
                        double hy, double slope_x, double slope_y, const LevelShape& level) {
                      double dot = 0;
                      for (std::int64_t c = 0; c < width; ++c) {
                        const auto go = static_cast<double>(g[row * width + c]);
                        dot += go * static_cast<double>(v[token * channels + head + c]);
                        to_value[token * channels + head + c] += static_cast<double>(a[point]) * hx * hy * go;
                      }
                      to_weights[point] += hx * hy * dot;
                      const double scaled = static_cast<double>(a[point]) * dot;
                      to_locations[2 * point] += scaled * slope_x * hy * static_cast<double>(level.width);
                      to_locations[2 * point + 1] += scaled * hx * slope_y * static_cast<double>(level.height);
                    });
    const auto rounded = [&](const Tensor& sums) {
      Tensor t = Tensor::empty(sums.shape(), value.dtype());
      for (std::int64_t i = 0; i < t.count(); ++i) t.mutable_data<T>()[i] = static_cast<T>(sums.data<double>()[i]);
      return t;
    };
    if (wants.value) grads.value = rounded(sum_value);
    if (wants.locations) grads.locations = rounded(sum_locations);
    if (wants.weights) grads.weights = rounded(sum_weights);
  });
  return grads;
}

}  // namespace rein::ops
