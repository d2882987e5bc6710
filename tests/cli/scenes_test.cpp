// rein scenes: a data set, results on stdout, one error and one hint for what cannot be.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/cli/program.h"

using namespace rein;
namespace fs = std::filesystem;

namespace {

TEST_CASE("rein scenes writes a data set and says how to use it") {
  const test::TempFolder folder;
  const std::string out = (folder / "town").string();
  const auto made = testing::run_program(
      {"scenes", "--out", out, "--style", "game", "--style", "fog", "--count", "2", "--size", "32x64"}, folder.path());
  INFO(made.err);
  REQUIRE(made.status == 0);
  CHECK(made.out.find("4 scenes (4 new)") != std::string::npos);
  CHECK(made.out.find("split = \"game\"") != std::string::npos);
  for (const char* name : {"dataset.toml", "images/game/000001.png", "labels/fog/000000.png"})
    CHECK(fs::exists(fs::path(out) / name));
  const auto again = testing::run_program(
      {"scenes", "--out", out, "--style", "game", "--count", "2", "--size", "32x64", "--json", "--quiet"},
      folder.path());
  CHECK(again.status == 0);
  CHECK(again.err.empty());
  CHECK(again.out.find("\"new\":0") != std::string::npos);
}

TEST_CASE("rein scenes --for renders what a training will read, and training then reads it") {
  const test::TempFolder folder;
  const std::string config = REIN_SOURCE_DIR "/configs/quickstart.toml", kept = (folder / "kept").string();
  const std::vector<std::string> few = {"--set", "train.iterations=1", "--set", "eval.take_every=100"};
  const auto ahead = [&] {
    std::vector<std::string> words = {"scenes", "--for", config, "--quiet", "--json"};
    words.insert(words.end(), few.begin(), few.end());
    return testing::run_program(words, folder.path());
  };
  ::unsetenv("REIN_SCENES_DIR");
  const auto nowhere = ahead();
  CHECK(nowhere.status == 2);
  CHECK(nowhere.err.find("REIN_SCENES_DIR") != std::string::npos);

  ::setenv("REIN_SCENES_DIR", kept.c_str(), 1);
  const auto made = ahead();
  INFO(made.err);
  CHECK(made.status == 0);
  CHECK(made.out.find("\"scenes\":12") != std::string::npos);  // four of the step, one of each of eight sets
  const auto count = [&](const std::string& seed) {
    std::size_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(kept))
      files += entry.is_regular_file() && entry.path().string().find(seed) != std::string::npos ? 1 : 0;
    return files;
  };
  CHECK(count("seed1") == 8);
  CHECK(count("seed2") == 16);
  std::vector<std::string> train = {"train", config, "--out", (folder / "run").string(), "--quiet"};
  train.insert(train.end(), few.begin(), few.end());
  CHECK(testing::run_program(train, folder.path()).status == 0);
  CHECK(count("seed2") == 16);  // the very ones; of the others the loader has read ahead of the last step
  ::unsetenv("REIN_SCENES_DIR");
}

TEST_CASE("rein scenes lists its styles") {
  const test::TempFolder folder;
  const auto listed = testing::run_program({"scenes", "--list"}, folder.path());
  CHECK(listed.status == 0);
  for (const char* name : {"game", "night", "pretraining"}) CHECK(listed.out.find(name) != std::string::npos);
}

TEST_CASE("rein scenes refuses what it cannot do") {
  const test::TempFolder folder;
  const std::string out = (folder / "town").string();
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"scenes"}, "--out"},
      {{"scenes", "--out", out, "--style", "foggy"}, "did you mean \"fog\""},
      {{"scenes", "--out", out, "--size", "128"}, "HEIGHTxWIDTH"},
      {{"scenes", "--out", out, "--size", "4x99999"}, "within"},
      {{"scenes", "--out", out, "--count", "0"}, "count"},
      {{"scenes", "--out", out, "--count", "many"}, "count"},
      {{"scenes", "--out", out, "--styl", "fog"}, "did you mean \"--style\""},
  };
  for (const auto& [arguments, text] : cases) {
    const auto f = testing::run_program(arguments, folder.path());
    CAPTURE(f.err);
    CHECK(f.status == 2);
    CHECK(f.out.empty());
    CHECK(f.err.find(text) != std::string::npos);
    CHECK(f.err.find("hint: ") != std::string::npos);
    CHECK(!fs::exists(out));
  }
}

}  // namespace
