// The numbers of OpenCV are held by the recorded cases (kind cv_transforms); here is what those do not reach.
#include "data/loading/transforms.h"

#include <doctest/doctest.h>

#include <cmath>

namespace rein::data {
namespace {

Image noise(int h, int w, int channels = 3, std::uint64_t seed = 1) {
  Image image(h, w, channels);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>(RandomKey(seed).bits(i));
  return image;
}

LabelMap stripes(int h, int w) {
  LabelMap labels(h, w);
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x) labels.row(y)[x] = static_cast<std::uint8_t>(x / 7 % 5 == 4 ? ignore_id : x / 7 % 5);
  return labels;
}

TEST_CASE("A resized window equals the window of the resized picture") {
  const Image image = noise(37, 53);
  const LabelMap labels = stripes(37, 53);
  for (const Size size : {Size{61, 80}, Size{20, 19}, Size{37, 53}, Size{90, 30}}) {
    for (const Window w : {Window{0, 0, 8, 8}, Window{11, 5, 9, 14}, Window{size.height - 3, size.width - 5, 16, 16}}) {
      CHECK(resize_bilinear(image, size, w).pixels == crop(resize_bilinear(image, size), w).pixels);
      CHECK(resize_nearest(labels, size, w).ids == crop(resize_nearest(labels, size), w).ids);
    }
  }
  const Image even = noise(36, 52);  // the exact halving has a rule of its own
  CHECK(resize_bilinear(even, {18, 26}, {3, 4, 7, 9}).pixels ==
        crop(resize_bilinear(even, {18, 26}), {3, 4, 7, 9}).pixels);
}

TEST_CASE("Bilinear resize is within one of the exact value") {
  const Image image = noise(19, 23, 1);
  for (const Size size : {Size{40, 31}, Size{7, 50}, Size{10, 11}}) {
    const Image ours = resize_bilinear(image, size);
    for (int y = 0; y < size.height; ++y)
      for (int x = 0; x < size.width; ++x) {
        const double sy = std::clamp((y + 0.5) * 19 / size.height - 0.5, 0.0, 18.0),
                     sx = std::clamp((x + 0.5) * 23 / size.width - 0.5, 0.0, 22.0);
        const int iy = std::min(17, static_cast<int>(sy)), ix = std::min(21, static_cast<int>(sx));
        const double fy = sy - iy, fx = sx - ix;
        const auto at = [&](int a, int b) { return static_cast<double>(image.row(a)[b]); };
        const double exact = (1 - fy) * ((1 - fx) * at(iy, ix) + fx * at(iy, ix + 1)) +
                             fy * ((1 - fx) * at(iy + 1, ix) + fx * at(iy + 1, ix + 1));
        CHECK(std::abs(ours.row(y)[x] - exact) < 1.25);
      }
  }
}

TEST_CASE("Small resizes have OpenCV's numbers") {
  Image image(3, 4, 1);
  image.pixels = {3, 250, 17, 91, 200, 8, 133, 64, 77, 180, 255, 1};
  LabelMap labels(3, 4);
  labels.ids = image.pixels;
  CHECK(resize_bilinear(image, {5, 7}).pixels ==
        std::vector<std::uint8_t>{3,   91, 232, 133, 22,  64,  91,  82,  107, 148, 108, 64,  74,  80,  200, 131, 22, 71,
                                  128, 89, 64,  126, 121, 112, 159, 193, 90,  26,  77,  114, 173, 217, 237, 92,  1});
  CHECK(resize_bilinear(image, {2, 3}).pixels == std::vector<std::uint8_t>{75, 118, 78, 113, 181, 51});
  CHECK(resize_nearest(labels, {5, 7}).ids ==
        std::vector<std::uint8_t>{3,   3,   250, 250, 17,  17, 91, 3,   3,   250, 250, 17, 17,  91,  200, 200, 8, 8,
                                  133, 133, 64,  200, 200, 8,  8,  133, 133, 64,  77,  77, 180, 180, 255, 255, 1});
  Image even(2, 4, 1);
  even.pixels = {3, 250, 18, 91, 200, 8, 133, 64};
  CHECK(resize_bilinear(even, {1, 2}).pixels == std::vector<std::uint8_t>{115, 77});
}

TEST_CASE("Sizes") {
  CHECK(shortest_edge_size({360, 640}, 480, 2048) == Size{480, 853});
  CHECK(shortest_edge_size({375, 1242}, 320, 1 << 30) == Size{320, 1060});
  CHECK(shortest_edge_size({100, 1000}, 512, 2048) == Size{205, 2048});
  CHECK(keep_ratio_size({1024, 2048}, 1024, 512) == Size{512, 1024});
  CHECK(keep_ratio_size({2048, 1024}, 1024, 512) == Size{1024, 512});
  CHECK(scaled_size({227, 320}, 2) == Size{454, 640});
  CHECK(official_short_edges(512) ==
        std::vector<int>{256, 307, 358, 409, 460, 512, 563, 614, 665, 716, 768, 819, 870, 921, 972, 1024});
}

TEST_CASE("A crop is redrawn while one class rules it, and the last draw is taken as it is") {
  LabelMap labels(4, 12, 1);
  for (int y = 0; y < 4; ++y)
    for (int x = 8; x < 12; ++x) labels.row(y)[x] = static_cast<std::uint8_t>(x < 10 ? 2 : 3);
  std::vector<Offset> draws{{0, 0}, {0, 4}, {0, 8}, {0, 1}};
  CHECK(choose_crop(labels, {4, 4}, draws, 0.75) == Window{0, 8, 4, 4});
  CHECK(choose_crop(labels, {4, 4}, draws, 1.0) == Window{0, 0, 4, 4});
  CHECK(choose_crop(labels, {4, 4}, draws, 0.5) == Window{0, 1, 4, 4});  // 2 and 3 hold half each: not below
  CHECK(choose_crop(labels, {4, 4}, std::vector<Offset>(11, Offset{0, 2}), 0.75) == Window{0, 2, 4, 4});
  std::vector<Offset> late(12, Offset{0, 0});
  late[11] = {0, 8};  // the twelfth is never looked at
  CHECK(choose_crop(labels, {4, 4}, late, 0.75) == Window{0, 0, 4, 4});
  CHECK(choose_crop(LabelMap(4, 4, ignore_id), {2, 2}, std::vector<Offset>{{1, 1}, {2, 2}}, 0.75) ==
        Window{2, 2, 2, 2});
  CHECK(choose_crop(labels, {8, 16}, std::vector<Offset>{{0, 0}}, 0.75) == Window{0, 0, 4, 12});
}

TEST_CASE("Flipping twice changes nothing; flipping once mirrors") {
  Image image(1, 3);
  image.pixels = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  flip_horizontally(image);
  CHECK(image.pixels == std::vector<std::uint8_t>{7, 8, 9, 4, 5, 6, 1, 2, 3});
  LabelMap labels = stripes(3, 20), twice = labels;
  flip_horizontally(twice);
  CHECK(twice.row(1)[0] == labels.row(1)[19]);
  flip_horizontally(twice);
  CHECK(twice.ids == labels.ids);
}

TEST_CASE("Normalise, then pad: image 0, label 255") {
  Image image(1, 1);
  image.pixels = {0, 100, 255};
  const Tensor out = normalise_and_pad(image, {{1, 2, 3}, {4, 5, 6}}, {2, 2});
  CHECK(out.shape() == Shape{2, 2, 3});
  CHECK(out.to_doubles() == std::vector<double>{-0.25, double(98.0f / 5.0f), 42, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  CHECK(pad_labels(LabelMap(1, 1, 7), {2, 2}).to_doubles() == std::vector<double>{7, 255, 255, 255});
  CHECK_THROWS_AS(normalise_and_pad(noise(3, 3), {}, {2, 4}), std::invalid_argument);
}

TEST_CASE("Draws depend on the key alone and have the stated ranges") {
  TrainTransforms config;
  config.crop = {64, 96};
  config.short_edges = {50, 100, 150};
  int flips = 0, brightness = 0, contrast = 0, saturation = 0, hue = 0, first = 0, edge[3] = {}, hue_low = 0,
      hue_high = 0;
  constexpr int n = 4000;
  for (std::uint64_t i = 0; i < n; ++i) {
    const RandomKey key = RandomKey(3).child("sample").child(i);
    const TrainDraw d = draw_training(key, {100, 200}, config);
    const TrainDraw again = draw_training(key, {100, 200}, config);
    CHECK((d.size == again.size && d.offsets == again.offsets && d.flip == again.flip));
    CHECK(d.size.width == 2 * d.size.height);
    ++edge[d.size.height / 50 - 1];
    for (const Offset& o : d.offsets) {
      CHECK((o.y >= 0 && o.y <= std::max(0, d.size.height - 64)));
      CHECK((o.x >= 0 && o.x <= std::max(0, d.size.width - 96)));
    }
    flips += d.flip;
    const Photometric& p = d.photometric;
    brightness += p.brightness.has_value();
    contrast += p.contrast.has_value();
    saturation += p.saturation.has_value();
    hue += p.hue.has_value();
    first += p.contrast_first;
    if (p.brightness) CHECK(std::abs(*p.brightness) <= 32);
    if (p.contrast) CHECK((*p.contrast >= 0.5f && *p.contrast <= 1.5f));
    if (p.saturation) CHECK((*p.saturation >= 0.5f && *p.saturation <= 1.5f));
    if (p.hue) {
      CHECK((*p.hue >= -18 && *p.hue <= 17));
      hue_low += *p.hue == -18;
      hue_high += *p.hue == 17;
    }
  }
  for (const int count : {flips, brightness, contrast, saturation, hue, first})
    CHECK(std::abs(count - n / 2) < 160);  // 5 sigma
  for (const int count : edge) CHECK(std::abs(count - n / 3) < 150);
  CHECK(hue_low > 0);
  CHECK(hue_high > 0);
}

TEST_CASE("The pipeline equals its steps on whole pictures") {
  TrainTransforms config;
  config.crop = {40, 40};
  config.short_edges = {30, 45, 60};
  for (std::uint64_t i = 0; i < 30; ++i) {
    Sample sample{noise(36, 64, 3, i), stripes(36, 64), "s"};
    const TrainDraw d = draw_training(RandomKey(5).child(i), {36, 64}, config);
    Image image = resize_bilinear(sample.image, d.size);
    LabelMap labels = resize_nearest(sample.label, d.size);
    const Window w = choose_crop(labels, config.crop, d.offsets, config.cat_max_ratio);
    image = crop(image, w);
    labels = crop(labels, w);
    if (d.flip) {
      flip_horizontally(image);
      flip_horizontally(labels);
    }
    apply_photometric(image, d.photometric);
    apply_training(sample, d, config);
    CHECK(sample.image.pixels == image.pixels);
    CHECK(sample.label.ids == labels.ids);
  }
}

TEST_CASE("HSV: grays keep their value, there and back is near") {
  Image image = noise(50, 50);
  for (std::size_t i = 0; i < 300; ++i) image.pixels[i] = static_cast<std::uint8_t>(i / 3);
  Image back = image;
  rgb_to_hsv(back);
  CHECK(back.pixels[1] == 0);
  hsv_to_rgb(back);
  for (std::size_t i = 0; i < 300; ++i) CHECK(back.pixels[i] == image.pixels[i]);
  int worst = 0;
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    worst = std::max(worst, std::abs(back.pixels[i] - image.pixels[i]));
  CHECK(worst <= 6);  // hue has 180 steps
}

}  // namespace
}  // namespace rein::data
