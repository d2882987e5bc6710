// Small helpers for texts that people type: the nearest known word, for errors that suggest it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace rein {

bool is_utf8(std::string_view text);

// Edits (insert, delete, replace, swap of neighbours) that turn a into b.
int edit_distance(std::string_view a, std::string_view b);

// The candidate with the smallest edit distance, upper and lower case taken as equal; the first
// of equals. Nothing when even that one is no misspelling: further than 2 and than a third of the longer word.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

// `; did you mean "x"?`, or an empty text: to be appended to an error.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

// `"a", "b", "c"`, at most `limit` of them and then how many more there are.
std::string quoted_list(std::span<const std::string> words, std::size_t limit = 20);

}  // namespace rein
