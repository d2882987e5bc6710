#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/matmul/matmul.h"
#include "autograd/ops/shape/shape.h"
#include "models/cases/tiny.h"

using namespace rein;
using namespace rein::models;
using namespace rein::testing;

namespace {

Tensor image_of(std::int64_t n, std::int64_t h, std::int64_t w, std::uint64_t seed = 2) {
  return random_normal(RandomKey(seed), {n, h, w, 3}, 0, 1, DType::f64);
}

double largest_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0;
  for (std::int64_t i = 0; i < a.count(); ++i) worst = std::max(worst, std::abs(a.at(i) - b.at(i)));
  return worst;
}

std::vector<Variable> features(const Vit& vit, const Tensor& image, const Adapter* adapter = nullptr) {
  return vit.forward(constant(image), {}, {.out_indices = {0, 1, 2, 3}, .adapter = adapter}).features;
}

}  // namespace

TEST_CASE("a ViT gives (N, h, w, C) maps for any image of whole patches, with and without prefix tokens") {
  for (const bool class_token : {true, false}) {
    for (const std::int64_t registers : {0, 3}) {
      VitOptions o = tiny_vit();
      o.class_token = class_token;
      o.registers = registers;
      Vit vit(o);
      fill_random(vit, 1, DType::f64);
      CHECK(o.prefix() == registers + (class_token ? 1 : 0));
      for (const Variable& f : features(vit, image_of(2, 8, 20))) CHECK(f.shape() == Shape{2, 2, 5, 12});
    }
  }
}

TEST_CASE("images of a batch do not see each other") {
  Vit vit(tiny_vit());
  fill_random(vit, 1, DType::f64);
  const Tensor batch = image_of(3, 8, 20);
  const Variable all = features(vit, batch)[3];
  for (std::int64_t i = 0; i < 3; ++i) {
    const Variable one = features(vit, batch.rows(i, i + 1).clone())[3];
    CHECK(largest_difference(all.value().rows(i, i + 1), one.value()) < 1e-12);
  }
}

TEST_CASE("height and width are not swapped: a patch changes its own place most") {
  VitOptions o = tiny_vit();
  o.depth = 1;
  Vit vit(o);
  fill_random(vit, 1, DType::f64);
  const Tensor image = image_of(1, 8, 20);
  Tensor changed = image.clone();
  for (std::int64_t y = 4; y < 8; ++y)  // patch (row 1, column 3)
    for (std::int64_t x = 12; x < 16; ++x) changed.mutable_data<double>()[(y * 20 + x) * 3] += 3;
  const auto run = [&](const Tensor& t) {
    return vit.forward(constant(t), {}, {.out_indices = {0}}).features[0].value();
  };
  const Tensor a = run(image), b = run(changed);
  std::int64_t worst = -1;
  double most = 0;
  for (std::int64_t p = 0; p < 10; ++p) {
    double d = 0;
    for (std::int64_t c = 0; c < 12; ++c) d += std::abs(a.at(p * 12 + c) - b.at(p * 12 + c));
    if (d > most) most = d, worst = p;
  }
  CHECK(worst == 1 * 5 + 3);
}

TEST_CASE("the cached position grid follows the weights") {
  Vit vit(tiny_vit());
  vit.freeze();
  fill_random(vit, 1, DType::f64);
  const Tensor first = features(vit, image_of(1, 8, 20))[0].value();
  CHECK(largest_difference(features(vit, image_of(1, 8, 20))[0].value(), first) == 0);
  features(vit, image_of(1, 12, 8));
  CHECK(largest_difference(features(vit, image_of(1, 8, 20))[0].value(), first) == 0);
  vit.visit([](const std::string& path, nn::Param& p) {
    if (path == "pos_embed") nn::set_value(p, Tensor::full(p.shape, 0.25, DType::f64));
  });
  CHECK(largest_difference(features(vit, image_of(1, 8, 20))[0].value(), first) > 1e-3);
  const Tensor second = features(vit, image_of(1, 8, 20))[0].value();
  vit.visit([](const std::string& path, nn::Param& p) {
    if (path == "pos_embed") p.value.mutable_value().fill(0.75);  // in place
  });
  CHECK(largest_difference(features(vit, image_of(1, 8, 20))[0].value(), second) > 1e-3);
}

TEST_CASE("blocks after the last wanted one do not run, and wrong calls say what is wrong") {
  Vit vit(tiny_vit());
  fill_random(vit, 1, DType::f64);
  CHECK(vit.forward(constant(image_of(1, 8, 8)), {}, {.out_indices = {1}}).features.size() == 1);
  CHECK_THROWS_WITH_AS(features(vit, image_of(1, 8, 18)),
                       "[vit] height and width must be multiples of the patch size 4, got (1, 8, 18, 3)",
                       std::invalid_argument);
  CHECK_THROWS_AS(vit.forward(constant(image_of(1, 8, 8)), {}, {.out_indices = {2, 1}}), std::invalid_argument);
  CHECK_THROWS_AS(vit.forward(constant(image_of(1, 8, 8)), {}, {.out_indices = {4}}), std::invalid_argument);
  VitOptions no_patch = tiny_vit();
  no_patch.patch = 0;
  CHECK_THROWS_AS(Vit{no_patch}, std::invalid_argument);
}

namespace {

// Prompts in front of the patches, new ones before every block (VPT deep); a low-rank update of qkv (LoRA); a
// bottleneck beside the MLP (AdaptFormer). Written as tests: the interface must carry them without a change in the ViT.
class ThreeMethods final : public Adapter {
 public:
  explicit ThreeMethods(const VitOptions& vit)
      : down_(vit.dim, 2, false), up_(2, 3 * vit.dim, false), side_(vit.dim, vit.dim) {
    prompts_ = &declare("prompts", Shape{vit.depth, 2, vit.dim}, nn::Init::normal(1));
    child("down", down_);
    child("up", up_);
    child("side", side_);
  }
  std::string tree_name() const override { return "test"; }
  std::shared_ptr<const AdapterPass> begin(const nn::ForwardContext&) const override {
    return std::make_shared<Pass>(*this);
  }

 private:
  class Pass final : public AdapterPass {
   public:
    explicit Pass(const ThreeMethods& m) : m_(m) {}
    void before_block(int block, TokenState& state) const override {
      const Variable prompts = expand(slice(m_.prompts_->value, 0, block, block + 1), state.tokens.size(0));
      const std::int64_t kept = block == 0 ? state.prefix : state.prefix - 2;  // the last block's prompts are replaced
      const Variable front = slice(state.tokens, 1, 0, kept);
      const Variable patches = slice(state.tokens, 1, state.prefix, state.tokens.size(1));
      state.tokens = concat({front, prompts, patches}, 1);
      state.prefix = kept + 2;
    }
    Variable on_linear(int, nn::LinearSite site, const Variable& x, const Variable& y) const override {
      return site == nn::LinearSite::qkv ? add(y, m_.up_(m_.down_(x))) : y;
    }
    Variable beside_mlp(int, const Variable& x, const Variable& y) const override {
      return add(y, scale(m_.side_(x), 0.1));
    }

   private:
    const ThreeMethods& m_;
  };
  nn::Linear down_, up_, side_;
  nn::Param* prompts_;
};

}  // namespace

TEST_CASE("in a frozen ViT the blocks are in eval mode, the adapter is not") {
  class Listener final : public Adapter {
   public:
    explicit Listener(std::vector<bool>& heard) : heard_(heard) {}
    std::string tree_name() const override { return "test"; }
    std::shared_ptr<const AdapterPass> begin(const nn::ForwardContext& context) const override {
      heard_.push_back(context.training);
      return std::make_shared<AdapterPass>();
    }

   private:
    std::vector<bool>& heard_;
  };
  std::vector<bool> heard;
  VitOptions options = tiny_vit();
  options.drop_path = 0.5;
  Backbone backbone({.vit = options, .out_indices = {3}}, std::make_unique<Listener>(heard));
  backbone.freeze_vit();
  backbone.name_tree();
  fill_random(backbone, 1, DType::f64);
  const Variable image = constant(image_of(4, 8, 8));
  const Tensor quiet = backbone.forward(image, {}).features[0].value();
  const Tensor train = backbone.forward(image, {.training = true, .key = RandomKey(1)}).features[0].value();
  CHECK(heard == std::vector<bool>{false, true});
  CHECK(largest_difference(quiet, train) == 0);
}

TEST_CASE("the adapter interface carries prompts, LoRA and a bottleneck beside the MLP") {
  std::map<std::string, std::vector<double>> grads[2];
  for (const bool recompute : {false, true}) {
    Vit vit(tiny_vit());
    vit.freeze();
    fill_random(vit, 1, DType::f64);
    ThreeMethods methods(vit.options());
    fill_random(methods, 3, DType::f64);
    const auto out = vit.forward(constant(image_of(2, 8, 20)), {},
                                 {.out_indices = {0, 3}, .adapter = &methods, .recompute = recompute})
                         .features;
    CHECK(out[1].shape() == Shape{2, 2, 5, 12});
    CHECK(largest_difference(out[1].value(), features(vit, image_of(2, 8, 20))[3].value()) > 1e-2);
    backward(out[1], random_normal(RandomKey(8), out[1].shape(), 0, 1, DType::f64));
    methods.visit([&](const std::string& path, nn::Param& p) {
      CAPTURE(path);
      REQUIRE(p.value.grad());
      grads[recompute][path] = p.value.grad().to_doubles();
    });
    vit.visit([](const std::string&, nn::Param& p) { CHECK_FALSE(p.value.grad()); });
  }
  CHECK(grads[0].size() == 5);
  for (const auto& [path, values] : grads[0]) {
    CAPTURE(path);
    double worst = 0, scale = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      worst = std::max(worst, std::abs(grads[1].at(path)[i] - values[i]));
      scale = std::max(scale, std::abs(values[i]));
    }
    CHECK(worst <= 1e-12 * scale);  // hooks inside recomputed blocks add to their leaves in another order
  }
}
