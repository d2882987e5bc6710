// Scoring a model on data sets: sliding window or whole photo, pooled counts, folded classes, IoU.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/loading/transforms.h"
#include "data/sets/dataset.h"
#include "models/segmentor.h"
#include "train/config/config.h"
#include "train/config/protocol.h"
#include "train/score/metrics.h"

namespace rein::train {

// Window and stride in pixels (0: the whole photo, padded to a multiple of the patch side), windows per forward pass.
struct Sliding {
  std::int64_t window = 0, stride = 0, batch = 4;
};

struct Target {
  std::string name;
  std::shared_ptr<const data::Dataset> set;
  data::EvalResize resize;
  Sliding sliding;
  std::int64_t take_every = 1;
  bool in_mean = true;
  std::vector<int> label_to, prediction_to;  // folding to scored classes
  std::vector<int> averaged;

  std::int64_t photos() const { return (set->size() + take_every - 1) / take_every; }
};

// Opens the set and checks that every class of the model has a place among its scored classes. Its photos are resized
// as the target says, else as the preset says for the set of that name, else as the set's description says.
Target open_target(const TargetConfig& config, const std::vector<std::string>& model_classes, std::int64_t batch,
                   const std::string& preset = "");

struct TargetScore {
  std::string name;
  std::string dataset;  // the description's name: whose label map it is
  std::string resize;   // as parse_resize reads it
  Sliding sliding;
  std::int64_t photos = 0;
  double seconds = 0;
  bool in_mean = true;
  Score score;
};
// "labels of cityscapes, fit:1024x512, windows 512/341": what else decides the numbers.
std::string protocol_text(const TargetScore& score);
// The mean of the mIoU of the sets that are part of it (of all when none is). A set without a labelled pixel has none
// and counts for nothing; NaN when no set is left.
double mean_miou(const std::vector<TargetScore>& scores);

// The run's windows with another window or stride in pixels; -1: the run's, and two thirds of another window.
// std::invalid_argument when the stride is larger than the window.
Sliding sliding_of(const EvalConfig& eval, std::int64_t window, std::int64_t stride);

// Class scores (1, h, w, K) of the resized photo, where the model is.
Tensor photo_scores(const models::Segmentor& model, const data::Normalisation& norm, const data::Image& photo,
                    const data::EvalResize& resize, const Sliding& sliding);

// Class ids (H, W) of a photo of any size, at its own size. Library function behind `predict` and evaluation.
data::LabelMap predict_photo(const models::Segmentor& model, const data::Normalisation& norm, const data::Image& photo,
                             const data::EvalResize& resize, const Sliding& sliding);

// `progress` is called after each photo with (done, all). The next photo is read while one is computed.
TargetScore evaluate(const models::Segmentor& model, const data::Normalisation& norm, const Target& target,
                     const std::function<void(std::int64_t, std::int64_t)>& progress = {});

// {"name": …, "miou": …, "classes": {…}} ; names with IoU in percent, null for classes without pixels.
std::string scores_to_json(const std::vector<TargetScore>& scores);
// A table: one row per set, then one per class and set.
std::string scores_to_table(const std::vector<TargetScore>& scores, bool with_classes);

}  // namespace rein::train
