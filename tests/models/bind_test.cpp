#include <doctest/doctest.h>

#include "models/cases/tiny.h"

using namespace rein;
using namespace rein::models;
using namespace rein::testing;

namespace {

nn::MapSource source_of(Segmentor& model, const std::function<void(std::map<std::string, Tensor>&)>& change = {}) {
  std::map<std::string, Tensor> tensors = nn::collect(model, {});
  if (change) change(tensors);
  return nn::MapSource(std::move(tensors), "test");
}

}  // namespace

TEST_CASE("everything that does not fit is in one report, and then nothing is bound") {
  Segmentor from(tiny_segmentor("rein")), to(tiny_segmentor("rein"));
  fill_random(from, 1, DType::f32);
  const nn::MapSource source = source_of(from, [](auto& t) {
    t.erase("backbone.cls_token");
    t.erase("neck.fpn_convs.2.gn.bias");
    t["backbone.surprise"] = Tensor::zeros({2}, DType::f32);
    t["decode_head.conv_seg.bias"] = Tensor::zeros({6}, DType::f32);
    // A convolution in our own layout is misshapen: files hold (O, I, kh, kw).
    t["neck.fpn_convs.0.conv.weight"] = Tensor::zeros({8, 3, 3, 8}, DType::f32);
  });
  const nn::BindReport report = nn::bind(to, source, DType::f32);
  CHECK_FALSE(report.ok());
  CHECK(report.missing == std::vector<std::string>{"backbone.cls_token", "neck.fpn_convs.2.gn.bias"});
  CHECK(report.unexpected == std::vector<std::string>{"backbone.surprise"});
  REQUIRE(report.misshapen.size() == 2);
  CHECK(report.misshapen[0] == "neck.fpn_convs.0.conv.weight: must have shape (8, 8, 3, 3), got (8, 3, 3, 8)");
  CHECK(report.text().starts_with("missing (2):\n  backbone.cls_token\n"));
  to.visit([](const std::string&, nn::Param& p) { CHECK_FALSE(static_cast<bool>(p.value)); });
}

TEST_CASE("values come back in the file's layout, converted to the wanted type, frozen ones as constants") {
  Segmentor from(tiny_segmentor("rein")), to(tiny_segmentor("rein"));
  fill_random(from, 1, DType::f64);
  REQUIRE(nn::bind(to, source_of(from), DType::f32).ok());
  const auto there = nn::collect(from, {}), here = nn::collect(to, {});
  REQUIRE(there.size() == here.size());
  for (const auto& [name, value] : there) {
    CAPTURE(name);
    REQUIRE(here.at(name).shape() == value.shape());
    CHECK(here.at(name).dtype() == DType::f32);
    for (std::int64_t i = 0; i < value.count(); ++i) CHECK(here.at(name).at(i) == static_cast<float>(value.at(i)));
  }
  CHECK(here.at("backbone.patch_embed.proj.weight").shape() == Shape{12, 3, 4, 4});
  to.visit([](const std::string&, nn::Param& p) { CHECK(p.value.requires_grad() == !p.frozen); });
  const auto trained = nn::collect(to, [](const std::string&, const nn::Param& p) { return !p.frozen; });
  CHECK_FALSE(trained.contains("backbone.cls_token"));
  CHECK(trained.contains("backbone.reins.scale"));
}

TEST_CASE("a convolution weight is (O, kh, kw, I) in memory and (O, I, kh, kw) in files") {
  nn::Conv2d conv({.in = 2, .out = 1, .kernel = 2, .bias = false});
  conv.visit([](const std::string&, nn::Param& p) {
    const Tensor file = Tensor::from<double>(std::vector<double>{0, 1, 2, 3, 10, 11, 12, 13}, {1, 2, 2, 2});
    nn::set_value(p, file);
    CHECK(p.value.value().to_doubles() == std::vector<double>{0, 10, 1, 11, 2, 12, 3, 13});
    CHECK(nn::to_file_layout(p, p.value.value()).to_doubles() == file.to_doubles());
  });
}

TEST_CASE("a trained parameter never writes into the tensor it was bound from") {
  Segmentor model(tiny_segmentor("full"));
  fill_random(model, 1, DType::f32);
  std::map<std::string, Tensor> kept = nn::collect(model, {});
  for (auto& entry : kept) entry.second = entry.second.clone();
  Segmentor other(tiny_segmentor("full"));
  REQUIRE(nn::bind(other, nn::MapSource(kept), DType::f32).ok());
  const double before = kept.at("backbone.cls_token").at(0);
  other.visit([](const std::string&, nn::Param& p) { p.value.mutable_value().fill(7); });
  CHECK(kept.at("backbone.cls_token").at(0) == before);
}

TEST_CASE("freezing and training again: a copy of what was bound, and nothing where nothing changes") {
  nn::Linear layer(3, 2, false);
  layer.freeze();
  const std::map<std::string, Tensor> file = {{"weight", Tensor::full({2, 3}, 1, DType::f32)}};
  REQUIRE(nn::bind(layer, nn::MapSource(file), DType::f32).ok());
  const auto value = [&] {
    Variable v;
    layer.visit([&](const std::string&, nn::Param& p) { v = p.value; });
    return v;
  };
  CHECK(value().value().storage() == file.at("weight").storage());  // frozen: shared with its source, only read
  layer.freeze(false);
  Variable trained = value();
  CHECK(trained.requires_grad());
  trained.mutable_value().fill(7);
  CHECK(file.at("weight").at(0) == 1);
  layer.freeze(false);
  CHECK(value().impl() == trained.impl());  // an optimiser that holds the leaf is not left behind
  layer.freeze();
  CHECK_FALSE(value().requires_grad());
  CHECK(value().value().at(0) == 7);
}

TEST_CASE("start values depend on the seed and the path, not on what else is there") {
  Segmentor one(tiny_segmentor("rein")), two(tiny_segmentor("freeze")), three(tiny_segmentor("rein"));
  nn::initialise(one, RandomKey(1), DType::f32);
  nn::initialise(two, RandomKey(1), DType::f32);
  nn::initialise(three, RandomKey(2), DType::f32);
  const std::string name = "decode_head.conv_seg.weight";
  CHECK(nn::collect(one, {}).at(name).to_doubles() == nn::collect(two, {}).at(name).to_doubles());
  CHECK(nn::collect(one, {}).at(name).to_doubles() != nn::collect(three, {}).at(name).to_doubles());
}

TEST_CASE("a module that nobody filled names the parameter that is used") {
  Segmentor model(tiny_segmentor("rein"));
  model.name_tree();
  model.visit([](const std::string& path, nn::Param& p) {
    CHECK_FALSE(static_cast<bool>(p.value));
    CHECK_THROWS_WITH_AS(p.value.value(), doctest::Contains(("[module] parameter " + path + " has no value").c_str()),
                         std::invalid_argument);
  });
  const Tensor image = Tensor::zeros({1, 12, 12, 3}, DType::f32);
  CHECK_THROWS_WITH_AS(model.scores(image), doctest::Contains("[module] parameter backbone."), std::invalid_argument);
  CHECK_THROWS_WITH_AS(nn::Linear(3, 2)(constant(Tensor::zeros({1, 3}, DType::f32))),
                       doctest::Contains("[module] parameter weight has no value yet"), std::invalid_argument);
}
