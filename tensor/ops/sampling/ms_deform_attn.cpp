#include "tensor/ops/sampling/ms_deform_attn.h"

#include "tensor/cpu_features.h"
#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/sampling/ms_deform_attn_kernels.h"

namespace rein::ops {
namespace {

std::vector<DeformLevel> placed(const std::vector<LevelShape>& levels) {
  std::vector<DeformLevel> result;
  std::int64_t first = 0;
  for (const LevelShape& level : levels) {
    result.push_back({level.height, level.width, first});
    first += level.height * level.width;
  }
  return result;
}

// offsets or locations: (N, Q, heads, levels, points, 2).
void check_points(const char* op, const char* what, const Tensor& points, const std::vector<LevelShape>& levels) {
  require(points && points.rank() == 6 && points.size(5) == 2, op, what,
          " must have shape (N, Q, heads, levels, points, 2), got ", points.shape());
  require(points.size(3) == static_cast<std::int64_t>(levels.size()), op, levels.size(), " level shapes were given; ",
          what, " is ", points.shape());
  tokens_of(levels);
}

void check(const char* op, const Tensor& value, const std::vector<LevelShape>& levels, const Tensor& locations,
           const Tensor& weights) {
  require(value && value.rank() == 3, op, "value must have shape (N, S, heads*d), got ", value.shape());
  check_points(op, "locations", locations, levels);
  const Shape& l = locations.shape();
  const std::int64_t heads = l[2];
  require(l[0] == value.size(0) && heads >= 1 && value.size(2) % heads == 0, op, "locations ", l, " do not fit value ",
          value.shape(), ": N must agree and the channels be a multiple of the heads");
  require(tokens_of(levels) == value.size(1), op, "the level shapes have ", tokens_of(levels),
          " tokens in all; value is ", value.shape());
  const Shape expected{l[0], l[1], l[2], l[3], l[4]};
  require(weights && weights.shape() == expected, op, "weights must have shape ", expected, ", got ", weights.shape(),
          "; locations are ", l);
  require(value.dtype() == locations.dtype() && value.dtype() == weights.dtype(), op,
          "value, locations and weights must have one dtype, got ", name_of(value.dtype()), ", ",
          name_of(locations.dtype()), ", ", name_of(weights.dtype()));
  require_one_device(op, "value, locations and weights", value, locations, weights);
}

bool reference_forced(Device device) {
  return device.is_cpu() && forced_kernel("ms_deform_attn") == "reference";
}

// The kernels' view of the tensors, with the levels spread out over a head's points.
template <class T>
struct Input {
  Input(const Tensor& value, const std::vector<LevelShape>& levels, const Tensor& locations, const Tensor& weights) {
    for (const DeformLevel& level : placed(levels))
      for (std::int64_t p = 0; p < locations.size(4); ++p) {
        level_of_point.push_back(level);
        size.insert(size.end(), {static_cast<T>(level.width), static_cast<T>(level.height)});
      }
    view = {.value = value.data<T>(),
            .locations = locations.data<T>(),
            .weights = weights.data<T>(),
            .level = level_of_point.data(),
            .size = size.data(),
            .images = value.size(0),
            .tokens = value.size(1),
            .queries = locations.size(1),
            .heads = locations.size(2),
            .width = value.size(2) / locations.size(2),
            .levels = locations.size(3),
            .points = locations.size(4)};
  }
  std::vector<DeformLevel> level_of_point;
  std::vector<T> size;
  DeformInput<T> view;
};

}  // namespace

std::int64_t tokens_of(const std::vector<LevelShape>& levels) {
  constexpr std::int64_t limit = 1 << 24;  // whole numbers in f32: pixel coordinates stay exact
  std::int64_t sum = 0;
  for (const LevelShape& level : levels) {
    require(level.height >= 1 && level.width >= 1 && level.height <= limit && level.width <= limit, "ms_deform_attn",
            "a level must have 1 to ", limit, " rows and columns, got ", level.height, " x ", level.width);
    sum += level.height * level.width;
  }
  return sum;
}

Tensor ms_deform_attn(const Tensor& value, const std::vector<LevelShape>& levels, const Tensor& locations,
                      const Tensor& weights) {
  check("ms_deform_attn", value, levels, locations, weights);
  if (reference_forced(value.device())) return ms_deform_attn_reference(value, levels, locations, weights);
  Tensor out = Tensor::empty({value.size(0), locations.size(1), value.size(2)}, value.dtype(), value.device());
  dispatch_real("ms_deform_attn", value.dtype(), [&]<class T>() {
    const Input<T> input(value, levels, locations, weights);
    REIN_ON_DEVICE(value.device(), ms_deform_attn<T>(input.view, out.mutable_data<T>()));
  });
  return out;
}

MsDeformAttnGrads ms_deform_attn_backward(const Tensor& grad_out, const Tensor& value,
                                          const std::vector<LevelShape>& levels, const Tensor& locations,
                                          const Tensor& weights, MsDeformAttnWants wants) {
  check("ms_deform_attn_backward", value, levels, locations, weights);
  const Shape expected{value.size(0), locations.size(1), value.size(2)};
  require(grad_out && grad_out.shape() == expected && grad_out.dtype() == value.dtype(), "ms_deform_attn_backward",
          "grad_out must have shape ", expected, " and value's dtype, got ", grad_out.shape(), "; value is ",
          value.shape());
  require(grad_out.device() == value.device(), "ms_deform_attn_backward", "grad_out must be on ", value.device().text(),
          ", got ", grad_out.device().text());
  if (reference_forced(value.device()))
    return ms_deform_attn_backward_reference(grad_out, value, levels, locations, weights, wants);
  MsDeformAttnGrads grads;
  if (wants.value) grads.value = Tensor::empty_like(value);
  if (wants.locations) grads.locations = Tensor::empty_like(locations);
  if (wants.weights) grads.weights = Tensor::empty_like(weights);
  dispatch_real("ms_deform_attn_backward", value.dtype(), [&]<class T>() {
    const Input<T> input(value, levels, locations, weights);
    REIN_ON_DEVICE(value.device(),
                   ms_deform_attn_backward<T>(input.view, grad_out.data<T>(), mutable_or_null<T>(grads.value),
                                              mutable_or_null<T>(grads.locations), mutable_or_null<T>(grads.weights),
                                              forced_kernel("ms_deform_attn") == "atomics"));
  });
  return grads;
}

Tensor sampling_locations(const Tensor& offsets, const Tensor& reference, const std::vector<LevelShape>& levels) {
  check_points("sampling_locations", "offsets", offsets, levels);
  const Shape expected{offsets.size(0), offsets.size(1), offsets.size(3), 2};
  require(reference && reference.shape() == expected && reference.dtype() == offsets.dtype(), "sampling_locations",
          "reference must have shape ", expected, " and the offsets' dtype, got ", reference.shape(), "; offsets are ",
          offsets.shape());
  require(reference.device() == offsets.device(), "sampling_locations", "reference must be on ",
          offsets.device().text(), ", got ", reference.device().text());
  Tensor out = Tensor::empty_like(offsets);
  const auto places = placed(levels);
  dispatch_real("sampling_locations", offsets.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(offsets.device(), sampling_locations<T>(offsets.data<T>(), reference.data<T>(), places.data(),
                                                           offsets.size(0) * offsets.size(1), offsets.size(2),
                                                           offsets.size(3), offsets.size(4), out.mutable_data<T>()));
  });
  return out;
}

SamplingLocationsGrads sampling_locations_backward(const Tensor& grad_out, const std::vector<LevelShape>& levels,
                                                   bool want_offsets, bool want_reference) {
  check_points("sampling_locations_backward", "grad_out", grad_out, levels);
  SamplingLocationsGrads grads;
  if (want_offsets) grads.offsets = Tensor::empty_like(grad_out);
  if (want_reference)
    grads.reference =
        Tensor::empty({grad_out.size(0), grad_out.size(1), grad_out.size(3), 2}, grad_out.dtype(), grad_out.device());
  const auto places = placed(levels);
  dispatch_real("sampling_locations_backward", grad_out.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(grad_out.device(), sampling_locations_backward<T>(
                                          grad_out.data<T>(), places.data(), grad_out.size(0) * grad_out.size(1),
                                          grad_out.size(2), grad_out.size(3), grad_out.size(4),
                                          mutable_or_null<T>(grads.offsets), mutable_or_null<T>(grads.reference)));
  });
  return grads;
}

}  // namespace rein::ops
