// Procedural scenes: the same bits everywhere, exact labels, every class, styles that differ, a folder that reads back.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "data/scenes/folder.h"
#include "data/scenes/kept_scenes.h"
#include "data/scenes/render/develop.h"
#include "data/scenes/render/raster.h"
#include "data/sets/dataset.h"
#include "tensor/parallel.h"
#include "tests/harness/temp_folder.h"

namespace rein::data::scenes {
namespace {

constexpr Size small{48, 96};

TEST_CASE("a scene depends on style, seed and index alone") {
  const Style& style = find_style("game");
  std::vector<Scene> alone;
  for (std::int64_t i = 0; i < 6; ++i) alone.push_back(render(style, 3, i, small));
  std::vector<Scene> together(6);
  parallel_for(6, [&](std::int64_t i) { together[static_cast<std::size_t>(5 - i)] = render(style, 3, 5 - i, small); });
  for (std::size_t i = 0; i < alone.size(); ++i) {
    CHECK(alone[i].image.pixels == together[i].image.pixels);
    CHECK(alone[i].labels.ids == together[i].labels.ids);
  }
  CHECK(render(style, 4, 0, small).labels.ids != alone[0].labels.ids);
  CHECK(alone[1].labels.ids != alone[0].labels.ids);
}

TEST_CASE("every class occurs, and labels stay in range") {
  std::array<int, 256> scenes_with{};
  constexpr int count = 60;
  for (std::int64_t i = 0; i < count; ++i) {
    const Scene scene = render(find_style("overcast"), 1, i, small);
    std::set<int> here(scene.labels.ids.begin(), scene.labels.ids.end());
    for (const int id : here) ++scenes_with[static_cast<std::size_t>(id)];
  }
  for (std::size_t id = 0; id < 256; ++id) {
    CAPTURE(id);
    if (id < 19 || id == ignore_id)
      CHECK(scenes_with[id] >= 3);
    else
      CHECK(scenes_with[id] == 0);
  }
}

TEST_CASE("the styles differ, in groups that do not overlap") {
  std::set<std::string_view> names;
  std::array<int, 3> groups{};
  std::vector<Image> pictures;
  for (const Style& style : all_styles()) {
    CHECK(names.insert(style.name).second);
    CHECK(!style.text.empty());
    CHECK(&find_style(style.name) == &style);
    ++groups[static_cast<std::size_t>(style.group)];
    pictures.push_back(render(style, 5, 2, small).image);
  }
  CHECK(groups[0] >= 1);
  CHECK(groups[1] >= 6);
  CHECK(groups[2] >= 8);
  for (std::size_t a = 0; a < pictures.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) {
      double difference = 0;
      for (std::size_t i = 0; i < pictures[a].pixels.size(); ++i)
        difference += std::abs(pictures[a].pixels[i] - pictures[b].pixels[i]);
      CAPTURE(all_styles()[a].name);
      CAPTURE(all_styles()[b].name);
      CHECK(difference / static_cast<double>(pictures[a].pixels.size()) > 4);
    }
}

TEST_CASE("styles with the same camera show the same street") {
  const auto fog = render(find_style("fog"), 8, 1, small), rain = render(find_style("rain"), 8, 1, small);
  CHECK(fog.labels.ids == rain.labels.ids);
  CHECK(fog.image.pixels != rain.image.pixels);
}

Camera plain_camera(int height, int width) {
  Camera c;
  c.position = {0.3f, 1.4f, 0};
  c.right = {1, 0, 0};
  c.up = {0, 1, 0};
  c.ahead = {0, 0, 1};
  c.focal = 70;
  c.centre_x = static_cast<float>(width) / 2;
  c.centre_y = static_cast<float>(height) / 2;
  c.width = width;
  c.height = height;
  return c;
}

TEST_CASE("a sample sees a thing exactly where its ray meets it") {
  const Camera camera = plain_camera(60, 90);
  World world;
  Builder b(world, {0, 0, 0});
  const auto one = b.surface({Material::plain, wall, {}, {}, 0, 0, 0}),
             two = b.surface({Material::plain, pole, {}, {}, 0, 0, 0});
  b.quad(one, {-1.21f, 0.2f, 6}, {1.7f, 0.2f, 6}, {1.7f, 2.4f, 6}, {-1.21f, 2.4f, 6});
  b.capsule(two, {1.2f, 0, 5}, {-0.4f, 2.2f, 4}, 0.3f);
  const Visible seen = rasterise(world, camera);
  int wrong = 0, hits[2] = {0, 0};
  for (int y = 0; y < camera.height; ++y)
    for (int x = 0; x < camera.width; ++x) {
      const Vec3 ray = camera.ray(static_cast<float>(x) + 0.5f, static_cast<float>(y) + 0.5f);
      const Vec3 p = camera.position + ray * 6;
      const bool quad = p.x > -1.21f && p.x < 1.7f && p.y > 0.2f && p.y < 2.4f;
      // The capsule by brute force: the closest that the ray comes to points of its axis.
      float closest = 1e9f;
      for (int i = 0; i <= 400; ++i) {
        const Vec3 c = mix(Vec3{1.2f, 0, 5}, Vec3{-0.4f, 2.2f, 4}, static_cast<float>(i) / 400) - camera.position;
        closest = std::min(closest, length(c - ray * (dot(c, ray) / dot(ray, ray))));
      }
      const bool rod = closest < 0.3f, unsure = std::abs(closest - 0.3f) < 1e-3f;
      const std::int32_t expected = rod ? 1 : quad ? 0 : no_primitive;
      const std::int32_t got = seen.primitive[static_cast<std::size_t>(y * camera.width + x)];
      if (!unsure && got != expected) ++wrong;
      if (got >= 0) ++hits[got];
    }
  CHECK(wrong == 0);
  CHECK(hits[0] > 300);
  CHECK(hits[1] > 300);
}

TEST_CASE("a pixel has the label of most of its samples, of two the nearer") {
  Samples s;
  s.width = 6;
  s.height = 2;
  s.label = {car, car, sky, pole, person, pole, road, car, sky, pole, rider, bus};
  s.nearness = {1, 1, 0, 0.5f, 0.1f, 0.2f, 1, 1, 0, 0.5f, 0.3f, 0.1f};
  s.colour.assign(12, Colour{0.25f, 0.5f, 1});
  s.ground.assign(12, 1);
  LabelMap labels(1, 3);
  const Picture picture = resolve(s, labels);
  CHECK(labels.ids == std::vector<std::uint8_t>{car, pole, rider});
  CHECK(picture.pixels[1].y == 0.5f);
  CHECK(picture.wet[0] == 1);
}

TEST_CASE("a folder of scenes is a data set, goes on where it was, and refuses to be mixed") {
  const test::TempFolder folder;
  const auto out = folder / "set";
  const Style* styles[] = {&find_style("game"), &find_style("night")};
  FolderOptions options;
  options.count = 3;
  options.seed = 11;
  options.size = small;
  std::int64_t last = 0;
  CHECK(write_folder(out, styles, options, [&](std::int64_t done, std::int64_t) { last = done; }) == 6);
  CHECK(last == 6);
  const auto night = open_dataset((out / "dataset.toml").string(), out, "night");
  REQUIRE(night->size() == 3);
  const Sample sample = night->read(1);
  const Scene scene = render(*styles[1], 11, 1, small);
  CHECK(sample.image.pixels == scene.image.pixels);
  CHECK(sample.label.ids == scene.labels.ids);
  CHECK(open_dataset((out / "dataset.toml").string(), out, "all")->size() == 6);

  std::filesystem::remove(out / "labels/game/000002.png");  // as a killed call leaves it
  CHECK(write_folder(out, styles, options) == 1);
  options.count = 4;
  const Style* fog[] = {&find_style("fog")};
  CHECK(write_folder(out, fog, options) == 4);
  CHECK(open_dataset((out / "dataset.toml").string(), out, "all")->size() == 10);

  options.seed = 12;
  CHECK_THROWS_WITH_AS(write_folder(out, fog, options), doctest::Contains("holds other scenes"), std::runtime_error);
  folder.write("note.txt", "mine");
  CHECK_THROWS_WITH_AS(write_folder(folder.path(), fog, options), doctest::Contains("is not empty"),
                       std::runtime_error);
}

TEST_CASE("kept scenes are those that would be rendered, each rendered once, and made anew where a file is broken") {
  const test::TempFolder folder;
  const auto place = folder / "kept";
  const Split split{{&find_style("fog"), &find_style("game")}, 5, 11, small};
  const auto files = [&] {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(place))
      if (entry.is_regular_file()) found.push_back(entry.path());
    std::ranges::sort(found);
    return found;
  };
  const auto same = [&](std::int64_t i) {
    const Scene kept = KeptScenes(split, place).render(i), fresh = render(split, i);
    CHECK(kept.image.pixels == fresh.image.pixels);
    CHECK(kept.labels.ids == fresh.labels.ids);
    CHECK(kept.labels.height == fresh.labels.height);
    CHECK(kept.labels.width == fresh.labels.width);
  };
  same(2);
  CHECK(files().size() == 2);
  const auto written = std::filesystem::last_write_time(files()[0]);
  same(2);  // read
  CHECK(std::filesystem::last_write_time(files()[0]) == written);
  same(3);  // another style
  CHECK(files().size() == 4);
  for (const auto& file : files()) {
    std::filesystem::resize_file(file, 20);
    same(2);
    same(3);
  }
  Split other = split;
  other.size = {32, 64};
  CHECK(KeptScenes(other, place).render(2).image.height == 32);  // has a folder of its own
  same(2);
  CHECK(files().size() == 6);
  folder.write("file", "");
  CHECK_THROWS_WITH_AS(KeptScenes(split, folder / "file").render(0), doctest::Contains("file"), std::runtime_error);
}

TEST_CASE("a description may have scenes instead of files") {
  const auto described = [](const std::string& splits, const std::string& map = "") {
    return parse_description(
        "name = \"s\"\nclasses = \"cityscapes\"\n" + splits + "[labels]\nencoding = \"index\"\n" + map, "s.toml");
  };
  const Dataset set(described("[splits.mixed]\nscenes = [\"fog\", \"source\"]\ncount = 7\nseed = 5\nsize = [32, 48]\n"),
                    "", "mixed");
  REQUIRE(set.size() == 7);
  const Sample fourth = set.read(3);
  CHECK(fourth.name == "game/000003");
  const Scene scene = render(find_style("game"), 5, 3, Size{32, 48});
  CHECK(fourth.image.pixels == scene.image.pixels);
  CHECK(fourth.label.ids == scene.labels.ids);
  CHECK_THROWS_AS(set.read(7), std::invalid_argument);

  // Raw ids go through the set's label map like those of files.
  std::string map = "other = \"ignore\"\n[labels.map]\nroad = [0, 1]\n";
  const Dataset folded(described("[splits.a]\nscenes = \"game\"\nseed = 5\nsize = [32, 48]\n", map), "", "a");
  const Sample flat = folded.read(3);
  for (std::size_t i = 0; i < flat.label.ids.size(); ++i)
    CHECK(flat.label.ids[i] == (scene.labels.ids[i] <= 1 ? 0 : ignore_id));

  const std::pair<const char*, const char*> wrong[] = {
      {"[splits.a]\nscenes = \"foggy\"\n", "did you mean \"fog\""},
      {"[splits.a]\nscenes = []\n", "names no style"},
      {"[splits.a]\nscenes = \"fog\"\ncount = 0\n", "splits.a.count"},
      {"[splits.a]\nscenes = \"fog\"\nsize = [4, 128]\n", "within 16"},
      {"[splits.a]\nscenes = \"fog\"\nsede = 1\n", "did you mean \"seed\""},
  };
  for (const auto& [text, part] : wrong) {
    CAPTURE(text);
    CHECK_THROWS_WITH_AS(described(text), doctest::Contains(part), std::runtime_error);
  }
}

TEST_CASE("the shipped description of scenes opens, and training shares no street with evaluation") {
  const auto train = open_dataset("scenes", "", "train");
  CHECK(train->size() == 2000);
  for (const auto& [name, split] : train->description().splits) {
    CAPTURE(name);
    REQUIRE(split.scenes);
    CHECK((name == "train" || split.scenes->seed != train->description().splits.at("train").scenes->seed));
    if (name != "pretraining") continue;
    for (const Style* style : split.scenes->styles) CHECK(style->group == Group::pretraining);
  }
  for (const Style& style : target_styles()) CHECK(train->description().splits.contains(std::string(style.name)));
}

TEST_CASE("bad requests are refused with what would be right") {
  CHECK_THROWS_WITH_AS(find_style("nigth"), doctest::Contains("did you mean \"night\""), std::invalid_argument);
  CHECK_THROWS_AS(render(find_style("game"), 0, -1, small), std::invalid_argument);
  CHECK_THROWS_WITH_AS(render(find_style("game"), 0, 0, Size{8, 64}), doctest::Contains("16"), std::invalid_argument);
  const test::TempFolder folder;
  const Style* styles[] = {&find_style("game")};
  FolderOptions options;
  options.count = 0;
  CHECK_THROWS_AS(write_folder(folder / "x", styles, options), std::invalid_argument);
  CHECK(!std::filesystem::exists(folder / "x"));
}

}  // namespace
}  // namespace rein::data::scenes
