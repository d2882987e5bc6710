// Sets of classes: names and one colour each. The Cityscapes set stands here and nowhere else.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/images/image.h"

namespace rein::data {

inline constexpr std::uint8_t ignore_id = 255;  // train id of pixels that count nowhere
inline constexpr int max_classes = 255;         // train ids 0..254

struct ClassSet {
  std::vector<std::string> names;  // position = train id
  std::vector<Rgb> palette;        // one per class

  int count() const { return static_cast<int>(names.size()); }
  std::optional<int> find(std::string_view name) const;
  bool operator==(const ClassSet&) const = default;
};

// The 19 train classes of Cityscapes, "road" to "bicycle", with its colours.
const ClassSet& cityscapes_classes();

// Distinct colours for sets without a palette of their own: the bits of the id spread over the three channels' high
// bits, as PASCAL VOC does it, from id 1 on (0 would be black).
std::vector<Rgb> default_palette(int classes);

}  // namespace rein::data
