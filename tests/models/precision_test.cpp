// Frozen products in bf16: what is rounded, and how near losses and gradients stay to those of f32.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>

#include "models/cases/tiny.h"

using namespace rein;
using namespace rein::models;
using namespace rein::testing;

namespace {

const nn::ForwardContext training{.training = true, .key = RandomKey(1)};

std::map<std::string, Tensor> gradients(Segmentor& model, double& loss) {
  const Tensor images = random_normal(RandomKey(2), {2, 12, 20, 3}, 0, 1, DType::f32);
  const Losses losses = model.loss(training, images, random_labels({2, 12, 20}, 5, 3));
  loss = losses.total.value().item();
  backward(losses.total);
  std::map<std::string, Tensor> grads;
  model.visit([&](const std::string& path, nn::Param& p) {
    if (p.value.grad()) grads[path] = p.value.grad();
  });
  return grads;
}

double largest(const Tensor& x) {
  double most = 0;
  for (std::int64_t i = 0; i < x.count(); ++i) most = std::max(most, std::abs(x.at(i)));
  return most;
}

}  // namespace

TEST_CASE("bf16 rounds the linear weights of the frozen backbone, and nothing else") {
  Segmentor model(tiny_segmentor("rein"));
  fill_random(model, 1, DType::f32);
  std::int64_t expected = 0;
  model.visit([&](const std::string& path, nn::Param& p) {
    const bool block_linear = path.starts_with("backbone.blocks.") && path.ends_with(".weight") && p.shape.rank() == 2;
    if (block_linear) expected += p.shape.count();
  });
  CHECK(nn::round_frozen_products(model) == expected);
  CHECK(nn::round_frozen_products(model) == 0);  // once
  model.visit([&](const std::string& path, nn::Param& p) {
    CAPTURE(path);
    const bool block_linear = path.starts_with("backbone.blocks.") && path.ends_with(".weight") && p.shape.rank() == 2;
    CHECK(p.value.dtype() == (block_linear ? DType::bf16 : DType::f32));
    CHECK((!block_linear || p.frozen));
  });
  Segmentor full(tiny_segmentor("full"));
  fill_random(full, 1, DType::f32);
  CHECK(nn::round_frozen_products(full) == 0);
}

TEST_CASE("losses and gradients with bf16 products stay within a few roundings of f32") {
  double exact_loss = 0, loss = 0;
  Segmentor exact(tiny_segmentor("rein")), rounded(tiny_segmentor("rein"));
  fill_random(exact, 1, DType::f32);
  fill_random(rounded, 1, DType::f32);
  nn::round_frozen_products(rounded);
  const auto want = gradients(exact, exact_loss), got = gradients(rounded, loss);
  CHECK(loss == doctest::Approx(exact_loss).epsilon(0.02));
  CHECK(loss != exact_loss);
  CHECK(got.size() == want.size());
  double dot = 0, norm_want = 0, norm_got = 0;
  for (const auto& [path, g] : want) {
    CAPTURE(path);
    REQUIRE(got.contains(path));
    const Tensor& h = got.at(path);
    CHECK(std::isfinite(largest(h)));
    for (std::int64_t i = 0; i < g.count(); ++i) {
      dot += g.at(i) * h.at(i);
      norm_want += g.at(i) * g.at(i);
      norm_got += h.at(i) * h.at(i);
    }
  }
  CHECK(dot / std::sqrt(norm_want * norm_got) > 0.995);  // eight bits of mantissa through four blocks
}

TEST_CASE("bf16 is refused for a trained backbone") {
  Segmentor full(tiny_segmentor("full"));
  CHECK_THROWS_WITH_AS(full.use_bf16(), doctest::Contains("[segmentor] bf16 is for a frozen backbone"),
                       std::invalid_argument);
}

TEST_CASE("mixed precision changes nothing on the CPU but the frozen products") {
  double loss = 0, same = 0;
  Segmentor mixed(tiny_mask2former_segmentor("rein")), rounded(tiny_mask2former_segmentor("rein"));
  fill_random(mixed, 1, DType::f32);
  fill_random(rounded, 1, DType::f32);
  mixed.use_bf16();
  nn::round_frozen_products(rounded);
  const auto got = gradients(mixed, loss), want = gradients(rounded, same);
  CHECK(loss == same);
  for (const auto& [path, g] : want)
    for (std::int64_t i = 0; i < g.count(); ++i) REQUIRE(got.at(path).at(i) == g.at(i));
}
