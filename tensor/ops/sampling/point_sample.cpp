#include "tensor/ops/sampling/point_sample.h"

#include <algorithm>
#include <vector>

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/sampling/point_sample_kernels.h"

namespace rein::ops {
namespace {

struct Points {
  std::int64_t count = 0;    // P
  std::int64_t sharing = 1;  // neighbouring rows that share a set
};

Points check_points(const char* op, const Tensor& points, std::int64_t rows) {
  const bool fits =
      points && points.dtype() == DType::f32 && points.rank() >= 2 && points.rank() <= 3 && points.size(-1) == 2;
  const std::int64_t sets = !fits ? 0 : points.rank() == 2 ? 1 : points.size(0);
  require(fits && (sets > 0 ? rows % sets == 0 : rows == 0), op, "points must be f32 (S, P, 2) with S sets for ", rows,
          " rows, or (P, 2), got ", points ? name_of(points.dtype()) : "nothing", " ", points.shape());
  return {points.size(-2), rows > 0 ? rows / sets : 1};
}

void check_ids(const char* op, const char* what, const Tensor& ids, std::int64_t below, std::int64_t lowest = -1) {
  require(ids && ids.dtype() == DType::i64 && ids.rank() == 1, op, what, " must be i64 (T), got ",
          ids ? name_of(ids.dtype()) : "nothing", " ", ids.shape());
  if (ids.device().is_cuda()) return;  // reading them back would stop the step: the kernels check
  for (const std::int64_t id : ids.values<std::int64_t>())
    require(id >= lowest && id < below, op, what, " must be in [0, ", below, "), got ", id);
}

struct Map {
  std::int64_t count = 1, h = 0, w = 0;
};

// Which maps are read; null: each one by itself.
struct RowIds {
  std::int64_t count = 0;
  const std::int64_t* ids = nullptr;
};

Map map_of(const char* op, const Shape& shape) {
  require(shape.rank() >= 2 && shape[-1] >= 1 && shape[-2] >= 1, op, "maps must have shape (..., h, w), got ", shape);
  Map map{1, shape[-2], shape[-1]};
  for (int i = 0; i < shape.rank() - 2; ++i) map.count *= shape[i];
  require(map.h < (1 << 15) && map.w < (1 << 15), op, "maps must be smaller than 32768 x 32768, got ", shape);
  return map;
}

RowIds check_rows(const char* op, const Tensor& rows, const Map& map) {
  if (!rows) return {map.count, nullptr};
  check_ids(op, "rows", rows, map.count);
  return {rows.count(), rows.data<std::int64_t>()};
}

Map check_labels(const char* op, const Tensor& labels) {
  require(labels && (labels.dtype() == DType::i64 || labels.dtype() == DType::u8) && labels.rank() == 3, op,
          "labels must be i64 or u8 (N, H, W), got ", labels ? name_of(labels.dtype()) : "nothing", " ",
          labels.shape());
  return map_of(op, labels.shape());
}

template <class F>
void with_labels(const Tensor& labels, F&& f) {
  if (labels.dtype() == DType::u8)
    f(labels.data<std::uint8_t>());
  else
    f(labels.data<std::int64_t>());
}

}  // namespace

Tensor point_sample(const Tensor& maps, const Tensor& rows, const Tensor& points) {
  require(static_cast<bool>(maps), "point_sample", "maps must be given");
  const Map map = map_of("point_sample", maps.shape());
  const RowIds of = check_rows("point_sample", rows, map);
  const Points p = check_points("point_sample", points, of.count);
  require_one_device("point_sample", "maps, rows and points", maps, rows, points);
  Tensor out = Tensor::empty({of.count, p.count}, maps.dtype(), maps.device());
  dispatch_real("point_sample", maps.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(maps.device(), point_sample<T>(maps.data<T>(), map.count, map.h, map.w, of.ids, of.count,
                                                  points.data<float>(), p.count, p.sharing, out.mutable_data<T>()));
  });
  return out;
}

Tensor point_sample_backward(const Tensor& grad_out, const Tensor& rows, const Tensor& points,
                             const Shape& maps_shape) {
  const Map map = map_of("point_sample_backward", maps_shape);
  const RowIds of = check_rows("point_sample_backward", rows, map);
  const Points p = check_points("point_sample_backward", points, of.count);
  require(grad_out && grad_out.shape() == Shape{of.count, p.count}, "point_sample_backward",
          "grad_out must have shape ", Shape{of.count, p.count}, ", got ", grad_out.shape());
  require_one_device("point_sample_backward", "grad_out, rows and points", grad_out, rows, points);
  Tensor grad = Tensor::empty(maps_shape, grad_out.dtype(), grad_out.device());
  dispatch_real("point_sample_backward", grad_out.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(grad_out.device(),
                   point_sample_backward<T>(grad_out.data<T>(), of.ids, of.count, points.data<float>(), p.count,
                                            p.sharing, map.count, map.h, map.w, grad.mutable_data<T>()));
  });
  return grad;
}

Tensor sample_label_mask(const Tensor& labels, const Tensor& images, const Tensor& classes, const Tensor& points,
                         DType dtype) {
  const Map map = check_labels("sample_label_mask", labels);
  check_ids("sample_label_mask", "images", images, map.count);
  require(classes && classes.dtype() == DType::i64 && classes.shape() == images.shape(), "sample_label_mask",
          "classes must be i64 ", images.shape(), ", got ", classes.shape());
  const Points p = check_points("sample_label_mask", points, images.count());
  require_one_device("sample_label_mask", "labels, images, classes and points", labels, images, classes, points);
  Tensor out = Tensor::empty({images.count(), p.count}, dtype, labels.device());
  dispatch_real("sample_label_mask", dtype, [&]<class T>() {
    with_labels(labels, [&](const auto* values) {
      REIN_ON_DEVICE(
          labels.device(),
          sample_label_mask(values, map.count, map.h, map.w, images.data<std::int64_t>(), classes.data<std::int64_t>(),
                            images.count(), points.data<float>(), p.count, p.sharing, out.mutable_data<T>()));
    });
  });
  return out;
}

Tensor sample_label_classes(const Tensor& labels, const Tensor& classes, const Tensor& points, DType dtype) {
  const Map map = check_labels("sample_label_classes", labels);
  check_ids("sample_label_classes", "classes", classes, 256, 0);
  if (classes.device().is_cpu()) {
    std::vector<bool> seen(256);
    for (const std::int64_t k : classes.values<std::int64_t>()) {
      require(!seen[static_cast<std::size_t>(k)], "sample_label_classes", "class ", k, " is given twice");
      seen[static_cast<std::size_t>(k)] = true;
    }
  }
  require(points && points.dtype() == DType::f32 && points.rank() == 3 && points.size(0) == map.count &&
              points.size(2) == 2,
          "sample_label_classes", "points must be f32 (", map.count, ", P, 2), got ",
          points ? name_of(points.dtype()) : "nothing", " ", points.shape());
  require_one_device("sample_label_classes", "labels, classes and points", labels, classes, points);
  Tensor out = Tensor::empty({map.count, classes.count(), points.size(1)}, dtype, labels.device());
  dispatch_real("sample_label_classes", dtype, [&]<class T>() {
    with_labels(labels, [&](const auto* values) {
      REIN_ON_DEVICE(
          labels.device(),
          sample_label_classes(values, map.count, map.h, map.w, classes.data<std::int64_t>(), classes.count(),
                               points.data<float>(), points.size(1), out.mutable_data<T>()));
    });
  });
  return out;
}

Tensor smallest_magnitudes(const Tensor& x, std::int64_t count) {
  require(x && x.rank() == 2, "smallest_magnitudes", "x must have shape (T, C), got ", x.shape());
  require(count >= 0 && count <= x.size(1), "smallest_magnitudes", "count must be in [0, C], got ", count, "; x is ",
          x.shape());
  Tensor out = Tensor::empty({x.size(0), count}, DType::i64, x.device());
  dispatch_real("smallest_magnitudes", x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(),
                   smallest_magnitudes<T>(x.data<T>(), x.size(0), x.size(1), count, out.mutable_data<std::int64_t>()));
  });
  return out;
}

}  // namespace rein::ops
