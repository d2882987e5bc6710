#include "tensor/ops/mask_point_loss.h"

#include <cmath>

#include "tensor/cuda/runtime.h"
#include "tensor/error.h"
#include "tensor/ops/mask_point_loss_cpu.h"
#include "tensor/ops/mask_point_loss_cuda.h"

namespace rein::ops {
namespace {

void check(const char* op, const Tensor& z, const Tensor& g, double bce_divisor, double dice_divisor) {
  require(z && z.rank() == 2, op, "z must have shape (T, P), got ", z.shape());
  require(g && g.shape() == z.shape() && g.dtype() == z.dtype(), op, "g must be ", name_of(z.dtype()), " ", z.shape(),
          " like z, got ", g.shape());
  require(g.device() == z.device(), op, "z and g must be on one device, got ", z.device().text(), " and ",
          g.device().text());
  require(std::isfinite(bce_divisor) && bce_divisor > 0 && std::isfinite(dice_divisor) && dice_divisor > 0, op,
          "divisors must be finite and above 0, got ", bce_divisor, " and ", dice_divisor);
}

}  // namespace

MaskPointLoss mask_point_loss(const Tensor& z, const Tensor& g, double bce_divisor, double dice_divisor) {
  check("mask_point_loss", z, g, bce_divisor, dice_divisor);
  MaskPointLoss out{Tensor::empty({}, z.dtype(), z.device()), Tensor::empty({}, z.dtype(), z.device()),
                    Tensor::empty({z.size(0), 2}, DType::f64, z.device())};
  dispatch_real("mask_point_loss", z.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(z.device(), mask_point_loss<T>(z.data<T>(), g.data<T>(), z.size(0), z.size(1), bce_divisor,
                                                  dice_divisor, out.bce.mutable_data<T>(), out.dice.mutable_data<T>(),
                                                  out.sums.mutable_data<double>()));
  });
  return out;
}

Tensor mask_point_loss_backward(const Tensor& grad_bce, const Tensor& grad_dice, const Tensor& z, const Tensor& g,
                                const Tensor& sums, double bce_divisor, double dice_divisor) {
  check("mask_point_loss_backward", z, g, bce_divisor, dice_divisor);
  const std::int64_t rows = z.size(0);
  require(sums && sums.dtype() == DType::f64 && sums.shape() == Shape{rows, 2}, "mask_point_loss_backward",
          "sums must be f64 ", Shape{rows, 2}, ", got ", sums.shape());
  for (const Tensor& grad : {grad_bce, grad_dice}) {
    require(!grad || (grad.count() == 1 && grad.dtype() == z.dtype() && grad.device() == z.device()),
            "mask_point_loss_backward", "gradients of the losses must be scalars like z, ", name_of(z.dtype()), " on ",
            z.device().text(), "; got ", grad.shape(), " ", name_of(grad.dtype()), " on ", grad.device().text());
  }
  require(sums.device() == z.device(), "mask_point_loss_backward", "z and sums must be on one device, got ",
          z.device().text(), " and ", sums.device().text());
  Tensor grad = Tensor::empty_like(z);
  dispatch_real("mask_point_loss_backward", z.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(z.device(), mask_point_loss_backward<T>(grad_bce ? grad_bce.data<T>() : nullptr,
                                                           grad_dice ? grad_dice.data<T>() : nullptr, z.data<T>(),
                                                           g.data<T>(), sums.data<double>(), rows, z.size(1),
                                                           bce_divisor, dice_divisor, grad.mutable_data<T>()));
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

}  // namespace rein::ops
