// Kind "slide_inference" (golden README, section 11): windows, their scores, the mean, and the labels.
#include "models/slide.h"
#include "nn/bind.h"
#include "tensor/error.h"
#include "tensor/ops/sampling/resize.h"
#include "train/verify/verify_modules.h"

namespace rein::train {
namespace {

Tensor window_table(const std::vector<models::Window>& windows) {
  std::vector<std::int64_t> numbers;
  for (const models::Window& w : windows) numbers.insert(numbers.end(), {w.y1, w.x1, w.y2, w.x2});
  return Tensor::from(numbers, {static_cast<std::int64_t>(windows.size()), 4});
}

// (1, H, W, K) -> (K, H, W)
Tensor channels_first(const Tensor& scores) {
  const Shape& s = scores.shape();
  return to_nchw(scores).view({s[3], s[1], s[2]});
}

}  // namespace

void verify_slide_inference(const GoldenFile& file, Comparison& compare) {
  const GoldenConfig& config = file.config();
  models::Segmentor model(segmentor_options(config));
  model.name_tree();
  bind_case(model, file, compare.dtype());
  model.move_to(file.device());

  const auto crop = config.integers("crop_size"), stride = config.integers("stride");
  const auto original = config.integers("original_size");
  if (crop.size() != 2 || stride.size() != 2 || original.size() != 2)
    fail_runtime("verify", "crop_size, stride and original_size must be pairs of (h, w)");
  if (const Shape last = file.shape("out.final_logits");
      last.rank() != 3 || last[1] != original[0] || last[2] != original[1])
    fail_runtime("verify", "out.final_logits must have the original size, got ", last);
  const models::SlideOptions options{crop[0], crop[1], stride[0], stride[1]};
  const Tensor image = file.map("in.image", compare.dtype()).to(Device{});
  compare.check("out.windows", window_table(models::slide_windows(image.size(1), image.size(2), options)));
  compare.check("out.count", models::slide_counts(image.size(1), image.size(2), options));

  const auto see = [&](std::size_t index, const Tensor& scores) {
    const std::string name = "out.window_logits." + std::to_string(index);
    if (file.has(name)) compare.check(name, channels_first(scores));
  };
  const Tensor scores = models::slide_scores([&](const Tensor& x) { return model.scores(x); }, image, options, see);
  compare.check("out.logits", channels_first(scores));
  compare.check("out.final_logits", channels_first(ops::resize(scores, ops::to_size(original[0], original[1]))));
  const Tensor labels = models::predict_labels(scores, original[0], original[1]);
  compare.check("out.prediction", labels.view({original[0], original[1]}));
  const Tensor whole = models::predict(model, image, options, original[0], original[1]);
  compare.check_that(whole.to_doubles() == labels.to_doubles(), "predict differs from its parts");
}

}  // namespace rein::train
