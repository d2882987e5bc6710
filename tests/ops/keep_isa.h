// Goes back to the instruction set of before, also out of a failing test: the suite may run with REIN_ISA set.
#pragma once

#include <string>

#include "tensor/cpu_features.h"

namespace rein::testing {

class KeepIsa {
 public:
  KeepIsa() = default;
  ~KeepIsa() { force_isa(before_); }
  KeepIsa(const KeepIsa&) = delete;
  KeepIsa& operator=(const KeepIsa&) = delete;

 private:
  std::string before_ = isa_name();
};

}  // namespace rein::testing
