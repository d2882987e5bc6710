#include "train/score/evaluate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <future>

#include "data/images/halve.h"
#include "models/slide.h"
#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tensor/text.h"

namespace rein::train {

Target open_target(const TargetConfig& config, const std::vector<std::string>& model_classes, std::int64_t batch,
                   const std::string& preset) {
  Target target;
  target.name = config.name;
  target.set = data::open_dataset(config.dataset, config.root, config.split, kept_scenes_folder());
  const data::Description& description = target.set->description();
  const Preset* published = find_preset(preset);
  require(preset.empty() || published != nullptr, "eval", "unknown preset \"", preset, "\"",
          did_you_mean(preset, preset_names()), " (known: ", quoted_list(preset_names()), ")");
  const std::string named = published != nullptr ? published->resize_of(description.name) : "";
  if (const std::string& text = config.resize.empty() ? named : config.resize; !text.empty())
    target.resize = parse_resize(text);
  else
    target.resize = description.evaluation;
  target.sliding = {config.window, config.stride, batch};
  target.take_every = config.take_every;
  target.in_mean = config.in_mean;
  const auto folding = data::prediction_folding(description, model_classes);
  target.prediction_to.assign(folding.begin(), folding.end());
  target.label_to.assign(description.scoring.fold.begin(), description.scoring.fold.end());
  target.averaged = description.scoring.averaged;
  return target;
}

double mean_miou(const std::vector<TargetScore>& scores) {
  const bool all = std::ranges::none_of(scores, &TargetScore::in_mean);
  double sum = 0;
  int count = 0;
  for (const TargetScore& s : scores) {
    if (!all && !s.in_mean) continue;
    if (std::isnan(s.score.miou)) continue;
    sum += s.score.miou;
    ++count;
  }
  return sum / count;  // 0 / 0: nothing could be scored
}

Sliding sliding_of(const EvalConfig& eval, std::int64_t window, std::int64_t stride) {
  Sliding sliding{window >= 0 ? window : eval.window, window >= 0 ? default_stride(window) : eval.stride, eval.batch};
  if (stride >= 0) sliding.stride = stride;
  require(sliding.window == 0 || (sliding.stride >= 1 && sliding.stride <= sliding.window), "predict",
          "the stride must be within 1 and the window (", sliding.window, "), got ", sliding.stride);
  return sliding;
}

Tensor photo_scores(const models::Segmentor& model, const data::Normalisation& norm, const data::Image& photo,
                    const data::EvalResize& resize, const Sliding& sliding) {
  const data::Image resized = data::resize_for_evaluation(photo, resize);
  const Tensor pixels = data::normalise_and_pad(resized, norm, {resized.height, resized.width});
  const models::SlideOptions options{.crop_height = sliding.window,
                                     .crop_width = sliding.window,
                                     .stride_height = sliding.stride,
                                     .stride_width = sliding.stride,
                                     .batch = sliding.batch};
  return models::slide_scores([&](const Tensor& windows) { return model.scores(windows); },
                              pixels.view(Shape{1, resized.height, resized.width, 3}), options);
}

data::LabelMap predict_photo(const models::Segmentor& model, const data::Normalisation& norm, const data::Image& photo,
                             const data::EvalResize& resize, const Sliding& sliding) {
  const Tensor scores = photo_scores(model, norm, photo, resize, sliding);
  const Tensor ids = models::predict_labels(scores, photo.height, photo.width).to(Device{});
  data::LabelMap map(photo.height, photo.width);
  const std::int64_t* from = ids.data<std::int64_t>();
  for (std::size_t i = 0; i < map.ids.size(); ++i) map.ids[i] = static_cast<std::uint8_t>(from[i]);
  return map;
}

TargetScore evaluate(const models::Segmentor& model, const data::Normalisation& norm, const Target& target,
                     const std::function<void(std::int64_t, std::int64_t)>& progress) {
  const auto start = std::chrono::steady_clock::now();
  const data::Dataset& set = *target.set;
  const std::int64_t photos = target.photos();
  const auto read = [&](std::int64_t photo) {
    return std::async(std::launch::async, [&set, halve = target.resize.halve, index = photo * target.take_every] {
      const SerialRegion serial;
      data::Sample sample = set.read(index);
      if (halve) {
        sample.image = data::halve_photo(sample.image);
        sample.label = data::halve_labels(sample.label);
      }
      return sample;
    });
  };
  data::EvalResize resize = target.resize;
  resize.halve = false;  // done when read
  Confusion confusion(set.classes().count(), static_cast<int>(target.prediction_to.size()));
  std::future<data::Sample> next = read(0);
  for (std::int64_t photo = 0; photo < photos; ++photo) {
    const data::Sample sample = next.get();
    if (photo + 1 < photos) next = read(photo + 1);
    const data::LabelMap ids = predict_photo(model, norm, sample.image, resize, target.sliding);
    confusion.add(sample.label.ids, ids.ids, data::ignore_id);
    if (progress) progress(photo + 1, photos);
  }
  const Confusion folded = confusion.fold(target.label_to, target.prediction_to, set.classes().count());
  TargetScore result;
  result.name = target.name;
  result.dataset = set.description().name;
  result.resize = resize_text(target.resize);
  result.sliding = target.sliding;
  result.photos = photos;
  result.in_mean = target.in_mean;
  result.score = score(folded, set.classes().names, target.averaged);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace rein::train
