#include "models/slide.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "tensor/error.h"
#include "tensor/ops/loss/cross_entropy.h"
#include "tensor/ops/sampling/resize.h"
#include "tensor/ops/sampling/window_sum.h"

namespace rein::models {
namespace {

struct Axis {
  std::int64_t crop, stride;
};

Axis axis_of(std::int64_t size, std::int64_t crop, std::int64_t stride) {
  if (crop <= 0) return {size, size};
  require(stride >= 1 && stride <= crop, "slide", "stride must be between 1 and the crop ", crop, ", got ", stride);
  return {crop, stride};
}

// The part of the image that the windows [first, last) see, one after another.
Tensor cut(const Tensor& image, const std::vector<Window>& windows, std::size_t first, std::size_t last) {
  const Window& w = windows[first];
  const std::int64_t height = w.y2 - w.y1, width = w.x2 - w.x1, channels = image.size(3);
  Tensor crops = Tensor::empty(Shape{static_cast<std::int64_t>(last - first), height, width, channels}, image.dtype());
  const std::size_t pixel = size_of(image.dtype()) * static_cast<std::size_t>(channels);
  const auto* from = static_cast<const std::byte*>(image.raw());
  auto* to = static_cast<std::byte*>(crops.mutable_raw());
  const std::size_t row = pixel * static_cast<std::size_t>(width);
  for (std::size_t i = first; i < last; ++i) {
    for (std::int64_t y = windows[i].y1; y < windows[i].y2; ++y, to += row) {
      std::memcpy(to, from + static_cast<std::size_t>(y * image.size(2) + windows[i].x1) * pixel, row);
    }
  }
  return crops;
}

}  // namespace

std::vector<Window> slide_windows(std::int64_t height, std::int64_t width, const SlideOptions& options) {
  require(height >= 1 && width >= 1, "slide", "an image of ", height, " x ", width);
  const Axis v = axis_of(height, options.crop_height, options.stride_height);
  const Axis h = axis_of(width, options.crop_width, options.stride_width);
  const auto count = [](std::int64_t size, const Axis& a) {
    return std::max<std::int64_t>(size - a.crop + a.stride - 1, 0) / a.stride + 1;
  };
  const auto place = [](std::int64_t size, const Axis& a, std::int64_t i) {
    const std::int64_t end = std::min(i * a.stride + a.crop, size);
    return std::pair{std::max<std::int64_t>(end - a.crop, 0), end};
  };
  std::vector<Window> windows;
  for (std::int64_t i = 0; i < count(height, v); ++i) {
    for (std::int64_t j = 0; j < count(width, h); ++j) {
      const auto [y1, y2] = place(height, v, i);
      const auto [x1, x2] = place(width, h, j);
      windows.push_back({y1, x1, y2, x2});
    }
  }
  return windows;
}

Tensor slide_counts(std::int64_t height, std::int64_t width, const SlideOptions& options) {
  Tensor counts = Tensor::zeros(Shape{height, width}, DType::i64);
  std::int64_t* const count = counts.mutable_data<std::int64_t>();
  for (const Window& w : slide_windows(height, width, options)) {
    for (std::int64_t y = w.y1; y < w.y2; ++y) {
      for (std::int64_t x = w.x1; x < w.x2; ++x) ++count[y * width + x];
    }
  }
  return counts;
}

Tensor slide_scores(const ScoreFunction& score, const Tensor& image, const SlideOptions& options,
                    const std::function<void(std::size_t, const Tensor&)>& seen) {
  require(image && image.rank() == 4 && image.size(0) == 1, "slide", "image must be (1, H, W, 3), got ", image.shape());
  require(image.device().is_cpu(), "slide", "windows are cut on the CPU, got an image on ", image.device().text());
  const std::int64_t height = image.size(1), width = image.size(2);
  const std::vector<Window> windows = slide_windows(height, width, options);
  const auto batch = static_cast<std::size_t>(std::max<std::int64_t>(options.batch, 1));
  Tensor sum;
  for (std::size_t first = 0; first < windows.size(); first += batch) {
    const std::size_t last = std::min(first + batch, windows.size());
    const Tensor crops = cut(image, windows, first, last);
    const Tensor scores = score(crops);
    require(scores.rank() == 4 && scores.size(0) == crops.size(0) && scores.size(1) == crops.size(1) &&
                scores.size(2) == crops.size(2),
            "slide", "scores must be (N, H, W, K) for windows ", crops.shape(), ", got ", scores.shape());
    if (!sum) sum = Tensor::zeros(Shape{height, width, scores.size(3)}, scores.dtype(), scores.device());
    for (std::size_t i = first; i < last; ++i) {
      const auto row = static_cast<std::int64_t>(i - first);
      const Tensor one = scores.rows(row, row + 1);
      if (seen) seen(i, one);
      if (windows.size() == 1) return scores;
      ops::add_window(sum, one.view({one.size(1), one.size(2), one.size(3)}), windows[i].y1, windows[i].x1);
    }
  }
  ops::divide_by_counts(sum, slide_counts(height, width, options).to(sum.device()));
  return sum.view({1, height, width, sum.size(2)});
}

Tensor predict_labels(const Tensor& scores, std::int64_t height, std::int64_t width) {
  require(scores && scores.rank() == 4, "predict", "scores must be (N, H, W, K), got ", scores.shape());
  if (scores.size(1) == height && scores.size(2) == width) return ops::argmax_last(scores);
  return ops::argmax_last(ops::resize(scores, ops::to_size(height, width)));
}

Tensor predict(const Segmentor& model, const Tensor& image, const SlideOptions& options, std::int64_t height,
               std::int64_t width) {
  const Tensor scores = slide_scores([&](const Tensor& crops) { return model.scores(crops); }, image, options);
  return predict_labels(scores, height, width).view(Shape{height, width});
}

}  // namespace rein::models
