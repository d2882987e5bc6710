// Kind "adamw" (golden README, section 13): given gradients through the trainer's clipping and optimiser.
#include <algorithm>

#include "tensor/error.h"
#include "train/optim/adamw.h"
#include "train/optim/clip_grad_norm.h"
#include "train/verify/verify.h"

namespace rein::train {

void verify_adamw(const GoldenFile& file, Comparison& compare) {
  const GoldenConfig& config = file.config();
  const DType dtype = compare.dtype();
  const auto betas = config.numbers("betas");
  if (betas.size() != 2) fail_runtime("verify", "config.betas must be two numbers");
  AdamW optimizer({betas[0], betas[1], config.number("eps")});

  const std::size_t count = config.integer_rows("shapes").size();
  std::vector<Variable> params;
  for (std::size_t i = 0; i < count; ++i)
    params.push_back(parameter(file.tensor("in.param." + std::to_string(i), dtype).clone()));

  // Groups have their own rate: with step(1) the multiplier of a slot is its rate.
  std::vector<std::size_t> group_of(count, 0);
  const std::vector<GoldenConfig> groups = config.objects("groups");
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (const std::int64_t i : groups[g].integers("params")) {
      if (i < 0 || i >= static_cast<std::int64_t>(count)) fail_runtime("verify", "group ", g, " has no parameter ", i);
      group_of[static_cast<std::size_t>(i)] = g;
    }
  }
  for (std::size_t i = 0; i < count; ++i)
    optimizer.add(std::to_string(i), params[i], 1, groups.at(group_of[i]).number("weight_decay"));

  const std::int64_t steps = config.integer("steps");
  const Tensor lr = file.tensor("in.lr");
  if (lr.shape() != Shape{steps, static_cast<std::int64_t>(groups.size())})
    fail_runtime("verify", "in.lr must have shape (steps, groups), got ", lr.shape());
  const bool clip = config.has("max_norm");
  Tensor norms = Tensor::empty({steps}, DType::f64);
  for (std::int64_t s = 0; s < steps; ++s) {
    const std::string step = std::to_string(s) + ".";
    for (std::size_t i = 0; i < count; ++i) {
      const std::string name = "in.grad." + step + std::to_string(i);
      params[i].clear_grad();
      if (file.has(name)) params[i].set_grad(file.tensor(name, dtype).clone());
    }
    norms.mutable_data<double>()[s] = clip ? clip_grad_norm(params, config.number("max_norm")) : grad_norm(params);
    for (std::size_t i = 0; clip && i < count; ++i)
      if (params[i].grad()) compare.check("out.grad." + step + std::to_string(i), params[i].grad());
    for (std::size_t i = 0; i < count; ++i)
      optimizer.slots()[i].lr_multiplier = lr.at(s * lr.size(1) + static_cast<std::int64_t>(group_of[i]));
    optimizer.step(1.0);
    for (std::size_t i = 0; i < count; ++i) compare.check("out.param." + step + std::to_string(i), params[i].value());
  }
  compare.check("out.grad_norm", norms);
  for (std::size_t i = 0; i < count; ++i) {
    compare.check("out.exp_avg." + std::to_string(i), optimizer.slots()[i].exp_avg);
    compare.check("out.exp_avg_sq." + std::to_string(i), optimizer.slots()[i].exp_avg_sq);
  }
}

}  // namespace rein::train
