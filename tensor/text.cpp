#include "tensor/text.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <vector>

namespace rein {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace

bool is_utf8(std::string_view text) {
  static constexpr std::uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};  // longer forms of less are forbidden
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t more = lead < 0x80 ? 0 : lead >> 5 == 6 ? 1 : lead >> 4 == 14 ? 2 : lead >> 3 == 30 ? 3 : 4;
    if (more == 4 || text.size() - i <= more) return false;
    std::uint32_t code = more == 0 ? lead : lead & (0x3fu >> more);
    for (std::size_t k = 1; k <= more; ++k) {
      const auto byte = static_cast<unsigned char>(text[i + k]);
      if (byte >> 6 != 2) return false;
      code = code << 6 | (byte & 0x3fu);
    }
    if (code < smallest[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
    i += 1 + more;
  }
  return true;
}

int edit_distance(std::string_view a, std::string_view b) {
  const std::size_t n = a.size(), m = b.size();
  std::vector<int> two_back(m + 1), back(m + 1), row(m + 1);
  for (std::size_t j = 0; j <= m; ++j) back[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= n; ++i) {
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= m; ++j) {
      const int replace = back[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replace, back[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], two_back[j - 2] + 1);
    }
    std::swap(two_back, back);
    std::swap(back, row);
  }
  return back[m];
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates) {
  const std::string wanted = lower(word);
  std::optional<std::string> best;
  int best_distance = 0;
  for (const std::string& candidate : candidates) {
    const int distance = edit_distance(wanted, lower(candidate));
    const int longest = static_cast<int>(std::max(word.size(), candidate.size()));
    if (distance > std::max(2, longest / 3) || distance >= longest) continue;
    if (best && distance >= best_distance) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates) {
  const auto found = nearest(word, candidates);
  return found ? "; did you mean \"" + *found + "\"?" : "";
}

std::string quoted_list(std::span<const std::string> words, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < std::min(limit, words.size()); ++i) out += (i ? ", \"" : "\"") + words[i] + '"';
  if (words.size() > limit) out += " and " + std::to_string(words.size() - limit) + " more";
  return out;
}

}  // namespace rein
