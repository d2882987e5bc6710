#include "train/evaluate.h"

#include <charconv>
#include <chrono>
#include <future>

#include "models/slide.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

namespace rein::train {
namespace {

std::int64_t number(std::string_view text, const std::string& whole) {
  std::int64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  require(result.ec == std::errc() && result.ptr == text.data() + text.size() && value >= 1 && value <= 1 << 20, "eval",
          "\"", whole, "\" needs a whole number above 0, got \"", text, "\"");
  return value;
}

}  // namespace

data::EvalResize parse_resize(const std::string& text) {
  using Kind = data::EvalResize::Kind;
  const std::size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon), value = colon == text.npos ? "" : text.substr(colon + 1);
  if (text == "native") return {};
  if (kind == "short") return {Kind::shortest_edge, static_cast<double>(number(value, text)), 0, 0};
  if (kind == "scale") {
    double factor = 0;
    const auto result = std::from_chars(value.data(), value.data() + value.size(), factor);
    require(result.ec == std::errc() && result.ptr == value.data() + value.size() && factor > 0 && factor <= 64, "eval",
            "\"", text, "\" needs a factor above 0, at most 64");
    return {Kind::scale, factor, 0, 0};
  }
  if (const std::size_t by = value.find('x'); kind == "fit" && by != value.npos)
    return {Kind::keep_ratio, 1, static_cast<int>(number(std::string_view(value).substr(0, by), text)),
            static_cast<int>(number(std::string_view(value).substr(by + 1), text))};
  fail("eval", "a resize is native, short:320, scale:2 or fit:1024x512, got \"", text, "\"");
}

Target open_target(const TargetConfig& config, const std::vector<std::string>& model_classes, std::int64_t batch) {
  Target target;
  target.name = config.name;
  target.set = data::open_dataset(config.dataset, config.root, config.split);
  const data::Description& description = target.set->description();
  target.resize = config.resize.empty() ? description.evaluation : parse_resize(config.resize);
  target.sliding = {config.window, config.stride, batch};
  target.take_every = config.take_every;
  const auto folding = data::prediction_folding(description, model_classes);
  target.prediction_to.assign(folding.begin(), folding.end());
  target.label_to.assign(description.scoring.fold.begin(), description.scoring.fold.end());
  target.averaged = description.scoring.averaged;
  return target;
}

double mean_miou(const std::vector<TargetScore>& scores) {
  double sum = 0;
  for (const TargetScore& s : scores) sum += s.score.miou;
  return sum / static_cast<double>(scores.size());
}

data::LabelMap predict_photo(const models::Segmentor& model, const data::Normalisation& norm, const data::Image& photo,
                             const data::EvalResize& resize, const Sliding& sliding) {
  const data::Image resized = data::resize_for_evaluation(photo, resize);
  const Tensor pixels = data::normalise_and_pad(resized, norm, {resized.height, resized.width});
  const models::SlideOptions options{.crop_height = sliding.window,
                                     .crop_width = sliding.window,
                                     .stride_height = sliding.stride,
                                     .stride_width = sliding.stride,
                                     .batch = sliding.batch};
  const Tensor scores = models::slide_scores([&](const Tensor& windows) { return model.scores(windows); },
                                             pixels.view(Shape{1, resized.height, resized.width, 3}), options);
  const Tensor ids = models::predict_labels(scores, photo.height, photo.width);
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
    return std::async(std::launch::async, [&set, index = photo * target.take_every] {
      const SerialRegion serial;
      return set.read(index);
    });
  };
  Confusion confusion(set.classes().count(), static_cast<int>(target.prediction_to.size()));
  std::future<data::Sample> next = read(0);
  for (std::int64_t photo = 0; photo < photos; ++photo) {
    const data::Sample sample = next.get();
    if (photo + 1 < photos) next = read(photo + 1);
    const data::LabelMap ids = predict_photo(model, norm, sample.image, target.resize, target.sliding);
    confusion.add(sample.label.ids, ids.ids, data::ignore_id);
    if (progress) progress(photo + 1, photos);
  }
  const Confusion folded = confusion.fold(target.label_to, target.prediction_to, set.classes().count());
  TargetScore result;
  result.name = target.name;
  result.photos = photos;
  result.score = score(folded, set.classes().names, target.averaged);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace rein::train
