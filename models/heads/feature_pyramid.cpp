#include "models/heads/feature_pyramid.h"

#include "autograd/ops/sampling/resize.h"
#include "tensor/cpu_features.h"
#include "tensor/error.h"

namespace rein::models {

Variable resize_by_factor(const Variable& x, double factor) {
  if (factor == 1) return x;
  return resize(x, ops::by_factor(x.size(1), x.size(2), factor, factor));
}

std::vector<Variable> feature_pyramid(const std::vector<Variable>& features, const std::vector<double>& factors) {
  require(features.size() == factors.size(), "feature_pyramid", "needs ", factors.size(), " maps, got ",
          features.size());
  std::vector<Variable> pyramid;
  for (std::size_t i = 0; i < features.size(); ++i) pyramid.push_back(resize_by_factor(features[i], factors[i]));
  return pyramid;
}

Variable resize_and_project(const Variable& x, double factor, const nn::Conv2d& projection) {
  const bool project_first = factor > 1 && forced_kernel("feature_pyramid") != "reference";
  return project_first ? resize_by_factor(projection(x), factor) : projection(resize_by_factor(x, factor));
}

}  // namespace rein::models
