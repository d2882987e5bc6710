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

double gradient_norm(std::span<const Variable> params) {
  return ops::norm_of_all(gradients_of(params)).item();
}

double clip_gradients(std::span<const Variable> params, double max_norm) {
  std::vector<Tensor> gradients = gradients_of(params);
  return ops::clip_norm_of_all(gradients, max_norm).item();
}

Tensor clip_gradients_there(std::span<const Variable> params, double max_norm) {
  std::vector<Tensor> gradients = gradients_of(params);
  return max_norm > 0 ? ops::clip_norm_of_all(gradients, max_norm) : ops::norm_of_all(gradients);
}

}  // namespace rein::train
