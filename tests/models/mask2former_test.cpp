// Mask2Former as a head: counts, masks, inference, and what its losses do on hard inputs.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>

#include "autograd/ops/loss/loss.h"
#include "models/cases/tiny.h"
#include "tensor/memory.h"
#include "tensor/ops/attention/attention_mask.h"
#include "tensor/ops/sampling/resize.h"
#include "tensor/parallel.h"

using namespace rein;
using namespace rein::models;
using namespace rein::testing;

namespace {

const nn::ForwardContext training{.training = true, .key = RandomKey(1)};

std::map<std::string, std::vector<double>> gradients_of(nn::Module& model) {
  std::map<std::string, std::vector<double>> grads;
  model.visit([&](const std::string& path, nn::Param& p) {
    if (p.value.grad()) grads[path] = p.value.grad().to_doubles();
  });
  return grads;
}

// Relative to the reference's largest value.
double worst_difference(const std::vector<double>& ours, const std::vector<double>& reference) {
  double worst = 0, scale = 1e-6;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    worst = std::max(worst, std::abs(ours.at(i) - reference[i]));
    scale = std::max(scale, std::abs(reference[i]));
  }
  return worst / scale;
}

Tensor labels_all(const Shape& shape, std::int64_t value) {
  Tensor labels = Tensor::empty(shape, DType::i64);
  std::fill_n(labels.mutable_data<std::int64_t>(), labels.count(), value);
  return labels;
}

}  // namespace

TEST_CASE("Mask2Former has the published number of parameters, plain and with Rein's wiring") {
  const std::size_t before = memory_stats().live;
  Mask2FormerOptions o;
  o.in_channels = 1024;
  CHECK(Mask2Former(o).parameter_count(true) == 20565204);
  o.rein_queries = true;
  CHECK(Mask2Former(o).parameter_count(true) == 20579796);
  CHECK(TransformerDecoder({}).parameter_count() == 14209280);
  const PixelDecoderOptions pixel{.in_channels = {1024, 1024, 1024, 1024}};
  CHECK(PixelDecoder(pixel).parameter_count() == 6101440);

  SegmentorOptions s;
  s.method = rein_method({});
  s.head_kind = HeadKind::mask2former;
  const auto trained = [&](VitOptions vit) {
    s.vit = dinov2(vit, 16, 32);
    return Segmentor(s).parameter_count(true);
  };
  CHECK(trained(vit_small()) == 20608469);
  CHECK(trained(vit_base()) == 22059221);
  CHECK(trained(vit_large()) == 23569877);
  s.method = models::method_named("freeze");
  CHECK(trained(vit_large()) == 20565204);
  CHECK(memory_stats().live == before);
}

TEST_CASE("resizing the mask features first blocks what resizing the masks blocks") {
  Mask2FormerOptions o = tiny_mask2former();
  o.in_channels = 5;
  o.factors = {4, 2, 1, 0.5};
  Mask2FormerNet net(o);
  fill_random(net, 3, DType::f64);
  HeadInput input;
  for (std::uint64_t i = 0; i < 4; ++i)
    input.features.push_back(constant(random_normal(RandomKey(i), {2, 4, 6, 5}, 0, 1, DType::f64)));
  std::int64_t blocked = 0;
  const auto check = [&](std::int64_t, const Tensor& own) {
    for (const double v : own.to_doubles()) blocked += v != 0;
    return own;
  };
  const Mask2FormerOutput out = net(input, true, check);
  CHECK(blocked > 0);
  // The official order, by hand: the full mask, then its resize to the level's size.
  std::vector<Tensor> masks;
  net(input, true, [&](std::int64_t, const Tensor& own) {
    masks.push_back(own);
    return own;
  });
  const std::vector<std::pair<std::int64_t, std::int64_t>> sizes = {{2, 3}, {4, 6}, {8, 12}};
  for (std::size_t l = 0; l < masks.size(); ++l) {
    const auto [h, w] = sizes[l % 3];
    const Tensor full = out.mask_logits(l).value();
    CHECK(full.shape() == Shape{2, 6, 16, 24});
    const Tensor official =
        ops::blocked_where_negative(ops::resize(full.view({12, 16, 24, 1}), ops::to_size(h, w)).view({2, 6, h * w}));
    CHECK(official.to_doubles() == masks[l].to_doubles());
  }
  setenv("REIN_KERNEL", "attention_mask:reference", 1);
  net(input, true, [&](std::int64_t layer, const Tensor& own) {
    CHECK(own.to_doubles() == masks[static_cast<std::size_t>(layer)].to_doubles());
    return own;
  });
  unsetenv("REIN_KERNEL");
}

TEST_CASE("scores are the sum over queries of class probability times mask, in chunks or at once") {
  SegmentorOptions o = tiny_mask2former_segmentor("rein");
  Segmentor model(o);
  fill_random(model, 1, DType::f64);
  const HeadInput input = model.features(constant(random_normal(RandomKey(2), {2, 12, 20, 3}, 0, 1, DType::f64)), {});
  const auto& head = dynamic_cast<const Mask2Former&>(model.head());
  const std::int64_t h = 25, w = 41, q = head.options().queries, k = head.classes();
  const Tensor scores = head.scores(input, h, w, {}).value();
  CHECK(scores.shape() == Shape{2, h, w, k});
  const Mask2FormerOutput out = head.net()(input, true);
  const Tensor logits = out.mask_logits(out.cls.size() - 1).value();
  const Tensor masks =
      ops::resize(logits.view({2 * q, logits.size(2), logits.size(3), 1}), ops::to_size(h, w)).view({2, q, h * w});
  const Tensor& cls = out.cls.back().value();
  double worst = 0;
  for (std::int64_t n = 0; n < 2; ++n)
    for (std::int64_t p = 0; p < h * w; p += 37)
      for (std::int64_t c = 0; c < k; ++c) {
        double sum = 0;
        for (std::int64_t i = 0; i < q; ++i) {
          double all = 0;
          for (std::int64_t j = 0; j <= k; ++j) all += std::exp(cls.at((n * q + i) * (k + 1) + j));
          sum += std::exp(cls.at((n * q + i) * (k + 1) + c)) / all / (1 + std::exp(-masks.at((n * q + i) * h * w + p)));
        }
        worst = std::max(worst, std::abs(sum - scores.at((n * h * w + p) * k + c)));
      }
  CHECK(worst < 1e-12);
}

TEST_CASE("Mask2Former's micro-batches add up to the larger batch") {
  const SegmentorOptions o = tiny_mask2former_segmentor("rein");
  const Tensor images = random_normal(RandomKey(2), {4, 12, 20, 3}, 0, 1, DType::f64);
  Tensor labels = random_labels({4, 12, 20}, 5, 3);
  std::fill_n(labels.mutable_data<std::int64_t>(), 240, 255);      // image 0: nothing
  std::fill_n(labels.mutable_data<std::int64_t>() + 240, 240, 2);  // image 1: one class
  std::vector<double> losses;
  std::vector<std::map<std::string, std::vector<double>>> grads;
  for (const std::int64_t micro : {4, 2, 1}) {
    Segmentor model(o);
    fill_random(model, 1, DType::f64);
    LossScope scope;
    for (std::int64_t first = 0; first < 4; first += micro)
      scope += model.head().scope(labels.rows(first, first + micro));
    CHECK(scope.total_pixels == labels.count());
    double loss = 0;
    for (std::int64_t first = 0; first < 4; first += micro) {
      nn::ForwardContext context = training;
      context.first_sample = first;
      const Losses l = model.loss(context, images.rows(first, first + micro), labels.rows(first, first + micro), scope);
      CHECK(l.terms.size() == 15);
      CHECK(l.terms.front().first == "decode.d0.loss_cls");
      CHECK(l.terms.back().first == "decode.loss_dice");
      loss += l.total.value().item();
      backward(l.total);
    }
    losses.push_back(loss);
    grads.push_back(gradients_of(model));
  }
  for (std::size_t k : {1U, 2U}) {
    CHECK(losses[k] == doctest::Approx(losses[0]).epsilon(1e-11));
    for (const auto& [name, reference] : grads[0]) {
      CAPTURE(name);
      CHECK(worst_difference(grads[k].at(name), reference) < 1e-8);
    }
  }
}

TEST_CASE("the masks of matched queries alone give the losses and gradients of whole masks") {
  std::vector<std::map<std::string, std::vector<double>>> grads;
  std::vector<double> losses;
  for (const bool whole : {true, false}) {
    if (whole) setenv("REIN_KERNEL", "mask_points:reference", 1);
    Segmentor model(tiny_mask2former_segmentor("rein"));
    fill_random(model, 1, DType::f64);
    Tensor labels = random_labels({3, 32, 40}, 5, 3);
    std::fill_n(labels.mutable_data<std::int64_t>() + 32 * 40, 32 * 40, ignore_label);  // nothing matched in between
    const Losses l = model.loss(training, random_normal(RandomKey(2), {3, 32, 40, 3}, 0, 1, DType::f64), labels);
    losses.push_back(l.total.value().item());
    backward(l.total);
    grads.push_back(gradients_of(model));
    unsetenv("REIN_KERNEL");
  }
  CHECK(losses[1] == losses[0]);
  CHECK(grads[1].size() == grads[0].size());
  for (const auto& [name, reference] : grads[0]) {
    CAPTURE(name);
    CHECK(worst_difference(grads[1].at(name), reference) < 1e-12);
  }
}

TEST_CASE("Mask2Former trains through images of one class, without any class, and NaN in the image") {
  for (const std::int64_t label : {255, 3}) {
    Segmentor model(tiny_mask2former_segmentor("rein"));
    fill_random(model, 1, DType::f32);
    const Losses l =
        model.loss(training, random_normal(RandomKey(2), {2, 12, 20, 3}, 0, 1), labels_all({2, 12, 20}, label));
    CHECK(std::isfinite(l.total.value().item()));
    CHECK(l.bad_costs() == 0);
    backward(l.total);
    model.visit([&](const std::string& path, nn::Param& p) {
      CAPTURE(path);
      if (!p.frozen && label == 3) CHECK(static_cast<bool>(p.value.grad()));
      if (!p.value.grad()) return;
      for (const double v : p.value.grad().to_doubles()) CHECK(std::isfinite(v));
    });
  }
  Segmentor model(tiny_mask2former_segmentor("rein"));
  fill_random(model, 1, DType::f32);
  const Tensor image = Tensor::full({1, 12, 20, 3}, std::numeric_limits<double>::quiet_NaN(), DType::f32);
  const Losses l = model.loss(training, image, labels_all({1, 12, 20}, 3));
  CHECK(l.bad_costs() > 0);
  CHECK(std::isnan(l.total.value().item()));  // said, never repaired silently
}

TEST_CASE("recomputing Mask2Former's layers gives the same loss and keeps less; threads change no bit") {
  const int before = thread_count();
  std::vector<double> losses;
  std::vector<std::size_t> kept;
  std::vector<std::map<std::string, std::vector<double>>> grads;
  for (const auto& [recompute, threads] : {std::pair{false, 1}, {true, 1}, {false, 3}}) {
    set_thread_count(threads);
    SegmentorOptions o = tiny_mask2former_segmentor("rein");
    o.recompute = recompute;
    Segmentor model(o);
    fill_random(model, 1, DType::f32);
    const Tensor images = random_normal(RandomKey(2), {2, 32, 40, 3}, 0, 1), labels = random_labels({2, 32, 40}, 5, 3);
    const std::size_t before_loss = memory_stats().live;
    const Losses l = model.loss(training, images, labels);
    losses.push_back(l.total.value().item());
    kept.push_back(memory_stats().live - before_loss);
    backward(l.total);
    grads.push_back(gradients_of(model));
  }
  set_thread_count(before);
  CHECK(losses[1] == losses[0]);
  CHECK(losses[2] == losses[0]);
  CHECK(grads[2] == grads[0]);
  // A recomputed layer adds up its inputs' gradients by itself before they join the others': another order of sums.
  for (const auto& [name, reference] : grads[0]) {
    CAPTURE(name);
    CHECK(worst_difference(grads[1].at(name), reference) < 1e-4);
  }
  CHECK(kept[1] < kept[0]);
}

TEST_CASE("Mask2Former starts as the official code does") {
  Mask2FormerOptions o;
  o.in_channels = 16;
  Mask2FormerNet net(o);
  std::map<std::string, nn::Init> starts;
  net.visit([&](const std::string& path, nn::Param& p) { starts[path] = p.init; });
  const auto normal = [&](const std::string& path, double std) {
    CAPTURE(path);
    CHECK(starts.at(path).kind == nn::Init::Kind::normal);
    CHECK(starts.at(path).b == doctest::Approx(std));
  };
  const std::string layer = "transformer_decoder.layers.8.";
  normal("query_embed.weight", 1);
  normal("query_feat.weight", 1);
  normal("level_embed.weight", 1);
  normal(layer + "cross_attn.attn.in_proj_weight", std::sqrt(2.0 / 1024));
  normal(layer + "self_attn.attn.out_proj.weight", std::sqrt(2.0 / 512));
  normal(layer + "ffn.layers.0.0.weight", std::sqrt(2.0 / 2304));
  CHECK(starts.at(layer + "self_attn.attn.in_proj_bias").kind == nn::Init::Kind::constant);
  CHECK(starts.at("mask_embed.4.weight").kind == nn::Init::Kind::uniform);
  CHECK(starts.at("cls_embed.bias").b == doctest::Approx(1.0 / 16));
}

TEST_CASE("Mask2Former says which queries it needs") {
  Mask2FormerOptions o = tiny_mask2former();
  o.in_channels = 5;
  o.rein_queries = true;
  Mask2Former head(o);
  CHECK(head.needs_queries());
  fill_random(head, 3, DType::f32);
  HeadInput input;
  for (std::uint64_t i = 0; i < 4; ++i)
    input.features.push_back(constant(random_normal(RandomKey(i), {1, 4, 6, 5}, 0, 1)));
  CHECK_THROWS_WITH_AS(head.scores(input, 8, 8, {}),
                       "[mask2former] this head takes its queries from the adapter, which gave none",
                       std::invalid_argument);
  input.queries = constant(random_normal(RandomKey(9), {4, 8}, 0, 1));
  CHECK_THROWS_WITH_AS(head.scores(input, 8, 8, {}), "[mask2former] queries must be (6, 8) or (1, 6, 8), got (4, 8)",
                       std::invalid_argument);
  CHECK(head_kind_of("mask2former") == HeadKind::mask2former);
  CHECK_THROWS_AS(head_kind_of("fpn"), std::invalid_argument);
}
