#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "models/cases/tiny.h"
#include "models/heads/feature_pyramid.h"
#include "tensor/parallel.h"
#include "tensor/text.h"

using namespace rein;
using namespace rein::models;
using namespace rein::testing;

namespace {

std::vector<std::string> names_of(Segmentor& model, bool trainable_only) {
  std::vector<std::string> names;
  model.visit([&](const std::string& path, nn::Param& p) {
    if (!trainable_only || !p.frozen) names.push_back(path);
  });
  return names;
}

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

const nn::ForwardContext training{.training = true, .key = RandomKey(1)};

}  // namespace

TEST_CASE("the tree has the official names") {
  Segmentor model(tiny_segmentor("rein"));
  const auto all = names_of(model, false), trained = names_of(model, true);
  for (const char* name : {"backbone.cls_token",
                           "backbone.pos_embed",
                           "backbone.mask_token",
                           "backbone.patch_embed.proj.weight",
                           "backbone.blocks.3.norm1.weight",
                           "backbone.blocks.0.attn.qkv.bias",
                           "backbone.blocks.0.attn.proj.weight",
                           "backbone.blocks.0.ls1.gamma",
                           "backbone.blocks.0.mlp.fc1.weight",
                           "backbone.blocks.0.mlp.fc2.bias",
                           "backbone.blocks.0.ls2.gamma",
                           "backbone.norm.weight",
                           "backbone.reins.scale",
                           "backbone.reins.learnable_tokens_a",
                           "backbone.reins.learnable_tokens_b",
                           "backbone.reins.mlp_token2feat.weight",
                           "backbone.reins.mlp_delta_f.bias",
                           "backbone.reins.transform.weight",
                           "backbone.reins.merge.bias",
                           "neck.lateral_convs.0.conv.weight",
                           "neck.lateral_convs.3.gn.bias",
                           "neck.fpn_convs.2.conv.weight",
                           "decode_head.scale_heads.0.0.conv.weight",
                           "decode_head.scale_heads.3.4.gn.weight",
                           "decode_head.conv_seg.bias"}) {
    CAPTURE(name);
    CHECK(has(all, name));
  }
  CHECK_FALSE(has(all, "neck.lateral_convs.0.conv.bias"));
  CHECK_FALSE(has(all, "decode_head.scale_heads.0.0.conv.bias"));
  for (const std::string& name : all) {
    const bool backbone = name.starts_with("backbone.") && !name.starts_with("backbone.reins.");
    CHECK(has(trained, name) == !backbone);
  }
  CHECK(has(names_of(*std::make_unique<Segmentor>(tiny_segmentor("full")), true), "backbone.cls_token"));
  CHECK(method_entry("full").make(Settings({})).trains_backbone);
  const std::string known = quoted_list(method_names());
  CHECK(known.starts_with("\"freeze\", \"full\", \"rein\", "));
  const std::string text = "[method] must be one of " + known + ", got \"rien\"; did you mean \"rein\"?";
  CHECK_THROWS_WITH_AS(method_entry("rien"), text.c_str(), std::invalid_argument);
}

TEST_CASE("features come from the quarters of the depth unless told otherwise") {
  SegmentorOptions o;
  o.vit = vit_large();
  CHECK(Segmentor(o).options().out_indices == std::vector<int>{5, 11, 17, 23});
  o.vit = vit_small();
  CHECK(Segmentor(o).options().out_indices == std::vector<int>{2, 5, 8, 11});
}

TEST_CASE("micro-batches add up to the larger batch: losses, accuracy and gradients, dropout included") {
  SegmentorOptions o = tiny_segmentor("full");
  o.head.dropout = 0.4;
  o.vit.drop_path = 0.3;
  const Tensor images = random_normal(RandomKey(2), {4, 12, 20, 3}, 0, 1, DType::f64);
  const Tensor labels = random_labels({4, 12, 20}, 5, 3);
  std::vector<double> losses;
  std::vector<PixelAccuracy> accuracies;
  std::vector<std::map<std::string, std::vector<double>>> grads;
  for (const std::int64_t micro : {4, 2, 1}) {
    Segmentor model(o);
    fill_random(model, 1, DType::f64);
    double loss = 0;
    PixelAccuracy accuracy;
    for (std::int64_t first = 0; first < 4; first += micro) {
      nn::ForwardContext context = training;
      context.first_sample = first;
      const Losses l = model.loss(context, images.rows(first, first + micro), labels.rows(first, first + micro),
                                  {.total_pixels = labels.count()});
      CHECK(l.terms.size() == 1);
      CHECK(l.terms[0].first == "decode.loss_ce");
      loss += l.total.value().item();
      accuracy.hits += l.accuracy().hits;
      accuracy.valid += l.accuracy().valid;
      backward(l.total);
    }
    losses.push_back(loss);
    accuracies.push_back(accuracy);
    auto& g = grads.emplace_back();
    model.visit([&](const std::string& path, nn::Param& p) {
      if (p.value.grad()) g[path] = p.value.grad().to_doubles();
    });
  }
  for (std::size_t k : {1U, 2U}) {
    CHECK(losses[k] == doctest::Approx(losses[0]).epsilon(1e-12));
    CHECK(accuracies[k].hits == accuracies[0].hits);
    CHECK(accuracies[k].valid == accuracies[0].valid);
    for (const auto& [name, reference] : grads[0]) {
      CAPTURE(name);
      double worst = 0, scale = 1e-6;
      for (std::size_t i = 0; i < reference.size(); ++i) {
        worst = std::max(worst, std::abs(grads[k].at(name)[i] - reference[i]));
        scale = std::max(scale, std::abs(reference[i]));
      }
      CHECK(worst / scale < 1e-9);
    }
  }
}

TEST_CASE("losses and gradients have the same bits for any number of threads") {
  const int before = thread_count();
  std::vector<std::vector<double>> runs;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    SegmentorOptions o = tiny_segmentor("full");
    o.head.dropout = 0.4;
    Segmentor model(o);
    fill_random(model, 1, DType::f32);
    const Losses l =
        model.loss(training, random_normal(RandomKey(2), {2, 32, 40, 3}, 0, 1), random_labels({2, 32, 40}, 5, 3));
    backward(l.total);
    auto& bits = runs.emplace_back(l.total.value().to_doubles());
    model.visit([&](const std::string&, nn::Param& p) {
      if (!p.value.grad()) return;
      for (const double v : p.value.grad().to_doubles()) bits.push_back(v);
    });
  }
  set_thread_count(before);
  CHECK(runs[1] == runs[0]);
  CHECK(runs[2] == runs[0]);
}

TEST_CASE("a batch whose labels are all ignored has loss zero and zero gradients") {
  Segmentor model(tiny_segmentor("rein"));
  fill_random(model, 1, DType::f64);
  Tensor labels = Tensor::empty({1, 8, 8}, DType::i64);
  for (std::int64_t i = 0; i < 64; ++i) labels.mutable_data<std::int64_t>()[i] = 255;
  const Losses l = model.loss(training, random_normal(RandomKey(2), {1, 8, 8, 3}, 0, 1, DType::f64), labels);
  CHECK(l.total.value().item() == 0);
  CHECK(l.accuracy().percent() == doctest::Approx(100));
  backward(l.total);
  model.visit([&](const std::string&, nn::Param& p) {
    if (!p.value.grad()) return;
    for (const double v : p.value.grad().to_doubles()) CHECK(v == 0);
  });
}

TEST_CASE("the loss divides by all pixels, ignored ones too, plus the f32 epsilon; accuracy counts labelled pixels") {
  const Tensor logits = Tensor::from<double>(std::vector<double>{2, 0, 0, 1, 1, 0, -1, 3}, {1, 2, 2, 2});
  const Tensor labels = Tensor::from<std::int64_t>(std::vector<std::int64_t>{0, 0, 255, 1}, {1, 2, 2});
  const auto cost = [](double right, double wrong) { return std::log(1 + std::exp(wrong - right)); };
  const double sum = cost(2, 0) + cost(0, 1) + cost(3, -1);
  const SegmentationLoss l = segmentation_loss(constant(logits), labels, {});
  CHECK(std::abs(l.loss.value().item() * (4 + 1.1920928955078125e-07) / sum - 1) < 1e-14);
  CHECK(accuracy_of(l.hits).hits == 2);
  CHECK(accuracy_of(l.hits).valid == 3);
  CHECK(std::abs(accuracy_of(l.hits).percent() - 100 * (2 + 1.1920928955078125e-07) / (3 + 1.1920928955078125e-07)) <
        1e-12);
  const SegmentationLoss part = segmentation_loss(constant(logits), labels, {.total_pixels = 12});
  CHECK(std::abs(part.loss.value().item() * (12 + 1.1920928955078125e-07) / sum - 1) < 1e-14);
}

TEST_CASE("projecting before the enlargement gives what the official order gives") {
  Segmentor model(tiny_segmentor("freeze"));
  fill_random(model, 1, DType::f64);
  const HeadInput in = model.features(constant(random_normal(RandomKey(2), {1, 12, 20, 3}, 0, 1, DType::f64)), {});
  nn::Conv2d projection({.in = 12, .out = 7, .weight_init = nn::Init::normal(1), .bias_init = nn::Init::normal(1)});
  fill_random(projection, 4, DType::f64);
  for (const double factor : {4.0, 2.0, 1.0, 0.5}) {
    const Variable x = in.features[0];
    const Variable official = projection(resize_by_factor(x, factor));
    const Variable ours = resize_and_project(x, factor, projection);
    REQUIRE(ours.shape() == official.shape());
    for (std::int64_t i = 0; i < ours.value().count(); ++i) {
      CHECK(ours.value().at(i) == doctest::Approx(official.value().at(i)).epsilon(1e-12));
    }
  }
}

TEST_CASE("starts are those of the official code") {
  Segmentor model(SegmentorOptions{.vit = vit_tiny(), .method = rein_method({})});
  nn::initialise(model, RandomKey(1), DType::f32);
  const auto largest = [&](const std::string& wanted) {
    double most = 0;
    model.visit([&](const std::string& path, nn::Param& p) {
      if (path != wanted) return;
      for (const double v : p.value.value().to_doubles()) most = std::max(most, std::abs(v));
    });
    return most;
  };
  CHECK(largest("backbone.reins.scale") == doctest::Approx(0.001));
  const double tokens = std::sqrt(6.0 / (3 * 256 + std::sqrt(192.0 * 16)));
  CHECK(largest("backbone.reins.learnable_tokens_a") <= tokens);
  CHECK(largest("backbone.reins.learnable_tokens_a") > 0.98 * tokens);
  CHECK(largest("backbone.reins.mlp_delta_f.weight") == doctest::Approx(1 / std::sqrt(192.0)).epsilon(0.01));
  CHECK(largest("neck.lateral_convs.0.conv.weight") == doctest::Approx(std::sqrt(6.0 / (192 + 256))).epsilon(0.01));
  CHECK(largest("neck.fpn_convs.0.conv.weight") == doctest::Approx(std::sqrt(6.0 / (9 * 512))).epsilon(0.01));
  CHECK(largest("neck.fpn_convs.0.conv.bias") == 0);
  CHECK(largest("decode_head.scale_heads.0.0.gn.weight") == 1);
  CHECK(largest("decode_head.conv_seg.bias") == 0);
}
