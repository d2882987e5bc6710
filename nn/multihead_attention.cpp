#include "nn/multihead_attention.h"

#include <cmath>

#include "autograd/ops/attention/attention.h"
#include "autograd/ops/matmul/matmul.h"
#include "autograd/ops/shape/shape.h"
#include "nn/conv.h"
#include "tensor/error.h"

namespace rein::nn {

MultiheadAttention::MultiheadAttention(std::int64_t dim, std::int64_t heads)
    : dim_(dim), heads_(heads), out_proj_(dim, dim, true, xavier_normal(dim, dim), Init::constant(0)) {
  require(heads >= 1 && dim % heads == 0, "multihead_attention", "the width must be a multiple of the heads, got ", dim,
          " and ", heads);
  in_proj_weight_ = &declare("in_proj_weight", Shape{3 * dim, dim}, xavier_normal(dim, 3 * dim));
  in_proj_bias_ = &declare("in_proj_bias", Shape{3 * dim}, Init::constant(0));
  child("out_proj", out_proj_);
}

Variable MultiheadAttention::operator()(const Variable& q, const Variable& k, const Variable& v,
                                        const Tensor& blocked) const {
  // Three row ranges of one parameter: no copy forward, one packed gradient buffer backward.
  const auto weights = split_rows(in_proj_weight_->value, {dim_, dim_, dim_});
  const auto biases = split_rows(in_proj_bias_->value, {dim_, dim_, dim_});
  const Products products = in_proj_weight_->products();
  const Variable mixed =
      attention(linear(q, weights[0], biases[0], products), linear(k, weights[1], biases[1], products),
                linear(v, weights[2], biases[2], products), {.heads = heads_, .scale = 0, .blocked = blocked});
  return out_proj_(mixed);
}

}  // namespace rein::nn
