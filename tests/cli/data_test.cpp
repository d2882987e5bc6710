// rein data, and the short look that training and evaluation take before they begin.
#include <doctest/doctest.h>

#include "tests/cli/program.h"
#include "tests/cli/refused.h"
#include "tests/data/png_bytes.h"
#include "tests/train/tiny_run.h"

using namespace rein;
namespace fs = std::filesystem;
using testing::Finished;

TEST_CASE("rein data: counts, a page, a list of good pairs, exit status") {
  const testing::TinyRun toy;
  const std::string here = toy.folder().path().string();
  const auto data = [&](std::vector<std::string> more) {
    more.insert(more.begin(),
                {"data", (toy / "set.toml").string() + "=" + here + "/set", "--cache", "none", "--quiet"});
    return testing::run_program(more, toy.folder().path());
  };
  const Finished good = data({"--out", (toy / "data.html").string()});
  CHECK_MESSAGE(good.status == 0, good.err);
  CHECK(good.out.find("toy, split train") != good.out.npos);
  CHECK(good.out.find("pairs    7") != good.out.npos);
  CHECK(test::contents_of(toy / "data.html").find("data:image/png;base64,") != std::string::npos);

  toy.folder().write("set/labels/p2.png", "broken");
  const Finished broken = data({"--split", "train", "--json", "--fix-list", (toy / "good.txt").string()});
  CHECK(broken.status == 1);
  CHECK(broken.out.find("\"broken_label\"") != broken.out.npos);
  CHECK(test::contents_of(toy / "good.txt") == "p0\np1\np3\np4\np5\np6\n");
  const Finished config = testing::run_program(
      {"data", (toy / "config.toml").string(), "--data-root", here, "--cache", "none"}, toy.folder().path());
  CHECK(config.status == 1);
  CHECK(config.out.find("toy, split val") != config.out.npos);
  testing::check_refused(data({"--split", "trian"}), {"did you mean \"train\"?"});
  const Finished folder = testing::run_program({"data", here + "/set/photos"}, toy.folder().path());
  CHECK(folder.status == 0);
  CHECK(folder.out.find("10 photos") != folder.out.npos);
}

TEST_CASE("train refuses before its first step what a short look shows, and warns of the rest") {
  const testing::TinyRun toy;
  const std::string here = toy.folder().path().string();
  const auto train = [&] {
    return testing::run_program({"train", (toy / "config.toml").string(), "--data-root", here, "--weights-root", here,
                                 "--out", (toy / "out").string(), "--set", "train.iterations=1"},
                                toy.folder().path());
  };
  const std::string label = test::contents_of(toy / "set/labels/p1.png");
  for (const char* name : {"p1", "p4"})
    toy.folder().write(std::string("set/labels/") + name + ".png",
                       test::text_of(test::make_png(3, 2, 8, 0, {{0, 1, 1}, {1, 1, 0}})));
  testing::check_refused(train(), {"2 labels of another size", "\"p1\", \"p4\"", "--fix-list"});
  CHECK_FALSE(fs::exists(toy / "out"));
  for (const char* name : {"p1", "p4"}) toy.folder().write(std::string("set/labels/") + name + ".png", label);
  const Finished warned = train();
  CHECK_MESSAGE(warned.status == 0, warned.err);

  // Label ids as the set's own files have them.
  toy.folder().write(
      "servers.toml",
      "name = \"servers\"\nclasses = [\"ground\", \"thing\", \"sky\"]\n[splits.x]\nimage = \"{}.png\"\nlabel = "
      "\"{}_l.png\"\n[labels]\nencoding = \"index\"\n[labels.map]\nground = [7, 8]\nthing = [26]\nsky = [23]\n");
  const auto ids = [&](std::vector<std::string> more) {
    more.insert(more.begin(),
                {"predict", (toy / "out").string(), here + "/set/photos/p8.png", "--out", here + "/p", "--quiet"});
    const Finished f = testing::run_program(more, toy.folder().path());
    CHECK_MESSAGE(f.status == 0, f.err);
    return data::read_png_raw(toy / "p/p8_ids.png");
  };
  const data::RawPng plain = ids({}), raw = ids({"--ids", "label", "--ids-of", (toy / "servers.toml").string()});
  REQUIRE(raw.samples8.size() == plain.samples8.size());
  for (std::size_t i = 0; i < raw.samples8.size(); ++i)
    CHECK(raw.samples8[i] == test::Bytes{7, 26, 23}.at(plain.samples8[i]));
  CHECK(ids({"--ids", "colour"}).channels == 3);
  CHECK(ids({"--ids", "label"}).samples8 == plain.samples8);  // the run's own set has no map
}
