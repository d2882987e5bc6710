// Gradient checks of the deformable attention layer and of a tiny pixel decoder. Their values are checked by the golden
// cases.
#include "models/cases/pixel_decoder_cases.h"

#include "models/cases/module_case.h"
#include "models/heads/pixel_decoder.h"
#include "nn/bind.h"
#include "tensor/error.h"

namespace rein::testing {

models::PixelDecoderOptions tiny_pixel_decoder() {
  models::PixelDecoderOptions o;
  o.in_channels = {5, 6, 7, 4};
  o.feat_channels = 8;
  o.out_channels = 6;
  o.heads = 2;
  o.points = 2;
  o.layers = 2;
  o.ffn_channels = 10;
  o.gn_groups = 2;
  return o;
}

Outs outputs_of(const models::PixelDecoderOut& out) {
  Outs outs{out.mask_features};
  outs.insert(outs.end(), out.memories.begin(), out.memories.end());
  return outs;
}

}  // namespace rein::testing

namespace {

using namespace rein;
using namespace rein::testing;

const Cases layer_cases(
    "ms_deform_attn_layer",
    [](CaseList& list) {
      const std::vector<ops::LevelShape> levels{{3, 4}, {2, 3}};
      const auto layer =
          std::make_shared<nn::MsDeformAttn>(nn::MsDeformAttnOptions{.dim = 6, .heads = 2, .levels = 2, .points = 3});
      const std::vector<CaseInput> inputs{normal("query", {2, 5, 6}), normal("query_pos", {2, 5, 6}),
                                          normal("value", {2, 18, 6}), uniform("reference", {2, 5, 2, 2}, 0, 1)};
      add(list, {.label = "query as identity", .module = layer, .inputs = inputs, .forward = [=](Vars v) {
                   return Outs{(*layer)(
                       {.query = v[0], .query_pos = v[1], .value = v[2], .reference_points = v[3], .levels = levels})};
                 }});
      std::vector<CaseInput> more = inputs;
      more.push_back(normal("identity", {2, 5, 6}));
      Tensor mask = Tensor::zeros({2, 18}, DType::u8);
      for (const int i : {0, 3, 17, 25}) mask.mutable_data<std::uint8_t>()[i] = 1;
      add(list, {.label = "identity, padding", .module = layer, .inputs = more, .forward = [=](Vars v) {
                   return Outs{(*layer)({.query = v[0],
                                         .query_pos = v[1],
                                         .value = v[2],
                                         .identity = v[4],
                                         .reference_points = v[3],
                                         .levels = levels,
                                         .key_padding_mask = mask})};
                 }});
    },
    "module");

const Cases decoder_cases(
    "pixel_decoder",
    [](CaseList& list) {
      for (const bool pyramid : {true, false}) {
        models::PixelDecoderOptions o = tiny_pixel_decoder();
        if (pyramid) o.factors = {1, 1, 1, 1};
        const auto decoder = std::make_shared<models::PixelDecoder>(o);
        ModuleCase c{.label = pyramid ? "a pyramid" : "maps at the patch grid",
                     .module = decoder,
                     .inputs = {},
                     .forward =
                         [decoder](Vars v) {
                           return outputs_of((*decoder)({v.begin(), v.end()}));
                         },
                     .why = "ReLU and bilinear kinks at rounding distance",
                     .f32_grad_tolerance = 1e-2,
                     .relu = true};
        for (int i = 0; i < 4; ++i) {
          const Shape shape = pyramid ? Shape{1, 8 >> i, 12 >> i, o.in_channels[static_cast<std::size_t>(i)]}
                                      : Shape{1, 2, 4, o.in_channels[static_cast<std::size_t>(i)]};
          c.inputs.push_back(normal(concat_text("map", i), shape));
        }
        add(list, std::move(c));
      }
    },
    "module");

}  // namespace
