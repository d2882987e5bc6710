// Families with rotary positions: their tables by hand, and freeze, Rein and full on each of them.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <numbers>

#include "autograd/ops/shape/shape.h"
#include "models/cases/tiny_families.h"
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
  VitOptions plain_eva = tiny_eva02(), gated = tiny_dinov3();
  plain_eva.mlp_norm = false;
  gated.mlp = nn::MlpKind::swiglu;
  return {{"eva02", tiny_eva02()}, {"eva02 fused", plain_eva}, {"dinov3", tiny_dinov3()}, {"dinov3 gated", gated}};
}

double largest_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0;
  for (std::int64_t i = 0; i < a.count(); ++i) worst = std::max(worst, std::abs(a.at(i) - b.at(i)));
  return worst;
}

}  // namespace

TEST_CASE("rotary angles are those of the published models, for any grid, rows first") {
  const std::int64_t h = 5, w = 3, d = 8;  // two frequencies
  const ops::RopeTable eva = rope_table({RopeKind::eva02, 10000, 16}, h, w, d, DType::f64);
  const ops::RopeTable dino = rope_table({RopeKind::dinov3, 100, 16}, h, w, d, DType::f64);
  CHECK(eva.cos.shape() == Shape{15, 4});
  CHECK(eva.pairs == ops::RopePairs::interleaved);
  CHECK(dino.pairs == ops::RopePairs::half);
  for (std::int64_t r = 0; r < h; ++r) {
    for (std::int64_t c = 0; c < w; ++c) {
      const double y = static_cast<double>(r) * 16 / 5, x = static_cast<double>(c) * 16 / 3, pi = std::numbers::pi;
      const double v = 2 * pi * (static_cast<double>(2 * r + 1) / 5 - 1);
      const double u = 2 * pi * (static_cast<double>(2 * c + 1) / 3 - 1);
      const double eva_angles[] = {y, y / 100, x, x / 100}, dino_angles[] = {v, v / 10, u, u / 10};
      for (std::int64_t j = 0; j < 4; ++j) {
        const std::int64_t at = (r * w + c) * 4 + j;
        CHECK(std::abs(eva.cos.at(at) - std::cos(eva_angles[j])) < 1e-13);
        CHECK(std::abs(eva.sin.at(at) - std::sin(eva_angles[j])) < 1e-13);
        CHECK(std::abs(dino.cos.at(at) - std::cos(dino_angles[j])) < 1e-13);
        CHECK(std::abs(dino.sin.at(at) - std::sin(dino_angles[j])) < 1e-13);
      }
    }
  }
  // At its own grid the coordinates are whole; official Rein's 32 x 32 has halves.
  CHECK(std::abs(rope_table({RopeKind::eva02, 10000, 16}, 16, 16, d, DType::f64).sin.at(7 * 4 + 2) - std::sin(7.0)) <
        1e-13);
  CHECK(std::abs(rope_table({RopeKind::eva02, 10000, 16}, 32, 32, d, DType::f64).sin.at(7 * 4 + 2) - std::sin(3.5)) <
        1e-13);
  CHECK_FALSE(rope_table({}, h, w, d, DType::f64));
  CHECK_THROWS_AS(rope_table({RopeKind::eva02, 10000, 16}, h, w, 6, DType::f64), std::invalid_argument);
}

TEST_CASE("freeze, Rein and full train on families with rotary positions") {
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
          const bool unused = path.starts_with("backbone.norm.") || unlinked;
          CHECK(static_cast<bool>(p.value.grad()) == (!p.frozen && !unused));
          if (p.value.grad()) g[path] = p.value.grad().to_doubles();
        });
      }
      CHECK(grads[0] == grads[1]);
    }
  }
}

TEST_CASE("a frozen model with rotary positions keeps nothing but its maps") {
  for (const Family& family : families()) {
    Segmentor model(tiny_segmentor_of(family.vit, "freeze"));
    fill_random(model, 1, DType::f32);
    const Variable images = constant(random_normal(RandomKey(2), {2, 12, 20, 3}, 0, 1));
    model.features(images, training);  // positions and angles of this grid are cached from now on
    const std::size_t before = memory_stats().live;
    const HeadInput out = model.features(images, training);
    std::size_t kept = 0;
    for (const Variable& f : out.features) kept += f.value().storage()->bytes();
    CHECK(memory_stats().live - before == kept);
  }
}

TEST_CASE("rows that an adapter puts before the patches are not turned") {
  // Prompts that no patch can tell from registers: a model with two registers and one with two prompts give the same.
  class Prompts final : public Adapter {
   public:
    explicit Prompts(Variable rows) : rows_(std::move(rows)) {}
    std::string tree_name() const override { return "test"; }
    std::shared_ptr<const AdapterPass> begin(const nn::ForwardContext&) const override {
      return std::make_shared<Pass>(rows_);
    }

   private:
    class Pass final : public AdapterPass {
     public:
      explicit Pass(Variable rows) : rows_(std::move(rows)) {}
      void before_block(int block, TokenState& state) const override {
        if (block > 0) return;
        const Variable front = slice(state.tokens, 1, 0, state.prefix);
        const Variable patches = slice(state.tokens, 1, state.prefix, state.tokens.size(1));
        state.tokens = concat({front, expand(rows_, state.tokens.size(0)), patches}, 1);
        state.prefix += rows_.size(1);
      }

     private:
      Variable rows_;
    };
    Variable rows_;
  };
  for (const Family& family : families()) {
    VitOptions two = family.vit, none = family.vit;
    two.registers = 2;
    none.registers = 0;
    Vit with_registers(two), without(none);
    fill_random(with_registers, 1, DType::f64);
    fill_random(without, 1, DType::f64);  // the same numbers: they go by name
    Variable rows;
    with_registers.visit([&](const std::string& path, nn::Param& p) {
      if (path == "register_tokens") rows = p.value;
    });
    const Prompts prompts(rows);
    const Variable image = constant(random_normal(RandomKey(3), {2, 8, 20, 3}, 0, 1, DType::f64));
    const auto run = [&](const Vit& vit, const Adapter* adapter) {
      return vit.forward(image, {}, {.out_indices = {3}, .adapter = adapter}).features[0].value();
    };
    CAPTURE(std::string(family.name));
    CHECK(largest_difference(run(with_registers, nullptr), run(without, &prompts)) < 1e-12);
    CHECK(largest_difference(run(with_registers, nullptr), run(without, nullptr)) > 1e-3);
  }
}

TEST_CASE("EVA-02 and DINOv3 have the numbers of parameters of their published files") {
  const std::size_t before = memory_stats().live;
  // Sums over the manifests, without rope tables, fc_norm and mask tokens.
  CHECK(Vit(eva02(vit_large())).parameter_count() == 303266752);
  CHECK(Vit(eva02(vit_base())).parameter_count() == 85757184);
  CHECK(Vit(eva02(vit_small(), 14, 16, false)).parameter_count() == 21620352);
  CHECK(Vit(eva02(vit_tiny(), 14, 16, false)).parameter_count() == 5501760);
  CHECK(Vit(dinov3(vit_small())).parameter_count() == 21596160);
  CHECK(Vit(dinov3(vit_base())).parameter_count() == 85659648);
  CHECK(Vit(dinov3(vit_large())).parameter_count() == 303128576);
  CHECK(memory_stats().live == before);
}
