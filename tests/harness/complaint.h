// What an action complains of, and a look into texts that shows them where they lack something.
#pragma once

#include <doctest/doctest.h>

#include <exception>
#include <string>

namespace rein::test {

template <class F>
std::string complaint(F&& f) {
  try {
    f();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing was thrown";
}

inline bool has(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE(text);
  return found;
}

}  // namespace rein::test
