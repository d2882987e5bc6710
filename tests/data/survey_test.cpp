// A set with planted faults: each is named, with its files, and the rest stays good.
#include "data/survey/survey.h"

#include <doctest/doctest.h>

#include "data/images/image_io.h"
#include "data/survey/findings.h"
#include "tests/data/jpeg_bytes.h"
#include "tests/data/png_bytes.h"
#include "tests/harness/temp_folder.h"

namespace rein::data {
namespace {

using test::Bytes;
using test::make_png;
using test::text_of;
namespace fs = std::filesystem;

struct Planted {
  test::TempFolder folder;
  Description set;

  explicit Planted(const std::string& more = "") {
    fs::create_directories(folder / "images");
    fs::create_directories(folder / "labels");
    set = parse_description(
        "name = \"s\"\nclasses = [\"a\", \"b\", \"c\"]\npalette = [[1, 1, 1], [2, 2, 2], [1, 1, "
        "1]]\n[splits.all]\nimage = "
        "\"images/{}.png\"\nlabel = \"labels/{}.png\"\n[labels]\nencoding = \"index\"\n" +
            more,
        "s.toml");
    for (int i = 0; i < 6; ++i) put("good" + std::to_string(i), {{0, 1, 1}, {0, 1, 255}});
  }
  void photo(const std::string& name, int height, int width) const {
    write_rgb_png(folder / ("images/" + name + ".png"), Image(height, width));
  }
  void put(const std::string& name, const std::vector<Bytes>& rows, const std::vector<Rgb>& palette = {}) const {
    const auto height = std::uint32_t(rows.size()), width = std::uint32_t(rows[0].size());
    photo(name, int(height), int(width));
    folder.write("labels/" + name + ".png",
                 text_of(make_png(width, height, 8, palette.empty() ? 0 : 3, rows, palette)));
  }
  Summary look(const SurveyOptions& options = {}) const {
    const Pairing found = look_for_pairs(set, "all", folder.path());
    return summary_of(look_at(found.pairs, set.raw, options), found.pairs, set, &found);
  }
};

const Finding* find(const Summary& summary, const std::string& kind, const std::string& file = "") {
  for (const Finding& finding : summary.findings) {
    const bool holds = file.empty() || finding.text.find(file) != std::string::npos;
    if (finding.kind == kind && holds) return &finding;
  }
  return nullptr;
}

TEST_CASE("A good set is counted to the pixel") {
  const Planted planted;
  const Summary summary = planted.look();
  CHECK(summary.pairs == 6);
  CHECK(summary.counted == 6);
  CHECK(summary.good.size() == 6);
  CHECK(summary.classes[0].pixels == 12);
  CHECK(summary.classes[1].pixels == 18);
  CHECK(summary.classes[1].photos == 6);
  CHECK(summary.ignored.pixels == 6);
  CHECK(summary.raw.at(255).pixels == 6);
  CHECK(summary.sizes.at("2 x 3") == 6);
  CHECK_FALSE(summary.has_errors());
  REQUIRE(find(summary, "missing_class", "class \"c\" has no pixel in any of the 6 labels") != nullptr);
  CHECK(find(summary, "missing_class")->text.find("over 2 of 3 classes") != std::string::npos);
  CHECK(find(summary, "one_colour", "\"a\" and \"c\"") != nullptr);
}

TEST_CASE("Twelve planted faults are named, and the good pairs stay good") {
  const Planted p;
  const fs::path images = p.folder / "images", labels = p.folder / "labels";
  p.photo("f01_lonely", 2, 3);                                                       // a photo without a label
  p.folder.write("labels/f02_lonely.png", test::contents_of(labels / "good0.png"));  // a label without a photo
  p.put("f03_size", {{0, 1}, {1, 0}});
  p.photo("f03_size", 4, 4);     // another size than the label
  p.put("f04_id", {{0, 7, 7}});  // an id outside the map
  p.put("f05_cut", {{0, 1, 1}});
  const std::string whole = test::contents_of(images / "f05_cut.png");
  p.folder.write("images/f05_cut.png", whole.substr(0, whole.size() - 14));  // a photo cut off
  p.put("f06_broken", {{0, 1, 1}});
  const std::string label = test::contents_of(labels / "f06_broken.png");
  p.folder.write("labels/f06_broken.png", label.substr(0, label.size() / 2));  // a label cut off
  p.put("f07_empty", {{255, 255}});                                            // nothing but ignored pixels
  p.photo("f08_colour", 1, 1);
  p.folder.write("labels/f08_colour.png", text_of(make_png(1, 1, 8, 2, {{128, 64, 128}})));  // a colour map as label
  p.put("f09_palette", {{0, 1}}, {{1, 2, 3}, {4, 5, 6}});
  p.put("f10_palette", {{0, 1}}, {{1, 2, 3}, {4, 5, 7}});  // palettes that differ
  p.put("f11_turned", {{0, 1, 1}});
  Bytes turned = make_png(3, 1, 8, 2, {Bytes(9)}), chunk;
  test::put_chunk(chunk, "eXIf",
                  {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0});
  turned.insert(turned.begin() + 33, chunk.begin(), chunk.end());
  p.folder.write("images/f11_turned.png", text_of(turned));  // EXIF turned, the label is not
  p.put("f12_webp", {{0, 1}});
  p.folder.write("images/f12_webp.png", std::string("\0\0\0\x18"
                                                    "ftypheic\0\0\0\0mif1heic",
                                                    24));  // a HEIC named .png

  const Summary s = p.look();
  const auto named = [&](const char* kind, const char* file) {
    CAPTURE(kind);
    CHECK(find(s, kind, file) != nullptr);
  };
  named("no_label", "f01_lonely");
  named("no_photo", "f02_lonely");
  named("size", "f03_size");
  named("unknown_id", "raw id 7 is not in the set's label map: 2 pixels in 1 labels: \"f04_id\"");
  named("broken_photo", "f05_cut");
  named("broken_label", "f06_broken");
  named("all_ignored", "f07_empty");
  named("broken_label", "f08_colour");
  named("palettes", "2 different palettes");
  named("orientation", "f11_turned");
  named("broken_photo", "f12_webp");
  named("missing_class", "\"c\"");
  CHECK(s.has_errors());
  CHECK(s.good.size() == 10);  // the six, the empty one, the two palettes, the turned one
}

TEST_CASE("One class, no labelled pixel, mostly ignored") {
  Planted p;
  for (const auto& entry : fs::directory_iterator(p.folder / "labels")) {
    const std::string name = entry.path().stem().string();
    p.put(name, {{255, 255, 255}});
  }
  CHECK(find(p.look(), "no_labels", "not one pixel") != nullptr);
  p.put("good0", {{0, 1, 2}});
  CHECK(find(p.look(), "mostly_ignored", "83 %") != nullptr);
  p.set.classes.names.resize(1);
  CHECK(find(p.look(), "one_class") != nullptr);
}

TEST_CASE("A second look takes the counts from the cache, and sees what changed; damage to it is harmless") {
  const Planted p;
  SurveyOptions options;
  options.cache = p.folder / "cache/counts.txt";
  const Pairing found = look_for_pairs(p.set, "all", p.folder.path());
  const auto look = [&] { return look_at(found.pairs, p.set.raw, options); };
  CHECK(look().from_cache == 0);
  CHECK(look().from_cache == 6);
  p.folder.write("labels/good3.png", text_of(make_png(3, 1, 8, 0, {{2, 2, 2}})));
  const Survey again = look();
  CHECK(again.from_cache == 5);
  CHECK(again.facts[3].label.ids == std::vector<std::pair<std::uint32_t, std::int64_t>>{{2, 3}});
  const std::string text = test::contents_of(options.cache);
  for (std::size_t length = 0; length < text.size(); length += 7) {
    p.folder.write("cache/counts.txt", text.substr(0, length));
    const Survey cut = look();
    CHECK(cut.counted == 6);
    CHECK(cut.facts[0].label.ids == again.facts[0].label.ids);
  }
  options.seconds = 0;
  options.cache.clear();
  CHECK(look().counted == 0);
}

}  // namespace
}  // namespace rein::data
