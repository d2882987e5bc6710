// The descriptions of published sets in configs/datasets, read from small trees that are laid out as they are.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>

#include "data/images/image_io.h"
#include "data/sets/dataset.h"
#include "tests/data/jpeg_bytes.h"
#include "tests/data/png_bytes.h"
#include "tests/harness/temp_folder.h"

namespace rein::data {
namespace {

using test::Bytes;
using test::contains;
using test::message_of;
namespace fs = std::filesystem;

// FACTS 3.2: train id of each raw id; what is not listed is 255.
using Table = std::array<int, 256>;
Table table(const std::vector<std::vector<int>>& raw_of_class) {
  Table out;
  out.fill(ignore_id);
  for (std::size_t k = 0; k < raw_of_class.size(); ++k)
    for (const int raw : raw_of_class[k]) out[std::size_t(raw)] = static_cast<int>(k);
  return out;
}
Table train_ids() {
  Table out;
  out.fill(ignore_id);
  std::iota(out.begin(), out.begin() + 19, 0);
  return out;
}
const Table cityscapes = table(
    {{7}, {8}, {11}, {12}, {13}, {17}, {19}, {20}, {21}, {22}, {23}, {24}, {25}, {26}, {27}, {28}, {31}, {32}, {33}});
const Table synthia =
    table({{3}, {4}, {2}, {21}, {5}, {7}, {15}, {9}, {6}, {16}, {1}, {10}, {17}, {8}, {18}, {19}, {20}, {12}, {11}});
const Table mapillary = table({{7, 8, 10, 13, 14, 23, 24},
                               {2, 9, 11, 15},
                               {17},
                               {6},
                               {3},
                               {44, 45, 47},
                               {48},
                               {46, 49, 50},
                               {30},
                               {29},
                               {27},
                               {19},
                               {20, 21, 22},
                               {55},
                               {61},
                               {54},
                               {58},
                               {57},
                               {52}});

Bytes up_to(int count, std::initializer_list<int> more = {}) {
  Bytes ids(std::size_t(count), 0);
  std::iota(ids.begin(), ids.end(), std::uint8_t{0});
  for (const int id : more) ids.push_back(static_cast<std::uint8_t>(id));
  return ids;
}

// Pairs of one row: as many pixels as there are raw ids.
struct Tree {
  test::TempFolder folder;

  void put(const std::string& name, const std::string& bytes) const {
    fs::create_directories((folder / name).parent_path());
    folder.write(name, bytes);
  }
  void photo(const std::string& name, std::size_t width) const {
    fs::create_directories((folder / name).parent_path());
    const Image image(1, static_cast<int>(width));
    if (name.ends_with(".jpg"))
      put(name, test::text_of(test::make_jpeg(image, 90)));
    else
      write_rgb_png(folder / name, image);
  }
  void gray(const std::string& name, const Bytes& ids) const {
    put(name, test::text_of(test::make_png(std::uint32_t(ids.size()), 1, 8, 0, {ids})));
  }
  // Colours that mean something else than their indices.
  void palette(const std::string& name, const Bytes& ids) const {
    std::vector<Rgb> colours;
    for (int i = 0; i < 256; ++i) colours.push_back({std::uint8_t(255 - i), std::uint8_t(i / 2), 7});
    put(name, test::text_of(test::make_png(std::uint32_t(ids.size()), 1, 8, 3, {ids}, colours)));
  }
  Dataset open(const std::string& set, const std::string& split) const {
    return Dataset(read_description(find_description(set)), folder.path(), split);
  }
};

void check_labels(const Dataset& set, const Bytes& raw, const Table& expected) {
  for (std::int64_t i = 0; i < set.size(); ++i) {
    const Sample sample = set.read(i);
    REQUIRE(sample.label.ids.size() == raw.size());
    for (std::size_t p = 0; p < raw.size(); ++p) {
      CAPTURE(int{raw[p]});
      CHECK(int{sample.label.ids[p]} == expected[raw[p]]);
    }
  }
}

std::vector<std::string> names(const Dataset& set) {
  std::vector<std::string> out;
  for (const Pair& pair : set.pairs()) out.push_back(pair.name);
  return out;
}
using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("GTAV: palette indices are Cityscapes label ids; converted copies beside them are another set") {
  const Tree tree;
  const Bytes raw = up_to(35);
  for (const std::string name : {"00001", "00002", "24966"}) {
    tree.photo("images/" + name + ".png", raw.size());
    tree.palette("labels/" + name + ".png", raw);
  }
  check_labels(tree.open("gtav", "train"), raw, cityscapes);
  const Bytes converted = up_to(19, {255, 255, 255});
  for (const std::string name : {"00001", "00002", "24966"})
    tree.gray("labels/" + name + "_labelTrainIds.png", converted);
  CHECK(names(tree.open("gtav", "train")) == Names{"00001", "00002", "24966"});
  fs::remove_all(tree.folder / "images");
  for (const std::string name : {"00001", "00002", "24966"}) {
    tree.photo("images/" + name + ".png", converted.size());
    fs::remove(tree.folder / ("labels/" + name + ".png"));
  }
  check_labels(tree.open("gtav_train_ids", "train"), converted, train_ids());
}

TEST_CASE("Cityscapes: train ids and label ids, cities as folders") {
  const Tree tree;
  for (const std::string name : {"train/aachen/aachen_000000_000019", "val/lindau/lindau_000001_000019",
                                 "val/frankfurt/frankfurt_000000_000294"}) {
    tree.photo("leftImg8bit/" + name + "_leftImg8bit.png", 35);
    tree.gray("gtFine/" + name + "_gtFine_labelIds.png", up_to(34, {255}));
    Bytes ids = up_to(19, {255});
    ids.resize(35, 255);
    tree.gray("gtFine/" + name + "_gtFine_labelTrainIds.png", ids);
    tree.palette("gtFine/" + name + "_gtFine_color.png", up_to(35));
  }
  const Dataset val = tree.open("cityscapes", "val");
  CHECK(names(val) == Names{"frankfurt/frankfurt_000000_000294", "lindau/lindau_000001_000019"});
  Bytes ids = up_to(19, {255});
  ids.resize(35, 255);
  check_labels(val, ids, train_ids());
  CHECK(tree.open("cityscapes", "train").size() == 1);
  check_labels(tree.open("cityscapes_label_ids", "val"), up_to(34, {255}), cityscapes);
  tree.gray("gtFine/val/lindau/lindau_000001_000019_gtFine_labelTrainIds.png", up_to(35));  // raw ids under that name
  CHECK(contains(message_of<std::runtime_error>([&] { tree.open("cityscapes", "val").read(1); }), "raw id 19"));
}

TEST_CASE("BDD100K: masks of both releases; colour maps are refused") {
  const Tree tree;
  const Bytes ids = up_to(19, {255});
  tree.photo("images/10k/train/0004a4c0-d4dff0ad.jpg", 20);
  tree.gray("labels/sem_seg/masks/train/0004a4c0-d4dff0ad.png", ids);
  tree.photo("images/10k/val/7d06fefd-f7be05a6.jpg", 20);
  tree.gray("labels/sem_seg/masks/val/7d06fefd-f7be05a6.png", ids);
  tree.photo("seg/images/val/7d06fefd-f7be05a6.jpg", 20);
  tree.gray("seg/labels/val/7d06fefd-f7be05a6_train_id.png", ids);
  for (const char* split : {"train", "val", "seg_val"}) check_labels(tree.open("bdd100k", split), ids, train_ids());
  write_rgb_png(tree.folder / "labels/sem_seg/masks/val/7d06fefd-f7be05a6.png", Image(1, 20));
  CHECK(contains(message_of<std::runtime_error>([&] { tree.open("bdd100k", "val").read(0); }), "colour version"));
}

TEST_CASE("Mapillary Vistas 1.2: 66 palette ids, both layouts, and the halved part in train ids") {
  const Tree tree;
  const Bytes raw = up_to(66);
  tree.photo("training/images/a_1.jpg", 66);
  tree.palette("training/v1.2/labels/a_1.png", raw);
  tree.photo("validation/images/b_2.jpg", 66);
  tree.palette("validation/v1.2/labels/b_2.png", raw);
  tree.palette("validation/labels/b_2.png", raw);
  for (const char* split : {"training", "validation", "validation_old"})
    check_labels(tree.open("mapillary", split), raw, mapillary);
  tree.palette("validation/v1.2/labels/b_2.png", up_to(65, {66}));  // an id of version 2.0
  CHECK(contains(message_of<std::runtime_error>([&] { tree.open("mapillary", "validation").read(0); }), "raw id 66"));
  tree.photo("half/val_img/b_2.jpg", 20);
  tree.gray("half/val_label/b_2.png", up_to(19, {255}));
  check_labels(tree.open("mapillary_half", "validation"), up_to(19, {255}), train_ids());
}

TEST_CASE("ACDC: four conditions, alone and together") {
  const Tree tree;
  const Bytes ids = up_to(19, {255});
  for (const std::string condition : {"fog", "night", "rain", "snow"}) {
    for (const std::string part : {"train", "val"}) {
      const std::string name = condition + "/" + part + "/GOPR0475/GOPR0475_frame_000041";
      tree.photo("rgb_anon/" + name + "_rgb_anon.png", 20);
      tree.gray("gt/" + name + "_gt_labelTrainIds.png", ids);
      tree.gray("gt/" + name + "_gt_labelIds.png", up_to(20));
    }
    tree.photo("rgb_anon/" + condition + "/train_ref/GOPR0475/GOPR0475_frame_000041_rgb_ref_anon.png", 20);
    tree.photo("rgb_anon/" + condition + "/test/GOPR0475/GOPR0475_frame_000042_rgb_anon.png", 20);
  }
  CHECK(tree.open("acdc", "train").size() == 4);
  check_labels(tree.open("acdc", "val"), ids, train_ids());
  CHECK(names(tree.open("acdc", "val_night")) == Names{"night/val/GOPR0475/GOPR0475_frame_000041"});
}

TEST_CASE("SYNTHIA: the class in red of 16 bits; UrbanSyn: two prefixes") {
  const Tree tree;
  Bytes row;  // 16 bit, big-endian: red the class, green an instance, blue nothing
  for (std::uint8_t id = 0; id < 23; ++id) row.insert(row.end(), {0, id, 1, 44, 0, 0});
  tree.photo("RGB/0000000.png", 23);
  tree.put("GT/LABELS/.keep", "");
  tree.put("GT/LABELS/0000000.png", test::text_of(test::make_png(23, 1, 16, 2, {row})));
  check_labels(tree.open("synthia", "train"), up_to(23), synthia);
  CHECK(tree.open("synthia", "train").description().scoring.averaged.size() == 16);

  const Bytes ids = up_to(20);
  tree.photo("rgb/rgb_0001.png", 20);
  tree.gray("ss/ss_0001.png", ids);
  const Dataset urban = tree.open("urbansyn", "train");
  CHECK(names(urban) == Names{"0001"});
  check_labels(urban, ids, train_ids());
}

TEST_CASE("Every description in configs/datasets can be read; those of streets share the 19 classes") {
  int count = 0;
  for (const auto& entry : fs::directory_iterator("configs/datasets")) {
    if (entry.path().extension() != ".toml") continue;
    CAPTURE(entry.path().string());
    const Description set = read_description(entry.path());
    CHECK_FALSE(set.splits.empty());
    if (set.name != "custom" && set.name != "idd_lite") CHECK(set.classes == cityscapes_classes());
    ++count;
  }
  CHECK(count >= 15);
}

}  // namespace rein::data
