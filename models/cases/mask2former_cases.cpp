// Gradient checks of Mask2Former's parts and of the whole head, with the attention masks, points and matches fixed.
#include "models/cases/module_case.h"
#include "models/cases/tiny.h"
#include "models/heads/mask2former.h"
#include "nn/multihead_attention.h"
#include "tensor/error.h"

namespace {

using namespace rein;
using namespace rein::testing;

// About a third of the keys blocked; query 0 of image 0 sees only key 1; `closed`: query 1 of image 0 sees none.
Tensor some_mask(const Shape& shape, bool closed, Device device) {
  Tensor mask = Tensor::empty(shape, DType::u8);
  std::uint8_t* m = mask.mutable_data<std::uint8_t>();
  const std::int64_t keys = shape[-1];
  for (std::int64_t i = 0; i < mask.count(); ++i) {
    const std::int64_t row = i / keys, key = i % keys;
    m[i] = RandomKey(8).below(static_cast<std::uint64_t>(i), 3) == 0 && key != row % keys;
    if (row == 0) m[i] = key != std::min<std::int64_t>(1, keys - 1);
    if (row == 1 && closed) m[i] = 1;
  }
  return mask.to(device);
}

const Cases attention_cases(
    "multihead_attention",
    [](CaseList& list) {
      for (const bool masked : {false, true}) {
        auto module = std::make_shared<nn::MultiheadAttention>(12, 3);
        add(list, {.label = masked ? "keys blocked" : "all keys seen",
                   .module = module,
                   .inputs = {normal("q", {2, 4, 12}), normal("k", {2, 6, 12}), normal("v", {2, 6, 12})},
                   .forward = [module, masked](Vars v) {
                     return Outs{(*module)(v[0], v[1], v[2],
                                           masked ? some_mask({2, 4, 6}, false, v[0].value().device()) : Tensor{})};
                   }});
      }
    },
    "module");

const Cases decoder_cases(
    "transformer_decoder",
    [](CaseList& list) {
      for (const bool recompute : {false, true}) {
        auto decoder = std::make_shared<models::TransformerDecoder>(
            models::TransformerDecoderOptions{.layers = 3, .dim = 12, .heads = 3, .ffn_channels = 10});
        add(list, {.label = recompute ? "recomputed" : "plain",
                   .module = decoder,
                   .inputs = {normal("x", {2, 4, 12}), normal("position", {4, 12}), normal("key0", {2, 3, 12}),
                              normal("value0", {2, 3, 12}), normal("key1", {2, 8, 12}), normal("value1", {2, 8, 12})},
                   .forward =
                       [decoder, recompute](Vars v) {
                         const auto mask = [](std::int64_t layer, const Variable& x) {
                           return some_mask({2, 4, layer % 2 == 0 ? 3 : 8}, false, x.value().device());
                         };
                         return (*decoder)(v[0], v[1], {{v[2], v[3]}, {v[4], v[5]}}, mask, recompute);
                       },
                   .why = "ReLU kinks at rounding distance",
                   .f32_grad_tolerance = 1e-2,
                   .relu = true});
      }
    },
    "module");

const Cases head_cases(
    "mask2former",
    [](CaseList& list) {
      for (const bool rein : {true, false}) {
        models::Mask2FormerOptions o = tiny_mask2former();
        o.in_channels = 5;
        o.rein_queries = rein;
        auto head = std::make_shared<models::Mask2Former>(o);
        head->decide({.attention_mask = [](std::int64_t, const Tensor& own) {
          return some_mask(own.shape(), true, own.device());
        }});
        const Tensor labels = random_labels({2, 12, 16}, o.classes, 9);
        ModuleCase c{.label = rein ? "Rein's queries, losses" : "query tables, losses",
                     .module = head,
                     .inputs = {},
                     .forward =
                         [head, labels, rein](Vars v) {
                           const nn::ForwardContext context{.training = true, .key = RandomKey(5)};
                           models::HeadInput input{{v[0], v[1], v[2], v[3]}, rein ? v[4] : Variable{}};
                           Outs outs;
                           for (const auto& [name, term] : head->loss(input, labels, {}, context).terms)
                             outs.push_back(term);
                           return outs;
                         },
                     .why = "ReLU kinks and bilinear cells at rounding distance",
                     .f32_grad_tolerance = 5e-2,
                     .relu = true};
        for (int i = 0; i < 4; ++i) c.inputs.push_back(normal(concat_text("map", i), {2, 4, 6, 5}));
        if (rein) c.inputs.push_back(normal("queries", {o.queries, o.feat_channels}));
        add(list, std::move(c));
      }
    },
    "module");

}  // namespace
