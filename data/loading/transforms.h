// The training transforms (FACTS: random resize, crop, flip, photometric distortion, normalise, pad). Each is a pure
// function; what is random about it is a value in TrainDraw, drawn beforehand from (seed, sample number).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "data/images/image.h"
#include "data/images/resize.h"
#include "data/loading/photometric.h"
#include "data/sets/dataset.h"
#include "tensor/random.h"
#include "tensor/tensor.h"

namespace rein::data {

inline constexpr int crop_tries = 11;  // one draw and up to ten more; the last is taken unchecked

struct Offset {
  int y = 0;
  int x = 0;
  bool operator==(const Offset&) const = default;
};

// The window of `crop` at the first of `draws` that shows more than one class and no class with `cat_max_ratio` or more
// of the pixels that count; the last draw when none does. Looks at most at crop_tries - 1 of them. cat_max_ratio >= 1:
// the first. The window is clipped to the map. mmseg RandomCrop.
Window choose_crop(const LabelMap& labels, Size crop, std::span<const Offset> draws, double cat_max_ratio);
// The same for a map of `resized` size that is never made: pixels are looked up as resize_nearest does.
Window choose_crop(const LabelMap& labels, Size resized, Size crop, std::span<const Offset> draws,
                   double cat_max_ratio);

Image crop(const Image& image, Window window);
LabelMap crop(const LabelMap& labels, Window window);
void flip_horizontally(Image& image);
void flip_horizontally(LabelMap& labels);

struct Normalisation {
  std::array<float, 3> mean{123.675f, 116.28f, 103.53f};  // R, G, B of 0..255
  std::array<float, 3> std{58.395f, 57.12f, 57.375f};
};

// (x - mean) / std in f32, then zeros at right and bottom up to `padded`. `out`: padded.height * padded.width * 3.
void normalise_and_pad(const Image& image, const Normalisation& norm, Size padded, float* out);
Tensor normalise_and_pad(const Image& image, const Normalisation& norm, Size padded);  // f32 (H, W, 3)
// ids, then ignore_id at right and bottom.
void pad_labels(const LabelMap& labels, Size padded, std::int64_t* out);
Tensor pad_labels(const LabelMap& labels, Size padded);  // i64 (H, W)

struct TrainTransforms {
  Size crop{512, 512};
  std::vector<int> short_edges;  // one of them is drawn; empty: photos keep their size
  int max_long_edge = 2048;
  double cat_max_ratio = 0.75;
  double flip_probability = 0.5;
  bool photometric = true;
  Normalisation norm;
};

// The official list of short edges for a crop: int(crop * k / 10), k = 5 ... 20.
std::vector<int> official_short_edges(int crop);

// Everything random about one sample.
struct TrainDraw {
  Size size;                                 // after the resize
  std::array<Offset, crop_tries> offsets{};  // each uniform on 0 ... max(size - crop, 0)
  bool flip = false;
  Photometric photometric;
};

// A function of (key, image size, config) alone; key = RandomKey(seed).child("sample").child(number in the whole run).
TrainDraw draw_training(const RandomKey& key, Size image, const TrainTransforms& config);

// Resize, crop, flip and photometric distortion. Only the cropped part of the resized photo is computed.
// The result is at most config.crop large; normalise_and_pad and pad_labels complete it.
void apply_training(Sample& sample, const TrainDraw& draw, const TrainTransforms& config);

// The photo as evaluation wants it; labels are left alone.
Image resize_for_evaluation(const Image& image, const EvalResize& how);

}  // namespace rein::data
