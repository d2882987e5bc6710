// AdamW over all trainable parameters: their rules, states and step counts. The formula and the arithmetic are in
// tensor/ops/optim/adamw.h. Each parameter has its own step count k, starting at 1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "autograd/variable.h"
#include "tensor/ops/optim/adamw.h"

namespace rein::train {

using AdamWOptions = ops::AdamWOptions;

class AdamW {
 public:
  // One parameter (f32 or f64) with its rules and state. The state is made at the first step that finds a gradient.
  struct Slot {
    std::string name;
    Variable param;
    double lr_multiplier = 1;
    double weight_decay = 0;
    Tensor exp_avg;     // like param, or null
    Tensor exp_avg_sq;  // like param, or null
    std::int64_t steps = 0;
  };

  explicit AdamW(AdamWOptions options = {}) : options_(options) {}

  // Throws std::invalid_argument unless `param` is a trainable leaf of f32 or f64 with a name not added before.
  void add(std::string name, Variable param, double lr_multiplier, double weight_decay);

  // Uses each parameter's grad() (shape and dtype of the parameter). A parameter without gradient is skipped: no decay,
  // no moments, no count. The slot's rate is lr * lr_multiplier. Does not clear gradients.
  void step(double lr);

  std::vector<Slot>& slots() { return slots_; }
  const std::vector<Slot>& slots() const { return slots_; }
  const AdamWOptions& options() const { return options_; }

 private:
  AdamWOptions options_;
  std::vector<Slot> slots_;
};

}  // namespace rein::train
