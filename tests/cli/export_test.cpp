// rein export: one file, with which eval and predict give what they give with the run, after run and backbone are gone.
#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/cli/refused.h"
#include "tests/train/tiny_run.h"

using namespace rein;
namespace fs = std::filesystem;
using nlohmann::json;
using testing::Finished;

namespace {

struct Toy : testing::TinyRun {
  Finished run(const std::vector<std::string>& arguments) const {
    return testing::run_program(arguments, folder().path());
  }
  std::string at(const std::string& name) const { return (*this / name).string(); }
  void train(const std::string& out, const std::vector<std::string>& settings) const {
    const std::string here = folder().path().string();
    std::vector<std::string> a = {"train", at("config.toml"), "--data-root", here,    "--weights-root",    here,
                                  "--out", at(out),           "--quiet",     "--set", "train.iterations=2"};
    for (const std::string& s : settings) a.insert(a.end(), {"--set", s});
    const Finished f = run(a);
    REQUIRE_MESSAGE(f.status == 0, f.err);
  }
  // The ids of one photo, the bytes of the PNG.
  std::string ids(const std::string& model, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> a = {"predict", at(model), at("set/photos/p8.png"), "--out", at("pictures"), "--quiet"};
    a.insert(a.end(), more.begin(), more.end());
    const Finished f = run(a);
    REQUIRE_MESSAGE(f.status == 0, f.err);
    return test::contents_of(*this / "pictures/p8_ids.png");
  }
  json score(const std::string& model) const {
    const Finished f = run({"eval", at(model), "--json", "--quiet"});
    REQUIRE_MESSAGE(f.status == 0, f.err);
    json sets = json::parse(f.out).at("sets");
    for (json& set : sets) set.erase("seconds");
    return sets;
  }
};

}  // namespace

TEST_CASE("rein export") {
  const Toy toy;
  toy.train("out", {"model.head=semantic_fpn"});
  toy.train("wide", {"model.head=mask2former", "model.method=full", "train.batch=1", "train.eval_every=0"});
  const std::string f32 = toy.ids("out"), bf16 = toy.ids("out", {"--precision", "bf16"}), wide = toy.ids("wide");
  const json scores = toy.score("out");

  const Finished told = toy.run({"export", toy.at("out"), toy.at("m.rein")});
  REQUIRE_MESSAGE(told.status == 0, told.err);
  const auto bytes = fs::file_size(toy / "m.rein");
  for (const std::string& part :
       {std::string("method rein"), std::string("3 classes"), std::to_string(bytes) + " bytes"})
    CHECK_MESSAGE(told.out.find(part) != std::string::npos, told.out);
  const Finished low = toy.run({"export", toy.at("out"), toy.at("low.rein"), "--precision", "bf16", "--json"});
  REQUIRE_MESSAGE(low.status == 0, low.err);
  CHECK(json::parse(low.out).at("bytes") == fs::file_size(toy / "low.rein"));
  CHECK(json::parse(low.out).at("precision") == "bf16");
  CHECK(fs::file_size(toy / "low.rein") < bytes);
  REQUIRE(toy.run({"export", toy.at("wide"), toy.at("wide.rein"), "--quiet"}).status == 0);

  testing::check_refused(toy.run({"export", toy.at("out"), toy.at("m.rein")}), {"exists already", "--replace"});
  CHECK(toy.run({"export", toy.at("out"), toy.at("m.rein"), "--replace"}).status == 0);
  CHECK(fs::file_size(toy / "m.rein") == bytes);
  testing::check_refused(toy.run({"export", toy.at("wide"), toy.at("no.rein"), "--precision", "bf16"}),
                         {"bf16 rounds"});
  testing::check_refused(toy.run({"export", toy.at("nothing"), toy.at("no.rein")}), {"there is no folder"});
  CHECK(!fs::exists(toy / "no.rein"));
  testing::check_refused(toy.run({"eval", toy.at("vit.safetensors")}), {"is not an exported model"});
  testing::check_refused(toy.run({"eval", toy.at("m.rein"), "--backbone", toy.at("vit.safetensors")}),
                         {"holds its own backbone"});

  for (const char* gone : {"out", "wide", "vit.safetensors"}) fs::remove_all(toy / gone);
  CHECK(toy.ids("m.rein") == f32);
  CHECK(toy.ids("m.rein", {"--precision", "bf16"}) == bf16);
  CHECK(toy.ids("low.rein") == bf16);
  CHECK(toy.ids("wide.rein") == wide);
  CHECK(toy.score("m.rein") == scores);
  testing::check_refused(
      toy.run({"predict", toy.at("low.rein"), toy.at("set/photos"), "--out", toy.at("p"), "--precision", "f32"}),
      {"was rounded to bf16"});
}
