#include "train/score/metrics.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "tensor/error.h"

namespace rein::train {

Confusion::Confusion(int labels, int predictions)
    : labels_(labels),
      predictions_(predictions),
      counts_(static_cast<std::size_t>(labels) * static_cast<std::size_t>(predictions)),
      missed_(static_cast<std::size_t>(labels)) {
  require(labels >= 1 && predictions >= 1, "metrics", "needs at least one class, got ", labels, " and ", predictions);
}

void Confusion::add(std::span<const std::uint8_t> labels, std::span<const std::uint8_t> predictions, int ignore) {
  require(labels.size() == predictions.size(), "metrics", "labels and predictions must have equally many pixels, got ",
          labels.size(), " and ", predictions.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const int label = labels[i], prediction = predictions[i];
    if (label == ignore) continue;
    require(label < labels_, "metrics", "label id ", label, " is not one of the ", labels_, " classes (ignore id ",
            ignore, ")");
    require(prediction < predictions_, "metrics", "prediction ", prediction, " is not one of the ", predictions_,
            " classes");
    ++counts_[static_cast<std::size_t>(label * predictions_ + prediction)];
  }
}

void Confusion::add(const Confusion& other) {
  require(labels_ == other.labels_ && predictions_ == other.predictions_, "metrics", "sizes must agree, got ", labels_,
          "x", predictions_, " and ", other.labels_, "x", other.predictions_);
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  for (std::size_t i = 0; i < missed_.size(); ++i) missed_[i] += other.missed_[i];
}

std::int64_t Confusion::at(int label, int prediction) const {
  return counts_[static_cast<std::size_t>(label * predictions_ + prediction)];
}

std::int64_t Confusion::total() const {
  return std::accumulate(counts_.begin(), counts_.end(), std::int64_t{0}) +
         std::accumulate(missed_.begin(), missed_.end(), std::int64_t{0});
}

Confusion Confusion::fold(std::span<const int> label_to, std::span<const int> prediction_to, int classes) const {
  require(std::ssize(label_to) == labels_ && std::ssize(prediction_to) == predictions_, "metrics",
          "folding needs one entry per label (", labels_, ") and per prediction (", predictions_, "), got ",
          label_to.size(), " and ", prediction_to.size());
  Confusion folded(classes, classes);
  for (int l = 0; l < labels_; ++l) {
    const int to = label_to[static_cast<std::size_t>(l)];
    require(to >= -1 && to < classes, "metrics", "label ", l, " folds to ", to, ", of ", classes, " classes");
    if (to < 0) continue;
    folded.missed_[static_cast<std::size_t>(to)] += missed_[static_cast<std::size_t>(l)];
    for (int p = 0; p < predictions_; ++p) {
      const int column = prediction_to[static_cast<std::size_t>(p)];
      require(column >= -1 && column < classes, "metrics", "prediction ", p, " folds to ", column, ", of ", classes,
              " classes");
      if (column < 0)
        folded.missed_[static_cast<std::size_t>(to)] += at(l, p);
      else
        folded.counts_[static_cast<std::size_t>(to * classes + column)] += at(l, p);
    }
  }
  return folded;
}

double ClassScore::iou() const {
  const std::int64_t all = union_pixels();
  if (all == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(intersection) / static_cast<double>(all);
}

Score score(const Confusion& confusion, std::span<const std::string> names, std::span<const int> averaged) {
  const int classes = confusion.labels();
  require(classes == confusion.predictions() && std::ssize(names) == classes, "metrics",
          "needs a square matrix and a name per class, got ", classes, "x", confusion.predictions(), " and ",
          names.size(), " names");
  std::vector<int> wanted(averaged.begin(), averaged.end());
  if (wanted.empty()) {
    wanted.resize(static_cast<std::size_t>(classes));
    std::iota(wanted.begin(), wanted.end(), 0);
  }
  Score result;
  double sum = 0;
  int counted = 0;
  for (const int c : wanted) {
    require(c >= 0 && c < classes, "metrics", "class ", c, " to be averaged is not one of ", classes);
    ClassScore s;
    s.name = names[static_cast<std::size_t>(c)];
    s.intersection = confusion.at(c, c);
    s.label_pixels = confusion.missed(c);
    for (int other = 0; other < classes; ++other) {
      s.label_pixels += confusion.at(c, other);
      s.predicted_pixels += confusion.at(other, c);
    }
    if (s.union_pixels() > 0) {
      sum += s.iou();
      ++counted;
    }
    result.classes.push_back(std::move(s));
  }
  const double nan = std::numeric_limits<double>::quiet_NaN();
  result.miou = counted ? sum / counted : nan;
  std::int64_t right = 0;
  for (int c = 0; c < classes; ++c) right += confusion.at(c, c);
  const std::int64_t total = confusion.total();
  result.pixel_accuracy = total ? static_cast<double>(right) / static_cast<double>(total) : nan;
  return result;
}

}  // namespace rein::train
