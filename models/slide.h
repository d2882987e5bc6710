// Sliding-window inference (golden README 11): windows in row-major order, the last ones shifted back to the border;
// scores summed over windows, divided by the count, resized to the original size, argmax.
#pragma once

#include <functional>
#include <vector>

#include "models/segmentor.h"

namespace rein::models {

struct Window {
  std::int64_t y1 = 0, x1 = 0, y2 = 0, x2 = 0;  // ends exclusive
  bool operator==(const Window&) const = default;
};

struct SlideOptions {
  std::int64_t crop_height = 0, crop_width = 0;      // 0: the whole image in one window
  std::int64_t stride_height = 0, stride_width = 0;  // 1 to crop
  std::int64_t batch = 1;                            // windows per forward (all have one size)
};

std::vector<Window> slide_windows(std::int64_t height, std::int64_t width, const SlideOptions& options);

// image (N, H, W, 3) -> scores (N, H, W, K).
using ScoreFunction = std::function<Tensor(const Tensor& images)>;

// image (1, H, W, 3) on the CPU -> mean scores (1, H, W, K), where `score` leaves its own. `seen` is called after each
// window with its index and scores.
Tensor slide_scores(const ScoreFunction& score, const Tensor& image, const SlideOptions& options,
                    const std::function<void(std::size_t, const Tensor&)>& seen = {});
// How many windows cover each pixel: i64 (H, W).
Tensor slide_counts(std::int64_t height, std::int64_t width, const SlideOptions& options);

// Scores (N, h, w, K) -> bilinearly resized to (height, width) -> index of the largest, i64 (N, height, width). The
// first maximum wins.
Tensor predict_labels(const Tensor& scores, std::int64_t height, std::int64_t width);

// All of it: image (1, H, W, 3) -> class ids, i64 (height, width), where the model is.
Tensor predict(const Segmentor& model, const Tensor& image, const SlideOptions& options, std::int64_t height,
               std::int64_t width);

}  // namespace rein::models
