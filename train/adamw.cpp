// Elementwise in ranges of fixed size: any number of threads gives the same bits.
#include "train/adamw.h"

#include <algorithm>
#include <cmath>

#include "tensor/error.h"
#include "tensor/parallel.h"

namespace rein::train {
namespace {

// Scalars in T, each rounded once from double, as PyTorch does.
template <class T>
struct Factors {
  T keep;  // 1 - lr wd
  T beta1, one_minus_beta1, beta2, one_minus_beta2;
  T step_size;  // lr / (1 - b1^k)
  T root;       // sqrt(1 - b2^k)
  T eps;
};

template <class T>
Factors<T> factors(const AdamWOptions& o, double lr, double weight_decay, std::int64_t k) {
  const auto power = static_cast<double>(k);
  return {static_cast<T>(1 - lr * weight_decay),
          static_cast<T>(o.beta1),
          static_cast<T>(1 - o.beta1),
          static_cast<T>(o.beta2),
          static_cast<T>(1 - o.beta2),
          static_cast<T>(lr / (1 - std::pow(o.beta1, power))),
          static_cast<T>(std::sqrt(1 - std::pow(o.beta2, power))),
          static_cast<T>(o.eps)};
}

template <class T>
void update(std::int64_t count, const Factors<T>& f, const T* __restrict grad, T* __restrict param, T* __restrict m,
            T* __restrict v) {
  for (std::int64_t i = 0; i < count; ++i) {
    const T g = grad[i];
    m[i] = f.beta1 * m[i] + f.one_minus_beta1 * g;
    v[i] = f.beta2 * v[i] + f.one_minus_beta2 * (g * g);
    param[i] = f.keep * param[i] - f.step_size * (m[i] / (std::sqrt(v[i]) / f.root + f.eps));
  }
}

}  // namespace

void AdamW::add(std::string name, Variable param, double lr_multiplier, double weight_decay) {
  require(param && param.is_leaf() && param.requires_grad(), "adamw", "\"", name, "\" must be a trainable leaf");
  require(param.dtype() == DType::f32 || param.dtype() == DType::f64, "adamw", "\"", name,
          "\" must be f32 or f64, got ", name_of(param.dtype()));
  require(std::ranges::none_of(slots_, [&](const Slot& s) { return s.name == name; }), "adamw", "\"", name,
          "\" was added before");
  slots_.push_back({std::move(name), std::move(param), lr_multiplier, weight_decay, {}, {}, 0});
}

void AdamW::step(double lr) {
  for (Slot& slot : slots_) {
    const Tensor grad = slot.param.grad();
    if (!grad) continue;
    require(grad.shape() == slot.param.shape() && grad.dtype() == slot.param.dtype(), "adamw", "gradient of \"",
            slot.name, "\" must be ", slot.param.shape(), " ", name_of(slot.param.dtype()), ", got ", grad.shape(), " ",
            name_of(grad.dtype()));
    if (!slot.exp_avg) slot.exp_avg = Tensor::zeros_like(slot.param.value());
    if (!slot.exp_avg_sq) slot.exp_avg_sq = Tensor::zeros_like(slot.param.value());
    ++slot.steps;
    Tensor value = slot.param.mutable_value();
    dispatch_real("adamw", value.dtype(), [&]<class T>() {
      const Factors<T> f = factors<T>(options_, lr * slot.lr_multiplier, slot.weight_decay, slot.steps);
      const T* g = grad.data<T>();
      T* p = value.mutable_data<T>();
      T* m = slot.exp_avg.mutable_data<T>();
      T* v = slot.exp_avg_sq.mutable_data<T>();
      parallel_ranges(value.count(), elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
        update<T>(end - begin, f, g + begin, p + begin, m + begin, v + begin);
      });
    });
  }
}

}  // namespace rein::train
