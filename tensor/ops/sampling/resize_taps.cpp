#include "tensor/ops/sampling/resize_taps.h"

#include <algorithm>
#include <cmath>

namespace rein::ops {
namespace {

double cubic(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

class Builder {
 public:
  explicit Builder(std::int64_t outputs) { taps_.start.reserve(static_cast<std::size_t>(outputs + 1)); }
  void begin_output() { taps_.start.push_back(static_cast<std::int64_t>(taps_.index.size())); }
  // Taps of one output come in ascending order, so those that a border clamps together are neighbours.
  void add(std::int64_t index, double weight) {
    const bool first = static_cast<std::int64_t>(taps_.index.size()) == taps_.start.back();
    if (!first && taps_.index.back() == index) {
      taps_.weight.back() += weight;
    } else {
      taps_.index.push_back(static_cast<std::int32_t>(index));
      taps_.weight.push_back(weight);
    }
  }
  AxisTaps finish() {
    begin_output();
    return std::move(taps_);
  }

 private:
  AxisTaps taps_;
};

void add_antialiased(Builder& taps, std::int64_t i, std::int64_t inputs, double step) {
  const double z = std::max(step, 1.0), centre = (static_cast<double>(i) + 0.5) * step;
  const auto begin = std::max<std::int64_t>(static_cast<std::int64_t>(centre - 2 * z + 0.5), 0);
  const auto end = std::min<std::int64_t>(static_cast<std::int64_t>(centre + 2 * z + 0.5), inputs);
  const auto weight = [&](std::int64_t j) { return cubic((static_cast<double>(j) - centre + 0.5) / z, -0.5); };
  double sum = 0;
  for (std::int64_t j = begin; j < end; ++j) sum += weight(j);
  for (std::int64_t j = begin; j < end; ++j) taps.add(j, weight(j) / sum);
}

}  // namespace

AxisTaps taps_along(Interpolation mode, std::int64_t inputs, std::int64_t outputs, double step, bool align_corners) {
  const auto clamp = [&](std::int64_t j) { return std::clamp<std::int64_t>(j, 0, inputs - 1); };
  const float nearest_step =
      step == 0 ? static_cast<float>(inputs) / static_cast<float>(outputs) : static_cast<float>(step);
  if (step == 0) step = static_cast<double>(inputs) / static_cast<double>(outputs);
  Builder taps(outputs);
  for (std::int64_t i = 0; i < outputs; ++i) {
    taps.begin_output();
    double s = (static_cast<double>(i) + 0.5) * step - 0.5;
    if (align_corners) {
      s = outputs == 1 ? 0 : static_cast<double>(i * (inputs - 1)) / static_cast<double>(outputs - 1);
    }
    switch (mode) {
      case Interpolation::nearest:
        taps.add(clamp(static_cast<std::int64_t>(std::floor(static_cast<float>(i) * nearest_step))), 1.0);
        break;
      case Interpolation::bilinear: {
        s = std::max(s, 0.0);
        const auto k = static_cast<std::int64_t>(s);
        const double t = s - static_cast<double>(k);
        taps.add(clamp(k), 1 - t);
        taps.add(clamp(k + 1), t);
        break;
      }
      case Interpolation::bicubic: {
        const auto k = static_cast<std::int64_t>(std::floor(s));
        const double t = s - static_cast<double>(k);
        for (std::int64_t j = -1; j <= 2; ++j) taps.add(clamp(k + j), cubic(t - static_cast<double>(j), -0.75));
        break;
      }
      case Interpolation::bicubic_antialias:
        add_antialiased(taps, i, inputs, step);
        break;
    }
  }
  return taps.finish();
}

AxisTaps transposed(const AxisTaps& taps, std::int64_t inputs) {
  const auto outputs = static_cast<std::int64_t>(taps.start.size()) - 1;
  AxisTaps back;
  back.start.assign(static_cast<std::size_t>(inputs + 1), 0);
  for (const std::int32_t j : taps.index) ++back.start[static_cast<std::size_t>(j) + 1];
  for (std::size_t j = 1; j < back.start.size(); ++j) back.start[j] += back.start[j - 1];
  back.index.resize(taps.index.size());
  back.weight.resize(taps.weight.size());
  std::vector<std::int64_t> next(back.start.begin(), back.start.end() - 1);
  for (std::int64_t i = 0; i < outputs; ++i) {
    for (std::int64_t t = taps.start[static_cast<std::size_t>(i)]; t < taps.start[static_cast<std::size_t>(i) + 1];
         ++t) {
      const auto at =
          static_cast<std::size_t>(next[static_cast<std::size_t>(taps.index[static_cast<std::size_t>(t)])]++);
      back.index[at] = static_cast<std::int32_t>(i);
      back.weight[at] = taps.weight[static_cast<std::size_t>(t)];
    }
  }
  return back;
}

}  // namespace rein::ops
