// Scenes as an ordinary data set on disk:
//   OUT/dataset.toml                     description for train and eval: a split per style, and "all"
//   OUT/images/STYLE/000000.png, OUT/labels/STYLE/000000.png (palette indices are train ids)
//   OUT/scenes.json                      seed and size; a later call must agree and may add styles and scenes
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>

#include "data/scenes/scene.h"

namespace rein::data::scenes {

struct FolderOptions {
  std::uint64_t seed = 0;
  std::int64_t count = 100;  // per style
  Size size{128, 256};
};

// The description of such a folder; also serves those who build the text of one by hand.
std::string description_text(std::span<const std::string> styles);

// The two files of a scene: a photo, and labels as palette indices. Each appears whole or not at all, the labels last.
void write_scene(const std::filesystem::path& photo, const std::filesystem::path& labels, const Scene& scene);

// Renders what is not there yet, on all threads; returns how many scenes that were. Each file appears whole or not at
// all, so a killed call goes on where it was. `progress` (done, all) is called by one thread at a time.
// std::invalid_argument for bad options, std::runtime_error for a folder made with other ones and for what the disk
// says.
std::int64_t write_folder(const std::filesystem::path& out, std::span<const Style* const> styles,
                          const FolderOptions& options,
                          const std::function<void(std::int64_t, std::int64_t)>& progress = {});

}  // namespace rein::data::scenes
