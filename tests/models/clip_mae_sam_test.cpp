// CLIP, MAE and SAM encoders: freeze, Rein and full on each, windows and relative positions against plainer ways to
// say the same, and the published numbers of parameters. Values against the published code: the golden cases.
#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/matmul/matmul.h"
#include "autograd/ops/shape/shape.h"
#include "models/cases/tiny_clip_mae_sam.h"
#include "tensor/memory.h"

using namespace rein;
using namespace rein::models;
using namespace rein::testing;

namespace {

const nn::ForwardContext training{.training = true, .key = RandomKey(1)};

struct Family {
  const char* name;
  VitOptions vit;
};

std::vector<Family> families() {
  return {
      {"clip", tiny_clip()}, {"clip of the official Rein", tiny_clip(true)}, {"mae", tiny_mae()}, {"sam", tiny_sam()}};
}

double largest_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0;
  for (std::int64_t i = 0; i < a.count(); ++i) worst = std::max(worst, std::abs(a.at(i) - b.at(i)));
  return worst;
}

Tensor draw(std::uint64_t seed, const Shape& shape) {
  return random_normal(RandomKey(seed), shape, 0, 1, DType::f64);
}

nn::BlockSite site_of(std::int64_t h, std::int64_t w) {
  nn::BlockSite site;
  site.grid_height = h, site.grid_width = w;
  return site;
}

}  // namespace

TEST_CASE("freeze, Rein and full train on CLIP, MAE and SAM, recomputed or not") {
  const Tensor images = random_normal(RandomKey(2), {2, 12, 20, 3}, 0, 1), labels = random_labels({2, 12, 20}, 5, 3);
  for (const Family& family : families()) {
    for (const std::string method : {"freeze", "rein", "full"}) {
      CAPTURE(std::string(family.name));
      CAPTURE(method);
      std::vector<std::map<std::string, std::vector<double>>> grads;
      for (const bool recompute : {false, true}) {
        SegmentorOptions o = tiny_segmentor_of(family.vit, method);
        o.recompute = recompute;
        Segmentor model(o);
        fill_random(model, 1, DType::f32);
        const Losses loss = model.loss(training, images, labels);
        CHECK(std::isfinite(loss.total.value().item()));
        backward(loss.total);
        auto& g = grads.emplace_back();
        model.visit([&](const std::string& path, nn::Param& p) {
          CAPTURE(path);
          const bool adapter = path.starts_with("backbone.reins."), vit = path.starts_with("backbone.") && !adapter;
          CHECK(p.frozen == (vit && method != "full"));
          const bool unlinked = path.find(".transform.") != path.npos || path.find(".merge.") != path.npos;
          CHECK(static_cast<bool>(p.value.grad()) == (!p.frozen && !unlinked && !path.starts_with("backbone.norm.")));
          if (p.value.grad()) g[path] = p.value.grad().to_doubles();
        });
      }
      CHECK(grads[0] == grads[1]);
    }
  }
}

TEST_CASE("frozen CLIP, MAE and SAM keep nothing but their maps") {
  for (const Family& family : families()) {
    CAPTURE(std::string(family.name));
    Segmentor model(tiny_segmentor_of(family.vit, "freeze"));
    fill_random(model, 1, DType::f32);
    const Variable images = constant(random_normal(RandomKey(2), {2, 12, 20, 3}, 0, 1));
    model.features(images, training);  // positions of this grid are cached from now on
    const std::size_t before = memory_stats().live;
    const HeadInput out = model.features(images, training);
    std::size_t kept = 0;
    for (const Variable& f : out.features) kept += f.value().storage()->bytes();
    CHECK(memory_stats().live - before == kept);
  }
}

TEST_CASE("images of a batch do not see each other in windows") {
  Vit vit(tiny_sam());
  fill_random(vit, 1, DType::f64);
  const Tensor batch = draw(2, {3, 12, 20, 3});
  const auto last = [&](const Tensor& images) {
    return vit.forward(constant(images), {}, {.out_indices = {3}}).features[0].value();
  };
  const Tensor all = last(batch);
  for (std::int64_t i = 0; i < 3; ++i)
    CHECK(largest_difference(all.rows(i, i + 1), last(batch.rows(i, i + 1).clone())) < 1e-12);
}

TEST_CASE("whole windows are maps of their own; windows beyond the map see tokens whose q, k and v are the biases") {
  const std::int64_t dim = 6, heads = 3, side = 3;
  nn::WindowAttention windows(dim, heads, {.side = side}), map(dim, heads, {0, side, side});
  fill_random(windows, 1, DType::f64);
  fill_random(map, 1, DType::f64);  // the same numbers: they go by name, and the tables are of one size
  const Tensor x = draw(2, {2, 6 * 9, dim});
  const Tensor all = windows(constant(x), site_of(6, 9)).value();
  const auto at = [&](const Tensor& t, std::int64_t n, std::int64_t y, std::int64_t column, std::int64_t c) {
    return t.at(((n * 6 + y) * 9 + column) * dim + c);
  };
  for (std::int64_t n = 0; n < 2; ++n)
    for (std::int64_t top = 0; top < 6; top += side)
      for (std::int64_t left = 0; left < 9; left += side) {
        Tensor one = Tensor::empty({1, side * side, dim}, DType::f64);
        for (std::int64_t i = 0; i < one.count(); ++i)
          one.mutable_data<double>()[i] = at(x, n, top + i / dim / side, left + i / dim % side, i % dim);
        const Tensor own = map(constant(one), site_of(side, side)).value();
        for (std::int64_t i = 0; i < own.count(); ++i)
          CHECK(std::abs(own.at(i) - at(all, n, top + i / dim / side, left + i / dim % side, i % dim)) < 1e-12);
      }
  // A 2 x 3 map: its window has a third row of zeros before the projection.
  const Tensor part = draw(3, {1, 2 * 3, dim});
  Tensor padded = Tensor::zeros({1, 3 * 3, dim}, DType::f64);
  for (std::int64_t i = 0; i < part.count(); ++i) padded.mutable_data<double>()[i] = part.at(i);
  const Tensor cut = windows(constant(part), site_of(2, 3)).value();
  const Tensor full = map(constant(padded), site_of(3, 3)).value();
  for (std::int64_t i = 0; i < cut.count(); ++i) CHECK(std::abs(cut.at(i) - full.at(i)) < 1e-12);
}

TEST_CASE("an adapter at qkv acts on the tokens beyond the map as on all others") {
  // y + B A x + shift: a token of zeros gets bias + shift, as if the bias were another one.
  class Shift final : public nn::BlockHooks {
   public:
    explicit Shift(Tensor shift) : shift_(std::move(shift)) {}
    Variable on_linear(int, nn::LinearSite site, const Variable&, const Variable& y) const override {
      return site == nn::LinearSite::qkv ? add_broadcast(y, constant(shift_)) : y;
    }

   private:
    Tensor shift_;
  };
  const std::int64_t dim = 6;
  const Tensor shift = draw(4, {3 * dim}), x = draw(5, {1, 4 * 5, dim});
  nn::WindowAttention hooked(dim, 2, {.side = 3}), moved(dim, 2, {.side = 3});
  fill_random(hooked, 1, DType::f64);
  fill_random(moved, 1, DType::f64);
  moved.visit([&](const std::string& path, nn::Param& p) {
    if (path == "qkv.bias") p.value = constant(add(constant(p.value.value()), constant(shift)).value());
  });
  const Shift hooks(shift);
  nn::BlockSite site = site_of(4, 5);
  const Tensor wanted = moved(constant(x), site).value();
  site.hooks = &hooks;
  CHECK(largest_difference(hooked(constant(x), site).value(), wanted) < 1e-12);
}

TEST_CASE("attention over a map names what does not fit") {
  CHECK_THROWS_WITH_AS(nn::WindowAttention(6, 4, {.side = 2}),
                       "[window_attention] the width must be a multiple of the heads, got 6 and 4",
                       std::invalid_argument);
  CHECK_THROWS_AS(nn::WindowAttention(6, 3, {}), std::invalid_argument);
  nn::WindowAttention attention(6, 3, {.side = 2});
  fill_random(attention, 1, DType::f64);
  CHECK_THROWS_WITH_AS(attention(constant(draw(1, {1, 7, 6})), site_of(2, 3)),
                       "[window_attention] x must be (N, 2 * 3, 6), a map without prefix tokens, got (1, 7, 6)",
                       std::invalid_argument);
  nn::BlockOptions no_bias{.dim = 6, .heads = 3, .mlp_hidden = 7};
  no_bias.windows = nn::WindowOptions{.side = 2};
  no_bias.qkv_bias = nn::QkvBias::none;
  CHECK_THROWS_AS(nn::Block{no_bias}, std::invalid_argument);
}

TEST_CASE("the official Rein's CLIP is CLIP with a class token twice as large, at the native size") {
  Vit once(tiny_clip()), twice(tiny_clip(true));
  fill_random(once, 1, DType::f64);
  fill_random(twice, 1, DType::f64);
  const Variable image = constant(draw(2, {2, 12, 12, 3}));
  const auto last = [&](const Vit& vit) { return vit.forward(image, {}, {.out_indices = {3}}).features[0].value(); };
  CHECK(largest_difference(last(once), last(twice)) > 1e-3);
  once.visit([](const std::string& path, nn::Param& p) {
    if (path == "cls_token") p.value = constant(scale(constant(p.value.value()), 2).value());
  });
  CHECK(largest_difference(last(once), last(twice)) < 1e-12);
}

TEST_CASE("features are taken after the four quarters of the blocks, SAM's after its global ones") {
  CHECK(Backbone({.vit = sam(vit_huge())}).options().out_indices == std::vector<int>{7, 15, 23, 31});
  CHECK(Backbone({.vit = sam(vit_large())}).options().out_indices == std::vector<int>{5, 11, 17, 23});
  CHECK(sam(vit_base()).windows->global_blocks == std::vector<std::int64_t>{2, 5, 8, 11});
  CHECK(sam(vit_large()).windows->global_blocks == std::vector<std::int64_t>{5, 11, 17, 23});
  CHECK(sam(vit_huge()).windows->global_blocks == std::vector<std::int64_t>{7, 15, 23, 31});
}

TEST_CASE("CLIP, MAE and SAM have the numbers of parameters of their published files") {
  const std::size_t before = memory_stats().live;
  // Sums over the manifests without what the tables ignore.
  CHECK(Vit(clip(vit_base(), 16, 14)).parameter_count() == 85797888);
  CHECK(Vit(clip(vit_large())).parameter_count() == 303177728);
  CHECK(Vit(vit_base()).parameter_count() == 85798656);  // MAE
  CHECK(Vit(vit_large()).parameter_count() == 303301632);
  CHECK(Vit(sam(vit_base())).parameter_count() == 88883456);
  CHECK(Vit(sam(vit_large())).parameter_count() == 307425280);
  CHECK(Vit(sam(vit_huge())).parameter_count() == 636107520);
  // The paper's Table 2, at patch 16 and 512 pixels: 304.15M and 632.18M. SAM's tables of relative positions stay.
  VitOptions huge = sam(vit_huge(), 16, 32);
  huge.windows->table_grid = 64;
  CHECK(Vit(clip(vit_large(), 16, 32)).parameter_count() == 304148480);
  CHECK(Vit(huge).parameter_count() == 632175360);
  CHECK(memory_stats().live == before);
}
