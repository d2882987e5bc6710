#include "data/scenes/styles/style.h"

#include <string>

#include "tensor/error.h"
#include "tensor/text.h"

namespace rein::data::scenes {

std::span<const Style> all_styles() {
  static const std::vector<Style> all = [] {
    std::vector<Style> out;
    for (const auto group : {source_styles(), target_styles(), pretraining_styles()})
      out.insert(out.end(), group.begin(), group.end());
    return out;
  }();
  return all;
}

std::vector<std::string_view> style_names() {
  std::vector<std::string_view> names;
  for (const Style& style : all_styles()) names.push_back(style.name);
  return names;
}

const Style& find_style(std::string_view name) {
  std::vector<std::string> known;
  for (const Style& style : all_styles()) {
    if (style.name == name) return style;
    known.emplace_back(style.name);
  }
  const std::string word(name);
  fail("scenes", "there is no style \"", word, "\"", did_you_mean(word, known), " (known: ", quoted_list(known), ")");
}

const char* group_name(Group group) {
  static constexpr const char* names[] = {"source", "target", "pretraining"};
  return names[static_cast<int>(group)];
}

}  // namespace rein::data::scenes
