#include "tensor/text.h"

#include <doctest/doctest.h>

#include <vector>

namespace rein {
namespace {

TEST_CASE("Edit distance counts inserts, deletes, replacements and swaps") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("lable", "label") == 1);
  CHECK(edit_distance("abc", "abd") == edit_distance("abd", "abc"));
}

TEST_CASE("The nearest word is suggested only when it is near") {
  const std::vector<std::string> words{"encoding", "ignore", "map", "other"};
  CHECK(nearest("encodng", words) == "encoding");
  CHECK(nearest("Ignore", words) == "ignore");
  CHECK(nearest("mpa", words) == "map");
  CHECK(nearest("colourfulness", words) == std::nullopt);
  CHECK(nearest("xy", words) == std::nullopt);
  CHECK(did_you_mean("othr", words) == "; did you mean \"other\"?");
  CHECK(did_you_mean("colourfulness", words).empty());
  CHECK(nearest("a", std::vector<std::string>{}) == std::nullopt);
}

TEST_CASE("Quoted lists say how much they leave out") {
  const std::vector<std::string> words{"a", "b", "c"};
  CHECK(quoted_list(words) == "\"a\", \"b\", \"c\"");
  CHECK(quoted_list(words, 2) == "\"a\", \"b\" and 1 more");
  CHECK(quoted_list({}).empty());
}

}  // namespace
}  // namespace rein

TEST_CASE("UTF-8 is told from other bytes") {
  for (const char* good : {"", "plain", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x9a\x97", "\xf4\x8f\xbf\xbf"})
    CHECK(rein::is_utf8(good));
  for (const char* bad :
       {"\xe9", "w\xe9ights", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\x80"})
    CHECK_FALSE(rein::is_utf8(bad));
}
