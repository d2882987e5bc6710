#include "autograd/ops/shape/gather_rows.h"

#include "autograd/record.h"
#include "tensor/ops/shape/gather_rows.h"

namespace rein {
namespace {

// y = P x with one 1 in each row of P; the gradient of x is P^T grad_y: each row goes back to where it was taken.
struct GatherRowsSaved {
  SavedTensor index;
  std::int64_t length;
};

void gather_rows_vjp(const GatherRowsSaved& s, GradContext& g) {
  g.set(0, ops::gather_rows_backward(g.out(), s.index.get(), s.length));
}

}  // namespace

Variable gather_rows(const Variable& x, const Tensor& index) {
  return record(
      "gather_rows", {x}, ops::gather_rows(x.value(), index),
      [&](Saver& save) {
        return GatherRowsSaved{save(index), x.size(1)};
      },
      gather_rows_vjp);
}

}  // namespace rein
