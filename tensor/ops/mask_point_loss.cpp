#include "tensor/ops/mask_point_loss.h"

#include <cmath>
#include <vector>

#include "tensor/error.h"
#include "tensor/ops/mask_point_loss_cpu.h"

namespace rein::ops {
namespace {

void check(const char* op, const Tensor& z, const Tensor& g, double bce_divisor, double dice_divisor) {
  require(z && z.rank() == 2, op, "z must have shape (T, P), got ", z.shape());
  require(g && g.shape() == z.shape() && g.dtype() == z.dtype(), op, "g must be ", name_of(z.dtype()), " ", z.shape(),
          " like z, got ", g.shape());
  require(std::isfinite(bce_divisor) && bce_divisor > 0 && std::isfinite(dice_divisor) && dice_divisor > 0, op,
          "divisors must be finite and above 0, got ", bce_divisor, " and ", dice_divisor);
}

}  // namespace

MaskPointLoss mask_point_loss(const Tensor& z, const Tensor& g, double bce_divisor, double dice_divisor) {
  check("mask_point_loss", z, g, bce_divisor, dice_divisor);
  const std::int64_t rows = z.size(0);
  std::vector<double> sums(static_cast<std::size_t>(4 * rows));
  dispatch_real("mask_point_loss", z.dtype(),
                [&]<class T>() { cpu::mask_point_sums<T>(z.data<T>(), g.data<T>(), rows, z.size(1), sums.data()); });
  MaskPointLoss out{{}, {}, Tensor::empty({rows, 2}, DType::f64, z.device())};
  double bce = 0, dice = 0, *kept = out.sums.mutable_data<double>();
  for (std::int64_t r = 0; r < rows; ++r) {
    const double* of_row = sums.data() + 4 * r;
    bce += of_row[0];
    kept[2 * r] = of_row[1];
    kept[2 * r + 1] = of_row[2] + of_row[3];
    dice += 1 - (2 * kept[2 * r] + 1) / (kept[2 * r + 1] + 1);
  }
  out.bce = Tensor::scalar(bce / bce_divisor, z.dtype());
  out.dice = Tensor::scalar(dice / dice_divisor, z.dtype());
  return out;
}

Tensor mask_point_loss_backward(const Tensor& grad_bce, const Tensor& grad_dice, const Tensor& z, const Tensor& g,
                                const Tensor& sums, double bce_divisor, double dice_divisor) {
  check("mask_point_loss_backward", z, g, bce_divisor, dice_divisor);
  const std::int64_t rows = z.size(0);
  require(sums && sums.dtype() == DType::f64 && sums.shape() == Shape{rows, 2}, "mask_point_loss_backward",
          "sums must be f64 ", Shape{rows, 2}, ", got ", sums.shape());
  const double bce = grad_bce ? grad_bce.item() / bce_divisor : 0,
               dice = grad_dice ? grad_dice.item() / dice_divisor : 0;
  Tensor grad = Tensor::empty_like(z);
  dispatch_real("mask_point_loss_backward", z.dtype(), [&]<class T>() {
    // d/ds of 1 - n / d with n = 2 sum s g + 1, d = sum s + sum g + 1: n / d^2 - 2 g / d.
    std::vector<T> a(static_cast<std::size_t>(rows)), b(a.size());
    const double* of_row = sums.data<double>();
    for (std::size_t r = 0; r < a.size(); ++r, of_row += 2) {
      const double n = 2 * of_row[0] + 1, d = of_row[1] + 1;
      a[r] = static_cast<T>(dice * n / (d * d));
      b[r] = static_cast<T>(dice * 2 / d);
    }
    cpu::mask_point_backward<T>(z.data<T>(), g.data<T>(), rows, z.size(1), static_cast<T>(bce), a.data(), b.data(),
                                grad.mutable_data<T>());
  });
  return grad;
}

MaskCostTerms mask_cost_terms(const Tensor& z) {
  require(z && z.rank() == 2, "mask_cost_terms", "z must have shape (Q, P), got ", z.shape());
  MaskCostTerms out{Tensor::empty_like(z), Tensor::empty({z.size(0), 2}, DType::f64, z.device())};
  dispatch_real("mask_cost_terms", z.dtype(), [&]<class T>() {
    cpu::mask_cost_terms<T>(z.data<T>(), z.size(0), z.size(1), out.sigmoid.mutable_data<T>(),
                            out.sums.mutable_data<double>());
  });
  return out;
}

}  // namespace rein::ops
