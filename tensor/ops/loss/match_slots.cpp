#include "tensor/ops/loss/match_slots.h"

#include <algorithm>

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/loss/match_slots_kernels.h"

namespace rein::ops {
namespace {

void check_rows(const char* op, const Tensor& x, const Tensor& rows, std::int64_t length) {
  require(x && x.rank() == 2, op, "x must have two dimensions, got ", x.shape());
  require(rows && rows.dtype() == DType::i64 && rows.rank() == 1, op, "rows must be i64 (T), got ",
          rows ? name_of(rows.dtype()) : "nothing", " ", rows.shape());
  require_one_device(op, "x and rows", x, rows);
  if (rows.device().is_cuda()) return;  // reading them back would stop the step: the kernels check
  for (const std::int64_t row : rows.values<std::int64_t>())
    require(row >= -1 && row < length, op, "rows must be in [0, ", length, ") or -1, got ", row);
}

}  // namespace

MatchedSlots match_slots(const Tensor& class_of, const Tensor& present, const Tensor& splits, std::int64_t places) {
  const char* op = "match_slots";
  require(class_of && class_of.dtype() == DType::i64 && class_of.rank() == 2, op, "class_of must be i64 (N, Q), got ",
          class_of ? name_of(class_of.dtype()) : "nothing", " ", class_of.shape());
  const std::int64_t images = class_of.size(0), queries = class_of.size(1);
  require(present && present.dtype() == DType::u8 && present.rank() == 2 && present.size(0) == images, op,
          "present must be u8 (", images, ", K), got ", present ? name_of(present.dtype()) : "nothing", " ",
          present.shape());
  require(splits && splits.dtype() == DType::i64 && splits.shape() == Shape{images + 1} && places >= 0, op,
          "splits must be i64 ", Shape{images + 1}, ", got ", splits.shape());
  require_one_device(op, "class_of, present and splits", class_of, present, splits);
  const std::int64_t classes = present.size(1);
  const Device device = class_of.device();
  if (device.is_cpu()) {
    for (const std::int64_t k : class_of.values<std::int64_t>())
      require(k >= -1 && k < classes, op, "classes must be in [0, ", classes, ") or -1, got ", k);
    const auto all = splits.values<std::int64_t>();
    require(all.front() == 0 && all.back() == places && std::ranges::is_sorted(all), op,
            "splits must ascend from 0 to ", places, ", got ", all.front(), " to ", all.back());
  }
  const auto list = [&](const Shape& shape) { return Tensor::empty(shape, DType::i64, device); };
  MatchedSlots out{list({places}), list({places}), list({places}), list({images, queries}), list({images, queries})};
  const SlotLists to{out.rows.mutable_data<std::int64_t>(), out.images.mutable_data<std::int64_t>(),
                     out.classes.mutable_data<std::int64_t>(), out.targets.mutable_data<std::int64_t>(),
                     out.free.mutable_data<std::int64_t>()};
  REIN_ON_DEVICE(device, match_slots({images, queries, classes, places}, class_of.data<std::int64_t>(),
                                     present.data<std::uint8_t>(), splits.data<std::int64_t>(), to));
  return out;
}

Tensor take_rows(const Tensor& x, const Tensor& rows) {
  check_rows("take_rows", x, rows, x.rank() == 2 ? x.size(0) : 0);
  Tensor y = Tensor::empty({rows.count(), x.size(1)}, x.dtype(), x.device());
  dispatch_real("take_rows", x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), take_rows<T>(x.data<T>(), x.size(0), x.size(1), rows.data<std::int64_t>(), rows.count(),
                                            y.mutable_data<T>()));
  });
  return y;
}

Tensor put_rows(const Tensor& x, const Tensor& rows, std::int64_t length) {
  check_rows("put_rows", x, rows, length);
  require(rows.count() == x.size(0) && length >= 0, "put_rows", "rows must be i64 (", x.size(0), "), got ",
          rows.shape(), "; x is ", x.shape());
  Tensor y = Tensor::empty({length, x.size(1)}, x.dtype(), x.device());
  dispatch_real("put_rows", x.dtype(), [&]<class T>() {
    REIN_ON_DEVICE(x.device(), put_rows<T>(x.data<T>(), length, x.size(1), rows.data<std::int64_t>(), rows.count(),
                                           y.mutable_data<T>()));
  });
  return y;
}

}  // namespace rein::ops
