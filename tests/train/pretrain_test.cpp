// Pretraining on rendered scenes: reproducible to the byte, resumable, without labels, and its file is a DINOv2 that
// training takes.
#include "train/run/pretrain.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "data/loading/loader.h"
#include "data/loading/unlabelled.h"
#include "models/zoo/zoo.h"
#include "tensor/io/safetensors.h"
#include "tensor/parallel.h"
#include "tests/harness/temp_folder.h"
#include "train/error.h"
#include "train/run/build.h"

using namespace rein;
namespace fs = std::filesystem;

namespace {

constexpr const char* config_toml = R"([pretrain]
patch = 8
width = 16
heads = 2
depth = 4
decoder_width = 8
decoder_depth = 1
decoder_heads = 2
photos = 6
cache_mib = 1
[data]
dataset = "scenes.toml"
split = "pretraining"
crop = 32
short_edges = [32, 40]
[train]
iterations = 6
batch = 4
lr = 1e-3
warmup = 2
checkpoint_every = 2
)";

constexpr const char* scenes_toml = R"(name = "scenes"
classes = "cityscapes"
[splits.pretraining]
scenes = "pretraining"
count = 8
seed = 3
size = [32, 64]
[splits.square]
scenes = "pretraining"
count = 1
size = [32, 32]
[splits.one]
scenes = "game"
count = 8
[labels]
encoding = "index"
)";

class Place {
 public:
  Place() {
    folder_.write("scenes.toml", scenes_toml);
    folder_.write("config.toml", config_toml);
  }
  train::PretrainResult run(const std::string& out, std::vector<std::string> overrides = {},
                            bool resume = false) const {
    train::Config config = train::read_config(folder_ / "config.toml", overrides, train::Purpose::pretrain);
    train::resolve_paths(config, folder_ / "config.toml", {});
    train::Observer silent;
    return train::pretrain({config, folder_ / out, resume}, silent);
  }
  const test::TempFolder& folder() const { return folder_; }

 private:
  test::TempFolder folder_;
};

// Ends a run where a kill would: after a step, without a word.
struct Stop {};
class Stopper final : public train::Observer {
 public:
  void step(const train::StepReport& report) override {
    if (report.step == 5) throw Stop();
  }
};

TEST_CASE("the same seed gives the same file, for any number of threads, in one go or resumed") {
  const Place place;
  const int before = thread_count();
  set_thread_count(1);
  const train::PretrainResult first = place.run("a");
  set_thread_count(3);
  const train::PretrainResult second = place.run("b", {"data.workers=3", "pretrain.cache_mib=0"});
  set_thread_count(before);
  CHECK(first.steps == 6);
  CHECK(first.sha256.size() == 64);
  CHECK(first.sha256 == second.sha256);
  const std::string metrics = test::contents_of(place.folder() / "a/metrics.jsonl");
  CHECK(metrics == test::contents_of(place.folder() / "b/metrics.jsonl"));

  train::Config config = train::read_config(place.folder() / "config.toml", {}, train::Purpose::pretrain);
  train::resolve_paths(config, place.folder() / "config.toml", {});
  Stopper stopper;
  CHECK_THROWS_AS(train::pretrain({config, place.folder() / "c", false}, stopper), Stop);  // after the checkpoint of 4
  CHECK(place.run("c", {}, true).sha256 == first.sha256);
  CHECK(test::contents_of(place.folder() / "c/metrics.jsonl") == metrics);

  CHECK(place.run("d", {"train.seed=1"}).sha256 != first.sha256);
  CHECK_THROWS(place.run("c", {"train.lr=2e-3"}, true));
  CHECK_THROWS(place.run("c"));  // holds a run
}

TEST_CASE("pretraining: a loss that is not finite ends the run, and the message says of what") {
  const Place place;
  CHECK_THROWS_WITH_AS(place.run("nan", {"train.weight_decay=1e30", "train.warmup=0"}),
                       doctest::Contains("[pretrain] step "), train::CheckFailed);
}

TEST_CASE("micro-batches and pairs of styles: the whole batch's masks and gradients") {
  const Place place;
  const auto whole = place.run("whole", {"pretrain.target=other_style", "train.iterations=2"});
  const auto parts = place.run("parts", {"pretrain.target=other_style", "train.iterations=2", "train.micro_batch=2"});
  REQUIRE(whole.last_loss);
  CHECK(*parts.last_loss == doctest::Approx(*whole.last_loss).epsilon(1e-4));
  CHECK_THROWS(place.run("x", {"pretrain.target=other_style", "data.split=one"}));  // a single style
  CHECK_THROWS(place.run("x", {"pretrain.target=other_style", "train.batch=3"}));
  CHECK_THROWS(place.run("x", {"pretrain.photos=9"}));
  CHECK_THROWS(place.run("x", {"data.cat_max_ratio=0.5"}));  // needs labels: not a key of pretraining
  CHECK_THROWS(place.run("x", {"model.method=freeze"}));
}

class Losses final : public train::Observer {
 public:
  void step(const train::StepReport& report) override { of_steps.push_back(report.loss); }
  std::vector<double> of_steps;
};

TEST_CASE("every step hides other patches: the same photo and weights, another loss") {
  const Place place;
  const fs::path file = place.folder() / "config.toml";
  train::Config config =
      train::read_config(file,
                         {"data.split=square", "data.short_edges=[32]", "data.flip=0", "data.photometric=false",
                          "train.batch=1", "train.lr=1e-30", "train.warmup=0", "train.iterations=3"},
                         train::Purpose::pretrain);
  config.pretrain.photos = 1;
  train::resolve_paths(config, file, {});
  Losses losses;
  train::pretrain({config, place.folder() / "still", false}, losses);
  REQUIRE(losses.of_steps.size() == 3);
  CHECK(losses.of_steps[1] != losses.of_steps[0]);
  CHECK(losses.of_steps[2] != losses.of_steps[1]);
}

TEST_CASE("the file is a DINOv2 that training takes, with values or, on demand, random ones") {
  const Place place;
  const train::PretrainResult result =
      place.run("run", {"train.iterations=1", "pretrain.width=64", "pretrain.heads=0"});
  const auto weights = models::zoo::open_weights(result.file);
  CHECK(weights.model.text().find("dinov2 (dinov2_hf): 4 blocks of 64, 1 heads, patch 8, grid 4x4") == 0);
  const SafeTensors file = SafeTensors::open(result.file);
  CHECK(file.entry("encoder.layer.3.mlp.fc1.weight").dtype == DType::bf16);
  CHECK(file.has("embeddings.mask_token"));

  train::Config config = train::parse_config(
      "[model]\nbackbone = \"x\"\nmethod = \"freeze\"\n[data]\ndataset = \"y\"\ncrop = 32\n", "test");
  config.model.backbone = result.file.string();
  const auto first_weight = [&] {
    train::BuiltModel built = train::build_model(config, 3);
    Tensor weight;
    built.model->backbone().vit().visit([&](const std::string& path, nn::Param& p) {
      if (path == "blocks.0.attn.qkv.weight") weight = p.value.value();
      CHECK(p.frozen);
    });
    return weight.to_doubles();
  };
  const auto trained = first_weight();
  config.model.weights = "random";
  const auto random = first_weight();
  CHECK(random != trained);
  CHECK(random == first_weight());  // of the seed
  config.train.seed = 1;
  CHECK(random != first_weight());
}

TEST_CASE("photos without labels: pairs show one street from one place, in two styles") {
  const Place place;
  const auto set = data::open_dataset((place.folder() / "scenes.toml").string(), "", "pretraining");
  const auto pairs = data::unlabelled(set, {.photos = 5, .cache_bytes = 10000, .views = 2});
  REQUIRE(pairs->size() == 10);
  const data::Sample a = pairs->read(2), b = pairs->read(3);
  CHECK(a.name != b.name);
  CHECK(a.image.pixels != b.image.pixels);
  CHECK(a.image.pixels == set->read(1).image.pixels);
  CHECK(std::ranges::count(a.label.ids, data::ignore_id) == 32 * 64);
  CHECK(pairs->read(3).image.pixels == b.image.pixels);  // kept, or rendered again

  data::LoaderOptions load;
  load.batch_size = 4;
  load.views = 2;
  load.transforms.crop = {32, 32};
  load.transforms.short_edges = {40};
  load.transforms.photometric = false;
  load.transforms.cat_max_ratio = 1;
  const data::SampleOrder order(0, 5);
  Tensor image = Tensor::empty({32, 32, 3}, DType::f32), labels = Tensor::empty({32, 32}, DType::i64);
  const auto prepared = [&](std::int64_t number) {
    return data::prepare_sample(*pairs, order, 0, number, load.transforms, image.mutable_data<float>(),
                                labels.mutable_data<std::int64_t>(), 2);
  };
  for (std::int64_t photo = 0; photo < 4; ++photo) {
    const auto one = prepared(2 * photo), other = prepared(2 * photo + 1);
    CHECK(one.draw.offsets[0] == other.draw.offsets[0]);
    CHECK(one.draw.flip == other.draw.flip);
    CHECK(one.name.substr(one.name.find('/')) == other.name.substr(other.name.find('/')));
  }
  const Tensor four = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}, Shape{4, 2});
  CHECK(data::partners(four).to_doubles() == std::vector<double>{3, 4, 1, 2, 7, 8, 5, 6});
  CHECK_THROWS_AS(data::partners(four.rows(0, 3)), std::invalid_argument);
  load.batch_size = 3;
  CHECK_THROWS_AS(data::Loader(pairs, load), std::invalid_argument);
}

}  // namespace
