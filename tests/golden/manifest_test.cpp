// The official models' parameters, name by name and shape by shape (golden README 15).
#include <doctest/doctest.h>

#include <cstdlib>
#include <map>

#include "models/segmentor.h"
#include "tests/harness/temp_folder.h"
#include "train/golden_config.h"

namespace {

using namespace rein;
using namespace rein::models;

struct Published {
  const char* file;
  VitOptions vit;
  Method method;
  std::int64_t trained;
};

TEST_CASE("the manifests of the official Mask2Former models match") {
  const char* folder = std::getenv("REIN_GOLDEN_DIR");
  if (folder == nullptr || *folder == '\0') {
    MESSAGE("SKIPPED: REIN_GOLDEN_DIR is not set");
    return;
  }
  const Published all[] = {
      {"rein_dinov2_s_mask2former", vit_small(), Method::rein, 20608469},
      {"rein_dinov2_b_mask2former", vit_base(), Method::rein, 22059221},
      {"rein_dinov2_l_mask2former", vit_large(), Method::rein, 23569877},
      {"dinov2_l_mask2former_frozen", vit_large(), Method::freeze, 20565204},
      {"dinov2_l_mask2former_full_finetune", vit_large(), Method::full, 324764884},
  };
  for (const Published& published : all) {
    CAPTURE(published.file);
    const auto path = std::filesystem::path(folder) / "manifests" / (std::string(published.file) + ".json");
    const auto json = train::GoldenConfig::parse(test::contents_of(path), published.file);
    SegmentorOptions options;
    options.vit = dinov2(published.vit, 16, 32);
    options.method = published.method;
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
      const auto at = ours.find(name);
      CHECK_MESSAGE(at != ours.end(), name << " is missing");
      if (at == ours.end()) continue;
      CHECK(at->second->file_shape() == Shape(std::span<const std::int64_t>(theirs.integers("shape"))));
      CHECK(!at->second->frozen == theirs.flag("trainable"));
      ours.erase(at);
      ++matched;
    }
    for (const auto& [name, param] : ours) CHECK_MESSAGE(false, name << " is not in the manifest");
    CHECK(matched > 300);
  }
}

}  // namespace
