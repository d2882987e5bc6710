// AdamW, clipping, schedule and decay rules by hand numbers. Recorded cases of PyTorch: kind `adamw` of rein verify.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "models/segmentor.h"
#include "nn/bind.h"
#include "tensor/parallel.h"
#include "train/optim/adamw.h"
#include "train/optim/clip_grad_norm.h"
#include "train/optim/param_groups.h"
#include "train/optim/schedule.h"

using namespace rein;
using namespace rein::train;

namespace {

Variable leaf(std::vector<double> values) {
  const Shape shape{static_cast<std::int64_t>(values.size())};
  return parameter(Tensor::from(values, shape));
}

void give(Variable v, std::vector<double> values) {
  const Shape shape{static_cast<std::int64_t>(values.size())};
  v.set_grad(Tensor::from(values, shape));
}

}  // namespace

TEST_CASE("adamw: two steps by hand") {
  Variable p = leaf({1.0, -2.0});
  AdamW optimizer({.beta1 = 0.9, .beta2 = 0.99, .eps = 1e-3});
  optimizer.add("p", p, 0.5, 0.1);  // rate 0.2 * 0.5 = 0.1
  give(p, {0.5, -0.25});
  optimizer.step(0.2);
  // Step 1: m-hat = g, v-hat = g^2.
  CHECK(p.value().at(0) == doctest::Approx(1.0 * (1 - 0.01) - 0.1 * 0.5 / (0.5 + 1e-3)).epsilon(1e-12));
  CHECK(p.value().at(1) == doctest::Approx(-2.0 * (1 - 0.01) + 0.1 * 0.25 / (0.25 + 1e-3)).epsilon(1e-12));
  const double before = p.value().at(0);
  give(p, {-1.0, 0.0});
  optimizer.step(0.2);
  const double m = 0.9 * 0.05 + 0.1 * -1.0, v = 0.99 * (0.01 * 0.25) + 0.01 * 1.0;
  const double expected = before * (1 - 0.01) - 0.1 * (m / (1 - 0.81)) / (std::sqrt(v) / std::sqrt(1 - 0.9801) + 1e-3);
  CHECK(p.value().at(0) == doctest::Approx(expected).epsilon(1e-12));
}

TEST_CASE("adamw: a parameter without gradient is left alone and keeps its own count") {
  Variable a = leaf({1.0}), b = leaf({1.0});
  AdamW optimizer;
  optimizer.add("a", a, 1, 0.5);
  optimizer.add("b", b, 1, 0.5);
  give(a, {1.0});
  optimizer.step(0.1);
  CHECK(b.value().at(0) == 1.0);
  CHECK(optimizer.slots()[1].steps == 0);
  CHECK_FALSE(static_cast<bool>(optimizer.slots()[1].exp_avg));
  a.clear_grad();
  give(b, {1.0});
  const double kept = a.value().at(0);
  optimizer.step(0.1);
  CHECK(a.value().at(0) == kept);
  CHECK(optimizer.slots()[0].steps == 1);
  CHECK(b.value().at(0) == doctest::Approx(kept).epsilon(1e-12));  // its own first step
}

TEST_CASE("adamw: f32 agrees with f64 and with any number of threads") {
  const Shape shape{70001};
  const Tensor start = random_normal(RandomKey(1), shape, 0, 1, DType::f64);
  const auto train_with = [&](DType dtype, int threads) {
    const int before = thread_count();
    set_thread_count(threads);
    Variable p = parameter(dtype == DType::f64 ? start.clone() : random_normal(RandomKey(1), shape, 0, 1, dtype));
    AdamW optimizer;
    optimizer.add("p", p, 1, 0.05);
    for (std::uint64_t s = 0; s < 3; ++s) {
      p.set_grad(random_normal(RandomKey(2).child(s), shape, 0, 1, dtype));
      optimizer.step(1e-2);
    }
    set_thread_count(before);
    return p.value();
  };
  const Tensor wide = train_with(DType::f64, 1), one = train_with(DType::f32, 1), four = train_with(DType::f32, 4);
  double worst = 0;
  std::int64_t different = 0;
  for (std::int64_t i = 0; i < shape.count(); ++i) {
    worst = std::max(worst, std::abs(one.at(i) - wide.at(i)));
    different += one.at(i) != four.at(i);
  }
  CHECK(worst < 2e-6);
  CHECK(different == 0);
}

TEST_CASE("adamw: refuses what it cannot train") {
  AdamW optimizer;
  Variable p = leaf({1.0});
  optimizer.add("p", p, 1, 0);
  CHECK_THROWS_AS(optimizer.add("p", p, 1, 0), std::invalid_argument);
  CHECK_THROWS_AS(optimizer.add("c", constant(Tensor::scalar(1)), 1, 0), std::invalid_argument);
}

TEST_CASE("clip_grad_norm: by the norm of all gradients together") {
  std::vector<Variable> params = {leaf({0, 0}), leaf({0}), leaf({5})};
  give(params[0], {3.0, 0.0});
  give(params[1], {4.0});  // the third has none
  CHECK(grad_norm(params) == 5.0);
  CHECK(clip_grad_norm(params, 10.0) == 5.0);
  CHECK(params[1].grad().at(0) == 4.0);
  CHECK(clip_grad_norm(params, 1.0) == 5.0);
  CHECK(params[0].grad().at(0) == doctest::Approx(3.0 / (5 + 1e-6)).epsilon(1e-12));
  CHECK_THROWS_AS(clip_grad_norm(params, 0.0), std::invalid_argument);
  give(params[0], {std::nan(""), 0.0});
  CHECK(std::isnan(clip_grad_norm(params, 1.0)));
  CHECK(params[1].grad().at(0) == doctest::Approx(4.0 / (5 + 1e-6)).epsilon(1e-12));  // left alone
}

TEST_CASE("schedule: poly with its end, warm-up") {
  const Schedule official{.lr = 1e-4, .power = 0.9, .zero_at = 39999};
  CHECK(official.at(0) == 1e-4);
  CHECK(official.at(20000) == doctest::Approx(1e-4 * std::pow(1 - 20000.0 / 39999, 0.9)).epsilon(1e-14));
  CHECK(official.at(39999) == 0);
  CHECK(official.at(50000) == 0);
  const Schedule warm{.lr = 1, .power = 1, .zero_at = 30, .warmup = 11, .warmup_start = 0.5};
  CHECK(warm.at(0) == 0.5);
  CHECK(warm.at(4) == doctest::Approx(0.7));
  CHECK(warm.at(10) == doctest::Approx(1.0));
  CHECK(warm.at(11) == doctest::Approx(1.0));
  CHECK(warm.at(20) == doctest::Approx(1 - 9.0 / 19));
  CHECK(Schedule{.lr = 3, .power = 0}.at(1000000) == 3);
}

TEST_CASE("decay rules of a segmentor") {
  models::SegmentorOptions options;
  options.vit = models::vit_tiny();
  options.method = models::method_named("rein");
  models::Segmentor model(options);
  nn::initialise(model, RandomKey(0), DType::f32);
  AdamW optimizer;
  add_trained(optimizer, model, {.weight_decay = 0.05, .backbone_lr_multiplier = 0.1, .adapter = "backbone.reins."});
  const auto decay = [&](const std::string& name) {
    for (const AdamW::Slot& slot : optimizer.slots())
      if (slot.name == name) return slot.weight_decay;
    return -1.0;
  };
  CHECK(decay("backbone.reins.scale") == 0);
  CHECK(decay("backbone.reins.learnable_tokens_a") == 0);
  CHECK(decay("backbone.reins.mlp_delta_f.weight") == 0.05);
  CHECK(decay("backbone.reins.mlp_delta_f.bias") == 0.05);
  CHECK(decay("decode_head.scale_heads.0.0.gn.weight") == 0);
  CHECK(decay("decode_head.scale_heads.0.0.conv.weight") == 0.05);
  CHECK(decay("decode_head.conv_seg.bias") == 0.05);
  CHECK(decay("backbone.blocks.0.attn.qkv.weight") == -1);  // frozen
  for (const AdamW::Slot& slot : optimizer.slots()) CHECK(slot.lr_multiplier == 1);
}

TEST_CASE("under full the backbone has its own rate") {
  models::SegmentorOptions options;
  options.vit = models::vit_tiny();
  options.method = models::method_named("full");
  models::Segmentor model(options);
  nn::initialise(model, RandomKey(0), DType::f32);
  AdamW optimizer;
  add_trained(optimizer, model, {.weight_decay = 0.05, .backbone_lr_multiplier = 0.1});
  for (const AdamW::Slot& slot : optimizer.slots()) {
    CHECK(slot.lr_multiplier == (slot.name.starts_with("backbone.") ? 0.1 : 1.0));
    if (slot.name.find("norm") != std::string::npos) CHECK(slot.weight_decay == 0);
  }
}
