#include "nn/window_attention.h"

#include "autograd/ops/attention/attention.h"
#include "autograd/ops/attention/windows.h"
#include "autograd/ops/sampling/resize.h"
#include "autograd/ops/shape/shape.h"
#include "tensor/error.h"

namespace rein::nn {

Variable resized_relative(const Variable& table, std::int64_t extent) {
  const std::int64_t rows = table.size(0), d = table.size(1), wanted = 2 * extent - 1;
  if (rows == wanted) return table;
  const Variable column = view(table, Shape{1, rows, 1, d});
  return view(resize(column, ops::to_size(wanted, 1)), Shape{wanted, d});
}

WindowAttention::WindowAttention(std::int64_t dim, std::int64_t heads, const WindowOptions& options)
    : dim_(dim),
      heads_(heads),
      options_(options),
      qkv_(dim, 3 * dim, true, Init::normal(0.02), Init::constant(0)),
      proj_(dim, dim, true, Init::normal(0.02), Init::constant(0)) {
  require(heads >= 1 && dim % heads == 0, "window_attention", "the width must be a multiple of the heads, got ", dim,
          " and ", heads);
  const std::int64_t h = options.side > 0 ? options.side : options.grid_height;
  const std::int64_t w = options.side > 0 ? options.side : options.grid_width;
  require(options.side >= 0 && h >= 1 && w >= 1, "window_attention",
          "needs windows of a positive side, or the map of its tables; got side ", options.side, " and ", h, " x ", w);
  qkv_bias_ = qkv_.bias();
  child("qkv", qkv_);
  child("proj", proj_);
  rel_pos_h_ = &declare("rel_pos_h", Shape{2 * h - 1, dim / heads}, Init::normal(0.02));
  rel_pos_w_ = &declare("rel_pos_w", Shape{2 * w - 1, dim / heads}, Init::normal(0.02));
}

// q, k and v of a zero token, whatever hangs at the projection: (3 dim).
Variable WindowAttention::fill(const BlockSite& site, DType dtype) const {
  const Variable& bias = qkv_bias_->value;
  if (site.hooks == nullptr) return bias;
  const Variable zero = constant(Tensor::zeros(Shape{1, 1, dim_}, dtype, bias.value().device()));
  return view(site.linear(LinearSite::qkv, zero, view(bias, Shape{1, 1, 3 * dim_})), Shape{3 * dim_});
}

// A linear layer acts on each token alone, so qkv comes before the cut into windows and proj after they are joined:
// nothing is multiplied for places outside the map.
Variable WindowAttention::operator()(const Variable& x, const BlockSite& site) const {
  const std::int64_t h = site.grid_height, w = site.grid_width, n = x.size(0), side = options_.side;
  require(x.size(1) == h * w, "window_attention", "x must be (N, ", h, " * ", w, ", ", dim_,
          "), a map without prefix tokens, got ", x.shape());
  const Variable qkv = site.linear(LinearSite::qkv, x, qkv_(x));
  Variable mixed;
  if (side == 0) {
    mixed = attention_packed(qkv, {.heads = heads_,
                                   .rel_height = resized_relative(rel_pos_h_->value, h),
                                   .rel_width = resized_relative(rel_pos_w_->value, w)});
  } else {
    const Variable map = view(qkv, Shape{n, h, w, 3 * dim_});
    const bool whole = h % side == 0 && w % side == 0;
    const Variable windows = window_partition(map, side, whole ? Variable{} : fill(site, x.dtype()));
    const Variable inside =
        attention_packed(windows, {.heads = heads_, .rel_height = rel_pos_h_->value, .rel_width = rel_pos_w_->value});
    mixed = view(window_merge(inside, h, w, side), Shape{n, h * w, dim_});
  }
  return site.linear(LinearSite::proj, mixed, proj_(mixed));
}

}  // namespace rein::nn
