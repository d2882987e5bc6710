#include "tensor/rows.h"

#include "tensor/error.h"

namespace rein {
namespace {

Range checked(Range range, std::int64_t size, const char* what, const Shape& shape) {
  if (range.end == -1) range.end = size;
  require(range.begin >= 0 && range.begin <= range.end && range.end <= size, "rows", what, " range [", range.begin,
          ", ", range.end, ") is outside of ", size, "; tensor is ", shape);
  return range;
}

}  // namespace

std::string Rows::text() const {
  return concat_text(batches, " x (", rows, ", ", cols, ") in ", tensor.shape(), " ", name_of(tensor.dtype()));
}

Rows rows_of(const Tensor& tensor, Range rows, Range cols) {
  const Shape& shape = tensor.shape();
  require(shape.rank() >= 1, "rows", "needs a tensor of rank 1 or more, got ", shape);
  const std::int64_t row_count = shape.rank() >= 2 ? shape[-2] : 1;
  rows = checked(rows, row_count, "row", shape);
  cols = checked(cols, shape[-1], "column", shape);
  std::int64_t batches = 1;
  for (int axis = 0; axis + 2 < shape.rank(); ++axis) batches *= shape[axis];
  Rows r;
  r.tensor = tensor;
  r.row_pitch = shape[-1];
  r.batch_pitch = row_count * shape[-1];
  r.start = rows.begin * r.row_pitch + cols.begin;
  r.batches = batches;
  r.rows = rows.end - rows.begin;
  r.cols = cols.end - cols.begin;
  return r;
}

Rows flat_rows_of(const Tensor& tensor, Range cols) {
  return rows_of(tensor.view(Shape{tensor.shape().rows(), tensor.shape().cols()}), {}, cols);
}

}  // namespace rein
