#include "tensor/ops/loss/mask_point_loss.h"

#include <cmath>

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/loss/mask_point_loss_kernels.h"

namespace rein::ops {
namespace {

void check(const char* op, const Tensor& z, const Tensor& g, double bce_divisor, double dice_divisor,
           const Tensor& rows) {
  require(z && z.rank() == 2, op, "z must have shape (T, P), got ", z.shape());
  require(g && g.shape() == z.shape() && g.dtype() == z.dtype(), op, "g must be ", name_of(z.dtype()), " ", z.shape(),
          " like z, got ", g.shape());
  require_one_device(op, "z and g", z, g);
  require(std::isfinite(bce_divisor) && bce_divisor > 0 && std::isfinite(dice_divisor) && dice_divisor > 0, op,
          "divisors must be finite and above 0, got ", bce_divisor, " and ", dice_divisor);
  require(!rows || (rows.dtype() == DType::i64 && rows.shape() == Shape{z.size(0)} && rows.device() == z.device()), op,
          "rows must be i64 (", z.size(0), ") on ", z.device().text(), ", got ", rows ? name_of(rows.dtype()) : "", " ",
          rows.shape(), " on ", rows.device().text());
}

const std::int64_t* ids_or_null(const Tensor& rows) {
  return data_or_null<std::int64_t>(rows);
}

}  // namespace

MaskPointLoss mask_point_loss(const Tensor& z, const Tensor& g, double bce_divisor, double dice_divisor,
                              const Tensor& rows) {
  check("mask_point_loss", z, g, bce_divisor, dice_divisor, rows);
  MaskPointLoss out{Tensor::empty({}, z.dtype(), z.device()), Tensor::empty({}, z.dtype(), z.device()),
                    Tensor::empty({z.size(0), 2}, DType::f64, z.device())};
  dispatch_real("mask_point_loss", z.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(z.device(), mask_point_loss<T>(z.data<T>(), g.data<T>(), ids_or_null(rows), z.size(0), z.size(1),
                                                  bce_divisor, dice_divisor, out.bce.mutable_data<T>(),
                                                  out.dice.mutable_data<T>(), out.sums.mutable_data<double>()));
  });
  return out;
}

Tensor mask_point_loss_backward(const Tensor& grad_bce, const Tensor& grad_dice, const Tensor& z, const Tensor& g,
                                const Tensor& sums, double bce_divisor, double dice_divisor, const Tensor& rows) {
  check("mask_point_loss_backward", z, g, bce_divisor, dice_divisor, rows);
  const Shape pairs{z.size(0), 2};
  require(sums && sums.dtype() == DType::f64 && sums.shape() == pairs, "mask_point_loss_backward", "sums must be f64 ",
          pairs, ", got ", sums.shape());
  for (const Tensor& grad : {grad_bce, grad_dice}) {
    require(!grad || (grad.count() == 1 && grad.dtype() == z.dtype() && grad.device() == z.device()),
            "mask_point_loss_backward", "gradients of the losses must be scalars like z, ", name_of(z.dtype()), " on ",
            z.device().text(), "; got ", grad.shape(), " ", name_of(grad.dtype()), " on ", grad.device().text());
  }
  require_one_device("mask_point_loss_backward", "z and sums", z, sums);
  Tensor grad = Tensor::empty_like(z);
  dispatch_real("mask_point_loss_backward", z.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(z.device(),
                   mask_point_loss_backward<T>(data_or_null<T>(grad_bce), data_or_null<T>(grad_dice), z.data<T>(),
                                               g.data<T>(), ids_or_null(rows), sums.data<double>(), z.size(0),
                                               z.size(1), bce_divisor, dice_divisor, grad.mutable_data<T>()));
  });
  return grad;
}

MaskCostTerms mask_cost_terms(const Tensor& z) {
  require(z && z.rank() == 2, "mask_cost_terms", "z must have shape (Q, P), got ", z.shape());
  MaskCostTerms out{Tensor::empty_like(z), Tensor::empty({z.size(0), 2}, DType::f64, z.device())};
  dispatch_real("mask_cost_terms", z.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(z.device(), mask_cost_terms<T>(z.data<T>(), z.size(0), z.size(1), out.sigmoid.mutable_data<T>(),
                                                  out.sums.mutable_data<double>()));
  });
  return out;
}

Tensor mask_costs(const MaskCostInputs& in, Tensor& slots) {
  const char* op = "mask_costs";
  require(in.zg && in.zg.rank() == 3 && in.sg && in.sg.shape() == in.zg.shape(), op,
          "zg and sg must have shape (N, Q, G), got ", in.zg.shape(), " and ", in.sg.shape());
  const std::int64_t images = in.zg.size(0), queries = in.zg.size(1), targets = in.zg.size(2);
  require(
      slots && slots.dtype() == DType::f64 && slots.rank() == 3 && slots.size(0) == images && slots.size(1) == queries,
      op, "slots must be f64 (", images, ", ", queries, ", K), got ", slots.shape());
  const std::int64_t classes = slots.size(2);
  require(in.g_sum.count() == images * targets && in.sums.dtype() == DType::f64 &&
              in.sums.shape() == Shape{images * queries, 2} &&
              in.probability.count() == images * queries * (classes + 1) && in.classes.dtype() == DType::i64 &&
              in.classes.count() == targets && in.points >= 1,
          op, "g_sum must hold ", images * targets, ", sums ", images * queries, " x 2, probability ", images * queries,
          " x ", classes + 1, " and classes ", targets, " elements, got ", in.g_sum.shape(), ", ", in.sums.shape(),
          ", ", in.probability.shape(), " and ", in.classes.shape());
  require_one_device(op, "zg, sg, g_sum, sums, probability, classes and slots", in.zg, in.sg, in.g_sum, in.sums,
                     in.probability, in.classes, slots);
  if (in.classes.device().is_cpu())
    for (const std::int64_t k : in.classes.values<std::int64_t>())
      require(k >= 0 && k < classes, op, "classes must be in [0, ", classes, "), got ", k);
  Tensor cost = Tensor::empty(in.zg.shape(), DType::f64, in.zg.device());
  dispatch_real(op, in.zg.dtype(), [&]<class T>() {
    const MaskCosts<T> of{in.zg.data<T>(),
                          in.sg.data<T>(),
                          in.g_sum.data<T>(),
                          in.probability.data<T>(),
                          in.sums.data<double>(),
                          in.classes.data<std::int64_t>(),
                          images,
                          queries,
                          targets,
                          classes,
                          static_cast<double>(in.points),
                          in.cls,
                          in.mask,
                          in.dice};
    REIN_ON_DEVICE(cost.device(), mask_costs<T>(of, cost.mutable_data<double>(), slots.mutable_data<double>()));
  });
  return cost;
}

}  // namespace rein::ops
