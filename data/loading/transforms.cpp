#include "data/loading/transforms.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "data/images/halve.h"
#include "tensor/error.h"

namespace rein::data {
namespace {

bool balanced(const LabelMap& cropped, double cat_max_ratio) {
  std::array<std::int64_t, 256> counts{};
  for (const std::uint8_t id : cropped.ids) ++counts[id];
  counts[ignore_id] = 0;
  std::int64_t total = 0, largest = 0, classes = 0;
  for (const std::int64_t count : counts) {
    total += count;
    largest = std::max(largest, count);
    classes += count > 0;
  }
  return classes > 1 && static_cast<double>(largest) / static_cast<double>(total) < cat_max_ratio;
}

Window clipped(Offset at, Size size, Size picture) {
  return {at.y, at.x, std::min(size.height, picture.height - at.y), std::min(size.width, picture.width - at.x)};
}

void check_padding(std::string_view op, int height, int width, Size padded) {
  require(height <= padded.height && width <= padded.width, op, "cannot pad ", height, " x ", width, " to ",
          padded.height, " x ", padded.width);
}

}  // namespace

Window choose_crop(const LabelMap& labels, Size crop_size, std::span<const Offset> draws, double cat_max_ratio) {
  return choose_crop(labels, {labels.height, labels.width}, crop_size, draws, cat_max_ratio);
}

Window choose_crop(const LabelMap& labels, Size resized, Size crop_size, std::span<const Offset> draws,
                   double cat_max_ratio) {
  require(!draws.empty(), "choose_crop", "needs at least one draw");
  const std::size_t last = std::min<std::size_t>(draws.size(), crop_tries) - 1;
  for (std::size_t i = 0;; ++i) {
    const Window window = clipped(draws[i], crop_size, resized);
    require(draws[i].y >= 0 && draws[i].x >= 0 && window.height > 0 && window.width > 0, "choose_crop", "offset (",
            draws[i].y, ", ", draws[i].x, ") is outside of ", resized.height, " x ", resized.width);
    if (i == last || cat_max_ratio >= 1) return window;
    if (balanced(resize_nearest(labels, resized, window), cat_max_ratio)) return window;
  }
}

Image crop(const Image& image, Window w) {
  require(w.y >= 0 && w.x >= 0 && w.y < image.height && w.x < image.width, "crop", "window at (", w.y, ", ", w.x,
          ") is outside of ", image.height, " x ", image.width);
  Image out(std::min(w.height, image.height - w.y), std::min(w.width, image.width - w.x), image.channels);
  for (int y = 0; y < out.height; ++y) {
    std::memcpy(out.row(y), image.row(w.y + y) + std::size_t(w.x) * std::size_t(image.channels), out.pitch());
  }
  return out;
}

LabelMap crop(const LabelMap& labels, Window w) {
  require(w.y >= 0 && w.x >= 0 && w.y < labels.height && w.x < labels.width, "crop", "window at (", w.y, ", ", w.x,
          ") is outside of ", labels.height, " x ", labels.width);
  LabelMap out(std::min(w.height, labels.height - w.y), std::min(w.width, labels.width - w.x));
  for (int y = 0; y < out.height; ++y) std::memcpy(out.row(y), labels.row(w.y + y) + w.x, std::size_t(out.width));
  return out;
}

void flip_horizontally(Image& image) {
  const auto channels = static_cast<std::size_t>(image.channels);
  for (int y = 0; y < image.height; ++y) {
    std::uint8_t* left = image.row(y);
    std::uint8_t* right = left + image.pitch() - channels;
    for (; left < right; left += channels, right -= channels) std::swap_ranges(left, left + channels, right);
  }
}

void flip_horizontally(LabelMap& labels) {
  for (int y = 0; y < labels.height; ++y) std::reverse(labels.row(y), labels.row(y) + labels.width);
}

void normalise_and_pad(const Image& image, const Normalisation& norm, Size padded, float* out) {
  require(image.channels == 3, "normalise", "needs an RGB image, got ", image.channels, " channels");
  check_padding("normalise", image.height, image.width, padded);
  std::array<std::array<float, 256>, 3> table;  // 256 values per channel: the same divisions, done once
  for (std::size_t c = 0; c < 3; ++c) {
    require(norm.std[c] > 0, "normalise", "std must be positive, got ", norm.std[c]);
    for (int v = 0; v < 256; ++v) table[c][std::size_t(v)] = (static_cast<float>(v) - norm.mean[c]) / norm.std[c];
  }
  for (int y = 0; y < padded.height; ++y) {
    float* end = out + std::size_t(padded.width) * 3;
    if (y < image.height) {
      const std::uint8_t* in = image.row(y);
      for (int x = 0; x < image.width; ++x, in += 3, out += 3) {
        out[0] = table[0][in[0]];
        out[1] = table[1][in[1]];
        out[2] = table[2][in[2]];
      }
    }
    std::fill(out, end, 0.0f);
    out = end;
  }
}

Tensor normalise_and_pad(const Image& image, const Normalisation& norm, Size padded) {
  Tensor out = Tensor::empty({padded.height, padded.width, 3}, DType::f32);
  normalise_and_pad(image, norm, padded, out.mutable_data<float>());
  return out;
}

void pad_labels(const LabelMap& labels, Size padded, std::int64_t* out) {
  check_padding("pad_labels", labels.height, labels.width, padded);
  for (int y = 0; y < padded.height; ++y, out += padded.width) {
    const int held = y < labels.height ? labels.width : 0;
    if (held > 0) std::copy_n(labels.row(y), held, out);
    std::fill(out + held, out + padded.width, std::int64_t{ignore_id});
  }
}

Tensor pad_labels(const LabelMap& labels, Size padded) {
  Tensor out = Tensor::empty({padded.height, padded.width}, DType::i64);
  pad_labels(labels, padded, out.mutable_data<std::int64_t>());
  return out;
}

std::vector<int> official_short_edges(int crop_side) {
  std::vector<int> edges;
  for (int k = 5; k <= 20; ++k) edges.push_back(crop_side * k / 10);
  return edges;
}

TrainDraw draw_training(const RandomKey& key, Size image, const TrainTransforms& config) {
  TrainDraw draw;
  draw.size = image;
  if (!config.short_edges.empty()) {
    const auto pick = key.child("resize").below(0, config.short_edges.size());
    draw.size = shortest_edge_size(image, config.short_edges[pick], config.max_long_edge);
  }
  const RandomKey crop_key = key.child("crop");
  const auto choices = [](int size, int cropped) {
    return static_cast<std::uint64_t>(std::max(size - cropped, 0)) + 1;
  };
  for (std::uint64_t i = 0; i < crop_tries; ++i) {
    draw.offsets[i].y = static_cast<int>(crop_key.below(2 * i, choices(draw.size.height, config.crop.height)));
    draw.offsets[i].x = static_cast<int>(crop_key.below(2 * i + 1, choices(draw.size.width, config.crop.width)));
  }
  draw.flip = key.child("flip").uniform(0) < config.flip_probability;
  if (config.photometric) draw.photometric = draw_photometric(key.child("photometric"));
  return draw;
}

void apply_training(Sample& sample, const TrainDraw& draw, const TrainTransforms& config) {
  const Window window = choose_crop(sample.label, draw.size, config.crop, draw.offsets, config.cat_max_ratio);
  sample.image = resize_bilinear(sample.image, draw.size, window);
  sample.label = resize_nearest(sample.label, draw.size, window);
  if (draw.flip) {
    flip_horizontally(sample.image);
    flip_horizontally(sample.label);
  }
  apply_photometric(sample.image, draw.photometric);
}

Image resize_for_evaluation(const Image& image, const EvalResize& how) {
  if (how.halve) {
    EvalResize rest = how;
    rest.halve = false;
    return resize_for_evaluation(halve_photo(image), rest);
  }
  const Size size{image.height, image.width};
  Size wanted = size;
  switch (how.kind) {
    case EvalResize::Kind::none:
      return image;
    case EvalResize::Kind::shortest_edge:
      wanted = shortest_edge_size(size, static_cast<int>(how.value), std::numeric_limits<int>::max());
      break;
    case EvalResize::Kind::scale:
      wanted = scaled_size(size, how.value);
      break;
    case EvalResize::Kind::keep_ratio:
      wanted = keep_ratio_size(size, how.bound_a, how.bound_b);
      break;
  }
  return resize_bilinear(image, wanted);
}

}  // namespace rein::data
