// The C interface gives what the program gives, in any layout of the caller's memory, from several threads, and shows
// no other symbol.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <set>
#include <thread>

#include "tests/capi/toy.h"

using namespace rein;
using Ids = std::vector<std::uint8_t>;

TEST_CASE("ids are those of rein predict, to the byte") {
  const testing::Toy toy;
  const Ids plain = toy.predicted();
  REQUIRE(plain.size() == toy.pixels());
  for (const char* model : {"out", "out/checkpoints/step-000003", "m.rein"})
    if (std::string(model) != "out/checkpoints/step-000003" ||
        std::filesystem::equivalent(toy / "out/best", toy / "out/checkpoints/step-000003"))
      CHECK_MESSAGE(toy.segmented(model) == plain, model);
  CHECK(toy.segmented("m.rein", {{"threads", "1"}, {"batch", "1"}}) == plain);
  CHECK(toy.segmented("m.rein", {{"threads", "3"}, {"device", "cpu"}}) == plain);
  CHECK(toy.segmented("out", {{"backbone", toy.at("vit.safetensors")}}) == plain);
  CHECK(toy.segmented("m.rein", {{"window", "0"}}) == toy.predicted({"--window", "0"}));
  CHECK(toy.segmented("m.rein", {{"window", "16"}, {"stride", "5"}}) ==
        toy.predicted({"--window", "16", "--stride", "5"}));
  CHECK(toy.segmented("m.rein", {{"window", "3"}}) == toy.predicted({"--window", "3"}));  // less than a patch of 8
  const Ids low = toy.predicted({"--precision", "bf16"});
  CHECK(toy.segmented("low.rein") == low);
  CHECK(toy.segmented("out", {{"precision", "bf16"}}) == low);
}

TEST_CASE("rows may lie anywhere; ids of 16 bits; scores") {
  const testing::Toy toy;
  const data::Image& photo = toy.photo();
  const auto width = static_cast<std::size_t>(photo.width), height = static_cast<std::size_t>(photo.height);
  const std::size_t pitch = 3 * width + 13, id_pitch = 2 * width + 3;
  std::vector<unsigned char> rgb(pitch * height + 1, 77), wide(id_pitch * height + 1, 99);
  for (std::size_t y = 0; y < height; ++y)
    std::memcpy(rgb.data() + 1 + y * pitch, photo.pixels.data() + 3 * y * width, 3 * width);
  rein_model* model = rein_open(toy.at("m.rein").c_str(), nullptr);
  REQUIRE_MESSAGE(model != nullptr, rein_error(nullptr));
  REQUIRE(rein_class_count(model) == 3);
  std::vector<float> scores(3 * width * height);
  const auto shorts = reinterpret_cast<unsigned short*>(wide.data() + 1);  // rows at odd places
  REQUIRE(rein_segment_u16(model, rgb.data() + 1, photo.width, photo.height, pitch, shorts, id_pitch, scores.data()) ==
          REIN_OK);
  const Ids expected = toy.predicted();
  for (std::size_t y = 0; y < height; ++y) {
    for (std::size_t x = 0; x < width; ++x) {
      std::uint16_t id = 0;
      std::memcpy(&id, wide.data() + 1 + y * id_pitch + 2 * x, 2);
      REQUIRE(id == expected[y * width + x]);
      const float* s = scores.data() + 3 * (y * width + x);
      REQUIRE(std::max_element(s, s + 3) - s == id);
    }
    for (std::size_t b = 2 * width; b < id_pitch; ++b)
      REQUIRE(wide[1 + y * id_pitch + b] == 99);  // gaps are the caller's
  }
  // Classes, colours, sizes.
  CHECK(std::string(rein_class_name(model, 1)) == "thing");
  unsigned char colour[3] = {};
  CHECK(rein_class_color(model, 2, colour) == REIN_OK);
  CHECK(rein_native_size(model) == 32);
  CHECK(std::string(rein_error(model)).empty());
  CHECK(rein_abi() == REIN_ABI);
  CHECK(std::string(rein_version()).find('.') != std::string::npos);
  CHECK(rein_close(model) == REIN_OK);
}

TEST_CASE("two models in two threads, and one model in two threads") {
  const testing::Toy toy;
  const Ids plain = toy.predicted(), low = toy.predicted({"--precision", "bf16"});
  rein_model* shared = rein_open(toy.at("m.rein").c_str(), nullptr);
  const data::Image& photo = toy.photo();
  const auto width = static_cast<std::size_t>(photo.width);
  std::vector<int> wrong(4, 0);
  const auto work = [&](std::size_t place, const char* file, const char* threads, const Ids& expected) {
    rein_options* options = rein_options_new();
    rein_options_set_text(options, "threads", threads);
    rein_model* model = file == nullptr ? shared : rein_open(toy.at(file).c_str(), options);
    rein_options_free(options);
    Ids ids(expected.size());
    for (int i = 0; i < 8; ++i) {
      const int status =
          rein_segment_u8(model, photo.pixels.data(), photo.width, photo.height, 3 * width, ids.data(), width, nullptr);
      if (status != REIN_OK || ids != expected) ++wrong[place];
    }
    if (file != nullptr) rein_close(model);
  };
  std::vector<std::thread> threads;
  threads.emplace_back(work, 0, "m.rein", "1", plain);
  threads.emplace_back(work, 1, "low.rein", "3", low);
  threads.emplace_back(work, 2, nullptr, "1", plain);
  threads.emplace_back(work, 3, nullptr, "1", plain);
  for (std::thread& t : threads) t.join();
  CHECK(wrong == std::vector<int>(4, 0));
  CHECK(rein_close(shared) == REIN_OK);
}

TEST_CASE("the library shows the functions of rein.h and nothing else") {
  const std::string header = test::contents_of("train/capi/rein.h");
  std::set<std::string> declared, shown;
  for (std::size_t at = header.find("\nREIN_API "); at != header.npos; at = header.find("\nREIN_API ", at + 1)) {
    const std::size_t end = header.find('(', at), begin = header.find_last_of(" *", end) + 1;
    declared.insert(header.substr(begin, end - begin));
  }
  CHECK(declared.size() == 15);
  FILE* listing = ::popen(REIN_NM " -D --defined-only " REIN_LIBRARY, "r");
  REQUIRE(listing != nullptr);
  char line[1024];
  while (std::fgets(line, sizeof line, listing) != nullptr) {
    std::string text(line);
    text.erase(text.find_last_not_of(" \n") + 1);
    shown.insert(text.substr(text.rfind(' ') + 1));
  }
  CHECK(::pclose(listing) == 0);
  CHECK(shown == declared);
}

TEST_CASE("the example writes what rein predict writes") {
  const testing::Toy toy;
  const data::Image& photo = toy.photo();
  const std::string size = std::to_string(photo.width) + " " + std::to_string(photo.height) + " 255\n";
  toy.folder().write("photo.ppm", "P6 " + size + std::string(photo.pixels.begin(), photo.pixels.end()));
  const auto example = [&](const std::string& model, const std::string& in) {
    return std::system((std::string(REIN_C_EXAMPLE) + " " + toy.at(model) + " " + toy.at(in) + " " + toy.at("ids.pgm") +
                        " > " + toy.at("said.txt") + " 2>&1")
                           .c_str());
  };
  REQUIRE(example("m.rein", "photo.ppm") == 0);
  const Ids ids = toy.predicted();
  CHECK(test::contents_of(toy / "ids.pgm") == "P5 " + size + std::string(ids.begin(), ids.end()));
  CHECK(test::contents_of(toy / "said.txt") == "3 classes, from ground to sky\n");
  CHECK(example("nothing", "photo.ppm") != 0);
  CHECK(test::contents_of(toy / "said.txt").find("there is no folder") != std::string::npos);
}
