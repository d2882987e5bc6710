#include "train/config/protocol.h"

#include <algorithm>
#include <charconv>

#include "tensor/error.h"

namespace rein::train {
namespace {

std::int64_t number(std::string_view text, const std::string& whole) {
  std::int64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  require(result.ec == std::errc() && result.ptr == text.data() + text.size() && value >= 1 && value <= 1 << 20, "eval",
          "\"", whole, "\" needs a whole number above 0, got \"", text, "\"");
  return value;
}

}  // namespace

std::string Preset::resize_of(const std::string& set) const {
  for (const auto& [known, resize] : resizes)
    if (known == set) return resize;
  return "";
}

const std::vector<Preset>& presets() {
  static const std::vector<Preset> table = {
      {"rein512",
       512,
       341,
       {{"cityscapes", "fit:1024x512"},
        {"bdd100k", "fit:1280x720"},
        {"mapillary", "half+fit:1024x512"},
        {"mapillary_half", "fit:1024x512"},
        {"acdc", "fit:960x540"}}},
      {"rein1024", 1024, 683, {{"cityscapes", "fit:2048x1024"}, {"acdc", "fit:1920x1080"}}},
      {"full-res", 512, 341, {}},
  };
  return table;
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const Preset& preset : presets()) names.push_back(preset.name);
  return names;
}

const Preset* find_preset(const std::string& name) {
  const auto found = std::ranges::find(presets(), name, &Preset::name);
  return found == presets().end() ? nullptr : &*found;
}

data::EvalResize parse_resize(const std::string& text) {
  using Kind = data::EvalResize::Kind;
  constexpr std::string_view halved = "half+";
  if (text.starts_with(halved)) {
    data::EvalResize rest = parse_resize(text.substr(halved.size()));
    require(!rest.halve, "eval", "\"", text, "\" must halve once");
    rest.halve = true;
    return rest;
  }
  const std::size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon), value = colon == text.npos ? "" : text.substr(colon + 1);
  data::EvalResize out;
  if (text == "native") return out;
  if (kind == "short") {
    out.kind = Kind::shortest_edge;
    out.value = static_cast<double>(number(value, text));
    return out;
  }
  if (kind == "scale") {
    double factor = 0;
    const auto result = std::from_chars(value.data(), value.data() + value.size(), factor);
    require(result.ec == std::errc() && result.ptr == value.data() + value.size() && factor > 0 && factor <= 64, "eval",
            "\"", text, "\" needs a factor above 0, at most 64");
    out.kind = Kind::scale;
    out.value = factor;
    return out;
  }
  if (const std::size_t by = value.find('x'); kind == "fit" && by != value.npos) {
    out.kind = Kind::keep_ratio;
    out.bound_a = static_cast<int>(number(std::string_view(value).substr(0, by), text));
    out.bound_b = static_cast<int>(number(std::string_view(value).substr(by + 1), text));
    return out;
  }
  fail("eval", "a resize is native, short:320, scale:2 or fit:1024x512, or one of these behind half+, got \"", text,
       "\"");
}

std::string resize_text(const data::EvalResize& resize) {
  using Kind = data::EvalResize::Kind;
  const std::string before = resize.halve ? "half+" : "";
  switch (resize.kind) {
    case Kind::shortest_edge:
      return before + "short:" + std::to_string(static_cast<std::int64_t>(resize.value));
    case Kind::scale: {
      char text[40];
      const auto end = std::to_chars(text, text + sizeof text, resize.value).ptr;
      return before + "scale:" + std::string(text, end);
    }
    case Kind::keep_ratio:
      return concat_text(before, "fit:", resize.bound_a, "x", resize.bound_b);
    case Kind::none:
    default:
      return before + "native";
  }
}

}  // namespace rein::train
