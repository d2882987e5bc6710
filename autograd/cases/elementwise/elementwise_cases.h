// The activations with their plain formulas, for cases and tests.
#pragma once

#include <span>

#include "autograd/variable.h"
#include "tensor/ops/elementwise/elementwise.h"

namespace rein::testing {

struct Activation {
  const char* name;
  ops::Unary function;
  Variable (*variable)(const Variable&);
  double (*value)(double);
};

std::span<const Activation> all_activations();

}  // namespace rein::testing
