#include "data/sets/classes.h"

namespace rein::data {

std::optional<int> ClassSet::find(std::string_view name) const {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return static_cast<int>(i);
  return std::nullopt;
}

const ClassSet& cityscapes_classes() {
  static const ClassSet set{
      {"road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
       "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"},
      {{128, 64, 128},
       {244, 35, 232},
       {70, 70, 70},
       {102, 102, 156},
       {190, 153, 153},
       {153, 153, 153},
       {250, 170, 30},
       {220, 220, 0},
       {107, 142, 35},
       {152, 251, 152},
       {70, 130, 180},
       {220, 20, 60},
       {255, 0, 0},
       {0, 0, 142},
       {0, 0, 70},
       {0, 60, 100},
       {0, 80, 100},
       {0, 0, 230},
       {119, 11, 32}}};
  return set;
}

std::vector<Rgb> default_palette(int classes) {
  std::vector<Rgb> palette;
  for (int id = 1; id <= classes; ++id) {
    Rgb colour{};
    for (int bit = 0; bit < 8; ++bit)
      for (int channel = 0; channel < 3; ++channel) {
        const int set = id >> (3 * bit + channel) & 1;
        colour[std::size_t(channel)] = static_cast<std::uint8_t>(colour[std::size_t(channel)] | set << (7 - bit));
      }
    palette.push_back(colour);
  }
  return palette;
}

}  // namespace rein::data
