// A split of a data set whose samples are rendered when they are read: no files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/scenes/scene.h"

namespace rein::data::scenes {

struct Split {
  std::vector<const Style*> styles;  // taken in turn
  std::int64_t count = 1000;         // scenes in all; at most max_count
  std::uint64_t seed = 0;            // scene i is scene i of this seed: splits that must not share streets differ in it
  Size size{128, 256};
};

inline constexpr std::int64_t max_count = 1'000'000;

// The styles that words name: a style, or "source", "target", "pretraining", "all" for a group; each once, in the order
// of the words. std::invalid_argument for other words.
std::vector<const Style*> styles_named(const std::vector<std::string>& words);

inline const Style& style_of(const Split& split, std::int64_t index) {
  return *split.styles[static_cast<std::size_t>(index) % split.styles.size()];
}
inline Scene render(const Split& split, std::int64_t index) {
  return render(style_of(split, index), split.seed, index, split.size);
}
// "night/000012", as in a folder of scenes.
std::string name_of(const Style& style, std::int64_t index);

}  // namespace rein::data::scenes
