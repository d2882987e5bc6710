// A complete run in a folder: a random ViT with timm's names, a synthetic data set of two splits, a config. Made in
// milliseconds, trained in milliseconds per step.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/images/image_io.h"
#include "models/vit/vit.h"
#include "nn/bind.h"
#include "tensor/io/safetensors.h"
#include "tests/harness/temp_folder.h"

namespace rein::testing {

class TinyRun {
 public:
  TinyRun() {
    write_backbone(folder_ / "vit.safetensors", 1);
    for (const char* sub : {"set/photos", "set/labels"}) std::filesystem::create_directories(folder_ / sub);
    std::string train, val;
    for (int i = 0; i < 10; ++i) {
      const std::string name = "p" + std::to_string(i);
      write_pair(name, i);
      (i < 7 ? train : val) += name + "\n";
    }
    folder_.write("set/train.txt", train);
    folder_.write("set/val.txt", val);
    folder_.write("set.toml",
                  "name = \"toy\"\nclasses = [\"ground\", \"thing\", \"sky\"]\n[files]\nimage = \"photos/{}.png\"\n"
                  "label = \"labels/{}.png\"\n[splits.train]\nlist = \"train.txt\"\n[splits.val]\nlist = \"val.txt\"\n"
                  "[labels]\nencoding = \"index\"\n");
    folder_.write("config.toml", config());
  }

  static std::string config() {
    return R"([model]
backbone = "vit.safetensors"
method = "rein"
heads = 2
fpn_channels = 8
head_channels = 8
groups = 4
[model.rein]
token_length = 6
rank = 2
[data]
dataset = "set.toml"
root = "set"
crop = 32
[train]
iterations = 12
batch = 2
lr = 1e-2
checkpoint_every = 1
eval_every = 5
[eval]
window = 32
stride = 24
[[eval.target]]
name = "toy"
dataset = "set.toml"
root = "set"
split = "val"
)";
  }

  // A ViT of 4 blocks of 16, patch 8, grid 4x4, with a classifier as timm's files have one.
  static void write_backbone(const std::filesystem::path& path, std::uint64_t seed) {
    models::VitOptions options;
    options.patch = 8;
    options.grid_height = options.grid_width = 4;
    options.dim = 16;
    options.depth = 4;
    options.heads = 2;
    models::Vit vit(options);
    vit.name_tree();
    nn::initialise(vit, RandomKey(seed), DType::f32);
    auto tensors = nn::collect(vit, {});
    tensors["head.weight"] = Tensor::zeros(Shape{5, 16}, DType::f32);
    tensors["head.bias"] = Tensor::zeros(Shape{5}, DType::f32);
    write_safetensors(path, tensors);
  }

  void write_pair(const std::string& name, int seed) const {
    const RandomKey key(static_cast<std::uint64_t>(seed));
    const int height = 40, width = 52, horizon = 10 + static_cast<int>(key.below(0, 15));
    data::Image photo(height, width);
    data::LabelMap label(height, width);
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        const bool thing = y > 20 && x > 10 + seed && x < 30 + seed;
        const int id = y < horizon ? 2 : thing ? 1 : 0;
        label.row(y)[x] = static_cast<std::uint8_t>(id);
        for (int c = 0; c < 3; ++c)
          photo.row(y)[3 * x + c] = static_cast<std::uint8_t>(
              60 * (1 + (id + c) % 3) +
              static_cast<int>(key.below(1 + static_cast<std::uint64_t>((y * width + x) * 3 + c), 40)));
      }
    data::write_rgb_png(folder_ / ("set/photos/" + name + ".png"), photo);
    data::write_gray_png(folder_ / ("set/labels/" + name + ".png"), label);
  }

  const test::TempFolder& folder() const { return folder_; }
  std::filesystem::path operator/(std::string_view name) const { return folder_ / name; }

 private:
  test::TempFolder folder_;
};

}  // namespace rein::testing
