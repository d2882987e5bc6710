// What the program tells apart beyond std exceptions: a hint of its own, and a failed check (exit 1 instead of 2).
#pragma once

#include <stdexcept>
#include <string>

namespace rein::train {

// Bad input with advice on what to do about it.
class HintedError : public std::runtime_error {
 public:
  HintedError(const std::string& text, std::string hint) : std::runtime_error(text), hint_(std::move(hint)) {}
  const std::string& hint() const { return hint_; }

 private:
  std::string hint_;
};

// The input was fine, the outcome is not: a loss that is not finite, a gradient check that fails.
class CheckFailed : public HintedError {
 public:
  using HintedError::HintedError;
};

}  // namespace rein::train
