// An exported file holds the ViT under its layout's names: every layout comes back as it was read from its own file.
#include <doctest/doctest.h>

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "models/cases/tiny_clip_mae_sam.h"
#include "models/zoo/export.h"
#include "tests/train/tiny_run.h"
#include "train/export/export.h"

using namespace rein;
using namespace rein::train;
namespace zoo = models::zoo;

namespace {

std::vector<models::VitOptions> candidates() {
  models::VitOptions plain_eva = testing::tiny_eva02(), gated = testing::tiny_dinov3();
  plain_eva.mlp_norm = false;
  gated.mlp = nn::MlpKind::swiglu;
  return {testing::tiny_eva02(),
          plain_eva,
          testing::tiny_dinov3(),
          gated,
          testing::tiny_clip(),
          testing::tiny_clip(true),
          testing::tiny_mae(),
          testing::tiny_sam(),
          models::dinov2(testing::tiny_size(), 4, 3),
          models::dinov2(testing::tiny_size(), 4, 3, 2)};
}

// Random weights of these options in a file of the layout; false when the layout has no such models.
bool write_backbone(const std::filesystem::path& path, const zoo::Layout& layout, const models::VitOptions& options) {
  models::Vit vit(options);
  vit.name_tree();
  nn::initialise(vit, RandomKey(1), DType::f32);
  zoo::Weights weights;
  weights.model.layout = &layout;
  weights.source = std::make_shared<nn::MapSource>(nn::collect(vit, {}));
  try {
    write_safetensors_streamed(path, zoo::as_layout(weights, layout, DType::f32));
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

std::optional<LoadedModel> model_on(const testing::TinyRun& run, const zoo::Layout& layout,
                                    const models::VitOptions& vit) {
  if (!write_backbone(run / "family.safetensors", layout, vit)) return std::nullopt;
  LoadedModel m;
  m.config =
      read_config(run / "config.toml", {"model.backbone=family.safetensors", "model.layout=" + std::string(layout.name),
                                        "model.heads=" + std::to_string(vit.heads), "model.head=semantic_fpn"});
  resolve_paths(m.config, run / "config.toml", {run.folder().path(), run.folder().path()});
  m.info.backbone_file = "family.safetensors";
  m.info.classes = {{"ground", "thing", "sky"}, data::default_palette(3)};
  try {
    m.built = build_model(m.config, 3);
  } catch (const std::exception&) {
    return std::nullopt;
  }
  return m;
}

}  // namespace

TEST_CASE("every layout") {
  const testing::TinyRun run;
  const Tensor image = random_normal(RandomKey(4), Shape{1, 40, 32, 3}, 0, 1, DType::f32);
  for (const zoo::Layout& layout : zoo::layouts()) {
    CAPTURE(layout.name);
    int models = 0;
    for (const models::VitOptions& vit : candidates()) {
      const std::optional<LoadedModel> ours = model_on(run, layout, vit);
      if (!ours) continue;
      ++models;
      export_model(*ours, run / "family.rein", true);
      const LoadedModel back = open_exported(run / "family.rein");
      const Tensor a = ours->built.model->scores(image), b = back.built.model->scores(image);
      CHECK(a.shape() == b.shape());
      CHECK(std::memcmp(a.raw(), b.raw(), a.bytes()) == 0);
      CHECK(back.built.model->options().vit.grid_height == ours->built.model->options().vit.grid_height);
    }
    CHECK(models > 0);
  }
}
