// Pretraining on the device against the CPU.
#include <doctest/doctest.h>

#include "tests/harness/temp_folder.h"
#include "train/run/pretrain.h"

using namespace rein;

namespace {

constexpr const char* config_toml = R"([pretrain]
patch = 8
width = 16
heads = 2
depth = 2
decoder_width = 8
decoder_depth = 1
decoder_heads = 2
photos = 4
[data]
dataset = "scenes.toml"
split = "some"
crop = 32
short_edges = [32, 40]
[train]
iterations = 3
batch = 4
micro_batch = 2
lr = 1e-3
)";

constexpr const char* scenes_toml = R"(name = "scenes"
classes = "cityscapes"
[splits.some]
scenes = "pretraining"
count = 8
seed = 3
size = [32, 64]
[labels]
encoding = "index"
)";

struct Losses final : train::Observer {
  void step(const train::StepReport& r) override { values.push_back(r.loss), values.push_back(r.gradient_norm); }
  std::vector<double> values;
};

TEST_CASE("rein pretrain on the device: the CPU's numbers, and a file") {
  const test::TempFolder folder;
  folder.write("scenes.toml", scenes_toml);
  folder.write("config.toml", config_toml);
  for (const std::string target : {"same", "other_style"}) {
    CAPTURE(target);
    train::Config config =
        train::read_config(folder / "config.toml", {"pretrain.target=" + target}, train::Purpose::pretrain);
    train::resolve_paths(config, folder / "config.toml", {});
    Losses expected, got;
    train::pretrain({config, folder / ("cpu-" + target)}, expected);
    const train::PretrainResult result =
        train::pretrain({config, folder / ("cuda-" + target), false, {Device::Kind::cuda, 0}}, got);
    REQUIRE(got.values.size() == 6);
    for (std::size_t i = 0; i < 6; ++i) CHECK(got.values[i] == doctest::Approx(expected.values[i]).epsilon(1e-3));
    CHECK(result.sha256.size() == 64);
  }
}

}  // namespace
