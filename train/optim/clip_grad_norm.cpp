#include "train/optim/clip_grad_norm.h"

#include <vector>

#include "tensor/ops/optim/clip_grad_norm.h"

namespace rein::train {
namespace {

std::vector<Tensor> gradients_of(std::span<const Variable> params) {
  std::vector<Tensor> gradients;
  for (const Variable& param : params)
    if (const Tensor grad = param.grad()) gradients.push_back(grad);
  return gradients;
}

}  // namespace

double grad_norm(std::span<const Variable> params) {
  return ops::grad_norm(gradients_of(params)).item();
}

double clip_grad_norm(std::span<const Variable> params, double max_norm) {
  std::vector<Tensor> gradients = gradients_of(params);
  return ops::clip_grad_norm(gradients, max_norm).item();
}

Tensor clip_grad_norm_there(std::span<const Variable> params, double max_norm) {
  std::vector<Tensor> gradients = gradients_of(params);
  return max_norm > 0 ? ops::clip_grad_norm(gradients, max_norm) : ops::grad_norm(gradients);
}

}  // namespace rein::train
