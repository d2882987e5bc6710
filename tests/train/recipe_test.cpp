// The published recipes and protocols: every file of configs/ parses and builds, with the published counts, and the
// presets resize each set to the documented size and cut the documented windows.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "models/slide.h"
#include "tensor/memory.h"
#include "tests/golden/manifest_files.h"
#include "tests/harness/complaint.h"
#include "tests/train/tiny_run.h"
#include "train/config/config.h"
#include "train/run/build.h"
#include "train/score/evaluate.h"
#include "train/verify/golden_config.h"

using namespace rein;
using namespace rein::train;
namespace fs = std::filesystem;
using test::has;

namespace {

Config recipe(const std::string& name, const std::vector<std::string>& overrides = {}) {
  return read_config("configs/rein/" + name + ".toml", overrides);
}

struct Recipe {
  const char* name;
  models::VitOptions vit;  // as the file would give it after conversion
  std::int64_t trained;
  const char* manifest = "";
  const char* weights = "";  // published file of tests/golden/manifests.txt
  std::int64_t adapter = 2990081;
};
const std::vector<Recipe>& recipes() {
  const auto plain = [](models::VitOptions vit, std::int64_t grid) {
    vit.grid_height = vit.grid_width = grid;
    return vit;
  };
  const auto sam_huge = [] {
    models::VitOptions vit = models::sam(models::vit_huge(), 16, 32);
    vit.windows->table_grid = 64;  // tables of relative positions stay as they are in the file
    return vit;
  };
  using models::dinov2;
  static const std::vector<Recipe> table = {
      {"dinov2_small_mask2former_512", dinov2(models::vit_small(), 16, 32), 20608469, "rein_dinov2_s_mask2former",
       "orig_dinov2_vits14", 684033},
      {"dinov2_base_mask2former_512", dinov2(models::vit_base(), 16, 32), 22059221, "rein_dinov2_b_mask2former",
       "hf_dinov2-base", 1741569},
      {"dinov2_large_mask2former_512", dinov2(models::vit_large(), 16, 32), 23569877, "rein_dinov2_l_mask2former",
       "orig_dinov2_vitl14"},
      {"clip_large_mask2former_512", models::clip(models::vit_large(), 16, 32, true), 23569877, "",
       "openai_clip_ViT-L-14"},
      {"mae_large_mask2former_512", plain(models::vit_large(), 32), 23569877, "", "orig_mae_pretrain_vit_large"},
      // The four lateral convolutions of the pixel decoder are for 1280 channels instead of 1024.
      {"sam_huge_mask2former_512", sam_huge(), 4510721 + 20579796 + 4 * 256 * 256, "", "orig_sam_vit_h", 4510721},
      {"eva02_large_mask2former_512", models::eva02(models::vit_large(), 16, 32), 23569877, "", "orig_eva02_L_pt_p14"},
      {"dinov2_large_mask2former_1024", dinov2(models::vit_large(), 16, 64), 23569877},
      {"idda_vit_tiny_fpn", plain(models::vit_tiny(), 16), 4314388},
      {"idda_vit_tiny_mask2former", plain(models::vit_tiny(), 16), 0},
      {"custom_template", dinov2(models::vit_small(), 16, 32), 0},
  };
  return table;
}

std::string complaint(const std::vector<std::string>& overrides) {
  return test::complaint([&] { parse_config(testing::TinyRun::config(), "run.toml", overrides); });
}

data::Size size_after(const std::string& resize, data::Size photo) {
  const data::Image out = data::resize_for_evaluation(data::Image(photo.height, photo.width), parse_resize(resize));
  return {out.height, out.width};
}
std::size_t windows(data::Size size, const Preset& preset) {
  return models::slide_windows(size.height, size.width,
                               {.crop_height = preset.window,
                                .crop_width = preset.window,
                                .stride_height = preset.stride,
                                .stride_width = preset.stride})
      .size();
}

}  // namespace

TEST_CASE("every recipe parses, names descriptions that exist, and builds with the published counts") {
  int files = 0;
  for (const auto& entry : fs::directory_iterator("configs/rein")) {
    if (entry.path().extension() != ".toml") continue;
    CAPTURE(entry.path().string());
    ++files;
    const auto known = std::ranges::find(recipes(), entry.path().stem().string(), &Recipe::name);
    CHECK_MESSAGE(known != recipes().end(), "add it to this test");
  }
  CHECK(files == static_cast<int>(recipes().size()));

  const std::size_t before = memory_stats().live;
  for (const Recipe& r : recipes()) {
    CAPTURE(r.name);
    const Config c = recipe(r.name);
    const data::Description source = data::read_description(fs::path("configs/rein") / c.data.dataset);
    CHECK(source.splits.contains(c.data.split));
    for (const TargetConfig& t : c.eval.targets) {
      CAPTURE(t.name);
      const data::Description set = data::read_description(fs::path("configs/rein") / t.dataset);
      CHECK(set.splits.contains(t.split));
      CHECK_NOTHROW(data::prediction_folding(set, source.classes.names));
    }
    CHECK(r.vit.grid_height * r.vit.patch == c.model.image_size);
    for (const char* method : {"rein", "freeze", "full"}) {
      Config other = c;
      other.model.method = method;
      models::Segmentor model(segmentor_options(other, r.vit, source.classes.count()));
      if (std::string(method) == "rein" && r.trained > 0) CHECK(model.parameter_count(true) == r.trained);
    }
  }
  CHECK(memory_stats().live == before);  // counted without weights
}

TEST_CASE("what the GTAV recipes train has the names and shapes of the official models") {
  const char* folder = std::getenv("REIN_GOLDEN_DIR");
  if (folder == nullptr || *folder == '\0') {
    MESSAGE("SKIPPED: REIN_GOLDEN_DIR is not set");
    return;
  }
  for (const Recipe& r : recipes()) {
    if (*r.manifest == '\0') continue;
    CAPTURE(r.name);
    const auto path = fs::path(folder) / "manifests" / (std::string(r.manifest) + ".json");
    const GoldenConfig json = GoldenConfig::parse(test::contents_of(path), r.manifest);
    models::Segmentor model(segmentor_options(recipe(r.name), r.vit, 19));
    int trained = 0;
    model.visit([&](const std::string& name, nn::Param& p) {
      CAPTURE(name);
      const GoldenConfig theirs = json.object(name);
      CHECK(p.file_shape() == Shape(std::span<const std::int64_t>(theirs.integers("shape"))));
      CHECK(!p.frozen == theirs.flag("trainable"));
      trained += !p.frozen;
    });
    CHECK(trained > 250);
  }
}

// Files of names and shapes: they are recognised, converted and fitted to the model as real ones would be.
TEST_CASE("the GTAV recipes take the published files of the paper's backbones, and train what the paper counts") {
  const test::TempFolder folder;
  const auto manifests = test::read_manifests();
  const std::size_t before = memory_stats().live;
  for (const Recipe& r : recipes()) {
    if (*r.weights == '\0') continue;
    CAPTURE(r.name);
    Config c = recipe(r.name);
    c.model.backbone = (folder / "weights.safetensors").string();
    test::write_hollow(c.model.backbone, test::manifest_named(manifests, r.weights).tensors);
    const BackboneFile file = open_backbone(c);
    INFO(file.description);
    const models::VitOptions& o = file.weights.model.options;
    CHECK(o.patch == 16);
    CHECK(o.grid_height == 32);
    CHECK(o.grid_width == 32);
    models::Segmentor model(segmentor_options(c, o, 19)), expected(segmentor_options(c, r.vit, 19));
    CHECK(trained_counts(model).all == r.trained);
    CHECK(trained_counts(model).adapter == r.adapter);
    CHECK(trained_counts(model).vit == 0);
    CHECK(model.parameter_count() == expected.parameter_count());
    std::set<std::string> left;
    for (const std::string& name : file.weights.source->names()) left.insert(name);
    model.backbone().vit().visit([&](const std::string& path, nn::Param& param) {
      const std::string name = path.substr(path.find("backbone.") == 0 ? 9 : 0);
      CHECK_MESSAGE(left.erase(name) == 1, name << " is missing");
      if (file.weights.source->has(name)) CHECK(file.weights.source->shape(name) == param.file_shape());
    });
    CHECK(left.empty());
    CHECK(o.stem.class_token_times == (std::string(r.name).starts_with("clip") ? 2 : 1));
    CHECK((o.position_resize == models::PositionResize::bilinear) == std::string(r.name).starts_with("clip"));
    const std::vector<int> taps = r.vit.depth == 32   ? std::vector<int>{7, 15, 23, 31}
                                  : r.vit.depth == 24 ? std::vector<int>{7, 11, 15, 23}
                                                      : std::vector<int>{2, 5, 8, 11};
    CHECK(segmentor_options(c, o, 19).out_indices == taps);
    // The official code feeds every backbone images of ImageNet's mean.
    const double mean = c.model.mean.empty() ? 255 * file.weights.model.mean[0] : c.model.mean[0];
    const double deviation = c.model.std.empty() ? 255 * file.weights.model.std[2] : c.model.std[2];
    CHECK(mean == doctest::Approx(123.675));
    CHECK(deviation == doctest::Approx(57.375));
    // Another model's file is refused by every recipe that names its family.
    if (c.model.family.empty()) continue;
    test::write_hollow(c.model.backbone, test::manifest_named(manifests, "timm_vit_large_patch16_224.augreg").tensors);
    CHECK_THROWS_AS(open_backbone(c), std::runtime_error);
  }
  CHECK(memory_stats().live == before);
}

TEST_CASE("what is converted is said, and a grid only where the file has one") {
  const test::TempFolder folder;
  const auto manifests = test::read_manifests();
  const auto text = [&](const char* weights, const std::vector<std::string>& overrides) {
    Config c = recipe("dinov2_small_mask2former_512", overrides);
    c.model.backbone = (folder / "weights.safetensors").string();
    test::write_hollow(c.model.backbone, test::manifest_named(manifests, weights).tensors);
    return open_backbone(c).description;
  };
  CHECK(text("hf_dinov2-small", {}) ==
        "dinov2 (dinov2_hf): 12 blocks of 384, 6 heads, patch 14, grid 37x37; patch 14 -> 16; grid 37x37 -> 32x32");
  CHECK(text("hf_dinov3-vits16", {}) ==
        "dinov3 (dinov3_hf): 12 blocks of 384, 6 heads, patch 16, any grid, 4 registers");
  CHECK(text("hf_dinov3-vits16", {"model.patch=8"}) ==
        "dinov3 (dinov3_hf): 12 blocks of 384, 6 heads, patch 16, any grid, 4 registers; patch 16 -> 8");
  CHECK(has(text("openai_clip_ViT-B-16", {"model.layout=clip_rein"}), "clip (clip_rein)"));
  CHECK(has(text("openai_clip_ViT-B-16", {}), "clip (clip_openai)"));
}

TEST_CASE("the GTAV recipes have the published numbers") {
  for (const Recipe& r : recipes()) {
    if (*r.weights == '\0') continue;
    CAPTURE(r.name);
    const Config c = recipe(r.name);
    CHECK(c.data.root == "gtav");
    CHECK(c.model.head == "mask2former");
    CHECK(c.methods.at("rein").flag("link_queries"));
    CHECK(c.methods.at("rein").integer("token_length") == 100);
    CHECK(c.methods.at("rein").integer("rank") == 16);
    CHECK(c.methods.at("rein").number("scale") == 0.001);
    CHECK(c.data.short_edges ==
          std::vector<std::int64_t>{256, 307, 358, 409, 460, 512, 563, 614, 665, 716, 768, 819, 870, 921, 972, 1024});
    CHECK(c.data.max_long_edge == 2048);
    CHECK(c.data.cat_max_ratio == 0.75);
    CHECK(c.data.flip == 0.5);
    CHECK(c.data.photometric);
    CHECK(c.train.iterations == 40000);
    CHECK(c.train.batch == 4);
    CHECK(c.train.lr == 1e-4);
    CHECK(c.train.weight_decay == 0.05);
    CHECK(c.train.clip == 0);
    CHECK(c.train.zero_at == 39999);
    CHECK(c.eval.preset == "rein512");
    CHECK(c.eval.window == 512);
    CHECK(c.eval.stride == 341);
    REQUIRE(c.eval.targets.size() == 3);
    for (const TargetConfig& t : c.eval.targets) {
      CHECK(t.window == 512);
      CHECK(t.stride == 341);
      CHECK(t.take_every == 1);
      CHECK(t.resize.empty());  // the preset's
    }
  }
  const Config large = recipe("dinov2_large_mask2former_1024");
  CHECK(large.eval.window == 1024);
  CHECK(large.eval.stride == 683);
  CHECK(large.data.short_edges.front() == 512);
  CHECK(large.train.warmup == 10000);
}

TEST_CASE("presets: the documented size and number of windows of every set") {
  const Preset &small = *find_preset("rein512"), &large = *find_preset("rein1024"), &full = *find_preset("full-res");
  struct Row {
    const Preset& preset;
    const char* set;
    data::Size photo, resized;
    std::size_t windows;
  };
  const Row rows[] = {
      {small, "cityscapes", {1024, 2048}, {512, 1024}, 3},    {small, "bdd100k", {720, 1280}, {720, 1280}, 8},
      {small, "mapillary", {3024, 4032}, {512, 683}, 2},  // 4:3, halved to 2016 x 1512, then fitted
      {small, "mapillary", {1080, 1920}, {512, 910}, 3},  // 960 x 540
      {small, "mapillary", {4032, 3024}, {683, 512}, 2},  // upright
      {small, "mapillary_half", {1512, 2016}, {512, 683}, 2}, {small, "acdc", {1080, 1920}, {540, 960}, 6},
      {large, "cityscapes", {1024, 2048}, {1024, 2048}, 3},   {large, "acdc", {1080, 1920}, {1080, 1920}, 6},
  };
  for (const Row& row : rows) {
    CAPTURE(row.set);
    CAPTURE(row.photo.width);
    CHECK(size_after(row.preset.resize_of(row.set), row.photo) == row.resized);
    CHECK(windows(row.resized, row.preset) == row.windows);
  }
  CHECK(windows({1024, 2048}, full) == 18);
  CHECK(full.resize_of("cityscapes").empty());
}

TEST_CASE("presets: a misspelt name gets the nearest one, and a published name keeps its published windows") {
  CHECK(has(complaint({"eval.preset=rien512"}), "did you mean \"rein512\"?"));
  CHECK(has(complaint({"eval.preset=rein1042"}), "did you mean \"rein1024\"?"));
  CHECK(has(complaint({"eval.preset=fullres"}), "did you mean \"full-res\"?"));
  const std::string clash = complaint({"eval.preset=rein512"});  // the file says 32 and 24
  CHECK(has(clash, "\"eval.window\" must be 512 as eval.preset \"rein512\" says, or be left out, got 32"));
  const Config c =
      parse_config(testing::TinyRun::config(), "run.toml",
                   {"eval.preset=rein1024", "eval.window=0", "eval.stride=0", "eval.target.toy.window=64"});
  CHECK(c.eval.window == 1024);
  CHECK(c.eval.stride == 683);
  CHECK(c.eval.targets[0].window == 64);  // a target's own key
  CHECK(c.eval.targets[0].stride == 42);
  const Config again = parse_config(config_text(c), "again");
  CHECK(config_text(again) == config_text(c));
  CHECK(has(config_help(), "eval.preset = \"\"\n    published protocol: rein512, rein1024 or full-res"));
}

TEST_CASE("resizes as texts, there and back") {
  for (const char* text : {"native", "short:320", "scale:2", "scale:0.5", "fit:1024x512", "half+fit:1024x512",
                           "half+native", "half+short:7"})
    CHECK(resize_text(parse_resize(text)) == text);
  for (const char* text :
       {"", "half+", "half+half+native", "short:", "short:1.5", "scale:0", "fit:12", "fit:0x4", "halv"})
    CHECK_THROWS_AS(parse_resize(text), std::invalid_argument);
}

TEST_CASE("a target is resized by its own key, else by the preset for that set, else by the description") {
  const testing::TinyRun run;
  const auto target = [&](const std::string& set, const std::string& resize, const std::string& preset) {
    std::string text = test::contents_of(run / "set.toml");
    text.replace(text.find("\"toy\""), 5, "\"" + set + "\"");
    run.folder().write("named.toml", text + "[evaluation]\nscale = 3\n");
    TargetConfig t;
    t.name = "t";
    t.dataset = (run / "named.toml").string();
    t.root = (run / "set").string();
    t.split = "val";
    t.resize = resize;
    t.window = 32, t.stride = 24, t.take_every = 1;
    return resize_text(open_target(t, {"ground", "thing", "sky"}, 1, preset).resize);
  };
  CHECK(target("toy", "", "") == "scale:3");
  CHECK(target("toy", "", "rein512") == "scale:3");
  CHECK(target("mapillary", "", "rein512") == "half+fit:1024x512");
  CHECK(target("mapillary", "native", "rein512") == "native");
  CHECK_THROWS_WITH_AS(target("toy", "", "rein51"), doctest::Contains("did you mean \"rein512\"?"),
                       std::invalid_argument);
}

TEST_CASE("halved sets are scored at half size, and the scores say how they were made") {
  const testing::TinyRun run;
  Config c = read_config(run / "config.toml", {"eval.target.toy.resize=half+native"});
  resolve_paths(c, run / "config.toml", {run.folder().path(), run.folder().path()});
  const BuiltModel built = build_model(c, 3);
  const auto pixels = [&](const std::string& resize) {
    TargetConfig t = c.eval.targets[0];
    t.resize = resize;
    const TargetScore s = evaluate(*built.model, built.norm, open_target(t, {"ground", "thing", "sky"}, 2));
    CHECK(s.resize == resize);
    CHECK(s.dataset == "toy");
    CHECK(protocol_text(s) == "labels of toy, " + resize + ", windows 32/24");
    CHECK(has(scores_to_json({s}), "\"resize\":\"" + resize + "\",\"window\":32,\"stride\":24"));
    std::int64_t sum = 0;
    for (const ClassScore& k : s.score.classes) sum += k.label_pixels;
    return sum;
  };
  CHECK(pixels("native") == 3 * 40 * 52);
  CHECK(pixels("half+native") == 3 * 20 * 26);
  CHECK(pixels("half+scale:2") == 3 * 20 * 26);
}
