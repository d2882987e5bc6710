// The closed set of keys: what is refused, with which words, and that a config survives being written.
#include <doctest/doctest.h>

#include <string>

#include "tests/harness/complaint.h"
#include "tests/train/tiny_run.h"
#include "train/config/config.h"

using namespace rein::train;
using rein::test::has;

namespace {

std::string complaint(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return rein::test::complaint([&] { parse_config(text, "run.toml", overrides); });
}
std::string with(const std::string& line) {  // a line more in [train]
  std::string text = rein::testing::TinyRun::config();
  return text.replace(text.find("[train]\n"), 8, "[train]\n" + line + "\n");
}

}  // namespace

TEST_CASE("config: file, line, key and the nearest known key") {
  const std::string text = complaint(with("itrations = 3"));
  CHECK(has(text, "run.toml, line "));
  CHECK(has(text, "\"train.itrations\""));
  CHECK(has(text, "did you mean \"train.iterations\"?"));
  CHECK(has(complaint("[trian]\nlr = 1\n"), "did you mean \"train\"?"));
  CHECK(has(complaint(rein::testing::TinyRun::config() + "widnow = 3\n"), "did you mean \"window\"?"));
  CHECK(has(complaint("[train\n"), "run.toml, line 1"));
}

TEST_CASE("config: types and ranges") {
  CHECK(has(complaint(with("weight_decay = \"much\"")), "\"train.weight_decay\" must be a number, got"));
  CHECK(has(complaint(with("seed = 1.5")), "must be an integer"));
  CHECK(has(complaint(with("recompute = 1")), "must be true or false"));
  CHECK(has(complaint(with("clip = -1")), "\"train.clip\" must be 0 or more, got -1"));
  CHECK(has(complaint(with("beta2 = 1")), "\"train.beta2\" must be within 0 and below 1"));
  CHECK(has(complaint(with("micro_batch = 3")), "a divisor of train.batch (2)"));
  CHECK(has(complaint(rein::testing::TinyRun::config(), {"model.method=rien"}), "did you mean \"rein\"?"));
  CHECK(has(complaint(rein::testing::TinyRun::config(), {"train.batch=0"}), "within 1 and 65536"));
  CHECK(has(complaint(rein::testing::TinyRun::config(), {"train.batch=4294967297"}), "within 1 and 65536"));
  CHECK(has(complaint(rein::testing::TinyRun::config(), {"data.crop=4294967328"}), "within 1 and 32768"));
  CHECK(has(complaint(rein::testing::TinyRun::config(), {"data.workers=5000"}), "within 1 and 1024"));
  CHECK(has(complaint(rein::testing::TinyRun::config(), {"model.rein.scale=nan"}), "a finite number"));
  CHECK(has(complaint(rein::testing::TinyRun::config(), {"model.out_indices=[3, 3, 3, 3]"}), "not ascending"));
  CHECK(
      has(complaint(rein::testing::TinyRun::config() + "[[eval.target]]\nname = \"toy\"\ndataset=\"a\"\nroot=\"b\"\n"),
          "two targets named \"toy\""));
  CHECK(has(complaint(rein::testing::TinyRun::config() + "[[eval.target]]\nname = \"x\"\n"), "needs \"name\""));
}

TEST_CASE("config: overrides") {
  const Config c = parse_config(rein::testing::TinyRun::config(), "run.toml",
                                {"train.lr=2e-4", "model.method=full", "model.out_indices=[0, 1, 2, 3]",
                                 "data.photometric=false", "eval.target.toy.take_every=2"});
  CHECK(c.train.lr == 2e-4);
  CHECK(c.model.method == "full");
  CHECK(c.model.out_indices == std::vector<std::int64_t>{0, 1, 2, 3});
  CHECK_FALSE(c.data.photometric);
  CHECK(c.eval.targets[0].take_every == 2);
  const std::string base = rein::testing::TinyRun::config();
  CHECK(has(complaint(base, {"train.lr"}), "must have the form key=value"));
  CHECK(has(complaint(base, {"train.rl=1"}), "did you mean \"train.lr\"?"));
  CHECK(has(complaint(base, {"train.lr=fast"}), "must be a number"));
  CHECK(has(complaint(base, {"train.lr=1\nx=2"}), "must be one value"));
  CHECK(has(complaint(base, {"eval.target.toi.split=train"}), "did you mean \"toy\"?"));
}

TEST_CASE("config: what follows from other keys") {
  const Config c = parse_config(rein::testing::TinyRun::config(), "run.toml");
  CHECK(c.train.zero_at == 11);
  CHECK(c.train.micro_batch == 2);
  CHECK(c.model.image_size == 32);
  CHECK(c.data.short_edges.front() == 16);
  CHECK(c.data.short_edges.back() == 64);
  CHECK(c.eval.targets[0].window == 32);
  CHECK(c.eval.targets[0].stride == 24);
}

TEST_CASE("config: written and read again it is the same") {
  Config c = parse_config(rein::testing::TinyRun::config(), "run.toml", {"train.lr=0.1"});
  c.data.root = "a \"quoted\" \\ path\n\x01";
  c.train.eps = 1e-300;
  c.model.mean = {0.1, 1.0 / 3, 255};
  const std::string text = config_text(c);
  const Config again = parse_config(text, "again");
  CHECK(config_text(again) == text);
  CHECK(again.data.root == c.data.root);
  CHECK(again.model.mean == c.model.mean);
  CHECK(again.train.lr == 0.1);
  CHECK(resume_differences(again, c).empty());
  Config other = c;
  other.train.lr = 0.2;
  other.train.threads = 7;  // free
  CHECK(resume_differences(other, c) == std::vector<std::string>{"train.lr: 0.2 here, 0.1 in the checkpoint"});
}

TEST_CASE("config: the help names every key") {
  const std::string help = config_help();
  CHECK(has(help, "train.weight_decay = 0.05"));
  CHECK(has(help, "eval.target.take_every"));
}

TEST_CASE("config: paths") {
  const rein::testing::TinyRun run;
  Config c = read_config(run / "config.toml");
  resolve_paths(c, run / "config.toml", {run.folder().path(), run.folder().path()});
  CHECK(c.data.dataset == (run / "set.toml").string());
  CHECK(c.eval.targets[0].root == (run / "set").string());
  Config missing = read_config(run / "config.toml", {"model.backbone=none.safetensors"});
  CHECK_THROWS_WITH(resolve_paths(missing, run / "config.toml", {run.folder().path(), run.folder().path()}),
                    doctest::Contains("--weights-root"));
  CHECK_THROWS_WITH(read_config(run / "absent.toml"), doctest::Contains("cannot read"));
}

TEST_CASE("config: the files of the repository are valid") {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("configs/rein")) {
    if (entry.path().extension() != ".toml") continue;
    CHECK_NOTHROW(read_config(entry.path()));
    ++count;
  }
  CHECK(count >= 2);
  const Config c = read_config("configs/rein/idda_vit_tiny_fpn.toml");
  CHECK(c.train.zero_at == 1000);
  CHECK(c.eval.targets.size() == 5);
}
