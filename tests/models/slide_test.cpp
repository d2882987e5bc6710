#include <doctest/doctest.h>

#include "models/cases/tiny.h"
#include "models/slide.h"

using namespace rein;
using namespace rein::models;
using namespace rein::testing;

namespace {

std::size_t windows(std::int64_t height, std::int64_t width, std::int64_t crop, std::int64_t stride) {
  return slide_windows(height, width, {crop, crop, stride, stride}).size();
}

// Scores that say where a pixel is: its own value, and its negative.
Tensor echo(const Tensor& images) {
  Tensor scores = Tensor::empty({images.size(0), images.size(1), images.size(2), 2}, DType::f64);
  for (std::int64_t i = 0; i < scores.count() / 2; ++i) {
    scores.mutable_data<double>()[2 * i] = images.at(3 * i);
    scores.mutable_data<double>()[2 * i + 1] = -images.at(3 * i);
  }
  return scores;
}

}  // namespace

TEST_CASE("the number of windows is that of the published protocol") {
  CHECK(windows(512, 1024, 512, 341) == 3);
  CHECK(windows(720, 1280, 512, 341) == 8);
  CHECK(windows(1024, 2048, 512, 341) == 18);
  CHECK(windows(1024, 2048, 1024, 683) == 3);
  CHECK(windows(1080, 1920, 1024, 683) == 6);
}

TEST_CASE("the last windows are shifted back, and images smaller than the crop give a smaller window") {
  const SlideOptions o{32, 48, 16, 20};
  const std::vector<Window> expected = {{0, 0, 32, 48}, {0, 2, 32, 50}, {1, 0, 33, 48}, {1, 2, 33, 50}};
  CHECK(slide_windows(33, 50, o) == expected);
  CHECK(slide_windows(20, 30, o) == std::vector<Window>{{0, 0, 20, 30}});
  CHECK(slide_windows(20, 50, o) == std::vector<Window>{{0, 0, 20, 48}, {0, 2, 20, 50}});
  CHECK(slide_windows(70, 90, {}) == std::vector<Window>{{0, 0, 70, 90}});
  CHECK_THROWS_AS(slide_windows(70, 90, {32, 32, 33, 32}), std::invalid_argument);
}

TEST_CASE(
    "every pixel is the mean of the windows that saw it, at its own place, for any number of windows per forward") {
  const Tensor image = random_normal(RandomKey(1), {1, 33, 50, 3}, 0, 1, DType::f64);
  for (const std::int64_t batch : {1, 3, 8}) {
    SlideOptions o{16, 12, 7, 12};
    o.batch = batch;
    std::size_t seen = 0;
    const Tensor mean = slide_scores(echo, image, o, [&](std::size_t i, const Tensor&) { CHECK(i == seen++); });
    CHECK(seen == slide_windows(33, 50, o).size());
    double worst = 0;
    for (std::int64_t p = 0; p < 33 * 50; ++p) worst = std::max(worst, std::abs(mean.at(2 * p) - image.at(3 * p)));
    CHECK(worst < 1e-14);
    const Tensor counts = slide_counts(33, 50, o);
    std::int64_t total = 0;
    for (const std::int64_t c : counts.values<std::int64_t>()) {
      CHECK(c >= 1);
      total += c;
    }
    CHECK(total == static_cast<std::int64_t>(seen) * 16 * 12);
  }
}

TEST_CASE("labels are the argmax after the resize to the original size; the first maximum wins") {
  const Tensor image = random_normal(RandomKey(1), {1, 6, 9, 3}, 0, 1, DType::f64);
  const Tensor same = predict_labels(echo(image), 6, 9);
  CHECK(same.shape() == Shape{1, 6, 9});
  for (std::int64_t p = 0; p < 54; ++p) CHECK(same.at(p) == (image.at(3 * p) >= 0 ? 0 : 1));
  CHECK(predict_labels(echo(image), 12, 20).shape() == Shape{1, 12, 20});
  CHECK(predict_labels(Tensor::zeros({1, 2, 2, 3}, DType::f32), 2, 2).at(3) == 0);
}

TEST_CASE("a model predicts photos of any size") {
  Segmentor model(tiny_segmentor("rein"));
  fill_random(model, 1, DType::f32);
  const Tensor image = random_normal(RandomKey(1), {1, 13, 22, 3}, 0, 1);
  CHECK(predict(model, image, {8, 12, 6, 8}, 26, 44).shape() == Shape{26, 44});
  // Not a multiple of the patch: padded at the bottom and right with zeros, the mean colour, and cut again.
  CHECK(model.scores(image).shape() == Shape{1, 13, 22, 5});
  Tensor padded = Tensor::zeros({1, 16, 24, 3}, DType::f32);
  for (std::int64_t y = 0; y < 13; ++y)
    for (std::int64_t i = 0; i < 66; ++i) padded.mutable_data<float>()[y * 72 + i] = image.data<float>()[y * 66 + i];
  const Tensor small = model.scores(image), large = model.scores(padded);
  CHECK(small.at((7 * 22 + 9) * 5 + 2) == large.at((7 * 24 + 9) * 5 + 2));
}

TEST_CASE("Mask2Former scores images smaller than two patches, and of odd sizes, as the padded image") {
  Segmentor model(tiny_mask2former_segmentor("rein"));  // patches of 4
  fill_random(model, 1, DType::f64);
  const Tensor large = random_normal(RandomKey(1), {2, 8, 12, 3}, 0, 1, DType::f64);
  for (const auto& [height, width] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {3, 5}, {7, 2}, {5, 12}, {8, 9}}) {
    CAPTURE(height);
    CAPTURE(width);
    // The same corner of pixels, alone and inside zeros of a size that needs no padding.
    const std::int64_t h = 8, w = width <= 8 ? 8 : 12;
    Tensor corner = Tensor::empty({2, height, width, 3}, DType::f64), padded = Tensor::zeros({2, h, w, 3}, DType::f64);
    for (std::int64_t n = 0; n < 2; ++n)
      for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t i = 0; i < 3 * width; ++i) {
          const double v = large.at((n * 8 + y) * 36 + i);
          corner.mutable_data<double>()[(n * height + y) * 3 * width + i] = v;
          padded.mutable_data<double>()[(n * h + y) * 3 * w + i] = v;
        }
    const Tensor ours = model.scores(corner), whole = model.scores(padded);
    REQUIRE(ours.shape() == Shape{2, height, width, 5});
    for (std::int64_t n = 0; n < 2; ++n)
      for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t i = 0; i < 5 * width; ++i)
          CHECK(ours.at((n * height + y) * 5 * width + i) == whole.at((n * h + y) * 5 * w + i));
  }
  CHECK(predict(model, large.rows(0, 1), {}, 3, 4).shape() == Shape{3, 4});
}

TEST_CASE("Rein's image-independent part is made once for all windows, and anew after any change of a parameter") {
  for (const bool mask2former : {false, true}) {
    CAPTURE(mask2former);
    const SegmentorOptions options = mask2former ? tiny_mask2former_segmentor("rein") : tiny_segmentor("rein");
    Segmentor model(options);
    fill_random(model, 1, DType::f64);
    const Tensor image = random_normal(RandomKey(1), {1, 12, 16, 3}, 0, 1, DType::f64);
    const Adapter& rein = *model.backbone().adapter();
    const auto pass = [&] {
      const NoGrad no_grad;
      return rein.begin({});
    };
    const auto values = [&] { return model.scores(image).to_doubles(); };
    const auto first = pass();
    const std::vector<double> before = values();
    CHECK(pass() == first);
    CHECK(rein.begin({}) != rein.begin({}));  // recorded: each its own
    CHECK(values() == before);

    // Written to in place, as the optimiser does; then bound anew.
    model.visit([](const std::string& path, nn::Param& p) {
      if (path == "backbone.reins.learnable_tokens_b") p.value.mutable_value().fill(0.3);
    });
    const std::vector<double> written = values();
    CHECK(written != before);
    fill_random(model, 2, DType::f64);
    const std::vector<double> bound = values();
    Segmentor fresh(options);
    fill_random(fresh, 2, DType::f64);
    CHECK(fresh.scores(image).to_doubles() == bound);
  }
}
