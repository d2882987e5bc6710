// Published evaluation protocols by name, and the texts that say how photos are resized. The numbers decide the scores:
// they stand here and nowhere else.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "data/sets/description.h"

namespace rein::train {

struct Preset {
  std::string name;
  std::int64_t window = 0, stride = 0;
  std::vector<std::pair<std::string, std::string>> resizes;  // name in the set's description -> resize

  // "" for a set that the protocol does not mention: as its description says.
  std::string resize_of(const std::string& set) const;
};

// "rein512" and "rein1024": the two recipes of Rein's authors. "full-res": photos at their own size, windows of 512.
const std::vector<Preset>& presets();
std::vector<std::string> preset_names();
const Preset* find_preset(const std::string& name);  // null for an unknown one

// "native", "short:320", "scale:2", "fit:1024x512"; with "half+" before it photos and labels are halved first.
// std::invalid_argument for anything else.
data::EvalResize parse_resize(const std::string& text);
std::string resize_text(const data::EvalResize& resize);  // and back

}  // namespace rein::train
