#include "train/optim/adamw.h"

#include <algorithm>

#include "tensor/error.h"

namespace rein::train {

void AdamW::add(std::string name, Variable param, double lr_multiplier, double weight_decay) {
  require(param && param.is_leaf() && param.requires_grad(), "adamw", "\"", name, "\" must be a trainable leaf");
  require(param.dtype() == DType::f32 || param.dtype() == DType::f64, "adamw", "\"", name,
          "\" must be f32 or f64, got ", name_of(param.dtype()));
  require(std::ranges::none_of(slots_, [&](const Slot& s) { return s.name == name; }), "adamw", "\"", name,
          "\" was added before");
  slots_.push_back({std::move(name), std::move(param), lr_multiplier, weight_decay, {}, {}, 0});
}

void AdamW::step(double lr) {
  std::vector<ops::AdamWUpdate> updates;
  for (Slot& slot : slots_) {
    const Tensor grad = slot.param.grad();
    if (!grad) continue;
    require(grad.shape() == slot.param.shape() && grad.dtype() == slot.param.dtype(), "adamw", "gradient of \"",
            slot.name, "\" must be ", slot.param.shape(), " ", name_of(slot.param.dtype()), ", got ", grad.shape(), " ",
            name_of(grad.dtype()));
    if (!slot.exp_avg) slot.exp_avg = Tensor::zeros_like(slot.param.value());
    if (!slot.exp_avg_sq) slot.exp_avg_sq = Tensor::zeros_like(slot.param.value());
    ++slot.steps;
    updates.push_back({slot.param.mutable_value(), grad, slot.exp_avg, slot.exp_avg_sq, lr * slot.lr_multiplier,
                       slot.weight_decay, slot.steps});
  }
  ops::adamw(updates, options_);
}

}  // namespace rein::train
