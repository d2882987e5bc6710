// rein pretrain as a process: its result on stdout, killed and resumed to the same bytes, refusals with a hint.
#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/cli/program.h"

using namespace rein;
namespace fs = std::filesystem;

namespace {

class Place {
 public:
  Place() {
    folder_.write("scenes.toml",
                  "name = \"scenes\"\nclasses = \"cityscapes\"\n[splits.pretraining]\nscenes = \"pretraining\"\n"
                  "count = 8\nsize = [32, 64]\n[labels]\nencoding = \"index\"\n");
    folder_.write("config.toml",
                  "[pretrain]\npatch = 8\nwidth = 64\ndepth = 4\ndecoder_width = 8\ndecoder_depth = 1\n"
                  "decoder_heads = 1\ncache_mib = 1\n[data]\ndataset = \"scenes.toml\"\nsplit = \"pretraining\"\n"
                  "crop = 32\n[train]\niterations = 12\nbatch = 4\nlr = 1e-3\ncheckpoint_every = 1\n");
  }
  std::vector<std::string> arguments(const std::string& out, int threads) const {
    return {"pretrain",  (folder_ / "config.toml").string(),
            "--out",     (folder_ / out).string(),
            "--resume",  "--quiet",
            "--threads", std::to_string(threads)};
  }
  const test::TempFolder& folder() const { return folder_; }

 private:
  test::TempFolder folder_;
};

TEST_CASE("rein pretrain: killed and resumed with other threads, the same file") {
  const Place place;
  const auto whole = testing::run_program(place.arguments("whole", 2), place.folder().path());
  REQUIRE_MESSAGE(whole.status == 0, whole.err);
  const std::string bytes = test::contents_of(place.folder() / "whole/backbone.safetensors");
  const std::size_t at = whole.out.find("sha256 ");
  REQUIRE(at != std::string::npos);
  int kills = 0;
  for (int attempt = 0;; ++attempt) {
    testing::Program program(place.arguments("killed", 1 + attempt % 2), place.folder().path());
    std::this_thread::sleep_for(std::chrono::milliseconds(60 + 45 * attempt));
    if (attempt < 6 && program.running()) {
      program.kill_now();
      ++kills;
      continue;
    }
    const auto end = program.wait();
    REQUIRE_MESSAGE(end.status == 0, end.err);
    CHECK(end.out.find(whole.out.substr(at)) != std::string::npos);
    break;
  }
  CHECK(kills >= 1);
  CHECK(test::contents_of(place.folder() / "killed/backbone.safetensors") == bytes);
  CHECK(test::contents_of(place.folder() / "killed/metrics.jsonl") ==
        test::contents_of(place.folder() / "whole/metrics.jsonl"));
}

TEST_CASE("rein pretrain refuses keys of training, and says what it knows") {
  const Place place;
  const std::pair<std::string, const char*> cases[] = {
      {"model.method=freeze", "unknown key"},       {"pretrain.hiden=0.5", "did you mean \"pretrain.hidden\""},
      {"pretrain.hidden=1", "above 0 and below 1"}, {"pretrain.target=other", "other_style"},
      {"pretrain.width=48", "multiple of 64"},      {"data.crop=36", "multiple of pretrain.patch"},
  };
  for (const auto& [setting, text] : cases) {
    auto arguments = place.arguments("refused", 1);
    arguments.insert(arguments.end(), {"--set", setting});
    const auto f = testing::run_program(arguments, place.folder().path());
    CAPTURE(f.err);
    CHECK(f.status == 2);
    CHECK(f.err.find(text) != std::string::npos);
    CHECK(f.err.find("hint: ") != std::string::npos);
    CHECK(!fs::exists(place.folder() / "refused"));
  }
  const auto keys = testing::run_program({"pretrain", "--keys"}, place.folder().path());
  CHECK(keys.status == 0);
  CHECK(keys.out.find("pretrain.hidden") != std::string::npos);
  CHECK(keys.out.find("\nmodel.") == std::string::npos);
}

}  // namespace
