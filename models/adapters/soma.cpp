#include "models/adapters/soma.h"

#include <algorithm>
#include <cmath>

#include "models/adapters/singular.h"
#include "models/vit/vit.h"
#include "tensor/error.h"
#include "tensor/ops/elementwise/cast.h"
#include "tensor/parallel.h"

namespace rein::models {
namespace {

struct Factors {
  Tensor a, b;  // f64
};

Factors factors_of(const Tensor& w, std::int64_t rank, double factor) {
  SingularTriplets t = smallest_singular(w, rank);
  const double* s = t.s.data<double>();
  Tensor a = Tensor::empty(Shape{rank, w.size(1)}, DType::f64);
  const double* v = t.v.data<double>();
  double* to = a.mutable_data<double>();
  for (std::int64_t i = 0; i < rank; ++i)
    for (std::int64_t j = 0; j < w.size(1); ++j) *to++ = std::sqrt(s[i] / factor) * v[j * rank + i];
  double* u = t.u.mutable_data<double>();
  for (std::int64_t i = 0; i < t.u.count(); ++i) u[i] *= std::sqrt(s[i % rank] / factor);
  return {a, t.u};
}

}  // namespace

Soma::Soma(const VitOptions& vit, const SomaOptions& options)
    : LowRankAdapter(tuned_matrices(vit, target_names(options.targets), options.first_block, true, "soma")) {
  require(options.alpha > 0 && std::isfinite(options.alpha), "soma", "alpha must be above 0, got ", options.alpha);
  factor_ = options.alpha / static_cast<double>(options.rank);
  for (std::size_t i = 0; i < matrices().size(); ++i) {
    const TunedMatrix& m = matrices()[i];
    require(options.rank >= 1 && options.rank <= std::min(m.in, m.rows), "soma", "rank must be 1 to ",
            std::min(m.in, m.rows), " for ", m.name, ", got ", options.rank);
    const auto [a, b] = add_pair(i, options.rank, factor_, {"lora_A", "lora_B"}, nn::Init::constant(0));
    const auto [start_a, start_b] =
        add_pair(i, options.rank, -factor_, {"start_A", "start_B"}, nn::Init::constant(0), true);
    starts_.push_back({a, b, start_a, start_b});
  }
}

bool Soma::trains_in_vit(const std::string& path) const {
  return std::ranges::any_of(matrices(), [&](const TunedMatrix& m) {
    if (path == m.layer + ".bias") return true;
    // EVA-02: q_bias and v_bias beside a qkv without one.
    if (m.site != nn::LinearSite::qkv) return false;
    const std::string attention = concat_text("blocks.", m.block, ".attn.");
    return (path == attention + "q_bias" && m.part == 0) || (path == attention + "v_bias" && m.part == 2);
  });
}

void Soma::start_from(Vit& vit, const nn::TensorSource* known) {
  std::map<std::string, const nn::Param*> weights;
  vit.visit([&](const std::string& path, nn::Param& p) { weights[path] = &p; });
  const auto is_known = [&](const TunedMatrix& m, const Start& s) {
    return known != nullptr && known->has(m.name + ".start_A") && known->has(m.name + ".start_B") &&
           known->shape(m.name + ".start_A") == s.start_a->shape &&
           known->shape(m.name + ".start_B") == s.start_b->shape;
  };
  parallel_for(static_cast<std::int64_t>(starts_.size()), [&](std::int64_t i) {
    const TunedMatrix& m = matrices()[static_cast<std::size_t>(i)];
    Start& start = starts_[static_cast<std::size_t>(i)];
    const Tensor& weight = weights.at(m.layer + ".weight")->value.value();
    const DType dtype = weight.dtype();
    Factors f;
    if (is_known(m, start)) {
      f = {known->read(m.name + ".start_A", dtype), known->read(m.name + ".start_B", dtype)};
    } else {
      f = factors_of(ops::cast(weight.rows(m.part * m.rows, (m.part + 1) * m.rows), DType::f64), start.a->shape[0],
                     factor_);
    }
    const Tensor a = ops::cast(f.a, dtype), b = ops::cast(f.b, dtype);
    nn::set_value(*start.start_a, a);
    nn::set_value(*start.start_b, b);
    nn::set_value(*start.a, a);
    nn::set_value(*start.b, b);
  });
}

Method soma_method(const SomaOptions& options) {
  return {.name = "soma", .adapter = [options](const VitOptions& vit, std::optional<std::int64_t>) {
            return std::make_unique<Soma>(vit, options);
          }};
}

MethodEntry soma_entry() {
  const SomaOptions defaults;
  return {.name = "soma",
          .text = "head, smallest singular components and biases",
          .tree = "soma",
          .settings = {{"rank", defaults.rank, "how many of the smallest singular triplets of each matrix", 1},
                       {"alpha", defaults.alpha, "changes are multiplied by alpha / rank"},
                       {"targets", defaults.targets, "which linear layers: some of q, k, v, proj, fc1, fc2"},
                       {"first_block", defaults.first_block, "blocks before this one stay as they are"}},
          .make = [](const Settings& s) {
            return soma_method({.rank = s.integer("rank"),
                                .alpha = s.number("alpha"),
                                .targets = s.text("targets"),
                                .first_block = s.integer("first_block")});
          }};
}

}  // namespace rein::models
