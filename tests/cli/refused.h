// A refusal of the program: exit status 2, one error, one hint, nothing else.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/cli/program.h"

namespace rein::testing {

inline int lines_beginning(const std::string& text, const std::string& start) {
  int count = text.starts_with(start) ? 1 : 0;
  for (std::size_t at = text.find("\n" + start); at != text.npos; at = text.find("\n" + start, at + 1)) ++count;
  return count;
}

// Both the error and the hint are looked through for `parts`.
inline void check_refused(const Finished& f, const std::vector<std::string>& parts) {
  INFO(f.err);
  CHECK(f.status == 2);
  CHECK(lines_beginning(f.err, "error: ") == 1);
  CHECK(lines_beginning(f.err, "hint: ") == 1);
  CHECK(f.out.empty());
  for (const std::string& part : parts) {
    CAPTURE(part);
    CHECK(f.err.find(part) != std::string::npos);
  }
}

}  // namespace rein::testing
