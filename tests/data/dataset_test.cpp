#include "data/sets/dataset.h"

#include <doctest/doctest.h>

#include "data/images/image_io.h"
#include "data/sets/pairing.h"
#include "tests/data/png_bytes.h"
#include "tests/harness/temp_folder.h"

namespace rein::data {
namespace {

using test::Bytes;
using test::contains;
using test::make_png;
using test::message_of;
using test::text_of;
namespace fs = std::filesystem;

const std::string base = R"(
name = "toy"
classes = ["ground", "thing"]
[files]
image = "photos/{}_image.png"
label = "labels/{}_label.png"
[splits.all]
[splits.listed]
list = "list.txt"
[splits.north]
match = "north/*"
[labels]
encoding = "index"
ignore = [9]
[labels.map]
ground = [0, 1]
thing = [5]
)";

Description parsed(const std::string& text) {
  return parse_description(text, "toy.toml");
}
std::string complaint(const std::string& text) {
  return message_of<std::runtime_error>([&] { parsed(text); });
}
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

// A set of three pairs of 2 x 3 pixels in folders of its own.
struct Toy {
  test::TempFolder folder;
  Toy() {
    for (const char* sub : {"photos/north", "photos/south", "labels/north", "labels/south"})
      fs::create_directories(folder / sub);
    for (const char* name : {"north/b", "north/a", "south/c"}) add(name);
    folder.write("list.txt", "south/c\r\n\n# a comment\nphotos/north/a_image.png\n");
  }
  void add(const std::string& name) const {
    write_rgb_png(folder / ("photos/" + name + "_image.png"), Image(2, 3));
    put_label(name, {{0, 1, 5}, {9, 9, 5}});
  }
  void put_label(const std::string& name, const std::vector<Bytes>& rows) const {
    folder.write("labels/" + name + "_label.png",
                 text_of(make_png(std::uint32_t(rows[0].size()), std::uint32_t(rows.size()), 8, 0, rows)));
  }
  Dataset open(const std::string& split = "all", const std::string& text = base) const {
    return Dataset(parsed(text), folder.path(), split);
  }
  std::string error(const std::string& split = "all", const std::string& text = base) const {
    return message_of<std::runtime_error>([&] {
      const Dataset set = open(split, text);
      for (std::int64_t i = 0; i < set.size(); ++i) set.read(i);
    });
  }
};

TEST_CASE("Pairs are found by pattern, list and match, in sorted order, and read") {
  const Toy toy;
  const Dataset all = toy.open();
  REQUIRE(all.size() == 3);
  CHECK(all.pairs()[0].name == "north/a");
  CHECK(all.pairs()[1].name == "north/b");
  CHECK(all.pairs()[2].name == "south/c");
  const Sample sample = all.read(1);
  CHECK(sample.name == "north/b");
  CHECK(sample.label.ids == Bytes{0, 0, 1, 255, 255, 1});
  const Dataset listed = toy.open("listed");
  REQUIRE(listed.size() == 2);
  CHECK(listed.pairs()[0].name == "north/a");
  CHECK(toy.open("north").size() == 2);
  const std::string some = replaced(base, "match = \"north/*\"", "match = \"north/*\"\nexcept = \"*/b\"");
  REQUIRE(toy.open("north", some).size() == 1);
  CHECK(toy.open("north", some).pairs()[0].name == "north/a");
  CHECK(concatenate({std::make_shared<Dataset>(all), std::make_shared<Dataset>(listed)})->read(3).name == "north/a");
}

TEST_CASE("What does not fit together is named") {
  const Toy toy;
  CHECK(contains(toy.error("noth"), "did you mean \"north\"?"));
  fs::remove(toy.folder / "labels/north/a_label.png");
  CHECK(contains(toy.error(), "1 photos without label: \"photos/north/a_image.png\""));
  CHECK(contains(toy.error("listed"), "1 photos without label: \"photos/north/a_image.png\""));
  toy.add("north/a");
  fs::remove(toy.folder / "photos/south/c_image.png");
  CHECK(contains(toy.error(), "1 labels without photo: \"labels/south/c_label.png\""));
  CHECK(contains(toy.error("listed"), "photos of list.txt do not exist: \"photos/south/c_image.png\""));
  CHECK(toy.error("north").empty());
  toy.put_label("north/b", {{0, 1}, {1, 1}});
  CHECK(contains(toy.error("north"), "b_image.png is 2 x 3, its label"));
  toy.put_label("north/b", {{0, 1, 1}, {1, 77, 1}});
  const std::string text = toy.error("north");
  CHECK(contains(text, "b_label.png"));
  CHECK(contains(text, "raw id 77 at row 1, column 1"));
  CHECK(toy.error("north", replaced(base, "ignore = [9]", "ignore = [9]\nother = \"ignore\"")).empty());
  toy.folder.write("list.txt", "north/a\nnorth/a\n");
  CHECK(contains(toy.error("listed"), "list.txt:2: \"north/a\" twice"));
  CHECK(contains(message_of<std::runtime_error>([] { Dataset(parsed(base), "/nowhere", "all"); }), "is not a folder"));
  CHECK(contains(toy.error("all", replaced(base, "photos/{}", "photos/x{}")), "without photo"));
}

TEST_CASE("Encodings: colours, 16-bit red, 16-bit gray, palette") {
  const std::string rgb =
      replaced(replaced(base, "ignore = [9]", "other = \"ignore\""), "encoding = \"index\"", "encoding = \"rgb\"");
  const std::string colours = replaced(replaced(rgb, "ground = [0, 1]", "ground = [[1, 2, 3]]"), "thing = [5]",
                                       "thing = [[4, 5, 6], [7, 8, 9]]");
  const LabelDecoder decoder(parsed(colours).raw);
  const RawPng picture = decode_png_raw(make_png(4, 1, 8, 2, {{1, 2, 3, 7, 8, 9, 4, 5, 6, 0, 0, 0}}), "x");
  CHECK(decoder.decode(picture, "x").ids == Bytes{0, 1, 1, 255});
  const RawPng indexed = decode_png_raw(make_png(3, 1, 8, 3, {{1, 0, 1}}, {{4, 5, 6}, {1, 2, 3}}), "x");
  CHECK(decoder.decode(indexed, "x").ids == Bytes{0, 1, 0});
  const LabelDecoder strict(parsed(replaced(colours, "other = \"ignore\"", "other = \"error\"")).raw);
  CHECK(contains(message_of<std::runtime_error>([&] { strict.decode(picture, "f.png"); }), "f.png: colour [0, 0, 0]"));

  const LabelDecoder red(parsed(replaced(replaced(base, "\"index\"", "\"red16\""), "[5]", "[5, 300]")).raw);
  const RawPng wide = decode_png_raw(make_png(2, 1, 16, 2, {{1, 44, 7, 7, 7, 7, 0, 9, 7, 7, 7, 7}}), "x");
  CHECK(red.decode(wide, "x").ids == Bytes{1, 255});
  const RawPng carla = decode_png_raw(make_png(2, 1, 8, 2, {{5, 200, 3, 9, 0, 77}}), "x");  // instances beside the id
  CHECK(LabelDecoder(parsed(replaced(base, "\"index\"", "\"red\"")).raw).decode(carla, "x").ids == Bytes{1, 255});
  const RawPng gray = decode_png_raw(make_png(1, 1, 8, 0, {{5}}), "x");
  CHECK(contains(message_of<std::runtime_error>([&] { red.decode(gray, "f.png"); }),
                 "f.png: the set's encoding wants three channels"));
  const LabelDecoder index(parsed(replaced(base, "[5]", "[5, 300]")).raw);
  CHECK(index.decode(decode_png_raw(make_png(2, 1, 8, 4, {{5, 255, 0, 255}}), "x"), "x").ids == Bytes{1, 0});  // alpha
  CHECK(index.decode(decode_png_raw(make_png(2, 1, 16, 0, {{1, 44, 0, 1}}), "x"), "x").ids == Bytes{1, 0});
  CHECK(index.decode(decode_png_raw(make_png(2, 1, 4, 3, {{0x51}}, std::vector<Rgb>(6, Rgb{1, 1, 1})), "x"), "x").ids ==
        Bytes{1, 0});
  CHECK(contains(message_of<std::runtime_error>([&] { index.decode(picture, "f.png"); }),
                 "f.png: the set's encoding wants one channel"));
}

TEST_CASE("Misspelt keys and classes get the nearest known one, with the line") {
  CHECK(complaint(base).empty());
  CHECK(contains(complaint(replaced(base, "encoding", "encodng")),
                 "toy.toml:13: unknown key \"labels.encodng\"; did you mean \"encoding\"?"));
  CHECK(
      contains(complaint(replaced(base, "thing = ", "thnig = ")), "unknown class \"thnig\"; did you mean \"thing\"?"));
  CHECK(contains(complaint(replaced(base, "\"index\"", "\"indx\"")), "did you mean \"index\"?"));
  CHECK(contains(complaint(replaced(base, "match", "mach")),
                 "unknown key \"splits.north.mach\"; did you mean \"match\"?"));
  CHECK(contains(complaint(base + "[scorng]\n"), "did you mean \"scoring\"?"));
  CHECK(contains(complaint(base + "[scoring]\nfold = { thing = \"grund\" }"), "did you mean \"ground\"?"));
  CHECK(contains(complaint(base + "[scoring]\npredicted = \"cityscapes\"\npredictions = { trian = \"thing\" }"),
                 "did you mean \"train\"?"));
  CHECK(contains(message_of<std::runtime_error>([] { find_description("cam_vid"); }), "did you mean \"camvid\"?"));
}

TEST_CASE("Descriptions that make no sense are refused") {
  CHECK(contains(complaint("name = "), "toy.toml:1"));
  for (const char* text : {"[.a]", "a.=1", "[[.", "{", "x={.b=1}", "[a.\x01]", "\xff\xfe", "a=[[[[[", "[a]\n[a]"}) {
    CAPTURE(text);
    CHECK(contains(complaint(text), "toy.toml"));
  }
  CHECK(contains(complaint("a=" + std::string(100000, '[')), "toy.toml"));
  CHECK(contains(complaint(replaced(base, "[9]", "[5]")), "listed twice"));
  CHECK(contains(complaint(replaced(base, "[9]", "[-1]")), "0 to 65535"));
  CHECK(contains(complaint(replaced(base, "photos/{}", "../{}")), "below the set's root"));
  CHECK(contains(complaint(replaced(base, "photos/{}", "photos/")), "must contain {} once"));
  CHECK(contains(complaint(replaced(base, "\"thing\"]", "\"ground\"]")), "twice"));
  CHECK(
      contains(complaint(replaced(base, "[files]", "palette = [[1, 2, 3]]\n[files]")), "one colour for each of the 2"));
  CHECK(contains(complaint(replaced(base, "[files]", "palette = [[1, 2, 300], [1, 1, 1]]\n[files]")),
                 "a colour must be"));
  const std::string alike =
      replaced(replaced(base, "[files]", "palette = [[1, 2, 3], [1, 2, 3]]\n[files]"), "\"index\"", "\"rgb\"");
  CHECK(contains(complaint(alike.substr(0, alike.find("ignore = "))), "\"ground\" and \"thing\" have one colour"));
  CHECK(contains(complaint(base + "[evaluation]\nscale = 2\nshortest_edge = 3"), "takes one of"));
  CHECK(contains(complaint(base + "[evaluation]\nscale = 0.0"), "above 0"));
  CHECK(contains(complaint(base + "[scoring]\nfold = { thing = \"ground\" }\naverage = [\"thing\"]"),
                 "folded into another"));
  CHECK(contains(complaint(replaced(base, "name = \"toy\"", "")), "\"name\" is missing"));
  CHECK(contains(complaint(replaced(base, "list = \"list.txt\"", "list = 3")), "must be a text"));
  CHECK(contains(complaint(replaced(base, "[splits.all]", "[splits]\nall = 1")), "must be a table"));
}

TEST_CASE("The shipped descriptions parse and score as their README says") {
  for (const char* name : {"idda", "kitti", "camvid", "idd_lite", "custom"}) {
    CAPTURE(name);
    const Description set = read_description(find_description(name));
    CHECK(set.name == name);
    CHECK(set.classes.palette.size() == set.classes.names.size());
  }
  const auto& names = cityscapes_classes().names;
  const auto fold = [&](const char* set) { return prediction_folding(read_description(find_description(set)), names); };
  CHECK(read_description(find_description("idda")).scoring.averaged.size() == 16);
  CHECK(read_description(find_description("kitti")).scoring.averaged.size() == 16);
  CHECK(read_description(find_description("camvid")).scoring.averaged.size() == 11);
  CHECK(fold("kitti") == Bytes{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 13, 13, 13, 17, 18});
  CHECK(fold("camvid") == Bytes{0, 1, 2, 2, 4, 5, 7, 7, 8, 8, 10, 11, 12, 13, 13, 13, 13, 12, 12});
  CHECK(fold("idd_lite") == Bytes{0, 1, 5, 4, 4, 4, 4, 4, 5, 1, 6, 2, 2, 3, 3, 3, 3, 3, 3});
  const Description lite = read_description(find_description("idd_lite"));
  CHECK(prediction_folding(lite, lite.classes.names) == Bytes{0, 1, 2, 3, 4, 5, 6});
  CHECK(contains(message_of<std::runtime_error>([&] { prediction_folding(lite, {"road", "dog"}); }), "\"dog\""));
}

TEST_CASE("Globs") {
  CHECK(glob_match("*.jpg", "a.jpg"));
  CHECK_FALSE(glob_match("*.jpg", "d/a.jpg"));
  CHECK(glob_match("**.jpg", "d/a.jpg"));
  CHECK(glob_match("a/**/x?", "a/b/c/xy"));
  CHECK_FALSE(glob_match("?", "/"));
  CHECK(glob_match("*", ""));
  CHECK_FALSE(glob_match("", "a"));
  CHECK_FALSE(glob_match(std::string(40, '*') + "b", std::string(4000, 'a')));
}

TEST_CASE("Default palettes are distinct and not black") {
  const auto palette = default_palette(max_classes);
  for (std::size_t i = 0; i < palette.size(); ++i) {
    CHECK(palette[i] != Rgb{});
    for (std::size_t j = 0; j < i; ++j) CHECK(palette[i] != palette[j]);
  }
}

}  // namespace
}  // namespace rein::data
