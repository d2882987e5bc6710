// Pixel decoder: what the recorded cases leave out: official start values, maps at the patch grid, recomputation.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "models/cases/module_case.h"
#include "models/cases/pixel_decoder_cases.h"
#include "models/cases/tiny.h"
#include "models/heads/feature_pyramid.h"
#include "models/heads/pixel_decoder.h"
#include "models/heads/sine_position.h"
#include "nn/bind.h"
#include "tensor/error.h"

namespace {

using namespace rein;
using namespace rein::testing;

std::vector<Variable> patch_grid_maps(const models::PixelDecoderOptions& o, DType dtype) {
  std::vector<Variable> maps;
  for (std::size_t i = 0; i < 4; ++i)
    maps.push_back(parameter(random_normal(RandomKey(70 + i), {2, 4, 6, o.in_channels[i]}, 0, 1, dtype)));
  return maps;
}

TEST_CASE("the pixel decoder on backbone maps equals that on their pyramid: projection and resize commute") {
  models::PixelDecoderOptions o = tiny_pixel_decoder();
  models::PixelDecoder direct(o);
  fill_random(direct, 5, DType::f64);
  o.factors = {1, 1, 1, 1};
  models::PixelDecoder ready(o);
  fill_random(ready, 5, DType::f64);
  const auto maps = patch_grid_maps(o, DType::f64);
  const Outs a = outputs_of(direct(maps)), b = outputs_of(ready(models::feature_pyramid(maps, {4, 2, 1, 0.5})));
  REQUIRE(a.size() == 4);
  CHECK(a[0].shape() == Shape{2, 16, 24, 6});
  CHECK(a[1].shape() == Shape{2, 2, 3, 8});
  CHECK(a[3].shape() == Shape{2, 8, 12, 8});
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(compare(a[i].value(), b[i].value(), 1e-12).ok);
}

TEST_CASE("a pixel decoder that has seen other sizes gives what a new one gives") {
  const models::PixelDecoderOptions o = tiny_pixel_decoder();
  models::PixelDecoder used(o);
  fill_random(used, 5, DType::f64);
  // As many places in other shapes and batches.
  for (const auto& [n, h, w] : {std::tuple{2, 4, 6}, std::tuple{2, 6, 4}, std::tuple{1, 6, 4}, std::tuple{2, 2, 12}}) {
    CAPTURE(h);
    std::vector<Variable> maps;
    for (std::size_t i = 0; i < 4; ++i)
      maps.push_back(constant(random_normal(RandomKey(70 + i), {n, h, w, o.in_channels[i]}, 0, 1, DType::f64)));
    models::PixelDecoder fresh(o);
    fill_random(fresh, 5, DType::f64);
    const Outs a = outputs_of(used(maps)), b = outputs_of(fresh(maps));
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i].value().to_doubles() == b[i].value().to_doubles());
  }
}

TEST_CASE("recomputing the encoder gives the same gradients, bit for bit") {
  const models::PixelDecoderOptions o = tiny_pixel_decoder();
  std::vector<Tensor> first;
  for (const bool recompute : {false, true}) {
    models::PixelDecoder decoder(o);
    decoder.name_tree();
    fill_random(decoder, 6, DType::f32);
    const auto maps = patch_grid_maps(o, DType::f32);
    const Outs outs = outputs_of(decoder(maps, recompute));
    std::vector<Tensor> cotangents, grads;
    for (const Variable& v : outs) cotangents.push_back(random_normal(RandomKey(8), v.shape(), 0, 1, DType::f32));
    backward(outs, cotangents);
    for (const Variable& v : maps) grads.push_back(v.grad());
    decoder.visit([&](const std::string&, nn::Param& p) { grads.push_back(p.value.grad()); });
    if (first.empty()) first = grads;
    for (std::size_t i = 0; i < grads.size(); ++i) CHECK(grads[i].to_doubles() == first[i].to_doubles());
  }
}

TEST_CASE("deformable attention starts on a ring: head directions on a square, growing with the point") {
  nn::MsDeformAttn layer({.dim = 16, .heads = 8, .levels = 2, .points = 3});
  nn::initialise(layer, RandomKey(1), DType::f64);
  std::map<std::string, Tensor> start;
  layer.visit([&](const std::string& path, nn::Param& p) { start[path] = p.value.value(); });
  const double directions[8][2] = {{1, 0}, {1, 1}, {0, 1}, {-1, 1}, {-1, 0}, {-1, -1}, {0, -1}, {1, -1}};
  const Tensor& bias = start.at("sampling_offsets.bias");
  REQUIRE(bias.count() == 8 * 2 * 3 * 2);
  for (std::int64_t i = 0; i < bias.count(); ++i) {
    const double expected = directions[i / 12][i % 2] * static_cast<double>(i / 2 % 3 + 1);
    CHECK(bias.at(i) == doctest::Approx(expected).epsilon(1e-12));
  }
  for (const char* name : {"sampling_offsets.weight", "attention_weights.weight", "attention_weights.bias",
                           "value_proj.bias", "output_proj.bias"})
    for (const double v : start.at(name).to_doubles()) CHECK(v == 0);
  double largest = 0;
  for (const double v : start.at("value_proj.weight").to_doubles()) largest = std::max(largest, std::fabs(v));
  const double bound = std::sqrt(6.0 / 32);
  CHECK(largest <= bound);
  CHECK(largest > 0.9 * bound);
}

TEST_CASE("the pixel decoder of the official configuration has its parameters") {
  models::PixelDecoderOptions o;
  o.in_channels = {1024, 1024, 1024, 1024};
  models::PixelDecoder decoder(o);
  const std::int64_t d = 256, input = 1024 * d + d + 2 * d, attention = d * 192 + 192 + d * 96 + 96 + 2 * (d * d + d);
  const std::int64_t layer = attention + 2 * d * 1024 + 1024 + d + 4 * d;
  const std::int64_t fpn = 1024 * d + 2 * d + 9 * d * d + 2 * d + d * d + d;
  CHECK(decoder.parameter_count() == 3 * input + 6 * layer + 3 * d + fpn);
}

TEST_CASE("sine positions: y before x, from 1, sine and cosine in turn") {
  const Tensor p = models::sine_position(2, 3, 8, DType::f64);
  REQUIRE(p.shape() == Shape{6, 8});
  const double tau = 2 * std::acos(-1.0);
  const double y = 2 / (2 + 1e-6) * tau, x = 3 / (3 + 1e-6) * tau;  // the last token
  const double expected[8] = {std::sin(y), std::cos(y), std::sin(y / 100), std::cos(y / 100),
                              std::sin(x), std::cos(x), std::sin(x / 100), std::cos(x / 100)};
  for (int k = 0; k < 8; ++k) CHECK(p.at(5 * 8 + k) == doctest::Approx(expected[k]).epsilon(1e-12));
  CHECK_THROWS_AS(models::sine_position(2, 3, 6, DType::f64), std::invalid_argument);
}

TEST_CASE("the layer and the pixel decoder name what they got") {
  nn::MsDeformAttn layer({.dim = 8, .heads = 2, .levels = 1, .points = 1});
  fill_random(layer, 1, DType::f32);
  const Variable x = constant(Tensor::zeros({1, 4, 8}, DType::f32));
  const Variable at = constant(Tensor::zeros({1, 4, 1, 2}, DType::f32));
  const auto run = [&](const Variable& query, const Tensor& mask) {
    layer({.query = query, .value = x, .reference_points = at, .levels = {{2, 2}}, .key_padding_mask = mask});
  };
  CHECK_THROWS_WITH_AS(run(constant(Tensor::zeros({1, 4, 6}, DType::f32)), {}),
                       "[ms_deform_attn_layer] query and value must have shape (N, L, 8), got (1, 4, 6) and (1, 4, 8)",
                       std::invalid_argument);
  CHECK_THROWS_AS(run(x, Tensor::zeros({1, 3}, DType::u8)), std::invalid_argument);
  CHECK_THROWS_AS(nn::MsDeformAttn({.dim = 8, .heads = 3, .levels = 1, .points = 1}), std::invalid_argument);
  models::PixelDecoderOptions o = tiny_pixel_decoder();
  o.in_channels.pop_back();
  CHECK_THROWS_WITH_AS(models::PixelDecoder{o}, "[pixel_decoder] needs the channels and factors of 4 maps, got 3 and 4",
                       std::invalid_argument);
  o = tiny_pixel_decoder();
  o.feat_channels = 6;
  CHECK_THROWS_AS(models::PixelDecoder{o}, std::invalid_argument);
}

}  // namespace
