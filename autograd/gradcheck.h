// Numerical truth for backward: compares the tape with central differences in f64.
//
// Every output gets a random cotangent (a plain sum is blind for softmax and norms). Per input: the derivative in
// random directions, every element's derivative for inputs of up to `element_limit` elements, and on tiny shapes the
// whole Jacobian. It fails when nothing was recorded, when a gradient is absent, not finite, or near zero, unless the
// input is declared `expect_zero` or `unreached`, which are then asserted.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "autograd/variable.h"

namespace rein {

struct GradcheckInput {
  std::string name;
  Tensor value;  // f64 where differentiable
  bool differentiable = true;
  bool expect_zero = false;  // reached, but the gradient is mathematically zero (a key bias)
  bool unreached = false;    // no gradient may arrive at all
};

struct GradcheckOptions {
  double step = 1e-5;       // of the central difference, times max(1, |x|max)
  double tolerance = 2e-6;  // of |analytic - numeric| / largest |numeric| of that input
  int directions = 2;
  std::int64_t element_limit = 96;
  std::int64_t jacobian_limit = 1024;  // inputs x outputs
  std::uint64_t seed = 1;
  Device device{};  // where f runs; inputs are given on the CPU
};

// One input: the worst of its derivatives, and how many of how many are wrong.
struct GradcheckRow {
  std::string input{};
  std::string where{};  // "[3, 0]" or "direction 1" or "d out0[2] / d [3, 0]"
  double analytic = 0, numeric = 0;
  double error = 0,
         tolerance = 0;        // of |analytic - numeric| / largest |numeric|; of both / largest gradient where zero
  int wrong = 0, checked = 0;  // derivatives: elements, directions, the Jacobian's entries
  bool ok = false;
  std::string note{};  // why it failed ("12 of 12 derivatives are wrong, all of them -1 x the numeric one"), or
                       // "zero as declared", "unreached as declared"
};

struct GradcheckReport {
  std::vector<GradcheckRow> rows;
  bool ok = false;
  std::string problem;  // when there is nothing to compare at all
};

using GradcheckFunction = std::function<std::vector<Variable>(std::span<const Variable>)>;

// `f` is called many times and must be a pure function of its inputs.
GradcheckReport gradcheck(const GradcheckFunction& f, const std::vector<GradcheckInput>& inputs,
                          const GradcheckOptions& options = {});

}  // namespace rein
