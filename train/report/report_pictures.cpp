#include "train/report/report_pictures.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "data/images/colour.h"
#include "data/images/halve.h"
#include "data/images/image_io.h"
#include "data/images/resize.h"
#include "train/run/load.h"
#include "train/score/evaluate.h"

namespace rein::train {
namespace {

std::string as_png(const data::Image& image) {
  const auto bytes = data::encode_png(image.height, image.width, 3, image.pixels.data());
  return "data:image/png;base64," + base64(bytes);
}

// Train ids -> scored classes; what has none is ignored.
data::LabelMap folded(const data::LabelMap& from, const std::vector<int>& to) {
  data::LabelMap out = from;
  for (std::uint8_t& id : out.ids) {
    const int target = id < to.size() ? to[id] : -1;
    id = target < 0 ? data::ignore_id : static_cast<std::uint8_t>(target);
  }
  return out;
}

// The photo, gray and pale where right, orange where wrong, dark where nothing is scored.
data::Image error_map(const data::Image& photo, const data::LabelMap& truth, const data::LabelMap& prediction) {
  data::Image out = photo;
  for (std::size_t i = 0; i < truth.ids.size(); ++i) {
    std::uint8_t* p = out.pixels.data() + 3 * i;
    const int gray = (p[0] * 77 + p[1] * 150 + p[2] * 29) >> 8;
    const bool ignored = truth.ids[i] == data::ignore_id, wrong = !ignored && truth.ids[i] != prediction.ids[i];
    const int wrong_tone[] = {205 + gray / 6, 70 + gray / 3, 10 + gray / 8},
              quiet = ignored ? 20 + gray / 5 : 125 + gray / 2;
    const int tone[] = {wrong ? wrong_tone[0] : quiet, wrong ? wrong_tone[1] : quiet, wrong ? wrong_tone[2] : quiet};
    for (int c = 0; c < 3; ++c) p[c] = static_cast<std::uint8_t>(std::min(tone[c], 255));
  }
  return out;
}

std::string share_right(const data::LabelMap& truth, const data::LabelMap& prediction) {
  std::int64_t right = 0, all = 0;
  for (std::size_t i = 0; i < truth.ids.size(); ++i) {
    if (truth.ids[i] == data::ignore_id) continue;
    ++all;
    right += truth.ids[i] == prediction.ids[i] ? 1 : 0;
  }
  if (all == 0) return "nothing to score";
  return std::to_string(std::lround(100.0 * static_cast<double>(right) / static_cast<double>(all))) +
         " % of pixels right";
}

data::Size shown_size(const data::Image& photo, int max_side) {
  const int longer = std::max(photo.height, photo.width);
  return longer <= max_side ? data::Size{photo.height, photo.width}
                            : data::scaled_size({photo.height, photo.width}, static_cast<double>(max_side) / longer);
}

struct Shown {
  const RunRecord* run;
  LoadedModel loaded;
};

std::vector<Shown> load_runs(std::span<const RunRecord> runs, const PictureOptions& options,
                             std::vector<std::string>& notes) {
  std::vector<Shown> out;
  for (const RunRecord& run : runs) {
    if (run.method == "pretrain") continue;  // predicts no classes
    if (!run.checkpoint_step) {
      notes.push_back(run.name + " has no checkpoint yet, so there are no pictures of it.");
      continue;
    }
    try {
      out.push_back({&run, load_trained(run.folder, options.backbone, options.weights)});
    } catch (const std::exception& error) {
      notes.push_back("No pictures of " + run.name + ": " + error.what());
    }
  }
  return out;
}

ReportPhoto show_photo(const Target& target, std::int64_t index, const std::vector<Shown>& runs, int max_side) {
  data::Sample sample = target.set->read(index);
  data::EvalResize resize = target.resize;
  if (resize.halve) {  // as evaluation does
    sample.image = data::halve_photo(sample.image);
    sample.label = data::halve_labels(sample.label);
    resize.halve = false;
  }
  const data::Size size = shown_size(sample.image, max_side);
  const auto& palette = target.set->classes().palette;
  const data::Image small = data::resize_bilinear(sample.image, size);
  const data::LabelMap truth = data::resize_nearest(folded(sample.label, target.label_to), size);
  ReportPhoto photo{sample.name, {}};
  photo.pictures.push_back({"photo", "", as_png(small)});
  photo.pictures.push_back({"truth", "", as_png(data::colourise(truth, palette))});
  for (const Shown& shown : runs) {
    const data::LabelMap ids =
        predict_photo(*shown.loaded.built.model, shown.loaded.built.norm, sample.image, resize, target.sliding);
    const data::LabelMap prediction = data::resize_nearest(folded(ids, target.prediction_to), size);
    const std::string who = runs.size() > 1 ? shown.run->name + ": " : "";
    photo.pictures.push_back(
        {who + "prediction", share_right(truth, prediction), as_png(data::colourise(prediction, palette))});
    photo.pictures.push_back({who + "errors", "", as_png(error_map(small, truth, prediction))});
  }
  return photo;
}

}  // namespace

std::string base64(std::span<const std::uint8_t> bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t v = std::uint32_t{bytes[i]} << 16;
    if (left > 1) v |= std::uint32_t{bytes[i + 1]} << 8;
    if (left > 2) v |= bytes[i + 2];
    for (std::size_t k = 0; k < 4; ++k) out += k <= left ? digits[v >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::vector<ReportTarget> report_pictures(std::span<const RunRecord> runs, const PictureOptions& options,
                                          std::vector<std::string>& notes,
                                          const std::function<void(std::int64_t, std::int64_t)>& progress) {
  std::vector<ReportTarget> out;
  if (options.photos < 1) return out;
  const std::vector<Shown> loaded = load_runs(runs, options, notes);
  if (loaded.empty()) return out;
  const Config& config = loaded.front().loaded.config;
  const auto& classes = loaded.front().loaded.info.classes.names;
  std::int64_t done = 0;
  const std::int64_t all = static_cast<std::int64_t>(config.eval.targets.size()) * options.photos;
  for (const TargetConfig& wanted : config.eval.targets) {
    try {
      const Target target = open_target(wanted, classes, config.eval.batch, config.eval.preset);
      ReportTarget shown{wanted.name, target.set->classes(), {}};
      const std::int64_t photos = std::min<std::int64_t>(options.photos, target.photos());
      for (std::int64_t k = 0; k < photos; ++k) {
        const std::int64_t index = (2 * k + 1) * target.photos() / (2 * photos) * target.take_every;
        shown.photos.push_back(show_photo(target, index, loaded, options.max_side));
        if (progress) progress(++done, all);
      }
      out.push_back(std::move(shown));
    } catch (const std::exception& error) {
      notes.push_back("No pictures of " + wanted.name + ": " + error.what());
    }
  }
  return out;
}

}  // namespace rein::train
