#include "data/scenes/split.h"

#include <algorithm>

namespace rein::data::scenes {

std::vector<const Style*> styles_named(const std::vector<std::string>& words) {
  std::vector<const Style*> chosen;
  const auto choose = [&](const Style& style) {
    if (std::ranges::find(chosen, &style) == chosen.end()) chosen.push_back(&style);
  };
  for (const std::string& word : words) {
    bool group = false;
    for (const Style& style : all_styles()) {
      if (word != "all" && word != group_name(style.group)) continue;
      group = true;
      choose(style);
    }
    if (!group) choose(find_style(word));
  }
  return chosen;
}

std::string name_of(const Style& style, std::int64_t index) {
  const std::string digits = std::to_string(index);
  return std::string(style.name) + "/" + std::string(digits.size() < 6 ? 6 - digits.size() : 0, '0') + digits;
}

}  // namespace rein::data::scenes
