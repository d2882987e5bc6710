// Scores of a segmentation: integer counts, folded classes, IoU per class and their mean.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace rein::train {

// counts[label][prediction], pooled over all images of a set. Integers only, so the order of images does not matter.
class Confusion {
 public:
  Confusion() = default;
  // `labels` kinds of labels and `predictions` kinds of predictions, each at least 1.
  Confusion(int labels, int predictions);

  // One image (or a part of one): same length; labels equal to `ignore` are left out. Throws std::invalid_argument
  // naming the id when another label or prediction is out of range.
  void add(std::span<const std::uint8_t> labels, std::span<const std::uint8_t> predictions, int ignore = 255);
  void add(const Confusion& other);  // same sizes

  std::int64_t at(int label, int prediction) const;
  int labels() const { return labels_; }
  int predictions() const { return predictions_; }
  std::int64_t total() const;

  // The matrix over `classes` score classes: label_to[l] and prediction_to[p] name the class of each old row and
  // column. A label folded to -1 leaves the count; a prediction folded to -1 stays wrong for every class (it has no
  // column).
  Confusion fold(std::span<const int> label_to, std::span<const int> prediction_to, int classes) const;
  // Pixels of label class `label` whose prediction has no class after folding.
  std::int64_t missed(int label) const { return missed_[static_cast<std::size_t>(label)]; }

 private:
  int labels_ = 0, predictions_ = 0;
  std::vector<std::int64_t> counts_;  // (labels, predictions)
  std::vector<std::int64_t> missed_;  // (labels)
};

struct ClassScore {
  std::string name;
  std::int64_t intersection = 0;
  std::int64_t label_pixels = 0;
  std::int64_t predicted_pixels = 0;
  std::int64_t union_pixels() const { return label_pixels + predicted_pixels - intersection; }
  // NaN when the class neither occurs nor is predicted.
  double iou() const;
};

struct Score {
  std::vector<ClassScore> classes;  // the averaged ones
  double miou = 0;                  // mean over classes with a union; NaN when there is none
  double pixel_accuracy = 0;        // over all counted pixels
};

// A square matrix of classes. `names` one per class; `averaged` the indices that enter the mean (empty: all).
Score score(const Confusion& confusion, std::span<const std::string> names, std::span<const int> averaged = {});

}  // namespace rein::train
