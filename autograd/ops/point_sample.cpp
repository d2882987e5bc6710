#include "autograd/ops/point_sample.h"

#include "autograd/record.h"
#include "tensor/ops/mask_point_loss.h"
#include "tensor/ops/point_sample.h"

namespace rein {
namespace {

// z_tp = sum of four weights times pixels of map rows[t]: linear in the maps, so only rows and points are kept, and
// grad_map[pixel] = sum over the points that read it of weight * grad_z.
struct PointSampleSaved {
  SavedTensor rows, points;
  Shape maps_shape;
};

void point_sample_vjp(const PointSampleSaved& s, GradContext& g) {
  g.set(0, ops::point_sample_backward(g.out(), s.rows.get(), s.points.get(), s.maps_shape));
}

// With s = sigmoid(z): d bce / d z = (s - g) / bce_divisor. For a row, n = 2 sum s g + 1 and d = sum s + sum g + 1:
// d dice / d z = (n / d^2 - 2 g / d) s (1 - s) / dice_divisor.
struct MaskPointLossSaved {
  SavedTensor z, g, sums;
  double bce_divisor, dice_divisor;
};

void mask_point_loss_vjp(const MaskPointLossSaved& s, GradContext& g) {
  g.set(0, ops::mask_point_loss_backward(g.out(0), g.out(1), s.z.get(), s.g.get(), s.sums.get(), s.bce_divisor,
                                         s.dice_divisor));
}

}  // namespace

Variable point_sample(const Variable& maps, const Tensor& rows, const Tensor& points) {
  return record(
      "point_sample", {maps}, ops::point_sample(maps.value(), rows, points),
      [&](Saver& save) {
        return PointSampleSaved{save(rows), save(points), maps.shape()};
      },
      point_sample_vjp);
}

MaskPointLosses mask_point_losses(const Variable& z, const Tensor& g, double bce_divisor, double dice_divisor) {
  auto out = ops::mask_point_loss(z.value(), g, bce_divisor, dice_divisor);
  const auto losses = record_many(
      "mask_point_losses", {z}, {out.bce, out.dice},
      [&](Saver& save) {
        return MaskPointLossSaved{save(z.value()), save(g), save(out.sums), bce_divisor, dice_divisor};
      },
      mask_point_loss_vjp);
  return {losses[0], losses[1]};
}

}  // namespace rein
