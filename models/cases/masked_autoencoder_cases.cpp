// Gradient checks of the masked autoencoder: every parameter of encoder and decoder.
#include "models/cases/masked_autoencoder_cases.h"

#include "models/cases/module_case.h"
#include "models/pretraining/masked_autoencoder.h"
#include "nn/bind.h"

namespace rein::testing {

models::MaskedAutoencoderOptions tiny_masked_autoencoder() {
  models::MaskedAutoencoderOptions o;
  o.vit.patch = 2;
  o.vit.grid_height = 2;
  o.vit.grid_width = 3;
  o.vit.dim = 8;
  o.vit.depth = 2;
  o.vit.heads = 2;
  o.vit.layer_scale = true;
  o.vit.mask_token = true;
  o.vit.eps = 0.1;
  o.decoder_dim = 4;
  o.decoder_depth = 1;
  return o;
}

}  // namespace rein::testing

namespace {

using namespace rein;
using namespace rein::testing;

const Cases cases(
    "masked_autoencoder",
    [](CaseList& list) {
      for (const bool all : {false, true}) {
        models::MaskedAutoencoderOptions o = tiny_masked_autoencoder();
        o.all_patches = all;
        o.whole_photo = all;
        o.variance_floor = all ? 0.3 : 1e-6;
        auto model = std::make_shared<models::MaskedAutoencoder>(o);
        const models::PatchMask mask = models::random_mask(RandomKey(5), 2, 0, 6, 0.6);
        add(list,
            {.label = all ? "two of six patches seen, all predicted" : "two of six patches seen, the others predicted",
             .module = model,
             .inputs = {frozen(normal("image", {2, 4, 6, 3})), frozen(normal("target", {2, 4, 6, 3}))},
             .forward =
                 [model, mask](Vars v) {
                   const Device device = v[0].value().device();
                   const models::PatchMask there{mask.visible.to(device), mask.hidden.to(device),
                                                 mask.places.to(device)};
                   return Outs{model->loss(v[0], v[1], there, {.training = true})};
                 },
             // DINOv2's files have one; nothing uses it.
             .without_gradient = [](const std::string& path) { return path == "encoder.mask_token"; }});
      }
    },
    "model");

}  // namespace
