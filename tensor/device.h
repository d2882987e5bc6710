// Where a tensor's bytes live.
#pragma once

#include <string>

namespace rein {

struct Device {
  enum class Kind { cpu, cuda } kind = Kind::cpu;
  int index = 0;

  bool is_cpu() const { return kind == Kind::cpu; }
  bool is_cuda() const { return kind == Kind::cuda; }
  bool operator==(const Device&) const = default;
  std::string text() const;  // "cpu", "cuda:0"
};

// "cpu", "cuda" or "cuda:N"; throws std::invalid_argument otherwise, and std::runtime_error for cuda in a build without
// it.
Device parse_device(const std::string& text);

}  // namespace rein
