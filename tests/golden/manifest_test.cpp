// The official models' parameters, name by name and shape by shape (golden README 15).
#include <doctest/doctest.h>

#include <cstdlib>
#include <map>

#include "models/adapters/rein_adapter.h"
#include "models/segmentor.h"
#include "models/zoo/layout.h"
#include "tests/harness/temp_folder.h"
#include "train/verify/golden_config.h"

namespace {

using namespace rein;
using namespace rein::models;

struct Published {
  const char* file;
  VitOptions vit;
  const char* method;
  std::int64_t trained;
  const char* layout = "";  // of the backbone's names, when they are not ours
};

// Our name for a parameter of theirs, and how many equal parts it has there; "" when the layout leaves it out.
zoo::Place our_place(const std::string& name, const zoo::Layout* layout) {
  const std::string backbone = "backbone.";
  if (layout == nullptr || !name.starts_with(backbone) || name.starts_with("backbone.reins.")) return {name};
  const std::string theirs = name.substr(backbone.size());
  if (layout->ignores(theirs)) return {""};
  auto place = zoo::place_of(*layout, theirs);
  if (!place) return {name};
  place->name = backbone + place->name;
  return *place;
}

TEST_CASE("the manifests of the official Mask2Former models match") {
  const char* folder = std::getenv("REIN_GOLDEN_DIR");
  if (folder == nullptr || *folder == '\0') {
    MESSAGE("SKIPPED: REIN_GOLDEN_DIR is not set");
    return;
  }
  const Published all[] = {
      {"rein_dinov2_s_mask2former", dinov2(vit_small(), 16, 32), "rein", 20608469},
      {"rein_dinov2_b_mask2former", dinov2(vit_base(), 16, 32), "rein", 22059221},
      {"rein_dinov2_l_mask2former", dinov2(vit_large(), 16, 32), "rein", 23569877},
      {"dinov2_l_mask2former_frozen", dinov2(vit_large(), 16, 32), "freeze", 20565204},
      {"dinov2_l_mask2former_full_finetune", dinov2(vit_large(), 16, 32), "full", 324764884},
      {"rein_eva02_l_mask2former", eva02(vit_large(), 16, 32), "rein", 23569877, "eva02_rein"},
  };
  for (const Published& published : all) {
    CAPTURE(published.file);
    const auto path = std::filesystem::path(folder) / "manifests" / (std::string(published.file) + ".json");
    const auto json = train::GoldenConfig::parse(test::contents_of(path), published.file);
    SegmentorOptions options;
    options.vit = published.vit;
    const zoo::Layout* layout = nullptr;
    for (const zoo::Layout& known : zoo::layouts())
      if (known.name == published.layout) layout = &known;
    const std::string method = published.method;
    options.method = method == "rein" ? rein_method({}) : method_named(method);
    options.head_kind = HeadKind::mask2former;
    Segmentor model(options);
    CHECK(model.parameter_count(true) == published.trained);
    std::map<std::string, nn::Param*> ours;
    model.visit([&](const std::string& name, nn::Param& param) { ours[name] = &param; });
    int matched = 0;
    for (const std::string& name : json.keys()) {
      const auto theirs = json.object(name);
      if (theirs.flag_or("buffer", false)) continue;  // mean and std of the images: the data room's
      CAPTURE(name);
      const zoo::Place place = our_place(name, layout);
      if (place.name.empty()) continue;
      const auto at = ours.find(place.name);
      CHECK_MESSAGE(at != ours.end(), name << " is missing");
      if (at == ours.end()) continue;
      Shape shape(std::span<const std::int64_t>(theirs.integers("shape")));
      shape = place.parts > 1 ? shape.with(0, place.parts * shape[0]) : shape;
      CHECK(at->second->file_shape() == shape);
      CHECK(!at->second->frozen == theirs.flag("trainable"));
      if (place.part == place.parts - 1) ours.erase(at);
      ++matched;
    }
    for (const auto& [name, param] : ours) CHECK_MESSAGE(false, name << " is not in the manifest");
    CHECK(matched > 300);
  }
}

}  // namespace
