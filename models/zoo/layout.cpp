#include "models/zoo/layout.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "tensor/error.h"

namespace rein::models::zoo {
namespace {

std::string fill(std::string_view pattern, const Match& m) {
  std::string out;
  for (const char c : pattern) {
    if (c == '#')
      out += std::to_string(m.block);
    else if (c == '*')
      out += m.word;
    else
      out += c;
  }
  return out;
}

}  // namespace

const std::vector<Layout>& layouts() {
  static const std::vector<Layout> all = {
      vit_augreg(),       dinov2_original(),  dinov2_hugging_face(), dinov3_hugging_face(), dinov3_hugging_face_gated(),
      eva02_timm(),       eva02_timm_fused(), eva02_rein(),          eva02_rein_fused(),    clip_hugging_face(),
      clip_openai(),      clip_rein(),        mae_original(),        mae_hugging_face(),    sam_original(),
      sam_hugging_face(),
  };
  return all;
}

std::optional<Match> match(std::string_view pattern, std::string_view name) {
  Match found;
  std::size_t at = 0;
  for (const char c : pattern) {
    if (c == '#') {
      const char* first = name.data() + at;
      const auto [last, error] = std::from_chars(first, name.data() + name.size(), found.block);
      // "07", "+7" and "-7" are no block numbers: the way back would give another name.
      if (error != std::errc() || (*first == '0' && last - first > 1) || *first == '-') return std::nullopt;
      at = static_cast<std::size_t>(last - name.data());
    } else if (c == '*') {
      const std::size_t end = std::min(name.find('.', at), name.size());
      if (end == at) return std::nullopt;
      found.word = name.substr(at, end - at);
      at = end;
    } else if (at < name.size() && name[at] == c) {
      ++at;
    } else {
      return std::nullopt;
    }
  }
  return at == name.size() ? std::optional(found) : std::nullopt;
}

bool Layout::ignores(std::string_view theirs) const {
  return std::ranges::any_of(ignored, [&](std::string_view pattern) {
    if (pattern.find('#') != pattern.npos) return match(pattern, theirs).has_value();
    return pattern.ends_with('*') ? theirs.starts_with(pattern.substr(0, pattern.size() - 1)) : theirs == pattern;
  });
}

std::int64_t Layout::heads_of(std::int64_t width) const {
  for (const auto& [known, count] : heads)
    if (known == width) return count;
  return width % 64 == 0 ? width / 64 : 0;
}

std::optional<Place> place_of(const Layout& layout, std::string_view theirs) {
  for (const NameRule& rule : layout.rules)
    if (const auto m = match(rule.theirs, theirs)) return Place{fill(rule.ours, *m), rule.part, rule.parts, rule.form};
  return std::nullopt;
}

std::vector<std::string> pieces_of(const Layout& layout, std::string_view ours) {
  std::vector<std::string> pieces;
  for (const NameRule& rule : layout.rules) {
    const auto m = match(rule.ours, ours);
    if (!m) continue;
    if (pieces.empty()) pieces.resize(static_cast<std::size_t>(rule.parts));
    pieces[static_cast<std::size_t>(rule.part)] = fill(rule.theirs, *m);
  }
  return pieces;
}

Form form_of(const Layout& layout, std::string_view ours) {
  for (const NameRule& rule : layout.rules)
    if (match(rule.ours, ours)) return rule.form;
  return Form::same;
}

Shape to_our_shape(Form form, const Shape& theirs) {
  const int rank = theirs.rank();
  if (form == Form::vector && rank == 1) return {1, 1, theirs[0]};
  if (form == Form::table && rank == 2) return {1, theirs[0], theirs[1]};
  if (form == Form::map && rank == 4 && theirs[0] == 1) return {1, theirs[1] * theirs[2], theirs[3]};
  return theirs;
}

Shape to_their_shape(Form form, const Shape& ours) {
  if (form == Form::same || ours.rank() != 3) return ours;
  if (form == Form::vector) return {ours[2]};
  if (form == Form::table) return {ours[1], ours[2]};
  const auto side = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(ours[1]))));
  require(side * side == ours[1], "zoo", "a map of positions must be square, got ", ours);
  return {1, side, side, ours[2]};
}

}  // namespace rein::models::zoo
