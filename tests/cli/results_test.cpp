// What programs read from the program: JSON on stdout, with all that decided a number beside the number.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/cli/program.h"
#include "tests/train/tiny_run.h"

using namespace rein;
using nlohmann::json;
using testing::Finished;

TEST_CASE("rein verify --json lists the error and the limit of every tensor") {
  const test::TempFolder folder;
  const Finished f = testing::run_program(
      {"verify", "tests/golden/ms_deform_attn_a.safetensors", "--dtype", "f64", "--json"}, folder.path());
  CHECK(f.status == 0);
  const json result = json::parse(f.out);
  CHECK(result.at("status") == "passed");
  const json& errors = result.at("errors");
  CHECK(errors.size() == result.at("compared"));
  CHECK(errors.size() == 4);
  double worst = 0;
  for (const json& e : errors) {
    CHECK(e.at("tensor").is_string());
    CHECK(e.at("error").get<double>() <= e.at("limit").get<double>());
    worst = std::max(worst, e.at("error").get<double>());
  }
  CHECK(worst == result.at("error").get<double>());
}

TEST_CASE("rein train and rein eval --json say how scores were made and what was odd about steps") {
  const testing::TinyRun run;
  const std::string here = run.folder().path().string(), out = (run / "out").string();
  const Finished trained =
      testing::run_program({"train", (run / "config.toml").string(), "--data-root", here, "--weights-root", here,
                            "--out", out, "--set", "train.iterations=1", "--set", "eval.preset=full-res", "--set",
                            "eval.window=0", "--set", "eval.stride=0", "--json", "--quiet"},
                           run.folder().path());
  CHECK(trained.status == 0);
  const json result = json::parse(trained.out);
  CHECK(result.at("batches_without_labels") == 0);
  CHECK(result.at("steps_with_bad_costs") == 0);
  CHECK(result.at("scores").at("sets")[0].at("window") == 512);
  CHECK(result.at("scores").at("sets")[0].at("stride") == 341);
  CHECK(result.at("scores").at("sets")[0].at("resize") == "native");

  const auto set = [&](std::vector<std::string> more) {
    std::vector<std::string> a = {"eval", out, "--weights-root", here, "--json", "--quiet"};
    a.insert(a.end(), more.begin(), more.end());
    const Finished f = testing::run_program(a, run.folder().path());
    INFO(f.err);
    REQUIRE(f.status == 0);
    return json::parse(f.out).at("sets")[0];
  };
  CHECK(set({}).at("window") == 512);
  const json published = set({"--preset", "rein1024", "--resize", "half+fit:64x48"});
  CHECK(published.at("labels_of") == "toy");
  CHECK(published.at("resize") == "half+fit:64x48");
  CHECK(published.at("window") == 1024);
  CHECK(published.at("stride") == 683);
}
