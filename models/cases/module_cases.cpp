// Gradient checks of whole modules and of a tiny model: every parameter and the input, in f64, random values of order
// one. Their values are checked by the golden cases.
#include "autograd/ops/shape/shape.h"
#include "models/cases/module_case.h"
#include "models/cases/tiny.h"
#include "tensor/error.h"

namespace {

using namespace rein;
using namespace rein::testing;
using models::TokenState;

models::ReinOptions rein_options(std::int64_t layers, std::int64_t dim) {
  models::ReinOptions o = tiny_rein();
  o.layers = layers;
  o.dim = dim;
  return o;
}

void add_rein(CaseList& list, const std::string& label, const models::ReinOptions& o, std::int64_t prefix) {
  auto rein = std::make_shared<models::ReinAdapter>(o);
  add(list, {.label = label,
             .module = rein,
             .inputs = {normal("x", {2, prefix + 6, o.dim})},
             .forward =
                 [rein, o, prefix](Vars v) {
                   TokenState state{v[0], prefix};
                   const auto pass = rein->begin({});
                   for (int i = 0; i < static_cast<int>(o.layers); ++i) pass->after_block(i, state);
                   Outs outs{state.tokens};
                   if (pass->queries()) outs.push_back(pass->queries());
                   return outs;
                 },
             .without_gradient =
                 [o](const std::string& path) {
                   return !o.link_token_to_query && (contains(path, "transform") || contains(path, "merge"));
                 },
             .zero = [o](const std::string& path) { return o.token_length == 1 && contains(path, "token2feat"); }});
}

const Cases rein_cases(
    "rein_adapter",
    [](CaseList& list) {
      add_rein(list, "low-rank, link, one class token", rein_options(3, 8), 1);
      models::ReinOptions full = rein_options(2, 7);
      full.rank = 0;
      full.link_token_to_query = false;
      add_rein(list, "full-rank, no link, class token and two registers", full, 3);
      models::ReinOptions plain = rein_options(2, 6);
      plain.use_softmax = false;
      plain.scale_is_parameter = false;
      add_rein(list, "no softmax, constant scale, no prefix", plain, 0);
      models::ReinOptions single = rein_options(2, 6);
      single.token_length = 1;  // nothing is left to attend to: the tokens matter through the queries alone
      add_rein(list, "one token", single, 1);
      models::ReinOptions own = rein_options(3, 6);
      own.shared_mlps = false;
      add_rein(list, "own MLPs per layer, link", own, 1);
    },
    "module");

void add_block(CaseList& list, const std::string& label, const nn::BlockOptions& o) {
  auto block = std::make_shared<nn::Block>(o);
  add(list, {.label = label, .module = block, .inputs = {normal("x", {2, 7, o.dim})}, .forward = [block](Vars v) {
               return Outs{(*block)(v[0], {.training = true, .key = RandomKey(3)})};
             }});
}

const Cases block_cases(
    "vit_block",
    [](CaseList& list) {
      nn::BlockOptions o{.dim = 12, .heads = 3, .mlp_hidden = 20};
      o.eps = 0.1;
      add_block(list, "GELU, no LayerScale", o);
      o.layer_scale = true;
      o.mlp = nn::MlpKind::swiglu;
      add_block(list, "SwiGLU, LayerScale", o);
      o.mlp = nn::MlpKind::quick_gelu;
      o.qkv_bias = nn::QkvBias::none;
      o.drop_path = 0.4;
      add_block(list, "QuickGELU, no qkv bias, drop path", o);
    },
    "module");

const Cases fpn_cases(
    "semantic_fpn",
    [](CaseList& list) {
      models::SemanticFpnOptions o = tiny_segmentor("freeze").head;
      o.in_channels = 6;
      for (const bool norm : {true, false}) {
        o.neck_norm = norm;
        o.neck_bias = !norm;
        o.dropout = norm ? 0.3 : 0;
        auto head = std::make_shared<models::SemanticFpn>(o);
        ModuleCase c{.label = norm ? "neck with norm, dropout" : "neck with bias",
                     .module = head,
                     .inputs = {},
                     .forward =
                         [head](Vars v) {
                           const nn::ForwardContext context{.training = true, .key = RandomKey(5)};
                           return Outs{head->logits({{v[0], v[1], v[2], v[3]}, {}}, context)};
                         },
                     .why = "ReLU kinks at rounding distance",
                     .f32_grad_tolerance = 1e-2,
                     .relu = true};
        for (int i = 0; i < 4; ++i) c.inputs.push_back(normal(concat_text("map", i), {1, 4, 5, 6}));
        add(list, std::move(c));
      }
    },
    "module");

const Cases vit_cases(
    "vit",
    [](CaseList& list) {
      models::VitOptions o = tiny_vit();
      o.depth = 2;
      for (const std::int64_t registers : {0, 2}) {
        o.registers = registers;
        o.position_resize =
            registers == 0 ? models::PositionResize::bicubic_offset : models::PositionResize::bicubic_antialias;
        auto vit = std::make_shared<models::Vit>(o);
        add(list, {.label = registers == 0 ? "positions resized with offset" : "registers, antialiased positions",
                   .module = vit,
                   .inputs = {normal("image", {2, 8, 20, 3})},
                   .forward =
                       [vit](Vars v) {
                         models::VitOutput out = vit->forward(v[0], {}, {.out_indices = {0, 1}, .want_final = true});
                         return Outs{out.features[0], out.features[1], out.final_map};
                       },
                   .without_gradient = [](const std::string& path) { return path == "mask_token"; }});
      }
    },
    "module");

const Cases segmentor_cases(
    "segmentor",
    [](CaseList& list) {
      for (const std::string method : {"rein", "full"}) {
        const models::SegmentorOptions o = tiny_segmentor(method);
        auto model = std::make_shared<models::Segmentor>(o);
        const Tensor labels = random_labels({1, 16, 20}, o.head.classes, 9);
        add(list, {.label = method,
                   .module = model,
                   .inputs = {frozen(normal("image", {1, 16, 20, 3}))},
                   .forward =
                       [model, labels](Vars v) {
                         const nn::ForwardContext context{.training = true, .key = RandomKey(5)};
                         model->move_to(v[0].value().device());  // where its parameters are by now
                         return Outs{model->loss(context, v[0].value(), labels).total};
                       },
                   .without_gradient =
                       [](const std::string& path) {
                         return contains(path, "mask_token") || contains(path, "backbone.norm.") ||
                                contains(path, "reins.transform") || contains(path, "reins.merge");
                       },
                   .why = "ReLU kinks at rounding distance",
                   .f32_grad_tolerance = 1e-2,
                   .relu = true});
      }
    },
    "model");

}  // namespace
