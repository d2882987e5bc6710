// Gradient checks of the tuning methods inside tiny frozen ViTs of several families: every trained parameter, and the
// image. Values: golden cases lora_vit, vpt_vit, adaptformer_vit, soma_vit.
#include "models/adapters/adaptformer.h"
#include "models/adapters/lora.h"
#include "models/adapters/soma.h"
#include "models/adapters/vpt.h"
#include "models/cases/module_case.h"
#include "models/cases/tiny_clip_mae_sam.h"
#include "models/cases/tiny_families.h"
#include "tensor/error.h"

namespace {

using namespace rein;
using namespace rein::testing;
using models::VitOptions;

void add_method(CaseList& list, const std::string& label, VitOptions vit, const models::Method& method,
                const Shape& image, bool relu = false) {
  vit.depth = 2;
  models::BackboneOptions options;
  options.vit = vit;
  options.out_indices = {0, 1};
  auto backbone = std::make_shared<models::Backbone>(options, method.adapter(vit, std::nullopt));
  backbone->freeze_vit();
  add(list, {.label = label,
             .module = backbone,
             .inputs = {normal("image", image)},
             .forward =
                 [backbone](Vars v) {
                   return Outs{backbone->forward(v[0], {.training = true, .key = RandomKey(3)}).features};
                 },
             .why = relu ? "ReLU kinks at rounding distance" : "",
             .f32_grad_tolerance = relu ? 1e-2 : 5e-4,
             .relu = relu});
}

VitOptions with_registers() {
  VitOptions vit = tiny_vit();
  vit.registers = 2;
  return vit;
}

const Cases lora_cases(
    "lora",
    [](CaseList& list) {
      const auto lora = [](const char* targets, std::int64_t rank, std::int64_t first_block) {
        return models::lora_method({.rank = rank, .alpha = 3, .targets = targets, .first_block = first_block});
      };
      add_method(list, "packed qkv", tiny_vit(), lora("auto", 3, 0), {2, 8, 12, 3});
      add_method(list, "q, k and v apart, gated MLP", tiny_eva02(), lora("auto", 2, 0), {1, 12, 8, 3});
      add_method(list, "v, q, proj, fc1 and fc2, rank 1, last block", tiny_dinov3(), lora("v,q,proj,fc1,fc2", 1, 1),
                 {2, 8, 8, 3});
      add_method(list, "windows with places outside the map", tiny_sam(), lora("qkv,proj", 2, 0), {1, 12, 20, 3});
    },
    "module");

const Cases soma_cases(
    "soma",
    [](CaseList& list) {
      const auto soma = [](const char* targets, std::int64_t rank, std::int64_t first_block) {
        return models::soma_method({.rank = rank, .alpha = 3, .targets = targets, .first_block = first_block});
      };
      const char* all = "q,k,v,proj,fc1,fc2";
      // A key's bias shifts all logits of a query alike: the gradient of the packed bias is not zero for q and v.
      add_method(list, "all matrices of the last block", with_registers(), soma(all, 2, 1), {2, 8, 12, 3});
      add_method(list, "gated MLP, biases of q and v alone", tiny_eva02(), soma(all, 1, 1), {1, 12, 8, 3});
      add_method(list, "windows with places outside the map", tiny_sam(), soma("v,fc2", 3, 0), {1, 12, 20, 3});
    },
    "module");

const Cases vpt_cases(
    "vpt",
    [](CaseList& list) {
      add_method(list, "class token and registers", with_registers(), models::vpt_method({.prompts = 3}),
                 {2, 8, 12, 3});
      add_method(list, "one prompt, rotary positions, last block", tiny_dinov3(),
                 models::vpt_method({.prompts = 1, .first_block = 1}), {2, 12, 8, 3});
      add_method(list, "shallow", tiny_clip(), models::vpt_method({.prompts = 2, .deep = false}), {1, 8, 12, 3});
    },
    "module");

const Cases adaptformer_cases(
    "adaptformer",
    [](CaseList& list) {
      add_method(list, "outside LayerScale, dropout", with_registers(),
                 models::adaptformer_method({.bottleneck = 5, .scale = 0.7, .dropout = 0.3}), {2, 8, 12, 3}, true);
      add_method(list, "inside LayerScale, last block", tiny_vit(),
                 models::adaptformer_method(
                     {.bottleneck = 1, .scale = 1.5, .dropout = 0, .outside_layer_scale = false, .first_block = 1}),
                 {1, 12, 8, 3}, true);
      add_method(list, "windows", tiny_sam(), models::adaptformer_method({.bottleneck = 4, .scale = 0.7, .dropout = 0}),
                 {1, 12, 8, 3}, true);
    },
    "module");

}  // namespace
