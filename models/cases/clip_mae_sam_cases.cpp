// Gradient checks of tiny CLIP, MAE and SAM encoders, and of SAM's blocks: image, every parameter, in f64. Their values
// are checked by the golden cases.
#include "models/cases/module_case.h"
#include "models/cases/tiny_clip_mae_sam.h"
#include "tensor/error.h"

namespace {

using namespace rein;
using namespace rein::testing;

void add_vit(CaseList& list, const std::string& label, const models::VitOptions& o, std::int64_t height,
             std::int64_t width) {
  auto vit = std::make_shared<models::Vit>(o);
  add(list,
      {.label = label, .module = vit, .inputs = {normal("image", {2, height, width, 3})}, .forward = [vit, o](Vars v) {
         models::VitOutput out = vit->forward(v[0], {}, {.out_indices = {1, 3}, .want_final = o.final_norm});
         Outs outs{out.features[0], out.features[1]};
         if (out.final_map) outs.push_back(out.final_map);
         return outs;
       }});
}

const Cases clip_cases(
    "clip",
    [](CaseList& list) {
      add_vit(list, "bicubic positions", tiny_clip(), 8, 20);
      add_vit(list, "as the official Rein", tiny_clip(true), 20, 8);
    },
    "module");

const Cases mae_cases(
    "mae", [](CaseList& list) { add_vit(list, "bicubic positions", tiny_mae(), 8, 20); }, "module");

const Cases sam_cases(
    "sam",
    [](CaseList& list) {
      add_vit(list, "another map, windows beyond it", tiny_sam(), 12, 20);
      add_vit(list, "its own map", tiny_sam(), 16, 16);
    },
    "module");

const Cases window_cases(
    "window_attention",
    [](CaseList& list) {
      for (const std::int64_t side : {0, 2, 3, 8}) {
        nn::BlockOptions o{.dim = 6, .heads = 3, .mlp_hidden = 7};
        o.eps = 0.1;
        o.windows = nn::WindowOptions{side, 3, 4};
        auto block = std::make_shared<nn::Block>(o);
        add(list, {.label = side == 0 ? std::string("whole map, tables resized") : concat_text("windows of ", side),
                   .module = block,
                   .inputs = {normal("x", {2, 4 * 5, o.dim})},
                   .forward = [block](Vars v) {
                     nn::BlockSite site;
                     site.grid_height = 4, site.grid_width = 5;
                     return Outs{(*block)(v[0], {}, site)};
                   }});
      }
    },
    "module");

}  // namespace
