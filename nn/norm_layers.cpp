#include "nn/norm_layers.h"

#include "autograd/ops/norm/norm.h"
#include "tensor/error.h"

namespace rein::nn {

LayerNorm::LayerNorm(std::int64_t dim, double eps) : eps_(eps) {
  weight_ = &declare("weight", Shape{dim}, Init::constant(1));
  bias_ = &declare("bias", Shape{dim}, Init::constant(0));
  weight_->norm = bias_->norm = true;
}

Variable LayerNorm::operator()(const Variable& x, std::optional<DType> out) const {
  return layer_norm(x, weight_->value, bias_->value, eps_, out);
}

GroupNorm::GroupNorm(std::int64_t groups, std::int64_t channels, double eps) : groups_(groups), eps_(eps) {
  require(groups >= 1 && channels % groups == 0, "group_norm", "channels must be a multiple of the groups, got ",
          channels, " channels and ", groups, " groups");
  weight_ = &declare("weight", Shape{channels}, Init::constant(1));
  bias_ = &declare("bias", Shape{channels}, Init::constant(0));
  weight_->norm = bias_->norm = true;
}

Variable GroupNorm::operator()(const Variable& x) const {
  return group_norm(x, weight_->value, bias_->value, groups_, eps_);
}

}  // namespace rein::nn
