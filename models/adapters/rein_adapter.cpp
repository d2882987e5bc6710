#include "models/adapters/rein_adapter.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <utility>

#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/matmul/matmul.h"
#include "autograd/ops/matmul/mixed.h"
#include "autograd/ops/norm/norm.h"
#include "autograd/ops/shape/reduce.h"
#include "autograd/ops/shape/shape.h"
#include "models/vit/vit_options.h"
#include "tensor/error.h"

namespace rein::models {

namespace {

// Products in bf16 want rows of 16 bytes: m tokens become a multiple of 8, the further ones zeros.
std::int64_t padded_tokens(std::int64_t m) {
  return (m + 7) / 8 * 8;
}

Variable zero_rows(std::int64_t layers, std::int64_t rows, const Tensor& like) {
  return constant(Tensor::zeros(Shape{layers, rows, like.size(-1)}, like.dtype(), like.device()));
}

// The layers of `all` (layers, m, C) as (padded m, C), whose bf16 copies are rows of one.
std::vector<Rounded> rounded_layers(Variable all) {
  const std::int64_t layers = all.size(0), m = all.size(1), padded = padded_tokens(m);
  if (padded > m) all = concat({all, zero_rows(layers, padded - m, all.value())}, 1);
  const Tensor together = rounded(all).bf16;
  std::vector<Rounded> result;
  for (const Variable& part : split_rows(all, std::vector<std::int64_t>(static_cast<std::size_t>(layers), 1))) {
    const auto layer = static_cast<std::int64_t>(result.size());
    const Shape shape{padded, all.size(2)};
    result.push_back({view(part, shape), together.rows(layer, layer + 1).view(shape)});
  }
  return result;
}

// What makes the further tokens' logits -inf, so that their softmax is 0 and they take no part.
Variable padding_bias(std::int64_t m, Device device) {
  Tensor bias = Tensor::zeros({padded_tokens(m)}, DType::f32);
  bias.rows(m, bias.count()).fill(-std::numeric_limits<double>::infinity());
  return constant(bias.to(device));
}

}  // namespace

// What does not depend on the image, made once per forward.
class ReinPass final : public AdapterPass {
 public:
  explicit ReinPass(const ReinAdapter& rein) : rein_(rein) {
    const ReinOptions& o = rein.options();
    const Variable all = rein.all_tokens();
    // Instead of dropping column 0 of A for every pixel, row 0 of the values is zero: the same sum, one GEMM, no copy.
    const Variable later = slice(all, 1, 1, o.token_length);
    const std::vector<std::int64_t> ones(static_cast<std::size_t>(o.layers), 1);
    tokens_ = split_rows(all, ones);
    Variable all_values;
    if (o.shared_mlps) {
      all_values = concat({zero_rows(o.layers, 1, all.value()), rein.token2feat_.front()(later)}, 1);
      values_ = split_rows(all_values, ones);
    } else {
      for (const Variable& part : split_rows(later, ones))
        values_.push_back(concat({zero_rows(1, 1, all.value()), rein.token2feat_[values_.size()](part)}, 1));
    }
    if (rein.rounds()) {
      rounded_tokens_ = rounded_layers(all);
      rounded_values_ = rounded_layers(all_values ? all_values : concat(values_, 0));
      for (const nn::Linear& layer : rein.delta_f_) rounded_delta_f_.push_back(layer.rounded_params());
      if (o.use_softmax) padding_ = padding_bias(o.token_length, all.value().device());
    }
    for (Variable& v : tokens_) v = view(v, Shape{o.token_length, o.dim});
    for (Variable& v : values_) v = view(v, Shape{o.token_length, o.dim});
    if (o.link_token_to_query) queries_ = rein.make_queries(all, tokens_);
  }

  void after_block(int layer, TokenState& state) const override {
    const auto i = static_cast<std::size_t>(layer);
    require(i < tokens_.size(), "rein", "layer ", layer, " of ", tokens_.size());
    // The products run over the prefix rows too (a few rows of a thousand); scaled_residual leaves those rows as they
    // were and sends no gradient back from them. So nothing is cut out and put together again.
    const Variable& x = state.tokens;
    const Variable y = rounded_tokens_.empty() ? refinement(i, x) : rounded_refinement(i, x);
    state.tokens = scaled_residual(x, y, rein_.scale_ ? rein_.scale_->value : Variable{}, state.prefix);
  }

  Variable queries() const override { return queries_; }

 private:
  Variable weights_of(const Variable& a) const {
    const ReinOptions& o = rein_.options();
    return o.use_softmax ? softmax(a, {.factor = 1 / std::sqrt(static_cast<double>(o.dim))}) : a;
  }

  Variable refinement(std::size_t i, const Variable& x) const {
    const Variable a = weights_of(linear(x, tokens_[i]));  // (N, L, m), from x T^T
    const std::int64_t rows = x.shape().rows();
    const Variable b = view(matmul(view(a, Shape{rows, rein_.options().token_length}), values_[i]), x.shape());
    return rein_.of_layer(rein_.delta_f_, static_cast<int>(i))(add(b, x));
  }

  // The same from bf16 operands, in bf16.
  Variable rounded_refinement(std::size_t i, const Variable& x) const {
    const Variable a =
        weights_of(linear_bf16(cast(x, DType::bf16), rounded_tokens_[i], true, {padding_, {}}, DType::f32));
    const Variable b = linear_bf16(cast(a, DType::bf16), rounded_values_[i], false, {}, DType::bf16);
    const auto& delta_f = rounded_delta_f_[rein_.options().shared_mlps ? 0 : i];
    return linear_bf16(add_rounded(b, x), delta_f.weight, true, delta_f.bias, DType::bf16);
  }

  const ReinAdapter& rein_;
  std::vector<Variable> tokens_, values_;                   // per layer (m, C)
  std::vector<Rounded> rounded_tokens_, rounded_values_;    // per layer (padded m, C); empty without mixed precision
  Variable padding_;                                        // of the logits, (padded m)
  std::vector<nn::Linear::RoundedParams> rounded_delta_f_;  // one, or one per layer
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

bool ReinAdapter::rounds() const {
  const nn::Param& weight = delta_f_.front().weight();
  return weight.precision == nn::Precision::bf16 && weight.value.dtype() == DType::f32 &&
         weight.value.value().device().is_cuda();
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

std::shared_ptr<const AdapterPass> ReinAdapter::begin(const nn::ForwardContext&) const {
  const auto make = [this] { return std::make_shared<ReinPass>(*this); };
  if (recording()) {
    pass_.forget();
    return make();
  }
  std::vector<Tensor> values;
  for (const nn::Param* p : all_params_) values.push_back(p->value.value());
  return pass_.of(values, make);
}

std::unique_ptr<ReinAdapter> rein_for(const VitOptions& vit, ReinOptions options) {
  options.layers = vit.depth;
  options.dim = vit.dim;
  options.patch = vit.patch;
  return std::make_unique<ReinAdapter>(options);
}

Method rein_method(const ReinOptions& options) {
  return {.name = "rein", .adapter = [options](const VitOptions& vit, std::optional<std::int64_t> query_width) {
            ReinOptions fitted = options;
            if (query_width) fitted.query_dims = *query_width;
            return rein_for(vit, fitted);
          }};
}

MethodEntry rein_entry() {
  const ReinOptions defaults;
  return {.name = "rein",
          .text = "head and adapter",
          .tree = "reins",
          .settings = {{"token_length", defaults.token_length, "learned tokens per block", 1},
                       {"rank", defaults.rank, "rank of the tokens; 0: full-rank tokens"},
                       {"link_queries", false, "make queries for a head that uses them"},
                       {"shared_mlps", defaults.shared_mlps, "one pair of MLPs for all blocks"},
                       {"softmax", defaults.use_softmax, "softmax over the tokens"},
                       {"scale", defaults.scale_init, "initial value of the adapter's scale"}},
          .make = [](const Settings& s) {
            ReinOptions options;
            options.token_length = s.integer("token_length");
            options.rank = s.integer("rank");
            options.link_token_to_query = s.flag("link_queries");
            options.unlinked_parameters = false;
            options.shared_mlps = s.flag("shared_mlps");
            options.use_softmax = s.flag("softmax");
            options.scale_init = s.number("scale");
            return rein_method(options);
          }};
}

}  // namespace rein::models
