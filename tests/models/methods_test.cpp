// Every method in every family of backbones, under both heads: what trains, what recompute and the start change
// (nothing), what merging gives, and what is refused.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <set>

#include "models/adapters/adaptformer.h"
#include "models/adapters/lora.h"
#include "models/adapters/soma.h"
#include "models/adapters/vpt.h"
#include "models/cases/tiny_clip_mae_sam.h"
#include "models/cases/tiny_families.h"
#include "models/merge.h"
#include "models/zoo/file_source.h"
#include "tensor/device_info.h"

using namespace rein;
using namespace rein::models;
using namespace rein::testing;

namespace {

const nn::ForwardContext training{.training = true, .key = RandomKey(1)};

std::map<std::string, VitOptions> families() {
  VitOptions registers = tiny_vit();
  registers.registers = 2;
  VitOptions gated = tiny_dinov3();
  gated.mlp = nn::MlpKind::swiglu;
  return {{"dinov2", tiny_vit()},  {"dinov2 with registers", registers},
          {"eva02", tiny_eva02()}, {"dinov3", tiny_dinov3()},
          {"dinov3 gated", gated}, {"clip", tiny_clip()},
          {"mae", tiny_mae()},     {"sam", tiny_sam()}};
}

// Small ones of each method, with everything on.
std::map<std::string, Method> tuned() {
  return {{"lora", lora_method({.rank = 1, .alpha = 2, .targets = "q,v,proj,fc1,fc2"})},
          {"soma", soma_method({.rank = 2, .alpha = 3, .first_block = 1})},
          {"bitfit", method_named("bitfit")},
          {"vpt", vpt_method({.prompts = 1})},
          {"adaptformer", adaptformer_method({.bottleneck = 3, .scale = 0.6, .dropout = 0.4})}};
}

bool fits(const Method& method, const VitOptions& vit) {
  return method.name != "vpt" || !vit.windows;
}

SegmentorOptions options_of(const VitOptions& vit, const Method& method, HeadKind head) {
  SegmentorOptions options = tiny_mask2former_segmentor("freeze");
  options.vit = vit;
  options.method = method;
  options.head_kind = head;
  return options;
}

std::map<std::string, Tensor> gradients(const SegmentorOptions& options, DType dtype, bool bf16 = false,
                                        Device device = {}) {
  Segmentor model(options);
  fill_random(model, 1, dtype);
  if (bf16) model.use_bf16();
  model.move_to(device);
  const Tensor images = random_normal(RandomKey(2), {2, 12, 20, 3}, 0, 1, dtype);
  backward(model.loss(training, images, random_labels({2, 12, 20}, 5, 3)).total);
  std::map<std::string, Tensor> grads;
  model.visit([&](const std::string& path, nn::Param& p) {
    CAPTURE(path);
    if (p.frozen) CHECK_FALSE(p.value.grad());
    if (p.value.grad()) grads[path] = p.value.grad().to(Device{});
  });
  return grads;
}

// What a method trains in the backbone.
bool is_adapters(const std::string& path, const std::string& method) {
  return path.starts_with(method == "bitfit" ? "backbone.blocks." : "backbone." + method + ".");
}

std::vector<Tensor> features(const Backbone& backbone, DType dtype = DType::f32) {
  const NoGrad no_grad;
  std::vector<Tensor> maps;
  for (const Variable& map :
       backbone.forward(constant(random_normal(RandomKey(4), {2, 12, 20, 3}, 0, 1, dtype)), {}).features)
    maps.push_back(map.value());
  return maps;
}

// Largest difference of all maps beside their largest value.
double distance(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  double most = 0, apart = 0;
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(a[i].shape() == b[i].shape());
    const std::vector<double> x = a[i].to_doubles(), y = b[i].to_doubles();
    for (std::size_t j = 0; j < x.size(); ++j) {
      most = std::max(most, std::abs(y[j]));
      apart = std::max(apart, std::abs(x[j] - y[j]));
    }
  }
  return apart / most;
}

std::unique_ptr<Backbone> backbone_of(const VitOptions& vit, const Method& method) {
  auto backbone = std::make_unique<Backbone>(BackboneOptions{.vit = vit},
                                             method.adapter ? method.adapter(vit, std::nullopt) : nullptr);
  backbone->name_tree();
  backbone->freeze_vit();
  return backbone;
}

}  // namespace

TEST_CASE("every method trains in every family, under both heads, and recompute changes no bit") {
  for (const auto& [family, vit] : families()) {
    for (const auto& [name, method] : tuned()) {
      for (const HeadKind head : {HeadKind::semantic_fpn, HeadKind::mask2former}) {
        if (!fits(method, vit)) continue;
        CAPTURE(family);
        CAPTURE(name);
        SegmentorOptions options = options_of(vit, method, head);
        const auto kept = gradients(options, DType::f32);
        options.recompute = true;
        const auto again = gradients(options, DType::f32);
        std::size_t own = 0;
        for (const auto& [path, grad] : kept) {
          if (!is_adapters(path, name)) continue;
          ++own;
          CAPTURE(path);
          REQUIRE(again.contains(path));
          CHECK(again.at(path).to_doubles() == grad.to_doubles());
        }
        CHECK(own > 0);
        CHECK(again.size() == kept.size());
      }
    }
  }
}

TEST_CASE("with frozen weights in bf16 the gradients stay within a few roundings, on a device with bf16 products too") {
  const Device cuda{Device::Kind::cuda, 0};
  for (const auto& [family, vit] : families()) {
    for (const auto& [name, method] : tuned()) {
      if (!fits(method, vit)) continue;
      for (const Device device : {Device{}, cuda}) {
        if (device.is_cuda() && !built_with_cuda()) continue;
        CAPTURE(family);
        CAPTURE(name);
        CAPTURE(device.text());
        const SegmentorOptions options = options_of(vit, method, HeadKind::semantic_fpn);
        const auto exact = gradients(options, DType::f32), rounded = gradients(options, DType::f32, true, device);
        double dot = 0, aa = 0, bb = 0;
        for (const auto& [path, grad] : exact) {
          if (!is_adapters(path, name)) continue;
          const std::vector<double> a = grad.to_doubles(), b = rounded.at(path).to_doubles();
          for (std::size_t i = 0; i < a.size(); ++i) dot += a[i] * b[i], aa += a[i] * a[i], bb += b[i] * b[i];
        }
        CHECK(dot / std::sqrt(aa * bb) > 0.99);
        CHECK(dot / std::sqrt(aa * bb) < 1);
      }
    }
  }
}

TEST_CASE("LoRA, SoMA and AdaptFormer begin as the untouched backbone, prompts do not") {
  for (const auto& [family, vit] : families()) {
    for (const auto& [name, method] : tuned()) {
      if (!fits(method, vit)) continue;
      CAPTURE(family);
      CAPTURE(name);
      const auto with = backbone_of(vit, method), without = backbone_of(vit, {});
      fill_random(without->vit(), 1, DType::f32);
      fill_random(with->vit(), 1, DType::f32);
      nn::initialise(*with, RandomKey(2), DType::f32);
      with->adapter()->start_from(with->vit(), nullptr);
      const double apart = distance(features(*with), features(*without));
      CHECK((name == "vpt" ? apart > 1e-3 : apart <= (name == "soma" ? 1e-6 : 0)));
    }
  }
}

TEST_CASE("LoRA and SoMA merged into the weights give what they gave beside them") {
  for (const auto& [family, vit] : families()) {
    for (const char* name : {"lora", "soma"}) {
      for (const DType dtype : {DType::f32, DType::f64}) {
        CAPTURE(family);
        CAPTURE(name);
        SegmentorOptions options = options_of(vit, tuned().at(name), HeadKind::semantic_fpn);
        Segmentor model(options);
        fill_random(model, 1, dtype);
        model.backbone().adapter()->start_from(model.backbone().vit(), nullptr);
        model.backbone().visit([](const std::string& path, nn::Param& p) {
          if (!p.frozen) nn::set_value(p, random_normal(RandomKey(5).child(path), p.shape, 0, 0.4, p.value.dtype()));
        });
        const std::vector<Tensor> before = features(model.backbone(), dtype);
        const auto plain = merged(model);
        REQUIRE(plain);
        CHECK(plain->backbone().adapter() == nullptr);
        CHECK(distance(features(plain->backbone(), dtype), before) < (dtype == DType::f32 ? 1e-6 : 1e-14));
        fill_random(plain->backbone().vit(), 1, dtype);
        CHECK(distance(features(plain->backbone(), dtype), before) > 1e-2);
      }
    }
  }
  Segmentor vpt(options_of(tiny_vit(), tuned().at("vpt"), HeadKind::semantic_fpn));
  fill_random(vpt, 1, DType::f32);
  CHECK_FALSE(merged(vpt));
}

TEST_CASE("SoMA takes the smallest components, from the weights or from an earlier call") {
  const auto first = backbone_of(tiny_eva02(), tuned().at("soma")),
             second = backbone_of(tiny_eva02(), tuned().at("soma"));
  for (const auto& backbone : {first.get(), second.get()}) {
    fill_random(backbone->vit(), 1, DType::f32);
    nn::initialise(*backbone, RandomKey(2), DType::f32);
  }
  first->adapter()->start_from(first->vit(), nullptr);
  const auto constants =
      nn::collect(*first->adapter(), [](const std::string&, const nn::Param& p) { return p.frozen; });
  CHECK(constants.size() == 3 * 7 * 2);       // blocks 1 to 3: q, k, v, proj, w1, w2, w3
  fill_random(second->vit(), 3, DType::f32);  // other weights: what is known is not computed again
  const nn::MapSource known(constants);
  second->adapter()->start_from(second->vit(), &known);
  second->adapter()->visit([&](const std::string& path, nn::Param& p) {
    CAPTURE(path);
    std::string start = path;
    if (!p.frozen) start.replace(start.find(".lora_"), 6, ".start_");
    CHECK(p.value.value().to_doubles() == constants.at(start).to_doubles());
    CHECK(p.value.requires_grad() == !p.frozen);
  });
  std::set<std::string> trained;
  first->vit().visit([&](const std::string& path, nn::Param& p) {
    if (!p.frozen) trained.insert(path);
  });
  CHECK(trained.contains("blocks.1.attn.q_bias"));
  CHECK(trained.contains("blocks.3.attn.v_bias"));
  CHECK(trained.contains("blocks.2.mlp.w12.bias"));
  CHECK(trained.size() == 3 * 5);
}

TEST_CASE("a branch inside LayerScale is scaled by it") {
  VitOptions vit = tiny_vit();
  std::map<bool, std::vector<Tensor>> maps;
  for (const bool outside : {true, false}) {
    const auto backbone = backbone_of(
        vit, adaptformer_method({.bottleneck = 3, .scale = 1, .dropout = 0, .outside_layer_scale = outside}));
    fill_random(*backbone, 1, DType::f32);
    maps[outside] = features(*backbone);
    backbone->vit().visit([](const std::string& path, nn::Param& p) {
      if (path.ends_with("ls2.gamma")) nn::set_value(p, Tensor::full(p.shape, 1, DType::f32));
    });
    maps[outside].push_back(features(*backbone).back());  // with gammas of 1 the two are the same
  }
  CHECK(distance({maps[true].back()}, {maps[false].back()}) < 1e-6);
  CHECK(distance({maps[true][3]}, {maps[false][3]}) > 1e-2);
}

TEST_CASE("names of adapters are known to who reads backbones") {
  for (const MethodEntry& entry : methods()) {
    const Method method = entry.make(Settings(entry.settings));
    CHECK(entry.tree.empty() == !method.adapter);
    if (method.adapter) CHECK(method.adapter(vit_large(), std::nullopt)->tree_name() == entry.tree);
  }
  CHECK(is_adapter_name("lora.blocks.0.attn.qkv.lora_A.weight"));
  CHECK_FALSE(is_adapter_name("lora_extra.weight"));
  CHECK_FALSE(is_adapter_name("blocks.0.attn.qkv.weight"));
  const Tensor one = Tensor::zeros({1}, DType::f32);
  const zoo::PrefixSource source(std::make_shared<nn::MapSource>(std::map<std::string, Tensor>{
                                     {"backbone.cls_token", one}, {"backbone.vpt.prompts", one}, {"neck.w", one}}),
                                 "backbone.");
  CHECK(source.names() == std::vector<std::string>{"cls_token"});
}

TEST_CASE("what no method can be is refused with its name and what came") {
  const auto refused = [](const Method& method, const VitOptions& vit, const char* text) {
    CAPTURE(text);
    try {
      method.adapter(vit, std::nullopt);
      CHECK(false);
    } catch (const std::invalid_argument& e) {
      CAPTURE(e.what());
      CHECK(std::string(e.what()).find(text) != std::string::npos);
    }
  };
  const VitOptions vit = tiny_vit();
  refused(lora_method({.rank = 0}), vit, "[lora] rank must be 1 to 65536, got 0");
  refused(lora_method({.alpha = std::nan("")}), vit, "[lora] alpha must be above 0");
  refused(lora_method({.targets = "qvk"}), vit, "got \"qvk\"; did you mean \"qkv\"?");
  refused(lora_method({.targets = "qkv,v"}), vit, "not both");
  refused(lora_method({.targets = "q,v,q"}), vit, "\"q\" twice");
  refused(lora_method({.targets = ""}), vit, "got \"\"");
  refused(lora_method({.first_block = 4}), vit, "one of 4 (counted from 0), got 4");
  refused(soma_method({.rank = 13, .first_block = 3}), vit, "[soma] rank must be 1 to 12 for blocks.3.attn.q, got 13");
  refused(soma_method({.rank = 2}), vit, "[soma] the first block must be one of 4 (counted from 0), got 8");
  refused(soma_method({.alpha = 0, .first_block = 0}), vit, "[soma] alpha must be above 0, got 0");
  refused(vpt_method({.prompts = 0}), vit, "[vpt] prompts must be 1 to 65536, got 0");
  refused(vpt_method({}), tiny_sam(), "[vpt] needs a backbone whose blocks take further tokens");
  refused(adaptformer_method({.bottleneck = 0}), vit, "[adaptformer] bottleneck");
  refused(adaptformer_method({.dropout = 1}), vit, "[adaptformer] dropout must be in [0, 1), got 1");
  refused(adaptformer_method({.first_block = -1}), vit, "got -1");
}
