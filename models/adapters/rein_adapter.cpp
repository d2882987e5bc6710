#include "models/adapters/rein_adapter.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <utility>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/softmax.h"
#include "tensor/error.h"

namespace rein::models {

// What does not depend on the image, made once per forward.
class ReinPass final : public AdapterPass {
 public:
  explicit ReinPass(const ReinAdapter& rein) : rein_(rein) {
    const ReinOptions& o = rein.options();
    const Variable all = rein.all_tokens();
    // Instead of dropping column 0 of A for every pixel, row 0 of the values is zero: the same sum, one GEMM, no copy.
    const Variable later = slice(all, 1, 1, o.token_length);
    const Variable no_value = constant(Tensor::zeros(Shape{1, 1, o.dim}, all.dtype(), all.value().device()));
    const std::vector<std::int64_t> ones(static_cast<std::size_t>(o.layers), 1);
    tokens_ = split(all, 0, ones);
    if (o.shared_mlps) {
      const Variable zeros = constant(Tensor::zeros(Shape{o.layers, 1, o.dim}, all.dtype(), all.value().device()));
      values_ = split(concat({zeros, rein.token2feat_.front()(later)}, 1), 0, ones);
    } else {
      const std::vector<Variable> parts = split(later, 0, ones);
      for (std::size_t i = 0; i < parts.size(); ++i) {
        values_.push_back(concat({no_value, rein.token2feat_[i](parts[i])}, 1));
      }
    }
    for (Variable& v : tokens_) v = view(v, Shape{o.token_length, o.dim});
    for (Variable& v : values_) v = view(v, Shape{o.token_length, o.dim});
    if (o.link_token_to_query) queries_ = rein.make_queries(all, tokens_);
  }

  void after_block(int layer, TokenState& state) const override {
    const ReinOptions& o = rein_.options();
    const auto i = static_cast<std::size_t>(layer);
    require(i < tokens_.size(), "rein", "layer ", layer, " of ", tokens_.size());
    // The products run over the prefix rows too (a few rows of a thousand); scaled_residual leaves those rows as they
    // were and sends no gradient back from them. So nothing is cut out and put together again.
    const Variable& x = state.tokens;
    Variable a = linear(x, tokens_[i]);  // (N, L, m) = x T^T
    if (o.use_softmax) a = softmax(a, 1.0 / std::sqrt(static_cast<double>(o.dim)));
    const std::int64_t rows = x.shape().rows();
    const Variable b = view(matmul(view(a, Shape{rows, o.token_length}), values_[i]), x.shape());
    const Variable y = rein_.of_layer(rein_.delta_f_, layer)(add(b, x));
    state.tokens = scaled_residual(x, y, rein_.scale_ ? rein_.scale_->value : Variable{}, state.prefix);
  }

  Variable queries() const override { return queries_; }

 private:
  const ReinAdapter& rein_;
  std::vector<Variable> tokens_, values_;  // per layer (m, C)
  Variable queries_;
};

ReinAdapter::ReinAdapter(const ReinOptions& options) : options_(options) {
  const std::int64_t layers = options.layers, dim = options.dim, m = options.token_length, r = options.rank;
  const auto fits = [](std::int64_t low, std::initializer_list<std::int64_t> values) {
    return std::ranges::all_of(values, [=](std::int64_t v) { return v >= low && v <= 1 << 20; });
  };
  require(fits(1, {layers, dim, m, options.patch}) && fits(0, {r, options.query_dims}), "rein",
          "needs layers, dim, token_length and patch in [1, 2^20], rank and query_dims in [0, 2^20]; got ", layers,
          ", ", dim, ", ", m, ", ", options.patch, "; ", r, ", ", options.query_dims);
  const double patch = 3.0 * static_cast<double>(options.patch * options.patch);
  const auto start = [&](double fan) { return nn::Init::uniform(std::sqrt(6.0 / (patch + fan))); };
  if (options.scale_is_parameter) scale_ = &declare("scale", Shape{}, nn::Init::constant(options.scale_init));
  if (r == 0) {
    tokens_ = &declare("learnable_tokens", Shape{layers, m, dim}, start(static_cast<double>(dim)));
  } else {
    const nn::Init init = start(std::sqrt(static_cast<double>(dim * r)));
    tokens_a_ = &declare("learnable_tokens_a", Shape{layers, m, r}, init);
    tokens_b_ = &declare("learnable_tokens_b", Shape{layers, r, dim}, init);
  }
  const auto add_list = [&](std::deque<nn::Linear>& list, const char* name, auto&&... arguments) {
    const std::int64_t count = options.shared_mlps ? 1 : layers;
    for (std::int64_t i = 0; i < count; ++i) {
      child(options.shared_mlps ? std::string(name) : concat_text(name, ".", i), list.emplace_back(arguments...));
    }
  };
  add_list(token2feat_, "mlp_token2feat", dim, dim);
  if (options.zero_mlp_delta_f) {
    add_list(delta_f_, "mlp_delta_f", dim, dim, true, nn::Init::constant(0), nn::Init::constant(0));
  } else {
    add_list(delta_f_, "mlp_delta_f", dim, dim);
  }
  if (options.link_token_to_query || options.unlinked_parameters) {
    add_list(transform_, "transform", dim, options.query_dims);
    child("merge", merge_.emplace(3 * options.query_dims, options.query_dims));
  }
  visit([this](const std::string&, nn::Param& p) { all_params_.push_back(&p); });
}

const nn::Linear& ReinAdapter::of_layer(const std::deque<nn::Linear>& list, int layer) const {
  return list[options_.shared_mlps ? 0 : static_cast<std::size_t>(layer)];
}

Variable ReinAdapter::all_tokens() const {
  return tokens_ ? tokens_->value : matmul(tokens_a_->value, tokens_b_->value);
}

Variable ReinAdapter::make_queries(const Variable& tokens, const std::vector<Variable>& per_layer) const {
  const std::int64_t m = options_.token_length, q = options_.query_dims;
  Variable z;  // (layers, m, q)
  if (options_.shared_mlps) {
    z = transform_.front()(tokens);
  } else {
    std::vector<Variable> parts;
    for (std::size_t i = 0; i < per_layer.size(); ++i)
      parts.push_back(view(transform_[i](per_layer[i]), Shape{1, m, q}));
    z = concat(parts, 0);
  }
  const Shape column{m, q, 1};
  const Variable last = slice(z, 0, options_.layers - 1, options_.layers);
  const Variable three = concat({view(max_axis(z, 0), column), view(mean_axis(z, 0), column), view(last, column)}, 2);
  return (*merge_)(view(three, Shape{m, 3 * q}));
}

bool ReinAdapter::still_true(const Kept& kept) const {
  if (!kept.pass) return false;
  for (std::size_t i = 0; i < all_params_.size(); ++i) {
    const Tensor& value = all_params_[i]->value.value();
    const auto& [storage, version] = kept.made_from[i];
    if (storage.lock() != value.storage() || version != value.version()) return false;
  }
  return true;
}

std::shared_ptr<const AdapterPass> ReinAdapter::begin(const nn::ForwardContext&) const {
  if (recording()) {
    kept_ = {};
    return std::make_shared<ReinPass>(*this);
  }
  if (!still_true(kept_)) {
    kept_ = {{}, std::make_shared<ReinPass>(*this)};
    for (const nn::Param* p : all_params_) {
      const Tensor& value = p->value.value();
      kept_.made_from.emplace_back(value.storage(), value.version());
    }
  }
  return kept_.pass;
}

}  // namespace rein::models
