#include "autograd/ops/sampling/ms_deform_attn.h"

#include "autograd/record.h"

namespace rein {
namespace {

// A point with weight a at pixel coordinates (x, y), fractions fx, fy in its cell with corners v00 v01 / v10 v11
// (zero outside of the map), g the head's part of grad_out:
//   out += a s,  s = (1-fy)(1-fx) v00 + (1-fy) fx v01 + fy (1-fx) v10 + fy fx v11
//   grad_a   = g . s
//   grad_vij = a (its bilinear weight) g
//   grad_x   = a g . ((1-fy)(v01 - v00) + fy (v11 - v10)),  grad_y = a g . ((1-fx)(v10 - v00) + fx (v11 - v01))
//   x = location_x w - 1/2, so grad_location_x = w grad_x, and h for y.
// Values and points are read again, nothing else is saved.
struct MsDeformAttnSaved {
  SavedTensor value, locations, weights;
  std::vector<ops::LevelShape> levels;
};

void ms_deform_attn_vjp(const MsDeformAttnSaved& s, GradContext& g) {
  auto grads = ops::ms_deform_attn_backward(g.out(), s.value.get(), s.levels, s.locations.get(), s.weights.get(),
                                            {.value = g.wants(0), .locations = g.wants(1), .weights = g.wants(2)});
  g.set(0, std::move(grads.value));
  g.set(1, std::move(grads.locations));
  g.set(2, std::move(grads.weights));
}

// location = reference + offset / size: grad_offset = grad_out / size; a reference point is shared by heads and points,
// so its gradient is the sum over both.
struct SamplingLocationsSaved {
  std::vector<ops::LevelShape> levels;
};

void sampling_locations_vjp(const SamplingLocationsSaved& s, GradContext& g) {
  auto grads = ops::sampling_locations_backward(g.out(), s.levels, g.wants(0), g.wants(1));
  g.set(0, std::move(grads.offsets));
  g.set(1, std::move(grads.reference));
}

}  // namespace

Variable ms_deform_attn(const Variable& value, const std::vector<ops::LevelShape>& levels, const Variable& locations,
                        const Variable& weights) {
  return record(
      "ms_deform_attn", {value, locations, weights},
      ops::ms_deform_attn(value.value(), levels, locations.value(), weights.value()),
      [&](Saver& save) {
        return MsDeformAttnSaved{save(value.value()), save(locations.value()), save(weights.value()), levels};
      },
      ms_deform_attn_vjp);
}

Variable sampling_locations(const Variable& offsets, const Variable& reference,
                            const std::vector<ops::LevelShape>& levels) {
  return record(
      "sampling_locations", {offsets, reference}, ops::sampling_locations(offsets.value(), reference.value(), levels),
      [&](Saver&) { return SamplingLocationsSaved{levels}; }, sampling_locations_vjp);
}

}  // namespace rein
