// Error texts: "[op] what is required, what came". std::invalid_argument for callers, std::runtime_error for the world.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace rein {

template <class... Parts>
std::string concat_text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// The caller's mistake: fail("layer_norm", "weight must have shape ", a, ", got ", b).
template <class... Parts>
[[noreturn]] void fail(std::string_view op, const Parts&... parts) {
  throw std::invalid_argument(concat_text("[", op, "] ", parts...));
}

template <class... Parts>
void require(bool ok, std::string_view op, const Parts&... parts) {
  if (!ok) fail(op, parts...);
}

// Files, devices, the operating system.
template <class... Parts>
[[noreturn]] void fail_runtime(std::string_view where, const Parts&... parts) {
  throw std::runtime_error(concat_text("[", where, "] ", parts...));
}

}  // namespace rein
