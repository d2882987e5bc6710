#include "tensor/ops/optim/adamw.h"

#include <cmath>
#include <vector>

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/ops/optim/adamw_kernels.h"

namespace rein::ops {
namespace {

void check(const AdamWUpdate& u, Device device) {
  require(u.param && (u.param.dtype() == DType::f32 || u.param.dtype() == DType::f64), "adamw",
          "param must be f32 or f64, got ", name_of(u.param.dtype()), " ", u.param.shape());
  for (const auto& [what, t] : {std::pair{"grad", &u.grad}, {"exp_avg", &u.exp_avg}, {"exp_avg_sq", &u.exp_avg_sq}}) {
    require(*t && t->shape() == u.param.shape() && t->dtype() == u.param.dtype(), "adamw", what, " must be like param ",
            u.param.shape(), " ", name_of(u.param.dtype()), ", got ", t->shape(), " ", name_of(t->dtype()));
    require(t->device() == device, "adamw", "all must be on one device, got ", device.text(), " and ",
            t->device().text());
  }
  require(u.param.device() == device, "adamw", "all must be on one device, got ", device.text(), " and ",
          u.param.device().text());
  require(u.step >= 1, "adamw", "step must be at least 1, got ", u.step);
}

// Scalars in T, each rounded once from double, as PyTorch does.
template <class T>
void run(std::span<AdamWUpdate> updates, const AdamWOptions& o, Device device) {
  std::vector<AdamWSlot<T>> slots;
  for (AdamWUpdate& u : updates) {
    if (u.param.dtype() != dtype_v<T>) continue;
    const auto power = static_cast<double>(u.step);
    slots.push_back({u.grad.data<T>(), u.param.mutable_data<T>(), u.exp_avg.mutable_data<T>(),
                     u.exp_avg_sq.mutable_data<T>(), u.param.count(), static_cast<T>(1 - u.lr * u.weight_decay),
                     static_cast<T>(u.lr / (1 - std::pow(o.beta1, power))),
                     static_cast<T>(std::sqrt(1 - std::pow(o.beta2, power)))});
  }
  if (slots.empty()) return;
  const AdamWRule<T> rule{static_cast<T>(o.beta1), static_cast<T>(1 - o.beta1), static_cast<T>(o.beta2),
                          static_cast<T>(1 - o.beta2), static_cast<T>(o.eps)};
  REIN_ON_DEVICE(device, adamw<T>(slots, rule));
}

}  // namespace

void adamw(std::span<AdamWUpdate> updates, const AdamWOptions& options) {
  if (updates.empty()) return;
  const Device device = updates.front().param.device();
  for (const AdamWUpdate& u : updates) check(u, device);
  run<float>(updates, options, device);
  run<double>(updates, options, device);
}

}  // namespace rein::ops
