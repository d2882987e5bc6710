// Gradient checks of tiny models of the families with rotary positions: EVA-02 and DINOv3. Values: golden cases.
#include "autograd/ops/elementwise/elementwise.h"
#include "models/cases/module_case.h"
#include "models/cases/tiny_families.h"
#include "tensor/error.h"

namespace {

using namespace rein;
using namespace rein::testing;

// The key's rows of qkv.weight get a gradient, a key bias does not exist: nothing is declared zero.
void add_vit(CaseList& list, const std::string& label, const models::VitOptions& o, const Shape& image) {
  auto vit = std::make_shared<models::Vit>(o);
  add(list, {.label = label, .module = vit, .inputs = {normal("image", image)}, .forward = [vit, o](Vars v) {
               models::VitOutput out = vit->forward(v[0], {}, {.out_indices = {0, 1}, .want_final = o.final_norm});
               Outs outs = out.features;
               if (out.final_map) outs.push_back(out.final_map);
               return outs;
             }});
}

const Cases eva02_cases(
    "eva02",
    [](CaseList& list) {
      models::VitOptions o = tiny_eva02();
      o.depth = 2;
      add_vit(list, "native grid, norm in the MLP", o, {2, 12, 12, 3});
      o.mlp_norm = false;
      o.position_resize = models::PositionResize::bicubic_antialias;
      add_vit(list, "antialiased positions, no norm in the MLP", o, {2, 8, 20, 3});
    },
    "module");

const Cases dinov3_cases(
    "dinov3",
    [](CaseList& list) {
      models::VitOptions o = tiny_dinov3();
      o.depth = 2;
      add_vit(list, "plain MLP", o, {2, 8, 20, 3});
      o.mlp = nn::MlpKind::swiglu;
      add_vit(list, "gated MLP", o, {2, 12, 8, 3});
    },
    "module");

const Cases giant_cases(
    "dinov2_giant",
    [](CaseList& list) {
      models::VitOptions o = tiny_vit();
      o.depth = 2;
      o.registers = 4;
      o.mask_token = false;
      o.mlp = nn::MlpKind::swiglu;
      o.position_resize = models::PositionResize::bicubic_antialias;
      add_vit(list, "registers, gated MLP", o, {2, 8, 20, 3});
    },
    "module");

}  // namespace
